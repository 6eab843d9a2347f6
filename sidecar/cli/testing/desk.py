"""What one test has around its scripts: the modules that keep things, with nothing kept, and the scripts' time."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

import msgspec

from sandbox.host import HostCall
from sidecar.catalog.model import OPERATOR, Script
from sidecar.cli.testing.faked_modules import own_grants
from sidecar.configuration.tree import Configuration
from sidecar.hosts.desk_variables import DESK_APP
from sidecar.hosts.errors import HostError
from sidecar.hosts.rows.model import ColumnType, RowColumn
from sidecar.hosts.services import Services

ROWS: Final = 1_000
"""Of one database, that a test begins with."""


class DatabaseAsked(msgspec.Struct, kw_only=True):
    """What ``database(name, columns, rows)`` asks for."""

    name: str
    columns: dict[str, ColumnType] = {}
    rows: list[dict[str, Any]] = []


class Desk:
    """Of one test. Lives on one event loop."""

    def __init__(self, configuration: Configuration, own: Script) -> None:
        """``own`` is the test's own program, which asks modules as well."""
        self._time: float | None = None
        self._loop = asyncio.get_running_loop()
        self._ahead: float | None = None
        self.services = Services(configuration, at_desk=True, clock=self.time)
        self._host = own_grants(self.services).host(own, "")
        self.asked: Callable[[HostCall], None] = self._host.asked
        """The test's own program asks a module."""

    def time(self) -> float:
        """Seconds since 1970: a script's while one runs, and then what they were at its end."""
        if self._ahead is not None:
            return self._loop.time() + self._ahead
        return time.time() if self._time is None else self._time

    @contextmanager
    def running(self, begin: datetime) -> Iterator[None]:
        """A script runs, and begins at this time."""
        self._ahead = begin.timestamp() - self._loop.time()
        try:
            yield
        finally:
            self._time, self._ahead = self.time(), None

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """A script's variables: what its test says, and what scripts have set since."""
        desk = self.services.desk_variables
        return {**given, **(desk.of(OPERATOR, DESK_APP) if desk is not None else {})}

    async def make_database(self, asked: DatabaseAsked) -> None:
        """Make a database of rows. Raises HostError for one that cannot be."""
        columns = [RowColumn(name=name, type=type_) for name, type_ in asked.columns.items()]
        if len(asked.rows) > ROWS:
            raise HostError(f"has more than {ROWS} rows")
        rows = await self.services.rows()
        try:
            await rows.inventory.make(OPERATOR, asked.name, columns)
        except ValueError as error:
            raise HostError(str(error)) from None
        for row in asked.rows:
            values = {name: value for name, value in row.items() if name != "key"}
            await rows.create(OPERATOR, asked.name, row.get("key", ""), values)

    async def close(self) -> None:
        """Let go of what was kept."""
        self._host.ended()
        await self.services.close()
