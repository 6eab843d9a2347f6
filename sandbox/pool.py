"""The pool as its users see it: runs asked for, bounded, answered once, given up."""

import asyncio
import heapq
import logging
import time
from collections.abc import Iterable
from typing import Final

from sandbox import link, messages_down
from sandbox.answers import read_calls, read_outcome
from sandbox.growth import LOOK_SECONDS, Growth
from sandbox.host import Host
from sandbox.lanes import Lanes
from sandbox.messages_up import (
    CallsMessage,
    DoneMessage,
    FailedMessage,
    LetGoMessage,
    MessageUp,
    SpentMessage,
    TurnMessage,
)
from sandbox.outcome import (
    Bound,
    Cancelled,
    Crashed,
    Exceeded,
    Interruption,
    Outcome,
    Refused,
    Stage,
    TimedOut,
    TimeLimit,
)
from sandbox.parent import Parent
from sandbox.pool_settings import PoolSettings, PoolState
from sandbox.pooled_worker import Lane, PooledWorker
from sandbox.process import WorkerSettings
from sandbox.program import Invocation
from sandbox.recording import Recorder
from sandbox.repetition import Repeater
from sandbox.run import Done, Run
from sandbox.seating import Seating, SeatingByCustomer
from sandbox.stack import innermost
from sandbox.status import Tag
from sandbox.supervision import Supervisor
from sandbox.suspension import Suspension
from sandbox.watch import DAEMON_KILL_FACTOR, DAEMON_KILL_SLACK_SECONDS

__all__ = ["Pool", "PoolSettings", "PoolState", "Run", "WorkerSettings"]

logger = logging.getLogger(__name__)

DEADLINES_SLACK: Final = 64
DEADLINES_FACTOR: Final = 4
"""Deadlines of runs that have been answered are swept once the kept ones outnumber the runs by this."""
RUN_BYTES: Final = 6_000
"""What a run without an answer takes beside its input: itself, and what its asker keeps of it."""


class Pool:
    """Runs invocations in worker processes."""

    def __init__(self, settings: PoolSettings, parent: Parent | None = None) -> None:
        """``parent`` is what the workers are forked from, another's to close; without one the pool has its own."""
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        seating = SeatingByCustomer(settings.workers) if settings.by_customer else Seating(settings.workers)
        self._lanes = Lanes(seating, settings.slow_workers, self._worker_wanted)
        self._parent = parent or Parent()
        self._owns_parent = parent is None
        self._supervisor = Supervisor(
            settings.worker, self._parent, settings.stall_seconds, self._lanes, self._on_message, self._conclude
        )
        self._watch = self._supervisor.watch
        self._slow_micros = settings.stall_seconds * 1e6
        self._held_bytes = 0
        self._series_bytes: dict[tuple[str, str], int] = {}
        self._runs: dict[int, Run] = {}
        """Those without an answer by their numbers. Nothing here knows one that has it: what comes next is to use the
        memory that its input had, which is in the cache."""
        self._deadlines: list[tuple[float, int]] = []
        """With the numbers of the runs, many of which are answered."""
        self._deadline_timer: asyncio.TimerHandle | None = None
        # Kept beside it: for a time that has passed uvloop gives a handle that does not know its own.
        self._deadline_at = 0.0
        self._last_number = 0
        self._refused = 0
        self._closing = False
        self._growth: Growth | None = None
        """None where there are as many workers at all times."""
        if settings.by_customer:
            # Customers have it grow, as they come.
            self._growth = Growth(1, 1, settings.idle_seconds)
        elif settings.most_workers > settings.workers:
            self._growth = Growth(settings.workers, settings.most_workers, settings.idle_seconds)
        self._growth_timer: asyncio.TimerHandle | None = None
        """None while nothing is to be started or stopped."""

    # ---- life ----

    async def start(self) -> None:
        """Start the workers. Raises ConfinementRefused, WorkerFailed where one does not come up, or OSError."""
        settings = self._settings
        fast = 1 if settings.by_customer else settings.workers
        lanes = [Lane.FAST] * fast + [Lane.SLOW] * settings.slow_workers + [Lane.SPARE]
        try:
            self._parent.start()
            # The first alone: the others would fail as it did, and say the same.
            await self._supervisor.start(lanes[0])
            await asyncio.gather(*map(self._supervisor.start, lanes[1:]))
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Refuse what comes, give up what is left, and end the workers."""
        self._closing = True
        for timer in (self._deadline_timer, self._growth_timer):
            if timer is not None:
                timer.cancel()
        for run in list(self._runs.values()):
            self._conclude(run, Refused("the daemon is stopping"))
        self._deadlines.clear()
        await self._supervisor.close()
        if self._owns_parent:
            self._parent.close()

    def state(self) -> PoolState:
        """A picture of now."""
        lanes = self._lanes
        fast = lanes.fast()
        return PoolState(
            fast=len(fast),
            slow=len(lanes.slow()),
            grown=lanes.seating.grown,
            shrunk=lanes.seating.shrunk,
            stuck=len(lanes.stuck()),
            spare=int(lanes.spare is not None),
            held=sum(worker.held for worker in fast),
            outstanding=len(self._runs),
            slow_programs=lanes.slow_programs(),
            confined=self._supervisor.confined,
            started=self._supervisor.started,
            deaths=dict(self._supervisor.deaths),
            moved=lanes.moved,
            begun_again=lanes.begun_again,
            resumed=self._supervisor.resumed,
            shared=lanes.shared_workers(),
            refused=self._refused,
        )

    def retain(self, keys: Iterable[str]) -> None:
        """Forget every program but these: the catalog has changed. Runs under way are not touched."""
        kept = set(keys)
        self._supervisor.forget(kept)
        self._lanes.forget(kept)

    # ---- asking ----

    def submit(self, invocation: Invocation, done: Done, host: Host | None = None) -> Run:
        """Run an invocation. ``done`` is called once, on the event loop, perhaps before this returns.

        ``host`` is told what the script asks. Without one every host call is rejected.
        """
        now = self._loop.time()
        self._last_number = number = self._last_number + 1
        run = Run(self, number, invocation, done, host, now)
        size = len(invocation.input) + RUN_BYTES
        series = run.series
        own = self._series_bytes.get(series, 0) + size
        held = self._held_bytes + size
        if self._closing or own > self._settings.queue_bytes - held:
            self._refuse(run)
            return run
        self._series_bytes[series] = own
        self._held_bytes = held
        runs, deadlines = self._runs, self._deadlines
        runs[number] = run
        self._watch.begin(now)
        if len(deadlines) > DEADLINES_SLACK + DEADLINES_FACTOR * len(runs):
            deadlines[:] = [deadline for deadline in deadlines if deadline[1] in runs]
            heapq.heapify(deadlines)
        heapq.heappush(deadlines, (run.deadline, number))
        timer = self._deadline_timer
        if timer is None or run.deadline < self._deadline_at:
            self._set_deadline_timer(run.deadline)
        self._lanes.place(run, now)
        if self._growth is not None and self._growth_timer is None:
            self._look_later(self._growth)
        return run

    def stop(self, run: Run, outcome: Outcome) -> None:
        """Settle a run from outside and see that it does not go on."""
        self._conclude(run, outcome)
        worker = run.worker
        if worker is None or run.id not in worker.outstanding:
            return
        # It stays in the worker's books until the worker says that it is done with it.
        self._watch.begin(self._loop.time())
        if run.invocation.program.suspends:
            worker.process.send(messages_down.cancel(run.id))
        if isinstance(outcome, Cancelled):
            run.cancelled_at = self._loop.time()

    def stop_between_turns(self, run: Run) -> None:
        """Stop a run once it waits. A turn that it is in, or that an answer has it begin, goes to its end before."""
        worker = run.worker
        if worker is None or run.id not in worker.outstanding:
            self.stop(run, Cancelled())
            return
        # Its worker takes what it is sent in order: what the run was told before is turned to first.
        run.given_up = True
        now = self._loop.time()
        self._watch.begin(now)
        worker.process.send(messages_down.cancel(run.id))
        # Where the worker is held, or dies, the run may have moved by then, and knows nothing of it there.
        turn_seconds = run.invocation.limits.turn_wall_seconds
        latest = now + turn_seconds * DAEMON_KILL_FACTOR + DAEMON_KILL_SLACK_SECONDS
        if latest < run.deadline:
            heapq.heappush(self._deadlines, (latest, run.number))
            if self._deadline_timer is None or latest < self._deadline_at:
                self._set_deadline_timer(latest)

    def answer_call(self, run: Run, call_id: int, succeeded: bool, value: bytes, clock: float | None) -> None:
        """Tell a run's script the answer to a host call; one for a run that is over is dropped."""
        run.unanswered -= 1
        suspension = run.suspension
        if suspension is None:
            return
        if run.recorder is not None:
            run.recorder.answered(call_id, succeeded, value)
        suspension.answers.append((call_id, succeeded, value, clock))
        worker = run.worker
        # One on its way to another worker is sent them all there.
        if worker is not None and run.id in worker.outstanding:
            self._watch.begin(self._loop.time())
            worker.answered_at = worker.process.turns
            worker.process.settle(run.id, call_id, succeeded, value, clock)

    def _refuse(self, run: Run) -> None:
        self._refused += 1
        if self._closing:
            reason = "the daemon is stopping"
        elif self._series_bytes.get(run.series):
            reason = "too many runs of this script are waiting"
        else:
            reason = "too many runs are waiting"
        run.answer(Refused(reason))

    def _worker_wanted(self, lane: Lane) -> None:
        self._supervisor.start_later(lane)

    # ---- growing and shrinking ----

    def _look_later(self, growth: Growth) -> None:
        if growth.may_change(self._lanes.seating.places, idle=not self._runs):
            self._growth_timer = self._loop.call_later(LOOK_SECONDS, self._look_at_load, growth)

    def _look_at_load(self, growth: Growth) -> None:
        self._growth_timer = None
        if self._closing:
            return
        seating = self._lanes.seating
        change = growth.look(seating.places, seating.needed(), self._loop.time())
        # One that is on its way is waited for: what it is worth is not known yet.
        if change > 0 and not seating.has_empty:
            self._lanes.add_place()
        elif change < 0:
            self._watch.begin(self._loop.time())
            self._lanes.remove_place()
        self._look_later(growth)

    # ---- answering ----

    def _on_message(self, worker: PooledWorker, message: MessageUp) -> None:
        if isinstance(message, DoneMessage):
            self._ran(worker, message)
        elif isinstance(message, CallsMessage):
            self._turn_ended(worker, message)
        elif isinstance(message, TurnMessage):
            run = worker.outstanding.get(message.run_id)
            if run is not None and run.recorder is not None:
                run.recorder.turn_begun(message.clock, message.call_id)
        elif isinstance(message, LetGoMessage):
            self._let_go(worker, message)
        elif isinstance(message, SpentMessage):
            self._supervisor.replace(worker)
        elif isinstance(message, FailedMessage):
            logger.error("worker_failed", extra={"reason": message.reason[:1000]})

    def _let_go(self, worker: PooledWorker, message: LetGoMessage) -> None:
        run = worker.take(message.run_id)
        if run is not None:
            # By the clock that the worker has looked at: the loop's is as old as this round of it.
            if not (
                run.answered
                or run.given_up
                or worker.hands_over
                or worker.process.is_revoked(message.run_id)
                or time.monotonic() >= run.deadline
            ):
                worker.process.disbelieve()
            now = self._loop.time()
            self._watch.begin(now)
            if run.given_up:
                self._conclude(run, Cancelled())
            self._lanes.move(run, now)
        self._lanes.feed(worker)

    def _ran(self, worker: PooledWorker, message: DoneMessage) -> None:
        run = worker.take(message.run_id)
        if worker.held and message.run_id == worker.seen.running:
            self._lanes.release(worker)
        if run is not None and message.calls is not None and not run.answered:
            self._host_calls(run, message.calls)
        if run is not None and not run.answered:
            if message.log is not None:
                run.add_lines(message.log)
            if message.busy_micros > self._slow_micros and message.tag != Tag.RETURNED:
                self._lanes.mark_slow(run.invocation.program)
            outcome = read_outcome(run.invocation, message.tag, message.payload)
            if isinstance(outcome, TimedOut):
                outcome = self._interrupted(run, message)
            elif outcome is None:
                worker.process.disbelieve()
                outcome = Crashed("the worker answered what no run can")
            else:
                self._lanes.proven.add(run.series[0])
            self._conclude(run, outcome, message.micros, message.busy_micros)
        if worker.waiting.count or worker.lane is not Lane.FAST or self._lanes.homeless.count:
            self._lanes.feed(worker)
        if len(worker.outstanding) == worker.suspended:
            self._watch.rest()

    def _interrupted(self, run: Run, message: DoneMessage) -> TimedOut:
        """A run that the engine interrupted, and where: for its processor time, or just before its deadline."""
        now = self._loop.time()
        program = run.invocation.program
        function, place = innermost(message.payload.decode("utf-8", "replace"), program.name, program.files)
        run.interruption = Interruption(Stage.RUNNING, message.busy_micros / 1e6, function, place)
        short = link.interrupted_early(run.invocation.limits.wall_seconds)
        return TimedOut(TimeLimit.WALL if run.deadline - now <= short else TimeLimit.CPU)

    def _turn_ended(self, worker: PooledWorker, message: CallsMessage) -> None:
        run = worker.outstanding.get(message.run_id)
        if run is None:
            return
        worker.suspend(run)
        now = run.suspended_at = self._loop.time()
        if not run.answered:
            self._note_suspension(worker, run, message, now)
            if message.log is not None:
                run.add_lines(message.log)
            self._host_calls(run, message.calls)
        if run.recorder is not None and not run.answered:
            self._turn_recorded(run, run.recorder)
        if worker.hands_over:
            self._lanes.hand_over_run(worker, run)
        if worker.waiting.count or worker.lane is not Lane.FAST:
            # It holds no place now.
            self._lanes.feed(worker)
        if len(worker.outstanding) == worker.suspended:
            self._watch.rest()

    def _note_suspension(self, worker: PooledWorker, run: Run, message: CallsMessage, now: float) -> None:
        if run.invocation.repeats is not None:
            return  # a repetition begins again
        suspension = run.suspension
        if suspension is None:
            cpu_seconds = run.invocation.limits.cpu_seconds
            suspension = Suspension(run.id, worker.process.generation, run.clock, cpu_seconds, run.submitted)
            run.suspension = suspension
        suspension.note(message.settled, message.state, worker.process.images, now)

    def _turn_recorded(self, run: Run, recorder: Recorder) -> None:
        """Have a run whose turns are given go on with the next."""
        recorder.turn_ended()
        if not isinstance(recorder, Repeater):
            return
        turn = recorder.next_turn()
        if turn is None:
            self.stop(run, Cancelled())
        elif run.worker is not None:
            recorder.answered(turn.call_id, turn.succeeded, turn.answer)
            self._watch.begin(self._loop.time())
            run.worker.process.settle(run.id, turn.call_id, turn.succeeded, turn.answer, turn.clock)

    def _host_calls(self, run: Run, packed: bytes) -> None:
        if run.recorder is not None and packed != link.NO_CALLS:
            run.recorder.turn_asked(packed)
        limits = run.invocation.limits
        calls = read_calls(packed, limits)
        if calls is None or run.unanswered + len(calls) > limits.outbox_calls:
            # Arguments too deep to be read, if nothing worse: the run pays.
            self.stop(run, Exceeded(Bound.OUTBOX))
            return
        for call_id, name, arguments in calls:
            run.ask_host(call_id, name, arguments)

    def _conclude(self, run: Run, outcome: Outcome, micros: int = 0, busy_micros: int = 0) -> None:
        if run.answered:
            return
        series = run.series
        size = len(run.invocation.input) + RUN_BYTES
        left = self._series_bytes[series] - size
        if left:
            self._series_bytes[series] = left
        else:
            del self._series_bytes[series]
        self._held_bytes -= size
        del self._runs[run.number]
        run.answer(outcome, micros, busy_micros)

    # ---- deadlines ----

    def _set_deadline_timer(self, when: float) -> None:
        if self._deadline_timer is not None:
            self._deadline_timer.cancel()
        self._deadline_at = when
        self._deadline_timer = self._loop.call_at(when, self._deadlines_passed)

    def _deadlines_passed(self) -> None:
        self._deadline_timer = None
        now = self._loop.time()
        runs, deadlines = self._runs, self._deadlines
        while deadlines and (deadlines[0][0] <= now or deadlines[0][1] not in runs):
            run = runs.get(heapq.heappop(deadlines)[1])
            if run is not None:
                interruption = _at_deadline(run, now)
                if run.given_up and interruption.stage is not Stage.RUNNING:
                    self.stop(run, Cancelled())
                    continue
                run.interruption = interruption
                self.stop(run, TimedOut(TimeLimit.WALL))
        # A callback of those may have submitted, and set it.
        if deadlines and self._deadline_timer is None:
            self._set_deadline_timer(deadlines[0][0])


def _at_deadline(run: Run, now: float) -> Interruption:
    """What a run was at that its worker has not told the end of."""
    worker = run.worker
    if worker is None and run.suspended_at:
        return Interruption(Stage.WAITING, now - run.suspended_at)
    if worker is None or run.id > worker.process.begun:
        return Interruption(Stage.QUEUED, now - run.submitted)
    if run.suspended and worker.process.running != run.id:
        return Interruption(Stage.WAITING, now - run.suspended_at)
    return Interruption(Stage.RUNNING, now - (run.suspended_at if run.suspended else run.submitted))
