"""Scripts tried at another time than now."""

from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files
from typing import Final

from msgspec import structs

from sandbox.host import Host
from sandbox.outcome import Completion
from sandbox.program import Invocation, Program
from sidecar.runs.runner import Running, ScriptRunner

_AROUND: Final = (files(__package__) / "set_clock.js").read_text(encoding="utf-8")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def with_clock(program: Program, begin: datetime) -> Program:
    """The program with a clock that stands at ``begin`` when a run begins: ``Date.now()``, ``new Date()`` and Intl."""
    milliseconds = round((begin - _EPOCH).total_seconds() * 1000)
    # An adapter is a statement of its own, with a semicolon where its formatter has put one.
    adapter = f"({program.adapter.rstrip().removesuffix(';')})"
    return structs.replace(
        program, adapter=_AROUND.replace("BEGIN", f"{milliseconds}", 1).replace("ADAPTER", adapter, 1)
    )


class SetClock:
    """A `sidecar.runs.runner.ScriptRunner` around another, for scripts whose clock is set."""

    def __init__(self, runner: ScriptRunner, begin: datetime) -> None:
        self._runner = runner
        self._begin = begin

    def submit(self, invocation: Invocation, done: Callable[[Completion], None], host: Host | None = None) -> Running:
        """Run a script."""
        invocation = structs.replace(invocation, program=with_clock(invocation.program, self._begin))
        return self._runner.submit(invocation, done, host)
