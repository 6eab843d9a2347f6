"""What a process has begun and not ended, and how it comes to its end with the process."""

import asyncio
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar


class Cancellable(Protocol):
    """Something that is under way."""

    def cancel(self) -> None:
        """Give it up; it ends soon."""
        ...


Run = TypeVar("Run", bound=Cancellable)


class UnderWay(Generic[Run]):
    """What is under way, by its name. Lives on one event loop."""

    def __init__(self, cancel_seconds: float) -> None:
        """``cancel_seconds`` is what those that were cancelled have to come to their end."""
        self._cancel_seconds = cancel_seconds
        self._runs: dict[str, Run] = {}
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        return len(self._runs)

    def __iter__(self) -> Iterator[Run]:
        """As they are now, whatever begins and ends meanwhile."""
        return iter(tuple(self._runs.values()))

    def get(self, name: str) -> Run | None:
        """The one of this name."""
        return self._runs.get(name)

    def has(self, name: str, run: Run) -> bool:
        """Whether this very one is under way."""
        return self._runs.get(name) is run

    def begin(self, name: str, run: Run) -> Run:
        """It has begun."""
        self._runs[name] = run
        self._idle.clear()
        return run

    def end(self, name: str, run: Run) -> None:
        """It is over. Another one of its name goes on."""
        if self.has(name, run):
            del self._runs[name]
        if not self._runs:
            self._idle.set()

    async def drain(self, seconds: float) -> bool:
        """Wait until all are over, and cancel those that are not in time; the whole takes so many seconds at most.
        Whether nothing is left."""
        try:
            async with asyncio.timeout(max(0.0, seconds - self._cancel_seconds)):
                await self._idle.wait()
        except TimeoutError:
            self.cancel_rest()
            try:
                async with asyncio.timeout(self._cancel_seconds):
                    await self._idle.wait()
            except TimeoutError:
                return False
        return True

    def cancel_rest(self) -> None:
        """Cancel what is under way."""
        for run in self:
            run.cancel()
