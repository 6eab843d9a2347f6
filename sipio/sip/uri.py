"""SIP, SIPS and tel URIs (RFC 3261 clause 19.1, RFC 3966) and the name-addr around them (clause 20.10)."""

import re
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

import msgspec

from sipio.errors import MalformedMessage
from sipio.number import Number, read_number

_WHITESPACE: Final = " \t\r\n"
# RFC 3261 clause 25.1: unreserved and user-unreserved. Anything else in a user part is escaped.
_USER_CHARACTERS: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.!~*'()&=+$,;?/")
_REMEMBERED_LENGTH: Final = 200
"""Longer URIs are read anew each time, so that what is remembered stays small."""
_CALL_SCHEMES: Final = frozenset({"sip", "sips", "tel"})
_QUOTED: Final = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_USUAL_ADDRESS: Final = re.compile(
    r'(?:"([^"\\<>]*+)" ?)?<([^<>" \t\r\n]++)>((?:;[A-Za-z0-9-]++(?:=[A-Za-z0-9.@_~+*%!-]++)?)*)'
)
"""One without white space, quotes and escapes but around its display name, as nearly all are: read in half the time."""
_PARTS: Final = {
    separator: re.compile(rf'(?:[^"<{separator}]+|"[^"\\]*(?:\\.[^"\\]*)*"|<[^>]*>)*', re.DOTALL) for separator in ",;"
}
"""Up to the separator, those in quotes and angle brackets left out."""
_FORBIDDEN_IN_URI: Final = frozenset(' \t\r\n<>"')


class Uri(msgspec.Struct, frozen=True, kw_only=True):
    """One URI, its parts as written. Of schemes but sip, sips and tel only ``scheme`` and ``raw`` are set."""

    raw: str
    """The text it was read from, never rewritten."""
    scheme: str
    """Lower case."""
    user: str = ""
    """User part or telephone number, still percent-escaped."""
    password: str | None = None
    host: str = ""
    """The host as it was written; an IPv6 reference keeps its brackets."""
    port: int | None = None
    parameters: dict[str, str | None] = {}
    """Names in lower case; a parameter without ``=`` is None."""
    headers: str = ""
    """What follows ``?``, as written."""

    @property
    def decoded_user(self) -> str:
        """The user part with its percent-escapes resolved; bytes that are no UTF-8 become U+FFFD."""
        return unquote(self.user) if "%" in self.user else self.user

    @property
    def number(self) -> Number:
        """The number or name that the URI is of: what is looked up, and what scripts see."""
        if self.scheme == "tel":
            return read_number(self.raw[4:], telephone=True)
        return read_number(self.user, telephone=self.parameters.get("user") == "phone")

    @property
    def address(self) -> str:
        """``host`` or ``host:port``, as written."""
        return self.host if self.port is None else f"{self.host}:{self.port}"


class NameAddress(msgspec.Struct, frozen=True, kw_only=True):
    """A name-addr or addr-spec with its header parameters: From, To, Contact, P-Asserted-Identity, Route."""

    raw: str
    display_name: str
    """Without quotes and with its escapes resolved."""
    uri: Uri
    parameters: dict[str, str | None]
    """Header parameters such as ``tag``; names in lower case."""

    @property
    def tag(self) -> str | None:
        """The dialog tag, or None."""
        return self.parameters.get("tag")


def escape_user(text: str) -> str:
    """Text as a URI's user part: every byte that RFC 3261 does not allow there becomes ``%XX``."""
    if text.isascii() and text.isalnum():
        return text
    return "".join(
        chr(byte) if byte in _USER_CHARACTERS else f"%{byte:02X}" for byte in text.encode("utf-8", "replace")
    )


def with_number(uri: Uri, number: str) -> str:
    """A SIP, SIPS or tel URI with another number or name, and without the parameters that were those of the old one.

    Everything else stays as it was written. Of a tel URI only ``phone-context`` stays, and that where the new number is
    a local one too, which means nothing without it (RFC 3966 clause 5.1.5).
    """
    user = escape_user(number)
    if uri.scheme == "tel":
        context = uri.parameters.get("phone-context")
        return f"tel:{user}" if context is None or number.startswith("+") else f"tel:{user};phone-context={context}"
    scheme, _, rest = uri.raw.partition(":")
    _, at, tail = rest.partition("@")
    return f"{scheme}:{user}@{tail if at else rest}"


def parse_uri(text: str) -> Uri:
    """Read one URI.

    Raises:
        MalformedMessage: no scheme, no host, a bad port, or white space, quotes or angle brackets inside.
    """
    return _remembered(text) if len(text) <= _REMEMBERED_LENGTH else _parse(text)


def _parse(text: str) -> Uri:
    scheme, colon, rest = text.partition(":")
    # The three that calls are made of are known to be schemes: checking each letter was a seventh of a call's time.
    if not colon or (scheme not in _CALL_SCHEMES and (not scheme or not scheme[0].isalpha() or not _is_scheme(scheme))):
        raise MalformedMessage(f"URI without a scheme: {text[:80]!r}")
    if not _FORBIDDEN_IN_URI.isdisjoint(text):
        raise MalformedMessage(f"URI with white space, quotes or angle brackets: {text[:80]!r}")
    scheme = scheme.lower()
    if scheme in {"sip", "sips"}:
        return _parse_sip(text, scheme, rest)
    if scheme == "tel":
        number, _, tail = rest.partition(";")
        if not number:
            raise MalformedMessage("tel URI without a number")
        return Uri(raw=text, scheme=scheme, user=number, parameters=_parameters(tail))
    return Uri(raw=text, scheme=scheme)


# One call reads the same few URIs seven times, and the calls of one trunk share most of them.
_remembered: Final = lru_cache(maxsize=1_024)(_parse)


def _is_scheme(scheme: str) -> bool:
    return scheme.isascii() and all(character.isalnum() or character in "+-." for character in scheme)


def _parse_sip(text: str, scheme: str, rest: str) -> Uri:
    # The user part may hold ';', '?' and '/', so it is cut off first. An '@' inside it must be escaped: of
    # two, neither can be chosen without guessing where the call would go.
    user, at, tail = rest.partition("@")
    if not at:
        user, tail = "", rest
    elif not user:
        raise MalformedMessage(f"URI with an empty user part: {text[:80]!r}")
    tail, _, headers = tail.partition("?")
    host_port, _, parameter_text = tail.partition(";")
    host, port = _split_port(host_port, text)
    user, has_password, password = user.partition(":")
    return Uri(
        raw=text,
        scheme=scheme,
        user=user,
        password=password if has_password else None,
        host=host,
        port=port,
        parameters=_parameters(parameter_text) if parameter_text else {},
        headers=headers,
    )


def _split_port(host_port: str, text: str) -> tuple[str, int | None]:
    if host_port.startswith("["):
        host, bracket, after = host_port.partition("]")
        host += bracket
        if not bracket or (after and not after.startswith(":")):
            raise MalformedMessage(f"URI with a broken IPv6 reference: {text[:80]!r}")
        colon, port_text = after[:1], after[1:]
    else:
        host, colon, port_text = host_port.partition(":")
    if not host or "@" in host_port:
        raise MalformedMessage(f"URI without a host: {text[:80]!r}")
    if not colon:
        return host, None
    if not (port_text.isascii() and port_text.isdigit() and len(port_text) <= 5) or int(port_text) > 65_535:
        raise MalformedMessage(f"URI with a bad port: {text[:80]!r}")
    return host, int(port_text)


def _parameters(text: str) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if name:
            found.setdefault(name.lower(), value if equals else None)
    return found


# From is read when a request is looked at and when its dialog is made: few are remembered, for as long.
@lru_cache(maxsize=16)
def parse_name_address(text: str) -> NameAddress:
    """Read one name-addr or addr-spec with its parameters.

    In the addr-spec form (no angle brackets) every parameter belongs to the header, not to the URI
    (RFC 3261 clause 20.10).

    Raises:
        MalformedMessage: unbalanced quotes or angle brackets, text after the address, or a bad URI.
    """
    usual = _USUAL_ADDRESS.fullmatch(text)
    if usual is not None:
        display_name, uri, parameters = usual.groups("")
        return NameAddress(
            raw=text,
            display_name=display_name,
            uri=parse_uri(uri),
            parameters=_parameters(parameters) if parameters else {},
        )
    return _parse_any_name_address(text)


def _parse_any_name_address(text: str) -> NameAddress:
    stripped = text.strip(_WHITESPACE)
    name = ""
    rest = stripped
    if stripped.startswith('"'):
        name, end = _quoted_string(stripped)
        rest = stripped[end:].lstrip(_WHITESPACE)
        if not rest.startswith("<"):
            raise MalformedMessage(f"display name without <address>: {text[:80]!r}")
    opening = rest.find("<")
    if opening < 0:
        address, _, tail = rest.partition(";")
        return NameAddress(
            raw=text,
            display_name="",
            uri=parse_uri(address.rstrip(_WHITESPACE)),
            parameters=_header_parameters(tail),
        )
    if opening:
        name = rest[:opening].strip(_WHITESPACE)
        if '"' in name or "," in name or ";" in name:
            raise MalformedMessage(f"display name with separators outside quotes: {text[:80]!r}")
    closing = rest.find(">", opening)
    if closing < 0:
        raise MalformedMessage(f"address without its closing bracket: {text[:80]!r}")
    tail = rest[closing + 1 :].strip(_WHITESPACE)
    if tail and not tail.startswith(";"):
        raise MalformedMessage(f"text after the address: {text[:80]!r}")
    return NameAddress(
        raw=text,
        display_name=name,
        uri=parse_uri(rest[opening + 1 : closing].strip(_WHITESPACE)),
        parameters=_header_parameters(tail),
    )


def _quoted_string(text: str, position: int = 0) -> tuple[str, int]:
    """The content of the quoted-string that begins there, escapes resolved, and where the text after it begins."""
    match = _QUOTED.match(text, position)
    if match is None:
        raise MalformedMessage(f"quoted string without its end: {text[position : position + 80]!r}")
    content = match[1]
    return _ESCAPE.sub(r"\1", content) if "\\" in content else content, match.end()


def _header_parameters(text: str) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for part in _split_outside_quotes(text, ";"):
        name, equals, value = part.partition("=")
        name = name.strip(_WHITESPACE).lower()
        if not name:
            continue
        value = value.strip(_WHITESPACE)
        if value.startswith('"'):
            value, _ = _quoted_string(value)
        found.setdefault(name, value if equals else None)
    return found


def split_list(text: str) -> list[str]:
    """The values of a comma-separated header, commas inside quotes and angle brackets left alone.

    Raises:
        MalformedMessage: a quoted string without its end.
    """
    if "," not in text:
        stripped = text.strip(_WHITESPACE)
        return [stripped] if stripped else []
    return [part.strip(_WHITESPACE) for part in _split_outside_quotes(text, ",") if part.strip(_WHITESPACE)]


def _split_outside_quotes(text: str, separator: str) -> list[str]:
    if '"' not in text and "<" not in text:
        return text.split(separator)
    part = _PARTS[separator]
    parts = []
    start = position = 0
    while (match := part.match(text, position)) is not None:
        position = match.end()
        if position < len(text) and text[position] == '"':
            raise MalformedMessage(f"quoted string without its end: {text[position : position + 80]!r}")
        if position == len(text) or text[position] == "<":
            break
        parts.append(text[start:position])
        start = position = position + 1
    parts.append(text[start:])
    return parts
