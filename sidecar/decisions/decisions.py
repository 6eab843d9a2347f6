"""Class 4: what a switch is told about a call.

A decision runs the "run first" globals, the call's own script and the "run last" globals, each on what the one
before it left. A script that fails gives its assignment's action: a SIP answer, or to go on as if it were not there.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from sidecar.catalog.model import Assignment, Script, Snapshot
from sidecar.configuration.tree import Configuration
from sidecar.decisions.deciding import Decided, Deciding, Step
from sidecar.header_rules import RuleViolation
from sidecar.hosts.grants import Grants
from sidecar.kind import Kind
from sidecar.logs.logger import ActionLogger
from sidecar.runs.limits import decision_limits
from sidecar.runs.outcomes import OutcomeName
from sidecar.runs.programs import decision_programs
from sidecar.runs.runner import ScriptRunner
from sidecar.runs.script_counts import ScriptCounts
from sipio.errors import MalformedMessage
from sipio.routing import Decision, RoutingRequest

_log = ActionLogger(__name__)

OPEN_ROUTES_TOLD: Final = 20
"""So many assignments of one catalog are named: whoever has more of them has read the first."""


class Decisions:
    """A `sipio.routing.Router` over a snapshot of the catalog."""

    def __init__(
        self,
        runner: ScriptRunner,
        configuration: Configuration,
        snapshot: Snapshot,
        decided: Callable[[Decided], None],
        grants: Grants | None = None,
        *,
        tells_unread: bool = False,
        keeps: bool = False,
    ) -> None:
        """``tells_unread`` has a script's console say which keys of its result nothing reads, ``keeps`` the runs of a
        decision recorded."""
        self.runner = runner
        self.total_seconds = configuration.decisions.total_timeout_ms / 1000
        """Time of one decision, whatever its scripts have each."""
        self.keeps = keeps
        self.runs: dict[OutcomeName, int] = {}
        """Runs of scripts ended, by outcome; a decision may be several, and one without a script is none."""
        self.by_script = ScriptCounts(configuration.metrics.scripts)
        """Runs of scripts ended, how many failed and their time, by script."""
        self._configuration = configuration
        self._decided = decided
        self._tells_unread = tells_unread
        self.grants = grants or Grants()
        self._programs = decision_programs(configuration, self.grants)
        self._pending: set[Deciding] = set()
        self._empty: asyncio.Event | None = None
        self._snapshot = snapshot
        self._told_open = 0
        self._steps: dict[int, Step] = {}
        self._steps_before: dict[int, Step] = {}

    def use(self, snapshot: Snapshot) -> None:
        """Decide by this snapshot from now on. A decision under way finishes with the scripts it began with.

        Takes as long for 100,000 assignments as for one: a step is made when the first call wants it, and one of an
        assignment and a script that have not changed is taken over then.
        """
        self._snapshot = snapshot
        self._told_open = 0
        self._programs.retain(snapshot.scripts.values())
        self.by_script.expect(snapshot.scripts)
        self._steps, self._steps_before = {}, self._steps

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

    def route(self, request: RoutingRequest, answer: Callable[[Decision], None]) -> Deciding:
        """Begin deciding. Raises MalformedMessage for a routing that cannot be given to a script."""
        chain, own = self._snapshot.chain(request.direction, request.customer, request.route, request.did)
        steps = self._steps
        made = [steps.get(id(assignment)) or self._step(assignment) for assignment in chain]
        deciding = Deciding(self, request, answer, made, steps[id(own)] if own is not None else None)
        if request.fail_closed is False and own is not None and own.error_action is not None:
            self._tell_open(request, steps[id(own)])
        self._pending.add(deciding)
        try:
            deciding.begin()
        except RuleViolation as error:
            self._let_go(deciding)
            raise MalformedMessage(str(error)) from None
        except BaseException:
            self._let_go(deciding)
            raise
        return deciding

    def _step(self, assignment: Assignment) -> Step:
        unusable = self._snapshot.why_not(assignment)
        script = _no_script(assignment) if unusable else self._snapshot.scripts[assignment.script_id]
        # By identity, since a step holds on to its assignment: no other has that number while the step is there.
        step = self._steps_before.pop(id(assignment), None)
        if step is None or step.script is not script:
            limits = decision_limits(assignment.timeout_ms / 1000, self._configuration)
            count = self.by_script.of(script.id)
            step = Step(
                assignment,
                script,
                self._programs.of(script),
                limits,
                count,
                self.grants.used(script),
                tells_unread=self._tells_unread,
                unusable=unusable,
            )
        self._steps[id(assignment)] = step
        return step

    def _tell_open(self, request: RoutingRequest, step: Step) -> None:
        """Say once for each assignment that its calls go on without it where its error action would refuse them."""
        if step.told_open or self._told_open >= OPEN_ROUTES_TOLD:
            return
        step.told_open = True
        self._told_open += 1
        _log.warning(
            "switch_fails_open",
            call_id=request.call_id,
            customer=request.customer,
            route=request.route,
            did=request.did,
            error_action=str(step.assignment.error_action),
        )

    def ended(self, deciding: Deciding, decided: Decided) -> None:
        """The switch has been told."""
        self._let_go(deciding)
        self._decided(decided)

    def _let_go(self, deciding: Deciding) -> None:
        self._pending.discard(deciding)
        if self._empty is not None and not self._pending:
            self._empty.set()


def _no_script(assignment: Assignment) -> Script:
    """In place of one that cannot be used: what records call it."""
    name = assignment.script_id
    return Script(id=name, name=name, version="", kind=Kind.SCRIPT, text="", runnable="", entries=())
