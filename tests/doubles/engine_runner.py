"""Runs programs in the test's own process: the engine and the runtime are real, the worker process is left out."""

import functools
import json
from collections.abc import Callable

from sandbox.engine import Context, RunBounds, Tag
from sandbox.host import Host, HostCall
from sandbox.outcome import Cancelled, Completion, LogLine, Outcome, Returned, TimedOut, TimeLimit
from sandbox.program import Invocation
from sandbox.stack import threw


class EngineRun:
    """One run; its turns happen at once, within the call that gives them."""

    def __init__(
        self,
        invocation: Invocation,
        done: Callable[[Completion], None],
        host: Host | None,
    ) -> None:
        self.invocation = invocation
        self._done = done
        self._host = host
        self._log: list[LogLine] = []
        self._steps: list[Callable[[], str]] = []
        self._turning = False
        self.over = False
        self.now = 0.0
        self.context = Context(invocation.program.suspends)

    def begin(self) -> None:
        limits = self.invocation.limits
        bounds = RunBounds(limits.result_bytes, limits.log_bytes, limits.outbox_calls)
        loaded = self.context.load(self.invocation.program, bounds)
        if loaded != "R0":
            self._end(self._outcome(loaded))
            return
        self.context.limit_time(1.0)
        text = self.invocation.input.decode()
        self._turn(lambda: self.context.start(text, self.invocation.correlation_id, self.now, self.invocation.entry))

    def cancel(self) -> None:
        self._end(Cancelled())

    def _answer_call(self, call_id: int, succeeded: bool, value: bytes) -> None:
        self._turn(lambda: self.context.settle(call_id, succeeded, value.decode(), self.now))

    def pass_time(self, milliseconds: float) -> None:
        """Let the script's timers that are due by then fire."""
        self.now += milliseconds
        self._turn(lambda: self.context.fire(self.now))

    def _turn(self, step: Callable[[], str]) -> None:
        self._steps.append(step)
        if self._turning:
            return
        self._turning = True
        while self._steps and not self.over:
            self._follow(self._steps.pop(0)())
        self._turning = False

    def _follow(self, status: str) -> None:
        if status[0] == Tag.WAITING:
            while self.context.run_job():
                pass
            status = self.context.poll(True)
        if status[1] in "13":
            self._log += [LogLine(level, text) for level, text in json.loads(self.context.take_log())]
        if status[1] in "23":
            for call_id, name, arguments in json.loads(self.context.take_outbox()):
                self._ask(HostCall(name, arguments, functools.partial(self._answer_call, call_id)))
        if status[0] != Tag.WAITING:
            self._end(self._outcome(status))

    def _ask(self, call: HostCall) -> None:
        if self.over:
            return
        if self._host is None:
            call.reject("there is no host for this run")
        else:
            self._host.asked(call)

    def _outcome(self, status: str) -> Outcome:
        if status[0] == Tag.RETURNED:
            return Returned(status[2:].encode())
        if status[0] in (Tag.THREW, Tag.THREW_NULL):
            return threw(self.invocation.program.name, status[2:])
        assert status[0] == Tag.OUT_OF_TIME, status
        return TimedOut(TimeLimit.CPU)

    def _end(self, outcome: Outcome) -> None:
        if not self.over:
            self.over = True
            if self._host is not None:
                self._host.ended()
            self._done(Completion(outcome, tuple(self._log)))


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
