"""Assignments compiled without a look at their scripts, so that a changed script changes none of them."""

from collections import defaultdict
from dataclasses import dataclass
from typing import TypeVar

from sidecar.catalog.entries import AssignmentEntry, Assignments, DecisionEntry, DidEntry, Entry, Place, RouteEntry
from sidecar.catalog.findings import Finding, wrong_values
from sidecar.catalog.model import Assignment, VoiceAssignment
from sidecar.catalog.variables import same_variables
from sidecar.catalog.version import Blocks, encoded_assignments
from sidecar.configuration.tree import DecisionSection
from sidecar.problem import Severity
from sidecar.sip_answer import SipAnswer, parse_action
from sipio.number import number_of

_Made = TypeVar("_Made", Assignment, VoiceAssignment)


@dataclass(frozen=True, slots=True)
class CompiledAssignments:
    """Assignments of scripts that may or may not be there."""

    compiled_from: Assignments
    routes: dict[tuple[str, str], Assignment]
    route_keys: dict[tuple[str, str], tuple[str, str]]
    """Each key by itself, for the next compilation: the garbage collector walks new ones and knows the old."""
    dids: dict[str, Assignment]
    destinations: dict[str, VoiceAssignment]
    findings: tuple[Finding, ...]
    wrong: frozenset[Place]
    """Entries with an error of their own, of whose scripts nothing more is said."""
    scripts: frozenset[str]
    """Ids that are assigned."""
    callers: frozenset[str]
    """Ids that are assigned to destinations, and so must be of Apps."""
    blocks: Blocks


def compile_assignments(
    assignments: Assignments, defaults: DecisionSection, before: CompiledAssignments | None = None
) -> CompiledAssignments:
    """Compiles. An assignment that is as it was ``before`` is the same object."""
    return _Compilation(defaults, before).run(assignments)


class DecisionDefaults:
    """Timeout and actions of entries that give none. Assignments with the same action share it."""

    def __init__(self, defaults: DecisionSection) -> None:
        self._defaults = defaults
        self._actions: dict[str, SipAnswer | None] = {}

    def assignment(self, entry: DecisionEntry, script_id: str) -> Assignment:
        """The assignment of a script that an entry makes. Raises ValueError for an action that is none."""
        defaults = self._defaults
        return Assignment(
            script_id=script_id,
            timeout_ms=entry.timeout_ms or defaults.timeout_ms,
            timeout_action=self._action(entry.timeout_action or defaults.timeout_action),
            error_action=self._action(entry.error_action or defaults.error_action),
            variables=entry.vars,
        )

    def wrong(self, entry: DecisionEntry, script_id: str, why: str) -> Assignment:
        """The assignment of an entry that cannot be used: its error action, if that is right, for all of its calls."""
        try:
            error_action = self._action(entry.error_action or self._defaults.error_action)
        except ValueError:
            error_action = self._action(self._defaults.error_action)
        return Assignment(
            script_id=script_id,
            timeout_ms=self._defaults.timeout_ms,
            timeout_action=None,
            error_action=error_action,
            wrong=why,
        )

    def _action(self, text: str) -> SipAnswer | None:
        if text not in self._actions:
            self._actions[text] = parse_action(text)
        return self._actions[text]


def kept(former: _Made | None, made: _Made) -> _Made:
    """The former one where nothing has changed: whatever hangs on it stays."""
    if former is None or former != made or not same_variables(former.variables, made.variables):
        return made
    return former


class _Compilation:
    """The assignments alone. Runs in a thread beside calls: nothing here holds the others up for long."""

    def __init__(self, defaults: DecisionSection, before: CompiledAssignments | None) -> None:
        self._before = before
        self._defaults = DecisionDefaults(defaults)
        self._routes: dict[tuple[str, str], Assignment] = {}
        self._dids: dict[str, Assignment] = {}
        self._destinations: dict[str, VoiceAssignment] = {}
        self._route_keys: dict[tuple[str, str], tuple[str, str]] = {}
        self._taken: dict[type[Entry], dict[tuple[str, str] | str, Place]] = defaultdict(dict)
        self._findings: list[Finding] = []
        self._wrong: set[Place] = set()
        self._scripts: set[str] = set()
        self._callers: set[str] = set()

    def run(self, assignments: Assignments) -> CompiledAssignments:
        for entry in assignments.entries:
            found = [] if entry.wrong else list(wrong_values(entry))
            self._findings += found
            why = entry.wrong or next((one.message for one in found if one.severity is Severity.ERROR), "")
            if why:
                self._wrong.add(entry.place)
            self._add(entry, why)
        return CompiledAssignments(
            compiled_from=assignments,
            routes=self._routes,
            route_keys=self._route_keys,
            dids=self._dids,
            destinations=self._destinations,
            findings=tuple(self._findings),
            wrong=frozenset(self._wrong),
            scripts=frozenset(self._scripts),
            callers=frozenset(self._callers),
            blocks=encoded_assignments(self._routes, self._dids, self._destinations),
        )

    def _add(self, entry: AssignmentEntry, why: str) -> None:
        """Add an assignment; ``why`` it cannot be used, if it cannot. Of two for the same calls the first one stays."""
        before = self._before
        if not why:
            self._scripts.add(entry.script)
        if isinstance(entry, RouteEntry):
            route = entry.customer, entry.route or ""
            route = self._route_keys[route] = before.route_keys.get(route, route) if before else route
            which = f"route {entry.route!r}" if entry.route else "every route"
            if self._take(route, entry, f"customer {entry.customer!r}, {which}"):
                assignment = self._decision(entry, entry.script, why)
                self._routes[route] = kept(before.routes.get(route) if before else None, assignment)
        elif isinstance(entry, DidEntry):
            did = number_of(entry.did).text
            if self._take(did, entry, f"DID {entry.did!r}"):
                assignment = self._decision(entry, entry.script, why)
                self._dids[did] = kept(before.dids.get(did) if before else None, assignment)
        else:
            dialled = number_of(entry.destination).text
            if self._take(dialled, entry, f"destination {entry.destination!r}"):
                if not why:
                    self._callers.add(entry.script)
                variables = {} if why else entry.vars
                voice = VoiceAssignment(script_id=entry.script, customer=entry.customer, variables=variables, wrong=why)
                self._destinations[dialled] = kept(before.destinations.get(dialled) if before else None, voice)

    def _decision(self, entry: DecisionEntry, script_id: str, why: str) -> Assignment:
        return self._defaults.wrong(entry, script_id, why) if why else self._defaults.assignment(entry, script_id)

    def _take(self, calls: tuple[str, str] | str, entry: AssignmentEntry, words: str) -> bool:
        other = self._taken[type(entry)].setdefault(calls, entry.place)
        if other == entry.place:
            return True
        message = f"{words}: assigned on"
        self._findings.append(Finding(entry.place, (), Severity.ERROR, message, other, " already"))
        return False
