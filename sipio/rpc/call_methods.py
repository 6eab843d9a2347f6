"""Class 5 over MessagePack-RPC: a switch announces its calls, and is asked for what a script wants done on them."""

import logging
from typing import Annotated

import msgspec

from sipio.call_control import (
    CallHandler,
    CallLimits,
    CallOffer,
    Hangup,
    HangupBy,
    HungUp,
    NoOrigination,
    Origination,
    OriginationObserver,
    PendingOrigination,
)
from sipio.causes import cause_of, status_of
from sipio.errors import MalformedMessage
from sipio.reasons import reason_phrase
from sipio.rpc.call_messages import (
    CallAccepted,
    CallRefused,
    CallStart,
    read_event,
    read_event_head,
)
from sipio.rpc.controlled_call import RpcCall
from sipio.rpc.counters import CallCounters, CallFault, RpcCallsSnapshot
from sipio.rpc.errors import ErrorCode
from sipio.rpc.originating import RpcOriginating
from sipio.rpc.peer import RpcPeer
from sipio.rpc.service import Method, Responder

logger = logging.getLogger(__name__)

_OneStart = Annotated[list[CallStart], msgspec.Meta(min_length=1, max_length=1)]
_OneEvent = Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1, max_length=1)]


class RpcCalls:
    """The methods ``call.start`` and ``call.event``, for `RpcServer` beside others; calls go to ``handler``."""

    def __init__(self, handler: CallHandler, limits: CallLimits | None = None) -> None:
        self._handler = handler
        self._limits = limits or CallLimits()
        self._calls: dict[str, RpcCall] = {}
        self._originating: dict[str, RpcOriginating] = {}
        self._up = 0
        self._peers: set[RpcPeer] = set()
        self.counters = CallCounters()
        self.methods: dict[str, Method] = {
            "call.start": Method(_OneStart, self._start),
            "call.event": Method(_OneEvent, self._event, immediate=True),
        }

    def snapshot(self) -> RpcCallsSnapshot:
        """The counters as they are now."""
        return self.counters.snapshot(up=self._up)

    def originate(self, peer: RpcPeer, origination: Origination, observer: OriginationObserver) -> PendingOrigination:
        """Have a switch place a call; as `sipio.call_control.Originator` for the rest."""
        if self._up + len(self._originating) >= self._limits.calls:
            observer.refused(503, "too many calls are up")
            return NoOrigination()
        originating = RpcOriginating(self, peer, origination, observer)
        self._originating[origination.id] = originating
        originating.begin()
        return originating

    def placed(self, originating: RpcOriginating, observer: OriginationObserver) -> None:
        """Take a call whose party has answered."""
        origination = originating.origination
        offer = CallOffer(
            id=origination.id,
            driver="rpc",
            # Of a call to be driven whoever is at its end is the caller: here it is who was called.
            from_user=origination.destination.rpartition("/")[2],
            to_user=origination.cli,
            customer=origination.customer,
        )
        call = RpcCall(self, originating.peer, offer)
        self._calls[offer.id] = call
        self._up += 1
        taken = observer.answered(call)
        self._watch(originating.peer)
        call.begin(taken)

    def not_placed(self, originating: RpcOriginating) -> None:
        """Forget a call that is not being placed any more."""
        self._originating.pop(originating.origination.id, None)

    def _start(self, params: list[CallStart], responder: Responder) -> None:
        start = params[0]
        self.counters.offered += 1
        if start.id in self._calls or start.id in self._originating:
            self.counters.faults[CallFault.DUPLICATE_START] += 1
            responder.error(ErrorCode.CALL_EXISTS, f"there is a call {start.id[:64]!r} already")
            return
        if self._up >= self._limits.calls:
            self.counters.refused["limit"] += 1
            retry_after = [("Retry-After", str(self._limits.retry_after_seconds))]
            refusal = CallRefused(code=503, reason=reason_phrase(503), cause=cause_of(503), headers=retry_after)
            responder.result(refusal)
            return
        call = RpcCall(self, responder.peer, start.offer())
        self._calls[start.id] = call
        self._up += 1
        try:
            taken = self._handler.offered(call)
        except BaseException:
            call.forget()
            raise
        if isinstance(taken, Hangup):
            self.counters.refused["handler"] += 1
            call.forget()
            code = taken.code or status_of(taken.cause)
            responder.result(
                CallRefused(
                    code=code,
                    reason=taken.reason or reason_phrase(code),
                    cause=taken.cause,
                    headers=taken.headers,
                )
            )
            return
        self._watch(responder.peer)
        responder.result(CallAccepted())
        call.begin(taken)

    def _event(self, params: list[msgspec.Raw], responder: Responder) -> None:
        try:
            message = read_event(params[0])
        except MalformedMessage as error:
            self._malformed_event(params[0], error, responder)
            return
        originating = self._originating.get(message.call_id)
        if originating is not None and originating.peer is responder.peer and originating.take(message.event()):
            responder.result({})
            return
        call = self._call(message.call_id, responder.peer)
        if call is None or not call.take(message.event()):
            self.counters.faults[CallFault.UNKNOWN_CALL] += 1
            responder.error(ErrorCode.UNKNOWN_CALL, f"there is no call {message.call_id[:64]!r} on this connection")
            return
        responder.result({})

    def _malformed_event(self, given: msgspec.Raw, error: MalformedMessage, responder: Responder) -> None:
        self.counters.faults[CallFault.MALFORMED_EVENT] += 1
        head = read_event_head(given)
        logger.warning("rpc_call_event_malformed", extra={"call_id": head.call_id[:64], "reason": str(error)})
        call = self._call(head.call_id, responder.peer)
        if call is not None and head.event == "hungup":
            # Whatever else it says, the call is over: not to take this in would leave it up and billed.
            call.end(HungUp(by=HangupBy.SYSTEM, reason=f"hungup of the wrong shape: {error}"))
        responder.error(ErrorCode.BAD_REQUEST, str(error))

    def _call(self, call_id: str, peer: RpcPeer) -> RpcCall | None:
        # A call belongs to the connection that announced it.
        call = self._calls.get(call_id)
        return call if call is not None and call.peer is peer else None

    def _watch(self, peer: RpcPeer) -> None:
        if peer not in self._peers:
            self._peers.add(peer)
            peer.ended.add_done_callback(lambda _: self._peer_ended(peer))

    def _peer_ended(self, peer: RpcPeer) -> None:
        self._peers.discard(peer)
        for call in [call for call in self._calls.values() if call.peer is peer]:
            call.lost()

    def over(self) -> None:
        """Take note that a call is up no more."""
        self._up -= 1

    def forget(self, call: RpcCall) -> None:
        """Let a call go: nothing is expected of it any more."""
        del self._calls[call.offer.id]
