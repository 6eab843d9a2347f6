"""Workers set apart for programs that hold one for long."""

from sandbox.fair_queue import FairQueue
from sandbox.pooled_worker import Lane, PooledWorker


class SlowLane:
    """The programs of one degree of slowness, their workers, and the runs that wait for one.

    A worker is given a run when none of its own computes; those that wait between their turns do not count.
    """

    __slots__ = ("_seconds", "_until", "lane", "starting", "waiting", "workers")

    def __init__(self, lane: Lane, seconds: float) -> None:
        self.lane = lane
        self._seconds = seconds
        self._until: dict[str, float] = {}
        """By program, when it is to be tried elsewhere again."""
        self.workers: list[PooledWorker] = []
        self.starting = 0
        """Workers asked for that are not there yet."""
        self.waiting = FairQueue()

    def mark(self, key: str, now: float) -> None:
        """Let a program run here for a while."""
        self._until[key] = now + self._seconds

    def has(self, key: str, now: float) -> bool:
        """Whether a program runs here."""
        until = self._until.get(key)
        if until is None:
            return False
        if until > now:
            return True
        del self._until[key]
        return False

    def programs(self, now: float) -> set[str]:
        """Keys of the programs that run here."""
        return {key for key, until in self._until.items() if until > now}

    def __bool__(self) -> bool:
        """Whether any program may run here."""
        return bool(self._until)

    def forget(self, kept: set[str]) -> None:
        """Keep the slowness of these programs only."""
        for key in self._until.keys() - kept:
            del self._until[key]
