"""The check on the bytes of a Class 4 result and of a switch's routing: says yes to what is plainly right, and leaves
all else to the checks in Python, which are the definition."""

from typing import Any

from msgspec import Raw

def look(routing: bytes | Raw, /) -> tuple[int, bool, bool, str | int | None, str | int | None] | None:
    """Whether a switch's routing is plainly right, in its shape and in its header changes.

    Its destinations, whether an integer in it is one that JavaScript would round, whether it has header changes for all
    destinations, ``cli`` and ``dest_number``; None where Python has to look.
    """

def outline(
    routing: bytes | Raw, /
) -> tuple[str | int | None, str | int | None, int, list[str], bool, bytes | None, bytes | None] | None:
    """What a record has of a routing; None where Python has to look.

    ``cli``, ``dest_number``, the number of destinations, the ids of its first 20 gateways, whether the destination
    tried first has one, and that destination's ``headers`` and ``remove_headers`` as MessagePack, None where empty.
    """

def check(result: bytes, cli: Any, dest_number: Any, /) -> tuple[bytes, list[tuple[str, str]], list[str]] | None:
    """Whether a script's result is plainly sound: the routing as the switch is told it, and the headers to add and to
    remove for all destinations. None where Python has to look.

    ``cli`` and ``dest_number`` are what the switch itself sent, which pass whatever they are. Raises MemoryError.
    """

def count(packed: bytes | Raw, /) -> int:
    """The values in MessagePack, elements of arrays and pairs of maps. Raises ValueError for what is none."""
