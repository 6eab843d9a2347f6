"""One decision under way: an assignment's scripts one after the other, each with what is left of the time, and what the
switch is told in the end. Deadlines and failure policy are applied here and nowhere else."""

import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import msgspec
from msgspec import Raw, structs

from sandbox.outcome import Cancelled, Completion, LogLine, Refused, Returned, Stage, TimedOut
from sandbox.program import Invocation, Limits, Program
from sidecar.catalog.model import Assignment, Script
from sidecar.decisions.kept import KeptStep
from sidecar.header_rules import RuleViolation
from sidecar.hosts import routing as routing_host
from sidecar.hosts import routing_result
from sidecar.hosts.allowance import Allowance
from sidecar.hosts.grants import Grants
from sidecar.hosts.usage import UsageCount
from sidecar.kind import RULES
from sidecar.runs.failure import Failure, failure_of, rule_broken
from sidecar.runs.kept_runs import KeptRun
from sidecar.runs.outcomes import OutcomeName, outcome_name
from sidecar.runs.runner import Running, ScriptRunner
from sidecar.runs.script_counts import ScriptCount
from sidecar.sip_answer import SipAnswer
from sipio.reasons import reason_phrase
from sipio.routing import Action, Decision, HeaderChanges, RoutingRequest, ScriptReference, SipRequest

REQUEST_TERMINATED: Final = 487
"""RFC 3261 21.4.25: the request was ended by a BYE or CANCEL."""

_NO_CHANGES: Final = HeaderChanges()
_UNTOLD: Final = SipRequest(method="")
"""What a script reads where the switch did not say how the call came."""
_now = time.monotonic


class Decided(msgspec.Struct, frozen=True):
    """One decision with all that its observers may want to know."""

    request: RoutingRequest
    decision: Decision
    failure: Failure | None
    """The last script failure, also where the call went on without that script."""
    console: Sequence[tuple[str, LogLine]]
    """What scripts wrote, with each script's id."""
    failed_script: str = ""
    """The id of the script of that failure."""
    scripts: Sequence[ScriptReference] = ()
    """The scripts that were begun, in their order."""
    steps: Sequence[KeptStep] = ()
    """What was run, where decisions are kept."""


class Step:
    """An assignment made ready to run."""

    __slots__ = (
        "assignment",
        "count",
        "entry",
        "limits",
        "program",
        "reads_sip",
        "reference",
        "script",
        "told_open",
        "unusable",
        "used",
        "variables",
    )

    def __init__(
        self,
        assignment: Assignment,
        script: Script,
        program: Program,
        limits: Limits,
        count: ScriptCount,
        used: UsageCount,
        *,
        tells_unread: bool,
        unusable: str = "",
    ) -> None:
        """``unusable``: why the script is not to be run, if it is not."""
        self.assignment = assignment
        self.used = used
        self.count = count
        self.script = script
        self.program = program
        self.entry = RULES[script.kind].entry
        self.limits = limits
        self.told_open = False
        self.reads_sip = any(map(routing_host.reads_sip, script.texts()))
        self.unusable = unusable
        self.variables = routing_host.pack_variables(assignment.variables, tells_unread=tells_unread)
        self.reference = ScriptReference(id=script.id, name=script.name, version=script.version)


class DecisionOwner(Protocol):
    """What a decision needs of those that own all of them: `sidecar.decisions.decisions.Decisions` is one."""

    runner: ScriptRunner
    grants: Grants
    total_seconds: float
    keeps: bool
    """Whether the runs of decisions are recorded."""
    runs: dict[OutcomeName, int]

    def ended(self, deciding: "Deciding", decided: Decided) -> None:
        """The switch has been told."""
        ...


class Deciding:
    """One decision under way."""

    __slots__ = (
        "_allowance",
        "_answer",
        "_answered",
        "_asked",
        "_began",
        "_console",
        "_failed",
        "_failure",
        "_handed",
        "_index",
        "_kept",
        "_own",
        "_owner",
        "_request",
        "_running",
        "_sandbox_seconds",
        "_script_micros",
        "_state",
        "_steps",
    )

    def __init__(
        self,
        owner: DecisionOwner,
        request: RoutingRequest,
        answer: Callable[[Decision], None],
        steps: Sequence[Step],
        own: Step | None,
    ) -> None:
        self._owner = owner
        self._request = request
        self._answer = answer
        self._steps = steps
        self._own = own
        self._index = 0
        self._began = self._handed = _now()
        self._running: Running | None = None
        self._allowance: Allowance | None = None
        """Of the tenant whose script is under way, where that has limits."""
        self._answered = False
        self._failure: Failure | None = None
        self._failed = ""
        self._console: list[tuple[str, LogLine]] = []
        self._kept: tuple[KeptStep, ...] = ()
        self._script_micros = 0
        self._sandbox_seconds = 0.0
        self._state: routing_host.RoutingState | None = None

    def begin(self) -> None:
        """Start the first step, or answer at once where there is none."""
        if not self._steps:
            self._route(OutcomeName.UNASSIGNED, self._request.routing, _NO_CHANGES)
            return
        self._start(self._steps[0], routing_host.initial_state(self._request.routing))

    def cancel(self) -> None:
        """The caller gave up."""
        if self._answered:
            return
        if self._running is not None:
            # Its completion, Cancelled, comes back through _completed and ends the decision.
            self._running.cancel()
        else:
            self._cancelled()

    def give_up(self, reason: str, outcome: OutcomeName = OutcomeName.REFUSED) -> None:
        """Answer now with the failure action of the step under way."""
        running, self._running = self._running, None
        step = self._steps[self._index]
        self._index = len(self._steps)
        self._fail(step, Failure(outcome, reason), step.assignment.error_action)
        if running is not None:
            running.cancel()

    # ---- steps ----

    def _start(self, step: Step, state: routing_host.RoutingState) -> None:
        request = self._request
        sip = (request.sip or _UNTOLD) if step.reads_sip else None
        self._state = state
        packed = routing_host.pack_input(state, step.variables, sip)
        if self._index == 0:
            routing_host.check_size(packed, step.variables, step.limits.result_bytes)
        self._handed = _now()
        limits = self._limits(step)
        if step.unusable:
            self._fail(step, Failure(OutcomeName.SCRIPT_ERROR, step.unusable), step.assignment.error_action)
            return
        if limits is None:
            self._fail(step, Failure(OutcomeName.TIMED_OUT, "no time was left"), step.assignment.timeout_action)
            return
        allowance = step.used.allowance
        self._allowance = None
        if allowance.limited:
            over = allowance.begin()
            if over is not None:
                self._fail(step, Failure(OutcomeName.REFUSED, over.why), step.assignment.error_action)
                return
            self._allowance = allowance
        invocation = Invocation(
            program=step.program,
            entry=step.entry,
            input=packed,
            limits=limits,
            # A DID's calls may name no customer: its scripts share nothing with another's then either.
            customer=request.customer or request.did,
            correlation_id=request.call_id,
            recorded=self._owner.keeps,
        )
        self._asked = invocation
        host = self._owner.grants.host(step.script, request.call_id) if step.program.modules else None
        index = self._index
        running = self._owner.runner.submit(invocation, self._completed, host)
        # Where this run ended at once, another script's may be under way by now.
        if not self._answered and self._index == index:
            self._running = running

    def _limits(self, step: Step) -> Limits | None:
        """The step's limits, less what the decision has used up of its own; None where no time is left."""
        left = self._owner.total_seconds
        timeout_ms = self._request.timeout_ms
        if timeout_ms is not None:
            left = min(left, timeout_ms / 1000)
        left -= self._handed - self._began
        limits = step.limits
        if limits.wall_seconds <= left:
            return limits
        if left <= 0:
            return None
        return structs.replace(limits, wall_seconds=left, cpu_seconds=min(left, limits.cpu_seconds))

    def _completed(self, completion: Completion) -> None:
        runs, name = self._owner.runs, outcome_name(completion.outcome)
        runs[name] = runs.get(name, 0) + 1
        if self._allowance is not None:
            self._allowance.ended()
        if self._answered:
            return
        self._running = None
        try:
            self._go_on(completion, name)
        except RuleViolation as error:
            # Of what came of the switch, and only this script reads: too late to tell the switch.
            self.give_up(str(error), OutcomeName.SCRIPT_ERROR)
        except Exception:
            # Whatever is wrong with us, the switch waits for an answer.
            if not self._answered:
                self.give_up("a fault of the sidecar's own", OutcomeName.CRASHED)
            raise

    def _go_on(self, completion: Completion, name: OutcomeName) -> None:
        seconds = _now() - self._handed
        self._sandbox_seconds += seconds
        micros = completion.run_micros or _micros_untold(completion, seconds)
        self._script_micros += micros
        step = self._steps[self._index]
        count = step.count
        if name is not OutcomeName.REFUSED:  # that one was never begun
            step.used.run(completion.busy_micros)
            count.runs += 1
            count.micros += micros
        if completion.recording is not None:
            run = KeptRun(self._asked, completion)
            kept = KeptStep(script=step.script, assignment=step.assignment, own=step is self._own, run=run)
            self._kept = (*self._kept, kept)
        if completion.log:
            self._console += [(step.reference.id, line) for line in completion.log]
        outcome = completion.outcome
        if isinstance(outcome, Returned):
            self._returned(step, outcome)
        elif isinstance(outcome, Cancelled):
            self._cancelled()
        else:
            failure = failure_of(completion, step.program)
            if name is not OutcomeName.REFUSED:
                count.failures += 1
            assignment = step.assignment
            action = assignment.timeout_action if isinstance(outcome, TimedOut) else assignment.error_action
            self._fail(step, failure, action)

    def _returned(self, step: Step, outcome: Returned) -> None:
        before = self._state
        assert before is not None  # noqa: S101 - set before the run was
        try:
            after = routing_result.read_result(outcome.value, before)
            if self._index + 1 < len(self._steps) and isinstance(after, routing_host.RoutingState):
                after = routing_host.handed_on(after)
        except RuleViolation as error:
            step.count.failures += 1
            failure = rule_broken(error, step.program)
            self._fail(step, failure, step.assignment.error_action)
            return
        if isinstance(after, routing_result.Rejection):
            self._reject(OutcomeName.SIP_ERROR, SipAnswer(after.code, after.reason or reason_phrase(after.code)), step)
            return
        for key in after.unread:
            self._console.append((step.reference.id, LogLine("warn", routing_result.unread_text(key))))
        self._advance(after)

    def _advance(self, state: routing_host.RoutingState) -> None:
        self._index += 1
        if self._index < len(self._steps):
            self._start(self._steps[self._index], state)
            return
        if state.routing is self._request.routing:
            # Every script failed and was passed over: the switch's own decision, as it was.
            self._route(OutcomeName.RETURNED, state.routing, _NO_CHANGES)
        else:
            self._route(OutcomeName.RETURNED, state.routing, state.headers)

    def _fail(self, step: Step, failure: Failure, action: SipAnswer | None) -> None:
        self._failure = failure
        self._failed = step.reference.id
        if action is not None:
            self._reject(failure.outcome, action, step)
            return
        state = self._state
        assert state is not None  # noqa: S101 - a step has begun
        self._advance(state)

    # ---- answers ----

    def _route(self, outcome: OutcomeName, routing: Raw, headers: HeaderChanges) -> None:
        failure = self._failure
        own = self._own
        self._end(
            Decision(
                action=Action.ROUTE,
                routing=routing,
                headers=headers,
                outcome=failure.outcome if failure is not None else outcome,
                script=own.reference if own is not None else None,
                micros=self._micros(),
            )
        )

    def _reject(self, outcome: OutcomeName, answer: SipAnswer, step: Step) -> None:
        self._end(
            Decision(
                action=Action.REJECT,
                code=answer.code,
                reason=answer.reason,
                routing=self._request.routing,
                outcome=outcome,
                script=step.reference,
                micros=self._micros(),
            )
        )

    def _cancelled(self) -> None:
        own = self._own
        self._end(
            Decision(
                action=Action.REJECT,
                code=REQUEST_TERMINATED,
                reason=reason_phrase(REQUEST_TERMINATED),
                routing=self._request.routing,
                outcome=OutcomeName.CANCELLED,
                script=own.reference if own is not None else None,
                micros=self._micros(),
            )
        )

    def _begun(self) -> Sequence[ScriptReference]:
        """The scripts that were begun; the one of a single step is in the decision."""
        steps = self._steps
        return [step.reference for step in steps[: self._index + 1]] if len(steps) > 1 else ()

    def _micros(self) -> dict[str, int]:
        total = int((_now() - self._began) * 1e6)
        sandbox = int(self._sandbox_seconds * 1e6)
        script = self._script_micros
        return {"total": total, "script": script, "transfer": max(0, sandbox - script), "decide": total - sandbox}

    def _end(self, decision: Decision) -> None:
        if self._answered:
            return
        self._answered = True
        answer = self._answer
        # The asker holds on to this, to cancel it: together they would wait for the garbage collector.
        del self._answer
        try:
            answer(decision)
        finally:
            self._owner.ended(
                self,
                Decided(self._request, decision, self._failure, self._console, self._failed, self._begun(), self._kept),
            )


def _micros_untold(completion: Completion, seconds: float) -> int:
    """Microseconds in the script of a run whose worker did not tell them, as it does not of one that is cut off at its
    deadline: where it had begun, those since it was submitted, at most by its way to the worker too many."""
    interruption = completion.interruption
    never_begun = isinstance(completion.outcome, Refused) or (
        interruption is not None and interruption.stage is Stage.QUEUED
    )
    if never_begun:
        return 0
    if interruption is not None and interruption.stage is Stage.RUNNING:
        seconds = min(seconds, interruption.seconds)
    return int(seconds * 1e6)
