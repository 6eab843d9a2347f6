"""A process has itself listed among those that belong together, as long as it lives."""

import asyncio
import os
import platform
import time
from collections.abc import Callable
from typing import NamedTuple

from sidecar import __version__
from sidecar.hosts.services import Services
from sidecar.lifecycle import PartState
from sidecar.nodes.in_shared import SharedListing
from sidecar.nodes.node import Listing, Node


class Load(NamedTuple):
    """What a process does now."""

    catalog: str
    """The version of scripts and assignments."""
    revision: int | None
    """The last change of the database that they have; None where they are of no database."""
    runs: int
    """Under way."""
    calls: int
    """Up."""


class Presence:
    """A `sidecar.lifecycle.Part`: listed in what is shared, else in the database, else nowhere."""

    name = "presence"
    drain_seconds = 0.0

    def __init__(
        self, services: Services, role: str, name: str, load: Callable[[], Load], database: Listing | None
    ) -> None:
        """``role`` is ``daemon`` or ``platform``, ``name`` the machine's, where it is not that of the host."""
        self._services = services
        self._role = role
        self._name = name or platform.node()
        self._load = load
        self._listing = database
        self._id = os.urandom(8).hex()
        self._since = time.time_ns() // 1_000
        self._beating: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to tell, which waits for nobody. Raises SharedError where packages are missing."""
        shared = await self._services.shared()
        if shared is not None:
            self._listing = SharedListing(shared)
        if self._listing is not None:
            self._beating = asyncio.get_running_loop().create_task(self._beat(self._listing))

    def refuse_calls(self) -> None:
        """Nothing: no call comes here."""

    def stop_accepting(self) -> None:
        """Go on: it is there until it ends."""

    async def drain(self) -> None:
        """Return at once: nobody waits for what is told."""

    def cancel_rest(self) -> None:
        """Nothing is being done for anybody."""

    async def close(self) -> None:
        """Be listed no more."""
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.wait([self._beating])
            self._beating = None
            assert self._listing is not None  # noqa: S101 - it was told
            await self._listing.leave(self._id)

    def state(self) -> PartState:
        """Nothing depends on it."""
        return PartState()

    async def _beat(self, listing: Listing) -> None:
        runs, since = self._runs(), time.monotonic()
        while True:
            before, runs = runs, self._runs()
            then, since = since, time.monotonic()
            load = self._load()
            node = Node(
                id=self._id,
                name=self._name,
                role=self._role,
                pid=os.getpid(),
                version=__version__,
                catalog=load.catalog,
                revision=load.revision,
                since=self._since,
                runs=load.runs,
                calls=load.calls,
                runs_a_second=round((runs - before) / max(since - then, 0.001), 1),
            )
            await listing.tell(node)
            await asyncio.sleep(listing.beat_seconds)

    def _runs(self) -> int:
        return sum(used.runs for _, _, used in self._services.usage.totals())
