"""The requests of one peer: which are taken, which are being worked on, and what ends that."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sipio.errors import MalformedMessage
from sipio.rpc.errors import ErrorCode
from sipio.rpc.messages import NotificationReceived, RequestReceived
from sipio.rpc.responder import Responder
from sipio.rpc.service import Method, Service

if TYPE_CHECKING:
    from sipio.rpc.peer import RpcPeer

logger = logging.getLogger("sipio.rpc")


class Serving:
    """Gives a peer's requests to the methods of a `Service`."""

    __slots__ = ("_peer", "_service", "finishing", "working")

    def __init__(self, peer: "RpcPeer", service: Service) -> None:
        self._peer = peer
        self._service = service
        self.working: set[Responder] = set()
        """Of the requests being worked on."""
        self.finishing = False
        """Nothing new is taken."""

    def request(self, event: RequestReceived) -> None:
        """A request came."""
        service = self._service
        name, msgid = event.method, event.msgid
        method = service.methods.get(name)
        if method is None:
            self._peer.refuse(msgid, ErrorCode.UNKNOWN_METHOD, f"no method {name[:64]!r}")
            return
        service.counters.requests[name] += 1
        refusal = self._refusal(method)
        if refusal is not None:
            self._peer.refuse(msgid, *refusal)
            return
        try:
            params = method.decoder.decode(event.params, "params")
        except MalformedMessage as error:
            self._peer.refuse(msgid, ErrorCode.BAD_REQUEST, str(error))
            return
        self._call(method, params, Responder(self._peer, msgid), name)

    def notification(self, event: NotificationReceived) -> None:
        """A notification came."""
        counters = self._service.counters
        method = self._service.methods.get(event.method)
        if method is None or self._refusal(method) is not None:
            counters.ignored_notifications += 1
            return
        counters.notifications[event.method] += 1
        try:
            params = method.decoder.decode(event.params, "params")
        except MalformedMessage:
            counters.ignored_notifications += 1
            return
        self._call(method, params, Responder(self._peer, None), event.method)

    def settle(self, responder: Responder) -> None:
        """A request is no longer being worked on. Idempotent."""
        if responder in self.working:
            self.working.remove(responder)
            self._service.ended()

    def tell_cancelled(self) -> None:
        """Tell those being worked on that nobody waits for them; what they still answer now is sent."""
        for responder in list(self.working):
            on_cancel, responder.on_cancel = responder.on_cancel, None
            if on_cancel is not None:
                _cancel(on_cancel)

    def cancel(self) -> None:
        """The same, and none counts any more."""
        for responder in list(self.working):
            if responder in self.working:
                self.settle(responder)
                on_cancel, responder.on_cancel = responder.on_cancel, None
                if on_cancel is not None:
                    _cancel(on_cancel)

    def _refusal(self, method: Method) -> tuple[ErrorCode, str] | None:
        if method.immediate:
            return None
        service = self._service
        if service.draining or self.finishing:
            return ErrorCode.SHUTTING_DOWN, "shutting down"
        if len(self.working) >= service.limits.in_flight_per_connection:
            return ErrorCode.OVERLOADED, "too many requests in flight on this connection"
        if service.in_flight >= service.limits.in_flight:
            return ErrorCode.OVERLOADED, "too many requests in flight"
        return None

    def _call(self, method: Method, params: Any, responder: Responder, name: str) -> None:
        if not method.immediate:
            self.working.add(responder)
            self._service.in_flight += 1
        try:
            method.handle(params, responder)
        except Exception:
            # A handler's bug costs its request, not the connection and the requests of others on it.
            logger.exception("rpc.handler_failed method=%s", name)
            if not responder.answered:
                responder.error(ErrorCode.INTERNAL, "internal error")


def _cancel(on_cancel: Callable[[], None]) -> None:
    try:
        on_cancel()
    except Exception:
        logger.exception("rpc.cancel_failed")
