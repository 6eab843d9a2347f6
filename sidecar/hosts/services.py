"""What the modules of the host work with: one of each for the process."""

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING

from sidecar.configuration.tree import Configuration
from sidecar.hosts.broker import Broker
from sidecar.hosts.outgoing.settings import outgoing_settings

if TYPE_CHECKING:
    from sidecar.hosts.outgoing.client import OutgoingClient


class Services:
    """The process's own. Lives on one event loop."""

    def __init__(self, configuration: Configuration) -> None:
        self._outgoing_settings = outgoing_settings(configuration.outgoing)
        self._outgoing: OutgoingClient | None = None
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

    async def close(self) -> None:
        """Let go of what was made. Nobody asks any more."""
        if self._outgoing is not None:
            await self._outgoing.close()
