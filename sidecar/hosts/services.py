"""What the modules of the host work with: one of each for the process."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection
from importlib import import_module
from typing import TYPE_CHECKING, Final

from sidecar.configuration.tree import Configuration
from sidecar.hosts.broker import Broker
from sidecar.hosts.errors import HostError, HostUnavailable
from sidecar.hosts.key_values.batch import SpaceLimits
from sidecar.hosts.key_values.store import KeyValues, keeper_of
from sidecar.hosts.outgoing.settings import outgoing_settings

if TYPE_CHECKING:
    from sidecar.hosts.outgoing.client import OutgoingClient
    from sidecar.hosts.rows.store import RowDatabases
    from sidecar.hosts.variables import HostVariables

SWEEP_SECONDS: Final = 10.0
"""Key-values that have ended count among a tenant's for about as long."""


class Services:
    """The process's own. Lives on one event loop."""

    def __init__(
        self, configuration: Configuration, *, at_desk: bool = False, clock: Callable[[], float] = time.time
    ) -> None:
        """``at_desk``: a script is tried, and keeps what it keeps in memory."""
        self._at_desk = at_desk
        self._clock = clock
        self._storage = configuration.storage
        self._url = None if at_desk else configuration.storage.url or configuration.catalog.url
        self._outgoing_settings = outgoing_settings(configuration.outgoing)
        self._outgoing: OutgoingClient | None = None
        self._key_values: KeyValues | None = None
        self._rows: RowDatabases | None = None
        self._catalog = None if at_desk else configuration.catalog.url
        self._variables: HostVariables | None = None
        self._sweeping: asyncio.Task[None] | None = None
        self._imports = asyncio.Lock()
        self.broker = Broker()

    async def outgoing(self) -> "OutgoingClient":
        """The HTTP client of scripts."""
        async with self._imports:
            if self._outgoing is None:
                # In a thread, since who decides without it must not wait for it to be imported: it takes 0.2 s.
                client = await asyncio.to_thread(import_module, "sidecar.hosts.outgoing.client")
                self._outgoing = client.OutgoingClient(self._outgoing_settings)
        return self._outgoing

    async def key_values(self) -> KeyValues:
        """What scripts keep by key. Raises HostError where there is no database."""
        if self._key_values is not None:
            return self._key_values
        if self._url is None and not self._at_desk:
            raise HostError("nothing can be kept here: the operator has named no database (storage.url)")
        async with self._imports:
            if self._key_values is None:
                section = self._storage
                limits = SpaceLimits(keys=section.keys_per_tenant, bytes=section.key_bytes_per_tenant)
                # In a thread: that of a server imports SQLAlchemy.
                keeper = await asyncio.to_thread(keeper_of, self._url, limits, self._clock)
                self._key_values = KeyValues(keeper, limits)
                self._sweeping = asyncio.get_running_loop().create_task(self._sweep(self._key_values))
        return self._key_values

    async def rows(self) -> "RowDatabases":
        """The databases of rows. Raises HostError where there is none to keep them in."""
        if self._url is None:
            raise HostError("there are no databases here: the operator has named none to keep them in (storage.url)")
        async with self._imports:
            if self._rows is None:
                store = await asyncio.to_thread(import_module, "sidecar.hosts.rows.store")
                self._rows = store.RowDatabases(self._url, self._clock)
        return self._rows

    async def variables(self) -> "HostVariables | None":
        """The variables of apps; None where they are in files."""
        if self._catalog is None:
            return None
        async with self._imports:
            if self._variables is None:
                variables = await asyncio.to_thread(import_module, "sidecar.hosts.variables")
                self._variables = variables.HostVariables(self._catalog)
        return self._variables

    async def expect(self, modules: Collection[str]) -> None:
        """Have ready what these modules work with: who asks first does not wait for it."""
        if "fetch" in modules:
            await self.outgoing()
        if "cxKV" in modules:
            with contextlib.suppress(HostError):  # which whoever asks is told
                await self.key_values()
        if "cxUserspace" in modules:
            with contextlib.suppress(HostError):
                await self.rows()

    async def close(self) -> None:
        """Let go of what was made. Nobody asks any more."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.wait([self._sweeping])
        if self._key_values is not None:
            await self._key_values.close()
        if self._rows is not None:
            await self._rows.close()
        if self._variables is not None:
            await self._variables.close()
        if self._outgoing is not None:
            await self._outgoing.close()

    async def _sweep(self, key_values: KeyValues) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            with contextlib.suppress(HostUnavailable):  # which has been logged
                await key_values.sweep()
