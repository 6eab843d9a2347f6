"""Class 4: what a switch is told about a call. The only place where deadlines and failure policy are applied.

A decision runs the "run first" globals, the call's own script and the "run last" globals, each on what the one
before it left. A script that fails gives its assignment's action: a SIP answer, or to go on as if it were not there.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import msgspec

from sandbox.outcome import (
    Cancelled,
    Completion,
    Crashed,
    Exceeded,
    LogLine,
    Outcome,
    OutOfMemory,
    Refused,
    Returned,
    Threw,
    TimedOut,
)
from sandbox.program import Invocation, Limits
from sidecar import class4
from sidecar.catalog.model import Assignment, SipAnswer, Snapshot
from sidecar.configuration import Configuration
from sidecar.header_rules import RuleViolation
from sidecar.programs import decision_program
from sipio.errors import MalformedMessage
from sipio.reasons import reason_phrase
from sipio.routing import Action, Decision, HeaderChanges, RoutingRequest, ScriptReference

REQUEST_TERMINATED: Final = 487
"""RFC 3261 21.4.25: the request was ended by a BYE or CANCEL."""

SCRIPT_ERROR: Final = "script_error"
_NO_CHANGES = HeaderChanges()

_RUN_OUTCOMES: Final[dict[type[Outcome], str]] = {
    Returned: "returned",
    Threw: SCRIPT_ERROR,
    Exceeded: SCRIPT_ERROR,
    TimedOut: "timed_out",
    OutOfMemory: "out_of_memory",
    Crashed: "crashed",
    Refused: "refused",
    Cancelled: "cancelled",
}


class Running(Protocol):
    """A run under way in the sandbox."""

    def cancel(self) -> None: ...


class Runner(Protocol):
    """The part of the sandbox that decides nothing: ``sandbox.pool.Pool`` is one."""

    def submit(self, invocation: Invocation, done: Callable[[Completion], None]) -> Running:
        """Run it; ``done`` is called once, perhaps before this returns."""
        ...


class Failure(msgspec.Struct, frozen=True):
    """Why a script gave no decision, in words for its author."""

    outcome: str
    message: str = ""
    location: str = ""


class Decided(msgspec.Struct, frozen=True):
    """One decision with all that its observers may want to know."""

    request: RoutingRequest
    decision: Decision
    failure: Failure | None
    """The last script failure, also where the call went on without that script."""
    console: Sequence[tuple[str, LogLine]]
    """What scripts wrote, with each script's id."""


class _Step:
    """An assignment made ready to run."""

    __slots__ = ("assignment", "limits", "program", "reference", "variables")

    def __init__(self, assignment: Assignment, configuration: Configuration) -> None:
        self.assignment = assignment
        self.program = decision_program(assignment.script, configuration)
        self.limits = limits_of(assignment.timeout_ms / 1000, configuration)
        self.variables = class4.variables_json(assignment.variables)
        script = assignment.script
        self.reference = ScriptReference(id=script.id, name=script.name, version=script.version)


def limits_of(wall_seconds: float, configuration: Configuration) -> Limits:
    """The limits of one run that may take so long."""
    sandbox = configuration.sandbox
    return Limits(
        wall_seconds=wall_seconds,
        cpu_seconds=min(wall_seconds, sandbox.cpu_ms / 1000),
        result_bytes=sandbox.result_bytes,
        log_bytes=sandbox.log_bytes,
    )


class Decisions:
    """A `sipio.routing.Router` over a snapshot of the catalog."""

    def __init__(
        self,
        runner: Runner,
        configuration: Configuration,
        snapshot: Snapshot,
        decided: Callable[[Decided], None],
    ) -> None:
        self._runner = runner
        self._configuration = configuration
        self._decided = decided
        self._total_seconds = configuration.decisions.total_timeout_ms / 1000
        self._pending: set[_Deciding] = set()
        self.runs: dict[str, int] = {}
        """Runs of scripts ended, by outcome; a decision may be several, and one without a script is none."""
        self._empty: asyncio.Event | None = None
        self.use(snapshot)

    def use(self, snapshot: Snapshot) -> None:
        """Decide by this snapshot from now on. A decision under way finishes with the scripts it began with."""
        self._snapshot = snapshot
        # Whether two assignments are one is a question of identity: they are compared as often as calls come.
        self._steps = {
            id(assignment): _Step(assignment, self._configuration)
            for assignment in (
                *snapshot.routes.values(),
                *snapshot.dids.values(),
                *snapshot.first,
                *snapshot.last,
            )
        }

    def program_keys(self) -> set[str]:
        """The keys of all programs that this snapshot may run."""
        return {step.program.key for step in self._steps.values()}

    @property
    def pending(self) -> int:
        """Decisions under way."""
        return len(self._pending)

    async def drained(self) -> None:
        """Return once no decision is under way."""
        if self._pending:
            self._empty = asyncio.Event()
            await self._empty.wait()

    def fail_pending(self) -> None:
        """Give every decision under way its failure action now: the daemon stops."""
        for deciding in list(self._pending):
            deciding.give_up("the daemon is stopping")

    def route(self, request: RoutingRequest, answer: Callable[[Decision], None]) -> "_Deciding":
        """Begin deciding. Raises MalformedMessage for a routing that cannot be given to a script."""
        chain, own = self._snapshot.chain(request.direction, request.customer, request.route, request.did)
        steps = [self._steps[id(assignment)] for assignment in chain]
        deciding = _Deciding(self, request, answer, steps, self._steps[id(own)] if own is not None else None)
        try:
            deciding.begin()
        except RuleViolation as error:
            raise MalformedMessage(str(error)) from None
        return deciding

    # What a decision under way needs of this one.

    def run(self, invocation: Invocation, done: Callable[[Completion], None]) -> Running:
        return self._runner.submit(invocation, done)

    def now(self) -> float:
        return time.monotonic()

    def limits(self, step: _Step, began: float, timeout_ms: int | None) -> Limits | None:
        """The limits of a step now, None where no time is left for it."""
        wall = step.limits.wall_seconds
        left = self._total_seconds
        if timeout_ms is not None:
            left = min(left, timeout_ms / 1000)
        left -= time.monotonic() - began
        if wall <= left:
            return step.limits
        if left <= 0:
            return None
        return limits_of(left, self._configuration)

    def ran(self, outcome: Outcome) -> None:
        name = _RUN_OUTCOMES[type(outcome)]
        self.runs[name] = self.runs.get(name, 0) + 1

    def begun(self, deciding: "_Deciding") -> None:
        self._pending.add(deciding)

    def ended(self, deciding: "_Deciding", decided: Decided) -> None:
        self._pending.discard(deciding)
        if self._empty is not None and not self._pending:
            self._empty.set()
        self._decided(decided)


class _Deciding:
    """One decision under way."""

    __slots__ = (
        "_answer",
        "_answered",
        "_began",
        "_console",
        "_decisions",
        "_failure",
        "_handed",
        "_index",
        "_own",
        "_request",
        "_running",
        "_sandbox_seconds",
        "_script_micros",
        "_state",
        "_steps",
    )

    def __init__(
        self,
        decisions: Decisions,
        request: RoutingRequest,
        answer: Callable[[Decision], None],
        steps: Sequence[_Step],
        own: _Step | None,
    ) -> None:
        self._decisions = decisions
        self._request = request
        self._answer = answer
        self._steps = steps
        self._own = own
        self._index = 0
        self._began = self._handed = decisions.now()
        self._running: Running | None = None
        self._answered = False
        self._failure: Failure | None = None
        self._console: list[tuple[str, LogLine]] = []
        self._script_micros = 0
        self._sandbox_seconds = 0.0
        self._state: class4.RoutingState | None = None

    def begin(self) -> None:
        """Start the first step, or answer at once where there is none."""
        if not self._steps:
            self._decisions.begun(self)
            self._route("unassigned", self._request.routing, _NO_CHANGES)
            return
        state = class4.initial(self._request.routing)
        text = _input(state, self._steps[0])
        self._decisions.begun(self)
        self._start(self._steps[0], state, text)

    def cancel(self) -> None:
        """The caller gave up."""
        if self._answered:
            return
        if self._running is not None:
            # Its completion, Cancelled, comes back through _completed and ends the decision.
            self._running.cancel()
        else:
            self._cancelled()

    def give_up(self, reason: str) -> None:
        """Answer now with the failure action of the step under way."""
        running, self._running = self._running, None
        step = self._steps[self._index]
        self._index = len(self._steps)
        self._fail(step, Failure("refused", reason), step.assignment.error_action)
        if running is not None:
            running.cancel()

    # ---- steps ----

    def _start(self, step: _Step, state: class4.RoutingState, text: bytes) -> None:
        request = self._request
        self._state = state
        limits = self._decisions.limits(step, self._began, request.timeout_ms)
        if limits is None:
            self._fail(step, Failure("timed_out", "no time was left"), step.assignment.timeout_action)
            return
        invocation = Invocation(program=step.program, input=text, limits=limits, correlation_id=request.call_id)
        self._handed = self._decisions.now()
        running = self._decisions.run(invocation, self._completed)
        if not self._answered:
            self._running = running

    def _completed(self, completion: Completion) -> None:
        self._decisions.ran(completion.outcome)
        if self._answered:
            return
        self._running = None
        self._sandbox_seconds += self._decisions.now() - self._handed
        self._script_micros += completion.run_micros
        step = self._steps[self._index]
        if completion.log:
            self._console += [(step.reference.id, line) for line in completion.log]
        outcome = completion.outcome
        if type(outcome) is Returned:
            self._returned(step, outcome)
        elif type(outcome) is Cancelled:
            self._cancelled()
        else:
            failure = failure_of(outcome)
            assignment = step.assignment
            action = assignment.timeout_action if type(outcome) is TimedOut else assignment.error_action
            self._fail(step, failure, action)

    def _returned(self, step: _Step, outcome: Returned) -> None:
        before = self._state
        assert before is not None  # noqa: S101 - set before the run was
        try:
            after = class4.read(outcome.value, before)
        except RuleViolation as error:
            failure = Failure(SCRIPT_ERROR, str(error), step.program.name)
            self._fail(step, failure, step.assignment.error_action)
            return
        if type(after) is class4.Rejection:
            self._reject("sip_error", SipAnswer(after.code, after.reason or reason_phrase(after.code)), step)
            return
        assert type(after) is class4.RoutingState  # noqa: S101 - the other half of the union
        self._advance(after)

    def _advance(self, state: class4.RoutingState) -> None:
        self._index += 1
        if self._index < len(self._steps):
            following = self._steps[self._index]
            self._start(following, state, _input(state, following))
            return
        if state.routing is self._request.routing:
            # Every script failed and was passed over: the switch's own decision, as it was.
            self._route("returned", state.routing, _NO_CHANGES)
        else:
            self._route("returned", state.routing, state.headers)

    def _fail(self, step: _Step, failure: Failure, action: SipAnswer | None) -> None:
        self._failure = failure
        if action is not None:
            self._reject(failure.outcome, action, step)
            return
        state = self._state
        assert state is not None  # noqa: S101 - a step has begun
        self._advance(state)

    # ---- answers ----

    def _route(self, outcome: str, routing: dict[str, Any], headers: HeaderChanges) -> None:
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

    def _reject(self, outcome: str, answer: SipAnswer, step: _Step) -> None:
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
                outcome="cancelled",
                script=own.reference if own is not None else None,
                micros=self._micros(),
            )
        )

    def _micros(self) -> dict[str, int]:
        total = int((self._decisions.now() - self._began) * 1e6)
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
        answer(decision)
        self._decisions.ended(self, Decided(self._request, decision, self._failure, self._console))


def _input(state: class4.RoutingState, step: _Step) -> bytes:
    try:
        return class4.input_json(state, step.variables)
    except (TypeError, ValueError, RecursionError) as error:
        raise RuleViolation(f"routing cannot be given to a script: {error}") from None


def failure_of(outcome: Outcome) -> Failure:
    """An outcome that is no decision, in words."""
    match outcome:
        case Threw():
            place = outcome.location
            location = f"{outcome.program}:{place.line}:{place.column}" if place else outcome.program
            return Failure(SCRIPT_ERROR, f"{outcome.name}: {outcome.message}", location)
        case TimedOut(limit):
            return Failure("timed_out", f"the {limit.value} time limit was reached")
        case OutOfMemory():
            return Failure("out_of_memory", "the memory limit was reached")
        case Exceeded(bound):
            return Failure(SCRIPT_ERROR, f"the {bound.value} limit was passed")
        case Crashed(cause):
            return Failure("crashed", cause)
        case Refused(reason):
            return Failure("refused", reason)
        case Cancelled() | Returned():
            raise ValueError(f"{outcome} is no failure")
