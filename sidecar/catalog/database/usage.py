"""What tenants have used, by app and minute."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from sidecar.catalog.database.work import ROWS_AT_ONCE, Scope
from sidecar.configuration.database_url import Database
from sidecar.storage.engine import Storage
from sidecar.storage.tables import tenants, usage

_COUNTED: Final = ("runs", "cpu_us", "host_calls", "bytes")


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """What was used in one minute."""

    tenant: str
    app: str
    """Empty for scripts without one."""
    minute: int
    """Since 1970, UTC."""
    runs: int = 0
    cpu_us: int = 0
    """Processor time in microseconds."""
    host_calls: int = 0
    bytes: int = 0
    """That scripts have sent and received."""


async def add_usage(storage: Storage, used: Sequence[Used]) -> None:
    """Add to what is known of these minutes. Of a tenant that is not there nothing is kept. Raises StorageError."""
    async with storage.writing() as connection:
        rows = (await connection.execute(select(tenants.c.name, tenants.c.id))).all()
        ids = {row.name: row.id for row in rows}
        # In the same order everywhere, or two that write would wait for each other.
        values = sorted(
            (
                {
                    "tenant_id": ids[one.tenant],
                    "app_id": one.app,
                    "minute": one.minute,
                    **{name: getattr(one, name) for name in _COUNTED},
                }
                for one in used
                if one.tenant in ids
            ),
            key=lambda row: (row["tenant_id"], row["app_id"], row["minute"]),
        )
        for begin in range(0, len(values), ROWS_AT_ONCE):
            await connection.execute(_adding(storage.url.database), values[begin : begin + ROWS_AT_ONCE])


async def read_usage(scope: Scope, since: int, until: int) -> Sequence[Used]:
    """What a tenant used from one minute until before another, in their order."""
    query = scope.own(usage).where(usage.c.minute >= since, usage.c.minute < until)
    rows = (await scope.connection.execute(query.order_by(usage.c.minute, usage.c.app_id))).all()
    return [
        Used(tenant=scope.tenant, app=row.app_id, minute=row.minute, **{name: getattr(row, name) for name in _COUNTED})
        for row in rows
    ]


async def forget_usage(connection: AsyncConnection, before: int) -> None:
    """Forget what was used before a minute."""
    await connection.execute(delete(usage).where(usage.c.minute < before))


def _adding(database: Database) -> Any:
    if database is Database.MYSQL:
        made = mysql.insert(usage)
        return made.on_duplicate_key_update(_sums(made.inserted))
    inserting = postgresql.insert(usage) if database is Database.POSTGRESQL else sqlite.insert(usage)
    return inserting.on_conflict_do_update(
        index_elements=["tenant_id", "app_id", "minute"], set_=_sums(inserting.excluded)
    )


def _sums(given: Any) -> Mapping[str, Any]:
    return {name: usage.c[name] + getattr(given, name) for name in _COUNTED}
