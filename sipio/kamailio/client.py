"""The asyncio shell: connects out to every Kamailio, and connects again."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from random import Random
from typing import Final, cast

from sipio.errors import LocalError, PeerError
from sipio.kamailio.messages import CallEnded
from sipio.kamailio.peer import Backoff, EvapiLimits, Peer, PeerSnapshot
from sipio.routing import Router

log = logging.getLogger(__name__)

CONNECT_SECONDS: Final = 3.0
"""A host that does not answer is tried again after this long."""
_DRAIN_POLL_SECONDS: Final = 0.01


class EvapiClient:
    """Decides calls for several Kamailios at once."""

    def __init__(
        self,
        peers: Sequence[str],
        router: Router,
        limits: EvapiLimits | None = None,
        on_call_ended: Callable[[str, CallEnded], None] | None = None,
    ) -> None:
        """``peers``: ``host:port`` of each Kamailio's evapi socket.

        Raises:
            LocalError: a peer that is no ``host:port``.
        """
        self._limits = limits or EvapiLimits()
        self._connections = [_Connection(peer, router, self._limits, on_call_ended) for peer in peers]
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._tasks = [asyncio.create_task(connection.run()) for connection in self._connections]

    def drain(self) -> None:
        """Have every Kamailio send its calls elsewhere; those under way go on."""
        for connection in self._connections:
            connection.peer.drain()

    async def close(self, drain_seconds: float = 0.0) -> None:
        """Stop. With ``drain_seconds``, no more calls are taken and those under way have this long."""
        loop = asyncio.get_running_loop()
        if drain_seconds > 0:
            self.drain()
            deadline = loop.time() + drain_seconds
            while any(connection.peer.in_flight for connection in self._connections):
                if loop.time() >= deadline:
                    break
                await asyncio.sleep(_DRAIN_POLL_SECONDS)
        for connection in self._connections:
            connection.flush()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def snapshot(self) -> list[PeerSnapshot]:
        """Counters of each Kamailio."""
        return [connection.peer.snapshot() for connection in self._connections]


class _Connection(asyncio.Protocol):
    """The socket to one Kamailio, now and after each reconnect."""

    def __init__(
        self,
        address: str,
        router: Router,
        limits: EvapiLimits,
        on_call_ended: Callable[[str, CallEnded], None] | None,
    ) -> None:
        host, colon, port = address.rpartition(":")
        if not colon or not host or not port.isdigit():
            raise LocalError(f"Kamailio peer {address!r} is not host:port")
        self._host = host.strip("[]")
        self._port = int(port)
        self.peer = Peer(address, router, limits, wake=self._wake, on_call_ended=on_call_ended)
        self._backoff = Backoff(limits, Random())  # noqa: S311 - jitter, no secret
        self._loop: asyncio.AbstractEventLoop | None = None
        self._transport: asyncio.Transport | None = None
        self._lost: asyncio.Event = asyncio.Event()
        self._flush_scheduled = False
        self._timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Connect, stay connected, for ever."""
        self._loop = loop = asyncio.get_running_loop()
        try:
            while True:
                self._lost.clear()
                try:
                    async with asyncio.timeout(CONNECT_SECONDS):
                        await loop.create_connection(lambda: self, self._host, self._port)
                except (OSError, TimeoutError) as error:
                    wait = self._backoff.failed(loop.time())
                    log.warning("evapi_connect_failed peer=%s wait=%.2f error=%s", self.peer.name, wait, error)
                else:
                    self._backoff.connected(loop.time())
                    await self._lost.wait()
                    wait = self._backoff.failed(loop.time())
                await asyncio.sleep(wait)
        finally:
            if self._transport is not None:
                self._transport.close()
                await self._lost.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.peer.connected()
        log.info("evapi_connected peer=%s", self.peer.name)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.peer.disconnected()
        log.warning("evapi_disconnected peer=%s reason=%s", self.peer.name, exc or "closed")
        self._lost.set()

    def data_received(self, data: bytes) -> None:
        try:
            self.peer.receive(data)
        except PeerError as error:
            log.error("evapi_stream_broken peer=%s error=%s", self.peer.name, error)  # noqa: TRY400 - the peer's
            if self._transport is not None:
                self._transport.abort()

    def _wake(self) -> None:
        # Answers of one turn of the loop leave in one write.
        if not self._flush_scheduled and self._loop is not None:
            self._flush_scheduled = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what may be written."""
        self._flush_scheduled = False
        if self._transport is None or self._loop is None:
            return
        for data in self.peer.take(self._loop.time()):
            self._transport.write(data)
        deadline = self.peer.deadline
        if deadline is None and self._timer is not None:
            self._timer.cancel()
            self._timer = None
        elif deadline is not None and self._timer is None:
            self._timer = self._loop.call_at(deadline, self._expired)

    def _expired(self) -> None:
        self._timer = None
        self.flush()
