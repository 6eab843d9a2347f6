"""Which run goes to which worker.

Runs go to the *fast* workers, a script always to the same one while the load allows it (its context is warm there).
A script seen to hold a worker is *slow* for a while: it runs on the slow workers, where it delays only scripts like
it. What stood behind it is moved to another worker at once, and a spare, already started, takes the place of a
worker that is gone or held.
"""

import asyncio
import zlib
from collections import OrderedDict, deque
from collections.abc import Callable
from enum import StrEnum
from typing import Final, NamedTuple

from sandbox import link
from sandbox.process import WorkerProcess
from sandbox.program import Program
from sandbox.run import Run

FAST_WINDOW: Final = 32
"""Runs sent to a fast worker before the first is answered: enough that one system call carries several."""
IMBALANCE: Final = 8
"""Runs by which a script's own worker may be ahead of the least loaded one before that one is taken."""
SLOW_SECONDS: Final = 60.0
"""How long a script counts as slow after it was last seen to be."""
EXTRA_WORKERS: Final = 2
"""Spares that may stand in for held workers at once; past it the longest held one is killed."""


class Lane(StrEnum):
    """What a worker is for."""

    STARTING = "starting"
    SPARE = "spare"
    FAST = "fast"
    SLOW = "slow"
    LEAVING = "leaving"
    """Finishes what it has, takes no more."""


class Sight(NamedTuple):
    """What is seen of a worker from outside: as long as it stays the same, the worker is at the same thing."""

    running: int
    """Id of the run that it is in, 0 between runs."""
    begun: int
    answered: bool
    """Whether the run that it is in has its answer. It frees what that held then, and its time for it begins anew."""


class PooledWorker:
    """A process and what the pool has given it."""

    __slots__ = (
        "evicting", "held", "killed_for", "known", "lane", "last_sent", "outstanding", "process", "ready",
        "seen", "seen_at", "seen_cpu", "slot", "waiting",
    )  # fmt: skip

    def __init__(self, process: WorkerProcess, ready: asyncio.Future[None]) -> None:
        self.process = process
        self.lane = Lane.STARTING
        self.ready = ready
        self.outstanding: dict[int, Run] = {}
        """Sent to it, by id, in order; one that was answered from outside stays until the worker says that it has
        ended there."""
        self.waiting: deque[Run] = deque()
        self.known: set[str] = set()
        """Keys of the programs that it has been sent. It forgets one only when told to."""
        self.last_sent = 0
        self.slot: int | None = None
        """Place among the fast workers; None for an extra."""
        self.held = False
        """Whether it is in one run for too long, or stopped: nothing more is placed here."""
        self.seen = Sight(0, 0, True)
        self.seen_at = 0.0
        """When it was first seen at that, by the loop's clock."""
        self.seen_cpu = 0.0
        """The processor time that it had used then, in seconds."""
        self.evicting = False
        """Being killed for holding a fast place: what it runs begins again among the slow ones."""
        self.killed_for: int | None = None
        """The run that the daemon killed it for; 0 for none in particular."""

    @property
    def load(self) -> int:
        return len(self.outstanding) + len(self.waiting)

    @property
    def has_unbegun(self) -> bool:
        """Whether it has been sent a run that it had not begun when it was seen."""
        return bool(self.outstanding) and next(reversed(self.outstanding)) > self.seen.begun

    def look(self) -> Sight:
        """What it is at now."""
        running = self.process.running
        return Sight(running, self.process.begun, running not in self.outstanding)


class Lanes:
    """The workers by what they are for, and the runs that wait for one."""

    def __init__(self, workers: int, slow_workers: int, spare_wanted: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._spare_wanted = spare_wanted
        self._has_slow_lane = slow_workers > 0
        self._slots: list[PooledWorker | None] = [None] * workers
        self._homeless: deque[Run] = deque()
        self._slow_waiting: OrderedDict[str, deque[Run]] = OrderedDict()
        """Waiting runs by program, served in turn: one slow script's queue does not stand in front of another's."""
        self._slow_until: dict[str, float] = {}
        self._last_id = 0
        self.extras: list[PooledWorker] = []
        self.slow: list[PooledWorker] = []
        self.spare: PooledWorker | None = None
        self.moved = 0

    def fast(self) -> list[PooledWorker]:
        """Every worker in the fast lane."""
        return [*(worker for worker in self._slots if worker is not None), *self.extras]

    # ---- runs ----

    def place(self, run: Run, now: float) -> None:
        """Send a run to its worker, or let it wait for one."""
        key = run.invocation.program.key
        if self._slow_until and self._is_slow(key, now):
            self._place_slow(run)
            return
        slots = self._slots
        own = slots[zlib.crc32(key.encode("utf-8", "replace")) % len(slots)] if len(slots) > 1 else slots[0]
        best = own if own is not None and not own.held else None
        best_load = best.load if best is not None else 0
        if best is None or best_load > IMBALANCE:
            for other in self.fast():
                if other is not own and not other.held:
                    load = other.load
                    if best is None or load + IMBALANCE < best_load:
                        best, best_load = other, load
        if best is None:
            best = self.promote_spare()
        if best is None:
            _append(self._homeless, run)
        elif _has_room(best, run):
            self.send(best, run)
        else:
            _append(best.waiting, run)

    def _place_slow(self, run: Run) -> None:
        for worker in self.slow:
            if not worker.outstanding:
                self.send(worker, run)
                return
        _append(self._slow_waiting.setdefault(run.invocation.program.key, deque()), run)

    def send(self, worker: PooledWorker, run: Run) -> None:
        """Give a run to a worker, which is told its program first where it does not know it."""
        self._last_id += 1
        run.id = worker.last_sent = self._last_id
        run.worker = worker
        worker.outstanding[run.id] = run
        invocation = run.invocation
        program = invocation.program
        if program.key not in worker.known:
            worker.known.add(program.key)
            worker.process.send(link.load(program))
        worker.process.send(link.run(run.id, invocation, run.deadline))

    def feed(self, worker: PooledWorker) -> None:
        """Give a worker with room what waits for it."""
        if worker.lane is Lane.FAST and not worker.held:
            for queue in (worker.waiting, self._homeless):
                while queue and _has_room(worker, queue[0]):
                    run = queue.popleft()
                    if not run.answered:
                        self.send(worker, run)
        elif worker.lane is Lane.SLOW and not worker.outstanding:
            while self._slow_waiting:
                key, queue = self._slow_waiting.popitem(last=False)
                run = queue.popleft()
                if queue:
                    self._slow_waiting[key] = queue
                if not run.answered:
                    self.send(worker, run)
                    return
        elif worker.lane is Lane.LEAVING and not worker.outstanding:
            worker.process.close()

    def relocate(self, worker: PooledWorker) -> None:
        """Move what a worker has not begun to others."""
        now = self._loop.time()
        process = worker.process
        # The worker looks after it has said what it is running: see Worker._run. What both see as theirs, and what
        # neither does, comes back with LET_GO.
        process.revoke(worker.last_sent)
        running = process.running
        begun = process.begun
        moving = [run for run_id, run in worker.outstanding.items() if run_id > begun and run_id != running]
        for run in moving:
            del worker.outstanding[run.id]
        moving += worker.waiting
        worker.waiting.clear()
        for run in moving:
            self.move(run, now)

    def move(self, run: Run, now: float) -> None:
        """Place again a run that another worker will not do."""
        if not run.answered:
            self.moved += 1
            run.worker = None
            self.place(run, now)

    def house(self) -> None:
        """Let spares take up what found no worker."""
        while self._homeless:
            worker = self.promote_spare()
            if worker is None:
                return
            self.feed(worker)

    @property
    def homeless(self) -> bool:
        """Whether runs wait that found no worker."""
        return bool(self._homeless)

    # ---- slow programs ----

    def mark_slow(self, program: Program) -> None:
        """Let a program run among the slow for a while."""
        if self._has_slow_lane:
            self._slow_until[program.key] = self._loop.time() + SLOW_SECONDS

    def _is_slow(self, key: str, now: float) -> bool:
        until = self._slow_until.get(key)
        if until is None:
            return False
        if until > now:
            return True
        del self._slow_until[key]
        return False

    def slow_programs(self) -> int:
        """Programs that count as slow now."""
        now = self._loop.time()
        return sum(until > now for until in self._slow_until.values())

    def forget_slow(self, kept: set[str]) -> None:
        """Keep the slowness of these programs only."""
        for key in self._slow_until.keys() - kept:
            del self._slow_until[key]

    # ---- workers ----

    def admit(self, worker: PooledWorker, lane: Lane) -> None:
        """Take in a worker that is ready: where one is missing, else as the spare."""
        if lane is Lane.SLOW:
            worker.lane = Lane.SLOW
            self.slow.append(worker)
        elif None in self._slots:
            self._seat(worker)
        elif self.spare is None:
            worker.lane = Lane.SPARE
            self.spare = worker
            self.house()
        else:
            worker.lane = Lane.LEAVING
        self.feed(worker)

    def _seat(self, worker: PooledWorker) -> None:
        worker.lane = Lane.FAST
        worker.slot = self._slots.index(None)
        self._slots[worker.slot] = worker

    def promote_spare(self) -> PooledWorker | None:
        """Let the spare take an empty place, or stand in beside held workers."""
        spare = self.spare
        if spare is None:
            return None
        if None in self._slots:
            self._seat(spare)
        elif len(self.extras) < EXTRA_WORKERS:
            spare.lane = Lane.FAST
            self.extras.append(spare)
        else:
            return None
        self.spare = None
        self._spare_wanted()
        return spare

    def release(self, worker: PooledWorker) -> None:
        """A held worker is back: where an extra stood in, the first of them finishes what it has and leaves."""
        worker.held = False
        self.feed(worker)
        self._dismiss_extra()

    def _dismiss_extra(self) -> None:
        if self.extras and sum(worker.held for worker in self.fast()) < len(self.extras):
            extra = next((worker for worker in self.extras if not worker.held), self.extras[0])
            self.extras.remove(extra)
            extra.lane = Lane.LEAVING
            self.relocate(extra)
            self.feed(extra)

    def leave(self, worker: PooledWorker) -> bool:
        """Take a worker out of its lane. True where a worker is wanted that is not on its way."""
        lane = worker.lane
        if worker.slot is not None:
            self._slots[worker.slot] = None
            worker.slot = None
            if self.extras:
                # One that stood in takes the place, and what it has warm with it.
                extra = next((worker for worker in self.extras if not worker.held), self.extras[0])
                self.extras.remove(extra)
                self._seat(extra)
                return False
            return self.promote_spare() is None
        if worker in self.extras:
            self.extras.remove(worker)
            return False
        if worker in self.slow:
            self.slow.remove(worker)
        if worker is self.spare:
            self.spare = None
        return lane in (Lane.SLOW, Lane.SPARE)


def _append(queue: deque[Run], run: Run) -> None:
    # What was answered while it waited does not pile up in front of a worker that does not come.
    while queue and queue[0].answered:
        queue.popleft()
    queue.append(run)


def _has_room(worker: PooledWorker, run: Run) -> bool:
    # A run that may wait for long takes no place from others while it does.
    return run.invocation.program.suspends or len(worker.outstanding) < FAST_WINDOW
