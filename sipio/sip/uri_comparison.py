"""Whether two SIP URIs are the same address (RFC 3261 clause 19.1.4)."""

import re
from typing import Final
from urllib.parse import unquote

from sipio.sip.uri import Uri

_ON_BOTH_SIDES: Final = ("user", "ttl", "method", "maddr", "transport")
"""Parameters that a URI without them does not match, also where it has their default value."""
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_RESERVED: Final = frozenset(";/?:@&=+$,%")
"""RFC 3261 clause 25.1: escaped, these are not the same as themselves. ``%`` is what escapes are made of."""


def equivalent(one: Uri, other: Uri) -> bool:
    """Whether both name the same resource. Of schemes but sip and sips only the same text does."""
    if one.raw == other.raw:
        return True
    if one.scheme != other.scheme or one.scheme not in {"sip", "sips"}:
        return False
    return (
        _unescaped(one.user) == _unescaped(other.user)
        and _password(one) == _password(other)
        and one.host.lower() == other.host.lower()
        and one.port == other.port
        and _same_parameters(one, other)
        and _headers(one) == _headers(other)
    )


def _same_parameters(one: Uri, other: Uri) -> bool:
    mine, theirs = one.parameters, other.parameters
    if any((name in mine) != (name in theirs) for name in _ON_BOTH_SIDES):
        return False
    # What stands in one of them alone says nothing.
    return all(_folded(mine[name]) == _folded(theirs[name]) for name in mine.keys() & theirs.keys())


def _headers(uri: Uri) -> list[tuple[str, str]]:
    pairs = (part.partition("=") for part in uri.headers.split("&") if part)
    return sorted((name.lower(), _unescaped(value)) for name, _, value in pairs)


def _password(uri: Uri) -> str | None:
    return None if uri.password is None else _unescaped(uri.password)


def _folded(value: str | None) -> str | None:
    return None if value is None else _unescaped(value).lower()


def _unescaped(text: str) -> str:
    """Text without those escapes that stand for their character and no more; the others in upper case."""
    return _ESCAPE.sub(_plain, text) if "%" in text else text


def _plain(escape: re.Match[str]) -> str:
    character = unquote(escape.group())
    return escape.group().upper() if character in _RESERVED or not character.isascii() else character
