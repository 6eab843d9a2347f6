"""Runs that have begun in a worker, and those of them that wait: for a timer, a host call, or both."""

import heapq
from dataclasses import dataclass

from sandbox.engine import Context


@dataclass(slots=True)
class BegunRun:
    """A run that has begun."""

    id: int
    context: Context
    key: str
    customer: str
    jobs: int
    cpu_left: float
    """Processor time that it may use yet, over all its turns."""
    turn_cpu: float
    """Processor seconds of one turn."""
    kill_seconds: float
    started: float
    stops_at: float
    """When the engine interrupts a turn of it, by the monotonic clock: just before its deadline."""
    heap_bytes: int = 0
    """While it waits; 0 where nobody asks."""
    due: float | None = None
    """When its next timer is, while it waits."""
    waited: float = 0.0
    """Seconds between its turns so far."""
    waits_since: float = 0.0
    """When its last turn ended."""

    @property
    def series(self) -> tuple[str, str]:
        """The program and the customer, whose runs share what memory the program may have."""
        return self.key, self.customer


class SuspendedRuns:
    """Runs that wait, when their timers are due, and the memory that those of a series hold together."""

    __slots__ = ("_due", "_heap_bytes", "_runs")

    def __init__(self) -> None:
        self._runs: dict[int, BegunRun] = {}
        self._due: list[tuple[float, int]] = []
        """A heap. What is in it of runs that wait no longer, or wait anew, goes when its time comes."""
        self._heap_bytes: dict[tuple[str, str], int] = {}

    def heap_bytes(self, series: tuple[str, str]) -> int:
        """What the waiting runs of a program for a customer hold, of those whose memory was measured."""
        return self._heap_bytes.get(series, 0)

    def add(self, run: BegunRun, due: float | None) -> None:
        """Let a run wait, until ``due`` by the monotonic clock if it has a timer."""
        self._runs[run.id] = run
        run.due = due
        if due is not None:
            heapq.heappush(self._due, (due, run.id))
        if run.heap_bytes:
            self._heap_bytes[run.series] = self._heap_bytes.get(run.series, 0) + run.heap_bytes

    def take(self, run_id: int) -> BegunRun | None:
        """A run that waits no longer; None for one that does not wait here."""
        run = self._runs.pop(run_id, None)
        if run is None:
            return None
        if run.heap_bytes:
            held = self._heap_bytes[run.series] - run.heap_bytes
            if held:
                self._heap_bytes[run.series] = held
            else:
                del self._heap_bytes[run.series]
        return run

    def next_due(self) -> float | None:
        """When the next timer is due."""
        heap = self._due
        while heap and not self._waits(*heap[0]):
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def due(self, now: float) -> list[int]:
        """Ids of the runs whose timers are due by now."""
        heap = self._due
        found = []
        while heap and heap[0][0] <= now:
            due, run_id = heapq.heappop(heap)
            if self._waits(due, run_id):
                found.append(run_id)
        return found

    def _waits(self, due: float, run_id: int) -> bool:
        run = self._runs.get(run_id)
        return run is not None and run.due == due
