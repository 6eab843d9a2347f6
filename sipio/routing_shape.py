"""The shape that a switch's routing must have in the parts that are read of it, whatever else it holds.

Without it a list sent as a map, as encoders of Lua and PHP do of a table with holes, would be no destinations to a
script, and a gateway sent as text a script's error.
"""

from typing import Any

import msgspec

from sipio.errors import MalformedMessage

_Number = str | int | float | None


class _Gateway(msgspec.Struct, gc=False):
    cli: _Number = None


class _AddedHeader(msgspec.Struct, gc=False):
    key: str
    value: str | int | float | bool


class _RemovedHeader(msgspec.Struct, gc=False):
    key: str


# A map of header changes is one of them or, empty, the empty list of a language with one sort of table for both. Which
# names and values are right, and so what else a map may be, is for the rules of headers to say.
_Added = list[_AddedHeader] | dict[str, Any] | None
_Removed = list[_RemovedHeader | str] | dict[str, Any] | None


class _Destination(msgspec.Struct, gc=False):
    gw: dict[str | int, _Gateway | None] | None = None
    headers: _Added = None
    remove_headers: _Removed = None


class _Routing(msgspec.Struct, gc=False):
    cli: _Number = None
    dest_number: _Number = None
    egress_routing: list[_Destination] | None = None
    headers: _Added = None
    remove_headers: _Removed = None


def check_routing(routing: dict[str, Any], root: str) -> None:
    """Raise MalformedMessage, with ``root`` and the path below it, for a part of the wrong shape."""
    try:
        msgspec.convert(routing, _Routing)
    except msgspec.ValidationError as error:
        raise MalformedMessage(str(error).replace("`$", f"`{root}")) from None
