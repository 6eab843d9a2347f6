"""Key-values in SQLite: one thread with a connection of its own, which does in one transaction all that waits for it.

An answer waits for its transaction. What was answered outlives the end of every process. The disk is not waited for
(synchronous = NORMAL), so that a power cut may cost the last transactions, whole ones each.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from sidecar.configuration.database_url import DatabaseUrl
from sidecar.hosts.errors import HostError
from sidecar.hosts.key_values.batch import Answer, Batch, Get, Operation, Place, Space, Spaces, Value, is_live
from sidecar.hosts.key_values.store import KeptKey
from sidecar.storage.errors import DatabaseBusy, DatabaseFull, DatabaseUnreachable, StorageError

AT_ONCE: Final = 256
"""Of one transaction: it holds everybody else's off for so long."""
BUSY_SECONDS: Final = 5.0

Reading = Callable[[sqlite3.Connection, int], Any]
"""A question that is no operation, of a connection and the time."""


class _Asked(NamedTuple):
    what: Operation | Reading
    answer: "asyncio.Future[Any]"


class SqliteKeeper:
    """A `sidecar.hosts.key_values.store.Keeper`."""

    def __init__(self, url: DatabaseUrl, limits: Spaces, clock: Callable[[], float]) -> None:
        self._url = url
        self._limits = limits
        self._clock = clock
        self._asked: queue.SimpleQueue[list[_Asked] | None] = queue.SimpleQueue()
        self._gathered: list[_Asked] = []
        """What is asked in one turn of the loop: to wake a thread takes 5 us of it, whatever it is handed."""
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def do(self, operation: Operation) -> "asyncio.Future[Answer]":
        """Do one operation."""
        return self._ask(operation)

    async def page(self, tenant: str, after: str, limit: int) -> Sequence[KeptKey]:
        """A tenant's keys behind one."""

        def read(connection: sqlite3.Connection, now: int) -> list[KeptKey]:
            rows = connection.execute(
                "SELECT key, length(CAST(value AS BLOB)), expires, created, updated FROM key_values"
                " WHERE tenant = ? AND key > ? AND (expires IS NULL OR expires > ?) ORDER BY key LIMIT ?",
                (tenant, after, now, limit),
            )
            return [KeptKey(*row) for row in rows]

        pages: list[KeptKey] = await self._ask(read)
        return pages

    async def space(self, tenant: str) -> Space:
        """How much a tenant keeps."""
        space: Space = await self._ask(lambda connection, _: _spaces(connection, {tenant}).get(tenant, Space()))
        return space

    async def ended(self, limit: int) -> Sequence[Place]:
        """Some of what has ended."""
        query = "SELECT tenant, key FROM key_values WHERE expires <= ? LIMIT ?"
        places: list[Place] = await self._ask(
            lambda connection, now: connection.execute(query, (now, limit)).fetchall()
        )
        return places

    async def close(self) -> None:
        """Finish what is under way, and close the connection."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._hand_over()
            self._asked.put(None)
            await asyncio.to_thread(thread.join)

    def _ask(self, what: Operation | Reading) -> "asyncio.Future[Any]":
        if self._thread is None:
            self._loop = asyncio.get_running_loop()
            self._thread = threading.Thread(target=self._work, args=(self._loop,), name="key-values", daemon=True)
            self._thread.start()
        assert self._loop is not None  # noqa: S101 - with the thread
        answer = self._loop.create_future()
        if not self._gathered:
            self._loop.call_soon(self._hand_over)
        self._gathered.append(_Asked(what, answer))
        return answer

    def _hand_over(self) -> None:
        gathered, self._gathered = self._gathered, []
        if gathered:
            self._asked.put(gathered)

    # ---- in the thread ----

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        connection: sqlite3.Connection | None = None
        opened: tuple[int, int] | None = None
        waiting: deque[_Asked] = deque()
        last = False
        while waiting or not last:
            last = self._gather(waiting, last=last)
            asked = [waiting.popleft() for _ in range(min(AT_ONCE, len(waiting)))]
            try:
                file = self._file()
                if connection is not None and file != opened:
                    # It would go on with the one that was moved away.
                    connection.close()
                    connection = None
                connection, opened = connection or self._connect(), file
                answers = self._answers(connection, asked)
            except sqlite3.Error as error:
                answers = [self._ours(error)] * len(asked)
                if connection is not None:
                    # Whatever state it is in: the next one begins anew.
                    with contextlib.suppress(sqlite3.Error):
                        connection.close()
                    connection = None
            except Exception as error:  # noqa: BLE001 - it is raised where it was asked
                answers = [error] * len(asked)
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(_give, asked, answers)
        if connection is not None:
            connection.close()

    def _gather(self, waiting: deque[_Asked], *, last: bool) -> bool:
        """Take in what has been asked, and wait for it where nothing is; whether nothing comes behind it."""
        while not last and len(waiting) < AT_ONCE:
            if waiting and self._asked.empty():
                break  # nobody else takes from it
            asked = self._asked.get()
            if asked is None:
                return True
            waiting += asked
        return last

    def _file(self) -> tuple[int, int]:
        """Which file the database is: a backup that was restored in its place is another."""
        path = self._url.path
        assert path is not None  # noqa: S101 - SQLite's has one
        try:
            status = path.stat()
        except FileNotFoundError:
            raise sqlite3.OperationalError("there is no database; `scriptforge db upgrade` makes one") from None
        except OSError as error:
            raise sqlite3.OperationalError(error.strerror) from error
        return status.st_dev, status.st_ino

    def _connect(self) -> sqlite3.Connection:
        path = self._url.path
        assert path is not None  # noqa: S101 - SQLite's has one
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=BUSY_SECONDS
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    def _answers(self, connection: sqlite3.Connection, asked: Sequence[_Asked]) -> list[Any]:
        now = int(self._clock() * 1_000_000)
        operations = [one.what for one in asked if not callable(one.what)]
        if len(asked) == len(operations) == 1 and isinstance(operations[0], Get):
            # One statement is a transaction by itself, and this is most of what is asked alone.
            value = _value(connection, (operations[0].tenant, operations[0].key))
            return [value.text if value is not None and is_live(value, now) else None]
        writes = any(not isinstance(one, Get) for one in operations)
        connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
        try:
            batch = Batch(
                _values(connection, operations),
                _spaces(connection, {one.tenant for one in operations}) if writes else {},
                self._limits,
                now,
            )
            answers = [_done(batch, connection, one.what, now) for one in asked]
            _keep(connection, batch)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return answers

    def _ours(self, error: sqlite3.Error) -> StorageError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        path = self._url.path
        if code == sqlite3.SQLITE_FULL:
            return DatabaseFull(f"{path}: no room on its disk; nothing was written")
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return DatabaseBusy(f"{path}: another process was writing for more than {BUSY_SECONDS:g} s; try again")
        if "no such table" in str(error):
            return DatabaseUnreachable(f"{path}: has not the tables of this release: run `scriptforge db upgrade`")
        return DatabaseUnreachable(f"{path}: {error}")


def _values(connection: sqlite3.Connection, operations: Sequence[Operation]) -> dict[Place, Value]:
    places = {(one.tenant, one.key) for one in operations}
    return {place: value for place in places if (value := _value(connection, place)) is not None}


def _value(connection: sqlite3.Connection, place: Place) -> Value | None:
    row = connection.execute(
        "SELECT value, expires, created, updated FROM key_values WHERE tenant = ? AND key = ?", place
    ).fetchone()
    return None if row is None else Value(*row)


def _spaces(connection: sqlite3.Connection, tenants: set[str]) -> dict[str, Space]:
    query = "SELECT keys, bytes FROM key_spaces WHERE tenant = ?"
    rows = ((tenant, connection.execute(query, (tenant,)).fetchone()) for tenant in tenants)
    return {tenant: Space(*row) for tenant, row in rows if row is not None}


def _done(batch: Batch, connection: sqlite3.Connection, what: Operation | Reading, now: int) -> Any:
    """What came of it; a HostError in place of an answer is raised where it was asked."""
    if callable(what):
        return what(connection, now)
    try:
        return batch.apply(what)
    except HostError as error:
        return error


def _keep(connection: sqlite3.Connection, batch: Batch) -> None:
    for (tenant, key), value in batch.changed.items():
        if value is None:
            connection.execute("DELETE FROM key_values WHERE tenant = ? AND key = ?", (tenant, key))
        else:
            connection.execute(
                "INSERT INTO key_values (tenant, key, value, expires, created, updated) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (tenant, key) DO UPDATE SET value = excluded.value, expires = excluded.expires,"
                " created = excluded.created, updated = excluded.updated",
                (tenant, key, value.text, value.expires, value.created, value.updated),
            )
    for tenant, space in batch.changed_spaces.items():
        connection.execute(
            "INSERT INTO key_spaces (tenant, keys, bytes) VALUES (?, ?, ?)"
            " ON CONFLICT (tenant) DO UPDATE SET keys = excluded.keys, bytes = excluded.bytes",
            (tenant, space.keys, space.bytes),
        )


def _give(asked: Sequence[_Asked], answers: Sequence[Any]) -> None:
    for one, answer in zip(asked, answers, strict=True):
        if one.answer.done():
            continue
        if isinstance(answer, Exception):
            one.answer.set_exception(answer)
        else:
            one.answer.set_result(answer)
