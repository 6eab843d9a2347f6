"""What is run: one version of a script, its limits, and one invocation of it."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """SCRIPT is synchronous: no promises, no timers. APP has both, within the run."""

    SCRIPT = "script"
    APP = "app"


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """One version of one script. Two versions never share a key, and two scripts never share a context."""

    key: str
    """Names this version among all; runs of programs with the same key may follow each other in one context."""
    name: str
    """The author's file name, as errors show it."""
    kind: Kind
    text: str
    adapter: str
    """Trusted JavaScript, an expression that gives ``{prepare, collect, caught}``; see runtime/run.js."""
    environment: Mapping[str, str] = msgspec.field(default_factory=dict)
    """``process.env``."""
    memory_bytes: int = 100_000_000
    shared_memory: bool = True
    """Whether the limit holds for all runs of this program that wait at the same time together, or for each."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one run may use. Each has an outcome of its own, but for the log, which is cut."""

    wall_seconds: float = 2.0
    turn_seconds: float | None = None
    """Wall and processor time of one turn of a run that waits in between; None for the run's own limits."""
    cpu_seconds: float = 2.0
    result_bytes: int = 1_000_000
    """Characters of the result as JSON."""
    log_bytes: int = 16_384
    """Characters of console output kept."""
    outbox_calls: int = 1_000
    """Host calls asked for in one turn."""
    outbox_bytes: int = 1_000_000
    """Characters of their arguments as JSON, in one turn."""
    jobs: int = 1_000_000
    """Promise reactions in one turn; processor time bounds a turn as well."""


class Invocation(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one program."""

    program: Program
    input: bytes
    """JSON, for the adapter's ``prepare``."""
    limits: Limits
    correlation_id: str = ""
    """``process.env.CORRELATION_ID``: the call's own id."""
