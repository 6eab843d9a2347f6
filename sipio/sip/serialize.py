"""Messages as bytes. What was parsed is repeated as its raw text, never put together again."""

import re
from collections.abc import Iterable
from typing import Final

from sipio.errors import LocalError, MalformedMessage
from sipio.reasons import reason_phrase
from sipio.sip.address import Address
from sipio.sip.message import Request, canonical_name, is_token
from sipio.sip.tag import tag_of
from sipio.sip.via import parse_via, top_value_end

Headers = list[tuple[str, str]]

OWNED_HEADERS: Final = frozenset({
    "via", "from", "to", "call-id", "cseq", "contact", "content-length", "content-type", "max-forwards", "route",
    "record-route", "rseq", "rack", "require", "supported", "session-expires", "min-se", "authorization",
    "proxy-authorization", "www-authenticate", "proxy-authenticate",
})  # fmt: skip
"""What the user agent writes by itself; nobody else may."""

_RPORT: Final = re.compile(r";\s*rport\s*(?:=[^;,]*)?(?=[;,]|$)", re.IGNORECASE)
_RECEIVED: Final = re.compile(r";\s*received\s*=[^;,]*", re.IGNORECASE)


class InvalidHeader(LocalError):
    """A header that a caller of ours may not set, or that would break the message."""


def check_headers(headers: Headers | None) -> Headers:
    """Headers that somebody else made up, fit to be sent.

    Raises:
        InvalidHeader: a bad name, a line end inside, or one of `OWNED_HEADERS`.
    """
    if not headers:
        return []
    for name, value in headers:
        if not is_token(name) or "\r" in value or "\n" in value or "\0" in value:
            raise InvalidHeader(f"header {name[:80]!r} cannot be sent")
        if canonical_name(name) in OWNED_HEADERS:
            raise InvalidHeader(f"header {name!r} is set by the user agent alone")
    return headers


def build_request(method: str, uri: str, headers: Iterable[tuple[str, str]], body: bytes = b"") -> bytes:
    """A request of these headers in this order, and Content-Length."""
    lines = [f"{method} {uri} SIP/2.0"]
    lines += [f"{name}: {value}" for name, value in headers]
    lines.append(f"Content-Length: {len(body)}\r\n\r\n")
    return _encode("\r\n".join(lines)) + body


class ResponseHead:
    """What every response to one request begins with: its Via, From, Call-ID and CSeq, repeated as they came."""

    __slots__ = ("_charset", "_text", "_to", "record_route", "tagged")

    def __init__(self, request: Request, via: str) -> None:
        """``via`` is the first Via field as `stamped_via` has it."""
        lines = [f"Via: {via}"]
        lines += [f"Via: {value}" for value in request.get_all("via")[1:]]
        for name, title in (("from", "From"), ("call-id", "Call-ID"), ("cseq", "CSeq"), ("timestamp", "Timestamp")):
            value = request.get(name)
            if value is not None:
                lines.append(f"{title}: {value}")
        self._text: Final = "\r\n".join(lines)
        self._charset: Final = "utf-8" if self._text.isascii() else _charset(request.raw)
        self._to: Final = request.get("to") or ""
        # Exactly as dialogs see it, whatever a display name says.
        self.tagged: Final = bool(tag_of(self._to))
        self.record_route: Final = [("Record-Route", value) for value in request.get_all("record-route")]

    def build(
        self, status: int, reason: str, to_tag: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
    ) -> bytes:
        """One response; ``to_tag`` is added where the request had none."""
        to = self._to if self.tagged or not to_tag else f"{self._to};tag={to_tag}"
        start = f"SIP/2.0 {status} {reason or reason_phrase(status)}\r\n{self._text}\r\n"
        lines = [f"To: {to}"] if to else []
        lines += [f"{name}: {value}" for name, value in headers]
        lines.append(f"Content-Length: {len(body)}\r\n\r\n")
        return (start + "\r\n".join(lines)).encode(self._charset, "replace") + body


def stamped_via(value: str, source: Address) -> str:
    """A top Via as it came, with ``received`` and ``rport`` filled in (RFC 3261 clause 18.2.1, RFC 3581 clause 4).

    Only the parameters are touched. ``received`` is added whenever the host differs or rport was asked for.

    Raises:
        MalformedMessage: it is no Via.
    """
    via = parse_via(value)
    end = top_value_end(value)
    top, rest = value[:end].rstrip(), value[end:]
    asked = _RPORT.search(top)
    if asked is not None:
        top = f"{top[: asked.start()]};rport={source.port}{top[asked.end() :]}"
    if asked is not None or via.host.strip("[]").lower() != source.host:
        top = _RECEIVED.sub("", top) + f";received={source.host}"
    return top + rest


def response_address(source: Address, via_value: str) -> Address:
    """Where responses go: back to the source with rport or over a connection, else to the sent-by port.

    RFC 3261 clause 18.2.2, RFC 3581 clause 4.
    """
    if source.transport != "udp" or _RPORT.search(via_value[: top_value_end(via_value)]) is not None:
        return source
    try:
        via = parse_via(via_value)
    except MalformedMessage:
        return source
    return source._replace(port=via.port or 5060)


def printable(reason: str) -> str:
    """A reason phrase made of an error's text: what it quotes of the peer's message is made harmless."""
    return "".join(character if " " <= character <= "~" else "?" for character in reason[:100])


def _encode(text: str) -> bytes:
    # A lone surrogate comes from an escape in a script's text.
    return text.encode("utf-8", "replace")


def _charset(raw: bytes) -> str:
    try:
        raw.partition(b"\r\n\r\n")[0].decode()
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"
