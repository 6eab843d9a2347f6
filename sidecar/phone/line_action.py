"""One action under way on the phone's line."""

from collections.abc import Callable

from sidecar.phone.clock import Timer
from sidecar.phone.voice import Sound
from sipio.call_control import ActionResult, CallAction
from sipio.digit_entry import DigitEntry


class LineAction:
    """What plays for it, what it waits for, and whom it is complete for."""

    __slots__ = ("_done", "_stop", "action", "began", "collector", "destination", "sound", "timer")

    def __init__(
        self, action: CallAction, done: Callable[[ActionResult], None], stop: Callable[["LineAction"], None]
    ) -> None:
        self._stop = stop
        self._done: Callable[[ActionResult], None] | None = done
        self.action = action
        self.sound: Sound | None = None
        self.timer: Timer | None = None
        self.collector: DigitEntry | None = None
        self.destination = 0
        self.began: float | None = None

    def stop(self) -> None:
        """End it early."""
        self._stop(self)

    def silence(self) -> None:
        """No sound, no timer."""
        for one in (self.sound, self.timer):
            if one is not None:
                one.cancel()
        self.sound = self.timer = None

    @property
    def over(self) -> bool:
        """Whether it has its result."""
        return self._done is None

    def complete(self, result: ActionResult) -> None:
        """It has this result, unless it has one."""
        self.silence()
        done, self._done = self._done, None
        if done is not None:
            done(result)
