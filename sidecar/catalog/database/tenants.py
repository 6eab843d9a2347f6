"""Tenants, which are the operator's to make."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from sidecar.catalog.database.errors import NotAllowed, NotThere, WrongValues
from sidecar.catalog.database.work import Actor, Change, Store, Work
from sidecar.catalog.model import OPERATOR
from sidecar.storage.tables import NAME, tenants


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
