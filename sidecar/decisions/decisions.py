"""Class 4: what a switch is told about a call.

A decision runs the "run first" globals, the call's own script and the "run last" globals, each on what the one
before it left. A script that fails gives its assignment's action: a SIP answer, or to go on as if it were not there.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from sandbox.outcome import (
    Cancelled,
    Completion,
    Crashed,
    Exceeded,
    Outcome,
    OutOfMemory,
    Refused,
    Returned,
    Threw,
    TimedOut,
)
from sandbox.program import Invocation, Limits
from sidecar.catalog.model import Snapshot
from sidecar.configuration.tree import Configuration
from sidecar.decisions.deciding import Decided, Deciding, Running, Step, limits_of
from sidecar.header_rules import RuleViolation
from sidecar.runs.failure import SCRIPT_ERROR
from sipio.errors import MalformedMessage
from sipio.routing import Decision, RoutingRequest

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


class Runner(Protocol):
    """The part of the sandbox that decides nothing: ``sandbox.pool.Pool`` is one."""

    def submit(self, invocation: Invocation, done: Callable[[Completion], None]) -> Running:
        """Run it; ``done`` is called once, perhaps before this returns."""
        ...


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
        self._pending: set[Deciding] = set()
        self.runs: dict[str, int] = {}
        """Runs of scripts ended, by outcome; a decision may be several, and one without a script is none."""
        self._empty: asyncio.Event | None = None
        self.use(snapshot)

    def use(self, snapshot: Snapshot) -> None:
        """Decide by this snapshot from now on. A decision under way finishes with the scripts it began with."""
        self._snapshot = snapshot
        # Whether two assignments are one is a question of identity: they are compared as often as calls come.
        self._steps = {
            id(assignment): Step(assignment, self._configuration)
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

    def route(self, request: RoutingRequest, answer: Callable[[Decision], None]) -> "Deciding":
        """Begin deciding. Raises MalformedMessage for a routing that cannot be given to a script."""
        chain, own = self._snapshot.chain(request.direction, request.customer, request.route, request.did)
        steps = [self._steps[id(assignment)] for assignment in chain]
        deciding = Deciding(self, request, answer, steps, self._steps[id(own)] if own is not None else None)
        try:
            deciding.begin()
        except RuleViolation as error:
            raise MalformedMessage(str(error)) from None
        return deciding

    # What a decision under way needs of this one.

    def run(self, invocation: Invocation, done: Callable[[Completion], None]) -> Running:
        return self._runner.submit(invocation, done)

    def limits(self, step: Step, elapsed: float, timeout_ms: int | None) -> Limits | None:
        """The limits of a step begun so many seconds after its decision, None where no time is left for it."""
        wall = step.limits.wall_seconds
        left = self._total_seconds
        if timeout_ms is not None:
            left = min(left, timeout_ms / 1000)
        left -= elapsed
        if wall <= left:
            return step.limits
        if left <= 0:
            return None
        return limits_of(left, self._configuration)

    def ran(self, outcome: Outcome) -> None:
        name = _RUN_OUTCOMES[type(outcome)]
        self.runs[name] = self.runs.get(name, 0) + 1

    def begun(self, deciding: "Deciding") -> None:
        self._pending.add(deciding)

    def ended(self, deciding: "Deciding", decided: Decided) -> None:
        self._pending.discard(deciding)
        if self._empty is not None and not self._pending:
            self._empty.set()
        self._decided(decided)
