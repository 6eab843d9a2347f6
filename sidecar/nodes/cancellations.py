"""Runs that are to be ended by whichever process has them, as their common database names them."""

import os
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from sqlalchemy import delete, insert, select

from sidecar.storage.engine import Storage
from sidecar.storage.server_time import micros_now
from sidecar.storage.tables import cancellations

FORGOTTEN_MICROS: Final = 60 * 1_000_000
"""What is older was asked for by a process that has died since."""


class Wanted(NamedTuple):
    """A run that somebody wants ended."""

    id: str
    tenant: str
    run: str
    forgotten: bool
    """Whether nobody waits for that any more."""


class Cancellations:
    """Those of one database. Its methods raise StorageError."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def ask(self, tenant: str, run: str) -> str:
        """Want a run ended; a name for that wish."""
        wish = os.urandom(8).hex()
        async with self._storage.writing() as connection:
            row = {"id": wish, "tenant": tenant, "run": run, "asked": await micros_now(connection, self._storage)}
            await connection.execute(insert(cancellations).values(row))
        return wish

    async def is_open(self, wish: str) -> bool:
        """Whether nobody has taken a wish."""
        async with self._storage.reading() as connection:
            query = select(cancellations.c.id).where(cancellations.c.id == wish)
            return (await connection.execute(query)).first() is not None

    async def open(self) -> Sequence[Wanted]:
        """All wishes that nobody has taken."""
        async with self._storage.reading() as connection:
            rows = (await connection.execute(select(cancellations))).all()
            if not rows:
                return ()
            before = await micros_now(connection, self._storage) - FORGOTTEN_MICROS
        return [Wanted(row.id, row.tenant, row.run, row.asked < before) for row in rows]

    async def take(self, wishes: Iterable[str]) -> bool:
        """Take wishes; whether any was open."""
        async with self._storage.writing() as connection:
            done = await connection.execute(delete(cancellations).where(cancellations.c.id.in_(list(wishes))))
            return done.rowcount > 0
