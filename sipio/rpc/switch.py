"""The methods that a switch calls: one `Router` asked over MessagePack-RPC."""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Final

import msgspec

from sipio.errors import MalformedMessage
from sipio.routing import Decision, Pending, Router, RoutingRequest
from sipio.rpc.errors import ConnectionLost, ErrorCode
from sipio.rpc.numbers import WrittenNumbers, read_numbers
from sipio.rpc.originating import ORIGINATE
from sipio.rpc.peer import RpcPeer
from sipio.rpc.raw_routing import Look, look_at_nothing, read_routing
from sipio.rpc.service import Method, Responder

CALL_RECORD: Final = "call.record"
PROTOCOL_VERSION: Final = 1
"""Changes when a client written for the one before would no longer be understood."""


class Hello(msgspec.Struct, frozen=True, kw_only=True):
    """What a client says of itself. Fields we do not know are left alone: the client may be newer."""

    client: str = ""
    version: str = ""
    notify: list[str] = []
    """What it wants to be told, ``call.record``, the record of each call once it is over; and to be asked,
    ``call.originate``, to place a call."""


class Welcome(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `Hello`."""

    server: str
    version: str
    protocol: int
    methods: list[str]


class CallReference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The call that a ``cancel`` is about."""

    call_id: str


class CancelledRoutes(msgspec.Struct, frozen=True):
    """How many pending ``route`` requests of the call there were."""

    cancelled: int


_Nothing = Annotated[list[dict[str, Any]], msgspec.Meta(max_length=1)]
_MaybeHello = Annotated[list[Hello], msgspec.Meta(max_length=1)]
_OneCall = Annotated[list[CallReference], msgspec.Meta(min_length=1, max_length=1)]
_OneRequest = Annotated[list[RoutingRequest], msgspec.Meta(min_length=1, max_length=1)]


class _Route:
    """One ``route`` request under way."""

    __slots__ = ("_key", "_responder", "_switch", "_written", "pending")

    def __init__(
        self,
        switch: "SwitchMethods",
        responder: Responder,
        key: tuple[RpcPeer, str],
        written: WrittenNumbers | None,
    ) -> None:
        self._switch = switch
        self._responder = responder
        self._key = key
        self._written = written
        self.pending: Pending | None = None

    def answer(self, decision: Decision) -> None:
        self._switch.forget(self._key, self)
        if self._written is not None:
            decision = self._written.restored(decision)
        self._responder.result(decision)

    def cancel(self) -> None:
        if self.pending is not None:
            self.pending.cancel()


class SwitchMethods:
    """``hello``, ``ping``, ``route``, ``cancel``, ``stats`` and ``scripts``.

    ``stats`` and ``scripts`` are asked each time for a plain map, which is the answer. ``more`` are methods of
    others, such as those of `sipio.rpc.call_methods.RpcCalls`, which ``hello`` then names too.
    """

    def __init__(
        self,
        router: Router,
        *,
        name: str,
        version: str,
        stats: Callable[[], Mapping[str, Any]],
        scripts: Callable[[], Mapping[str, Any]],
        more: Mapping[str, Method] | None = None,
        look: Look = look_at_nothing,
    ) -> None:
        """``look`` spares most routings from being decoded."""
        self._router = router
        self._look = look
        self._stats = stats
        self._scripts = scripts
        self._routes: dict[tuple[RpcPeer, str], list[_Route]] = {}
        self._wanting: dict[str, set[RpcPeer]] = {CALL_RECORD: set(), ORIGINATE: set()}
        self.methods: dict[str, Method] = {
            "hello": Method(_MaybeHello, self._hello, immediate=True),
            "ping": Method(_Nothing, self._ping, immediate=True),
            "route": Method(_OneRequest, self._route, exact=True),
            "cancel": Method(_OneCall, self._cancel, immediate=True),
            "stats": Method(_Nothing, lambda _, responder: responder.result(self._stats()), immediate=True),
            "scripts": Method(_Nothing, lambda _, responder: responder.result(self._scripts()), immediate=True),
            **(more or {}),
        }
        """What `RpcServer` is to serve."""
        self._welcome = Welcome(server=name, version=version, protocol=PROTOCOL_VERSION, methods=sorted(self.methods))

    def forget(self, key: tuple[RpcPeer, str], route: _Route) -> None:
        """Let a route go that has its answer."""
        routes = self._routes.get(key)
        if routes is None:
            return
        if len(routes) == 1:
            if routes[0] is route:
                del self._routes[key]
        elif route in routes:
            routes.remove(route)

    def announce(self, method: str, value: Any) -> None:
        """Notify every client that asked for it."""
        for peer in list(self._wanting.get(method, ())):
            try:
                peer.notify(method, (value,))
            except ConnectionLost:
                self._wanting[method].discard(peer)

    def wanting(self, method: str) -> list[RpcPeer]:
        """The clients that have asked for one."""
        return list(self._wanting.get(method, ()))

    def wanted_by(self, peer: RpcPeer) -> list[str]:
        """What a client has asked for."""
        return [method for method, peers in self._wanting.items() if peer in peers]

    def want(self, peer: RpcPeer, methods: Iterable[str]) -> None:
        """Notify a client of these, of which those that we do not know are left alone."""
        for method in methods:
            if method in self._wanting:
                self._wanting[method].add(peer)
                peer.ended.add_done_callback(functools.partial(self._unsubscribe, method, peer))

    def _unsubscribe(self, method: str, peer: RpcPeer, _ended: object) -> None:
        self._wanting[method].discard(peer)

    def _hello(self, params: list[Hello], responder: Responder) -> None:
        peer = responder.peer
        for wanting in self._wanting.values():
            wanting.discard(peer)
        self.want(peer, params[0].notify if params else ())
        responder.result(self._welcome)

    def _ping(self, _params: list[dict[str, Any]], responder: Responder) -> None:
        responder.result("pong")

    def _route(self, params: list[RoutingRequest], responder: Responder) -> None:
        request = params[0]
        seen = self._look(request.routing)
        if seen is not None:
            numbers = seen[3], seen[4]
        else:
            try:
                routing, decoded = read_routing(request.routing, "params[0].routing")
            except MalformedMessage as error:
                responder.error(ErrorCode.BAD_REQUEST, str(error))
                return
            numbers = decoded.get("cli"), decoded.get("dest_number")
            if routing is not request.routing:
                request = msgspec.structs.replace(request, routing=routing)
        request, written = read_numbers(request, numbers)
        key = (responder.peer, request.call_id)
        route = _Route(self, responder, key, written)
        self._routes.setdefault(key, []).append(route)
        responder.on_cancel = route.cancel
        try:
            route.pending = self._router.route(request, route.answer)
        except MalformedMessage as error:
            self.forget(key, route)
            responder.error(ErrorCode.BAD_REQUEST, str(error))
        except BaseException:
            self.forget(key, route)
            raise

    def _cancel(self, params: list[CallReference], responder: Responder) -> None:
        routes = list(self._routes.get((responder.peer, params[0].call_id), ()))
        for route in routes:
            route.cancel()
        responder.result(CancelledRoutes(len(routes)))
