"""Via (RFC 3261 clause 20.42): which transaction of which sender a message belongs to."""

import re
from functools import lru_cache
from typing import Final

import msgspec

from sipio.errors import MalformedMessage

# White space around the slashes and the semicolons is legal (RFC 4475 clause 3.1.1.1 uses it all). Any version is read:
# a request of another one is answered 505 along its Via. What of one kind of character was matched is not given back
# (``*+``): a header of 30 KB of white space would else take minutes. Of groups that would be wrong: where one fails
# after its beginning, Python 3.11.2 goes on from where it failed.
_SENT_BY: Final = (
    r"\s*+SIP\s*+/\s*+\d++\.\d++\s*+/\s*+([A-Za-z0-9!%*_+`'~.-]++)\s++(\[[^\]]*+\]|[^\s;,:\[]++)\s*+"
    r"(?::\s*+(\d{1,5}+)\s*+)?"
)
_VIA: Final = re.compile(_SENT_BY + r"((?:;[^,]*+)?)", re.IGNORECASE)
_WHOLE_SENT_BY: Final = re.compile(_SENT_BY, re.IGNORECASE)
_PARAMETER: Final = re.compile(r";\s*+[A-Za-z0-9!%*_+`'~.-]++\s*+(?:=\s*+(?:\"[^\"]*+\"|[^\s;,\"]*+)\s*+)?")
_USUAL: Final = re.compile(
    r'SIP/2\.0/[A-Z]+ (?:[A-Za-z0-9.-]+|\[[0-9a-fA-F:.]+\])(?::\d{1,5})?(?:;[A-Za-z0-9-]+(?:=[^\s;,"]*)?)*'
)
"""One value without white space and quotes, as nearly all are: told in a quarter of the time."""
_VALUE_END: Final = re.compile(r"(?:;\s*+)?(?:,|$)")
_BRANCH: Final = re.compile(r";\s*branch\s*=\s*([^\s;,]+)", re.IGNORECASE)


class Via(msgspec.Struct, frozen=True, kw_only=True):
    """The first value of a Via header."""

    transport: str
    """Upper case."""
    host: str
    port: int | None
    branch: str
    """Empty if there is none: an RFC 2543 sender."""


# A request's own Via is read for its transaction, for what goes back and for where to: few are remembered, for as long.
@lru_cache(maxsize=16)
def parse_via(text: str) -> Via:
    """Read the first value of a Via header.

    Raises:
        MalformedMessage: it is none.
    """
    found = _VIA.match(text)
    if found is None:
        raise MalformedMessage(f"bad Via {text[:80]!r}")
    branch = _BRANCH.search(found[4])
    return Via(
        transport=found[1].upper(),
        host=found[2],
        port=int(found[3]) if found[3] else None,
        branch=branch[1] if branch else "",
    )


def check_via(field: str) -> None:
    """See that a Via header of a request is one, to its end: all of it goes back in the answer.

    Raises:
        MalformedMessage: an empty value or parameter, or text that is none.
    """
    if _USUAL.fullmatch(field) is not None:
        return
    position = 0
    while position < len(field) or position == 0:
        found = _WHOLE_SENT_BY.match(field, position)
        while found is not None and (parameter := _PARAMETER.match(field, found.end())) is not None:
            found = parameter
        found = _VALUE_END.match(field, found.end()) if found is not None else None
        if found is None:
            raise MalformedMessage(f"bad Via {field[position : position + 80]!r}")
        position = found.end()
    if field.rstrip().endswith(","):
        raise MalformedMessage(f"bad Via {field[-80:]!r}")


def top_value_end(text: str) -> int:
    """Where the first value of a Via header ends: at a comma or at the end of the text.

    Raises:
        MalformedMessage: it is none.
    """
    found = _VIA.match(text)
    if found is None:
        raise MalformedMessage(f"bad Via {text[:80]!r}")
    return found.end()
