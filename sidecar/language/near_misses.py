"""Properties of ``data`` that are one mistake away from those that are read: ``data.header`` changes nothing."""

import difflib
import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from tree_sitter import Node

from sidecar.language.call_parts import CallParts, Part, key_text
from sidecar.language.syntax_tree import SyntaxTree

READ: Final = ("routing", "egress_routing", "headers", "remove_headers")
"""What is read of what a routing script returns."""
READ_OF_ROUTING: Final = ("egress_routing", "headers", "remove_headers", "cli", "dest_number")
"""What of ``data.routing`` means something to the sidecar itself; anything else is the switch's."""
READ_OF_LIST: Final = ("headers", "remove_headers")
"""What of ``data.egress_routing`` is read beside its destinations."""
READ_OF_DESTINATION: Final = ("gw", *READ_OF_LIST)
"""What of ``data.egress_routing[0]`` is."""
CLOSE: Final = 0.75
"""How near a name has to be: ``header``, ``removeHeaders`` and ``egressRouting`` are, ``customer`` is not."""
_NAME: Final = rb"([A-Za-z_$][A-Za-z0-9_$]{2,30})"
_GIVEN: Final = re.compile(
    rb"(?:\.\s{0,100}" + _NAME + rb"|\[\s{0,100}['\"`]" + _NAME + rb"['\"`]\s{0,100}\])"
    rb"\s{0,100}(?:[-+*/%&|^?<>]{1,3})?=(?!=)"
)
"""A property that is given a value. Most scripts give none a name that is nearly right, and are not walked."""
_MOST_GIVEN: Final = 5_000
"""So many assignments are looked at, some 50 us each: a script of 1,000 lines has some hundred."""
_RESULT: Final = re.compile(rb"(?:\bexit\s{0,100}\(|\breturn\b|=>)[\s(]{0,100}\{")
"""A result that may be written as an object."""
_READ_OF: Final = {
    Part.DATA: READ,
    Part.ROUTING: READ_OF_ROUTING,
    Part.LIST: READ_OF_LIST,
    Part.DESTINATION: READ_OF_DESTINATION,
}


def meant(name: str, read: tuple[str, ...] = READ) -> str:
    """The one of the names that are read that this one is nearly, empty for one that is read itself or like none."""
    if name in read:
        return ""
    nearest = difflib.get_close_matches(name.lower(), read, n=1, cutoff=CLOSE)
    return nearest[0] if nearest else ""


def near_misses(syntax: SyntaxTree, entry: str) -> Iterator[tuple[Node, str]]:
    """Each property that is given a value under a name nearly right, with what to tell: one of the entry's first
    parameter, by whatever name the script has it, or of the object that the script gives back.

    Raises CheckTimeoutError at the tree's deadline.
    """
    written = {(match[1] or match[2]).decode() for match in islice(_GIVEN.finditer(syntax.source), _MOST_GIVEN)}
    is_given = any(meant(name) or meant(name, READ_OF_ROUTING) for name in written)
    if not is_given and _RESULT.search(syntax.source) is None:
        return
    calls = CallParts(syntax, entry.encode())
    for member, part in calls.written():
        wrong = key_text(syntax, member).decode("utf-8", "replace")
        wanted = meant(wrong, _READ_OF[part])
        if wanted:
            yield member, f"`{wrong}` is read by nothing; did you mean `{wanted}`?"
