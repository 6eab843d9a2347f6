"""What is in a database, and whether it is sound."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from sidecar.configuration.database_url import Database, DatabaseUrl
from sidecar.storage.engine import Storage
from sidecar.storage.schema import differences, read_state
from sidecar.storage.tables import assignments, audit, metadata, revision, scripts, tenants, tokens, versions

PROBLEMS = 20
"""Of one sort that are told."""
_COUNTED = (tenants, scripts, versions, assignments, tokens, audit)


@dataclass(frozen=True, slots=True)
class Inspection:
    """A database as it was found."""

    server: str
    schema: int
    revision: int
    rows: Mapping[str, int]
    """Of the tables that people ask about."""
    problems: Sequence[str]


async def inspect_database(url: DatabaseUrl) -> Inspection:
    """Look at a database, without a change. Raises StorageError where this release does not work on it."""
    storage = Storage(url)
    try:
        async with storage.reading() as connection:
            state = await read_state(connection)
            state.require(url)
            problems = list(await differences(connection))
            problems += await _faults(connection, url)
            rows = {}
            for table in _COUNTED:
                rows[table.name] = (await connection.execute(select(func.count()).select_from(table))).scalar_one()
            number = (await connection.execute(select(revision.c.number))).scalar_one()
            return Inspection(await _server(connection, url), state.number, number, rows, problems)
    finally:
        await storage.close()


async def _server(connection: AsyncConnection, url: DatabaseUrl) -> str:
    if url.database is Database.SQLITE:
        return f"SQLite {(await connection.execute(text('SELECT sqlite_version()'))).scalar_one()}"
    version = str((await connection.execute(text("SELECT version()"))).scalar_one())
    if url.database is Database.POSTGRESQL:
        return " ".join(version.split()[:2])
    return version if "MariaDB" in version else f"MySQL {version}"


async def _faults(connection: AsyncConnection, url: DatabaseUrl) -> list[str]:
    if url.database is Database.SQLITE:
        found = (await connection.execute(text(f"PRAGMA integrity_check({PROBLEMS})"))).scalars().all()
        broken = (await connection.execute(text("PRAGMA foreign_key_check"))).all()
        lost = [f"{row[0]}: row {row[1]} points to nothing in {row[2]}" for row in broken[:PROBLEMS]]
        return [one for one in found if one != "ok"] + lost
    if url.database is Database.MYSQL:
        names = ", ".join(f"`{name}`" for name in metadata.tables)
        rows = (await connection.execute(text(f"CHECK TABLE {names}"))).all()
        return [f"{row[0]}: {row[3]}" for row in rows if row[2] in ("error", "warning")][:PROBLEMS]
    return []
