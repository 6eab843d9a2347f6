"""What one end of a connection offers to the other: its methods, and how much may be under way in all."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sipio.rpc.counters import RpcCounters
from sipio.rpc.limits import RpcLimits
from sipio.rpc.values import ValueDecoder

if TYPE_CHECKING:
    from sipio.rpc.responder import Responder


class Method:
    """One method.

    ``handle`` gets the params decoded to ``params``, a type for the whole params array such as
    ``list[int]``, and a responder that it must answer exactly once, before it returns or later; a
    notification comes with one too, whose answer goes nowhere. Params of another shape are answered with
    ``bad_request`` without calling it.

    An ``immediate`` method answers before it returns and does no work to speak of: it is taken whatever is in
    flight, and while draining, so that a cancel or a question for the state gets through when it matters.
    """

    __slots__ = ("decoder", "handle", "immediate")

    def __init__(self, params: Any, handle: "Callable[[Any, Responder], None]", *, immediate: bool = False) -> None:
        self.decoder = ValueDecoder(params)
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
