"""How far the call records of a machine have been read, and what webhooks are told of them: kept in one transaction, so
that each record is told of once, however often whoever reads them dies."""

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import delete, select, update

from sidecar.queue.adding import Adding
from sidecar.queue.job import NewDelivery
from sidecar.queue.rows import insert_new
from sidecar.queue.store import JobRows
from sidecar.storage.tables import call_records_read as table


class CallReading:
    """Its methods raise StorageError."""

    def __init__(self, rows: JobRows, adding: Adding, added: Callable[[], None]) -> None:
        """``added`` is called when there is something to be told."""
        self._rows = rows
        self._adding = adding
        self._added = added

    async def positions(self, node: str) -> dict[str, int]:
        """How many bytes of each file have been read."""
        query = select(table.c.file, table.c.bytes).where(table.c.node == node)
        async with self._rows.storage.reading() as connection:
            return {row.file: row.bytes for row in (await connection.execute(query)).all()}

    async def take(
        self, node: str, file: str, begin: int, end: int, told: Sequence[NewDelivery], oldest: str
    ) -> Mapping[str, int]:
        """Keep that a file has been read from one place to another, and what is told of it; where all files are read
        to then. Another process that reads the same may have been faster: then nothing of this is kept. What is known
        of files before ``oldest`` is forgotten."""

        async def taken() -> bool:
            own = table.c.node == node, table.c.file == file
            async with self._rows.changing() as (connection, now):
                row = {"node": node, "file": file, "bytes": 0}
                await insert_new(connection, self._rows.database, table, [row])
                query = select(table.c.bytes).where(*own).with_for_update()
                if (await connection.execute(query)).scalar_one() != begin:
                    return False
                await connection.execute(update(table).where(*own).values(bytes=end))
                await connection.execute(delete(table).where(table.c.node == node, table.c.file < oldest))
                added = await self._adding.add_in(connection, told, now) if told else None
            if added is not None:
                self._adding.kept(added)
                self._added()
            return True

        await self._rows.tried_again(taken)
        return await self.positions(node)
