"""The workers together: which run goes where, what becomes of it when its worker stalls or dies, and its deadline.

Runs go to the *fast* workers, a script always to the same one while the load allows it (its context is warm there).
A script seen to hold a worker longer than ``stall_seconds`` of processor time is *slow* for a while: it runs on
the slow workers, where it delays only scripts like it. What stood behind it is moved to another worker at once, and
a spare, already started, takes the place of a worker that is gone or held.
"""

import asyncio
import heapq
import logging
import zlib
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any

import msgspec

from sandbox.engine import Tag, threw
from sandbox.errors import ConfinementRefused, WorkerFailed
from sandbox.link import OUT_OF_MEMORY_STATUS, Down, Up
from sandbox.outcome import (
    Bound,
    Cancelled,
    Completion,
    Crashed,
    Exceeded,
    LogLine,
    Outcome,
    OutOfMemory,
    Refused,
    Returned,
    TimedOut,
    TimeLimit,
)
from sandbox.process import WorkerProcess, WorkerSettings, exit_cause
from sandbox.program import Invocation, Kind, Program

logger = logging.getLogger(__name__)

FAST_WINDOW = 32
"""Runs sent to a fast worker before the first is answered: enough that one system call carries several."""
IMBALANCE = 8
"""Runs by which a script's own worker may be ahead of the least loaded one before that one is taken."""
SLOW_SECONDS = 60.0
"""How long a script counts as slow after it was last seen to be."""
EXTRA_WORKERS = 2
"""Spares that may stand in for held workers at once; past it the longest held one is killed."""
ATTEMPTS = 3
"""Times a run is begun, each time by another worker's death through no fault of its own, before it is given up."""
KILL_FACTOR = 2.0
KILL_SLACK_SECONDS = 0.5
"""The daemon kills a worker at wall limit x 2 + 0.5 s in one run: the kernel's own timer, set by the worker, is to
have done it before."""
CANCEL_SECONDS = 0.05
"""A cancelled run still going after this long costs its worker; a shorter one ends by itself sooner than a kill."""
START_SECONDS = 10.0
"""Time for a worker to become ready; about 0.1 s on a quiet machine."""
RESTART_SECONDS = 0.5
"""Wait before the next start after one that failed, so that a full machine is not made fuller."""
LOG_LINES = 10_000


class PoolSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes of the pool."""

    workers: int = 2
    slow_workers: int = 1
    worker: WorkerSettings = WorkerSettings()
    stall_seconds: float = 0.02
    """Processor time in one run after which a worker counts as held."""
    queue: int = 4_096
    """Runs waiting or running in all."""
    queue_per_program: int = 256
    """Runs waiting or running of one program."""


class PoolState(msgspec.Struct, frozen=True, kw_only=True):
    """What the pool is doing, for metrics."""

    fast: int
    slow: int
    spare: int
    held: int
    """Fast workers in a run that has gone on too long."""
    outstanding: int
    """Runs waiting or running."""
    slow_programs: int
    confined: bool
    started: int
    deaths: dict[str, int]
    """Workers that died, by cause."""
    moved: int
    """Runs moved away from a held or dead worker."""
    refused: int


class Lane(StrEnum):
    """What a worker is for."""

    STARTING = "starting"
    SPARE = "spare"
    FAST = "fast"
    SLOW = "slow"
    LEAVING = "leaving"
    """Finishes what it has, takes no more."""


class Run:
    """One invocation under way. ``cancel`` gives it up."""

    __slots__ = (
        "_done",
        "_pool",
        "answered",
        "attempts",
        "called_host",
        "deadline",
        "id",
        "invocation",
        "log",
        "on_call",
        "sent",
        "worker",
    )

    def __init__(
        self,
        pool: "Pool",
        invocation: Invocation,
        done: Callable[[Completion], None],
        on_call: Callable[["Run", int, str, list[Any]], None] | None,
        deadline: float,
    ) -> None:
        self._pool = pool
        self._done = done
        self.on_call = on_call
        self.invocation = invocation
        self.deadline = deadline
        self.id = 0
        self.worker: _Worker | None = None
        self.sent = 0.0
        self.answered = False
        self.attempts = 0
        self.called_host = False
        self.log: list[LogLine] = []

    def answer(self, outcome: Outcome, run_micros: int = 0) -> None:
        """Settle the run; later answers are dropped."""
        if self.answered:
            return
        self.answered = True
        self._done(Completion(outcome, tuple(self.log), run_micros))

    def cancel(self) -> None:
        """The asker gave up: the run is stopped, and its outcome is Cancelled."""
        if not self.answered:
            self._pool.stop(self, Cancelled())

    def settle(self, call_id: int, value: bytes) -> None:
        """Answer a host call with JSON."""
        self._pool.settle(self, call_id, True, value)

    def fail_call(self, call_id: int, error: bytes) -> None:
        """Answer a host call with an error, whose properties (``message``, ``name`` ...) are JSON."""
        self._pool.settle(self, call_id, False, error)


class _Worker:
    """A process and what the pool has given it."""

    __slots__ = (
        "evicting", "extra", "held", "known", "lane", "last_sent", "outstanding", "process", "ready",
        "seen", "seen_at", "seen_cpu", "slot", "stopping", "waiting",
    )  # fmt: skip

    def __init__(self, process: WorkerProcess, lane: Lane, ready: asyncio.Future[None]) -> None:
        self.process = process
        self.lane = lane
        self.ready = ready
        self.outstanding: dict[int, Run] = {}
        self.waiting: deque[Run] = deque()
        self.known: set[str] = set()
        self.last_sent = 0
        self.slot: int | None = None
        self.extra = False
        self.held = False
        self.seen = 0
        self.seen_at = 0.0
        self.seen_cpu = 0.0
        self.evicting = False
        """Being killed for holding a fast place: what it runs begins again among the slow ones."""
        self.stopping: Run | None = None
        """A cancelled run that this worker dies for if it does not end by itself."""

    @property
    def load(self) -> int:
        return len(self.outstanding) + len(self.waiting)


class Pool:
    """Runs invocations in worker processes."""

    def __init__(self, settings: PoolSettings) -> None:
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._workers: dict[WorkerProcess, _Worker] = {}
        self._slots: list[_Worker | None] = [None] * settings.workers
        self._extras: list[_Worker] = []
        self._slow: list[_Worker] = []
        self._spare: _Worker | None = None
        self._starting: set[asyncio.Task[None]] = set()
        self._homeless: deque[Run] = deque()
        self._slow_waiting: OrderedDict[str, deque[Run]] = OrderedDict()
        """By program, served in turn: one slow script's queue does not stand in front of another's."""
        self._slow_until: dict[str, float] = {}
        self._per_program: dict[str, int] = {}
        self._deadlines: list[tuple[float, int, Run]] = []
        self._deadline_timer: asyncio.TimerHandle | None = None
        self._tick_timer: asyncio.TimerHandle | None = None
        self._last_id = 0
        self._sequence = 0
        self._outstanding = 0
        self._closing = False
        self._idle: asyncio.Event = asyncio.Event()
        self._idle.set()
        self._gone = asyncio.Event()
        self._confined = True
        self._started = 0
        self._deaths: dict[str, int] = {}
        self._moved = 0
        self._refused = 0

    # ---- life ----

    async def start(self) -> None:
        """Start the workers. Raises ConfinementRefused, or WorkerFailed where one does not come up."""
        settings = self._settings
        lanes = [Lane.FAST] * settings.workers + [Lane.SLOW] * settings.slow_workers + [Lane.SPARE]
        # One after the other: the second worker would fail as the first did, and say the same.
        for lane in lanes:
            await self._start_worker(lane)

    async def drain(self, seconds: float) -> bool:
        """Wait until nothing is outstanding; False where the time ran out first."""
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Refuse what comes, give up what is left, and end the workers."""
        self._closing = True
        for task in self._starting:
            task.cancel()
        for worker in self._workers.values():
            for run in (*worker.outstanding.values(), *worker.waiting):
                self._conclude(run, Refused("the daemon is stopping"))
        for run in (*self._homeless, *(run for queue in self._slow_waiting.values() for run in queue)):
            self._conclude(run, Refused("the daemon is stopping"))
        for process in self._workers:
            process.kill()
        for timer in (self._deadline_timer, self._tick_timer):
            if timer is not None:
                timer.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        if self._workers:
            await self._gone.wait()

    def state(self) -> PoolState:
        """A picture of now."""
        now = self._loop.time()
        return PoolState(
            fast=sum(worker is not None for worker in self._slots) + len(self._extras),
            slow=len(self._slow),
            spare=int(self._spare is not None),
            held=sum(worker.held for worker in self._fast()),
            outstanding=self._outstanding,
            slow_programs=sum(until > now for until in self._slow_until.values()),
            confined=self._confined,
            started=self._started,
            deaths=dict(self._deaths),
            moved=self._moved,
            refused=self._refused,
        )

    def retain(self, keys: Iterable[str]) -> None:
        """Forget every program but these: the catalog has changed."""
        kept = set(keys)
        for worker in self._workers.values():
            for key in worker.known - kept:
                worker.known.discard(key)
                worker.process.send([Down.FORGET, key])
        for key in set(self._slow_until) - kept:
            del self._slow_until[key]

    # ---- asking ----

    def submit(
        self,
        invocation: Invocation,
        done: Callable[[Completion], None],
        on_call: Callable[[Run, int, str, list[Any]], None] | None = None,
    ) -> Run:
        """Run an invocation. ``done`` is called once, on the event loop, perhaps before this returns.

        ``on_call(run, call id, name, arguments)`` is told each host call; every one is to be answered by
        ``run.settle`` or ``run.fail_call``.
        """
        now = self._loop.time()
        run = Run(self, invocation, done, on_call, now + invocation.limits.wall_seconds)
        key = invocation.program.key
        count = self._per_program.get(key, 0)
        if self._closing or self._outstanding >= self._settings.queue or count >= self._settings.queue_per_program:
            self._refused += 1
            if self._closing:
                reason = "the daemon is stopping"
            elif self._outstanding >= self._settings.queue:
                reason = "too many runs are waiting"
            else:
                reason = "too many runs of this script are waiting"
            run.answer(Refused(reason))
            return run
        self._per_program[key] = count + 1
        self._outstanding += 1
        if self._outstanding == 1:
            self._idle.clear()
            if self._tick_timer is None:
                self._tick()
        self._sequence += 1
        heapq.heappush(self._deadlines, (run.deadline, self._sequence, run))
        if self._deadlines[0][2] is run:
            self._set_deadline_timer()
        self._place(run, now)
        return run

    def stop(self, run: Run, outcome: Outcome) -> None:
        """Settle a run from outside and see that it does not go on."""
        worker = run.worker
        self._conclude(run, outcome)
        if worker is None or run.id not in worker.outstanding:
            return
        if run.invocation.program.kind is Kind.APP:
            worker.process.send([Down.CANCEL, run.id])
            if worker.process.running != run.id:
                del worker.outstanding[run.id]
                self._feed(worker)
                return
        if isinstance(outcome, Cancelled) and worker.stopping is None:
            worker.stopping = run
            self._loop.call_later(CANCEL_SECONDS, self._kill_if_still, worker, run)

    def settle(self, run: Run, call_id: int, succeeded: bool, value: bytes) -> None:
        """Answer a host call; one of a run that has ended is dropped."""
        if run.worker is not None and run.id in run.worker.outstanding:
            run.worker.process.send([Down.SETTLE, run.id, call_id, succeeded, value.decode()])

    # ---- placing ----

    def _place(self, run: Run, now: float) -> None:
        key = run.invocation.program.key
        if self._slow_until and self._settings.slow_workers and self._slow_until.get(key, 0.0) > now:
            self._place_slow(run)
            return
        slots = self._slots
        own = slots[zlib.crc32(key.encode()) % len(slots)] if len(slots) > 1 else slots[0]
        best = own if own is not None and not own.held else None
        best_load = best.load if best is not None else 0
        if best is None or best_load > IMBALANCE:
            for other in self._fast():
                if other is not own and not other.held:
                    load = other.load
                    if best is None or load + IMBALANCE < best_load:
                        best, best_load = other, load
        if best is None:
            best = self._promote_spare()
        if best is None:
            self._homeless.append(run)
        elif len(best.outstanding) < FAST_WINDOW:
            self._send(best, run)
        else:
            best.waiting.append(run)

    def _place_slow(self, run: Run) -> None:
        for worker in self._slow:
            if not worker.outstanding:
                self._send(worker, run)
                return
        self._slow_waiting.setdefault(run.invocation.program.key, deque()).append(run)

    def _send(self, worker: _Worker, run: Run) -> None:
        self._last_id += 1
        run.id = worker.last_sent = self._last_id
        run.worker = worker
        run.sent = self._loop.time()
        worker.outstanding[run.id] = run
        invocation = run.invocation
        program = invocation.program
        if program.key not in worker.known:
            worker.known.add(program.key)
            worker.process.send(
                [
                    Down.LOAD,
                    program.key,
                    program.name,
                    program.kind,
                    program.text,
                    program.adapter,
                    dict(program.environment),
                    program.memory_bytes,
                ]
            )
        limits = invocation.limits
        worker.process.send(
            [
                Down.RUN,
                run.id,
                program.key,
                invocation.input,
                invocation.correlation_id,
                limits.cpu_seconds,
                limits.wall_seconds,
                limits.result_bytes,
                limits.log_bytes,
                limits.outbox_calls,
                limits.jobs,
            ]
        )

    def _feed(self, worker: _Worker) -> None:
        """Give a worker with room what waits for it."""
        if worker.lane is Lane.FAST and not worker.held:
            while worker.waiting and len(worker.outstanding) < FAST_WINDOW:
                run = worker.waiting.popleft()
                if not run.answered:
                    self._send(worker, run)
            while self._homeless and len(worker.outstanding) < FAST_WINDOW:
                run = self._homeless.popleft()
                if not run.answered:
                    self._send(worker, run)
        elif worker.lane is Lane.SLOW and not worker.outstanding:
            while self._slow_waiting:
                key, queue = self._slow_waiting.popitem(last=False)
                run = queue.popleft()
                if queue:
                    self._slow_waiting[key] = queue
                if not run.answered:
                    self._send(worker, run)
                    return
        elif worker.lane is Lane.LEAVING and not worker.outstanding:
            worker.process.close()

    def _fast(self) -> list[_Worker]:
        return [*(worker for worker in self._slots if worker is not None), *self._extras]

    def _promote_spare(self) -> _Worker | None:
        """Let the spare take an empty place, or stand in beside held workers."""
        spare = self._spare
        if spare is None:
            return None
        if None in self._slots:
            spare.slot = self._slots.index(None)
            self._slots[spare.slot] = spare
        elif len(self._extras) < EXTRA_WORKERS:
            spare.extra = True
            self._extras.append(spare)
        else:
            return None
        self._spare = None
        spare.lane = Lane.FAST
        self._start_later(Lane.SPARE)
        return spare

    def _released(self, worker: _Worker) -> None:
        """A held worker is back: where an extra stood in, the first of them finishes what it has and leaves."""
        worker.held = False
        self._feed(worker)
        if self._extras and sum(worker.held for worker in self._fast()) < len(self._extras):
            extra = self._extras.pop(0)
            extra.extra = False
            extra.lane = Lane.LEAVING
            self._relocate(extra, keep=None)
            self._feed(extra)

    def _relocate(self, worker: _Worker, keep: Run | None) -> None:
        """Move what a worker has not begun to others."""
        now = self._loop.time()
        worker.process.revoke(worker.last_sent)
        moving = [
            run
            for run in worker.outstanding.values()
            if run is not keep and not run.called_host and run.id != worker.process.running
        ]
        for run in moving:
            del worker.outstanding[run.id]
        moving += worker.waiting
        worker.waiting.clear()
        for run in moving:
            if not run.answered:
                self._moved += 1
                run.worker = None
                self._place(run, now)

    # ---- what workers say ----

    def _on_message(self, process: WorkerProcess, message: list[Any]) -> None:
        worker = self._workers.get(process)
        if worker is None:
            return
        operation = message[0]
        if operation == Up.DONE:
            _, run_id, tag, payload, log, micros = message
            run = worker.outstanding.pop(run_id, None)
            if worker.held and run_id == worker.seen:
                self._released(worker)
            if run is not None:
                if log is not None:
                    run.log += _log_lines(log)
                if micros > self._settings.stall_seconds * 1e6 and tag != Tag.RETURNED:
                    self._mark_slow(run.invocation.program)
                if not run.answered:
                    outcome = _outcome(run.invocation.program, tag, payload)
                    if outcome is None:
                        worker.process.broken = True
                        worker.process.kill()
                        outcome = Crashed("the worker answered what no run can")
                    self._conclude(run, outcome, micros)
            if worker.waiting or self._homeless or worker.lane is not Lane.FAST:
                self._feed(worker)
        elif operation == Up.CALLS:
            self._host_calls(worker, message)
        elif operation == Up.READY:
            self._confined = self._confined and message[1]
            if not message[1] and self._settings.worker.require_confinement:
                if not worker.ready.done():
                    worker.ready.set_exception(ConfinementRefused(message[2]))
            elif not worker.ready.done():
                if not message[1]:
                    logger.warning("worker_unconfined", extra={"reason": message[2]})
                worker.ready.set_result(None)
        elif operation == Up.SPENT:
            self._replace(worker)

    def _host_calls(self, worker: _Worker, message: list[Any]) -> None:
        _, run_id, calls_json, log = message
        run = worker.outstanding.get(run_id)
        if run is None or run.answered:
            return
        if log is not None:
            run.log += _log_lines(log)
        try:
            calls = msgspec.json.decode(calls_json, type=list[tuple[int, str, list[Any]]])
        except msgspec.MsgspecError:
            # A script can only break its own outbox (a toJSON that lies): the run pays.
            self.stop(run, Exceeded(Bound.OUTBOX))
            return
        for call_id, name, arguments in calls:
            run.called_host = True
            if run.on_call is None:
                self.settle(run, call_id, False, b'{"message":"there is no host for this run"}')
            else:
                run.on_call(run, call_id, name, arguments)

    def _conclude(self, run: Run, outcome: Outcome, micros: int = 0) -> None:
        if run.answered:
            return
        key = run.invocation.program.key
        count = self._per_program[key] - 1
        if count:
            self._per_program[key] = count
        else:
            del self._per_program[key]
        self._outstanding -= 1
        if self._outstanding == 0:
            self._idle.set()
        run.answer(outcome, micros)

    # ---- time ----

    def _set_deadline_timer(self) -> None:
        if self._deadline_timer is not None:
            self._deadline_timer.cancel()
        self._deadline_timer = self._loop.call_at(self._deadlines[0][0], self._deadlines_passed)

    def _deadlines_passed(self) -> None:
        self._deadline_timer = None
        now = self._loop.time()
        deadlines = self._deadlines
        while deadlines and (deadlines[0][2].answered or deadlines[0][0] <= now):
            run = heapq.heappop(deadlines)[2]
            if not run.answered:
                self.stop(run, TimedOut(TimeLimit.WALL))
        if deadlines:
            self._set_deadline_timer()

    def _tick(self) -> None:
        """Look at each worker: what it is in, for how long, and whether others wait behind it."""
        self._tick_timer = None
        now = self._loop.time()
        busy = False
        for worker in list(self._workers.values()):
            running = worker.process.running
            if worker.held and running != worker.seen:
                self._released(worker)
            if not worker.outstanding:
                worker.seen = 0
                continue
            busy = True
            if running == 0 or running != worker.seen:
                worker.seen = running
                worker.seen_at = now
                worker.seen_cpu = worker.process.cpu_seconds()
                continue
            run = worker.outstanding.get(running)
            held = max(worker.process.cpu_seconds() - worker.seen_cpu, (now - worker.seen_at) / 5)
            if not worker.held and held >= self._settings.stall_seconds and worker.lane is Lane.FAST:
                self._held(worker, run)
            wall = run.invocation.limits.wall_seconds if run is not None else 0.0
            if now - worker.seen_at > wall * KILL_FACTOR + KILL_SLACK_SECONDS:
                worker.process.kill()
        if busy or self._outstanding or self._extras:
            self._tick_timer = self._loop.call_later(self._settings.stall_seconds / 2, self._tick)

    def _held(self, worker: _Worker, run: Run | None) -> None:
        worker.held = True
        if run is not None:
            self._mark_slow(run.invocation.program)
        self._relocate(worker, keep=run)
        if all(other.held for other in self._fast()) and self._promote_spare() is None and self._settings.slow_workers:
            # Every place is held: the worker longest in one run gives it up, and the run starts over among the slow.
            oldest = min(self._fast(), key=lambda other: other.seen_at)
            oldest.evicting = True
            oldest.process.kill()

    def _mark_slow(self, program: Program) -> None:
        self._slow_until[program.key] = self._loop.time() + SLOW_SECONDS

    def _kill_if_still(self, worker: _Worker, run: Run) -> None:
        worker.stopping = None
        if worker.process.exit_code is None and worker.process.running == run.id:
            worker.process.kill()

    # ---- workers that come and go ----

    async def _start_worker(self, lane: Lane) -> None:
        process = WorkerProcess(self._on_message, self._on_exit)
        await process.start(self._settings.worker, niceness=5 if lane is Lane.SLOW else 0)
        self._started += 1
        worker = _Worker(process, Lane.STARTING, self._loop.create_future())
        self._workers[process] = worker
        try:
            async with asyncio.timeout(START_SECONDS):
                await worker.ready
        except TimeoutError:
            process.kill()
            raise WorkerFailed(f"a worker was not ready after {START_SECONDS:.0f} s") from None
        worker.lane = lane
        if lane is Lane.SLOW:
            self._slow.append(worker)
        elif None in self._slots:
            worker.lane = Lane.FAST
            worker.slot = self._slots.index(None)
            self._slots[worker.slot] = worker
        elif self._spare is None:
            worker.lane = Lane.SPARE
            self._spare = worker
        else:
            worker.lane = Lane.LEAVING
        if self._homeless and worker.lane is Lane.SPARE:
            self._promote_spare()
        self._feed(worker)

    def _start_later(self, lane: Lane) -> None:
        if self._closing:
            return
        task = self._loop.create_task(self._restart(lane))
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def _restart(self, lane: Lane) -> None:
        while not self._closing:
            try:
                await self._start_worker(lane)
            except (OSError, ConfinementRefused, WorkerFailed) as error:
                logger.error("worker_start_failed", extra={"reason": str(error), "lane": lane})  # noqa: TRY400
                await asyncio.sleep(RESTART_SECONDS)
            else:
                return

    def _replace(self, worker: _Worker) -> None:
        """Let a worker leave in peace, another in its place."""
        if worker.lane not in (Lane.FAST, Lane.SLOW):
            return
        lane = worker.lane
        self._leave(worker)
        worker.lane = Lane.LEAVING
        self._refill(lane, worker.extra)
        self._relocate(worker, keep=None)
        self._feed(worker)

    def _leave(self, worker: _Worker) -> None:
        if worker.slot is not None:
            self._slots[worker.slot] = None
            worker.slot = None
        if worker in self._extras:
            self._extras.remove(worker)
        if worker in self._slow:
            self._slow.remove(worker)
        if worker is self._spare:
            self._spare = None

    def _refill(self, lane: Lane, extra: bool) -> None:
        if lane is Lane.SLOW:
            self._start_later(Lane.SLOW)
        elif lane is Lane.SPARE or (lane is Lane.FAST and not extra and self._promote_spare() is None):
            self._start_later(Lane.SPARE)

    def _on_exit(self, process: WorkerProcess) -> None:
        worker = self._workers.pop(process)
        if not self._workers:
            self._gone.set()
        lane = worker.lane
        cause = exit_cause(process.exit_code or 0)
        self._leave(worker)
        if not worker.ready.done():
            worker.ready.set_exception(WorkerFailed(f"a worker ended before it was ready: {cause}"))
            return
        if lane is Lane.STARTING or self._closing:
            return
        if not (lane is Lane.LEAVING and process.exit_code == 0):
            self._deaths[cause] = self._deaths.get(cause, 0) + 1
            logger.warning("worker_died", extra={"cause": cause, "lane": lane, "runs": worker.load})
        self._refill(lane, worker.extra)
        culprit = worker.outstanding.pop(process.running, None)
        if culprit is not None:
            self._culprit(worker, culprit, cause)
        now = self._loop.time()
        for run in (*worker.outstanding.values(), *worker.waiting):
            if run.answered:
                continue
            run.worker = None
            run.attempts += 1
            if run.called_host or run.attempts >= ATTEMPTS:
                self._conclude(run, Crashed("its worker died of another run"))
            else:
                self._moved += 1
                self._place(run, now)

    def _culprit(self, worker: _Worker, run: Run, cause: str) -> None:
        self._mark_slow(run.invocation.program)
        if run.answered:
            return
        run.worker = None
        if worker.evicting and cause == "SIGKILL" and not run.called_host:
            self._moved += 1
            self._place(run, self._loop.time())
        elif cause == "SIGALRM":
            self._conclude(run, TimedOut(TimeLimit.WALL))
        elif worker.process.exit_code == OUT_OF_MEMORY_STATUS:
            self._conclude(run, OutOfMemory())
        elif worker.process.broken:
            self._conclude(run, Crashed("the worker broke the link's protocol"))
        else:
            self._conclude(run, Crashed(cause))


def _log_lines(text: str) -> list[LogLine]:
    try:
        read = msgspec.json.decode(text, type=list[tuple[str, str]])
    except msgspec.MsgspecError:
        return [LogLine("warn", "[console output that cannot be read]")]
    return [LogLine(level, line) for level, line in read[:LOG_LINES]]


_BOUNDS = {bound.encode(): bound for bound in Bound}


def _outcome(program: Program, tag: str, payload: bytes) -> Outcome | None:
    """What a status means; None for one that the runtime never gives."""
    if tag == Tag.RETURNED:
        return Returned(payload)
    if tag == Tag.THREW:
        return threw(program.name, payload.decode())
    if tag == Tag.OUT_OF_TIME:
        return TimedOut(TimeLimit.CPU)
    if tag == Tag.OUT_OF_MEMORY:
        return OutOfMemory()
    if tag == Tag.EXCEEDED and payload in _BOUNDS:
        return Exceeded(_BOUNDS[payload])
    if tag == Tag.BROKEN:
        return Crashed(f"engine: {payload.decode()}")
    return None
