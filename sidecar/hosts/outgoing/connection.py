"""One connection of a script: what came and was not read is bounded, and so is all that goes each way."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, Final, cast

from sidecar.hosts.outgoing.certificates import shown
from sidecar.hosts.outgoing.connection_errors import LIMIT, ConnectionFailed, of_system, of_tls

HELD_BYTES: Final = 131_072
"""Of what came and was not read; then the peer waits. What the kernel or TLS gives at once may be as much again."""
PIECE_BYTES: Final = 65_536
"""Of one answer to who reads, as much as Node's are."""


class Connection(asyncio.Protocol):
    """Lives on one event loop. Made by `sidecar.hosts.outgoing.connections`."""

    def __init__(self, most: int, idle_seconds: float, closed: Callable[[], None]) -> None:
        """``most`` bytes go each way, and it is ended once none have for ``idle_seconds``. ``closed`` is called once,
        when it is over."""
        self.address = ""
        """The peer's."""
        self.port = 0
        self.local_address = ""
        self.local_port = 0
        self._most: Final = most
        self._idle_seconds: Final = idle_seconds
        self._closed: Callable[[], None] | None = closed
        self._transport: asyncio.Transport | None = None
        self._held = bytearray()
        self._ended = False
        """Nothing more comes."""
        self._failed: ConnectionFailed | None = None
        self._came = self._went = 0
        self._reading: asyncio.Future[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._paused = False
        self._half_closed = False
        self._upgrading = False
        self._secured = False
        self._loop = asyncio.get_running_loop()
        self._moved_at = self._loop.time()
        self._idle = self._loop.call_later(idle_seconds, self._look)

    # ---- the script's side ----

    async def read(self) -> bytes | None:
        """What came, some of it at least; empty at the end, None where the connection becomes TLS meanwhile. Raises
        ConnectionFailed."""
        if self._reading is not None:
            raise ConnectionFailed("ERR_INVALID_STATE", "it is being read already")
        while not self._held and not self._ended and self._failed is None:
            if self._upgrading:
                return None
            self._reading = self._loop.create_future()
            try:
                await self._reading
            finally:
                self._reading = None
        if self._held:
            piece = bytes(self._held[:PIECE_BYTES])
            del self._held[:PIECE_BYTES]
            self._flow()
            return piece
        if self._failed is not None:
            raise self._failed
        return b""

    async def write(self, data: bytes) -> None:
        """Send bytes; returns once there is room for more. Raises ConnectionFailed."""
        if self._failed is not None:
            raise self._failed
        if self._transport is None or self._half_closed or self._transport.is_closing():
            raise ConnectionFailed("EPIPE", "write EPIPE", "write")
        if self._upgrading:
            raise ConnectionFailed("ERR_INVALID_STATE", "it is becoming TLS")
        self._went += len(data)
        if self._went > self._most:
            raise ConnectionFailed(LIMIT, f"more than {self._most} bytes are sent over one connection")
        self._moved_at = self._loop.time()
        self._transport.write(data)
        await self._writable.wait()
        if self._failed is not None:
            raise self._failed

    def half_close(self) -> None:
        """Send no more than what was written."""
        if self._half_closed or self._transport is None:
            return
        self._half_closed = True
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            # TLS of asyncio knows no half of an end: what was written is sent, and both directions end.
            self._transport.close()

    async def upgrade(self, context: ssl.SSLContext, name: str, seconds: float) -> dict[str, Any]:
        """Go on in TLS with who proves to be of this name; what is told of it. Raises ConnectionFailed."""
        transport = self._transport
        if transport is None or self._secured or self._upgrading or self._half_closed or self._ended:
            raise self._failed or ConnectionFailed("ERR_INVALID_STATE", "it cannot become TLS any more")
        if self._held:
            # Of who speaks before TLS does: taken for what comes after it, it would be a stranger's (CVE-2011-0411).
            raise ConnectionFailed("EPROTO", "the peer has sent more before TLS than was read", "write")
        self._upgrading = True
        self._wake()
        if self._paused:
            self._paused = False
            transport.resume_reading()
        try:
            secured = await self._loop.start_tls(
                transport, self, context, server_hostname=name, ssl_handshake_timeout=seconds
            )
        except (ssl.SSLError, ssl.CertificateError) as error:
            raise self._fail(of_tls(error, name)) from error
        except (ValueError, TypeError) as error:
            raise self._fail(ConnectionFailed("ERR_INVALID_ARG_VALUE", "servername: it is no name")) from error
        except OSError as error:
            # ConnectionAbortedError where it took too long, and a reset of the peer's.
            gone = ConnectionFailed(
                "ECONNRESET",
                "Client network socket disconnected before secure TLS connection was established",
            )
            raise self._fail(gone) from error
        finally:
            self._upgrading = False
        if secured is None:
            raise self._fail(ConnectionFailed("ECONNRESET", "the connection ended when TLS began"))
        self._transport, self._secured = secured, True
        self._upgrading = False
        self._moved_at = self._loop.time()
        self._flow()
        return shown(secured.get_extra_info("ssl_object"))

    def close(self) -> None:
        """Let go of it at once; what has not been sent is not."""
        self._fail(ConnectionFailed("ECONNRESET", "it is closed"))
        if self._transport is not None:
            self._transport.abort()

    # ---- the peer's side ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        # uvloop's are none of asyncio's classes.
        self._transport = cast(asyncio.Transport, transport)
        self.address, self.port = (transport.get_extra_info("peername") or ("", 0))[:2]
        self.local_address, self.local_port = (transport.get_extra_info("sockname") or ("", 0))[:2]
        if self._failed is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        self._moved_at = self._loop.time()
        self._came += len(data)
        if self._came > self._most:
            self._fail(ConnectionFailed(LIMIT, f"more than {self._most} bytes came over one connection"))
            self._abort()
            return
        self._held += data
        self._flow()
        self._wake()

    def eof_received(self) -> bool:
        """Called by the event loop. Who has half closed may still be told something; TLS ends both ways."""
        self._ended = True
        self._wake()
        return not self._secured

    def pause_writing(self) -> None:
        """Called by the event loop."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Called by the event loop."""
        self._writable.set()

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the event loop."""
        if error is not None and not self._ended:
            self._fail(of_system(error, "read") if isinstance(error, OSError) else _broken(error))
        self._ended = True
        self._transport = None
        self._over()

    # ---- both ----

    def _flow(self) -> None:
        if self._transport is None or self._upgrading:
            return
        if not self._paused and len(self._held) > HELD_BYTES:
            self._paused = True
            self._transport.pause_reading()
        elif self._paused and len(self._held) <= HELD_BYTES // 2:
            self._paused = False
            self._transport.resume_reading()

    def _wake(self) -> None:
        if self._reading is not None and not self._reading.done():
            self._reading.set_result(None)

    def _fail(self, why: ConnectionFailed) -> ConnectionFailed:
        if self._failed is None:
            self._failed = why
        self._over()
        return why

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _over(self) -> None:
        self._idle.cancel()
        self._writable.set()
        self._wake()
        closed, self._closed = self._closed, None
        if closed is not None:
            closed()

    def _look(self) -> None:
        left = self._moved_at + self._idle_seconds - self._loop.time()
        if left > 0:
            self._idle = self._loop.call_later(left, self._look)
            return
        self._fail(ConnectionFailed("ETIMEDOUT", f"nothing went either way for {self._idle_seconds:g} s", "read"))
        self._abort()


def _broken(error: Exception) -> ConnectionFailed:
    if isinstance(error, ssl.SSLError):
        return of_tls(error, "")
    return ConnectionFailed("ECONNRESET", "read ECONNRESET", "read")
