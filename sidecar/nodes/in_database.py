"""The processes that have nothing in common but a database list themselves there."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sidecar.nodes.node import BEAT_SECONDS, GONE_SECONDS, Node, in_order
from sidecar.storage.engine import Storage
from sidecar.storage.errors import StorageError
from sidecar.storage.server_time import micros_now
from sidecar.storage.tables import nodes

LEAVE_SECONDS: Final = 0.5
"""What a database has to take a process that ends from its list; else it is forgotten after a while."""
_MICROS: Final = 1_000_000


class DatabaseListing:
    """A `sidecar.nodes.node.Listing`."""

    beat_seconds = BEAT_SECONDS

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def tell(self, node: Node) -> None:
        """Be listed as this."""
        with contextlib.suppress(StorageError):  # which is told by whoever needs it
            async with self._storage.writing() as connection:
                now = await micros_now(connection, self._storage)
                await _keep(connection, node.id, msgspec.json.encode(node).decode(), now)

    async def leave(self, node_id: str) -> None:
        """Be listed no more."""
        with contextlib.suppress(StorageError, TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS), self._storage.writing() as connection:
                await connection.execute(delete(nodes).where(nodes.c.id == node_id))


async def listed(storage: Storage) -> Sequence[Node]:
    """Those that are there, by their names. Raises StorageError."""
    async with storage.reading() as connection:
        now = await micros_now(connection, storage)
        query = select(nodes).where(nodes.c.seen > now - int(GONE_SECONDS * _MICROS))
        rows = (await connection.execute(query)).all()
    return in_order(_node(row.id, max(0, now - row.seen) / _MICROS, row.told) for row in rows)


async def _keep(connection: AsyncConnection, node_id: str, told: str, now: int) -> None:
    own = update(nodes).where(nodes.c.id == node_id).values(seen=now, told=told)
    if (await connection.execute(own)).rowcount:
        return
    # Once for each start of a process, which is often enough: those that died are listed no more in any case.
    await connection.execute(delete(nodes).where(nodes.c.seen <= now - int(GONE_SECONDS * _MICROS)))
    await connection.execute(insert(nodes).values(id=node_id, seen=now, told=told))


def _node(node_id: str, seen_seconds: float, told: str) -> Node | None:
    try:
        node = msgspec.json.decode(told, type=Node)
    except msgspec.MsgspecError:
        return None  # of a release that tells something else
    return msgspec.structs.replace(node, id=node_id, seen_seconds=seen_seconds)
