"""The unix socket on which the platform asks the daemon to place calls. No switch is ever on it: whoever may connect
places calls in the name of every tenant, so it has permissions of its own."""

from collections.abc import Mapping

from sidecar.configuration.tree import Configuration
from sidecar.errors import ConfigurationError
from sidecar.lifecycle import PartState
from sidecar.switches.socket import rpc_limits
from sipio.errors import LocalError
from sipio.rpc.addresses import UnixAddress
from sipio.rpc.server import RpcServer
from sipio.rpc.service import Method


class PlatformSocket:
    """The part of the daemon that serves the platform; there is none where scripts place no calls."""

    name = "platform_socket"
    drain_seconds = 0.0

    def __init__(self, configuration: Configuration, methods: Mapping[str, Method]) -> None:
        section = configuration.originate
        self._address: UnixAddress | None = None
        if section.servers_file is not None and section.socket is not None:
            self._address = UnixAddress(
                path=section.socket, mode=int(section.socket_mode, 8), group=section.socket_group
            )
        self._server = RpcServer(methods, rpc_limits(configuration.socket))

    async def start(self) -> None:
        """Listen. Raises ConfigurationError where the socket cannot be had."""
        if self._address is None:
            return
        try:
            await self._server.start([self._address])
        except LocalError as error:
            raise ConfigurationError(f"originate.socket: cannot listen on {error}") from error

    def refuse_calls(self) -> None:
        """Leave it to whoever places the calls, who refuses new ones in time."""

    def stop_accepting(self) -> None:
        """Take no connection, and refuse requests with a typed error."""
        self._server.stop_accepting()
        self._server.refuse_requests()

    async def drain(self) -> None:
        """What is asked here are calls, and they end."""

    def cancel_rest(self) -> None:
        """What is asked here are calls, and they end."""

    async def close(self) -> None:
        """Write out what was answered, then close."""
        await self._server.close()

    def state(self) -> PartState:
        """Nobody is brought a decision or a call here."""
        return PartState()
