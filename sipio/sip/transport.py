"""SIP's sockets: UDP, TCP and TLS, listening and connecting. Nothing here knows what a message says."""

import asyncio
import contextlib
import os
import socket
import ssl
from typing import Any, Final

import msgspec

from sipio.errors import LocalError
from sipio.sip.address import TRANSPORTS, Address, is_ip_address
from sipio.sip.dns_locator import DnsLocator
from sipio.sip.own_addresses import UNSPECIFIED
from sipio.sip.server_lookup import ServerLookup
from sipio.sip.sockets import DatagramSocket, StreamConnection, TransportUser

CONNECTIONS: Final = 4_000
"""Connections up at a time, in and out; a further one is closed at once."""
CONNECTING_MESSAGES: Final = 256
"""Messages that wait for one connection or one name to be ready."""
CONNECT_SECONDS: Final = 5.0
"""For a connection, its TLS included; SYNs are sent at 0, 1 and 3 s."""
SWEEP_SECONDS: Final = 5.0


class CannotListen(LocalError):
    """An address cannot be listened on. Its text names the address, and says why."""


class SipListener(msgspec.Struct, frozen=True, kw_only=True):
    """What to listen on: one socket for each address of its host. Traffic of a dialog that came in by a listener leaves
    by it; what we begin leaves by the one at the address that the peer is reached from, else by the first of its
    transport and address family."""

    transport: str = "udp"
    """``udp``, ``tcp`` or ``tls``."""
    host: str = "127.0.0.1"
    port: int = 5060
    """0 for any free one; `SipEndpoint.addresses` tells it."""
    advertised_host: str = ""
    """In Via, Contact and SDP; empty for ``host``, or where that is a wildcard for the address that the peer sees."""
    advertised_port: int = 0
    """In Via and Contact; 0 for the port listened on."""
    tls: ssl.SSLContext | None = None
    """Server side, for ``tls``."""


class SipTransports:
    """All sockets of one endpoint."""

    def __init__(self, user: TransportUser, client_tls: ssl.SSLContext | None, locator: DnsLocator) -> None:
        self._user: Final = user
        self._locator: Final = locator
        self._client_tls: Final = client_tls
        self._datagrams: dict[str, DatagramSocket] = {}
        self._servers: list[asyncio.Server] = []
        self._stream_hosts: dict[str, str] = {}
        """The IP address of each listener for connections."""
        self._connections: dict[Address, StreamConnection] = {}
        self._connecting: dict[Address, list[bytes]] = {}
        self._locating: dict[Address, list[bytes]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._closing = False

    @property
    def connection_count(self) -> int:
        """Connections that are up."""
        return len(set(self._connections.values()))

    async def listen(self, listener: SipListener) -> list[Address]:
        """Bind every address that the listener's host has. Returns them, each with its `Address.local`.

        Raises:
            CannotListen: one cannot be had.
            LocalError: an unknown transport, or ``tls`` without a context.
        """
        loop = asyncio.get_running_loop()
        transport = listener.transport
        if transport not in TRANSPORTS or (transport == "tls" and listener.tls is None):
            raise LocalError(f"cannot listen on {transport!r}")
        if self._sweep is None:
            self._sweep = loop.call_later(SWEEP_SECONDS, self._sweep_connections)
        bound = []
        try:
            kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
            found = await loop.getaddrinfo(listener.host, listener.port, type=kind, flags=socket.AI_PASSIVE)
            for family, _, protocol, _, where in dict.fromkeys(found):
                with contextlib.ExitStack() as stack:
                    listening = stack.enter_context(socket.socket(family, kind, protocol))
                    bound.append(await self._listen(listener, listening, where))
                    stack.pop_all()
        except OSError as error:
            shown = Address(transport, listener.host, listener.port).host_port
            # asyncio wraps what the system says in a sentence of its own, with the address once more.
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
            raise CannotListen(f"{transport}:{shown}: {reason or error}") from error
        return bound

    async def _listen(self, listener: SipListener, listening: socket.socket, where: Any) -> Address:
        loop = asyncio.get_running_loop()
        if listening.family == socket.AF_INET6:
            # Each family has a socket of its own, as its addresses in our messages are its own.
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.setblocking(False)
        if listener.transport != "udp":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(where)
        host, port = listening.getsockname()[:2]
        key = f"{listener.transport}/{host}/{port}"
        if listener.transport == "udp":
            datagrams = DatagramSocket(self._user, key)
            await loop.create_datagram_endpoint(lambda: datagrams, sock=listening)
            self._datagrams[key] = datagrams
        else:
            server = await loop.create_server(
                lambda: StreamConnection(self, listener.transport, local=key),
                sock=listening,
                ssl=listener.tls if listener.transport == "tls" else None,
            )
            self._servers.append(server)
            self._stream_hosts[key] = host
        return Address(listener.transport, host, port, key)

    def send(self, destination: Address, data: bytes) -> None:
        """Send a message, resolving and connecting first where that is needed. Failure is told to the user later."""
        if self._closing:
            return
        if destination.transport not in TRANSPORTS:
            # What a peer wrote into Contact or Route, such as ws: as far away as a host that takes no connection.
            asyncio.get_running_loop().call_soon(self._user.failed, destination)
            return
        if destination.transport == "udp":
            if not is_ip_address(destination.host):
                self._send_to_name(destination, data)
                return
            datagrams = self._datagrams.get(destination.local)
            if datagrams is None or datagrams.ipv6 != (":" in destination.host):
                datagrams = self._first_datagrams(destination)
            if datagrams is not None:
                datagrams.send(data, destination)
            return
        connection = self._connections.get(destination)
        if connection is not None:
            connection.send(data)
            return
        waiting = self._connecting.get(destination)
        if waiting is None:
            self._connecting[destination] = [data]
            self._spawn(self._connect(destination))
        elif len(waiting) < CONNECTING_MESSAGES:
            waiting.append(data)

    async def close(self) -> None:
        """Close every socket, what was written to connections first."""
        self._closing = True
        if self._sweep is not None:
            self._sweep.cancel()
        for server in self._servers:
            server.close()
        for connection in set(self._connections.values()):
            connection.close()
        for datagrams in self._datagrams.values():
            datagrams.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ---- what connections call ----

    def opened(self, connection: StreamConnection, address: Address) -> bool:
        """A connection is up; False where there are too many."""
        if self._closing or len(self._connections) >= CONNECTIONS:
            return False
        self._connections[address] = connection
        self._user.connected(address)
        return True

    def closed(self, connection: StreamConnection) -> None:
        """A connection is gone, whatever it was known by."""
        for address in [known for known, other in self._connections.items() if other is connection]:
            del self._connections[address]
            if not self._closing:
                self._user.disconnected(address)

    def received(self, data: bytes, source: Address) -> None:
        """A message has come by a connection."""
        self._user.received(data, source)

    # ---- names and connections ----

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _first_datagrams(self, destination: Address) -> DatagramSocket | None:
        for datagrams in self._datagrams.values():
            if datagrams.ipv6 == (":" in destination.host):
                return datagrams
        return None

    async def _connect(self, destination: Address) -> None:
        tls = destination.transport == "tls"
        if tls and self._client_tls is None:
            # No context, no connections over TLS: as unreachable as any other.
            self._connecting.pop(destination, None)
            self._user.failed(destination)
            return
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                connection = await self._connected(destination)
        except (OSError, TimeoutError):
            self._connecting.pop(destination, None)
            self._user.failed(destination)
            return
        for data in self._connecting.pop(destination, ()):
            connection.send(data)

    async def _connected(self, destination: Address) -> StreamConnection:
        """A connection to an address, or to the first server of a name that takes one.

        Raises:
            OSError: none takes one.
        """
        tls = destination.transport == "tls"
        servers = [destination]
        if not is_ip_address(destination.host):
            servers = await self._locator.locate(_lookup(destination))
        failure = OSError(f"no server for {destination.host}")
        for server in servers:
            try:
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: StreamConnection(self, destination.transport, destination),
                    server.host,
                    server.port,
                    ssl=self._client_tls if tls else None,
                    server_hostname=(server.name or server.host) if tls else None,
                    local_addr=self._leaves_from(destination, server),
                )
            except OSError as error:
                failure = error
            else:
                return connection
        raise failure

    def _leaves_from(self, destination: Address, server: Address) -> tuple[str, int] | None:
        """The address of the listener that a connection belongs to; None where the system is to choose."""
        host = self._stream_hosts.get(destination.local, "")
        if not host or host in UNSPECIFIED or (":" in host) != (":" in server.host):
            return None
        return host, 0

    def _send_to_name(self, destination: Address, data: bytes) -> None:
        known = self._locator.known(_lookup(destination))
        if known is not None:
            self._send_to_first(destination, known, [data])
            return
        waiting = self._locating.get(destination)
        if waiting is None:
            self._locating[destination] = [data]
            self._spawn(self._locate(destination))
        elif len(waiting) < CONNECTING_MESSAGES:
            waiting.append(data)

    async def _locate(self, destination: Address) -> None:
        servers = await self._locator.locate(_lookup(destination))
        self._send_to_first(destination, servers, self._locating.pop(destination, []))

    def _send_to_first(self, destination: Address, servers: list[Address], messages: list[bytes]) -> None:
        """Send to the first server that one of our sockets reaches."""
        for server in servers:
            address = server._replace(local=destination.local)
            if self._first_datagrams(address) is not None:
                for data in messages:
                    self.send(address, data)
                return
        # Not from inside of `send`: whoever called it is in the middle of something.
        asyncio.get_running_loop().call_soon(self._user.failed, destination)

    def _sweep_connections(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in set(self._connections.values()):
            connection.sweep(now)
        self._sweep = loop.call_later(SWEEP_SECONDS, self._sweep_connections)


def _lookup(destination: Address) -> ServerLookup:
    return ServerLookup(destination.host, destination.port, (destination.transport,))
