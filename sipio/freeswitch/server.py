"""The asyncio shell: listens for FreeSWITCH's outbound event sockets, one connection a call."""

import asyncio
import contextlib
import logging
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, cast
from uuid import uuid4

import msgspec

from sipio.call_control import (
    CallHandler,
    Hangup,
    NoOrigination,
    Origination,
    OriginationObserver,
    PendingOrigination,
)
from sipio.errors import PeerError
from sipio.freeswitch.connection import Connection
from sipio.freeswitch.leg import Environment
from sipio.freeswitch.offer import Mode
from sipio.freeswitch.originating import FreeswitchOriginating
from sipio.freeswitch.settings import FreeswitchSettings, MediaSource
from sipio.held_socket import HeldSocket
from sipio.routing import Router
from sipio.rpc.addresses import AllowList, TcpAddress
from sipio.rpc.listener import Listener, listen_tcp

logger = logging.getLogger(__name__)

REFUSING: Final = 256
"""Connections over the limit of calls, kept for as long as it takes to refuse their calls; past them a connection is
closed unread."""
OUTPUT_BYTES: Final = 1_048_576
"""Commands that a FreeSWITCH has not read; past it the connection is closed."""
CLOSE_SECONDS: Final = 1.0
"""What has been written has this long to leave, at the end."""


class FreeswitchSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The listener as it is now, with its counters since the start. Each connection is one call."""

    connections: int
    """Connections open now, with those of calls that are being refused."""
    class4: int
    """Calls taken to be decided."""
    class5: int
    """Calls taken to be driven by a script; how many are up now the calls' own count says."""
    refused: dict[str, int]
    """Connections and calls refused, by reason: ``allow_list``, ``connections``, ``calls``, ``draining``."""
    broken: int
    """Connections whose bytes were not FreeSWITCH's."""


class FreeswitchServer:
    """Serves FreeSWITCHes. The end of its life: `drain`, `close`."""

    def __init__(
        self,
        handler: CallHandler | None,
        router: Router | None,
        settings: FreeswitchSettings | None = None,
        media: MediaSource | None = None,
        new_uuid: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        """``handler`` takes Class 5 calls and ``router`` decides Class 4 ones; what is None is refused with 500."""
        self._handler = handler
        self._router = router
        self._settings = settings or FreeswitchSettings()
        self._media = media
        self._new_uuid = new_uuid
        self._listeners: list[Listener] = []
        self._links: dict[_Link, None] = {}
        self._originating: dict[str, FreeswitchOriginating] = {}
        self._counts: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._busy = 0
        self._draining = False
        self._empty = asyncio.Event()
        self._empty.set()

    async def start(self, address: TcpAddress, held: Sequence[HeldSocket] = ()) -> int:
        """Listen; gives the port that is really bound. Raises LocalError. ``held``: listening sockets of the process
        before, which are gone on with where they are of this address and else closed."""
        allow = AllowList(address.allow)
        sockets = await listen_tcp(address, held)
        for one in held:
            if one.socket not in sockets:
                one.discard()
        self._listeners = [Listener(one, lambda accepted: self._accept(accepted, allow)) for one in sockets]
        return int(sockets[0].getsockname()[1])

    def originate(self, origination: Origination, observer: OriginationObserver) -> PendingOrigination:
        """Have FreeSWITCH place a call; see `sipio.call_control.Originator`."""
        if self._busy + len(self._originating) >= self._settings.limits.calls:
            observer.refused(503, "too many calls are up")
            return NoOrigination()
        uuid = self._new_uuid()
        originating = FreeswitchOriginating(uuid, origination, observer, self._settings, self._not_originating)
        self._originating[uuid] = originating
        originating.begin()
        return originating

    def _not_originating(self, originating: FreeswitchOriginating) -> None:
        self._originating.pop(originating.uuid, None)

    def drain(self) -> None:
        """Refuse new calls with 503 and Retry-After; those that are up go on."""
        self._draining = True

    def hold(self) -> None:
        """Accept no more: whose call comes now waits in the kernel."""
        for listener in self._listeners:
            listener.hold()

    def resume(self) -> None:
        """Accept again after `hold`."""
        for listener in self._listeners:
            listener.resume()

    @property
    def at_rest(self) -> bool:
        """Whether no call is here."""
        return not self._links

    def hand_over(self) -> list[HeldSocket]:
        """The listening sockets as another process may go on with them."""
        return [listener.hand_over() for listener in self._listeners]

    def let_go(self) -> None:
        """Give up the listening sockets, which live on where they went."""
        for listener in self._listeners:
            listener.let_go()
        self._listeners.clear()

    async def close(self) -> None:
        """Stop. Calls that are still up lose their connection, and FreeSWITCH ends them."""
        self.drain()
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        for originating in list(self._originating.values()):
            await originating.close()
        for link in list(self._links):
            link.end()
        if self._links:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), CLOSE_SECONDS)
        for link in list(self._links):
            link.abort()

    def snapshot(self) -> FreeswitchSnapshot:
        """Give what may be watched of it."""
        return FreeswitchSnapshot(
            connections=len(self._links),
            class4=self._counts[Mode.CLASS4],
            class5=self._counts[Mode.CLASS5],
            refused=dict(self._refused),
            broken=self._counts["broken"],
        )

    def _admit(self, mode: Mode) -> Hangup | None:
        limits = self._settings.limits
        if not self._draining and self._busy < limits.calls:
            self._busy += 1
            self._counts[mode] += 1
            return None
        self._refused["draining" if self._draining else "calls"] += 1
        retry = ("Retry-After", str(limits.retry_after_seconds))
        return Hangup(code=503, reason="Service Unavailable", cause=42, headers=[retry])

    def _accept(self, accepted: socket.socket, allow: AllowList) -> None:
        try:
            host, port = accepted.getpeername()[:2]
        except OSError:
            accepted.close()
            return
        if not allow.allows(str(host)):
            self._refused["allow_list"] += 1
            logger.warning("freeswitch_not_allowed", extra={"peer": str(host)})
            accepted.close()
            return
        if len(self._links) >= self._settings.limits.calls + REFUSING:
            self._refused["connections"] += 1
            accepted.close()
            return
        link = _Link(self, f"{host}:{port}")
        self._links[link] = None
        self._empty.clear()
        task = asyncio.get_running_loop().create_task(link.adopt(accepted))
        link.adopting = task

    def connection(self, link: "_Link") -> Connection:
        """Make the core of a new link."""
        environment = Environment(
            settings=self._settings,
            clock=asyncio.get_running_loop().time,
            new_uuid=self._new_uuid,
            media=self._media,
            # Not of the link: it holds what it is told by, and neither is to be left to the collector.
            problem=partial(_problem, link.peer),
        )
        return Connection(
            environment, self._handler, self._router, admit=self._admit, wake=link.wake, placed=self._originating.get
        )

    def ended(self, link: "_Link", *, broken: bool) -> None:
        """Forget a link that is gone."""
        self._links.pop(link, None)
        self._counts["broken"] += broken
        self._busy -= link.connection.admitted
        if not self._links:
            self._empty.set()


class _Link(asyncio.Protocol):
    """The asyncio end of one connection: it moves bytes and the timer between the socket and a sans-IO connection."""

    def __init__(self, server: FreeswitchServer, peer: str) -> None:
        self._server = server
        self.peer: Final = peer
        """Its ``host:port``."""
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._scheduled = False
        self._timer: asyncio.TimerHandle | None = None
        self._broken = False
        self.adopting: asyncio.Task[None] | None = None
        self.connection = server.connection(self)

    async def adopt(self, accepted: socket.socket) -> None:
        """Serve an accepted socket."""
        try:
            await self._loop.connect_accepted_socket(lambda: self, accepted)
        except OSError as error:
            logger.warning("freeswitch_lost", extra={"peer": self.peer, "error": str(error)})
            accepted.close()
            self._server.ended(self, broken=False)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.flush()

    def data_received(self, data: bytes) -> None:
        try:
            self.connection.receive(data)
        except PeerError as error:
            logger.error(  # noqa: TRY400 - the peer's
                "freeswitch_broken", extra={"peer": self.peer, "error": str(error)}
            )
            self._broken = True
            self.abort()
        else:
            self.flush()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.adopting = None
        self.connection.lost()
        if exc is not None:
            logger.warning("freeswitch_lost", extra={"peer": self.peer, "error": str(exc)})
        self._server.ended(self, broken=self._broken)

    def wake(self) -> None:
        """Flush at the end of this turn of the loop, so that what it made leaves in one write."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write, and set the timer."""
        self._scheduled = False
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        output = self.connection.take()
        if output:
            transport.write(output)
        if transport.get_write_buffer_size() > OUTPUT_BYTES:
            logger.error("freeswitch_does_not_read", extra={"peer": self.peer})
            transport.abort()
            return
        if self.connection.closing:
            transport.close()
            return
        self._set_timer(self.connection.deadline)

    def end(self) -> None:
        """Close, with what is written sent first."""
        self.flush()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self.adopting is not None and self._transport is None:
            self.adopting.cancel()
        if self._transport is not None:
            self._transport.abort()

    def _set_timer(self, deadline: float | None) -> None:
        if self._timer is not None:
            if deadline is not None and self._timer.when() == deadline:
                return
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._timer = self._loop.call_at(deadline, self._expired)

    def _expired(self) -> None:
        self._timer = None
        self.connection.expire()
        self.flush()


def _problem(peer: str, uuid: str, text: str) -> None:
    """Log what has nobody else to be told to."""
    logger.error("freeswitch_problem", extra={"peer": peer, "channel": uuid, "problem": text})
