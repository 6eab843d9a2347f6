"""What a database has, as it was told piece by piece, compiled: the pure part of following one."""

import time
from typing import Any, Final

import msgspec
from msgspec import structs

from sidecar.catalog.compile import Compiled, Rules, compile_catalog
from sidecar.catalog.database.messages import Piece
from sidecar.catalog.database.rows import AssignmentRow, CustomerRow, GrantsRow, LimitsRow, RowPlace, ScriptRow
from sidecar.catalog.entries import (
    AssignmentEntry,
    Assignments,
    AssignmentsChange,
    CustomerEntry,
    Entries,
    Place,
    ScriptEntry,
)
from sidecar.catalog.limits import NO_LIMITS, TenantLimits, decode_limits
from sidecar.catalog.module_grants import NO_GRANTS, ModuleGrants, decode_grants
from sidecar.catalog.variables import same_variables
from sidecar.problem import Problem, Severity

UNREADABLE: Final = "its row cannot be read"


class Gathered:
    """A catalog that takes pieces, and is compiled once they are all there."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._scripts: dict[str, tuple[int, ScriptEntry]] = {}
        self._whole = True
        self._assignments: dict[Place, AssignmentEntry | None] = {}
        """New ones; None for one that is gone."""
        self._customers: dict[str, CustomerEntry | None] = {}
        self._limits: dict[str, TenantLimits] = {}
        self._grants: dict[str, ModuleGrants] = {}
        self.compiled: Compiled | None = None

    def begin(self, *, whole: bool) -> None:
        """Pieces follow. ``whole``: what they have is everything."""
        if whole:
            self._whole = True
            self._scripts = {}
            self._assignments = {}
            self._customers = {}
            self._limits = {}
            self._grants = {}

    def add(self, piece: Piece) -> None:
        """Take a piece. Lets the event loop's thread go first again and again."""
        for script in piece.scripts:
            time.sleep(0)
            self._scripts[script.id] = (script.position, _script_entry(script))
        for script_id in piece.removed_scripts:
            self._scripts.pop(script_id, None)
        for customer in piece.customers:
            self._customers[customer.name] = _customer_entry(customer)
        self._customers |= dict.fromkeys(piece.removed_customers)
        for one in piece.limits:
            self._limits[one.tenant] = _limits(one)
        for granted in piece.grants:
            self._grants[granted.tenant] = _grants(granted)
        for assignment in piece.assignments:
            entry = self._as_before(_assignment_entry(assignment))
            self._assignments[entry.place] = entry
        for number in piece.removed_assignments:
            self._assignments[RowPlace("assignment", str(number))] = None
        time.sleep(0)

    def compile(self) -> Compiled:
        """Everything that was taken."""
        ordered = sorted(self._scripts.values(), key=lambda one: one[0])
        entries = Entries(
            tuple(entry for _, entry in ordered), self._assigned(), limits=dict(self._limits), grants=dict(self._grants)
        )
        self.compiled = compile_catalog(entries, self._rules, self.compiled)
        self._whole = False
        self._assignments = {}
        self._customers = {}
        return self.compiled

    @property
    def outdated(self) -> bool:
        """Whether it was never compiled, or other npm modules are installed since."""
        return self.compiled is None or self.compiled.installed is not self._rules.installed.texts

    def grants_of(self, tenant: str) -> ModuleGrants:
        """npm modules that a tenant was granted."""
        return self._grants.get(tenant, NO_GRANTS)

    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with it."""
        if self.compiled is None:
            return ()
        return tuple(
            Problem(str(one.place), 0, 0, one.severity, one.told(str)) for one in self.compiled.findings
        ) + tuple(
            Problem(str(self._scripts[script_id][1].place), 0, 0, Severity.ERROR, why)
            for script_id, why in self.compiled.partial.unusable.items()
        )

    def _as_before(self, entry: AssignmentEntry) -> AssignmentEntry:
        """The entry that there is already, where nothing of it has changed. To let go of a hundred thousand of them at
        once would hold the event loop for as long as it takes to free them."""
        before = self.compiled.assignments.entries.get(entry.place) if self.compiled is not None else None
        if before is None or before != entry or not same_variables(before.vars, entry.vars):
            return entry
        return before

    def _assigned(self) -> Assignments | AssignmentsChange:
        put = [entry for entry in self._assignments.values() if entry is not None]
        removed = [place for place, entry in self._assignments.items() if entry is None]
        customers = {name: one for name, one in self._customers.items() if one is not None}
        if self.compiled is None:
            return Assignments(put, customers)
        if not self._whole:
            gone = [name for name, one in self._customers.items() if one is None]
            return AssignmentsChange(put, removed, tuple(customers.values()), gone)
        # Everything was read anew, and little of it is: what is not as it was.
        before = self.compiled.assignments
        differing = {name for name, one in customers.items() if not _same_customer(before.customers.get(name), one)}
        gone = [name for name in before.customers if name not in customers]
        touched = differing | set(gone)
        return AssignmentsChange(
            [one for one in put if one is not before.entries.get(one.place) or one.customer in touched],
            [place for place in before.entries if place not in self._assignments],
            [customers[name] for name in differing],
            gone,
        )


def _same_customer(one: CustomerEntry | None, other: CustomerEntry) -> bool:
    return one is not None and one == other and same_variables(one.vars, other.vars)


def _limits(row: LimitsRow) -> TenantLimits:
    try:
        return decode_limits(row.limits)
    except msgspec.MsgspecError:
        return NO_LIMITS  # as nobody but a hand in the database writes it


def _grants(row: GrantsRow) -> ModuleGrants:
    try:
        return decode_grants(row.grants)
    except msgspec.MsgspecError:
        return NO_GRANTS  # as with limits


def _script_entry(row: ScriptRow) -> ScriptEntry:
    try:
        return row.entry()
    except (msgspec.MsgspecError, ValueError):
        # As nobody but a hand in the database writes it: the others are none the worse.
        return ScriptEntry(place=row.place, id=row.id, name=row.name, text=row.text, wrong=UNREADABLE)


def _assignment_entry(row: AssignmentRow) -> AssignmentEntry:
    try:
        return row.entry()
    except (msgspec.MsgspecError, ValueError):
        plain = structs.replace(row, vars="{}").entry()
        return structs.replace(plain, wrong=UNREADABLE)


def _customer_entry(row: CustomerRow) -> CustomerEntry:
    try:
        return row.entry()
    except (msgspec.MsgspecError, ValueError):
        nothing: dict[str, Any] = {}
        return CustomerEntry(place=RowPlace("customer", row.name), customer=row.name, vars=nothing, wrong=UNREADABLE)
