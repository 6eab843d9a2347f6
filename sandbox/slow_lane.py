"""Workers set apart for programs that hold one for long."""

from sandbox.fair_queue import FairQueue
from sandbox.pooled_worker import Lane, PooledWorker


class SlowLane:
    """The programs of one degree of slowness, their workers, and the runs that wait for one.

    A worker is given a run when none of its own computes; those that wait between their turns do not count.
    """

    __slots__ = ("_seconds", "lane", "starting", "until", "waiting", "workers")

    def __init__(self, lane: Lane, seconds: float) -> None:
        self.lane = lane
        self._seconds = seconds
        self.until: dict[str, float] = {}
        """By program that may run here, when it is to be tried elsewhere again; see ``has``."""
        self.workers: list[PooledWorker] = []
        self.starting = 0
        """Workers asked for that are not there yet."""
        self.waiting = FairQueue()

    def mark(self, key: str, now: float) -> None:
        """Let a program run here for a while."""
        self.until[key] = now + self._seconds

    def has(self, key: str, now: float) -> bool:
        """Whether a program runs here."""
        until = self.until.get(key)
        if until is None:
            return False
        if until > now:
            return True
        del self.until[key]
        return False

    def programs(self, now: float) -> set[str]:
        """Keys of the programs that run here."""
        return {key for key, until in self.until.items() if until > now}

    def forget(self, kept: set[str]) -> None:
        """Keep the slowness of these programs only."""
        for key in self.until.keys() - kept:
            del self.until[key]

    def runs(self, key: str) -> bool:
        """Whether a run of this program is in one of the workers."""
        return any(
            run.series[0] == key and not run.suspended for worker in self.workers for run in worker.outstanding.values()
        )

    def emptiest(self, generation: int) -> PooledWorker | None:
        """The worker of a generation in which the fewest wait, and that is not lost in a turn; None where there is no
        such."""
        like = [worker for worker in self.workers if worker.process.generation == generation and not worker.lost]
        return min(like, key=lambda worker: worker.suspended, default=None)
