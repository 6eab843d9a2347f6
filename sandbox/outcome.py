"""The closed end of a run."""

from enum import StrEnum

import msgspec

from sandbox.recording import Recorded


class TimeLimit(StrEnum):
    """Which clock ran out."""

    CPU = "cpu"
    WALL = "wall"


class Bound(StrEnum):
    """Which bound on what a run may hand out was passed."""

    RESULT = "result"
    OUTBOX = "outbox"
    JOBS = "jobs"


class Location(msgspec.Struct, frozen=True):
    """A place in the author's file; both count from 1."""

    line: int
    column: int


class Returned(msgspec.Struct, frozen=True, tag=True):
    """The script came to its end. ``value`` is MessagePack, as the adapter collected it."""

    value: bytes


class Threw(msgspec.Struct, frozen=True, tag=True):
    """The script threw, its promise was rejected, or it did not compile."""

    program: str
    """The author's file name."""
    name: str
    """The name of the error's class, such as ``TypeError``."""
    message: str
    location: Location | None
    stack: tuple[str, ...] = ()
    """``function (file:line:column)``, innermost first, the author's frames only."""
    builtin: str = ""
    """The function of the language's own that threw, such as ``keys`` of ``Object``; empty for the author's text."""
    caller: Location | None = None
    """Where the author's function that threw was called."""

    def __str__(self) -> str:
        place = f":{self.location.line}:{self.location.column}" if self.location else ""
        return f"{self.program}{place}: {self.name}: {self.message}"


class TimedOut(msgspec.Struct, frozen=True, tag=True):
    """The run used up its processor time, or its deadline passed while it ran, waited or stood in a queue."""

    limit: TimeLimit


class OutOfMemory(msgspec.Struct, frozen=True, tag=True):
    """The run reached a memory limit."""

    of_worker: bool = False
    """Whether it was that of the worker process, over all that it holds, and not the program's own."""


class Exceeded(msgspec.Struct, frozen=True, tag=True):
    """The run passed a bound on what it may hand out."""

    bound: Bound


class Crashed(msgspec.Struct, frozen=True, tag=True):
    """The worker process died of this run, other than by a time limit."""

    cause: str
    """``SIGSEGV``, ``SIGSYS``, ``exit 1`` ..."""


class Refused(msgspec.Struct, frozen=True, tag=True):
    """Never begun, since too much was waiting already, or the pool was closed."""

    reason: str


class Cancelled(msgspec.Struct, frozen=True, tag=True):
    """The run was given up by whoever had asked for it."""


Outcome = Returned | Threw | TimedOut | OutOfMemory | Exceeded | Crashed | Refused | Cancelled


class LogLine(msgspec.Struct, frozen=True):
    """One call of ``console.*``."""

    level: str
    text: str


class Stage(StrEnum):
    """What a run was at."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    """For a timer, an answer of its host, or both."""


class Interruption(msgspec.Struct, frozen=True):
    """What a run was at when its time was over."""

    stage: Stage
    seconds: float
    """How long it had been at that; of a queued one since it was submitted."""
    function: str = ""
    """The function that it was in, where the engine could tell."""
    location: Location | None = None
    """The last place before that the engine had noted there: of a loop without a call it is one before the loop."""


class Completion(msgspec.Struct, frozen=True):
    """What came of one invocation."""

    outcome: Outcome
    log: tuple[LogLine, ...] = ()
    run_micros: int = 0
    """Microseconds in the worker, from the run's start to its outcome; 0 where the worker did not live to tell."""
    interruption: Interruption | None = None
    """Of one that was timed out."""
    recording: Recorded | None = None
    """Of one that was to be recorded."""
    busy_micros: int = 0
    """Of ``run_micros``, those in its turns."""
