"""Databases of rows for trying scripts at a desk: in a file of SQLite's that goes with them."""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Self

from sqlalchemy import insert

from sidecar.catalog.model import OPERATOR
from sidecar.configuration.database_url import Database, DatabaseUrl
from sidecar.hosts.rows.store import RowDatabases
from sidecar.storage.engine import Storage
from sidecar.storage.tables import row_databases, tenants


class DeskRows(RowDatabases):
    """Those of the operator alone."""

    def __init__(self, directory: "tempfile.TemporaryDirectory[str]", clock: Callable[[], float]) -> None:
        self._directory = directory
        super().__init__(_url(directory), clock)

    @classmethod
    async def made(cls, clock: Callable[[], float]) -> Self:
        """With no database in it yet."""
        directory = await asyncio.to_thread(tempfile.TemporaryDirectory, prefix="scriptforge-rows-")
        # What else a catalog has is not asked for here.
        storage = Storage(_url(directory), create=True)
        async with storage.writing() as connection:
            for table in (tenants, row_databases):
                await connection.run_sync(table.create)
            await connection.execute(insert(tenants).values(name=OPERATOR, created=int(clock() * 1_000_000)))
        await storage.close()
        return cls(directory, clock)

    async def close(self) -> None:
        """Close every connection, and let go of what was kept."""
        await super().close()
        await asyncio.to_thread(self._directory.cleanup)


def _url(directory: "tempfile.TemporaryDirectory[str]") -> DatabaseUrl:
    return DatabaseUrl(Database.SQLITE, path=Path(directory.name) / "rows.db")
