"""The Valkey or Redis of the test run."""

from tests.database_fixtures import servers

__all__ = ["servers"]
