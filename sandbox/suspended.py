"""Runs that have begun in a worker, and those of them that wait: for a timer, a host call, or both."""

import heapq
from dataclasses import dataclass
from typing import Final

from sandbox.engine import LoadedProgram
from sandbox.image_store import ImageStore, Place
from sandbox.link import interrupted_early
from sandbox.messages_down import PACES, Pace, ResumeMessage, RunMessage
from sandbox.program import Program

SPENT_SHARE: Final = 0.6
"""Share of the worker's memory: waiting runs that hold more ask for a worker beside this one for those to come."""
FULL_SHARE: Final = 0.8
"""Share of the worker's memory that waiting runs may hold: what is over serves those that run."""


@dataclass(slots=True)
class BegunRun:
    """A run that has begun."""

    id: int
    origin: int
    """The id that it had where it began."""
    program: Program
    loaded: LoadedProgram | None
    """None for one that came from another worker and has not had a turn here."""
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
    clock: float
    """When it began, in milliseconds since 1970, as it is told."""
    pace: Pace = Pace.OWN
    place: Place | None = None
    """Its last image that the daemon was told of, or is about to be; None before it has waited."""
    number: int = 0
    """How many there were."""
    inside: bool = False
    """It stays in the engine while it waits, as the next message is for it."""
    settled: int = 0
    """Answers of its host that it has taken."""
    due: float | None = None
    """When its next timer is, while it waits."""
    waited: float = 0.0
    """Seconds between its turns so far."""
    waits_since: float = 0.0
    """When its last turn ended."""

    @classmethod
    def begin(
        cls, asked: RunMessage, program: Program, loaded: LoadedProgram, started: float, kill_seconds: float
    ) -> "BegunRun":
        """One that begins here."""
        return cls(
            asked.run_id,
            asked.run_id,
            program,
            loaded,
            asked.customer,
            asked.jobs,
            asked.cpu_seconds,
            asked.turn_cpu_seconds,
            kill_seconds,
            started,
            _stops_at(asked.deadline, started),
            asked.clock,
            PACES[asked.pace],
        )

    @classmethod
    def resume(cls, asked: ResumeMessage, program: Program, now: float, kill_seconds: float) -> "BegunRun":
        """One that waited in another worker, and has no place here yet."""
        return cls(
            asked.run_id,
            asked.origin,
            program,
            None,
            asked.customer,
            asked.jobs,
            asked.cpu_left,
            asked.turn_cpu_seconds,
            kill_seconds,
            asked.started,
            _stops_at(asked.deadline, asked.started),
            asked.clock,
            PACES[asked.pace],
            number=asked.number,
            settled=asked.settled,
            waited=asked.waited,
            waits_since=now,
        )

    @property
    def series(self) -> tuple[str, str]:
        """The program and the customer, whose runs share what memory the program may have."""
        return self.program.key, self.customer

    @property
    def size(self) -> int:
        """Of its image."""
        return self.place.size if self.place is not None else 0

    @property
    def owner(self) -> bytes:
        """Whose its image is, and which of its images: an older one is none that could go on."""
        return f"{self.customer}\0{self.program.key}\0{self.origin}\0{self.number}".encode("utf-8", "surrogatepass")


def _stops_at(deadline: float, started: float) -> float:
    return deadline - interrupted_early(deadline - started)


class SuspendedRuns:
    """Runs that wait, when their timers are due, and the memory that they hold."""

    __slots__ = ("_bytes", "_due", "_memory_bytes", "_runs", "_store", "image_bytes")

    def __init__(self, store: ImageStore, memory_bytes: int) -> None:
        self._store = store
        self._memory_bytes = memory_bytes
        self._runs: dict[int, BegunRun] = {}
        self._due: list[tuple[float, int]] = []
        """A heap. What is in it of runs that wait no longer, or wait anew, goes when its time comes."""
        self._bytes: dict[tuple[str, str], int] = {}
        self.image_bytes = 0
        """What all of them hold."""

    @property
    def room(self) -> int:
        """Bytes that one more image may have, whoever's it is."""
        return max(0, int(self._memory_bytes * FULL_SHARE) - self.image_bytes)

    def room_for(self, run: BegunRun) -> int:
        """Bytes that the image of a run that does not wait may have."""
        if not run.program.shared_memory:
            return self.room
        return max(0, min(self.room, run.program.memory_bytes - self._bytes.get(run.series, 0)))

    @property
    def is_spent(self) -> bool:
        """Whether runs to come are better off in another worker."""
        return self.image_bytes > self._memory_bytes * SPENT_SHARE

    def give_up(self, run: BegunRun) -> None:
        """Let a run's place be free once the daemon knows what follows it."""
        if run.place is not None:
            self._store.give_up(run.place)

    def add(self, run: BegunRun, due: float | None) -> None:
        """Let a run wait, until ``due`` by the monotonic clock if it has a timer."""
        self._runs[run.id] = run
        run.due = due
        if due is not None:
            heapq.heappush(self._due, (due, run.id))
        self._bytes[run.series] = self._bytes.get(run.series, 0) + run.size
        self.image_bytes += run.size

    def take(self, run_id: int) -> BegunRun | None:
        """A run that waits no longer; None for one that does not wait here."""
        run = self._runs.pop(run_id, None)
        if run is None:
            return None
        self.image_bytes -= run.size
        held = self._bytes[run.series] - run.size
        if held:
            self._bytes[run.series] = held
        else:
            del self._bytes[run.series]
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
