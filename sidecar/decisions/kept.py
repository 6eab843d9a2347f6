"""A decision kept whole: the call, each script that ran with what it was given, and what the switch was told."""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import structs

from sidecar.catalog.model import Assignment, Script, Snapshot
from sidecar.runs.kept_runs import KeptRun, Origin
from sipio.number import did_of
from sipio.routing import Decision, Direction, RoutingRequest

HEAD: Final = b"scriptforge decision 1\n"
"""The first line of its file; another version has another number."""


class KeptStep(msgspec.Struct, frozen=True, kw_only=True):
    """One script of a decision that was run."""

    script: Script
    assignment: Assignment
    own: bool
    """Whether it is the call's own, and not one that runs on every call."""
    run: KeptRun


class KeptDecision(msgspec.Struct, frozen=True, kw_only=True):
    """A decision with all that it depended on."""

    origin: Origin = msgspec.field(default_factory=Origin)
    request: RoutingRequest
    decision: Decision
    error: str = ""
    error_location: str = ""
    steps: Sequence[KeptStep]

    @property
    def runs(self) -> Sequence[KeptRun]:
        """Those of its scripts, in their order."""
        return [step.run for step in self.steps]

    @property
    def own(self) -> KeptStep | None:
        """The step of the call's own script."""
        return next((step for step in self.steps if step.own), None)

    def snapshot(self) -> Snapshot:
        """A catalog that has these scripts for this call and no other."""
        own = self.own
        position = len(self.steps) if own is None else self.steps.index(own)
        request = self.request
        termination = request.direction is Direction.TERMINATION
        assignments = [step.assignment for step in self.steps]
        return Snapshot(
            scripts={step.script.id: step.script for step in self.steps},
            routes={(request.customer, request.route): own.assignment} if own is not None and termination else {},
            dids={did_of(request.did): own.assignment} if own is not None and not termination else {},
            first=assignments[:position],
            last=assignments[position + 1 :],
        )

    def with_own(self, script: Script) -> "KeptDecision":
        """The same with another script as the call's own."""
        steps = []
        for step in self.steps:
            assignment = structs.replace(step.assignment, script_id=script.id)
            steps.append(structs.replace(step, script=script, assignment=assignment) if step.own else step)
        return structs.replace(self, steps=steps)
