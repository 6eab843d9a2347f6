"""Following a 3xx of the other leg (RFC 3261 clause 8.1.3.4): where it may lead, and how often."""

from typing import Final

import msgspec

from sipio.errors import MalformedMessage
from sipio.sip.uri import Uri, parse_uri
from sipio.sip_driver.destinations import Target

REDIRECTIONS: Final = 5
"""Contacts called for one bridge in all, however they came about: the caller is waiting meanwhile."""

_FOLLOWED: Final = frozenset({300, 301, 302})
"""305 and 380 do not name another place for the call (clauses 21.3.4, 21.3.5)."""


class Redirects:
    """What one bridge has called, and how many more contacts it may."""

    __slots__ = ("_called", "_left")

    def __init__(self) -> None:
        self._called: set[tuple[str, str, int | None]] = set()
        self._left = REDIRECTIONS

    def called(self, target: Target) -> None:
        """Take note of what is called: a 3xx that leads back there is a loop."""
        self._called.add(_identity(parse_uri(target.uri)))

    def follow(self, target: Target, status: int, contacts: list[str]) -> list[Target]:
        """What to call now that ``target`` said so: ``contacts`` in order, but those called before and those past the
        limit; empty where it is not to be followed at all."""
        found: list[Target] = []
        if status not in _FOLLOWED or not target.follow_redirects:
            return found
        asked = parse_uri(target.uri)
        for contact in contacts:
            try:
                uri = parse_uri(contact)
            except MalformedMessage:
                continue
            if uri.scheme not in {"sip", "sips"} or _identity(uri) in self._called or not self._left:
                continue
            self._left -= 1
            self._called.add(_identity(uri))
            # The trunk's password is for the trunk alone: another host would get a digest of it to guess from.
            same = uri.host.lower() == asked.host.lower() and "maddr" not in uri.parameters
            found.append(
                msgspec.structs.replace(
                    target,
                    uri=contact.partition("?")[0],
                    proxy=target.proxy if same else None,
                    credentials=target.credentials if same else None,
                )
            )
        return found


def _identity(uri: Uri) -> tuple[str, str, int | None]:
    return (uri.decoded_user, uri.host.lower(), uri.port)
