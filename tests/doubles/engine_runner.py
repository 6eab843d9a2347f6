"""Runs programs in the test's own process: the engine and the runtime are real, the worker process is left out."""

import functools
from collections.abc import Callable

from sandbox.answers import RunLog, read_calls, read_outcome
from sandbox.engine import Context, RunBounds, Status
from sandbox.host import Host, HostCall
from sandbox.outcome import Bound, Cancelled, Completion, Exceeded, Outcome
from sandbox.program import Invocation
from sandbox.status import Tag


class EngineRun:
    """One run; its turns happen at once, within the call that gives them. Its time is the test's."""

    def __init__(self, invocation: Invocation, done: Callable[[Completion], None], host: Host | None) -> None:
        self.invocation = invocation
        self._done = done
        self._host = host
        self._log = RunLog(invocation.limits)
        self._steps: list[Callable[[], Status]] = []
        self._turning = False
        self.over = False
        self.now = 0.0
        self.next_due: float | None = None
        """When its next timer is due, if it waits for one."""
        self.context = Context(invocation.program.suspends)

    def begin(self) -> None:
        invocation, limits = self.invocation, self.invocation.limits
        bounds = RunBounds(limits.result_bytes, limits.log_bytes, limits.outbox_calls, limits.outbox_bytes)
        loaded = self.context.load(invocation.program)
        if isinstance(loaded, Status):
            self._end(self._outcome(loaded))
            return
        self.context.limit_time(limits.cpu_seconds if limits.turn_seconds is None else limits.turn_seconds)
        given = (invocation.input, invocation.correlation_id, self.now, invocation.entry, bounds)
        self._turn(lambda: self.context.start(*given))

    def cancel(self) -> None:
        self._end(Cancelled())

    cancel_between_turns = cancel

    def pass_time(self, milliseconds: float) -> None:
        """Let the script's timers that are due by then fire."""
        self.now += milliseconds
        self._turn(lambda: self.context.fire(self.now))

    def _answer_call(self, call_id: int, succeeded: bool, value: bytes, _: float | None) -> None:
        self._turn(lambda: self.context.settle(call_id, succeeded, value, self.now))

    def _turn(self, step: Callable[[], Status]) -> None:
        self._steps.append(step)
        if self._turning:
            return
        self._turning = True
        while self._steps and not self.over:
            self._follow(self._steps.pop(0)())
        self._turning = False

    def _follow(self, status: Status) -> None:
        if status.tag is Tag.WAITING:
            status = self._run_jobs()
        if status.lines:
            self._log.add(self.context.take_log())
        if status.calls:
            calls = read_calls(self.context.take_outbox(), self.invocation.limits)
            if calls is None:
                self._end(Exceeded(Bound.OUTBOX))
                return
            for call_id, name, arguments in calls:
                self._ask(HostCall(name, arguments, functools.partial(self._answer_call, call_id)))
        if status.tag is Tag.WAITING:
            self.next_due = self.now + status.waits_ms if status.waits_ms is not None else None
        else:
            self._end(self._outcome(status))

    def _run_jobs(self) -> Status:
        jobs = 0
        while True:
            jobs += self.context.run_jobs(64)
            idle = self.context.idle
            status = self.context.poll(idle)
            if idle or status.tag is not Tag.WAITING:
                return status
            if jobs >= self.invocation.limits.jobs:
                return Status(Tag.EXCEEDED, True, False, b"jobs")

    def _ask(self, call: HostCall) -> None:
        if self.over:
            return
        if self._host is None:
            call.reject("there is no host for this run")
        else:
            self._host.asked(call)

    def _outcome(self, status: Status) -> Outcome:
        outcome = read_outcome(self.invocation, status.tag, status.payload)
        assert outcome is not None, status
        return outcome

    def _end(self, outcome: Outcome) -> None:
        if not self.over:
            self.over = True
            if self._host is not None:
                self._host.ended()
            self._done(Completion(outcome, tuple(self._log.lines)))


class EngineRunner:
    """A `sidecar.runs.runner.ScriptRunner`."""

    def __init__(self) -> None:
        self.runs: list[EngineRun] = []

    def submit(
        self,
        invocation: Invocation,
        done: Callable[[Completion], None],
        host: Host | None = None,
    ) -> EngineRun:
        run = EngineRun(invocation, done, host)
        self.runs.append(run)
        run.begin()
        return run
