"""The MessagePack-RPC server: unix and TCP sockets at once, one set of methods and caps over all."""

import asyncio
import contextlib
import functools
import logging
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from sipio.errors import LocalError
from sipio.held_socket import HeldSocket
from sipio.rpc.addresses import AllowList, ListenAddress, TcpAddress, UnixAddress
from sipio.rpc.counters import RpcSnapshot
from sipio.rpc.errors import ErrorBody, ErrorCode
from sipio.rpc.limits import RpcLimits
from sipio.rpc.listener import LISTENER, Listener, listen_tcp, listen_unix
from sipio.rpc.messages import encode_notification
from sipio.rpc.peer import RpcPeer
from sipio.rpc.protocol import LINGER_SECONDS, RpcProtocol
from sipio.rpc.service import Method, Service

logger = logging.getLogger(__name__)

_TOO_MANY: Final = encode_notification("error", (ErrorBody(ErrorCode.OVERLOADED, "too many connections"),))


CONNECTION: Final = "connection"
"""The role of a connection that is held."""


class RpcServer:
    """Serves ``methods``. The end of its life: `stop_accepting`, `drain`, `close`; or, where another process is to go
    on with its sockets, `hold`, `hand_over`, `let_go`."""

    def __init__(self, methods: Mapping[str, Method], limits: RpcLimits | None = None) -> None:
        self._drained = asyncio.Event()
        self._limits = limits or RpcLimits()
        self._service = Service(methods, self._limits, self._drained.set)
        self._listeners: list[Listener] = []
        self._connections: dict[RpcProtocol, None] = {}
        self._handshakes: set[asyncio.Task[None]] = set()
        self._open = 0

    async def start(
        self,
        addresses: Sequence[ListenAddress],
        held: Sequence[HeldSocket] = (),
        adopted: Callable[[RpcPeer, HeldSocket], None] | None = None,
    ) -> list[ListenAddress]:
        """Listen on all of them, or on none: `LocalError`. Gives the addresses with the ports really
        bound.

        ``held`` are sockets of the process before: what these addresses still have a place for is gone on with, and
        ``adopted`` is told of each connection of them before anything is read from it. The rest is closed.
        """
        bound: list[ListenAddress] = []
        listening = [one for one in held if one.role == LISTENER]
        try:
            for address in addresses:
                bound.extend(await self._listen(address, listening))
        except LocalError:
            self.stop_accepting()
            raise
        used = {listener.socket for listener in self._listeners}
        for one in held:
            if one.role == CONNECTION:
                self._go_on(one, addresses, adopted)
            elif one.socket not in used:
                one.discard()
        return bound

    def snapshot(self) -> RpcSnapshot:
        """The counters as they are now."""
        return self._service.counters.snapshot(connections=self._open, in_flight=self._service.in_flight)

    @property
    def connections(self) -> frozenset[RpcProtocol]:
        """The connections open now."""
        return frozenset(self._connections)

    def stop_accepting(self) -> None:
        """Close the listening sockets. Connections stay."""
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()

    def refuse_requests(self) -> None:
        """Answer new requests with ``shutting_down`` from now on; those being worked on go on."""
        self._service.draining = True

    async def drain(self, seconds: float) -> int:
        """Refuse new requests with ``shutting_down`` and wait until those being worked on are answered.

        Gives how many were not within ``seconds``.
        """
        self.refuse_requests()
        if self._service.in_flight:
            self._drained.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._drained.wait(), seconds)
        return self._service.in_flight

    def hold(self) -> None:
        """Accept and read no more: what comes waits in the kernel."""
        for listener in self._listeners:
            listener.hold()
        for connection in self._connections:
            connection.hold()

    def resume(self) -> None:
        """Accept and read again after `hold`."""
        for listener in self._listeners:
            listener.resume()
        for connection in self._connections:
            connection.resume()

    @property
    def at_rest(self) -> bool:
        """Whether nobody waits for an answer over any connection, in either direction."""
        return not self._handshakes and all(connection.at_rest for connection in self._connections)

    def hand_over(self) -> list[tuple[RpcPeer | None, HeldSocket]]:
        """The sockets as another process may go on with them, each connection with its peer. Those under TLS are not
        among them, nor those that are not at rest. To be called when held."""
        held: list[tuple[RpcPeer | None, HeldSocket]] = [(None, one.hand_over()) for one in self._listeners]
        for connection in self._connections:
            one = connection.hand_over(CONNECTION)
            if one is not None:
                held.append((connection.peer, one))
        return held

    def let_go(self) -> None:
        """Give up every socket; those that were handed over live on where they went."""
        for listener in self._listeners:
            listener.let_go()
        self._listeners.clear()
        for connection in self._connections:
            connection.let_go()

    async def close(self) -> None:
        """End every connection. What is still being worked on is cancelled; answers given are sent first."""
        self.stop_accepting()
        self._service.draining = True
        handshakes = list(self._handshakes)
        for task in handshakes:
            task.cancel()
        await asyncio.gather(*handshakes, return_exceptions=True)
        connections = list(self._connections)
        for connection in connections:
            if connection.in_flight:
                connection.cancel_and_finish()
            else:
                connection.finish()
        if connections:
            await asyncio.wait([connection.peer.ended for connection in connections], timeout=LINGER_SECONDS)
        for connection in connections:
            connection.abort()
        for connection in connections:
            await connection.peer.ended

    async def _listen(self, address: ListenAddress, held: Sequence[HeldSocket]) -> list[ListenAddress]:
        if isinstance(address, UnixAddress):
            accept = functools.partial(self._accept, allow=None, tls=None)
            self._listeners.append(Listener(listen_unix(address, held), accept))
            return [address]
        tls = address.tls.server_context() if address.tls is not None else None
        accept = functools.partial(self._accept, allow=AllowList(address.allow), tls=tls)
        bound: list[ListenAddress] = []
        for listening in await listen_tcp(address, held):
            host, port = listening.getsockname()[:2]
            bound.append(TcpAddress(host=host, port=port, allow=address.allow, tls=address.tls))
            self._listeners.append(Listener(listening, accept))
        return bound

    def _accept(self, connection: socket.socket, *, allow: AllowList | None, tls: ssl.SSLContext | None) -> None:
        refused = self._service.counters.refused_connections
        if allow is not None:
            try:
                host = str(connection.getpeername()[0])
            except OSError:
                connection.close()
                return
            if not allow.allows(host):
                refused["allow_list"] += 1
                logger.warning("rpc_connection_not_allowed", extra={"peer": host})
                connection.close()
                return
        if self._open >= self._limits.connections:
            refused["connections"] += 1
            if tls is None:
                with contextlib.suppress(OSError):
                    connection.send(_TOO_MANY)
            connection.close()
            return
        self._begin(RpcProtocol(self._service, self._ended), connection, tls)

    def _go_on(
        self,
        held: HeldSocket,
        addresses: Sequence[ListenAddress],
        adopted: Callable[[RpcPeer, HeldSocket], None] | None,
    ) -> None:
        if self._open >= self._limits.connections or not _welcome(held.socket, addresses):
            held.discard()
            return
        protocol = RpcProtocol(self._service, self._ended, held)
        if adopted is not None:
            adopted(protocol.peer, held)
        self._begin(protocol, held.socket, None)

    def _begin(self, protocol: RpcProtocol, connection: socket.socket, tls: ssl.SSLContext | None) -> None:
        self._open += 1
        task = asyncio.get_running_loop().create_task(self._adopt(protocol, connection, tls))
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)

    async def _adopt(self, protocol: RpcProtocol, connection: socket.socket, tls: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(
                lambda: protocol,
                connection,
                ssl=tls,
                ssl_handshake_timeout=self._limits.partial_frame_seconds if tls is not None else None,
            )
        except (OSError, ssl.SSLError) as error:
            self._service.counters.refused_connections["tls"] += 1
            logger.warning("rpc_handshake_failed", extra={"reason": str(error)})
            self._abandon(protocol, connection)
            return
        except asyncio.CancelledError:
            self._abandon(protocol, connection)
            raise
        self._service.counters.accepted += 1
        if not protocol.peer.ended.done():
            self._connections[protocol] = None

    def _abandon(self, protocol: RpcProtocol, connection: socket.socket) -> None:
        connection.close()
        if not protocol.peer.ended.done():
            protocol.end("the connection was never made")
            self._open -= 1

    def _ended(self, protocol: RpcProtocol) -> None:
        self._open -= 1
        self._connections.pop(protocol, None)


def _welcome(connection: socket.socket, addresses: Sequence[ListenAddress]) -> bool:
    """Whether a connection of the process before could have been made to one of these addresses."""
    if connection.family == socket.AF_UNIX:
        return any(isinstance(address, UnixAddress) for address in addresses)
    try:
        host = str(connection.getpeername()[0])
    except OSError:
        return False
    return any(
        isinstance(address, TcpAddress) and address.tls is None and AllowList(address.allow).allows(host)
        for address in addresses
    )
