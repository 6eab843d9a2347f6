"""Fixtures over each kind of database, for a folder's conftest to have."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.database_servers import Servers, new_database

DATABASES = ("sqlite", "postgresql", "mysql")


@pytest.fixture(scope="session")
def servers() -> Iterator[type[Servers]]:
    """The servers that tests have started, which end with the run."""
    yield Servers
    Servers.close()


@pytest.fixture(params=DATABASES)
def database_address(request: pytest.FixtureRequest, tmp_path: Path, servers: type[Servers]) -> str:
    """The address of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'platform.db'}"
    return new_database(request.param)
