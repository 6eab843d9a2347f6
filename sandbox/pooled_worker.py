"""What a pool knows of one of its workers."""

from collections import Counter
from enum import Enum, StrEnum, auto
from typing import NamedTuple

from sandbox.fair_queue import FairQueue
from sandbox.process import WorkerProcess
from sandbox.run import Run


class Lane(StrEnum):
    """What a worker is for."""

    STARTING = "starting"
    SPARE = "spare"
    FAST = "fast"
    SLOW = "slow"
    STUCK = "stuck"
    LEAVING = "leaving"
    """Finishes what it has, takes no more."""


class Blame(Enum):
    """What the program was marked as for the turn that a worker is in."""

    NONE = auto()
    SLOW = auto()
    STUCK = auto()


class Sight(NamedTuple):
    """What is seen of a worker from outside: as long as it stays the same, the worker is at the same thing."""

    running: int
    """Id of the run that it is in, 0 between turns."""
    turns: int
    """Turns of runs that it has begun so far."""
    begun: int
    """Id of the latest run that it has begun."""
    answered: bool
    """Whether the run that it is in has its answer. It frees what that held then, and its time for it begins anew."""


class PooledWorker:
    """A process and what the pool has given it."""

    __slots__ = (
        "answered_at", "blame", "customers", "evicting", "hands_over", "held", "killed_for", "known", "lane",
        "last_sent", "lost", "lowered", "outstanding", "packages", "process", "ready_at", "seen", "seen_at", "seen_cpu",
        "slot", "suspended", "waiting",
    )  # fmt: skip

    def __init__(self, process: WorkerProcess) -> None:
        self.process = process
        self.lane = Lane.STARTING
        self.outstanding: dict[int, Run] = {}
        """Sent to it, by id, in order; one that was answered from outside stays until the worker says that it has
        ended there."""
        self.suspended = 0
        """How many of those wait between their turns: they hold none of its places."""
        self.waiting = FairQueue()
        self.customers: Counter[str] = Counter()
        """For whom it has runs, and how many; empty where nobody asks."""
        self.known: set[str] = set()
        """Keys of the programs that it has been sent. It forgets one only when told to."""
        self.packages: set[str] = set()
        """Keys of the texts that programs share which it has been sent. It keeps them to its end."""
        self.last_sent = 0
        self.answered_at: int | None = None
        """How many turns it had begun when an answer was last sent to one of its runs; None where that may be over."""
        self.slot: int | None = None
        """Place among the fast workers; None for an extra."""
        self.held = False
        """Whether it is in one turn for too long, or stopped: nothing more is placed here."""
        self.blame = Blame.NONE
        self.lowered = False
        """Whether it has a lower priority than its lane's others, and is to be replaced."""
        self.lost = False
        """Whether that has gone on for so long that nothing waits here any more."""
        self.ready_at = 0.0
        """When it became ready, by the loop's clock."""
        self.seen = Sight(0, 0, 0, True)
        self.seen_at = 0.0
        """When it was first seen at that, by the loop's clock."""
        self.seen_cpu = 0.0
        """The processor time that it had used then, in seconds."""
        self.evicting = False
        """Being killed for holding a place: what it runs begins again among its like."""
        self.hands_over = False
        """It leaves, and the runs that wait in it go on in others."""
        self.killed_for: int | None = None
        """The run that the daemon killed it for; 0 for none in particular."""

    @property
    def active(self) -> int:
        """Runs that it was sent and that do not wait between their turns."""
        return len(self.outstanding) - self.suspended

    @property
    def load(self) -> int:
        """Runs that it has to begin or is in."""
        return len(self.outstanding) - self.suspended + self.waiting.count

    @property
    def is_awaited(self) -> bool:
        """Whether it has been sent a run, or an answer to one that waits, and has not begun what follows."""
        if not self.outstanding:
            return False
        process = self.process
        return next(reversed(self.outstanding)) > process.begun or self.answered_at == process.turns

    def take(self, run_id: int) -> Run | None:
        """Strike a run off its books; None for one that it does not have."""
        run = self.outstanding.pop(run_id, None)
        if run is None:
            return None
        self.answered_at = None
        if run.suspended:
            run.suspended = False
            self.suspended -= 1
        if self.customers:
            customer = run.invocation.customer
            self.customers[customer] -= 1
            if not self.customers[customer]:
                del self.customers[customer]
        return run

    def suspend(self, run: Run) -> None:
        """Note that a run waits. When it goes on, only the worker knows."""
        if not run.suspended:
            run.suspended = True
            self.suspended += 1

    def look(self) -> Sight:
        """What it is at now."""
        process = self.process
        running = process.running
        return Sight(running, process.turns, process.begun, running not in self.outstanding)
