"""The pools of worker processes, one for each thing that scripts are run for, and the state of all of them."""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Protocol

from sandbox.errors import SandboxError
from sandbox.host import Host
from sandbox.outcome import Completion
from sandbox.parent import Parent
from sandbox.pool import Pool, PoolSettings, PoolState
from sandbox.program import Invocation


class PoolName(StrEnum):
    """What a pool's workers run scripts for. None delays another's."""

    DECISIONS = "decisions"
    CALLS = "calls"
    REQUESTS = "requests"
    JOBS = "jobs"


class Running(Protocol):
    """A run under way; `sandbox.run.Run` is one."""

    def cancel(self) -> None:
        """Give it up: it ends as `sandbox.outcome.Cancelled`, or is over already."""
        ...

    def cancel_between_turns(self) -> None:
        """Give it up where it waits, or as soon as it does: what it is about ends it first, if that does."""
        ...


class ScriptRunner(Protocol):
    """What runs scripts; `sandbox.pool.Pool` is one."""

    def submit(self, invocation: Invocation, done: Callable[[Completion], None], host: Host | None = None) -> Running:
        """Run a script. ``done`` is called once, and ``host`` asked, perhaps before this returns."""
        ...


class Runner:
    """All pools of one process. A pool that was never started has no workers and refuses nothing of the others'."""

    def __init__(self, settings: Mapping[PoolName, PoolSettings], trusted: Iterable[str] = ()) -> None:
        """``trusted`` is the JavaScript that scripts of all pools share, which their workers find compiled."""
        self.parent = Parent(trusted)
        """What the workers of all pools are forked from."""
        self._settings = dict(settings)
        self._pools = {name: Pool(sizes, self.parent) for name, sizes in settings.items()}
        self._started: list[PoolName] = []

    def pool(self, name: PoolName) -> Pool:
        """The pool of this name, to submit runs to; another one after a `start` that failed. Raises KeyError for one
        that was given no settings."""
        return self._pools[name]

    async def start(self, name: PoolName) -> None:
        """Start a pool's workers. Raises SandboxError where one does not come up, or OSError; it may be tried again
        then."""
        try:
            await self._pools[name].start()
        except (SandboxError, OSError):
            self._pools[name] = Pool(self._settings[name], self.parent)  # what failed is closed, and opens no more
            raise
        self._started.append(name)

    def retain(self, keys: Iterable[str]) -> None:
        """Have all workers forget every program but these: the catalog has changed. Runs under way go on."""
        kept = set(keys)
        for pool in self._pools.values():
            pool.retain(kept)

    def states(self) -> dict[PoolName, PoolState]:
        """A picture of each pool that was started."""
        return {name: self._pools[name].state() for name in self._started}

    async def close(self) -> None:
        """Give up every run, and return once every worker is gone."""
        for pool in self._pools.values():
            await pool.close()
        self.parent.close()
