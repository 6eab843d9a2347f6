"""Servers of databases."""

from tests.database_fixtures import servers

__all__ = ["servers"]
