"""The database that rows are in, asked within a time, and answers no longer than is wanted."""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from sqlalchemy import Executable, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncResult

from sidecar.configuration.database_url import Database, DatabaseUrl
from sidecar.hosts.errors import HostError, HostFull, HostSlow, HostUnavailable
from sidecar.hosts.rows.model import plain
from sidecar.storage.engine import Storage
from sidecar.storage.errors import DatabaseFull, StorageError

logger = logging.getLogger(__name__)

ROWS: Final = 1_000
"""Of one answer."""
TAKEN_AT_ONCE: Final = 8
"""Rows that are in memory before they are counted: each may be some megabytes."""
SECONDS: Final = 2.0
"""Of one question."""
_ENDED_BY_SERVER: Final = ("interrupted", "statement timeout")
"""In the words of SQLite, MySQL and MariaDB, and of PostgreSQL."""
_LOOK_STEPS: Final = 10_000
"""Instructions of SQLite's between two looks at the clock: some 0.1 ms."""


class BoundedStorage:
    """A database, each question of which ends in time, whatever it is. Lives on one event loop."""

    def __init__(self, url: DatabaseUrl) -> None:
        self._storage = Storage(url)

    @property
    def kind(self) -> Database:
        """Which kind of server it is."""
        return self._storage.url.database

    async def close(self) -> None:
        """Close every connection."""
        await self._storage.close()

    @contextlib.asynccontextmanager
    async def asking(self, *, changes: bool, seconds: float = SECONDS) -> AsyncIterator[AsyncConnection]:
        """A connection with a transaction of its own. ``seconds``: how long SQLite's one writer may take. Raises
        HostSlow, HostFull, HostUnavailable."""
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
                    sqlite_writes = changes and self.kind is Database.SQLITE
                    raise _too_long(seconds if sqlite_writes else SECONDS) from None
                raise

    async def _bound(self, connection: AsyncConnection, seconds: float) -> None:
        """Have whoever does the work look at the clock: of a connection that is gone a server goes on with what it was
        asked, and SQLite's thread cannot be stopped."""
        match self.kind, connection.dialect:
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


def stream(
    connection: AsyncConnection, query: Executable, given: Mapping[str, Any]
) -> AbstractAsyncContextManager[AsyncResult[Any]]:
    """The rows of a query, taken a few at a time: a driver that is let takes all of them into memory first."""
    return connection.stream(query, given, execution_options={"yield_per": TAKEN_AT_ONCE})


def characters(row: Iterable[Any]) -> int:
    """How long a row's texts are together."""
    return sum(len(value) for value in row if isinstance(value, str | bytes))


async def leave(connection: AsyncConnection) -> None:
    """Take no more of the answer: MySQL's driver has no way to leave the rest where it is."""
    if connection.dialect.name == "mysql":
        await connection.invalidate()


async def read(
    connection: AsyncConnection, query: Executable, given: Mapping[str, Any], most: int | None
) -> list[dict[str, Any]]:
    """The rows of a query. Raises HostError for more than ROWS, or than so many characters."""
    rows: list[dict[str, Any]] = []
    size = 0
    async with stream(connection, query, given) as result:
        names = list(result.keys())
        async for row in result:
            size += characters(row)
            if len(rows) == ROWS:
                await leave(connection)
                raise HostError(f"it gives more than {ROWS} rows: limit them", "RangeError")
            if most is not None and size > most:
                await leave(connection)
                raise HostError(f"it gives more than {most} characters: ask for fewer rows, or columns", "RangeError")
            rows.append(plain(dict(zip(names, row, strict=True))))
    return rows


def _too_long(seconds: float) -> HostSlow:
    return HostSlow(f"the database was asked for more than {seconds:g} s", "RangeError")


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except StorageError as error:
        logger.warning("rows_failed", extra={"error": str(error)})
        if isinstance(error, DatabaseFull):
            raise HostFull("there is no room left") from error
        raise HostUnavailable("the database does not answer") from error
