"""The Valkey or Redis and the databases of the test run."""

from tests.database_fixtures import database_address, servers

__all__ = ["database_address", "servers"]
