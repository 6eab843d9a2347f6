"""One MessagePack-RPC connection on an asyncio transport, either end of it: callbacks only, no task."""

import asyncio
import logging
import select
import socket
from collections.abc import Callable
from typing import Final, cast

from sipio.held_socket import HeldSocket, duplicate
from sipio.rpc.connection import ConnectionFailed, Event, RequestRefused, RpcConnection
from sipio.rpc.messages import NotificationReceived, RequestReceived, ResponseReceived
from sipio.rpc.peer import RpcPeer
from sipio.rpc.service import Service, Serving

logger = logging.getLogger(__name__)

NEXT_MSGID: Final = "next_msgid"
"""Of a held connection: the number of our next request."""
LINGER_SECONDS: Final = 1.0
"""How long a connection that we end stays half-open, so that the peer can read why: closing a socket with
unread input resets it and takes the last message along."""


class RpcProtocol(asyncio.Protocol):
    """Carries bytes and deadlines between a transport and the connection's core, and its events to `Serving` and
    `RpcPeer`. Needs a running loop."""

    def __init__(
        self,
        service: Service,
        on_end: "Callable[[RpcProtocol], None] | None" = None,
        held: HeldSocket | None = None,
    ) -> None:
        """``held``: of another process, which had this connection before."""
        self._service = service
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        next_msgid = held.details.get(NEXT_MSGID, 0) if held is not None else 0
        self._core = RpcConnection(service.limits, self._loop.time(), next_msgid)
        self._unread = held.unread if held is not None else b""
        self._transport: asyncio.Transport | None = None
        self.peer = RpcPeer(self._core, self._schedule_flush)
        self._serving = Serving(service, self._core, self.peer, self._schedule_flush)
        self._flush_due = False
        self._reading_paused = False
        self._held = False
        self._deadline_timer: asyncio.TimerHandle | None = None
        self._deadline_at = 0.0
        self._linger_timer: asyncio.TimerHandle | None = None

    # ---- what the package above calls ----

    @property
    def in_flight(self) -> int:
        """The peer's requests being worked on."""
        return len(self._serving.working)

    def hold(self) -> None:
        """Read no more: what the peer sends waits."""
        self._held = True
        if self._transport is not None and not self._reading_paused:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again after `hold`."""
        self._held = False
        if self._transport is not None and not self._reading_paused:
            self._core.reading_resumed(self._loop.time())
            self._transport.resume_reading()

    @property
    def at_rest(self) -> bool:
        """Whether neither side owes the other an answer, and all that was said is with the peer's kernel."""
        transport = self._transport
        waits = self._serving.working or self.peer.waiting or self._flush_due
        return not waits and (transport is None or not transport.get_write_buffer_size())

    def hand_over(self, role: str) -> HeldSocket | None:
        """The connection as another process may go on with it; None for one that is not at rest or about to end."""
        transport, core = self._transport, self._core
        if transport is None or transport.is_closing() or core.finishing or core.failed or not self.at_rest:
            return None
        if transport.get_extra_info("ssl_object") is not None:  # whose keys are in this process
            return None
        connection = duplicate(transport.get_extra_info("socket").fileno())
        return HeldSocket(socket=connection, role=role, unread=core.unread, details={NEXT_MSGID: core.next_msgid})

    def let_go(self) -> None:
        """End this end of a connection that another process goes on with; one that none does is closed."""
        if self._transport is not None:
            if self._transport.get_extra_info("ssl_object") is not None:
                self._transport.close()
            else:
                self._transport.abort()

    def finish(self) -> None:
        """End the connection once every request being worked on has its answer and the peer has read it."""
        if not (self._core.finishing or self._core.ended):
            self._core.finish()
            self._schedule_flush()

    def cancel_and_finish(self) -> None:
        """End the connection once what is ready has been sent. What is being worked on is cancelled, and
        answered if that is how it reacts."""
        self._serving.tell_cancelled()
        self._flush()
        self._serving.cancel()
        self.finish()

    def close(self) -> None:
        """End the connection without waiting for the peer; what was written still goes out."""
        self._flush()
        self._core.finish()
        if self._transport is not None and self._linger_timer is None:
            self._transport.close()
            if self._reading_paused or self._transport.get_write_buffer_size():
                self._linger_timer = self._loop.call_later(LINGER_SECONDS, self._transport.abort)

    def abort(self) -> None:
        """End the connection now. What is being worked on is cancelled."""
        if self._transport is not None:
            self._transport.abort()

    # ---- what asyncio calls ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio.Transport, so this cannot be an assertion.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=self._service.limits.output_low_bytes)
        deadline = self._core.deadline()
        if deadline is not None:
            self._arm(deadline)
        unread, self._unread = self._unread, b""
        if unread:
            self.data_received(unread)

    def data_received(self, data: bytes) -> None:
        if self._core.finishing and not self._serving.working and not self.peer.waiting:
            return
        # Answers given while the events are handled wait for the one write at the end.
        self._flush_due = True
        serve = self._serving.request
        for event in self._core.receive(data, self._loop.time()):
            if type(event) is RequestReceived:
                serve(event)
            else:
                self._handle(event)
        self._flush()

    def eof_received(self) -> bool:
        for event in self._core.end_of_input():
            self._handle(event)
        self._flush()
        if not self._serving.working or self._core.failed or self._hung_up():
            return False
        # A half-closed peer still reads: it gets the answers it waits for. TLS has no half-close in asyncio.
        self._core.finish()
        transport = self._transport
        return transport is not None and transport.get_extra_info("ssl_object") is None

    def pause_writing(self) -> None:
        if self._transport is not None and not self._core.failed:
            self._reading_paused = True
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._reading_paused and self._transport is not None:
            self._reading_paused = False
            self._core.reading_resumed(self._loop.time())
            if not self._held:
                self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.end(f"the connection ended: {exc}" if exc else "the connection ended")
        if self._on_end is not None:
            self._on_end(self)

    def end(self, reason: str) -> None:
        """Let go of everything, now that there is no transport any more, or never was one: nothing that is left refers
        back here, so that a connection is freed as it ends, and not by the collector, which comes late."""
        self._core.end()
        for timer in (self._deadline_timer, self._linger_timer):
            if timer is not None:
                timer.cancel()
        self._deadline_timer = self._linger_timer = None
        self._transport = None
        self._serving.end()
        self.peer.lost(reason)

    # ---- inside ----

    def _handle(self, event: Event) -> None:
        counters = self._service.counters
        if type(event) is ResponseReceived:
            self.peer.response(event)
        elif type(event) is NotificationReceived:
            self._serving.notification(event)
        elif type(event) is RequestRefused:
            counters.errors[event.code] += 1
        elif type(event) is ConnectionFailed:
            counters.closed[event.code] += 1
            logger.info("rpc_connection_failed", extra={"code": str(event.code), "reason": str(event.error)})
            self._serving.cancel()
        else:
            counters.unexpected_responses += 1

    def _schedule_flush(self) -> None:
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        transport, core = self._transport, self._core
        if transport is None or core.ended:
            return
        output = core.take_output(self._loop.time())
        deadline = core.deadline()
        if output:
            # Only what earlier flushes left unread counts: uvloop has not yet tried to send this one, and
            # what one flush adds is bounded by the requests in flight.
            unread = transport.get_write_buffer_size()
            if unread > self._service.limits.output_bytes:
                self._service.counters.closed["output"] += 1
                logger.info("rpc_peer_does_not_read", extra={"unread_bytes": unread})
                transport.abort()
                return
            transport.write(output[0] if len(output) == 1 else b"".join(output))
        if core.failed or (core.finishing and not self._serving.working):
            self._linger()
        elif deadline is not None:
            self._arm(deadline)

    def _linger(self) -> None:
        transport = self._transport
        if transport is None or self._linger_timer is not None:
            return
        self._core.finish()
        self._linger_timer = self._loop.call_later(LINGER_SECONDS, transport.abort)
        if transport.can_write_eof():
            transport.write_eof()
            if self._reading_paused:
                self._reading_paused = False
                transport.resume_reading()
        else:
            transport.close()

    def _hung_up(self) -> bool:
        # A unix peer that closed shows a hang-up, one that only stopped writing does not. TCP sends the
        # same FIN for both, so there a peer that closed is found out by the first answer that it refuses.
        transport = self._transport
        peer_socket: socket.socket | None = transport.get_extra_info("socket") if transport is not None else None
        if peer_socket is None:
            return True
        poll = select.poll()
        poll.register(peer_socket.fileno(), 0)
        return any(happened & (select.POLLHUP | select.POLLERR) for _, happened in poll.poll(0))

    def _arm(self, deadline: float) -> None:
        timer = self._deadline_timer
        # A timer that comes early looks again; one that would come late is replaced. Deadlines mostly move
        # later.
        if timer is None or self._deadline_at > deadline:
            if timer is not None:
                timer.cancel()
            # Kept beside it: for a time that has passed uvloop gives a handle that does not know its own.
            self._deadline_at = deadline
            self._deadline_timer = self._loop.call_at(deadline, self._deadline_came)

    def _deadline_came(self) -> None:
        self._deadline_timer = None
        now = self._loop.time()
        if self._reading_paused or self._held:
            self._core.reading_resumed(now)
        for event in self._core.expire(now):
            self._handle(event)
        self._flush()
