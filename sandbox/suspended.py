"""Runs that have begun in a worker, and those of them that wait: for a timer, a host call, or both."""

from dataclasses import dataclass

from sandbox.engine import Context


@dataclass(slots=True)
class BegunRun:
    """A run that has begun."""

    id: int
    context: Context
    key: str
    jobs: int
    cpu_left: float
    """Processor seconds, over all its turns."""
    turn_cpu: float
    """Processor seconds of one turn."""
    kill_seconds: float
    started: float
    heap_bytes: int = 0
    """While it waits; 0 where nobody asks."""


class SuspendedRuns:
    """Runs that wait, when their timers are due, and the memory that those of a program hold together."""

    __slots__ = ("_due", "_heap_bytes", "_runs")

    def __init__(self) -> None:
        self._runs: dict[int, BegunRun] = {}
        self._due: dict[int, float] = {}
        self._heap_bytes: dict[str, int] = {}

    def heap_bytes(self, key: str) -> int:
        """What the waiting runs of a program hold, of those whose memory was measured."""
        return self._heap_bytes.get(key, 0)

    def add(self, run: BegunRun, due: float | None) -> None:
        """Let a run wait, until ``due`` by the monotonic clock if it has a timer."""
        self._runs[run.id] = run
        if due is not None:
            self._due[run.id] = due
        if run.heap_bytes:
            self._heap_bytes[run.key] = self._heap_bytes.get(run.key, 0) + run.heap_bytes

    def take(self, run_id: int) -> BegunRun | None:
        """A run that waits no longer; None for one that does not wait here."""
        run = self._runs.pop(run_id, None)
        if run is None:
            return None
        self._due.pop(run_id, None)
        if run.heap_bytes:
            held = self._heap_bytes[run.key] - run.heap_bytes
            if held:
                self._heap_bytes[run.key] = held
            else:
                del self._heap_bytes[run.key]
        return run

    def next_due(self) -> float | None:
        """When the next timer is due."""
        return min(self._due.values()) if self._due else None

    def due(self, now: float) -> list[int]:
        """Ids of the runs whose timers are due by now."""
        return [run_id for run_id, due in self._due.items() if due <= now] if self._due else []
