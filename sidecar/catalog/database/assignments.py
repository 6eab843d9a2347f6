"""Which script runs on which calls, and the vars of customers."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Row, delete, insert, select, update

from sidecar.catalog.assignments import compile_assignments
from sidecar.catalog.calls import odd_calls
from sidecar.catalog.compile import without_main
from sidecar.catalog.database.errors import AlreadyThere, NotAllowed, NotThere, WrongValues
from sidecar.catalog.database.rows import json_table, json_text
from sidecar.catalog.database.script_uses import current_script
from sidecar.catalog.database.values import require_right, require_storable
from sidecar.catalog.database.work import Scope, Tagged, Work, require_tag
from sidecar.catalog.directory.entries import CustomerTable, DestinationTable, DidTable, RouteTable
from sidecar.catalog.entries import (
    AssignmentEntry,
    Assignments,
    CustomerEntry,
    DestinationEntry,
    DidEntry,
    RouteEntry,
)
from sidecar.configuration.tree import DecisionSection
from sidecar.kind import RULES
from sidecar.storage.tables import assignments, customers, numbers
from sipio.number import did_of, number_of

AssignmentTable = RouteTable | DidTable | DestinationTable


class AssignmentRecord(Tagged, frozen=True, kw_only=True):
    """An assignment."""

    id: int
    type: str
    """``route``, ``did`` or ``destination``."""
    customer: str
    route: str | None
    number: str
    """Of a DID or a destination, as it was written."""
    script: str
    timeout_ms: int | None
    timeout_action: str | None
    error_action: str | None
    vars: Mapping[str, Any]


class CustomerRecord(Tagged, frozen=True, kw_only=True):
    """A customer's vars."""

    customer: str
    vars: Mapping[str, Any]


async def list_assignments(
    scope: Scope,
    *,
    kind: str | None = None,
    script: str | None = None,
    after: int = 0,
    limit: int = 100,
) -> Sequence[AssignmentRecord]:
    """A tenant's assignments, or those of one kind or to one script; ``after`` the last of the page before."""
    query = scope.own(assignments).where(assignments.c.id > after).order_by(assignments.c.id).limit(limit)
    if kind is not None:
        query = query.where(assignments.c.type == kind)
    if script is not None:
        query = query.where(assignments.c.script_id == script)
    return [_record(row) for row in (await scope.connection.execute(query)).all()]


async def get_assignment(scope: Scope, number: int) -> AssignmentRecord:
    """One assignment. Raises NotThere."""
    return _record(await scope.one(scope.own(assignments).where(assignments.c.id == number), f"assignment {number}"))


async def find_assignment(scope: Scope, table: AssignmentTable) -> AssignmentRecord | None:
    """The tenant's assignment of these calls, where there is one. Raises WrongValues."""
    query = scope.own(assignments).where(_calls(columns_of(table)))
    row = (await scope.connection.execute(query)).one_or_none()
    return _record(row) if row is not None else None


async def assign(
    work: Work, table: AssignmentTable, defaults: DecisionSection, *, expected: str | None = None
) -> AssignmentRecord:
    """Have a script run on these calls, in place of another; the same once more changes nothing.

    Calls that are not the tenant's yet are the operator's to give. Raises NotThere for the script, NotAllowed,
    AlreadyThere for calls that are another tenant's, ChangedMeanwhile, WrongValues.
    """
    values, row = await require_assignable(work, table, defaults)
    before = _record(row) if row is not None else None
    if before is not None:
        require_tag(f"assignment {before.id}", before, expected)
        await work.connection.execute(update(assignments).where(assignments.c.id == before.id).values(**values))
        number = before.id
    else:
        if expected is not None:
            raise NotThere("there is no such assignment")
        made = await work.connection.execute(insert(assignments).values(tenant_id=work.tenant_id, **values))
        assert made.inserted_primary_key is not None  # noqa: S101 - a row has one
        number = made.inserted_primary_key[0]
    after = await get_assignment(work, number)
    if before != after:
        work.audit("assignment.make" if before is None else "assignment.change", str(number), before, after)
        work.changed("assignment", str(number))
    return after


async def require_assignable(
    work: Work, table: AssignmentTable, defaults: DecisionSection, *, is_held: bool = False
) -> tuple[dict[str, Any], Row[Any] | None]:
    """An assignment that may be made, as its row, and the row that is there. ``is_held``: its number will be the
    tenant's. Raises as `assign`."""
    require_storable(table)
    require_right(compile_assignments(Assignments((entry_of(table),)), defaults).findings)
    values = columns_of(table)
    query = select(assignments).where(_calls(values))
    row = (await work.connection.execute(query)).one_or_none()
    if row is not None and row.tenant_id != work.tenant_id:
        raise AlreadyThere(f"{values['type']} {values['written'] or values['subject']!r} is assigned already")
    is_new = row is None and not is_held and not await _is_held(work, values)
    _require_allowed(work, table, new=is_new)
    await _require_script(work, table)
    return values, row


async def unassign(work: Work, number: int, *, expected: str | None = None) -> None:
    """Have no script run on these calls any more. Raises NotThere, ChangedMeanwhile."""
    before = await get_assignment(work, number)
    require_tag(f"assignment {number}", before, expected)
    await work.connection.execute(
        delete(assignments).where(assignments.c.id == number, assignments.c.tenant_id == work.tenant_id)
    )
    work.audit("assignment.remove", str(number), before, None)
    work.changed("assignment", str(number))


# ---- customers ----


async def list_customers(scope: Scope, *, after: str = "", limit: int = 100) -> Sequence[CustomerRecord]:
    """Customers with vars of their own, by their names; ``after`` the last of the page before."""
    query = scope.own(customers).order_by(customers.c.name).limit(limit)
    if after:
        query = query.where(customers.c.name > after)
    return [_customer(row) for row in (await scope.connection.execute(query)).all()]


async def get_customer(scope: Scope, name: str) -> CustomerRecord:
    """One of them. Raises NotThere."""
    return _customer(await scope.one(scope.own(customers).where(customers.c.name == name), f"customer {name!r}"))


async def put_customer(
    work: Work, table: CustomerTable, defaults: DecisionSection, *, expected: str | None = None
) -> CustomerRecord:
    """Set a customer's vars. Raises NotAllowed, AlreadyThere for another tenant's, ChangedMeanwhile, WrongValues."""
    require_storable(table)
    variables = cast(Mapping[str, Any], table.vars)
    entry = CustomerEntry(place="customer", customer=table.customer, vars=variables)
    require_right(compile_assignments(Assignments((), {table.customer: entry}), defaults).findings)
    if not work.actor.operator and table.customer != work.tenant:
        raise NotAllowed("a tenant sets its own vars alone")
    query = select(customers).where(customers.c.name == table.customer)
    row = (await work.connection.execute(query)).one_or_none()
    if row is not None and row.tenant_id != work.tenant_id:
        raise AlreadyThere(f"customer {table.customer!r} has vars already")
    after = CustomerRecord(customer=table.customer, vars=variables)
    before = _customer(row) if row is not None else None
    if before is None:
        if expected is not None:
            raise NotThere(f"there is no customer {table.customer!r}")
        await work.connection.execute(
            insert(customers).values(name=table.customer, tenant_id=work.tenant_id, vars=json_text(variables))
        )
    else:
        require_tag(f"customer {table.customer!r}", before, expected)
        await work.connection.execute(
            update(customers).where(customers.c.name == table.customer).values(vars=json_text(variables))
        )
    if before is None or json_text(before.vars) != json_text(variables):
        work.audit("customer.set", table.customer, before, after)
        work.changed("customer", table.customer)
    return after


async def remove_customer(work: Work, name: str, *, expected: str | None = None) -> None:
    """Take a customer's vars out. Raises NotThere, ChangedMeanwhile."""
    before = await get_customer(work, name)
    require_tag(f"customer {name!r}", before, expected)
    await work.connection.execute(
        delete(customers).where(customers.c.name == name, customers.c.tenant_id == work.tenant_id)
    )
    work.audit("customer.remove", name, before, None)
    work.changed("customer", name)


# ---- what is asked of the tables ----


def require_calls(table: AssignmentTable) -> None:
    """Raise WrongValues for calls that there cannot be. For whoever assigns a script: an import loses nothing."""
    odd = [finding.message for finding in odd_calls(entry_of(table))]
    if odd:
        raise WrongValues(odd)


def columns_of(table: AssignmentTable) -> dict[str, Any]:
    """An assignment as its row, without whose it is."""
    common = {"script_id": table.script, "vars": json_text(table.vars)}
    if isinstance(table, DestinationTable):
        subject = number_of(table.destination).text
        where = {"type": "destination", "subject": subject, "route": "", "written": table.destination}
        return where | {"customer": table.customer} | common | _decision(None)
    if isinstance(table, DidTable):
        where = {"type": "did", "subject": did_of(table.did), "route": "", "written": table.did}
        return where | {"customer": table.customer} | common | _decision(table)
    where = {"type": "route", "subject": table.customer, "route": table.route or "", "written": ""}
    return where | {"customer": table.customer} | common | _decision(table)


def entry_of(table: AssignmentTable) -> AssignmentEntry:
    """An assignment as it is compiled."""
    variables = cast(Mapping[str, Any], table.vars)
    if isinstance(table, DestinationTable):
        return DestinationEntry(
            place="assignment",
            destination=table.destination,
            script=table.script,
            customer=table.customer,
            vars=variables,
        )
    common: dict[str, Any] = {"place": "assignment", "script": table.script, "vars": variables} | _decision(table)
    if isinstance(table, DidTable):
        return DidEntry(did=table.did, customer=table.customer, **common)
    return RouteEntry(customer=table.customer, route=table.route, **common)


def _decision(table: RouteTable | DidTable | None) -> dict[str, Any]:
    names = ("timeout_ms", "timeout_action", "error_action")
    return {name: getattr(table, name) if table is not None else None for name in names}


def _calls(values: Mapping[str, Any]) -> Any:
    columns = assignments.c
    return (
        (columns.type == values["type"]) & (columns.subject == values["subject"]) & (columns.route == values["route"])
    )


def _require_allowed(work: Work, table: AssignmentTable, *, new: bool) -> None:
    if work.actor.operator:
        return
    if isinstance(table, RouteTable):
        if table.customer != work.tenant:
            raise NotAllowed("a tenant assigns scripts to its own routes alone")
        return
    if new:
        raise NotAllowed("which numbers are a tenant's is for the operator to say")
    if table.customer not in ("", work.tenant):
        raise NotAllowed("a tenant's numbers are no other customer's")


async def _is_held(work: Work, values: Mapping[str, Any]) -> bool:
    """Whether these are calls to a number of the tenant's, bought by a Driver that the operator has made live."""
    if values["type"] != "did":
        return False
    query = work.own(numbers).where(numbers.c.subject == values["subject"], numbers.c.state == "held")
    return (await work.connection.execute(query)).one_or_none() is not None


async def _require_script(work: Work, table: AssignmentTable) -> None:
    called, kind, prepared = await current_script(work, table.script)
    if not RULES[kind].has_assignments:
        raise WrongValues([f"script: {called} is {RULES[kind].called}, which no call runs"])
    if isinstance(table, DestinationTable) and not RULES[kind].drives_calls:
        raise WrongValues([f"script: {called} cannot drive a call: only an App can"])
    if not prepared.takes_calls:
        raise WrongValues([f"script: {without_main(called)}"])


def _record(row: Row[Any]) -> AssignmentRecord:
    return AssignmentRecord(
        id=row.id,
        type=row.type,
        customer=row.customer,
        route=row.route or None,
        number=row.written,
        script=row.script_id,
        timeout_ms=row.timeout_ms,
        timeout_action=row.timeout_action,
        error_action=row.error_action,
        vars=json_table(row.vars),
    )


def _customer(row: Row[Any]) -> CustomerRecord:
    return CustomerRecord(customer=row.name, vars=json_table(row.vars))
