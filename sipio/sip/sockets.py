"""One UDP socket, and one TCP or TLS connection, of the SIP transports."""

import asyncio
import socket
from typing import Any, Final, Protocol

from sipio.errors import MalformedFrame, OversizedFrame
from sipio.sip.address import Address
from sipio.sip.stream import PONG, SipStream

WRITE_BYTES: Final = 1_048_576
"""Unsent bytes of one connection: a peer that stops reading is let go."""
IDLE_SECONDS: Final = 1_800.0
"""A connection without a byte either way for this long is closed; phones send a keep-alive every two minutes."""
RECEIVE_BUFFER: Final = 4 * 1_048_576
"""The receive buffer of a UDP socket: 2,000 INVITEs of 2 KB, should the loop be busy elsewhere for a moment."""


class TransportUser(Protocol):
    """Who is told what the sockets bring."""

    def received(self, data: bytes, source: Address) -> None: ...
    def connected(self, address: Address) -> None: ...
    def disconnected(self, address: Address) -> None: ...
    def failed(self, address: Address) -> None: ...


class ConnectionOwner(Protocol):
    """Who keeps the connections, and is told what they bring."""

    def opened(self, connection: "StreamConnection", address: Address) -> bool:
        """It is there; False where it is not to be kept."""
        ...

    def closed(self, connection: "StreamConnection") -> None: ...
    def received(self, data: bytes, source: Address) -> None: ...


class DatagramSocket(asyncio.DatagramProtocol):
    """One UDP socket."""

    def __init__(self, user: TransportUser, key: str) -> None:
        self._user: Final = user
        self._key: Final = key
        # No asyncio.DatagramTransport by isinstance under uvloop.
        self._transport: Any = None
        self.ipv6 = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        found = transport.get_extra_info("socket")
        self.ipv6 = found.family == socket.AF_INET6
        found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._user.received(data, Address("udp", addr[0], addr[1], self._key))

    def send(self, data: bytes, destination: Address) -> None:
        """Send one datagram; one that the system refuses is lost like any other."""
        if not self._transport.is_closing():
            self._transport.sendto(data, (destination.host, destination.port))

    def close(self) -> None:
        self._transport.close()


class StreamConnection(asyncio.Protocol):
    """One TCP or TLS connection, accepted or made."""

    def __init__(
        self, owner: ConnectionOwner, transport: str, destination: Address | None = None, *, local: str = ""
    ) -> None:
        self._owner: Final = owner
        self._local: Final = destination.local if destination is not None else local
        self._kind: Final = transport
        self._destination: Final = destination
        self._stream: Final = SipStream()
        self._transport: Any = None
        self._address = destination or Address(transport, "", 0)
        self._used = 0.0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._used = asyncio.get_running_loop().time()
        peer = transport.get_extra_info("peername")
        if not peer:
            transport.abort()
            return
        self._address = Address(self._kind, peer[0], peer[1], self._local)
        opened = self._owner.opened(self, self._address)
        if opened and self._destination is not None and self._destination != self._address:
            # Also found by the name it was asked for by.
            opened = self._owner.opened(self, self._destination)
        if not opened:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        now = self._used = asyncio.get_running_loop().time()
        try:
            found = self._stream.receive(data, now)
        except (MalformedFrame, OversizedFrame):
            # Nothing after it can be told apart.
            self._transport.abort()
            return
        for _ in range(found.pings):
            self.send(PONG)
        for message in found.messages:
            self._owner.received(message, self._address)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._owner.closed(self)

    def send(self, data: bytes) -> None:
        """Write a message; a peer that does not read is let go."""
        if self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() > WRITE_BYTES:
            self._transport.abort()
            return
        self._used = asyncio.get_running_loop().time()
        self._transport.write(data)

    def sweep(self, now: float) -> None:
        """Close it if it is idle, or in the middle of a message for too long."""
        try:
            self._stream.handle_timer(now)
        except MalformedFrame:
            self._transport.abort()
            return
        if now - self._used > IDLE_SECONDS:
            self._transport.close()

    def close(self) -> None:
        self._transport.close()
