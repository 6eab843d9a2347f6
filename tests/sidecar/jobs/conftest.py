"""Servers of databases, and an empty one of each kind."""

from tests.database_fixtures import database_address, servers

__all__ = ["database_address", "servers"]
