"""Runs that wait for a worker, so that nobody's many stand in front of another's few."""

from collections import OrderedDict, deque

from sandbox.run import Run


class FairQueue:
    """The runs of each program for each customer in their order, and these in turn."""

    __slots__ = ("_queues", "count")

    def __init__(self) -> None:
        self._queues: OrderedDict[tuple[str, str], deque[Run]] = OrderedDict()
        self.count = 0
        """How many there are, those among them that were answered meanwhile too."""

    def append(self, run: Run) -> None:
        """Let a run wait behind those of its own series."""
        queue = self._queues.get(run.series)
        if queue is None:
            queue = self._queues[run.series] = deque()
        # What was answered while it waited does not pile up in front of a worker that does not come.
        while queue and queue[0].answered:
            queue.popleft()
            self.count -= 1
        queue.append(run)
        self.count += 1

    def pop(self) -> Run | None:
        """Take the next run that has no answer; None where there is none."""
        while self._queues:
            series, queue = self._queues.popitem(last=False)
            run = queue.popleft()
            self.count -= 1
            if queue:
                self._queues[series] = queue
            if not run.answered:
                return run
        return None

    def drain(self) -> list[Run]:
        """Take all, in the order in which they would have come."""
        runs = []
        while (run := self.pop()) is not None:
            runs.append(run)
        return runs
