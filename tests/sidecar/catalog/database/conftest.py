"""A catalog in each kind of database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.database_fixtures import database_address, servers
from tests.sidecar.catalog.database.store_desk import Desk, made

__all__ = ["database_address", "servers"]


@pytest.fixture
async def desk(database_address: str) -> AsyncIterator[Desk]:
    """A store in each kind of database, with the operator and the tenant acme."""
    desk = await made(database_address)
    yield desk
    await desk.close()


@pytest.fixture
async def sqlite_desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """The same in SQLite, for what does not depend on the database."""
    desk = await made(f"sqlite:///{tmp_path / 'platform.db'}")
    yield desk
    await desk.close()
