"""Which run goes to which worker.

Runs go to the *fast* workers, those of a program for a customer always to the same one while the load allows it (the
program is loaded there), or those of a customer to a worker that has no other's: see `sandbox.seating`. A program seen
to hold a worker is *slow* for a while: it runs on the slow workers, where it delays only programs like it; one that
held it for far longer, or killed it, is *stuck*, and apart from those in turn. What stood behind it is moved to another
worker at once, and a spare, already started, takes the place of a worker that is gone or held.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from typing import Final, Protocol

from sandbox import messages_down
from sandbox.fair_queue import FairQueue
from sandbox.pooled_worker import Lane, PooledWorker
from sandbox.process import SLOW_NICENESS
from sandbox.program import Program
from sandbox.run import Run
from sandbox.seating import Seating
from sandbox.slow_lane import SlowLane

logger = logging.getLogger(__name__)

FAST_WINDOW: Final = 32
"""Runs sent to a fast worker before the first is answered: enough that one system call carries several."""
SLOW_SECONDS: Final = 60.0
"""How long a program counts as slow after it was last seen to be."""
STUCK_SECONDS: Final = 600.0
"""How long it counts as stuck: each time that it is tried elsewhere costs others a worker."""
EXTRA_WORKERS: Final = 6
"""Spares that may stand in for held workers at once; past it the longest held one is killed. As many more workers than
there are slow ones may be stuck."""


SHARED_RUNS: Final = 2_000
"""Runs that a new worker takes over from one that has more waiting: some 2 ms of the event loop."""


class RunsThatGoOn(Protocol):
    """See `sandbox.resuming`."""

    def add(self, run: Run) -> None: ...
    def retry(self, most: int = ...) -> None: ...
    def needs(self, worker: PooledWorker) -> bool: ...
    def may_go_on(self, run: Run) -> bool: ...


class Lanes:
    """The workers by what they are for, and the runs that wait for one."""

    def __init__(self, seating: Seating, slow_workers: int, worker_wanted: Callable[[Lane], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self.seating = seating
        self._slow_workers = slow_workers
        self.worker_wanted = worker_wanted
        self.homeless = FairQueue()
        """Runs that found no worker."""
        self._slow = SlowLane(Lane.SLOW, SLOW_SECONDS)
        self._stuck = SlowLane(Lane.STUCK, STUCK_SECONDS)
        self._last_id = 0
        self.proven: set[str] = set()
        """Keys of the programs of which a run has come to its end by itself."""
        self.extras: list[PooledWorker] = []
        self.spare: PooledWorker | None = None
        self.moved = 0
        self.begun_again = 0
        self.resuming: RunsThatGoOn | None = None
        """Takes those that can go on from where they waited; whoever knows all workers puts it here."""

    def fast(self) -> list[PooledWorker]:
        """Every worker in the fast lane."""
        return [*self.seating.seated(), *self.extras]

    def slow(self) -> list[PooledWorker]:
        """The workers of slow programs."""
        return self._slow.workers

    def stuck(self) -> list[PooledWorker]:
        """The workers of programs that are stuck."""
        return self._stuck.workers

    # ---- runs ----

    def place(self, run: Run, now: float) -> None:
        """Send a run to its worker, or let it wait for one."""
        key = run.series[0]
        if key in self._stuck.until and self._stuck.has(key, now):
            self._place_slow(self._stuck, run)
        elif key in self._slow.until and self._slow.has(key, now):
            self._place_slow(self._stuck if self._stuck.runs(key) else self._slow, run)
        else:
            self._place_fast(run, now)

    def _place_fast(self, run: Run, now: float) -> None:
        seating = self.seating
        if run.series[0] in self.proven or seating.by_customer:
            best = seating.choose(run, self.extras, now)
        else:
            best = seating.choose_for_unproven(self.extras)
        if best is None:
            if self.grow(now) and self.spare is None:
                self.worker_wanted(Lane.SPARE)
            best = self.promote_spare()
        if best is None:
            self.homeless.append(run)
        elif seating.by_customer or best.active < FAST_WINDOW:
            # Of those of one customer none stands in another's way.
            self.send(best, run)
        else:
            best.waiting.append(run)

    def _place_slow(self, lane: SlowLane, run: Run) -> None:
        for worker in lane.workers:
            if not worker.active:
                self.send(worker, run)
                return
        lane.waiting.append(run)
        if lane is self._stuck and not lane.workers and not lane.starting:
            # Most daemons never see such a program.
            lane.starting += 1
            self.worker_wanted(Lane.STUCK)

    def send(self, worker: PooledWorker, run: Run) -> None:
        """Give a run to a worker, which is told its program first where it does not know it."""
        self.enter(worker, run)
        invocation = run.invocation
        seed = random.getrandbits(64) if invocation.seed is None else invocation.seed
        run.clock = clock = time.time() * 1000 if invocation.clock is None else invocation.clock
        worker.process.begin(run.id, invocation, run.deadline, seed, clock)

    def enter(self, worker: PooledWorker, run: Run) -> None:
        """Put a run into a worker's books, which is told its program where it does not know it."""
        self._last_id += 1
        run.id = worker.last_sent = self._last_id
        run.worker = worker
        worker.outstanding[run.id] = run
        invocation = run.invocation
        if self.seating.by_customer:
            worker.customers[invocation.customer] += 1
        program = invocation.program
        if program.key not in worker.known:
            worker.known.add(program.key)
            for package in program.packages.values():
                if package.key not in worker.packages:
                    worker.packages.add(package.key)
                    worker.process.send(messages_down.package(package))
            worker.process.send(messages_down.load(program))

    def feed(self, worker: PooledWorker) -> None:
        """Give a worker with room what waits for it."""
        lane = worker.lane
        if lane is Lane.FAST:
            if not worker.held:
                self._feed_fast(worker)
        elif lane is Lane.SLOW:
            self._feed_slow(self._slow, worker)
        elif lane is Lane.STUCK:
            self._feed_slow(self._stuck, worker)
        elif lane is Lane.LEAVING and not (worker.outstanding or (self.resuming and self.resuming.needs(worker))):
            worker.process.close()

    def _feed_fast(self, worker: PooledWorker) -> None:
        queue = worker.waiting
        while queue.count and worker.active < FAST_WINDOW:
            run = queue.pop()
            if run is not None:
                self.send(worker, run)
        if self.homeless.count:
            self._place_homeless()

    def _feed_slow(self, lane: SlowLane, worker: PooledWorker) -> None:
        if worker.active:
            return
        if lane is self._stuck and len(lane.workers) > self._slow_workers and not worker.suspended:
            lane.workers.remove(worker)
            worker.lane = Lane.LEAVING
            self.feed(worker)
            return
        now = self._loop.time()
        while (run := lane.waiting.pop()) is not None:
            key = run.series[0]
            if lane is self._slow and (self._stuck.has(key, now) or self._stuck.runs(key)):
                # Seen to be since it came.
                self._place_slow(self._stuck, run)
                continue
            self.send(worker, run)
            return

    def _place_homeless(self) -> None:
        now = self._loop.time()
        for run in self.homeless.drain():
            self.place(run, now)

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
            worker.take(run.id)
        moving += worker.waiting.drain()
        for run in moving:
            self.move(run, now)

    def move(self, run: Run, now: float) -> None:
        """Place again a run that another worker will not do."""
        if not run.answered:
            self.moved += 1
            run.worker = None
            if run.suspension is None:
                self.place(run, now)
            elif self.resuming is not None:
                self.resuming.add(run)

    def hand_over(self, worker: PooledWorker) -> None:
        """Have the runs that wait in a worker that leaves go on in others, so that it need not live as long as they
        wait."""
        worker.hands_over = True
        for run in worker.outstanding.values():
            if run.suspended:
                self.hand_over_run(worker, run)

    def hand_over_run(self, worker: PooledWorker, run: Run) -> None:
        """The same of a run that has begun to wait since. One for which there is no other worker stays."""
        # The timers of one whose time is given are told to its worker alone.
        if not run.answered and not run.invocation.clock_given and self.resuming and self.resuming.may_go_on(run):
            worker.process.send(messages_down.hand_over(run.id))

    def begin_again(self, run: Run, now: float) -> None:
        """Place again a run that had begun and of which nothing was seen outside."""
        self.begun_again += 1
        run.suspension = None
        run.forget_lines()
        if run.recorder is not None:
            run.recorder.begin()
        self.move(run, now)

    def slow_worker(self, key: str, generation: int, now: float) -> PooledWorker | None:
        """Of a slow program's workers of a generation that in which the fewest wait; none that is lost in a turn. None
        where there is no such."""
        for lane in (self._stuck, self._slow):
            if lane.has(key, now):
                worker = lane.emptiest(generation)
                if worker is not None:
                    return worker
        return None

    def renew_spare(self) -> None:
        """Have another spare in the place of the one that there is."""
        spare, self.spare = self.spare, None
        if spare is not None:
            spare.lane = Lane.LEAVING
            self.feed(spare)
            self.worker_wanted(Lane.SPARE)

    @property
    def has_empty(self) -> bool:
        """Whether a place among the fast workers has none."""
        return self.seating.has_empty

    def house(self) -> None:
        """Let spares take up what found no worker."""
        if self.homeless.count:
            self._place_homeless()
        if self.resuming is not None:
            self.resuming.retry()

    # ---- slow programs ----

    def mark_slow(self, program: Program) -> None:
        """Let a program run among the slow for a while."""
        if self._slow_workers:
            self._slow.mark(program.key, self._loop.time())

    def mark_stuck(self, run: Run) -> None:
        """Let a run's program run apart for a while, or keep its customer from the workers of others."""
        now = self._loop.time()
        self.seating.mark_harmful(run.invocation.customer, now)
        if self._slow_workers:
            self._stuck.mark(run.invocation.program.key, now)

    def slow_programs(self) -> int:
        """Programs that count as slow or stuck now."""
        now = self._loop.time()
        return len(self._slow.programs(now) | self._stuck.programs(now))

    @property
    def slow_waiting(self) -> bool:
        """Whether runs of slow programs wait for a worker."""
        return self._slow.waiting.count > 0

    def shared_workers(self) -> int:
        """Workers that are to be one customer's and have runs of several."""
        return self.seating.shared()

    def forget(self, kept: set[str]) -> None:
        """Keep what was seen of these programs only."""
        self._slow.forget(kept)
        self._stuck.forget(kept)
        self.proven &= kept

    # ---- workers ----

    def admit(self, worker: PooledWorker, lane: Lane) -> None:
        """Take in a worker that is ready: where one is missing, else as the spare."""
        if lane is Lane.SLOW:
            self._join(self._slow, worker)
        elif lane is Lane.STUCK:
            self._stuck.starting -= 1
            self._join(self._stuck, worker)
        elif self.seating.has_empty:
            self._seat(worker)
            self.house()
        elif self.spare is None:
            worker.lane = Lane.SPARE
            self.spare = worker
            self.house()
        else:
            worker.lane = Lane.LEAVING
        self.feed(worker)
        if self.resuming is not None:
            self.resuming.retry()

    def _join(self, lane: SlowLane, worker: PooledWorker) -> None:
        worker.lane = lane.lane
        lane.workers.append(worker)
        if lane is self._stuck:
            for _ in range(self._slow_workers - len(lane.workers) - lane.starting):
                lane.starting += 1
                self.worker_wanted(Lane.STUCK)

    def start_failed(self) -> None:
        """Take note that the machine could not start a worker: those that there are have to do."""
        self.seating.start_failed(self._loop.time())
        self.house()

    def promote_spare(self) -> PooledWorker | None:
        """Let the spare take an empty place, or stand in beside held workers."""
        spare = self.spare
        if spare is None:
            return None
        if self.seating.has_empty:
            self._seat(spare)
        elif len(self.extras) < EXTRA_WORKERS:
            spare.lane = Lane.FAST
            self.extras.append(spare)
        else:
            return None
        self.spare = None
        self.worker_wanted(Lane.SPARE)
        return spare

    def _seat(self, worker: PooledWorker) -> None:
        """Give a worker an empty place, and its share of what waits at the others."""
        self.seating.seat(worker)
        for other in self.seating.seated():
            share = min(other.waiting.count // self.seating.places, SHARED_RUNS) if other is not worker else 0
            for _ in range(share):
                run = other.waiting.pop()
                if run is None:
                    break
                worker.waiting.append(run)

    def grow(self, now: float) -> bool:
        """Have one fast worker more for customers that have come, where there may be; whether there is such a place."""
        if not self.seating.grow(now):
            return False
        logger.info("workers_grown", extra={"workers": self.seating.places})
        return True

    def add_place(self) -> None:
        """Have one fast worker more: the spare, and another spare in its place, so that nobody waits for its start."""
        self.seating.add_place()
        logger.info("workers_grown", extra={"workers": self.seating.places})
        worker = self.promote_spare()
        if worker is None:
            self.worker_wanted(Lane.SPARE)
        else:
            self.feed(worker)
            self.house()

    def remove_place(self) -> None:
        """Have one fast worker less, where one can be spared. What it has not begun others do, and what waits in it
        goes on in others; it ends once its turn has."""
        before = self.seating.places
        worker = self.seating.remove_place()
        if self.seating.places == before:
            return
        logger.info("workers_shrunk", extra={"workers": self.seating.places})
        if worker is not None:
            worker.held = False
            worker.lane = Lane.LEAVING
            self.relocate(worker)
            self.hand_over(worker)
            self.feed(worker)

    def condemn(self, worker: PooledWorker) -> bool:
        """Let a slow worker that is stuck go on apart, the spare in its place. False where too many are stuck."""
        stuck = self._stuck
        if len(stuck.workers) >= self._slow_workers + EXTRA_WORKERS:
            return False
        self._slow.workers.remove(worker)
        worker.lane = Lane.STUCK
        stuck.workers.append(worker)
        spare = self.spare
        if spare is None:
            self.worker_wanted(Lane.SLOW)
        else:
            self.spare = None
            spare.process.lower_priority(SLOW_NICENESS)
            self._join(self._slow, spare)
            self.worker_wanted(Lane.SPARE)
            self.feed(spare)
        return True

    def _extras_wanted(self) -> int:
        """As many as are held, so that what waits and what nobody knows yet need not share the one that is left."""
        held = sum(worker.held for worker in self.fast())
        alone = len(self.seating.seated()) == 1 and not self.seating.by_customer
        return min(EXTRA_WORKERS, held + alone) if held else 0

    def stand_in(self) -> None:
        """Let the spare stand in beside held workers, where more of those are than stand in already."""
        # A customer's worker is not given up for a while to another, who would share it.
        if not self.seating.by_customer and len(self.extras) < self._extras_wanted():
            self.promote_spare()

    def release(self, worker: PooledWorker) -> None:
        """A held worker is back: where an extra stood in, the first of them finishes what it has and leaves."""
        worker.held = False
        self.feed(worker)
        self._dismiss_extra()
        if self.resuming is not None:
            self.resuming.retry()

    def _take_extra(self) -> PooledWorker:
        extra = next((worker for worker in self.extras if not worker.held), self.extras[0])
        self.extras.remove(extra)
        return extra

    def _dismiss_extra(self) -> None:
        while len(self.extras) > self._extras_wanted():
            extra = self._take_extra()
            extra.lane = Lane.LEAVING
            self.relocate(extra)
            self.hand_over(extra)
            self.feed(extra)

    def leave(self, worker: PooledWorker) -> Lane | None:
        """Take a worker out of its lane. The lane for which one is wanted that is not on its way."""
        lane = worker.lane
        if worker.slot is not None:
            self.seating.unseat(worker)
            if self.extras:
                # One that stood in takes the place, and what it has warm with it.
                self.seating.seat(self._take_extra())
                self._dismiss_extra()
                return None
            return Lane.SPARE if self.promote_spare() is None else None
        if worker in self.extras:
            self.extras.remove(worker)
            self._dismiss_extra()
        elif lane is Lane.SLOW:
            self._slow.workers.remove(worker)
            return Lane.SLOW
        elif lane is Lane.STUCK:
            self._stuck.workers.remove(worker)
            if self._stuck.waiting.count and len(self._stuck.workers) + self._stuck.starting < self._slow_workers:
                self._stuck.starting += 1
                return Lane.STUCK
        elif worker is self.spare:
            self.spare = None
            return Lane.SPARE
        return None
