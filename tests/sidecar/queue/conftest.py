"""Every kind of database."""

from tests.database_fixtures import database_address, servers

__all__ = ["database_address", "servers"]
