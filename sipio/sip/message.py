"""SIP messages (RFC 3261 clause 7): tolerant of what the wire carries, strict where guessing is a hole."""

import re
from typing import Final

from sipio.errors import MalformedMessage, OversizedFrame
from sipio.sip.uri import NameAddress, Uri, parse_name_address, parse_uri, split_list
from sipio.sip.via import check_via

MESSAGE_BYTES: Final = 65_535
"""The longest message accepted: a UDP datagram holds no more, and Kamailio's own buffer is of this size."""
HEADER_COUNT: Final = 512
"""The most header fields accepted; a usual INVITE has 15, one with a long Via and Record-Route chain 80."""

_COMPACT: Final = {
    # RFC 3261 clause 7.3.3, RFC 3515, 3892, 3841, 4028, 6665, 4474, 8224
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "n": "identity-info",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}
_TOKEN: Final = re.compile(r"[A-Za-z0-9.!%*_+`'~-]+")
_VERSION: Final = re.compile(r"SIP/[0-9]+\.[0-9]+", re.IGNORECASE)
_NAMES_REMEMBERED: Final = 2_048
_USUAL_METHODS: Final = frozenset(("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "UPDATE", "INFO", "PRACK"))
_MANDATORY: Final = ("call-id", "cseq", "from", "to", "via")


def is_token(text: str) -> bool:
    """Whether text may stand as a header name or a method (RFC 3261 clause 25.1)."""
    return _TOKEN.fullmatch(text) is not None


class _CanonicalNames(dict[str, str]):
    """By the name as it is spelt. Messages repeat the same two dozen spellings, so that checking and folding one is a
    look-up; a sender of invented names has all of them read anew, and grows it no further."""

    def __missing__(self, name: str) -> str:
        if _TOKEN.fullmatch(name) is None:
            raise MalformedMessage(f"bad header name {name[:80]!r}")
        if len(self) >= _NAMES_REMEMBERED:
            self.clear()
        lowered = name.lower()
        canonical = self[name] = _COMPACT.get(lowered, lowered)
        return canonical


_CANONICAL: Final = _CanonicalNames()


def canonical_name(name: str) -> str:
    """A header's name in lower case, its compact form expanded.

    Raises:
        MalformedMessage: not a token.
    """
    return _CANONICAL[name]


class SipMessage:
    """A request or a response, immutable by convention: nothing writes to one once it is parsed."""

    __slots__ = ("_index", "_sequence", "body", "headers", "raw", "version")

    def __init__(
        self,
        raw: bytes,
        version: str,
        headers: list[tuple[str, str]],
        body: bytes,
        index: dict[str, list[str]] | None = None,
    ) -> None:
        """``index`` is the headers' values by canonical name, where it was made along with them."""
        self.raw: Final = raw
        """The bytes it was parsed from."""
        self.version: Final = version
        """``SIP/2.0``, as written."""
        self.headers: Final = headers
        """Name as spelt and value, in message order, folding undone, a repeated header repeated."""
        self.body: Final = body
        self._index: Final = _index_of(headers) if index is None else index
        self._sequence: tuple[int, str] | None = None

    def get(self, name: str) -> str | None:
        """The first value of a header by any of its spellings, or None."""
        # Our own code asks by canonical names, some fifty times a call: only other spellings are looked up.
        values = self._index.get(name) or self._index.get(_CANONICAL[name])
        return values[0] if values else None

    def get_all(self, name: str) -> list[str]:
        """Every value of a header in message order, one for each field, commas not split."""
        return list(self._index.get(name) or self._index.get(_CANONICAL[name]) or ())

    def spellings(self, name: str) -> list[str]:
        """How a header's name is written in this message, each spelling once, in order."""
        wanted = _CANONICAL[name]
        if wanted not in self._index:
            return []
        return list(dict.fromkeys([spelt for spelt, _ in self.headers if _CANONICAL[spelt] == wanted]))

    def address(self, name: str) -> NameAddress | None:
        """The first address of From, To, Contact, P-Asserted-Identity and the like; None without it.

        Raises:
            MalformedMessage: the value is no address.
        """
        value = self.get(name)
        if value is None:
            return None
        if "," in value:
            values = split_list(value)
            value = values[0] if values else ""
        return parse_name_address(value)

    def verify(self) -> None:
        """Check what a transaction needs: the mandatory headers once each, with a CSeq, Vias and addresses that can be
        read.

        Raises:
            MalformedMessage: says what is missing, doubled or wrong; the answer to such a request is 400.
        """
        self.verify_presence()
        for field in self.get_all("via"):
            check_via(field)
        for name in ("from", "to"):
            address = self.address(name)
            if address is not None and "tag" in address.parameters and not address.tag:
                raise MalformedMessage(f"empty tag in {name}")

    def verify_presence(self) -> None:
        """The part of `verify` that a message inside of a dialog needs, whose addresses say nothing new.

        Raises:
            MalformedMessage: as `verify`.
        """
        values = self._index
        for name in _MANDATORY:
            found = values.get(name)
            if found is None:
                raise MalformedMessage(f"no {name} header")
            if len(found) > 1 and name != "via":
                raise MalformedMessage(f"more than one {name} header")
        self.sequence()

    def sequence(self) -> tuple[int, str]:
        """The CSeq: number and method.

        Raises:
            MalformedMessage: missing, not under 2**32 (RFC 3261 clause 8.1.1.5), or without a method.
        """
        if self._sequence is not None:
            return self._sequence
        parts = (self.get("cseq") or "").split()
        if len(parts) != 2 or not (parts[0].isascii() and parts[0].isdigit()) or not is_token(parts[1]):
            raise MalformedMessage("bad CSeq")
        if len(parts[0]) > 20 or int(parts[0]) > 0xFFFF_FFFF:
            raise MalformedMessage("CSeq number out of range")
        self._sequence = int(parts[0]), parts[1]
        return self._sequence


def _index_of(headers: list[tuple[str, str]]) -> dict[str, list[str]]:
    index: dict[str, list[str]] = {}
    for name, value in headers:
        index.setdefault(_CANONICAL[name], []).append(value)
    return index


class Request(SipMessage):
    """A message with a method and a Request-URI (RFC 3261 clause 7.1)."""

    __slots__ = ("method", "uri")

    def __init__(
        self,
        raw: bytes,
        version: str,
        headers: list[tuple[str, str]],
        body: bytes,
        index: dict[str, list[str]] | None = None,
        *,
        method: str,
        uri: str,
    ) -> None:
        super().__init__(raw, version, headers, body, index)
        self.method: Final = method
        """Case-sensitive (RFC 3261 clause 7.1), as written."""
        self.uri: Final = uri
        """The Request-URI as written."""

    def request_uri(self) -> Uri:
        """The Request-URI in its parts.

        Raises:
            MalformedMessage: it is no URI.
        """
        return parse_uri(self.uri)

    def verify(self) -> None:
        """Check what `SipMessage.verify` does, and that the Request-URI can be read.

        Raises:
            MalformedMessage: says what is wrong.
        """
        super().verify()
        self.request_uri()

    def verify_presence(self) -> None:
        """Check what `SipMessage.verify_presence` does, and that the CSeq names this method.

        Raises:
            MalformedMessage: says what is wrong.
        """
        super().verify_presence()
        if self.sequence()[1] != self.method:
            raise MalformedMessage("CSeq names another method")


class Response(SipMessage):
    """A message with a status and a reason phrase (RFC 3261 clause 7.2)."""

    __slots__ = ("reason", "status")

    def __init__(
        self,
        raw: bytes,
        version: str,
        headers: list[tuple[str, str]],
        body: bytes,
        index: dict[str, list[str]] | None = None,
        *,
        status: int,
        reason: str,
    ) -> None:
        super().__init__(raw, version, headers, body, index)
        self.status: Final = status
        """100 to 699."""
        self.reason: Final = reason


def parse_message(data: bytes) -> Request | Response:
    """Read one datagram, or one whole message of a stream.

    Accepted though the standard forbids or deprecates it: line ends of a bare LF, empty lines before the
    start line, a message that ends after its headers. Text that is no UTF-8 is read as Latin-1, so that every
    byte has a character. Bytes past Content-Length are dropped (RFC 3261 clause 18.3).

    Raises:
        MalformedMessage: a start line, header line or Content-Length that cannot be read without guessing.
        OversizedFrame: more than ``MESSAGE_BYTES`` bytes or ``HEADER_COUNT`` header fields.
    """
    if len(data) > MESSAGE_BYTES:
        raise OversizedFrame(f"message of {len(data)} bytes")
    head, body = _split_body(data)
    try:
        text = head.decode()
    except UnicodeDecodeError:
        text = head.decode("latin-1")
    lines = text.split("\r\n")
    if text.count("\n") != len(lines) - 1:
        lines = text.replace("\r\n", "\n").split("\n")
    if len(lines) > HEADER_COUNT:
        raise OversizedFrame(f"message of {len(lines)} header lines")
    headers, index = _read_headers(lines)
    lengths = index.get("content-length")
    if lengths:
        body = _cut_body(body, lengths)
    first, _, rest = lines[0].partition(" ")
    if first[:4].upper() == "SIP/":
        status, reason = _status_line(first, rest)
        return Response(data, first, headers, body, index, status=status, reason=reason)
    uri, _, version = rest.partition(" ")
    # Exactly one space between the parts: RFC 4475 clause 3.1.2.8 on what to do with more.
    if (
        not uri
        or (first not in _USUAL_METHODS and not is_token(first))
        or (version != "SIP/2.0" and _VERSION.fullmatch(version) is None)
    ):
        raise MalformedMessage(f"bad start line {lines[0][:80]!r}")
    return Request(data, version, headers, body, index, method=first, uri=uri)


def _status_line(version: str, rest: str) -> tuple[int, str]:
    status, _, reason = rest.partition(" ")
    if version != "SIP/2.0" and _VERSION.fullmatch(version) is None:
        raise MalformedMessage(f"bad version {version[:80]!r}")
    if not (len(status) == 3 and status.isascii() and status.isdigit()) or not 100 <= int(status) <= 699:
        raise MalformedMessage(f"bad status {status[:80]!r}")
    return int(status), reason


def _split_body(data: bytes) -> tuple[bytes, bytes]:
    start = 0
    while data[start : start + 1] in (b"\r", b"\n"):
        start += 1
    end = data.find(b"\r\n\r\n", start)
    bare = data.find(b"\n\n", start)
    if bare >= 0 and (end < 0 or bare < end):
        return data[start:bare], data[bare + 2 :]
    if end >= 0:
        return data[start:end], data[end + 4 :]
    return data[start:].rstrip(b"\r\n"), b""


def _read_headers(lines: list[str]) -> tuple[list[tuple[str, str]], dict[str, list[str]]]:
    headers: list[tuple[str, str]] = []
    index: dict[str, list[str]] = {}
    known = _CANONICAL.get
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        key = known(name)
        if key is None or not colon:
            if line[:1] in (" ", "\t"):
                _unfold(line, headers, index)
                continue
            if not colon:
                raise MalformedMessage(f"header line without a colon: {line[:80]!r}")
            name = name.rstrip(" \t")
            key = _CANONICAL[name]
        value = value.strip(" \t")
        headers.append((name, value))
        if key in index:
            index[key].append(value)
        else:
            index[key] = [value]
    return headers, index


def _unfold(line: str, headers: list[tuple[str, str]], index: dict[str, list[str]]) -> None:
    # Folding (RFC 3261 clause 7.3.1) stands for one space.
    if not headers:
        raise MalformedMessage("the first header line begins with white space")
    name, value = headers[-1]
    value = (value + " " + line.strip(" \t")).strip(" ")
    headers[-1] = (name, value)
    index[_CANONICAL[name]][-1] = value


def _cut_body(body: bytes, lengths: list[str]) -> bytes:
    # Two that differ are two readings of where the next message begins: that is refused, never chosen from.
    value = lengths[-1]
    if len(lengths) > 1 and any(other != value for other in lengths):
        raise MalformedMessage("Content-Length headers that differ")
    if not (value.isascii() and value.isdigit() and len(value) <= 9):
        raise MalformedMessage(f"bad Content-Length {value[:80]!r}")
    length = int(value)
    if length > len(body):
        raise MalformedMessage(f"Content-Length {length}, body of {len(body)} bytes")
    return body[:length]
