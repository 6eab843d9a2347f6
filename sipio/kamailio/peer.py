"""One Kamailio and the calls it is waiting for: everything but the socket and the clock."""

import logging
from collections.abc import Callable
from functools import partial
from random import Random
from secrets import token_hex
from typing import Final, Literal

import msgspec

from sipio.errors import MalformedMessage, OversizedFrame, PeerError
from sipio.kamailio import messages
from sipio.kamailio.messages import CallCancelled, CallEnded, CallRoute, Mark, Transaction
from sipio.kamailio.netstring import NetstringDecoder
from sipio.kamailio.outbox import Outbox
from sipio.kamailio.plan import DecisionError, Offer, encode_decision, read_offer
from sipio.routing import Decision, Pending, Router
from sipio.sip import Via, parse_via

log = logging.getLogger(__name__)

FALLBACK_REASONS: Final = ("overloaded", "bad-request", "bad-decision", "answer-too-long", "router-failed")
"""Why we answer that Kamailio's failure policy applies."""
_STABLE_SECONDS: Final = 1.0
"""A connection that lived this long was a success; one closed sooner (address refused) counts as a failure."""


class EvapiLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The named bounds; the operator's configuration documents them."""

    reconnect_min_seconds: float = 0.1
    reconnect_max_seconds: float = 5.0
    frame_bytes: int = 262_144
    in_flight: int = 4_096


class PeerSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Counters of one Kamailio, since start."""

    peer: str
    connected: bool
    reconnects: int
    """Connections made after the first."""
    calls: int
    """Calls that asked."""
    in_flight: int
    answers: dict[str, int]
    """Answers by kind: continue, route, reject, fallback."""
    fallbacks: dict[str, int]
    """Answers of kind fallback by reason, one of ``FALLBACK_REASONS``."""
    cancelled: int
    """Calls that the caller gave up while they were being decided."""
    abandoned: int
    """Calls whose connection was lost while they were being decided."""
    ended: int
    """Call end events."""
    bad_frames: int
    """Messages that could not be read, answered or not."""
    dropped_destinations: int
    """Destinations that a script named and Kamailio had not offered."""
    timeouts_in_row: int
    """As Kamailio last reported it."""
    breaker: Literal["closed", "half_open", "open"]
    """Kamailio's circuit breaker by its last report and by what was sent since: it sends one call a second while it is
    open, half_open is while such a call is being decided, and any answer closes it."""
    held_bytes: int
    flow_resets: int


class Backoff:
    """When to try to connect again."""

    __slots__ = ("_failures", "_limits", "_random", "_since")

    def __init__(self, limits: EvapiLimits, random: Random) -> None:
        self._limits = limits
        self._random = random
        self._failures = 0
        self._since: float | None = None

    def connected(self, now: float) -> None:
        """A connection was made."""
        self._since = now

    def failed(self, now: float) -> float:
        """An attempt failed or a connection was lost. Returns the seconds to wait before the next attempt."""
        if self._since is not None and now - self._since >= _STABLE_SECONDS:
            self._failures = 0
        self._since = None
        longest = self._limits.reconnect_max_seconds
        wait = min(self._limits.reconnect_min_seconds * 2 ** min(self._failures, 30), longest)
        self._failures += 1
        # Half of it at random, so that the sidecars of a restarted Kamailio do not all come in the same instant.
        return float(wait * self._random.uniform(0.5, 1.0))


def _new_outbox() -> Outbox:
    return Outbox(token_hex(4).encode())


class _Call:
    """A call being decided."""

    __slots__ = ("offer", "pending")

    def __init__(self, offer: Offer) -> None:
        self.offer = offer
        self.pending: Pending | None = None


class Peer:
    """The conversation with one Kamailio. Feed it with bytes; write what it gives."""

    def __init__(
        self,
        name: str,
        router: Router,
        limits: EvapiLimits,
        *,
        wake: Callable[[], None],
        on_call_ended: Callable[[str, CallEnded], None] | None = None,
    ) -> None:
        """``name``: ``host:port``. ``wake``: called when there is something to write."""
        self.name = name
        self._router = router
        self._limits = limits
        self._wake = wake
        self._on_call_ended = on_call_ended
        self._decoder = NetstringDecoder(limits.frame_bytes)
        self._outbox = _new_outbox()
        self._calls: dict[Transaction, _Call] = {}
        self._by_via: dict[Via, Transaction] = {}
        self._connected = False
        self._connections = 0
        self._answers = {"continue": 0, "route": 0, "reject": 0, "fallback": 0}
        self._fallbacks = dict.fromkeys(FALLBACK_REASONS, 0)
        self._asked = self._cancelled = self._abandoned = self._ended = 0
        self._bad_frames = self._dropped = self._flow_resets = 0
        self._timeouts_in_row = 0
        self._breaker_open = False
        self._probe: Transaction | None = None
        """The last call that came through the open breaker."""

    @property
    def in_flight(self) -> int:
        """Calls being decided."""
        return len(self._calls)

    @property
    def deadline(self) -> float | None:
        """When to write again though nothing woke it; None for never."""
        return self._outbox.deadline

    def connected(self) -> None:
        """A new connection: nothing of the old one goes on."""
        self._decoder = NetstringDecoder(self._limits.frame_bytes)
        self._outbox = _new_outbox()
        self._connected = True
        self._connections += 1

    def disconnected(self) -> None:
        """The connection is lost, and with it every call under way.

        Kamailio takes an answer over any connection, but if it is Kamailio that restarted, the same two numbers
        may by now be another call.
        """
        self._connected = False
        self._flow_resets += self._outbox.resets
        self._outbox = _new_outbox()
        calls = list(self._calls.values())
        self._calls.clear()
        self._by_via.clear()
        self._abandoned += len(calls)
        for call in calls:
            if call.pending is not None:
                call.pending.cancel()

    def drain(self) -> None:
        """Ask for no more calls; those under way are answered."""
        self._send(messages.encode_drain())

    def receive(self, data: bytes) -> None:
        """Bytes from Kamailio.

        Raises:
            MalformedFrame, OversizedFrame: the stream cannot go on; close the connection.
        """
        try:
            frames = self._decoder.feed(data)
        except PeerError:
            self._bad_frames += 1
            raise
        for frame in frames:
            self._receive_frame(frame)

    def take(self, now: float) -> list[bytes]:
        """What to write now, each item in one write."""
        return self._outbox.take(now)

    def _receive_frame(self, frame: bytes) -> None:
        try:
            message = messages.decode(frame)
            if type(message) is CallRoute:
                self._timeouts_in_row = message.timeouts_in_row
                self._breaker_open = message.timeouts_in_row >= message.breaker_limit
                self._probe = message.transaction if self._breaker_open else None
                self._asked += 1
                if len(self._calls) >= self._limits.in_flight:
                    self._fall_back(message.transaction, "overloaded")
                else:
                    self._begin(read_offer(message))
                return
        except (MalformedMessage, OversizedFrame) as error:
            self._bad_frames += 1
            transaction = messages.transaction_of(frame)
            log.warning("evapi_bad_message peer=%s answered=%s error=%s", self.name, bool(transaction), error)
            if transaction is not None:
                self._fall_back(transaction, "bad-request")
            return
        try:
            self._receive_other(message)
        except MalformedMessage as error:
            self._bad_frames += 1
            log.warning("evapi_bad_message peer=%s answered=False error=%s", self.name, error)

    def _receive_other(self, message: messages.Message) -> None:
        if isinstance(message, Mark):
            self._outbox.read(message.token)
            if self._outbox.held_bytes:
                self._wake()
        elif isinstance(message, CallCancelled):
            self._cancel(message)
        elif isinstance(message, CallEnded):
            self._ended += 1
            if self._on_call_ended is not None:
                self._on_call_ended(self.name, message)
        else:
            log.info("evapi_hello peer=%s version=%s", self.name, getattr(message, "version", ""))

    def _cancel(self, message: CallCancelled) -> None:
        transaction = self._by_via.pop(parse_via(message.via), None)
        call = self._calls.pop(transaction, None) if transaction is not None else None
        if call is not None:  # else it was decided before the caller gave up
            self._cancelled += 1
            if call.pending is not None:
                call.pending.cancel()

    def _begin(self, offer: Offer) -> None:
        call = _Call(offer)
        transaction = offer.call.transaction
        self._calls[transaction] = call
        if offer.via is not None:
            self._by_via[offer.via] = transaction
        try:
            call.pending = self._router.route(offer.request, partial(self._answer, call))
        except Exception:  # a bug above us: this call pays for it, not the connection with all the others
            log.exception("evapi_router_failed peer=%s call_id=%s", self.name, offer.request.call_id)
            if self._forget(call):
                self._fall_back(transaction, "router-failed")

    def _forget(self, call: _Call) -> bool:
        """Take a call off the books; False if it was off them already."""
        transaction = call.offer.call.transaction
        if self._calls.get(transaction) is not call:
            return False
        del self._calls[transaction]
        if call.offer.via is not None:
            self._by_via.pop(call.offer.via, None)
        return True

    def _answer(self, call: _Call, decision: Decision) -> None:
        transaction = call.offer.call.transaction
        if not self._forget(call):
            return  # cancelled, or its connection is gone: nobody waits for it
        try:
            answer, dropped = encode_decision(call.offer, decision)
        except DecisionError as error:
            log.warning(
                "evapi_bad_decision peer=%s call_id=%s error=%s",
                self.name,
                call.offer.request.call_id,
                error,
            )
            self._fall_back(transaction, "bad-decision")
            return
        if dropped:
            self._dropped += dropped
            log.warning(
                "evapi_destination_not_offered peer=%s call_id=%s count=%d",
                self.name,
                call.offer.request.call_id,
                dropped,
            )
        try:
            self._send(answer)
        except OversizedFrame as error:
            log.warning(
                "evapi_answer_too_long peer=%s call_id=%s error=%s",
                self.name,
                call.offer.request.call_id,
                error,
            )
            self._fall_back(transaction, "answer-too-long")
            return
        self._answers[_KINDS[answer[0]]] += 1

    def _fall_back(self, transaction: Transaction, reason: str) -> None:
        self._fallbacks[reason] += 1
        self._answers["fallback"] += 1
        self._send(messages.encode_fallback(transaction, reason))

    @property
    def _breaker(self) -> Literal["closed", "half_open", "open"]:
        if not self._breaker_open:
            return "closed"
        return "half_open" if self._probe in self._calls else "open"

    def _send(self, payload: bytes) -> None:
        if self._connected:
            self._breaker_open = False
            self._outbox.push(payload)
            self._wake()

    def snapshot(self) -> PeerSnapshot:
        """The counters now."""
        return PeerSnapshot(
            peer=self.name,
            connected=self._connected,
            reconnects=max(0, self._connections - 1),
            calls=self._asked,
            in_flight=len(self._calls),
            answers=dict(self._answers),
            fallbacks=dict(self._fallbacks),
            cancelled=self._cancelled,
            abandoned=self._abandoned,
            ended=self._ended,
            bad_frames=self._bad_frames,
            dropped_destinations=self._dropped,
            timeouts_in_row=self._timeouts_in_row,
            breaker=self._breaker,
            held_bytes=self._outbox.held_bytes,
            flow_resets=self._flow_resets + self._outbox.resets,
        )


_KINDS: Final = {ord("c"): "continue", ord("r"): "route", ord("x"): "reject"}
