"""The routing of a ``route`` request, which is mostly passed on as the bytes that came."""

from collections.abc import Callable
from typing import Any, TypeAlias

from msgspec import Raw

from sipio.routing_shape import check_routing
from sipio.rpc.values import ValueDecoder, with_text

Seen: TypeAlias = tuple[int, bool, bool, str | int | None, str | int | None]
"""Of a routing that is right: its destinations, whether an integer in it is one that JavaScript would round, whether it
has header changes for all destinations, ``cli`` and ``dest_number``."""

Look: TypeAlias = Callable[[Raw], Seen | None]
"""Tells on the bytes that a routing is right; None where it has to be decoded."""

_decode = ValueDecoder(dict[str, Any]).decode


def look_at_nothing(_routing: Raw) -> None:
    """A `Look` that has every routing decoded."""


def read_routing(routing: Raw, root: str) -> tuple[Raw, dict[str, Any]]:
    """A switch's routing as it is to go on, with every bin that is UTF-8 as text; and decoded.

    Raises MalformedMessage, with ``root`` and the path below it, for one that cannot be read or has the wrong shape.
    """
    decoded: dict[str, Any] = _decode(routing, root)
    check_routing(decoded, root)
    packed = bytes(routing)
    text = with_text(packed)
    return routing if text is packed else Raw(text), decoded
