"""Assignments compiled without a look at their scripts, so that a changed script changes none of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from sidecar.catalog.buckets import Buckets
from sidecar.catalog.calls import odd_calls
from sidecar.catalog.entries import (
    AssignmentEntry,
    Assignments,
    AssignmentsChange,
    CustomerEntry,
    DecisionEntry,
    DidEntry,
    Place,
    RouteEntry,
)
from sidecar.catalog.findings import Finding, wrong_values
from sidecar.catalog.model import Assignment, VoiceAssignment
from sidecar.catalog.variables import same_variables
from sidecar.catalog.version import DIGESTS, assignment_digest, voice_digest
from sidecar.configuration.tree import DecisionSection
from sidecar.problem import Severity
from sidecar.sip_answer import SipAnswer, parse_action
from sipio.number import did_of, number_of

_Made = TypeVar("_Made", Assignment, VoiceAssignment)
_Route = tuple[str, str]


@dataclass(frozen=True, slots=True)
class CompiledAssignments:
    """Assignments of scripts that may or may not be there."""

    compiled_from: Assignments | None
    """None for what a change has made of others."""
    entries: Buckets[Place, AssignmentEntry]
    customers: Mapping[str, CustomerEntry]
    routes: Buckets[_Route, Assignment]
    route_keys: Buckets[_Route, _Route]
    """Each key by itself, for the next compilation: the garbage collector walks new ones and knows the old."""
    dids: Buckets[str, Assignment]
    destinations: Buckets[str, VoiceAssignment]
    found: Mapping[Place, tuple[Finding, ...]]
    """What is wrong with entries, by their places."""
    wrong: frozenset[Place]
    """Entries with an error of their own, of whose scripts nothing more is said."""
    scripts: Mapping[str, int]
    """Ids that are assigned, and how often."""
    callers: Mapping[str, int]
    """Ids that are assigned to destinations, and so must be of Apps."""
    twice: bool
    """Whether two are for the same calls, of which the first is taken."""
    digest: int
    """Of all assignments, for the snapshot's version."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All that is wrong with entries."""
        return tuple(finding for found in self.found.values() for finding in found)


def compile_assignments(
    assignments: Assignments | AssignmentsChange, defaults: DecisionSection, before: CompiledAssignments | None = None
) -> CompiledAssignments:
    """Compiles. An assignment that is as it was ``before`` is the same object.

    What a change leaves as it is, is not looked at. Raises ValueError for a change of nothing.
    """
    if isinstance(assignments, Assignments):
        return _Compilation(defaults, before, assignments.customers).run(assignments.entries, assignments)
    if before is None:
        raise ValueError("a change of assignments that were never compiled")
    changed = None if before.twice else _changed(assignments, defaults, before)
    if changed is not None:
        return changed
    removed = {*assignments.removed, *(entry.place for entry in assignments.put)}
    rest = [entry for place, entry in before.entries.items() if place not in removed]
    return _Compilation(defaults, before, _customers(assignments, before)).run([*rest, *assignments.put], None)


class DecisionDefaults:
    """Timeout and actions of entries that give none. Assignments with the same action share it."""

    def __init__(self, defaults: DecisionSection) -> None:
        self._defaults = defaults
        self._actions: dict[str, SipAnswer | None] = {}

    def assignment(
        self, entry: DecisionEntry, script_id: str, variables: Mapping[str, Any] | None = None
    ) -> Assignment:
        """The assignment of a script that an entry makes, by default with the entry's own vars. Raises ValueError for
        an action that is none."""
        defaults = self._defaults
        return Assignment(
            script_id=script_id,
            timeout_ms=entry.timeout_ms or defaults.timeout_ms,
            timeout_action=self._action(entry.timeout_action or defaults.timeout_action),
            error_action=self._action(entry.error_action or defaults.error_action),
            variables=entry.vars if variables is None else variables,
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
    """Some assignments alone. Runs in a thread beside calls: nothing here holds the others up for long."""

    def __init__(
        self, defaults: DecisionSection, before: CompiledAssignments | None, customers: Mapping[str, CustomerEntry]
    ) -> None:
        self._before = before
        self._defaults = DecisionDefaults(defaults)
        self._customers = customers
        self._wrong_customers: dict[str, str] = {}
        """Why the vars of customers cannot be used, of those that were asked for; empty where they can."""
        self.entries: dict[Place, AssignmentEntry] = {}
        self.routes: dict[_Route, Assignment] = {}
        self.route_keys: dict[_Route, _Route] = {}
        self.dids: dict[str, Assignment] = {}
        self.destinations: dict[str, VoiceAssignment] = {}
        self._places: dict[tuple[str, _Route | str], Place] = {}
        self.found: dict[Place, tuple[Finding, ...]] = {}
        self.wrong: set[Place] = set()
        self.scripts: dict[str, int] = {}
        self.callers: dict[str, int] = {}
        self.twice = False
        self.digest = 0

    def run(self, entries: Iterable[AssignmentEntry], compiled_from: Assignments | None) -> CompiledAssignments:
        """All of them."""
        self.look_at(self._customers.values())
        for entry in entries:
            self.add(entry)
        return CompiledAssignments(
            compiled_from=compiled_from,
            entries=Buckets(self.entries),
            customers=self._customers,
            routes=Buckets(self.routes),
            route_keys=Buckets(self.route_keys),
            dids=Buckets(self.dids),
            destinations=Buckets(self.destinations),
            found=self.found,
            wrong=frozenset(self.wrong),
            scripts=self.scripts,
            callers=self.callers,
            twice=self.twice,
            digest=self.digest % DIGESTS,
        )

    def add(self, entry: AssignmentEntry) -> None:
        """Add an assignment. Of two for the same calls the first one stays."""
        found = () if entry.wrong else (*wrong_values(entry), *odd_calls(entry))
        why = entry.wrong or next((one.message for one in found if one.severity is Severity.ERROR), "")
        if found:
            self.found[entry.place] = found
        if why:
            self.wrong.add(entry.place)
        why = why or self._wrong_customer(entry.customer)
        self.entries[entry.place] = entry
        if not why:
            _count(self.scripts, entry.script, 1)
        before = self._before
        if isinstance(entry, RouteEntry):
            route = route_of(entry)
            route = self.route_keys[route] = before.route_keys.get(route, route) if before else route
            which = f"route {entry.route!r}" if entry.route else "every route"
            if self._take("route", route, entry, f"customer {entry.customer!r}, {which}"):
                assignment = self._decision(entry, entry.script, why)
                self.routes[route] = made = kept(before.routes.get(route) if before else None, assignment)
                self.digest += assignment_digest(("route", *route), made)
        elif isinstance(entry, DidEntry):
            did = did_of(entry.did)
            if self._take("did", did, entry, f"DID {entry.did!r}"):
                assignment = self._decision(entry, entry.script, why)
                self.dids[did] = made = kept(before.dids.get(did) if before else None, assignment)
                self.digest += assignment_digest(("did", did), made)
        else:
            dialled = number_of(entry.destination).text
            if self._take("destination", dialled, entry, f"destination {entry.destination!r}"):
                if not why:
                    _count(self.callers, entry.script, 1)
                variables = {} if why else self._variables(entry)
                voice = VoiceAssignment(script_id=entry.script, customer=entry.customer, variables=variables, wrong=why)
                self.destinations[dialled] = voice = kept(before.destinations.get(dialled) if before else None, voice)
                self.digest += voice_digest(dialled, voice)

    def look_at(self, customers: Iterable[CustomerEntry]) -> None:
        """Find what is wrong with these."""
        for customer in customers:
            found = () if customer.wrong else tuple(wrong_values(customer))
            if found:
                self.found[customer.place] = found

    def _wrong_customer(self, name: str) -> str:
        if not name or name not in self._customers:
            return ""
        if name not in self._wrong_customers:
            customer = self._customers[name]
            errors = (one.message for one in wrong_values(customer) if one.severity is Severity.ERROR)
            why = customer.wrong or next(errors, "")
            self._wrong_customers[name] = f"customer {name!r}: {why}" if why else ""
        return self._wrong_customers[name]

    def _decision(self, entry: RouteEntry | DidEntry, script_id: str, why: str) -> Assignment:
        if why:
            return self._defaults.wrong(entry, script_id, why)
        return self._defaults.assignment(entry, script_id, self._variables(entry))

    def _variables(self, entry: AssignmentEntry) -> Mapping[str, Any]:
        """The customer's, and over them the entry's own."""
        customer = self._customers.get(entry.customer) if entry.customer else None
        return {**customer.vars, **entry.vars} if customer is not None and customer.vars else entry.vars

    def _take(self, kind: str, calls: _Route | str, entry: AssignmentEntry, words: str) -> bool:
        other = self._places.setdefault((kind, calls), entry.place)
        if other == entry.place:
            return True
        self.twice = True
        message = f"{words}: assigned on"
        finding = Finding(entry.place, (), Severity.ERROR, message, other, " already")
        self.found[entry.place] = (*self.found.get(entry.place, ()), finding)
        return False


def route_of(entry: RouteEntry) -> _Route:
    """The key of a route."""
    return entry.customer, entry.route or ""


def _changed(
    change: AssignmentsChange, defaults: DecisionSection, before: CompiledAssignments
) -> CompiledAssignments | None:
    """What a change makes of others that are each for calls of their own; None where it is not so simple."""
    customers = _customers(change, before)
    places = {*change.removed, *(entry.place for entry in change.put)}
    touched = {*places, *(one.place for one in change.customers)}
    touched |= {before.customers[name].place for name in change.removed_customers if name in before.customers}
    former = _Compilation(defaults, before, before.customers)
    for place in places:
        entry = before.entries.get(place)
        if entry is not None:
            former.add(entry)
    now = _Compilation(defaults, before, customers)
    now.look_at(change.customers)
    for entry in change.put:
        now.add(entry)
    if (
        now.twice
        or len(now.entries) != len(change.put)
        or any(key in before.routes and key not in former.routes for key in now.routes)
        or any(key in before.dids and key not in former.dids for key in now.dids)
        or any(key in before.destinations and key not in former.destinations for key in now.destinations)
    ):
        return None
    return CompiledAssignments(
        compiled_from=None,
        entries=before.entries.changed(now.entries, places),
        customers=customers,
        routes=before.routes.changed(now.routes, former.routes),
        route_keys=before.route_keys.changed(now.route_keys, former.route_keys),
        dids=before.dids.changed(now.dids, former.dids),
        destinations=before.destinations.changed(now.destinations, former.destinations),
        found={**{place: found for place, found in before.found.items() if place not in touched}, **now.found},
        wrong=(before.wrong - places) | now.wrong,
        scripts=_counted(before.scripts, former.scripts, now.scripts),
        callers=_counted(before.callers, former.callers, now.callers),
        twice=False,
        digest=(before.digest - former.digest + now.digest) % DIGESTS,
    )


def _customers(change: AssignmentsChange, before: CompiledAssignments) -> Mapping[str, CustomerEntry]:
    if not change.customers and not change.removed_customers:
        return before.customers
    rest = {name: one for name, one in before.customers.items() if name not in change.removed_customers}
    return {**rest, **{one.customer: one for one in change.customers}}


def _count(counts: dict[str, int], name: str, by: int) -> None:
    counts[name] = counts.get(name, 0) + by
    if not counts[name]:
        del counts[name]


def _counted(counts: Mapping[str, int], less: Mapping[str, int], more: Mapping[str, int]) -> Mapping[str, int]:
    made = dict(counts)
    for name, number in less.items():
        _count(made, name, -number)
    for name, number in more.items():
        _count(made, name, number)
    return made
