"""Key-values in PostgreSQL or MySQL: what waits is done in one transaction, in which a tenant's keys are ours alone."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import delete, func, select, tuple_, update
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from sidecar.configuration.database_url import Database, DatabaseUrl
from sidecar.hosts.errors import HostError
from sidecar.hosts.key_values.batch import (
    Answer,
    Batch,
    Get,
    Operation,
    Place,
    Space,
    Spaces,
    Value,
    is_live,
    places_of,
)
from sidecar.hosts.key_values.store import KeptKey
from sidecar.storage.batches import Batches
from sidecar.storage.engine import Storage
from sidecar.storage.tables import key_spaces, key_values

TRANSACTIONS: Final = 2
"""Transactions of operations that change something at the same time."""


class ServerKeeper:
    """A `sidecar.hosts.key_values.store.Keeper`."""

    def __init__(self, url: DatabaseUrl, limits: Spaces, clock: Callable[[], float]) -> None:
        self._storage = Storage(url)
        self._limits = limits
        self._clock = clock
        self._reading: Batches[Operation, Answer] = Batches(self._read, TRANSACTIONS)
        self._writing: Batches[Operation, Answer] = Batches(self._write, TRANSACTIONS)

    async def do(self, operation: Operation) -> Answer:
        """Do one operation."""
        return await (self._reading if isinstance(operation, Get) else self._writing).do(operation)

    async def page(self, tenant: str, after: str, limit: int) -> Sequence[KeptKey]:
        """A tenant's keys behind one."""
        kept, ends = key_values.c, key_values.c.expires
        query = (
            select(kept.key, func.octet_length(kept.value).label("bytes"), ends, kept.created, kept.updated)
            .where(key_values.c.tenant == tenant, key_values.c.key > after, ends.is_(None) | (ends > self._now()))
            .order_by(key_values.c.key)
            .limit(limit)
        )
        async with self._storage.reading() as connection:
            rows = (await connection.execute(query)).all()
        return [KeptKey(row.key, row.bytes, row.expires, row.created, row.updated) for row in rows]

    async def space(self, tenant: str) -> Space:
        """How much a tenant keeps."""
        query = select(key_spaces).where(key_spaces.c.tenant == tenant)
        async with self._storage.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        return Space() if row is None else Space(row.keys, row.bytes)

    async def ended(self, limit: int) -> Sequence[Place]:
        """Some of what has ended."""
        query = select(key_values.c.tenant, key_values.c.key).where(key_values.c.expires <= self._now()).limit(limit)
        async with self._storage.reading() as connection:
            return [(row.tenant, row.key) for row in (await connection.execute(query)).all()]

    async def close(self) -> None:
        """Finish what is under way, and close the connections."""
        await self._reading.finish()
        await self._writing.finish()
        await self._storage.close()

    async def _read(self, operations: Sequence[Operation]) -> Sequence[Answer | HostError]:
        async with self._storage.reading() as connection:
            values = await self._values(connection, operations)
        now = self._now()
        found = (values.get((one.tenant, one.key)) for one in operations)
        return [value.text if value is not None and is_live(value, now) else None for value in found]

    async def _write(self, operations: Sequence[Operation]) -> Sequence[Answer | HostError]:
        async with self._storage.writing() as connection:
            spaces = await self._locked_spaces(connection, sorted({one.tenant for one in operations}))
            batch = Batch(await self._values(connection, operations), spaces, self._limits, self._now())
            answers: list[Answer | HostError] = []
            for operation in operations:
                try:
                    answers.append(batch.apply(operation))
                except HostError as error:
                    answers.append(error)
            await self._keep(connection, batch)
        return answers

    async def _values(self, connection: AsyncConnection, operations: Sequence[Operation]) -> dict[Place, Value]:
        places = tuple_(key_values.c.tenant, key_values.c.key).in_(places_of(operations))
        rows = (await connection.execute(select(key_values).where(places))).all()
        return {(row.tenant, row.key): Value(row.value, row.expires, row.created, row.updated) for row in rows}

    async def _locked_spaces(self, connection: AsyncConnection, tenants: Sequence[str]) -> dict[str, Space]:
        """How much tenants keep: until the transaction is over nobody else changes their keys, also those that are not
        there."""
        query = (
            select(key_spaces).where(key_spaces.c.tenant.in_(tenants)).order_by(key_spaces.c.tenant).with_for_update()
        )
        rows = (await connection.execute(query)).all()
        if len(rows) < len(tenants):
            first = [{"tenant": tenant, "keys": 0, "bytes": 0} for tenant in tenants]
            if self._storage.url.database is Database.POSTGRESQL:
                await connection.execute(postgresql.insert(key_spaces).on_conflict_do_nothing(), first)
            else:
                await connection.execute(mysql.insert(key_spaces).prefix_with("IGNORE"), first)
            rows = (await connection.execute(query)).all()
        return {row.tenant: Space(row.keys, row.bytes) for row in rows}

    async def _keep(self, connection: AsyncConnection, batch: Batch) -> None:
        gone = [place for place, value in batch.changed.items() if value is None]
        if gone:
            await connection.execute(delete(key_values).where(tuple_(key_values.c.tenant, key_values.c.key).in_(gone)))
        kept = [
            {
                "tenant": tenant,
                "key": key,
                "value": value.text,
                "expires": value.expires,
                "created": value.created,
                "updated": value.updated,
            }
            for (tenant, key), value in batch.changed.items()
            if value is not None
        ]
        if kept:
            await connection.execute(self._putting(), kept)
        for tenant, space in sorted(batch.changed_spaces.items()):
            own = update(key_spaces).where(key_spaces.c.tenant == tenant)
            await connection.execute(own.values(keys=space.keys, bytes=space.bytes))

    def _putting(self) -> Any:
        names = ("value", "expires", "created", "updated")
        if self._storage.url.database is Database.MYSQL:
            made = mysql.insert(key_values)
            return made.on_duplicate_key_update({name: made.inserted[name] for name in names})
        inserting = postgresql.insert(key_values)
        return inserting.on_conflict_do_update(
            index_elements=["tenant", "key"], set_={name: inserting.excluded[name] for name in names}
        )

    def _now(self) -> int:
        return int(self._clock() * 1_000_000)
