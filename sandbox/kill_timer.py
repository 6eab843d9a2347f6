"""The kernel's timer that kills a worker whose run cannot be interrupted."""

import signal
from typing import Final

LATER_SECONDS: Final = 0.02
"""The kernel kills so much later than it is asked to, at most: runs that follow each other need one timer then, not one
each, which is two system calls."""


class KillTimer:
    """SIGALRM, which nothing handles. It is off while the worker waits for messages."""

    __slots__ = ("_due",)

    def __init__(self) -> None:
        self._due = 0.0
        """By the monotonic clock; 0 while it is off."""

    def cover(self, now: float, seconds: float) -> None:
        """Have the kernel kill this process unless what begins now is over in so many seconds."""
        if not seconds <= self._due - now <= seconds + LATER_SECONDS:
            signal.setitimer(signal.ITIMER_REAL, seconds + LATER_SECONDS)
            self._due = now + seconds + LATER_SECONDS

    def stop(self) -> None:
        """Nothing is to be killed until something begins."""
        if self._due:
            signal.setitimer(signal.ITIMER_REAL, 0)
            self._due = 0.0
