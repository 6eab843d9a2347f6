"""Every kind of database, and a queue in each."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.database_fixtures import database_address, servers
from tests.sidecar.queue.queue_desk import QueueDesk, queue_desk

__all__ = ["database_address", "servers"]


@pytest.fixture
async def desk(database_address: str) -> AsyncIterator[QueueDesk]:
    async with queue_desk(database_address) as made:
        yield made


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[QueueDesk]:
    async with queue_desk(f"sqlite:///{tmp_path}/queue.db") as made:
        yield made
