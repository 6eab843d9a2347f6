"""What each worker is in, for how long, and who waits behind it."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection
from typing import Final

from sandbox import messages_down
from sandbox.birth import STOOD_STILL_SECONDS
from sandbox.image_file import ImageFile
from sandbox.lanes import Lanes
from sandbox.outcome import Outcome, TimedOut, TimeLimit
from sandbox.pooled_worker import Blame, Lane, PooledWorker
from sandbox.process import STUCK_NICENESS
from sandbox.resuming import SLICE_BYTES, SLICE_RUNS, Resuming
from sandbox.run import Run

DAEMON_KILL_FACTOR: Final = 2.0
DAEMON_KILL_SLACK_SECONDS: Final = 0.5
"""The daemon kills a worker at wall limit x 2 + 0.5 s in one run: the kernel's own timer, set by the worker, is to
have done it before."""
CPU_FACTOR: Final = 1.5
CPU_SLACK_SECONDS: Final = 0.1
"""The daemon kills a worker at processor time x 1.5 + 0.1 s in one run: in a function of the language's own the engine
does not interrupt it."""
CANCEL_SECONDS: Final = 0.05
"""A cancelled run still going after this long costs its worker; a shorter one ends by itself sooner than a kill."""
STALL_WALL_SHARE: Final = 20
"""A worker that gets no processor, being stopped or on a machine too busy, is held after this many times the stall
limit by the wall clock."""
LOST_SECONDS: Final = 0.2
"""Processor time in one turn after which its program is stuck."""
LOST_WALL_SECONDS: Final = 0.25
"""A turn that has lasted so long, whatever it had of the processors, is not waited for any more by what waits in its
worker: it may go on until the kernel's timer, past the others' deadlines."""
HELD_BYTES: Final = 256_000_000
"""Of images of the runs that wait in a worker that is held; the others stay where they are until its turn is over."""
GLANCE_SECONDS: Final = 0.1
"""How often workers are glanced at in which runs wait and nothing is known to run."""
BRISK_SECONDS: Final = 0.001
"""Where one rests so soon after one last did, the next run comes as soon: the next look finds whether all rest. To look
at all of them, and to set and cancel the timer, would cost each run more than to be woken once for many."""
STOPPED_SECONDS: Final = 2.0
"""A worker that does not begin what it has been sent for this long is killed."""


class Watch:
    """Looks at the workers while one of them has something to do. A worker that is in one turn for too long is held,
    lost or killed; the process's own timer and the engine's interrupt come before."""

    def __init__(
        self,
        stall_seconds: float,
        lanes: Lanes,
        workers: Collection[PooledWorker],
        resuming: Resuming,
        conclude: Callable[[Run, Outcome], None],
        replace: Callable[[PooledWorker], None],
    ) -> None:
        """``replace`` has a worker leave in peace, another in its place."""
        self._stall_seconds = stall_seconds
        self._lanes = lanes
        self._workers = workers
        self._resuming = resuming
        self._conclude = conclude
        self._replace = replace
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._tick_timer: asyncio.TimerHandle | None = None
        """None while every worker rests."""
        self._tick_at = 0.0
        """When it is due, by the loop's clock."""
        self._watched_since = 0.0
        """When the first worker was sent something after all had rested, by the loop's clock."""
        self._asked_at = 0.0
        """When `rest` was last asked to."""
        self._glance_timer: asyncio.TimerHandle | None = None

    def begin(self, now: float) -> None:
        """Look at each worker from now on: what it is in, for how long, and who waits behind it. To be told of whatever
        a worker is about to be sent, and that of the end of each run or turn by `rest`."""
        if self._tick_timer is None and not self._closed:
            self._watched_since = now
            self._tick_later(now)

    def _tick_later(self, now: float) -> None:
        self._tick_at = now + self._stall_seconds / 2
        self._tick_timer = self._loop.call_at(self._tick_at, self._tick)

    def close(self) -> None:
        """Look at nothing any more."""
        self._closed = True
        for timer in (self._tick_timer, self._glance_timer):
            if timer is not None:
                timer.cancel()

    def rest(self) -> None:
        """Look at no worker any more, where none is busy: to be woken for that alone costs more than a decision's part
        in the pool."""
        if self._tick_timer is None:
            return
        asked_at, self._asked_at = self._asked_at, self._loop.time()
        if self._asked_at - asked_at <= BRISK_SECONDS or self._lanes.homeless.count or self._resuming.busy:
            return
        suspended = 0
        for worker in self._workers:
            if worker.held or len(worker.outstanding) != worker.suspended:
                return
            suspended += worker.suspended
        if suspended:
            if any(worker.process.running or worker.is_awaited for worker in self._workers):
                return
            if self._glance_timer is None:
                self._glance_timer = self._loop.call_later(GLANCE_SECONDS, self._glance)
        self._tick_timer.cancel()
        self._tick_timer = None

    def _glance(self) -> None:
        """See whether a run that waited goes on by a timer of its own, of which only its worker knows."""
        self._glance_timer = None
        if self._tick_timer is None and not self._closed:
            self.begin(self._loop.time())
            self.rest()

    def _tick(self) -> None:
        now = self._loop.time()
        if now - self._tick_at > STOOD_STILL_SECONDS:
            self._stood_still(now)
        self._resuming.retry(SLICE_RUNS)
        held = False
        for worker in list(self._workers):
            self._look(worker, now)
            held = held or worker.held
        if held:
            self._relieve()
        self._tick_later(now)
        self.rest()

    def _stood_still(self, now: float) -> None:
        """Hold no worker to the time in which this process did not run: it may have waited for it to read, or to
        send."""
        late = now - self._tick_at
        self._watched_since = min(now, self._watched_since + late)
        for worker in self._workers:
            worker.seen_at = min(now, worker.seen_at + late)

    def _look(self, worker: PooledWorker, now: float) -> None:
        sight = worker.look()
        if sight != worker.seen:
            # It goes on.
            if worker.held:
                self._lanes.release(worker)
            elif worker.lost:
                self._resuming.retry()
            worker.lost = False
            worker.blame = Blame.NONE
            if worker.lowered and worker.lane is not Lane.STUCK:
                self._replace(worker)
            worker.seen = sight
            worker.seen_at = now
            worker.seen_cpu = worker.process.cpu_seconds() if sight.running else 0.0
        elif sight.running == 0:
            self._look_at_idle(worker, now)
        else:
            self._look_at_busy(worker, now)

    def _look_at_idle(self, worker: PooledWorker, now: float) -> None:
        """Between runs: does it begin what it has been sent?"""
        if not worker.held and not worker.is_awaited:
            worker.seen_at = now
            if worker.lane is Lane.LEAVING:
                # What it was kept for may be over.
                self._lanes.feed(worker)
            return
        elapsed = now - max(worker.seen_at, self._watched_since)
        if elapsed > STOPPED_SECONDS:
            self._kill(worker, 0)
        elif worker.lane is Lane.FAST and not worker.held and elapsed >= self._stall_seconds * STALL_WALL_SHARE:
            worker.held = True
            self._lanes.relocate(worker)

    def _look_at_busy(self, worker: PooledWorker, now: float) -> None:
        """Decide whether a worker has been in one turn, since its ``seen_at``, for too long."""
        running = worker.seen.running
        elapsed = now - worker.seen_at
        used = worker.process.cpu_seconds() - worker.seen_cpu
        # None of a run that has been answered: the worker frees what that held, as fast as it can.
        run = worker.outstanding.get(running)
        stalled = max(used, elapsed / STALL_WALL_SHARE)
        if worker.lane is Lane.FAST and not worker.held and stalled >= self._stall_seconds:
            worker.held = True
            self._lanes.relocate(worker)
        if run is not None:
            self._blame(worker, run, used)
        if worker.lane is Lane.SLOW and elapsed >= LOST_SECONDS and self._lanes.slow_waiting:
            # However little of a busy machine's processors it had: another one takes its place.
            self._lanes.condemn(worker)
        if not worker.lost and elapsed >= max(LOST_WALL_SECONDS, self._stall_seconds) and not worker.process.has_unread:
            worker.lost = True
            self._lost(worker)
        if run is None:
            if elapsed > DAEMON_KILL_SLACK_SECONDS:
                self._kill(worker, running)
            return
        limits = run.invocation.limits
        unwanted = run.cancelled_at and now - max(run.cancelled_at, worker.seen_at) > CANCEL_SECONDS
        if used > limits.cpu_seconds * CPU_FACTOR + CPU_SLACK_SECONDS:
            self._conclude(run, TimedOut(TimeLimit.CPU))
            self._kill(worker, running)
        elif unwanted or elapsed > limits.wall_seconds * DAEMON_KILL_FACTOR + DAEMON_KILL_SLACK_SECONDS:
            self._kill(worker, running)

    def _blame(self, worker: PooledWorker, run: Run, used: float) -> None:
        """Mark a program for what its turn has used of the processor: one that got none is not to blame."""
        if worker.blame is Blame.NONE and used >= self._stall_seconds:
            worker.blame = Blame.SLOW
            self._lanes.mark_slow(run.invocation.program)
        if worker.blame is Blame.SLOW and used >= LOST_SECONDS:
            worker.blame = Blame.STUCK
            self._lanes.mark_stuck(run)
            worker.lowered = True
            worker.process.lower_priority(STUCK_NICENESS)
            if worker.lane is Lane.SLOW and not self._lanes.condemn(worker):
                self._evict(worker)

    def _relieve(self) -> None:
        """Where every fast worker is held, let a spare stand in, or the one longest in a turn give up its place.

        Its run begins again among the slow.
        """
        lanes = self._lanes
        lanes.stand_in()
        fast = lanes.fast()
        if not all(worker.held for worker in fast) or any(worker.evicting for worker in fast) or lanes.has_empty:
            # A place without a worker has one on its way.
            return
        blamed = [worker for worker in fast if worker.blame is not Blame.NONE]
        if lanes.promote_spare() is None and lanes.slow() and blamed:
            self._evict(min(blamed, key=lambda worker: worker.seen_at))

    def _evict(self, worker: PooledWorker) -> None:
        worker.evicting = True
        self._kill(worker, worker.seen.running)

    def _lost(self, worker: PooledWorker) -> None:
        """What waits in a worker that is held for long goes on elsewhere, from where it waits."""
        # Those that it had begun before it was seen to have said nothing more: see _look_at_busy.
        runs = deque(worker.outstanding.values())
        try:
            held = ImageFile(HELD_BYTES)
        except OSError:
            return  # no room for what would be held: they stay where they are
        self._take_out(worker, worker.seen.turns, runs, held, 0, 0)

    def _take_out(
        self, worker: PooledWorker, turns: int, runs: deque[Run], held: ImageFile, begin: int, copied: int
    ) -> None:
        """The same of these runs, some in each turn of the event loop. The image of the first is copied to ``begin`` of
        what is ``held`` here, up to ``copied`` bytes of it until now."""
        process, now = worker.process, self._loop.time()
        if self._closed or worker not in self._workers:
            return  # it has died: whoever was in it is on the way already
        slice_ends = begin + copied + SLICE_BYTES
        while runs and begin + copied < slice_ends:
            run, suspension = runs[0], runs[0].suspension
            is_there = worker.outstanding.get(run.id) is run and run.id != worker.seen.running
            state = suspension.state() if suspension is not None and is_there else None
            piece = None
            if suspension is not None and state is not None and (copied or self._resuming.may_go_on(run)):
                piece = suspension.piece(copied)
            if process.turns != turns or (piece is not None and not held.write(begin + copied, piece)):
                # The worker goes on, and may have written over what was read; or this is too much to hold here.
                return
            if suspension is None or state is None or piece is None:
                runs.popleft()
                copied = 0
                continue
            copied += len(piece)
            if copied == state.size:
                runs.popleft()
                suspension.hold(held, begin)
                begin, copied = begin + copied, 0
                worker.take(run.id)
                process.send(messages_down.cancel(run.id))
                self._lanes.move(run, now)
        if runs:
            self._loop.call_soon(self._take_out, worker, turns, runs, held, begin, copied)

    def _kill(self, worker: PooledWorker, run_id: int) -> None:
        worker.killed_for = run_id
        worker.process.kill()
