"""Databases of rows in SQL. What a script may ask of them is bounded in time and rows, and is of its tenant alone."""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import lru_cache
from typing import Any, Final

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Executable,
    MetaData,
    Select,
    Table,
    delete,
    func,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncResult

from sidecar.configuration.database_url import Database, DatabaseUrl
from sidecar.hosts.errors import HostError, HostFull, HostSlow, HostUnavailable
from sidecar.hosts.rows.model import (
    ANSWER_CHARACTERS,
    KEY_CHARACTERS,
    STRING_CHARACTERS,
    VALUE,
    ColumnType,
    RowColumn,
    RowDatabase,
    check_columns,
    check_row_key,
    parse_database_name,
    plain,
)
from sidecar.hosts.rows.statement import Statement, prepare
from sidecar.storage.engine import Storage
from sidecar.storage.errors import DatabaseFull, StorageError
from sidecar.storage.tables import row_databases, tenants
from sidecar.storage.types import Exact, LongText

logger = logging.getLogger(__name__)

ROWS: Final = 1_000
"""Of one answer."""
PAGE_CHARACTERS: Final = ANSWER_CHARACTERS
"""Of the rows of one page: of some with every column full there are two."""
TAKEN_AT_ONCE: Final = 8
"""Rows that are in memory before they are counted: each may be some megabytes."""
SECONDS: Final = 2.0
"""Of one question."""
CHANGING_SECONDS: Final = 0.25
"""Of a statement of a script that changes rows of SQLite's, for whose end everybody else who writes waits."""
UNNOTICED_SECONDS: Final = 0.02
"""A change that takes no longer is one that nobody else has waited for."""
DATABASES: Final = 100
"""Of one tenant."""
_ENDED_BY_SERVER: Final = ("interrupted", "statement timeout")
"""In the words of SQLite, MySQL and MariaDB, and of PostgreSQL."""
COUNTED_SECONDS: Final = 10.0
"""After so long a tenant's rows are counted anew: other processes make some too."""
KNOWN_SECONDS: Final = 1.0
"""A database that was made or has gone is seen after this long."""
PUT_TRIES: Final = 3
"""Somebody else may make a row between the two steps of one that puts it."""
_LOOK_STEPS: Final = 10_000
"""Instructions of SQLite's between two looks at the clock: some 0.1 ms."""

_TYPES: Final[Mapping[ColumnType, Any]] = {
    ColumnType.STRING: Exact(STRING_CHARACTERS),
    ColumnType.TEXT: LongText,
    ColumnType.INTEGER: BigInteger(),
    ColumnType.DOUBLE: Double(),
}


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
        self._most = most
        self._counted: dict[str, tuple[float, int]] = {}
        """When a tenant's rows were counted, and how many there are since then."""
        self._storage = Storage(url)
        self._clock = clock
        self._known: dict[str, tuple[float, dict[str, RowDatabase]]] = {}
        self._changing: dict[str, asyncio.Lock] = {}

    async def close(self) -> None:
        """Close every connection."""
        await self._storage.close()

    # ---- databases ----

    async def databases(self, tenant: str) -> Mapping[str, RowDatabase]:
        """A tenant's databases by name. Raises HostUnavailable."""
        known = self._known.get(tenant)
        if known is not None and time.monotonic() - known[0] < KNOWN_SECONDS:
            return known[1]
        query = select(row_databases).join(tenants, tenants.c.id == row_databases.c.tenant_id)
        async with self._asking(changes=False) as connection:
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
        async with self._asking(changes=True) as connection:
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
            await connection.run_sync(_table(database).create)
        self._known.pop(tenant, None)
        return database

    async def remove(self, tenant: str, name: str) -> None:
        """Remove a database with its rows. Raises HostError where there is none, and HostUnavailable."""
        async with self._asking(changes=True) as connection:
            tenant_id = await self._tenant_id(connection, tenant)
            row = (await connection.execute(_own(tenant_id).where(row_databases.c.name == name))).one_or_none()
            if row is None:
                raise _no_database(name)
            await connection.execute(delete(row_databases).where(row_databases.c.id == row.id))
            table = _table(RowDatabase(id=row.id, name=name, columns=()))
            await connection.run_sync(lambda one: table.drop(one, checkfirst=inspect(one).has_table(table.name)))
        self._known.pop(tenant, None)
        self._counted.pop(tenant, None)

    # ---- rows ----

    async def create(self, tenant: str, name: str, key: str, given: Any) -> None:
        """Make a row. Raises HostError where there is one of that key."""
        database = await self.database(tenant, name)
        values = {"key": check_row_key(key), **database.row(given)}
        try:
            async with self._asking(changes=True) as connection:
                await self._require_room(connection, tenant, 1)
                await connection.execute(insert(_table(database)).values(**values))
            self._made(tenant, 1)
        except IntegrityError:
            raise HostError(f"{name} has a row {key[:60]!r} already") from None

    async def read(self, tenant: str, name: str, key: str) -> dict[str, Any] | None:
        """A row, or None."""
        table = _table(await self.database(tenant, name))
        found = await self._rows(select(table).where(table.c.key == check_row_key(key)))
        return found[0] if found else None

    async def update(self, tenant: str, name: str, key: str, given: Any) -> None:
        """Change columns of a row; others stay. Raises HostError where there is none."""
        database = await self.database(tenant, name)
        table = _table(database)
        values, own = database.row(given), table.c.key == check_row_key(key)
        async with self._asking(changes=True) as connection:
            if (await connection.execute(select(table.c.key).where(own).with_for_update())).one_or_none() is None:
                raise HostError(f"{name} has no row {key[:60]!r}")
            if values:
                await connection.execute(update(table).where(own).values(**values))

    async def put(self, tenant: str, name: str, rows: Sequence[tuple[str, Mapping[str, Any]]]) -> int:
        """Make rows by their keys, or put them in the place of those that are there; columns that are not given are
        null. All of them or none; how many there were not before. Raises HostError, HostUnavailable."""
        database = await self.database(tenant, name)
        table, empty = _table(database), {column.name: None for column in database.columns}
        values = [{"key": check_row_key(key), **empty, **database.row(dict(given))} for key, given in rows]
        own = table.c.key.in_([one["key"] for one in values])
        for _ in range(PUT_TRIES):
            with contextlib.suppress(IntegrityError):
                async with self._asking(changes=True) as connection:
                    gone = await connection.execute(delete(table).where(own))
                    new = len(values) - gone.rowcount
                    if new > 0:
                        # Those that were there are gone by now: a count would be without them.
                        await self._require_room(connection, tenant, new, gone.rowcount)
                    await connection.execute(insert(table), values)
                self._made(tenant, new)
                return new
        raise HostUnavailable("others write the same rows")

    async def delete(self, tenant: str, name: str, key: str) -> None:
        """Remove a row, if it is there."""
        table = _table(await self.database(tenant, name))
        async with self._asking(changes=True) as connection:
            gone = await connection.execute(delete(table).where(table.c.key == check_row_key(key)))
        self._made(tenant, -gone.rowcount)

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
        table = _table(await self.database(tenant, name))
        query = select(table).order_by(table.c.key).limit(min(limit, ROWS) + 1)
        if after:
            query = query.where(table.c.key > after)
        rows: list[dict[str, Any]] = []
        size, more = 0, False
        with contextlib.suppress(_Enough):
            async with self._asking(changes=False) as connection, _stream(connection, query, {}) as result:
                names = list(result.keys())
                async for row in result:
                    size += _characters(row)
                    more = bool(rows) and (len(rows) == min(limit, ROWS) or size > PAGE_CHARACTERS)
                    if more and size > PAGE_CHARACTERS:
                        await _leave(connection)
                        raise _Enough
                    if not more:
                        rows.append(plain(dict(zip(names, row, strict=True))))
        return rows, more

    async def random(self, tenant: str, name: str, wanted: Mapping[str, Any]) -> dict[str, Any] | None:
        """One of the rows that have these values, whichever; None where there is none."""
        query, table = await self._filtered(tenant, name, wanted)
        chance = func.rand() if self._storage.url.database is Database.MYSQL else func.random()
        keys = query.with_only_columns(table.c.key).order_by(chance).limit(1)
        found = await self._rows(keys)
        return await self.read(tenant, name, found[0]["key"]) if found else None

    async def sql(self, tenant: str, statement: str, parameters: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
        """What a statement of a script gives, over the tenant's own databases; one that changes rows gives how many as
        ``changed``."""
        tables = tuple((one.name, one.table) for one in (await self.databases(tenant)).values())
        # In a thread: to parse a long one takes milliseconds.
        made = await asyncio.to_thread(prepare, statement, tables, self._storage.url.database)
        missing = made.names - parameters.keys()
        if missing:
            raise HostError(f"the parameter :{sorted(missing)[0]} is not given", "TypeError")
        values = {f"given_{name}": _parameter(name, parameters[name]) for name in made.names}
        if made.changes and self._storage.url.database is Database.SQLITE:
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
        async with self._asking(changes=made.changes, seconds=CHANGING_SECONDS) as connection:
            if made.more > 0:
                await self._require_room(connection, tenant, 1)
            query, given = text(made.sql), {**made.texts, **values}
            try:
                if not made.changes:
                    return await _read(connection, query, given, ANSWER_CHARACTERS)
                result = await connection.execute(query, given)
            except IntegrityError:
                raise HostError("there is a row of that key already, or a row without one") from None
            except DBAPIError as error:
                if error.connection_invalidated or "interrupted" in str(error.orig):
                    raise
                raise HostError(f"sql: {_reason(error)}", "SyntaxError") from None
            if made.more > 0:
                # An insert of what a query gives makes any number; those that are too many go with the transaction.
                await self._require_room(connection, tenant, result.rowcount, -result.rowcount)
        self._made(tenant, made.more * result.rowcount)
        return [{"changed": result.rowcount}]

    # ---- the rest ----

    async def _require_room(self, connection: AsyncConnection, tenant: str, new: int, gone: int = 0) -> None:
        """Raise HostError where a tenant may not have so many more."""
        most = self._most(tenant)
        if most is None:
            return
        now = time.monotonic()
        counted = self._counted.get(tenant)
        if counted is None or now - counted[0] > COUNTED_SECONDS:
            there = gone
            for database in (await self.databases(tenant)).values():
                query = select(func.count()).select_from(_table(database))
                there += (await connection.execute(query)).scalar_one()
            counted = self._counted[tenant] = (now, there)
        if counted[1] + new > most:
            raise HostError(f"{counted[1]:_} rows are kept already, and no more than {most:_} may be", "RangeError")

    def _made(self, tenant: str, rows: int) -> None:
        counted = self._counted.get(tenant)
        if counted is not None:
            self._counted[tenant] = (counted[0], counted[1] + rows)

    async def _filtered(self, tenant: str, name: str, wanted: Mapping[str, Any]) -> tuple[Select[Any], Table]:
        database = await self.database(tenant, name)
        table = _table(database)
        given = dict(wanted)
        query = select(table)
        if "key" in given:
            query = query.where(table.c.key == check_row_key(given.pop("key")))
        for column, value in database.row(given).items():
            query = query.where(table.c[column].is_(None) if value is None else table.c[column] == value)
        return query, table

    async def _rows(self, query: Select[Any], most: int | None = None) -> Sequence[dict[str, Any]]:
        async with self._asking(changes=False) as connection:
            return await _read(connection, query, {}, most)

    async def _tenant_id(self, connection: AsyncConnection, tenant: str) -> int:
        found: int | None = (
            await connection.execute(select(tenants.c.id).where(tenants.c.name == tenant))
        ).scalar_one_or_none()
        if found is None:
            raise HostError(f"there is no tenant {tenant!r}")
        return found

    @contextlib.asynccontextmanager
    async def _asking(self, *, changes: bool, seconds: float = SECONDS) -> AsyncIterator[AsyncConnection]:
        """``seconds``: how long SQLite's one writer may take."""
        with _translated():
            try:
                async with asyncio.timeout(SECONDS) as bound:
                    async with self._storage.writing() if changes else self._storage.reading() as connection:
                        await self._bound(connection, seconds if changes else SECONDS)
                        yield connection
            except TimeoutError:
                if not bound.expired():
                    raise
                raise _too_long(SECONDS) from None
            except DBAPIError as error:
                if any(word in str(error.orig) for word in _ENDED_BY_SERVER):
                    sqlite_writes = changes and self._storage.url.database is Database.SQLITE
                    raise _too_long(seconds if sqlite_writes else SECONDS) from None
                raise

    async def _bound(self, connection: AsyncConnection, seconds: float) -> None:
        """Have whoever does the work look at the clock: of a connection that is gone a server goes on with what it was
        asked, and SQLite's thread cannot be stopped."""
        match self._storage.url.database, connection.dialect:
            case Database.POSTGRESQL, _:
                await connection.execute(text(f"SET LOCAL statement_timeout = {math.ceil(SECONDS * 1000)}"))
            case Database.MYSQL, dialect if getattr(dialect, "is_mariadb", False):
                await connection.execute(text(f"SET SESSION max_statement_time = {SECONDS:f}"))
            case Database.MYSQL, _:
                await connection.execute(text(f"SET SESSION max_execution_time = {math.ceil(SECONDS * 1000)}"))
            case Database.SQLITE, _:
                raw = (await connection.get_raw_connection()).driver_connection
                assert raw is not None  # noqa: S101 - it has just been opened
                ends = time.monotonic() + seconds
                await raw.set_progress_handler(lambda: int(time.monotonic() > ends), _LOOK_STEPS)


@lru_cache(maxsize=10_000)
def _table(database: RowDatabase) -> Table:
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


def _stream(
    connection: AsyncConnection, query: Executable, given: Mapping[str, Any]
) -> AbstractAsyncContextManager[AsyncResult[Any]]:
    """The rows of a query, taken a few at a time: a driver that is let takes all of them into memory first."""
    return connection.stream(query, given, execution_options={"yield_per": TAKEN_AT_ONCE})


def _characters(row: Iterable[Any]) -> int:
    return sum(len(value) for value in row if isinstance(value, str | bytes))


async def _leave(connection: AsyncConnection) -> None:
    """Take no more of the answer: MySQL's driver has no way to leave the rest where it is."""
    if connection.dialect.name == "mysql":
        await connection.invalidate()


async def _read(
    connection: AsyncConnection, query: Executable, given: Mapping[str, Any], most: int | None
) -> list[dict[str, Any]]:
    """The rows of a query. Raises HostError for more than ROWS, or than so many characters."""
    rows: list[dict[str, Any]] = []
    size = 0
    async with _stream(connection, query, given) as result:
        names = list(result.keys())
        async for row in result:
            size += _characters(row)
            if len(rows) == ROWS:
                await _leave(connection)
                raise HostError(f"it gives more than {ROWS} rows: limit them", "RangeError")
            if most is not None and size > most:
                await _leave(connection)
                raise HostError(f"it gives more than {most} characters: ask for fewer rows, or columns", "RangeError")
            rows.append(plain(dict(zip(names, row, strict=True))))
    return rows


def _own(tenant_id: int) -> Select[Any]:
    return select(row_databases).where(row_databases.c.tenant_id == tenant_id)


def _no_database(name: str) -> HostError:
    return HostError(f"there is no database {name[:60]!r}", "ReferenceError")


def _too_long(seconds: float) -> HostSlow:
    return HostSlow(f"the database was asked for more than {seconds:g} s", "RangeError")


def _parameter(name: str, value: Any) -> Any:
    if value is None or isinstance(value, str | int | float):
        return value
    raise HostError(f"the parameter :{name} is a text, a number, a boolean or null", "TypeError")


def _reason(error: DBAPIError) -> str:
    """What a server says of a statement, in which no name of a table of ours tells more than the author knows."""
    return " ".join(str(error.orig).split("\n")[0].split())[:200]


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except StorageError as error:
        logger.warning("rows_failed", extra={"error": str(error)})
        if isinstance(error, DatabaseFull):
            raise HostFull("there is no room left") from error
        raise HostUnavailable("the database does not answer") from error
