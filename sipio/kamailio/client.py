"""The asyncio shell: connects out to every Kamailio, and connects again."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from random import Random
from typing import Final, cast

from sipio.errors import PeerError
from sipio.held_socket import HeldSocket, duplicate
from sipio.host_port import HostPort
from sipio.kamailio.backoff import Backoff
from sipio.kamailio.limits import KamailioLimits
from sipio.kamailio.messages import CallEnded
from sipio.kamailio.peer import KamailioPeer
from sipio.kamailio.snapshot import KamailioSnapshot
from sipio.routing import Router

logger = logging.getLogger(__name__)

CONNECT_SECONDS: Final = 3.0
"""A host that does not answer is tried again after this long."""


class KamailioClient:
    """Decides calls for several Kamailios at once."""

    def __init__(
        self,
        peers: Sequence[HostPort],
        router: Router,
        limits: KamailioLimits | None = None,
        on_call_ended: Callable[[str, CallEnded], None] | None = None,
    ) -> None:
        """``peers``: each Kamailio's evapi socket."""
        self._limits = limits or KamailioLimits()
        self._connections = [_Connection(peer, router, self._limits, on_call_ended) for peer in peers]
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, held: Sequence[HeldSocket] = ()) -> None:
        """Begin to connect; returns at once. ``held``: connections of the process before, which are gone on with; one
        to a Kamailio that is none of ours is closed."""
        connections = {one.role: one for one in held}
        for connection in self._connections:
            task = asyncio.create_task(connection.run(connections.pop(connection.peer.name, None)))
            self._tasks.append(task)
        for other in connections.values():
            other.discard()

    def drain(self) -> None:
        """Have every Kamailio send its calls elsewhere; those under way go on."""
        for connection in self._connections:
            connection.drain()

    def hold(self) -> None:
        """Read no more from any Kamailio: what it sends waits. A connection that is lost is not made again."""
        for connection in self._connections:
            connection.hold()

    def resume(self) -> None:
        """Read again after `hold`."""
        for connection in self._connections:
            connection.resume()

    @property
    def at_rest(self) -> bool:
        """Whether every call asked about has its answer, and Kamailio's kernel has it."""
        return all(connection.at_rest for connection in self._connections)

    def hand_over(self) -> list[HeldSocket]:
        """The connections as another process may go on with them. To be called when held and at rest."""
        return [held for connection in self._connections if (held := connection.hand_over()) is not None]

    def let_go(self) -> None:
        """Give up the connections without a word to Kamailio; those that were handed over live on where they went."""
        for connection in self._connections:
            connection.let_go()

    async def close(self) -> None:
        """Write what was answered, and disconnect; a call still being decided gets no answer."""
        for connection in self._connections:
            connection.flush()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def snapshot(self) -> list[KamailioSnapshot]:
        """Give what may be watched of each Kamailio."""
        return [connection.peer.snapshot() for connection in self._connections]


class _Connection(asyncio.Protocol):
    """The socket to one Kamailio, now and after each reconnect."""

    def __init__(
        self,
        address: HostPort,
        router: Router,
        limits: KamailioLimits,
        on_call_ended: Callable[[str, CallEnded], None] | None,
    ) -> None:
        self._address = address
        self.peer = KamailioPeer(str(address), router, limits, wake=self._wake, on_call_ended=on_call_ended)
        self._backoff = Backoff(limits, Random())  # noqa: S311 - jitter, no secret
        self._loop: asyncio.AbstractEventLoop | None = None
        self._transport: asyncio.Transport | None = None
        self._lost: asyncio.Event = asyncio.Event()
        self._flush_scheduled = False
        self._timer: asyncio.TimerHandle | None = None
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._held: HeldSocket | None = None
        self._let_go = False
        self._ending = False
        """Whether it is to end: Kamailio has been told, and closes, or we do."""

    async def run(self, held: HeldSocket | None = None) -> None:
        """Connect, and connect again whenever the connection is lost, until cancelled. ``held`` is gone on with
        first."""
        self._loop = loop = asyncio.get_running_loop()
        self._held = held
        try:
            while True:
                await self._may_read.wait()
                self._lost.clear()
                try:
                    async with asyncio.timeout(CONNECT_SECONDS):
                        if self._held is not None:
                            await loop.create_connection(lambda: self, sock=self._held.socket)
                        else:
                            await loop.create_connection(lambda: self, self._address.host, self._address.port)
                except (OSError, TimeoutError) as error:
                    wait = self._backoff.failed(loop.time())
                    logger.warning(
                        "evapi_connect_failed",
                        extra={
                            "peer": self.peer.name,
                            "wait_seconds": round(wait, 2),
                            "error": str(error) or type(error).__name__,
                        },
                    )
                else:
                    self._backoff.connected(loop.time())
                    await self._lost.wait()
                    wait = self._backoff.failed(loop.time())
                await asyncio.sleep(wait)
        finally:
            self._ending = True
            if self._transport is not None:
                self._transport.close()
                await self._lost.wait()

    def drain(self) -> None:
        self._ending = True
        self.peer.drain()

    def hold(self) -> None:
        self._may_read.clear()
        if self._transport is not None and self._transport.is_reading():
            self._transport.pause_reading()

    def resume(self) -> None:
        self._may_read.set()
        if self._transport is not None and not self._transport.is_reading():
            self._transport.resume_reading()

    @property
    def at_rest(self) -> bool:
        if self._transport is None:
            return True
        waits = self.peer.outbox.held_bytes or self._transport.get_write_buffer_size() or self._flush_scheduled
        return not waits and not self.peer.in_flight

    def hand_over(self) -> HeldSocket | None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return None
        connection = duplicate(transport.get_extra_info("socket").fileno())
        return HeldSocket(socket=connection, role=self.peer.name, unread=self.peer.unread)

    def let_go(self) -> None:
        self._let_go = True
        transport, self._transport = self._transport, None  # nothing is written from now on
        if transport is not None:
            transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        held, self._held = self._held, None
        self.peer.connected(held.unread if held is not None else b"")
        logger.info("evapi_connected", extra={"peer": self.peer.name, "handed_over": held is not None})
        if not self._may_read.is_set():
            self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.peer.disconnected()
        if self._let_go:
            logger.info("evapi_handed_over", extra={"peer": self.peer.name})
        elif self._ending and exc is None:
            logger.info("evapi_disconnected", extra={"peer": self.peer.name, "reason": "ended"})
        else:
            logger.warning("evapi_disconnected", extra={"peer": self.peer.name, "reason": str(exc or "closed")})
        self._lost.set()

    def data_received(self, data: bytes) -> None:
        try:
            self.peer.receive(data)
        except PeerError as error:
            logger.error(  # noqa: TRY400 - the peer's
                "evapi_stream_broken", extra={"peer": self.peer.name, "error": str(error)}
            )
            if self._transport is not None:
                self._transport.abort()

    def _wake(self) -> None:
        # Answers of one turn of the loop leave in one write.
        if not self._flush_scheduled and self._loop is not None:
            self._flush_scheduled = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what the outbox lets go now, and come again at its deadline."""
        self._flush_scheduled = False
        if self._transport is None or self._loop is None:
            return
        outbox = self.peer.outbox
        for data in outbox.take(self._loop.time()):
            self._transport.write(data)
        deadline = outbox.deadline
        if deadline is None and self._timer is not None:
            self._timer.cancel()
            self._timer = None
        elif deadline is not None and self._timer is None:
            self._timer = self._loop.call_at(deadline, self._expired)

    def _expired(self) -> None:
        self._timer = None
        self.flush()
