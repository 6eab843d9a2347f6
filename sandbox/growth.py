"""How many fast workers a pool has, between a least and a most number, by how many of them are busy. Reads no clock."""

from typing import Final

LOOK_SECONDS: Final = 0.1
"""Between two looks at a pool that has something to do."""
WEIGHT: Final = 0.2
"""Of one look in the average: a burst that is over within a look or two starts nothing."""
FULL: Final = 0.75
"""Busy workers among all from which on there is to be one more: before the last of them is taken."""


class Growth:
    """What one pool has seen of its load."""

    __slots__ = ("_idle_seconds", "_idle_since", "busy", "least", "most")

    def __init__(self, least: int, most: int, idle_seconds: float) -> None:
        """``idle_seconds``: a worker that so long was one too many is stopped."""
        self.least = least
        self.most = most
        self.busy = 0.0
        """Workers that have something to do, on an average of the last half second."""
        self._idle_seconds = idle_seconds
        self._idle_since: float | None = None

    def may_change(self, workers: int, *, idle: bool) -> bool:
        """Whether a look may find anything: there are more than the least, or what goes on may ask for more."""
        return workers > self.least or (self.most > self.least and not idle)

    def look(self, workers: int, busy: int, now: float) -> int:
        """1 where one more is to be started, -1 where one is to be stopped, else 0. To be asked every `LOOK_SECONDS`,
        of which ``now`` are seconds of any clock that is not set back."""
        self.busy += WEIGHT * (busy - self.busy)
        if workers <= self.least or self.busy >= FULL * (workers - 1):
            # The others would be as good as full without it.
            self._idle_since = None
            return 1 if workers < self.most and self.busy >= FULL * workers else 0
        if self._idle_since is None:
            self._idle_since = now
        if now - self._idle_since < self._idle_seconds:
            return 0
        self._idle_since = now
        return -1
