"""The time that all who use a database agree about, whatever their own clocks say."""

import time
from collections.abc import Callable
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from sidecar.configuration.database_url import Database
from sidecar.storage.engine import Storage

Clock = Callable[[], float]
"""Seconds since 1970."""
_NOW: Final = {
    Database.POSTGRESQL: text("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)"),
    Database.MYSQL: text("SELECT CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED)"),
}


async def micros_now(connection: AsyncConnection, storage: Storage, clock: Clock = time.time) -> int:
    """Microseconds since 1970, as a server has them; ``clock`` is SQLite's time, which has no server."""
    if storage.url.database is Database.SQLITE:
        return int(clock() * 1_000_000)
    return int((await connection.execute(_NOW[storage.url.database])).scalar_one())
