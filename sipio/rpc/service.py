"""What one end of a connection offers to the other: its methods, how much may be under way in all, and the requests
of each connection that are being served."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from sipio.errors import LocalError, MalformedMessage
from sipio.rpc.connection import RpcConnection
from sipio.rpc.counters import RpcCounters
from sipio.rpc.errors import ErrorCode
from sipio.rpc.limits import RpcLimits
from sipio.rpc.messages import NotificationReceived, RequestReceived
from sipio.rpc.peer import RpcPeer, send_nothing
from sipio.rpc.values import ValueDecoder

logger = logging.getLogger(__name__)


class Method:
    """One method.

    ``handle`` gets the params decoded to ``params``, a type for the whole params array such as
    ``list[int]``, and a responder that it must answer exactly once, before it returns or later; a
    notification comes with one too, whose answer goes nowhere. Params of another shape are answered with
    ``bad_request`` without calling it.

    An ``immediate`` method answers before it returns and does no work to speak of: it is taken whatever is in
    flight, and while draining, so that a cancel or a question for the state gets through when it matters.

    ``exact`` is for params of which nothing may be anything; see `ValueDecoder`.
    """

    __slots__ = ("decoder", "handle", "immediate")

    def __init__(
        self,
        params: Any,
        handle: "Callable[[Any, Responder], None]",
        *,
        immediate: bool = False,
        exact: bool = False,
    ) -> None:
        self.decoder = ValueDecoder(params, exact=exact)
        self.handle = handle
        self.immediate = immediate


class Service:
    """The methods and the state that all connections of one server share."""

    __slots__ = ("_on_idle", "counters", "draining", "in_flight", "limits", "methods")

    def __init__(
        self,
        methods: Mapping[str, Method],
        limits: RpcLimits,
        on_idle: Callable[[], None] | None = None,
    ) -> None:
        self.methods = dict(methods)
        self.limits = limits
        self.counters = RpcCounters()
        self.in_flight = 0
        self.draining = False
        self._on_idle = on_idle

    def ended(self) -> None:
        """One request is no longer being worked on."""
        self.in_flight -= 1
        if self.draining and self.in_flight == 0 and self._on_idle is not None:
            self._on_idle()


class Responder:
    """The obligation to answer one request of a peer's, exactly once."""

    __slots__ = ("_serving", "answered", "msgid", "on_cancel", "peer")

    def __init__(self, serving: "Serving", msgid: int | None) -> None:
        self._serving = serving
        self.peer = serving.peer
        """Whoever asks: one object for as long as the connection lives."""
        self.msgid = msgid
        """None for a notification, whose answer goes nowhere."""
        self.answered = False
        """Whether the answer was given."""
        self.on_cancel: Callable[[], None] | None = None
        """Called at most once, if the connection ends before the answer. The answer, still due, goes
        nowhere."""

    def result(self, result: Any) -> None:
        """Answer with anything msgspec encodes. What it cannot is answered as ``internal`` and logged."""
        self._close()
        self._serving.respond(self, result)

    def error(self, code: ErrorCode, message: str) -> None:
        """Answer with an error."""
        self._close()
        self._serving.respond_error(self, code, message)

    def _close(self) -> None:
        if self.answered:
            raise LocalError("a request was answered twice")
        self.answered = True
        self.on_cancel = None


class Serving:
    """The requests of one connection: which are taken, which are being worked on, and what ends that."""

    __slots__ = ("_core", "_output_ready", "_service", "peer", "working")

    def __init__(self, service: Service, core: RpcConnection, peer: RpcPeer, output_ready: Callable[[], None]) -> None:
        """Answers go into ``core``; ``output_ready`` is called when there is one to be sent."""
        self._service = service
        self._core = core
        self._output_ready = output_ready
        self.peer = peer
        self.working: dict[Responder, None] = {}
        """The requests being worked on, by the answers that are due, in the order in which they came."""

    def request(self, event: RequestReceived) -> None:
        """Give a request to its method, or refuse it. A refusal lies in the core when this returns."""
        service = self._service
        name, msgid = event.method, event.msgid
        method = service.methods.get(name)
        if method is None:
            self._refuse(msgid, ErrorCode.UNKNOWN_METHOD, f"no method {name[:64]!r}")
            return
        service.counters.requests[name] += 1
        refusal = self._refusal(method)
        if refusal is not None:
            self._refuse(msgid, *refusal)
            return
        try:
            params = method.decoder.decode(event.params, "params")
        except MalformedMessage as error:
            self._refuse(msgid, ErrorCode.BAD_REQUEST, str(error))
            return
        self._call(method, params, Responder(self, msgid), name)

    def notification(self, event: NotificationReceived) -> None:
        """Give a notification to its method; one that is not taken is counted, since nobody waits for an answer."""
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
        self._call(method, params, Responder(self, None), event.method)

    def respond(self, responder: Responder, result: Any) -> None:
        """Take the answer that `Responder.result` was given."""
        self._settle(responder)
        core, msgid = self._core, responder.msgid
        if msgid is None:
            return
        if core.failed or core.ended:
            self._service.counters.discarded_answers += 1
            return
        try:
            core.respond(msgid, result)
        except LocalError:
            logger.exception("rpc_answer_not_encodable", extra={"msgid": msgid})
            self._refuse(msgid, ErrorCode.INTERNAL, "the answer cannot be encoded")
        self._output_ready()

    def respond_error(self, responder: Responder, code: ErrorCode, message: str) -> None:
        """Take the answer that `Responder.error` was given."""
        self._settle(responder)
        core, msgid = self._core, responder.msgid
        if msgid is None:
            return
        if core.failed or core.ended:
            self._service.counters.discarded_answers += 1
            return
        self._refuse(msgid, code, message)
        self._output_ready()

    def tell_cancelled(self) -> None:
        """Tell those being worked on that nobody waits for them; what they still answer now is sent."""
        for responder in list(self.working):
            _cancel(responder)

    def cancel(self) -> None:
        """Tell those being worked on that nobody waits for them, and count none of them as being worked on any more:
        a drain does not wait for an answer that can go nowhere."""
        for responder in list(self.working):
            if responder in self.working:
                self._settle(responder)
                _cancel(responder)

    def end(self) -> None:
        """The connection is gone: cancel what is being worked on, and let go of whoever sent the answers."""
        self.cancel()
        self._output_ready = send_nothing

    def _settle(self, responder: Responder) -> None:
        # It may have been settled before: when the connection was lost.
        if responder in self.working:
            del self.working[responder]
            self._service.ended()

    def _refuse(self, msgid: int, code: ErrorCode, message: str) -> None:
        self._service.counters.errors[code] += 1
        self._core.respond_error(msgid, code, message)

    def _refusal(self, method: Method) -> tuple[ErrorCode, str] | None:
        if method.immediate:
            return None
        service = self._service
        if service.draining or self._core.finishing:
            return ErrorCode.SHUTTING_DOWN, "shutting down"
        if len(self.working) >= service.limits.in_flight_per_connection:
            return ErrorCode.OVERLOADED, "too many requests in flight on this connection"
        if service.in_flight >= service.limits.in_flight:
            return ErrorCode.OVERLOADED, "too many requests in flight"
        return None

    def _call(self, method: Method, params: Any, responder: Responder, name: str) -> None:
        if not method.immediate:
            self.working[responder] = None
            self._service.in_flight += 1
        try:
            method.handle(params, responder)
        except Exception:
            # A handler's bug costs its request, not the connection and the requests of others on it.
            logger.exception("rpc_handler_failed", extra={"method": name})
            if not responder.answered:
                responder.error(ErrorCode.INTERNAL, "internal error")


def _cancel(responder: Responder) -> None:
    on_cancel, responder.on_cancel = responder.on_cancel, None
    if on_cancel is None:
        return
    try:
        on_cancel()
    except Exception:
        logger.exception("rpc_cancel_failed", extra={"msgid": responder.msgid})
