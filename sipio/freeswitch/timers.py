"""What is to happen later on one call. Sans-IO: whoever owns the loop asks for the deadline and runs what is due."""

from collections.abc import Callable


class CallTimer:
    """A callback and when it is due."""

    __slots__ = ("at", "callback")

    def __init__(self, at: float, callback: Callable[[], None]) -> None:
        self.at = at
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Drop the callback, which is not called any more; nothing happens once it was."""
        self.callback = None


class CallTimers:
    """The timers of one call: two or three at once, so a list does."""

    __slots__ = ("_clock", "_timers", "_wake")

    def __init__(self, clock: Callable[[], float], wake: Callable[[], None]) -> None:
        self._clock = clock
        self._wake = wake
        self._timers: list[CallTimer] = []

    def after(self, seconds: float, callback: Callable[[], None]) -> CallTimer:
        """Have a callback called in so many seconds."""
        timer = CallTimer(self._clock() + seconds, callback)
        self._timers.append(timer)
        self._wake()
        return timer

    @property
    def deadline(self) -> float | None:
        """Loop time at which the next is due; None for none."""
        return min((timer.at for timer in self._timers if timer.callback is not None), default=None)

    def run(self) -> None:
        """Call what is due, the earliest first."""
        now = self._clock()
        due = [timer for timer in self._timers if timer.at <= now]
        self._timers = [timer for timer in self._timers if timer.at > now and timer.callback is not None]
        for timer in sorted(due, key=lambda one: one.at):
            callback, timer.callback = timer.callback, None
            if callback is not None:
                callback()

    def close(self) -> None:
        """Cancel every timer, and wake nobody any more: the call's connection is gone."""
        for timer in self._timers:
            timer.callback = None
        self._timers.clear()
        self._wake = nothing


def nothing() -> None:
    """In place of waking whoever owns the loop, once the connection is gone."""
