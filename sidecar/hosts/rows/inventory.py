"""Which databases of rows a tenant has, and the table that each is."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
from sqlalchemy import BigInteger, Column, Double, MetaData, Select, Table, delete, insert, inspect, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sidecar.hosts.errors import HostError
from sidecar.hosts.rows.bounded import BoundedStorage
from sidecar.hosts.rows.model import (
    KEY_CHARACTERS,
    STRING_CHARACTERS,
    VALUE,
    ColumnType,
    RowColumn,
    RowDatabase,
    check_columns,
    parse_database_name,
)
from sidecar.storage.tables import row_databases, tenants
from sidecar.storage.types import Exact, LongText

DATABASES: Final = 100
"""Of one tenant."""
KNOWN_SECONDS: Final = 1.0
"""A database that was made or has gone is seen after this long."""
_TYPES: Final[Mapping[ColumnType, Any]] = {
    ColumnType.STRING: Exact(STRING_CHARACTERS),
    ColumnType.TEXT: LongText,
    ColumnType.INTEGER: BigInteger(),
    ColumnType.DOUBLE: Double(),
}


class RowInventory:
    """Every tenant's databases of rows. Lives on one event loop."""

    def __init__(self, storage: BoundedStorage, clock: Callable[[], float]) -> None:
        """``clock``: seconds since 1970."""
        self._storage = storage
        self._clock = clock
        self._known: dict[str, tuple[float, dict[str, RowDatabase]]] = {}

    async def databases(self, tenant: str) -> Mapping[str, RowDatabase]:
        """A tenant's databases by name. Raises HostUnavailable."""
        known = self._known.get(tenant)
        if known is not None and time.monotonic() - known[0] < KNOWN_SECONDS:
            return known[1]
        query = select(row_databases).join(tenants, tenants.c.id == row_databases.c.tenant_id)
        async with self._storage.asking(changes=False) as connection:
            rows = (await connection.execute(query.where(tenants.c.name == tenant))).all()
        found = {
            row.name: RowDatabase(
                id=row.id,
                name=row.name,
                columns=(VALUE, *msgspec.json.decode(row.columns, type=tuple[RowColumn, ...])),
            )
            for row in rows
        }
        self._known[tenant] = (time.monotonic(), found)
        return found

    async def database(self, tenant: str, name: str) -> RowDatabase:
        """A tenant's database. Raises HostError where there is none, and HostUnavailable."""
        database = (await self.databases(tenant)).get(name)
        if database is None:
            raise _no_database(name)
        return database

    async def make(self, tenant: str, name: str, columns: Sequence[RowColumn] = (), customer: str = "") -> RowDatabase:
        """Make a database, with columns beside ``key`` and ``value``. Raises ValueError, HostError where the tenant has
        one of that name or too many, and HostUnavailable."""
        parse_database_name(name)
        check_columns(columns)
        async with self._storage.asking(changes=True) as connection:
            tenant_id = await self._tenant_id(connection, tenant)
            own = (await connection.execute(_own(tenant_id))).all()
            if any(row.name == name for row in own):
                raise HostError(f"there is a database {name!r} already")
            if len(own) >= DATABASES:
                raise HostError(f"there are {DATABASES} databases already", "RangeError")
            values = {
                "tenant_id": tenant_id,
                "name": name,
                "customer": customer,
                "columns": msgspec.json.encode(tuple(columns)).decode(),
                "created": int(self._clock() * 1_000_000),
            }
            made = await connection.execute(insert(row_databases).values(**values))
            assert made.inserted_primary_key is not None  # noqa: S101 - of one row
            number: int = made.inserted_primary_key[0]
            database = RowDatabase(id=number, name=name, columns=(VALUE, *columns))
            await connection.run_sync(table_of(database).create)
        self._known.pop(tenant, None)
        return database

    async def remove(self, tenant: str, name: str) -> None:
        """Remove a database with its rows. Raises HostError where there is none, and HostUnavailable."""
        async with self._storage.asking(changes=True) as connection:
            tenant_id = await self._tenant_id(connection, tenant)
            row = (await connection.execute(_own(tenant_id).where(row_databases.c.name == name))).one_or_none()
            if row is None:
                raise _no_database(name)
            await connection.execute(delete(row_databases).where(row_databases.c.id == row.id))
            table = table_of(RowDatabase(id=row.id, name=name, columns=()))
            await connection.run_sync(lambda one: table.drop(one, checkfirst=inspect(one).has_table(table.name)))
        self._known.pop(tenant, None)

    async def _tenant_id(self, connection: AsyncConnection, tenant: str) -> int:
        found: int | None = (
            await connection.execute(select(tenants.c.id).where(tenants.c.name == tenant))
        ).scalar_one_or_none()
        if found is None:
            raise HostError(f"there is no tenant {tenant!r}")
        return found


@lru_cache(maxsize=10_000)
def table_of(database: RowDatabase) -> Table:
    """The table that a database's rows are in."""
    columns: list[Column[Any]] = [Column("key", Exact(KEY_CHARACTERS), primary_key=True)]
    columns += [
        Column(one.name, _TYPES[one.type], nullable=True, index=one.indexed or None) for one in database.columns
    ]
    names = {"ix": "ix_%(table_name)s_%(column_0_N_name)s"}
    return Table(
        database.table,
        MetaData(naming_convention=names),
        *columns,
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
    )


def _own(tenant_id: int) -> Select[Any]:
    return select(row_databases).where(row_databases.c.tenant_id == tenant_id)


def _no_database(name: str) -> HostError:
    return HostError(f"there is no database {name[:60]!r}", "ReferenceError")
