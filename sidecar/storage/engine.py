"""A database to ask: connections, transactions, and what its errors are in words."""

import asyncio
import contextlib
import os
import sqlite3
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import URL, Connection, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from sidecar.configuration.database_url import Database, DatabaseUrl
from sidecar.storage.errors import DatabaseBusy, DatabaseFull, DatabaseUnreachable, StorageError

CONNECT_SECONDS: Final = 5.0
STATEMENT_SECONDS: Final = 60.0
"""A server that has not answered by then has gone, whatever its connection says."""
BUSY_SECONDS: Final = 5
"""How long one who writes waits for another."""
IDLE_SECONDS: Final = 30
"""A server ends a transaction in which nothing was asked for so long: a machine that is cut off, or a process that is
stopped, in the middle of one would hold its rows for as long as the server's network takes to notice, hours often. In
MySQL it is any connection that rests so long."""
POOL: Final = 5
"""Connections kept, and as many more while they are needed."""

_DRIVERS: Final = {
    Database.SQLITE: "sqlite+aiosqlite",
    Database.POSTGRESQL: "postgresql+asyncpg",
    Database.MYSQL: "mysql+asyncmy",
}
_PORTS: Final = {Database.POSTGRESQL: 5432, Database.MYSQL: 3306}
_IMMEDIATE: Final = "scriptforge_immediate"

_POSTGRESQL_FULL: Final = frozenset({"53100", "53200"})
_POSTGRESQL_BUSY: Final = frozenset({"55P03", "40001", "40P01"})
_MYSQL_FULL: Final = frozenset({3, 28, 1021, 1026, 1041, 1114})
_MYSQL_BUSY: Final = frozenset({1205, 1213})
_MYSQL_GONE: Final = frozenset({1040, 1044, 1045, 1049, 1053, 1927, 2002, 2003, 2006, 2013, 2055})
_SQLITE_FULL: Final = frozenset({sqlite3.SQLITE_FULL})
_SQLITE_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_BESIDE: Final = "who must be able to write beside it"
_PRIMARY: Final = 0xFF
"""Of SQLite's extended result codes, the primary one."""


class Storage:
    """One database. Its methods raise StorageError; SQLAlchemy's own errors only for a fault of ours."""

    def __init__(self, url: DatabaseUrl, *, create: bool = False) -> None:
        """``create``: make SQLite's file where there is none."""
        self.url = url
        self._create = create
        self._engine: AsyncEngine | None = None
        self._file: tuple[int, int] | None = None
        self._writes = asyncio.Lock()
        self.opened = 0
        """Counts the databases that it has had: another file in SQLite's place is another."""

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection that sees the database as it is at its first question, whatever is written meanwhile."""
        with translated(self.url):
            async with (await self._opened()).connect() as connection:
                if self.url.database is not Database.SQLITE:
                    await connection.execution_options(isolation_level="REPEATABLE READ")
                async with connection.begin():
                    yield connection

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction: what was written is kept when it is over, or nothing of it where it raised."""
        with translated(self.url):
            async with self._turn(), (await self._opened()).connect() as connection:
                if self.url.database is Database.SQLITE:
                    await connection.execution_options(**{_IMMEDIATE: True})
                else:
                    await connection.execution_options(isolation_level="READ COMMITTED")
                async with connection.begin():
                    yield connection

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """SQLite has one writer: who comes next is told at once, in the order in which they came. SQLite itself has
        each look again after up to 100 ms, and whoever looks first has it."""
        if self.url.database is not Database.SQLITE:
            yield
            return
        try:
            async with asyncio.timeout(BUSY_SECONDS):
                await self._writes.acquire()
        except TimeoutError:
            raise _busy(self.url) from None
        try:
            yield
        finally:
            self._writes.release()

    async def close(self) -> None:
        """Close every connection."""
        engine, self._engine = self._engine, None
        if engine is not None:
            with contextlib.suppress(OSError, SQLAlchemyError):
                await engine.dispose()

    async def _opened(self) -> AsyncEngine:
        file = self._look_at_file() if self.url.path is not None else None
        if self._engine is not None and file != self._file:
            # Connections that are open would go on with the one that was moved away.
            await self.close()
        if self._engine is None:
            self._engine = _engine(self.url)
            self._file = file
            self.opened += 1
        return self._engine

    def _look_at_file(self) -> tuple[int, int]:
        """Which file SQLite's is. Looked at before a connection is tried, since the driver leaves a thread behind where
        that fails."""
        path = self.url.path
        assert path is not None  # noqa: S101 - asked for SQLite alone
        if not path.exists():
            if not self._create:
                raise DatabaseUnreachable(f"{path}: there is no database; `scriptforge db upgrade` makes one")
            _make_file(path)
        if not os.access(path, os.R_OK | os.W_OK):
            raise DatabaseUnreachable(f"{path}: cannot be opened by this user, {_BESIDE}")
        status = path.stat()
        return status.st_dev, status.st_ino


@contextlib.contextmanager
def translated(url: DatabaseUrl) -> Iterator[None]:
    """Raise a database's errors as ours."""
    try:
        yield
    except _errors(url) as error:
        ours = _ours(error, url)
        if ours is None:
            raise
        raise ours from error


def _errors(url: DatabaseUrl) -> tuple[type[Exception], ...]:
    """What a database raises. MySQL's driver itself too: SQLAlchemy hands on what is raised while a connection is given
    back, such as by a server that has gone away in between, as it is."""
    usual = (DBAPIError, OSError, TimeoutError)
    return (*usual, import_module("asyncmy.errors").Error) if url.database is Database.MYSQL else usual


def _ours(error: Exception, url: DatabaseUrl) -> StorageError | None:
    original = error.orig if isinstance(error, DBAPIError) else error
    why = " ".join(str(original).split())[:300] or type(original).__name__
    if url.database is Database.SQLITE:
        return _of_sqlite(original, why, url)
    if url.database is Database.POSTGRESQL:
        state = getattr(original, "pgcode", None) or getattr(original, "sqlstate", None) or ""
        if state in _POSTGRESQL_FULL:
            return DatabaseFull(f"{url}: no room on the server's disk; nothing was written: {why}")
        if state in _POSTGRESQL_BUSY:
            return DatabaseBusy(f"{url}: another one was writing for too long: {why}")
        gone = state[:2] in ("08", "28", "3D", "57", "58", "53") or not state
    else:
        number = original.args[0] if original is not None and original.args else None
        if number in _MYSQL_FULL:
            return DatabaseFull(f"{url}: no room on the server's disk; nothing was written: {why}")
        if number in _MYSQL_BUSY:
            return DatabaseBusy(f"{url}: another one was writing for too long: {why}")
        gone = number in _MYSQL_GONE
    disconnected = isinstance(error, DBAPIError) and error.connection_invalidated
    if gone or disconnected or not isinstance(error, DBAPIError):
        return DatabaseUnreachable(f"{url}: cannot be asked: {why}")
    return None


def _of_sqlite(original: BaseException | None, why: str, url: DatabaseUrl) -> StorageError | None:
    code = getattr(original, "sqlite_errorcode", None)
    primary = code & _PRIMARY if code is not None else None
    if primary in _SQLITE_FULL:
        return DatabaseFull(f"{url.path}: no room on its disk; nothing was written")
    if primary in _SQLITE_BUSY:
        return _busy(url)
    if primary == sqlite3.SQLITE_CANTOPEN:
        return DatabaseUnreachable(f"{url.path}: cannot be opened by this user, {_BESIDE}")
    if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOTADB):
        return DatabaseUnreachable(f"{url.path}: cannot be used: {why}")
    if primary == sqlite3.SQLITE_CORRUPT:
        return DatabaseUnreachable(f"{url.path}: is damaged: {why}; restore a backup")
    return DatabaseUnreachable(f"{url.path}: {why}") if isinstance(original, OSError) else None


def _busy(url: DatabaseUrl) -> DatabaseBusy:
    return DatabaseBusy(f"{url.path}: another process was writing for more than {BUSY_SECONDS} s; try again")


def _engine(url: DatabaseUrl) -> AsyncEngine:
    arguments: dict[str, Any] = {}
    if url.database is Database.SQLITE:
        assert url.path is not None  # noqa: S101 - SQLite's has one
        file = f"file:{quote(str(url.path.absolute()))}"
        address = URL.create(_DRIVERS[url.database], database=file, query={"mode": "rw", "uri": "true"})
        arguments["timeout"] = BUSY_SECONDS
    else:
        address = URL.create(_DRIVERS[url.database], url.user or None, url.password or None, database=url.name)
        arguments |= _server_arguments(url)
    engine = create_async_engine(
        address,
        connect_args=arguments,
        pool_size=POOL,
        max_overflow=POOL,
        pool_pre_ping=url.database is not Database.SQLITE,
        # Values may be secrets, and errors are logged.
        hide_parameters=True,
    )
    if url.database is Database.SQLITE:
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _server_arguments(url: DatabaseUrl) -> Mapping[str, Any]:
    arguments: dict[str, Any] = {}
    port = url.port or _PORTS[url.database]
    if url.database is Database.POSTGRESQL:
        arguments |= {"timeout": CONNECT_SECONDS, "command_timeout": STATEMENT_SECONDS, "port": port}
        arguments["host"] = str(url.socket) if url.socket is not None else url.host
        # Looked for in the environment and the home folder else.
        arguments["ssl"] = False
        arguments["server_settings"] = {"application_name": "scriptforge", "lock_timeout": f"{BUSY_SECONDS}s"}
        arguments["server_settings"]["idle_in_transaction_session_timeout"] = f"{IDLE_SECONDS}s"
    else:
        arguments |= {
            "connect_timeout": CONNECT_SECONDS,
            "read_timeout": STATEMENT_SECONDS,
            "charset": "utf8mb4",
            "init_command": f"SET SESSION sql_mode='TRADITIONAL', innodb_lock_wait_timeout={BUSY_SECONDS},"
            f" wait_timeout={IDLE_SECONDS}",
        }
        arguments |= {"unix_socket": str(url.socket)} if url.socket is not None else {"host": url.host, "port": port}
    if url.tls_ca is not None:
        try:
            arguments["ssl"] = ssl.create_default_context(cafile=str(url.tls_ca))
        except (OSError, ssl.SSLError) as error:
            raise DatabaseUnreachable(f"{url.tls_ca}: no PEM bundle of certificates: {error}") from error
    return arguments


def _make_file(path: Path) -> None:
    """SQLite's file, which strangers do not read."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o660))
    except OSError as error:
        raise DatabaseUnreachable(f"{path}: cannot be made: {error.strerror}") from error


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # Transactions begin where we say so, and not before the first INSERT.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode = WAL",
        # What was acknowledged outlives a power cut.
        "synchronous = FULL",
        "foreign_keys = ON",
        f"busy_timeout = {BUSY_SECONDS * 1000}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # Who reads and then writes would else be refused where another one has written in between.
    immediate = connection.get_execution_options().get(_IMMEDIATE)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
