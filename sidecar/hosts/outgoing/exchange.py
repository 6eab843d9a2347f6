"""A request of a script, and what came of it."""

import re
from typing import Final

import msgspec

Headers = list[tuple[str, str]]

TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""What methods and names of headers are made of (RFC 9110, 5.6.2)."""

TUNNELS: Final = frozenset(("CONNECT", "TRACE", "TRACK"))
"""Methods that lead on to wherever they say, or give back what was added on the way (Fetch, "forbidden method")."""

OURS: Final = frozenset(
    (
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
    )
)
"""Headers that belong to the connection, which is not the script's (Fetch, "forbidden request-header")."""


class OutgoingFailed(Exception):
    """A request that got no answer: where it led is not allowed, nobody answered, or not in time or within bounds. In
    words for the author of the script."""


class OutgoingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request."""

    url: str
    method: str = "GET"
    headers: Headers = []
    body: bytes = b""
    follows: bool = True
    """Whether redirects are followed; else the first answer is given, whatever it is."""
    only_hosts: tuple[str, ...] | None = None
    """Of the names that scripts may connect to those that this one may; None for all of them."""


class IncomingResponse(msgspec.Struct, frozen=True, kw_only=True):
    """What a server answered in the end."""

    url: str
    """Where it came from, after redirects."""
    status: int
    reason: str
    headers: Headers
    body: bytes
    redirected: bool
