"""Databases of rows in SQL. What a script may ask of them is bounded in time and rows, and is of its tenant alone."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    Select,
    Table,
    delete,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError, IntegrityError

from sidecar.configuration.database_url import Database, DatabaseUrl
from sidecar.hosts.errors import HostError, HostUnavailable
from sidecar.hosts.rows.bounded import ROWS, BoundedStorage, characters, leave, read, stream
from sidecar.hosts.rows.inventory import RowInventory, table_of
from sidecar.hosts.rows.model import (
    ANSWER_CHARACTERS,
    check_row_key,
    plain,
)
from sidecar.hosts.rows.room import Room
from sidecar.hosts.rows.statement import Statement, prepare

PAGE_CHARACTERS: Final = ANSWER_CHARACTERS
"""Of the rows of one page: of some with every column full there are two."""
CHANGING_SECONDS: Final = 0.25
"""Of a statement of a script that changes rows of SQLite's, for whose end everybody else who writes waits."""
UNNOTICED_SECONDS: Final = 0.02
"""A change that takes no longer is one that nobody else has waited for."""
PUT_TRIES: Final = 3
"""Somebody else may make a row between the two steps of one that puts it."""


class _Enough(Exception):
    """No more of an answer is wanted."""


class RowDatabases:
    """Every tenant's databases of rows. Lives on one event loop."""

    def __init__(
        self,
        url: DatabaseUrl,
        clock: Callable[[], float] = time.time,
        most: Callable[[str], int | None] = lambda _tenant: None,
    ) -> None:
        """``most``: how many rows a tenant may keep; None for as many as it likes."""
        self._storage = BoundedStorage(url)
        self.inventory = RowInventory(self._storage, clock)
        """Which databases there are."""
        self._room = Room(self.inventory, most)
        self._changing: dict[str, asyncio.Lock] = {}

    async def close(self) -> None:
        """Close every connection."""
        await self._storage.close()

    async def create(self, tenant: str, name: str, key: str, given: Any) -> None:
        """Make a row. Raises HostError where there is one of that key."""
        database = await self.inventory.database(tenant, name)
        values = {"key": check_row_key(key), **database.row(given)}
        try:
            async with self._storage.asking(changes=True) as connection:
                await self._room.require(connection, tenant, 1)
                await connection.execute(insert(table_of(database)).values(**values))
            self._room.add(tenant, 1)
        except IntegrityError:
            raise HostError(f"{name} has a row {key[:60]!r} already") from None

    async def read(self, tenant: str, name: str, key: str) -> dict[str, Any] | None:
        """A row, or None."""
        table = table_of(await self.inventory.database(tenant, name))
        found = await self._rows(select(table).where(table.c.key == check_row_key(key)))
        return found[0] if found else None

    async def update(self, tenant: str, name: str, key: str, given: Any) -> None:
        """Change columns of a row; others stay. Raises HostError where there is none."""
        database = await self.inventory.database(tenant, name)
        table = table_of(database)
        values, own = database.row(given), table.c.key == check_row_key(key)
        async with self._storage.asking(changes=True) as connection:
            if (await connection.execute(select(table.c.key).where(own).with_for_update())).one_or_none() is None:
                raise HostError(f"{name} has no row {key[:60]!r}")
            if values:
                await connection.execute(update(table).where(own).values(**values))

    async def put(self, tenant: str, name: str, rows: Sequence[tuple[str, Mapping[str, Any]]]) -> int:
        """Make rows by their keys, or put them in the place of those that are there; columns that are not given are
        null. All of them or none; how many there were not before. Raises HostError, HostUnavailable."""
        database = await self.inventory.database(tenant, name)
        table, empty = table_of(database), {column.name: None for column in database.columns}
        values = [{"key": check_row_key(key), **empty, **database.row(dict(given))} for key, given in rows]
        own = table.c.key.in_([one["key"] for one in values])
        for _ in range(PUT_TRIES):
            with contextlib.suppress(IntegrityError):
                async with self._storage.asking(changes=True) as connection:
                    gone = await connection.execute(delete(table).where(own))
                    new = len(values) - gone.rowcount
                    if new > 0:
                        # Those that were there are gone by now: a count would be without them.
                        await self._room.require(connection, tenant, new, gone.rowcount)
                    await connection.execute(insert(table), values)
                self._room.add(tenant, new)
                return new
        raise HostUnavailable("others write the same rows")

    async def delete(self, tenant: str, name: str, key: str) -> None:
        """Remove a row, if it is there."""
        table = table_of(await self.inventory.database(tenant, name))
        async with self._storage.asking(changes=True) as connection:
            gone = await connection.execute(delete(table).where(table.c.key == check_row_key(key)))
        self._room.add(tenant, -gone.rowcount)

    async def find(
        self,
        tenant: str,
        name: str,
        wanted: Mapping[str, Any],
        *,
        limit: int = ROWS,
        offset: int = 0,
        most: int | None = None,
    ) -> Sequence[dict[str, Any]]:
        """The rows that have these values, by their keys. Raises HostError for more than so many characters."""
        query, table = await self._filtered(tenant, name, wanted)
        return await self._rows(query.order_by(table.c.key).limit(min(limit, ROWS)).offset(offset), most)

    async def page(self, tenant: str, name: str, after: str, limit: int) -> tuple[Sequence[dict[str, Any]], bool]:
        """Rows behind a key, by their keys, and whether there are more: at most so many, and no more than have
        PAGE_CHARACTERS, but for one. Raises HostError."""
        table = table_of(await self.inventory.database(tenant, name))
        query = select(table).order_by(table.c.key).limit(min(limit, ROWS) + 1)
        if after:
            query = query.where(table.c.key > after)
        rows: list[dict[str, Any]] = []
        size, more = 0, False
        with contextlib.suppress(_Enough):
            async with self._storage.asking(changes=False) as connection, stream(connection, query, {}) as result:
                names = list(result.keys())
                async for row in result:
                    size += characters(row)
                    more = bool(rows) and (len(rows) == min(limit, ROWS) or size > PAGE_CHARACTERS)
                    if more and size > PAGE_CHARACTERS:
                        await leave(connection)
                        raise _Enough
                    if not more:
                        rows.append(plain(dict(zip(names, row, strict=True))))
        return rows, more

    async def random(self, tenant: str, name: str, wanted: Mapping[str, Any]) -> dict[str, Any] | None:
        """One of the rows that have these values, whichever; None where there is none."""
        query, table = await self._filtered(tenant, name, wanted)
        chance = func.rand() if self._storage.kind is Database.MYSQL else func.random()
        keys = query.with_only_columns(table.c.key).order_by(chance).limit(1)
        found = await self._rows(keys)
        return await self.read(tenant, name, found[0]["key"]) if found else None

    async def sql(self, tenant: str, statement: str, parameters: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
        """What a statement of a script gives, over the tenant's own databases; one that changes rows gives how many as
        ``changed``."""
        tables = tuple((one.name, one.table) for one in (await self.inventory.databases(tenant)).values())
        # In a thread: to parse a long one takes milliseconds.
        made = await asyncio.to_thread(prepare, statement, tables, self._storage.kind)
        missing = made.names - parameters.keys()
        if missing:
            raise HostError(f"the parameter :{sorted(missing)[0]} is not given", "TypeError")
        values = {f"given_{name}": _parameter(name, parameters[name]) for name in made.names}
        if made.changes and self._storage.kind is Database.SQLITE:
            async with self._alone(tenant):
                return await self._changed(tenant, made, values)
        return await self._changed(tenant, made, values)

    @contextlib.asynccontextmanager
    async def _alone(self, tenant: str) -> AsyncIterator[None]:
        """One change of a tenant's at a time, and as long a pause behind it as it took: SQLite has one writer, for whom
        all others wait."""
        async with self._changing.setdefault(tenant, asyncio.Lock()):
            began = time.monotonic()
            try:
                yield
            finally:
                took = min(time.monotonic() - began, CHANGING_SECONDS)
                if took > UNNOTICED_SECONDS:
                    await asyncio.sleep(took)

    async def _changed(self, tenant: str, made: Statement, values: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
        async with self._storage.asking(changes=made.changes, seconds=CHANGING_SECONDS) as connection:
            if made.more > 0:
                await self._room.require(connection, tenant, 1)
            query, given = text(made.sql), {**made.texts, **values}
            try:
                if not made.changes:
                    return await read(connection, query, given, ANSWER_CHARACTERS)
                result = await connection.execute(query, given)
            except IntegrityError:
                raise HostError("there is a row of that key already, or a row without one") from None
            except DBAPIError as error:
                if error.connection_invalidated or "interrupted" in str(error.orig):
                    raise
                raise HostError(f"sql: {_reason(error)}", "SyntaxError") from None
            if made.more > 0:
                # An insert of what a query gives makes any number; those that are too many go with the transaction.
                await self._room.require(connection, tenant, result.rowcount, -result.rowcount)
        self._room.add(tenant, made.more * result.rowcount)
        return [{"changed": result.rowcount}]

    async def _filtered(self, tenant: str, name: str, wanted: Mapping[str, Any]) -> tuple[Select[Any], Table]:
        database = await self.inventory.database(tenant, name)
        table = table_of(database)
        given = dict(wanted)
        query = select(table)
        if "key" in given:
            query = query.where(table.c.key == check_row_key(given.pop("key")))
        for column, value in database.row(given).items():
            query = query.where(table.c[column].is_(None) if value is None else table.c[column] == value)
        return query, table

    async def _rows(self, query: Select[Any], most: int | None = None) -> Sequence[dict[str, Any]]:
        async with self._storage.asking(changes=False) as connection:
            return await read(connection, query, {}, most)


def _parameter(name: str, value: Any) -> Any:
    if value is None or isinstance(value, str | int | float):
        return value
    raise HostError(f"the parameter :{name} is a text, a number, a boolean or null", "TypeError")


def _reason(error: DBAPIError) -> str:
    """What a server says of a statement, in which no name of a table of ours tells more than the author knows."""
    return " ".join(str(error.orig).split("\n")[0].split())[:200]
