"""Workers that come, stall, are killed and go, and what becomes of the runs that they had."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Final

from sandbox import exit_status, messages_down
from sandbox.errors import ConfinementRefused, WorkerFailed
from sandbox.lanes import Lanes
from sandbox.messages_up import MessageUp
from sandbox.outcome import Crashed, Outcome, OutOfMemory, TimedOut, TimeLimit
from sandbox.parent import RESTART_SECONDS, Parent
from sandbox.pooled_worker import Blame, Lane, PooledWorker
from sandbox.process import SLOW_NICENESS, STOOD_STILL_SECONDS, STUCK_NICENESS, WorkerProcess, WorkerSettings
from sandbox.resuming import SLICE_BYTES, Resuming
from sandbox.run import Run

logger = logging.getLogger(__name__)

ATTEMPTS: Final = 3
"""Times that a run is held by a worker that dies of nobody knows which, before it is given up."""
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
STILLBORN: Final = 10
"""Workers in a row that end within RESTART_SECONDS of their start and have not begun a run: whatever ends them ends the
next one as well, and further ones wait for as long as after a start that failed."""
_ORDERLY: Final = ("SIGKILL", "SIGALRM")
"""Signals that end a worker whose memory nobody has tampered with: the daemon's own and the kernel's timer."""
_NICENESS: Final = {Lane.SLOW: SLOW_NICENESS, Lane.STUCK: STUCK_NICENESS}


class Supervisor:
    """Starts the workers, watches them, replaces them."""

    def __init__(
        self,
        settings: WorkerSettings,
        parent: Parent,
        stall_seconds: float,
        lanes: Lanes,
        on_message: Callable[[PooledWorker, MessageUp], None],
        conclude: Callable[[Run, Outcome], None],
    ) -> None:
        self._settings = settings
        self._parent = parent
        self._stall_seconds = stall_seconds
        self._lanes = lanes
        self._on_message = on_message
        self._conclude = conclude
        self._loop = asyncio.get_running_loop()
        self._workers: dict[WorkerProcess, PooledWorker] = {}
        self._starting: set[asyncio.Task[None]] = set()
        self._tick_timer: asyncio.TimerHandle | None = None
        """None while every worker rests."""
        self._tick_at = 0.0
        """When it is due, by the loop's clock."""
        self._watched_since = 0.0
        """When the first worker was sent something after all had rested, by the loop's clock."""
        self._asked_at = 0.0
        """When `rest` was last asked to."""
        self._glance_timer: asyncio.TimerHandle | None = None
        self._closing = False
        self._stillborn = 0
        """How many were in a row."""
        self._resuming = Resuming(lanes, self._workers.values, lambda: parent.generation, parent.suspected, conclude)
        lanes.resuming = self._resuming
        self.confined = True
        self.started = 0
        self.deaths: dict[str, int] = {}

    @property
    def resumed(self) -> int:
        """How many runs went on in another worker."""
        return self._resuming.resumed

    # ---- starting and ending ----

    async def start(self, lane: Lane) -> None:
        """Start a worker and wait until it serves. Raises ConfinementRefused, WorkerFailed or OSError."""
        if self._closing:
            raise WorkerFailed("the pool is closed")
        process = WorkerProcess(self._message, self._exited)
        worker = PooledWorker(process)
        self._workers[process] = worker
        self.started += 1
        try:
            ready = await process.start(self._parent, self._settings, _NICENESS.get(lane, 0))
        finally:
            if not process.ordered:
                self._workers.pop(process, None)
        if process.exit_code is not None:
            raise WorkerFailed(f"a worker ended as soon as it was ready: {exit_status.cause(process.exit_code)}")
        if not ready.confined:
            self.confined = False
            logger.warning("worker_unconfined", extra={"reason": ready.refused})
        worker.ready_at = worker.seen_at = self._loop.time()
        self._lanes.admit(worker, lane)

    def start_later(self, lane: Lane) -> None:
        """Start a worker beside what goes on, and again until one serves."""
        if self._closing:
            return
        task = self._loop.create_task(self._restart(lane))
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def _restart(self, lane: Lane) -> None:
        while not self._closing:
            if self._stillborn > STILLBORN:
                await asyncio.sleep(RESTART_SECONDS)
            try:
                await self.start(lane)
            except (OSError, ConfinementRefused, WorkerFailed) as error:
                if not self._closing:
                    logger.error("worker_start_failed", extra={"reason": str(error), "lane": lane})  # noqa: TRY400
                    self._lanes.start_failed()
                    await asyncio.sleep(RESTART_SECONDS)
            else:
                return

    async def close(self) -> None:
        """End every worker and wait until it is gone."""
        self._closing = True
        self._resuming.close()
        for timer in (self._tick_timer, self._glance_timer):
            if timer is not None:
                timer.cancel()
        for task in self._starting:
            task.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        while self._workers:
            processes = [process for process in self._workers if process.ordered]
            for process in processes:
                process.kill()
            if processes:
                await asyncio.wait([asyncio.ensure_future(process.wait_gone()) for process in processes])
            else:
                await asyncio.sleep(0)

    def forget(self, kept: set[str]) -> None:
        """Have the workers forget every program but these. What they have been sent is done before."""
        for worker in self._workers.values():
            for key in worker.known - kept:
                worker.known.discard(key)
                worker.process.send(messages_down.forget(key))

    def replace(self, worker: PooledWorker) -> None:
        """Let a worker leave in peace, another in its place."""
        lane = worker.lane
        if lane not in (Lane.FAST, Lane.SLOW, Lane.STUCK):
            return
        self._vacate(worker)
        worker.lane = Lane.LEAVING
        self._lanes.relocate(worker)
        self._lanes.feed(worker)

    def _vacate(self, worker: PooledWorker) -> None:
        wanted = self._lanes.leave(worker)
        if wanted is not None:
            self.start_later(wanted)
        if not self._closing:
            self._lanes.house()

    # ---- what they say ----

    def _message(self, process: WorkerProcess, message: MessageUp) -> None:
        worker = self._workers.get(process)
        if worker is None:
            return
        if worker.held and worker.seen.running == 0:
            # It was stopped, not busy, and speaks again.
            self._lanes.release(worker)
        self._on_message(worker, message)

    # ---- watching ----

    def watch(self, now: float) -> None:
        """Look at each worker from now on: what it is in, for how long, and who waits behind it. To be told of whatever
        a worker is about to be sent, and that of the end of each run or turn by `rest`."""
        if self._tick_timer is None and not self._closing:
            self._watched_since = now
            self._tick_later(now)

    def _tick_later(self, now: float) -> None:
        self._tick_at = now + self._stall_seconds / 2
        self._tick_timer = self._loop.call_at(self._tick_at, self._tick)

    def rest(self) -> None:
        """Look at no worker any more, where none is busy: to be woken for that alone costs more than a decision's part
        in the pool."""
        if self._tick_timer is None:
            return
        asked_at, self._asked_at = self._asked_at, self._loop.time()
        if self._asked_at - asked_at <= BRISK_SECONDS or self._lanes.homeless.count or self._resuming.busy:
            return
        suspended = 0
        for worker in self._workers.values():
            if worker.held or len(worker.outstanding) != worker.suspended:
                return
            suspended += worker.suspended
        if suspended:
            if any(worker.process.running for worker in self._workers.values()):
                return
            if self._glance_timer is None:
                self._glance_timer = self._loop.call_later(GLANCE_SECONDS, self._glance)
        self._tick_timer.cancel()
        self._tick_timer = None

    def _glance(self) -> None:
        """See whether a run that waited goes on by a timer of its own, of which only its worker knows."""
        self._glance_timer = None
        if self._tick_timer is None and not self._closing:
            self.watch(self._loop.time())
            self.rest()

    def _tick(self) -> None:
        now = self._loop.time()
        if now - self._tick_at > STOOD_STILL_SECONDS:
            self._stood_still(now)
        self._resuming.retry()
        held = False
        for worker in list(self._workers.values()):
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
        for worker in self._workers.values():
            worker.seen_at = min(now, worker.seen_at + late)

    def _look(self, worker: PooledWorker, now: float) -> None:
        sight = worker.look()
        if sight != worker.seen:
            # It goes on.
            if worker.held:
                self._lanes.release(worker)
            worker.lost = False
            worker.blame = Blame.NONE
            if worker.lowered and worker.lane is not Lane.STUCK:
                self.replace(worker)
            worker.seen = sight
            worker.seen_at = now
            worker.seen_cpu = worker.process.cpu_seconds() if sight.running else 0.0
        elif sight.running == 0:
            self._look_at_idle(worker, now)
        else:
            self._look_at_busy(worker, now)

    def _look_at_idle(self, worker: PooledWorker, now: float) -> None:
        """Between runs: does it begin what it has been sent?"""
        if not worker.held and not worker.has_unbegun:
            worker.seen_at = now
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
        self._take_out(worker, worker.seen.turns, deque(worker.outstanding.values()), 0)

    def _take_out(self, worker: PooledWorker, turns: int, runs: deque[Run], held: int) -> None:
        """The same of these runs, some in each turn of the event loop: so many bytes are ``held`` of those before."""
        process, now = worker.process, self._loop.time()
        if self._closing or self._workers.get(process) is not worker:
            return  # it has died: whoever was in it is on the way already
        slice_ends = held + SLICE_BYTES
        while runs and held < slice_ends:
            run = runs.popleft()
            suspension = run.suspension
            if worker.outstanding.get(run.id) is not run or run.id == worker.seen.running:
                continue
            if suspension is None or not self._resuming.may_go_on(run):
                continue
            image = suspension.image()
            held += len(image or b"")
            if process.turns != turns or held > HELD_BYTES:
                # The worker goes on, and may have written over what was read; or this would be too much to hold here.
                return
            if image is not None:
                suspension.hold(image)
                worker.take(run.id)
                process.send(messages_down.cancel(run.id))
                self._lanes.move(run, now)
        if runs:
            self._loop.call_soon(self._take_out, worker, turns, runs, held)

    def _kill(self, worker: PooledWorker, run_id: int) -> None:
        worker.killed_for = run_id
        worker.process.kill()

    # ---- deaths ----

    def _exited(self, process: WorkerProcess) -> None:
        worker = self._workers.pop(process)
        lane = worker.lane
        cause = exit_status.cause(process.exit_code or 0)
        if lane is Lane.STARTING or self._closing:
            return
        # One whose link the daemon closed may have had something to say still, which ends it as well.
        if not (lane is Lane.LEAVING and process.leaving):
            self.deaths[cause] = self.deaths.get(cause, 0) + 1
            logger.warning("worker_died", extra={"cause": cause, "lane": lane, "runs": worker.load})
            stillborn = not process.begun and self._loop.time() - worker.ready_at < RESTART_SECONDS
            self._stillborn = self._stillborn + 1 if stillborn else 0
        if process.broken or (cause not in _ORDERLY and (process.exit_code or 0) < 0):
            # Perhaps an attempt on the engine, which found out something of how its memory lies: the workers from now
            # on have another layout.
            self._parent.suspected.add(process.generation)
            self._parent.replace(process.generation)
        self._vacate(worker)
        self._runs_of_dead(worker, cause)

    def _runs_of_dead(self, worker: PooledWorker, cause: str) -> None:
        running = worker.process.running
        # The kill may come to a worker that has gone on to another run, which is not to blame then.
        meant = cause != "SIGKILL" or worker.killed_for is None or worker.killed_for == running
        culprit = worker.take(running) if meant else None
        if culprit is not None:
            self._culprit(worker, culprit, cause)
        # Of a worker that was killed while it was in none of its runs, none can have caused it.
        blameless = culprit is not None or (cause == "SIGKILL" and not worker.process.broken)
        now = self._loop.time()
        # Others are about to have what it had.
        self.watch(now)
        begun = worker.process.begun
        for run in worker.outstanding.values():
            run.suspended = False
            if not blameless:
                run.attempts += 1
            if run.attempts >= ATTEMPTS:
                self._conclude(run, Crashed("its worker died of another run"))
            elif run.suspension is None and run.id <= begun:
                self._lanes.begin_again(run, now)
            else:
                self._lanes.move(run, now)
        for run in worker.waiting.drain():
            self._lanes.move(run, now)

    def _culprit(self, worker: PooledWorker, run: Run, cause: str) -> None:
        lanes = self._lanes
        if worker.evicting and cause == "SIGKILL" and not run.called_host:
            # What held the worker is marked already.
            lanes.begin_again(run, self._loop.time())
            return
        if cause == "SIGKILL" and worker.killed_for is None and not worker.process.broken:
            # By an operator, or by the kernel where the machine has no memory left: whoever ran had no part in it.
            pass
        elif run.cancelled_at or worker.process.broken:
            lanes.mark_slow(run.invocation.program)
        else:
            lanes.mark_stuck(run)
        if worker.evicting and cause == "SIGKILL":
            self._conclude(run, Crashed("it held its worker while too many others did"))
        elif cause == "SIGALRM":
            self._conclude(run, TimedOut(TimeLimit.WALL))
        elif worker.process.exit_code == exit_status.OUT_OF_MEMORY:
            self._conclude(run, OutOfMemory(of_worker=True))
        elif worker.process.broken:
            self._conclude(run, Crashed("the worker broke the link's protocol"))
        else:
            self._conclude(run, Crashed(cause))
