"""Tenants, which are the operator's to make."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sidecar.catalog.database.errors import NotAllowed, NotThere, WrongValues
from sidecar.catalog.database.work import Actor, Change, Scope, Store, Tagged, Work, require_tag
from sidecar.catalog.limits import NO_LIMITS, TenantLimits, decode_limits, encode_limits, given_limits
from sidecar.catalog.model import OPERATOR
from sidecar.storage.tables import NAME, tenant_limits, tenants


class TenantRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant."""

    name: str
    created: int
    """Microseconds since 1970, UTC."""


async def list_tenants(connection: AsyncConnection, *, after: str = "", limit: int = 100) -> Sequence[TenantRecord]:
    """All of them by their names; ``after`` the last of the page before."""
    query = select(tenants).order_by(tenants.c.name).limit(limit)
    if after:
        query = query.where(tenants.c.name > after)
    return [TenantRecord(name=row.name, created=row.created) for row in (await connection.execute(query)).all()]


async def ensure_operator(store: Store, actor: Actor) -> None:
    """Make the operator a tenant, where that has not been done."""
    async with store.storage.reading() as connection:
        known = select(tenants.c.id).where(tenants.c.name == OPERATOR)
        if (await connection.execute(known)).one_or_none() is not None:
            return
    async with store.changing(actor) as change:
        await change.make_tenant(OPERATOR)


async def get_tenant(connection: AsyncConnection, name: str) -> TenantRecord:
    """One of them. Raises NotThere."""
    row = (await connection.execute(select(tenants).where(tenants.c.name == name))).one_or_none()
    if row is None:
        raise NotThere(f"there is no tenant {name!r}")
    return TenantRecord(name=row.name, created=row.created)


async def make_tenant(change: Change, name: str) -> Work:
    """A tenant, who may be there already. Raises NotAllowed, WrongValues."""
    if not change.actor.operator:
        raise NotAllowed("only the operator makes tenants")
    if not 0 < len(name) <= NAME or "\x00" in name:
        raise WrongValues([f"tenant: expected a name of 1 to {NAME} characters"])
    return await change.make_tenant(name)


class LimitsRecord(Tagged, frozen=True, kw_only=True):
    """What the operator has set for a tenant."""

    tenant: str
    limits: TenantLimits


async def get_limits(scope: Scope) -> LimitsRecord:
    """What was set for a tenant."""
    text = (await scope.connection.execute(scope.own(tenant_limits))).one_or_none()
    return LimitsRecord(tenant=scope.tenant, limits=decode_limits(text.limits) if text is not None else NO_LIMITS)


async def put_limits(work: Work, limits: TenantLimits, *, expected: str | None = None) -> LimitsRecord:
    """Set a tenant's limits, all of them: one that is not given is the configuration's. Raises NotAllowed,
    ChangedMeanwhile."""
    if not work.actor.operator:
        raise NotAllowed("only the operator sets limits")
    before = await get_limits(work)
    require_tag(f"limits of {work.tenant!r}", before, expected)
    if before.limits == limits:
        return before
    own = tenant_limits.c.tenant_id == work.tenant_id
    await work.connection.execute(delete(tenant_limits).where(own))
    if limits != NO_LIMITS:
        values = {"tenant_id": work.tenant_id, "limits": encode_limits(limits)}
        await work.connection.execute(insert(tenant_limits).values(**values))
    work.audit("tenant.limits", work.tenant, given_limits(before.limits), given_limits(limits))
    work.changed("tenant", work.tenant)
    return LimitsRecord(tenant=work.tenant, limits=limits)
