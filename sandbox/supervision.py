"""Workers that come and go, and what becomes of the runs that they had."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from sandbox import exit_status, messages_down
from sandbox.errors import ConfinementRefused, WorkerFailed
from sandbox.lanes import Lanes
from sandbox.messages_up import MessageUp
from sandbox.outcome import Crashed, Outcome, OutOfMemory, TimedOut, TimeLimit
from sandbox.parent import RESTART_SECONDS, Parent
from sandbox.pooled_worker import Lane, PooledWorker
from sandbox.process import SLOW_NICENESS, STUCK_NICENESS, WorkerProcess, WorkerSettings
from sandbox.resuming import Resuming
from sandbox.run import Run
from sandbox.watch import Watch

logger = logging.getLogger(__name__)

ATTEMPTS: Final = 3
"""Times that a run is held by a worker that dies of nobody knows which, before it is given up."""
STILLBORN: Final = 10
"""Workers in a row that end within RESTART_SECONDS of their start and have not begun a run: whatever ends them ends the
next one as well, and further ones wait for as long as after a start that failed."""
PACKAGES_MOST: Final = 500
"""Texts that programs share and that one worker keeps, some 300 kB each: as many as ten changes of all that there are
bring. A worker that has more leaves when programs change, and so lets go of those that nobody needs any more."""
_ORDERLY: Final = ("SIGKILL", "SIGALRM")
"""Signals that end a worker whose memory nobody has tampered with: the daemon's own and the kernel's timer."""
_NICENESS: Final = {Lane.SLOW: SLOW_NICENESS, Lane.STUCK: STUCK_NICENESS}


class Supervisor:
    """Starts the workers, has them watched, replaces them."""

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
        self._lanes = lanes
        self._on_message = on_message
        self._conclude = conclude
        self._loop = asyncio.get_running_loop()
        self._workers: dict[WorkerProcess, PooledWorker] = {}
        self._starting: set[asyncio.Task[None]] = set()
        self._closing = False
        self._stillborn = 0
        """How many were in a row."""
        workers = self._workers.values()
        self._resuming = Resuming(lanes, workers, lambda: parent.generation, parent.suspected, conclude)
        lanes.resuming = self._resuming
        self.watch = Watch(stall_seconds, lanes, workers, self._resuming, conclude, self.replace)
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
        self.watch.close()
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
        leaving: list[PooledWorker] = []
        for worker in self._workers.values():
            for key in worker.known - kept:
                worker.known.discard(key)
                worker.process.send(messages_down.forget(key))
            if len(worker.packages) > PACKAGES_MOST:
                leaving.append(worker)
        for worker in leaving:
            self.replace(worker)

    def replace(self, worker: PooledWorker) -> None:
        """Let a worker leave in peace, another in its place."""
        if worker.lane not in (Lane.FAST, Lane.SLOW, Lane.STUCK):
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
        self.watch.begin(now)
        begun = worker.process.begun
        for run in worker.outstanding.values():
            run.suspended = False
            if run.answered:
                continue
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
