"""Who changed what, and what was used."""

import datetime
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Query

from sidecar.catalog.database import audit, usage
from sidecar.catalog.database.audit import AuditEntry as Stored
from sidecar.catalog.database.errors import WrongValues
from sidecar.http.asking import Asking
from sidecar.http.pages import page
from sidecar.http.shapes import AuditEntry, AuditState, BeforeNumber, Limit, Page, Used

router = APIRouter(tags=["audit"])

LONGEST_DAYS: Final = 31
_MINUTE: Final = 60


@router.get("/audit")
async def list_entries(
    asked: Asking,
    before: BeforeNumber = None,
    limit: Limit = 100,
    everyone: Annotated[bool, Query(description="Every tenant's. For the operator.")] = False,
) -> Page[AuditEntry]:
    """A tenant's changes, the newest first."""
    if everyone:
        asked.caller.require_operator()
    async with asked.reading("admin") as scope:
        tenant = None if everyone else scope.tenant
        found = await audit.entries(scope.connection, tenant, before=before, limit=limit + 1)
    shown = page(found, limit, lambda one: one.number)
    shown.items = [_entry(one) for one in shown.items]
    return shown


@router.get("/audit/verify")
async def verify(asked: Asking) -> AuditState:
    """Look through the whole chain: whether what it says is what was written. For the operator."""
    asked.caller.require_operator()
    async with asked.platform.store.storage.reading() as connection:
        found = await audit.verify(connection)
    broken = found.broken
    return AuditState(
        entries=found.entries,
        head=found.head,
        intact=broken is None,
        broken_at=broken.number if broken is not None else None,
        why=broken.why if broken is not None else None,
    )


@router.get("/usage", tags=["usage"])
async def read_usage(
    asked: Asking,
    since: Annotated[datetime.datetime | None, Query(description="By default an hour before ``until``.")] = None,
    until: Annotated[datetime.datetime | None, Query(description="By default now.")] = None,
) -> list[Used]:
    """What a tenant's scripts have used, by app and minute, of at most 31 days."""
    try:
        last = _minute(until or datetime.datetime.now(datetime.UTC)) + (until is None)
        first = _minute(since) if since is not None else last - _MINUTE
    except (OverflowError, ValueError):
        raise WrongValues(["since, until: no time that there was"]) from None
    if last - first > LONGEST_DAYS * 24 * _MINUTE:
        raise WrongValues([f"since, until: more than {LONGEST_DAYS} days"])
    asked.caller.require("read")
    async with asked.reading() as scope:
        return [Used.model_validate(one) for one in await usage.read_usage(scope, first, last)]


def _minute(when: datetime.datetime) -> int:
    """Since 1970; a time without a zone is UTC."""
    zoned = when if when.tzinfo is not None else when.replace(tzinfo=datetime.UTC)
    return int(zoned.timestamp() // _MINUTE)


def _entry(stored: Stored) -> AuditEntry:
    fields: dict[str, Any] = msgspec.structs.asdict(stored)
    for name in ("before", "after"):
        fields[name] = msgspec.json.decode(fields[name]) if fields[name] is not None else None
    return AuditEntry(**fields)
