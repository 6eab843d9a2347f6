"""One Kamailio and the calls it is waiting for: everything but the socket and the clock."""

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from secrets import token_hex
from typing import Final, Literal

from sipio.egress import DecisionError
from sipio.errors import MalformedMessage, OversizedFrame, PeerError
from sipio.kamailio.answer import encode_answer, encode_fallback
from sipio.kamailio.limits import KamailioLimits
from sipio.kamailio.messages import (
    CallCancelled,
    CallEnded,
    CallRoute,
    KamailioHello,
    Mark,
    Message,
    Transaction,
    decode,
    encode_drain,
    transaction_of,
)
from sipio.kamailio.netstring import NetstringDecoder
from sipio.kamailio.outbox import Outbox
from sipio.kamailio.question import Offer, read_offer
from sipio.kamailio.snapshot import KamailioSnapshot
from sipio.routing import Decision, Pending, Router
from sipio.sip import Via, parse_via

logger = logging.getLogger(__name__)

FALLBACK_REASONS: Final = ("overloaded", "bad-request", "bad-decision", "answer-too-long", "router-failed")
"""Why we answer that Kamailio's failure policy applies."""


def _new_outbox() -> Outbox:
    return Outbox(token_hex(4).encode())


class _Call:
    """A call being decided."""

    __slots__ = ("offer", "pending", "via", "via_read")

    def __init__(self, offer: Offer) -> None:
        self.offer = offer
        self.pending: Pending | None = None
        self.via_read = False
        self.via: Via | None = None
        """What a CANCEL of this call will carry, once it was read; None where it cannot be."""


class KamailioPeer:
    """The conversation with one Kamailio. Feed it with bytes; write what its outbox gives."""

    def __init__(
        self,
        name: str,
        router: Router,
        limits: KamailioLimits,
        *,
        wake: Callable[[], None],
        on_call_ended: Callable[[str, CallEnded], None] | None = None,
    ) -> None:
        """``name``: ``host:port``. ``wake``: called when there is something to write."""
        self.name = name
        self.outbox = _new_outbox()
        """What is to be written on this connection; each connection has one of its own."""
        self._router = router
        self._limits = limits
        self._wake = wake
        self._on_call_ended = on_call_ended
        self._decoder = NetstringDecoder(limits.frame_bytes)
        self._calls: dict[Transaction, _Call] = {}
        self._by_via: dict[Via, Transaction] = {}
        """Calls whose Via was read, which is when a CANCEL comes: to read that of each call took 4 us of its 110."""
        self._connected = False
        self._connections = 0
        self._answers = {"continue": 0, "route": 0, "reject": 0, "fallback": 0}
        self._fallbacks = dict.fromkeys(FALLBACK_REASONS, 0)
        self._asked = self._cancelled = self._abandoned = 0
        self._bad_frames = self._dropped = self._marks_lost = 0
        self._breaker_open = False
        self._probe: Transaction | None = None
        """The last call that came through the open breaker."""

    @property
    def unread(self) -> bytes:
        """The beginning of a message of Kamailio's that is not complete."""
        return self._decoder.unread

    def connected(self, unread: bytes = b"") -> None:
        """A new connection: nothing of the old one goes on. ``unread``: where another process had this connection
        before, the beginning of a message that it has read.

        How much of what that process wrote Kamailio has not read is not told: it handed over once nothing waited, and
        Kamailio has had the time of a start to read since.
        """
        self._decoder = NetstringDecoder(self._limits.frame_bytes, unread)
        self.outbox = _new_outbox()
        self._connected = True
        self._connections += 1

    def disconnected(self) -> None:
        """The connection is lost, and with it every call under way.

        Kamailio takes an answer over any connection, but if it is Kamailio that restarted, the same two numbers
        may by now be another call.
        """
        self._connected = False
        self._marks_lost += self.outbox.resets
        self.outbox = _new_outbox()
        calls = list(self._calls.values())
        self._calls.clear()
        self._by_via.clear()
        self._abandoned += len(calls)
        for call in calls:
            if call.pending is not None:
                call.pending.cancel()

    @property
    def in_flight(self) -> int:
        """Calls being decided."""
        return len(self._calls)

    def drain(self) -> None:
        """Ask for no more calls; those under way are answered."""
        self._send(encode_drain())

    def receive(self, data: bytes) -> None:
        """Take bytes from Kamailio.

        Raises MalformedFrame or OversizedFrame where the stream cannot go on; close the connection.
        """
        try:
            frames = self._decoder.feed(data)
        except PeerError:
            self._bad_frames += 1
            raise
        for frame in frames:
            try:
                message = decode(frame)
                if type(message) is CallRoute:
                    self._decide(message)
                else:
                    self._heed(message)
            except (MalformedMessage, OversizedFrame) as error:
                self._unreadable(transaction_of(frame), error)

    def snapshot(self) -> KamailioSnapshot:
        """Give what may be watched of it."""
        return KamailioSnapshot(
            peer=self.name,
            connected=self._connected,
            reconnects=max(0, self._connections - 1),
            calls=self._asked,
            in_flight=len(self._calls),
            answers=dict(self._answers),
            fallbacks=dict(self._fallbacks),
            cancelled=self._cancelled,
            abandoned=self._abandoned,
            bad_frames=self._bad_frames,
            dropped_destinations=self._dropped,
            breaker=self._breaker,
            held_bytes=self.outbox.held_bytes,
            marks_lost=self._marks_lost + self.outbox.resets,
        )

    # ---- what Kamailio says ----

    def _decide(self, question: CallRoute) -> None:
        """Have a call decided.

        Raises MalformedMessage or OversizedFrame for an INVITE that cannot be read or given to a script.
        """
        transaction = question.transaction
        self._breaker_open = question.timeouts_in_row >= question.breaker_limit
        self._probe = transaction if self._breaker_open else None
        self._asked += 1
        if len(self._calls) >= self._limits.in_flight:
            self._fall_back(transaction, "overloaded")
            return
        offer = read_offer(question)
        call = self._calls[transaction] = _Call(offer)
        try:
            call.pending = self._router.route(offer.request, partial(self._answer, call))
        except MalformedMessage:
            self._forget(call)
            raise
        except Exception:  # a bug above us: this call pays for it, not the connection with all the others
            logger.exception("evapi_router_failed", extra=self._fields(call))
            if self._forget(call):
                self._fall_back(transaction, "router-failed")

    def _heed(self, message: Message) -> None:
        if isinstance(message, Mark):
            self.outbox.read(message.token)
            if self.outbox.held_bytes:
                self._wake()
        elif isinstance(message, CallCancelled):
            self._cancel(message)
        elif isinstance(message, CallEnded):
            if self._on_call_ended is not None:
                self._on_call_ended(self.name, message)
        elif isinstance(message, KamailioHello):
            logger.info("evapi_hello", extra={"peer": self.name, "version": message.version})

    def _read_vias(self) -> None:
        # The newest is last, so that no CANCEL looks at a call that one before it has looked at.
        for transaction, call in reversed(self._calls.items()):
            if call.via_read:
                return
            call.via_read = True
            with suppress(MalformedMessage):
                call.via = parse_via(call.offer.invite.get("via") or "")
                self._by_via[call.via] = transaction

    def _cancel(self, message: CallCancelled) -> None:
        self._read_vias()
        transaction = self._by_via.pop(parse_via(message.via), None)
        call = self._calls.pop(transaction, None) if transaction is not None else None
        if call is not None:  # else it was decided before the caller gave up
            self._cancelled += 1
            if call.pending is not None:
                call.pending.cancel()

    def _unreadable(self, transaction: Transaction | None, error: PeerError) -> None:
        self._bad_frames += 1
        answered = transaction is not None
        logger.warning("evapi_bad_message", extra={"peer": self.name, "answered": answered, "error": str(error)})
        if transaction is not None:
            self._fall_back(transaction, "bad-request")

    # ---- what it is told ----

    def _answer(self, call: _Call, decision: Decision) -> None:
        if not self._forget(call):
            return  # cancelled, or its connection is gone: nobody waits for it
        transaction = call.offer.call.transaction
        try:
            answer = encode_answer(call.offer, decision)
        except DecisionError as error:
            logger.warning("evapi_bad_decision", extra={**self._fields(call), "error": str(error)})
            self._fall_back(transaction, "bad-decision")
            return
        if answer.dropped:
            self._dropped += answer.dropped
            logger.warning("evapi_destination_not_offered", extra={**self._fields(call), "count": answer.dropped})
        if answer.kept:
            logger.warning("evapi_caller_id_kept", extra={**self._fields(call), "headers": answer.kept})
        try:
            self._send(answer.payload)
        except OversizedFrame as error:
            logger.warning("evapi_answer_too_long", extra={**self._fields(call), "error": str(error)})
            self._fall_back(transaction, "answer-too-long")
            return
        self._answers[answer.kind] += 1

    def _fall_back(self, transaction: Transaction, reason: str) -> None:
        self._fallbacks[reason] += 1
        self._answers["fallback"] += 1
        self._send(encode_fallback(transaction, reason))

    def _send(self, payload: bytes) -> None:
        if self._connected:
            self._breaker_open = False
            self.outbox.push(payload)
            self._wake()

    def _forget(self, call: _Call) -> bool:
        """Take a call off the books; False if it was off them already."""
        transaction = call.offer.call.transaction
        if self._calls.get(transaction) is not call:
            return False
        del self._calls[transaction]
        if call.via is not None:
            self._by_via.pop(call.via, None)
        return True

    @property
    def _breaker(self) -> Literal["closed", "half_open", "open"]:
        if not self._breaker_open:
            return "closed"
        return "half_open" if self._probe in self._calls else "open"

    def _fields(self, call: _Call) -> dict[str, str]:
        return {"peer": self.name, "call_id": call.offer.request.call_id}
