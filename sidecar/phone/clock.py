"""The phone's time: a clock that can be put forward, so that a minute of waiting takes no time."""

import asyncio
import heapq
import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext


class SkippingLoop(asyncio.SelectorEventLoop):
    """An event loop whose time can be stopped and put forward."""

    _skipped = 0.0
    _stopped: float | None = None

    def time(self) -> float:
        """The loop's time in seconds, ahead of the real one by what was skipped."""
        return (super().time() if self._stopped is None else self._stopped) + self._skipped

    def skip_to(self, when: float) -> None:
        """Put the time forward; what was due until then is run, in its order."""
        self._skipped += max(0.0, when - self.time())

    @contextmanager
    def stopped(self, stopped: bool = True) -> Iterator[None]:
        """Time passes only by `skip_to`; or, of False, by itself again for a while."""
        before = self._stopped
        self._stopped = super().time() if stopped else None
        try:
            yield
        finally:
            self._stopped = before


class Timer:
    """Something that happens later."""

    __slots__ = ("_handle", "due", "over")

    def __init__(self, handle: asyncio.TimerHandle) -> None:
        self._handle = handle
        self.due = handle.when()
        self.over = False

    def cancel(self) -> None:
        """Call it off: what was to happen does not."""
        self.over = True
        self._handle.cancel()


class Clock:
    """What is going to happen on the call and when."""

    def __init__(self, *, skips: bool) -> None:
        self._loop = asyncio.get_running_loop()
        self._skips = skips and isinstance(self._loop, SkippingLoop)
        self._timers: list[tuple[float, int, Timer]] = []
        self._number = itertools.count()
        self.began = self._loop.time()

    def stopped(self, stopped: bool = True) -> AbstractContextManager[None]:
        """Time passes only where the clock is advanced, if it may be put forward at all."""
        if not self._skips or not isinstance(self._loop, SkippingLoop):
            return nullcontext()
        return self._loop.stopped(stopped)

    @property
    def now(self) -> float:
        """Seconds since the call came."""
        return self._loop.time() - self.began

    def call_later(self, seconds: float, then: Callable[[], None]) -> Timer:
        """Have something happen."""
        timer: Timer

        def due() -> None:
            timer.over = True
            then()

        timer = Timer(self._loop.call_later(seconds, due))
        heapq.heappush(self._timers, (timer.due, next(self._number), timer))
        return timer

    @property
    def waits(self) -> bool:
        """Whether anything is going to happen by itself."""
        while self._timers and self._timers[0][2].over:
            heapq.heappop(self._timers)
        return bool(self._timers)

    async def advance(self, changed: asyncio.Event) -> None:
        """Let the next thing happen: at once where the clock may be put forward, else when its time has come."""
        if self.waits:
            await self._reach(self._timers[0][0], changed)

    async def pass_time(self, seconds: float, changed: asyncio.Event) -> None:
        """Let time pass in which nothing is expected."""
        await self._reach(self._loop.time() + seconds, changed)

    async def _reach(self, when: float, changed: asyncio.Event) -> None:
        if not self._skips or not isinstance(self._loop, SkippingLoop):
            changed.clear()
            wake = self._loop.call_at(when, changed.set)
            try:
                await changed.wait()
            finally:
                wake.cancel()
            return
        self._loop.skip_to(when)
        # Timers that are due run after whoever was ready before them.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
