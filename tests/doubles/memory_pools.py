"""A `sidecar.runs.runner.Runner` without processes: its pools keep the runs they are given until a test ends them."""

from collections.abc import Callable
from typing import Any

from msgspec import structs

from sandbox.outcome import Cancelled, Completion, LogLine, Outcome
from sandbox.pool import PoolState
from sandbox.program import Invocation
from sidecar.runs.runner import PoolName

HEALTHY = PoolState(
    fast=1,
    slow=0,
    grown=0,
    shrunk=0,
    stuck=0,
    spare=1,
    held=0,
    outstanding=0,
    slow_programs=0,
    confined=True,
    started=2,
    deaths={},
    moved=0,
    begun_again=0,
    resumed=0,
    shared=0,
    refused=0,
)


class MemoryRun:
    """One run; the test says how it ends."""

    def __init__(self, invocation: Invocation, done: Callable[[Completion], None]) -> None:
        self.invocation = invocation
        self._done = done

    def end(self, outcome: Outcome, *log: LogLine) -> None:
        self._done(Completion(outcome, log, 7))

    def cancel(self) -> None:
        self.end(Cancelled())

    cancel_between_turns = cancel


class MemoryPool:
    def __init__(self) -> None:
        self.runs: list[MemoryRun] = []
        self.picture = HEALTHY

    def submit(self, invocation: Invocation, done: Callable[[Completion], None], *_: Any) -> MemoryRun:
        run = MemoryRun(invocation, done)
        self.runs.append(run)
        return run

    def state(self) -> PoolState:
        return self.picture

    def be(self, **fields: Any) -> None:
        """Change what the pool says of itself."""
        self.picture = structs.replace(self.picture, **fields)


class MemoryRunner:
    def __init__(self) -> None:
        self.pools = {name: MemoryPool() for name in PoolName}
        self.started: list[PoolName] = []
        self.error: Exception | None = None
        """What the start of a pool raises."""

    def pool(self, name: PoolName) -> MemoryPool:
        return self.pools[name]

    async def start(self, name: PoolName) -> None:
        if self.error is not None:
            raise self.error
        self.started.append(name)

    def states(self) -> dict[PoolName, PoolState]:
        return {name: self.pools[name].state() for name in self.started}
