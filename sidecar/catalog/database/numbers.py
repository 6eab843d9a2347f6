"""A tenant's numbers of carriers, each step of whose buying and giving back is written before and after a Driver is
asked: whatever fails between, there is a row that says so.

    nothing -> allocating -> held -> releasing -> nothing

A number that stays ``allocating`` or ``releasing`` is not known to be the carrier's or ours. Nobody asks for it once
more until somebody has settled it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Row, Select, delete, insert, select, update

from sidecar.catalog.calls import no_number
from sidecar.catalog.carriers import DETAILS_CHARACTERS, NumberState
from sidecar.catalog.database import assignments as assigned
from sidecar.catalog.database.errors import AlreadyThere, CatalogRefusal, StillUsed, WrongValues
from sidecar.catalog.database.providers import get_provider
from sidecar.catalog.database.rows import json_table, json_text
from sidecar.catalog.database.work import Scope, Tagged, Work, count, require_tag
from sidecar.catalog.directory.entries import DidTable, NumberTable
from sidecar.configuration.tree import DecisionSection
from sidecar.script_name import script_called
from sidecar.storage.tables import assignments, numbers, scripts
from sipio.number import did_of, is_did

NUMBERS: Final = 1_000_000
"""Of one tenant."""
FAULT_CHARACTERS: Final = 1_000
GRACE_SECONDS: Final = 60.0
"""After a Driver's time, and so long for a busy machine, nobody asks for a number any more."""


class NumberUnsettled(CatalogRefusal):
    """It is not known whether a number is the carrier's or ours, or it is being asked for just now."""


class NumberRecord(Tagged, frozen=True, kw_only=True):
    """A number."""

    did: str
    provider: str
    customer: str | None
    """None for one that nobody has yet."""
    state: NumberState
    fault: str
    """Why it is not known what became of it."""
    details: Mapping[str, Any]
    """What else the Driver said of it."""
    script: str | None
    """Which its calls run."""
    changed: int


async def list_numbers(
    scope: Scope,
    *,
    part: str | None = None,
    provider: str | None = None,
    customer: str | None = None,
    inventory: bool = False,
    state: str | None = None,
    after: str = "",
    limit: int = 100,
) -> Sequence[NumberRecord]:
    """A tenant's numbers in an order that stays: all, or those that ``part`` is a part of, those of a provider, of a
    customer, of nobody yet (``inventory``), in a state; ``after`` the last of the page before."""
    query = _numbers(scope).where(numbers.c.subject > did_of(after)).order_by(numbers.c.subject).limit(limit)
    if part is not None:
        query = query.where(numbers.c.subject.contains(did_of(part), autoescape=True))
    if provider is not None:
        query = query.where(numbers.c.provider_id == provider)
    if customer is not None:
        query = query.where(numbers.c.customer == customer)
    if inventory:
        query = query.where(numbers.c.customer.is_(None))
    if state is not None:
        query = query.where(numbers.c.state == state)
    return [_record(row) for row in (await scope.connection.execute(query)).all()]


async def get_number(scope: Scope, did: str) -> NumberRecord:
    """One number. Raises NotThere."""
    query = _numbers(scope).where(numbers.c.subject == subject_of(did))
    return _record(await scope.one(query, f"number {did!r}"))


async def find_number(scope: Scope, did: str) -> NumberRecord | None:
    """One number; None where it is not the tenant's. Raises WrongValues."""
    row = (await scope.connection.execute(_numbers(scope).where(numbers.c.subject == subject_of(did)))).one_or_none()
    return _record(row) if row is not None else None


async def known_subjects(scope: Scope, provider: str) -> Mapping[str, NumberRecord]:
    """Every number of a provider, without what does not tell numbers apart."""
    query = _numbers(scope).where(numbers.c.provider_id == provider)
    return {row.subject: _record(row) for row in (await scope.connection.execute(query)).all()}


def subject_of(did: str) -> str:
    """A number without what does not tell numbers apart. Raises WrongValues."""
    subject = did_of(did)
    if not subject.strip() or len(subject) > 256:
        raise WrongValues([f"did: {no_number(did)}"])
    return subject


# ---- buying ----


async def require_free(work: Work, did: str, table: DidTable | None, defaults: DecisionSection) -> None:
    """Raise where a number could not be the tenant's, or not be given to a script so, before anybody pays for it:
    AlreadyThere, NumberUnsettled, and as `sidecar.catalog.database.assignments.assign`."""
    subject = subject_of(did)
    if not is_did(did):
        raise WrongValues([f"did: {no_number(did)}"])
    row = (await work.connection.execute(select(numbers).where(numbers.c.subject == subject))).one_or_none()
    if row is not None and row.tenant_id != work.tenant_id:
        raise AlreadyThere(f"the number {did!r} is another's")
    if row is not None and row.state != NumberState.HELD:
        raise _unsettled(row)
    if row is not None:
        raise AlreadyThere(f"the number {did!r} is there already")
    query = select(assignments.c.tenant_id).where(assignments.c.type == "did", assignments.c.subject == subject)
    other = (await work.connection.execute(query)).one_or_none()
    if other is not None and other.tenant_id != work.tenant_id:
        raise AlreadyThere(f"the number {did!r} is another's")
    if table is not None:
        await assigned.require_assignable(work, table, defaults, is_held=True)


async def begin_allocation(
    work: Work, did: str, provider: str, table: DidTable | None, defaults: DecisionSection
) -> None:
    """Write that a number is being bought. Raises as `require_free`, NotThere for the provider."""
    await get_provider(work, provider)
    await require_free(work, did, table, defaults)
    if await count(work.connection, work.own(numbers)) >= NUMBERS:
        raise WrongValues([f"there are {NUMBERS:_} numbers already"])
    await work.connection.execute(
        insert(numbers).values(
            subject=subject_of(did),
            tenant_id=work.tenant_id,
            did=did,
            provider_id=provider,
            customer=None,
            state=NumberState.ALLOCATING.value,
            fault="",
            details="{}",
            changed=work.now,
        )
    )
    work.audit("number.allocate", did, None, {"provider": provider})


async def hold(work: Work, did: str, written: str, customer: str | None, details: Mapping[str, Any]) -> NumberRecord:
    """Write that a number is ours, as the carrier writes it. Raises NotThere, WrongValues."""
    before = await get_number(work, did)
    text = json_text(details)
    if len(text) > DETAILS_CHARACTERS:
        text = json_text({"left_out": f"what its Driver said of it: more than {DETAILS_CHARACTERS:_} characters"})
    await _update(
        work,
        did,
        did=written,
        customer=customer,
        details=text,
        state=NumberState.HELD.value,
        fault="",
        changed=work.now,
    )
    after = await get_number(work, did)
    work.audit("number.hold", did, before, after)
    return after


async def doubt(work: Work, did: str, fault: str) -> None:
    """Write why it is not known what became of a number, for whoever settles it."""
    before = await get_number(work, did)
    await _update(work, did, fault=fault[:FAULT_CHARACTERS].replace("\x00", " "), changed=work.now)
    work.audit("number.unsettled", did, before, await get_number(work, did))


async def drop(work: Work, did: str, action: str, *, unassign: bool = False) -> None:
    """Write that a number is not ours: refused, given back, or settled so. Raises NotThere."""
    before = await get_number(work, did)
    number = await _assignment(work, did) if unassign else None
    if number is not None:
        await assigned.unassign(work, number)
    await work.connection.execute(delete(numbers).where(*_own(work, did)))
    work.audit(action, did, before, None)


# ---- giving back ----


async def begin_release(work: Work, did: str, *, expected: str | None = None, unassign: bool = False) -> NumberRecord:
    """Write that a number is being given back; its calls run as before until it is. Raises NotThere, NumberUnsettled,
    ChangedMeanwhile, StillUsed where it is assigned and that is not to end with it."""
    before = await require_held(work, did, expected=expected, unassign=unassign)
    await _update(work, did, state=NumberState.RELEASING.value, fault="", changed=work.now)
    work.audit("number.release", did, before, await get_number(work, did))
    return before


async def require_held(work: Work, did: str, *, expected: str | None = None, unassign: bool = False) -> NumberRecord:
    """A number that may be given back. Raises as `begin_release`."""
    before = await get_number(work, did)
    if before.state is not NumberState.HELD:
        raise _unsettled(before)
    require_tag(f"number {did!r}", before, expected)
    if before.script is not None and not unassign:
        query = select(scripts.c.name).where(scripts.c.id == before.script)
        name = (await work.connection.execute(query)).scalar_one_or_none()
        called = script_called(before.script, name or before.script)
        raise StillUsed(f"the number {did!r} is assigned to the script {called}")
    return before


async def keep(work: Work, did: str, action: str) -> NumberRecord:
    """Write that a number is ours after all: it was not given back, or settled so."""
    before = await get_number(work, did)
    await _update(work, did, state=NumberState.HELD.value, fault="", changed=work.now)
    after = await get_number(work, did)
    work.audit(action, did, before, after)
    return after


async def require_unsettled(scope: Scope, did: str, asked_since: int) -> NumberRecord:
    """A number of which it is not known what became, and for which nobody asks now, as whoever has begun since
    ``asked_since`` may. Raises NotThere, AlreadyThere,
    NumberUnsettled."""
    record = await get_number(scope, did)
    if record.state is NumberState.HELD:
        raise AlreadyThere(f"the number {did!r} is held: there is nothing to be settled")
    if not record.fault and record.changed > asked_since:
        raise NumberUnsettled(f"the number {did!r}: its Driver is being asked just now; try again in a minute or two")
    return record


# ---- what is ours ----


async def change_number(work: Work, did: str, customer: str | None, *, expected: str | None = None) -> NumberRecord:
    """Say whose a number is. Raises NotThere, NumberUnsettled, ChangedMeanwhile."""
    before = await get_number(work, did)
    require_tag(f"number {did!r}", before, expected)
    if before.customer == customer:
        return before
    if before.state is not NumberState.HELD:
        raise _unsettled(before)
    await _update(work, did, customer=customer, changed=work.now)
    after = await get_number(work, did)
    work.audit("number.change", did, before, after)
    return after


async def import_number(work: Work, table: NumberTable) -> None:
    """Make a number what a directory says. Raises AlreadyThere for another tenant's, NotThere for its provider,
    NumberUnsettled for one whose Driver is being asked, WrongValues."""
    await get_provider(work, table.provider)
    subject = subject_of(table.did)
    row = (await work.connection.execute(select(numbers).where(numbers.c.subject == subject))).one_or_none()
    if row is not None and row.tenant_id != work.tenant_id:
        raise AlreadyThere(f"the number {table.did!r} is another's")
    if row is not None and row.state != NumberState.HELD:
        raise _unsettled(row)
    values = {
        "did": table.did,
        "provider_id": table.provider,
        "customer": table.customer,
        "state": table.state.value,
        "fault": table.fault,
        "details": table.details,
        "changed": work.now,
    }
    before = await find_number(work, table.did)
    if row is None:
        await work.connection.execute(insert(numbers).values(subject=subject, tenant_id=work.tenant_id, **values))
    else:
        await work.connection.execute(update(numbers).where(*_own(work, table.did)).values(**values))
    work.audit("number.import", table.did, before, await get_number(work, table.did))


def _numbers(scope: Scope) -> Select[Any]:
    joined = numbers.outerjoin(
        assignments,
        (assignments.c.type == "did")
        & (assignments.c.subject == numbers.c.subject)
        & (assignments.c.tenant_id == numbers.c.tenant_id),
    )
    query = select(numbers, assignments.c.script_id).select_from(joined)
    return query.where(numbers.c.tenant_id == scope.tenant_id)


def _own(scope: Scope, did: str) -> tuple[Any, Any]:
    return numbers.c.subject == subject_of(did), numbers.c.tenant_id == scope.tenant_id


async def _update(work: Work, asked: str, **values: Any) -> None:
    await work.connection.execute(update(numbers).where(*_own(work, asked)).values(**values))


async def _assignment(work: Work, did: str) -> int | None:
    query = select(assignments.c.id).where(
        assignments.c.type == "did",
        assignments.c.subject == subject_of(did),
        assignments.c.tenant_id == work.tenant_id,
    )
    return (await work.connection.execute(query)).scalar_one_or_none()


def _unsettled(number: Any) -> NumberUnsettled:
    why = f": {number.fault}" if number.fault else ""
    return NumberUnsettled(f"the number {number.did!r} is {number.state}, and not settled yet{why}")


def _record(row: Row[Any]) -> NumberRecord:
    return NumberRecord(
        did=row.did,
        provider=row.provider_id,
        customer=row.customer,
        state=NumberState(row.state),
        fault=row.fault,
        details=json_table(row.details),
        script=row.script_id,
        changed=row.changed,
    )
