"""Connections to the Valkey or Redis of a test run."""

import os
from itertools import count

from sidecar.configuration.shared_url import SharedUrl
from sidecar.shared.connection import Shared
from tests.database_servers import HOST, Server, Servers

_numbers = count(1)


def new_prefix() -> str:
    """What nobody's keys begin with yet."""
    return f"test-{os.getpid()}-{next(_numbers)}"


def shared_address(server: Server | None = None) -> str:
    """The address of the run's server, or of this one."""
    return f"valkey://{HOST}:{(server or Servers.get('valkey')).port}/0"


def new_shared(server: Server | None = None, prefix: str | None = None) -> Shared:
    """A connection, by default one that shares with no other."""
    return Shared(SharedUrl.parse(shared_address(server)), prefix or new_prefix())
