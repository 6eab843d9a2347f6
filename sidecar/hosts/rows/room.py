"""How many rows a tenant has and may have."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sidecar.hosts.errors import HostError
from sidecar.hosts.rows.inventory import RowInventory, table_of

COUNTED_SECONDS: Final = 10.0
"""After so long a tenant's rows are counted anew: other processes make some too."""


@dataclass(frozen=True, slots=True)
class _Count:
    since: float
    databases: frozenset[int]
    rows: int


class Room:
    """The rows of each tenant, counted now and then and followed between. Lives on one event loop."""

    def __init__(self, inventory: RowInventory, most: Callable[[str], int | None]) -> None:
        """``most``: how many rows a tenant may keep; None for as many as it likes."""
        self._inventory = inventory
        self._most = most
        self._counted: dict[str, _Count] = {}

    async def require(self, connection: AsyncConnection, tenant: str, new: int, gone: int = 0) -> None:
        """Raise HostError where a tenant may not have so many more."""
        most = self._most(tenant)
        if most is None:
            return
        now, databases = time.monotonic(), (await self._inventory.databases(tenant)).values()
        there = frozenset(database.id for database in databases)
        counted = self._counted.get(tenant)
        # Another process may have made or removed a database as well as rows.
        if counted is None or counted.databases != there or now - counted.since > COUNTED_SECONDS:
            rows = gone
            for database in databases:
                query = select(func.count()).select_from(table_of(database))
                rows += (await connection.execute(query)).scalar_one()
            counted = self._counted[tenant] = _Count(now, there, rows)
        if counted.rows + new > most:
            raise HostError(f"{counted.rows:_} rows are kept already, and no more than {most:_} may be", "RangeError")

    def add(self, tenant: str, rows: int) -> None:
        """So many rows of a tenant have come, or gone where it is below nothing."""
        counted = self._counted.get(tenant)
        if counted is not None:
            self._counted[tenant] = replace(counted, rows=counted.rows + rows)
