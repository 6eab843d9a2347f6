"""Message bodies (RFC 3261 clause 7.4, RFC 5621): the part that somebody is for, found alike in every message.

A user agent understands multipart/mixed, and takes any kind of multipart that it does not know for that (RFC 2046
clause 5.1.3). A part that is not understood is passed over where it says ``handling=optional``. Beside a part that is
understood it is passed over as well unless it insists, though RFC 3261 clause 20.11 has ``required`` as the default:
RFC 6442's own examples of an emergency call's location, and much ISUP, leave the parameter out, and a call is worth
more than what is said beside it.
"""

import re
from collections.abc import Collection
from typing import Final

import msgspec

from sipio.errors import MalformedMessage, PeerError
from sipio.sip.message import SipMessage
from sipio.sip.serialize import Headers

PARTS: Final = 32
"""The most parts of a body, those inside of others included; SIP-I with a location has three."""
NESTED: Final = 4
"""How deep multiparts may be nested: alternatives within related parts within mixed ones, and one to spare."""
PART_HEADER_BYTES: Final = 4_096
"""The longest headers of one part; those of S/MIME have 500."""
SDP: Final = "application/sdp"

# What was once matched of one kind of character is not given back (``*+``): white space without end would else be tried
# in every division.
_BOUNDARY: Final = re.compile(r';\s*+boundary\s*+=\s*+(?:"((?!")[^"\\]*+(?:\\.[^"\\]*+)*)"|([^\s;"]++))', re.IGNORECASE)
_HANDLING: Final = re.compile(r';\s*+handling\s*+=\s*+"?\s*+(optional|required)\s*+"?\s*+(?:;|$)', re.IGNORECASE)
_START: Final = re.compile(r';\s*+start\s*+=\s*+(?:"([^"]++)"|([^\s;"]++))', re.IGNORECASE)
_IDENTITY: Final = frozenset({"", "7bit", "8bit", "binary"})
"""Content-Transfer-Encodings that change nothing (RFC 3261 clause 27.5 has ``binary`` as SIP's own)."""


class UnsupportedBody(PeerError):
    """A body that has to be understood and is not: 415."""

    def __init__(self, accepted: Collection[str], reason: str) -> None:
        super().__init__(reason)
        self.headers: Final[Headers] = [("Accept", ", ".join(accepted)), ("Accept-Encoding", "identity")]
        """What would be understood, for the answer (clause 21.4.13)."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A body, or one part of one."""

    kind: str
    """Its media type in lower case, without parameters; empty where none is said."""
    content_type: str
    """The same with its parameters, as written."""
    disposition: str
    """In lower case, without parameters; empty where none is said."""
    handling: str
    """``optional``, ``required``, or empty where it is not said."""
    encoding: str
    """Content-Encoding or Content-Transfer-Encoding, where it changes the content."""
    identifier: str
    """Content-ID without its angle brackets."""
    content: bytes


def find_part(
    message: SipMessage, accepted: Collection[str], *, default: str = "", dispositions: Collection[str] | None = None
) -> Part | None:
    """The part of a message that is of one of the ``accepted`` types; None where it has no body, or none but what may
    be passed over.

    ``default`` is what a body without Content-Type is taken for. A part with a Content-Disposition that is not among
    ``dispositions`` is not meant for us, whatever its type; None takes any.

    Raises:
        MalformedMessage: a multipart that cannot be taken apart.
        UnsupportedBody: it has to be understood and is not.
    """
    if not message.body:
        return None
    whole = _part(
        message.get("content-type") or default,
        message.get("content-disposition") or "",
        _changing_encoding(message.get("content-encoding") or ""),
        "",
        message.body,
    )
    return _Search(accepted, dispositions).find(whole)


def session_description(message: SipMessage) -> bytes | None:
    """The SDP of a message; None where it has none. A body without Content-Type is taken for SDP.

    Raises:
        MalformedMessage, UnsupportedBody: as `find_part`.
    """
    part = find_part(message, (SDP,), default=SDP, dispositions=("session",))
    return part.content if part is not None else None


def answered_description(message: SipMessage) -> bytes | None:
    """The SDP of an answer or an ACK, which cannot be refused: None also where its body is of another kind, such as the
    ISUP alone that follows an early answer.

    Raises:
        MalformedMessage: a multipart that cannot be taken apart.
    """
    try:
        return session_description(message)
    except UnsupportedBody:
        return None


def accepts(message: SipMessage, wanted: str) -> bool:
    """Whether a body of this type may be sent in the answer (RFC 3261 clause 20.1): where Accept says nothing of it
    SDP may, and where it takes multiparts, since SDP may stand in one."""
    fields = message.get_all("accept")
    if not fields:
        return True
    ranges = {value.partition(";")[0].strip().lower() for field in fields for value in field.split(",")}
    return any(name in ranges for name in (wanted, f"{wanted.partition('/')[0]}/*", "*/*", "multipart/*")) or any(
        name.startswith("multipart/") for name in ranges
    )


class _Search:
    """One body, looked through."""

    __slots__ = ("_accepted", "_dispositions", "_left")

    def __init__(self, accepted: Collection[str], dispositions: Collection[str] | None) -> None:
        self._accepted: Final = accepted
        self._dispositions: Final = dispositions
        self._left = PARTS

    def find(self, part: Part, depth: int = 0) -> Part | None:
        if not part.content.strip(b"\r\n") and not part.kind.startswith("multipart/"):
            return None
        if part.encoding:
            self._pass_over(part, f"encoding {part.encoding}")
            return None
        if part.kind.startswith("multipart/"):
            if depth >= NESTED:
                raise MalformedMessage("multipart bodies nested too deeply")
            return self._find_in(part, depth)
        if part.kind in self._accepted and self._is_meant(part.disposition):
            return part
        self._pass_over(part, part.kind or "a body without Content-Type")
        return None

    def _find_in(self, whole: Part, depth: int) -> Part | None:
        parts = _take_apart(whole)
        self._left -= len(parts)
        if self._left < 0:
            raise MalformedMessage(f"body of more than {PARTS} parts")
        if whole.kind == "multipart/related":
            # Only its root is for us; what it refers to is for whoever reads the root (RFC 2387).
            root = _root(whole, parts)
            return self.find(root, depth + 1)
        found: Part | None = None
        refused: UnsupportedBody | None = None
        for part in parts:
            try:
                one = self.find(part, depth + 1)
            except UnsupportedBody as error:
                if part.handling == "required" and whole.kind != "multipart/alternative":
                    raise
                refused = refused or error
                continue
            # Of alternatives the last that is understood is the best (RFC 2046 clause 5.1.4); of a mixture the first.
            if one is not None and (found is None or whole.kind == "multipart/alternative"):
                found = one
        if found is None and refused is not None and whole.handling != "optional":
            raise refused
        return found

    def _is_meant(self, disposition: str) -> bool:
        return not disposition or self._dispositions is None or disposition in self._dispositions

    def _pass_over(self, part: Part, what: str) -> None:
        if part.handling != "optional":
            raise UnsupportedBody(self._accepted, f"{what[:80]} is not understood")


def _part(content_type: str, disposition: str, encoding: str, identifier: str, content: bytes) -> Part:
    handling = _HANDLING.search(disposition)
    return Part(
        kind=content_type.partition(";")[0].strip().lower(),
        content_type=content_type,
        disposition=disposition.partition(";")[0].strip().lower(),
        handling=handling[1].lower() if handling is not None else "",
        encoding=encoding,
        identifier=identifier.strip(" \t<>"),
        content=content,
    )


def _changing_encoding(text: str) -> str:
    """The first Content-Encoding of a list that is not ``identity``; empty for none."""
    return next((name for one in text.split(",") if (name := one.strip().lower()) not in {"", "identity"}), "")


def _take_apart(whole: Part) -> list[Part]:
    """The parts of a multipart (RFC 2046 clause 5.1.1). Line ends may be bare LF, and the closing line may be missing.

    Raises:
        MalformedMessage: no boundary, no part, or a part whose headers cannot be read.
    """
    found = _BOUNDARY.search(whole.content_type)
    if found is None:
        raise MalformedMessage("multipart body without a boundary")
    boundary = re.escape((found[1] or found[2]).encode("latin-1", "replace"))
    delimiter = re.compile(rb"(?:^|\r?\n)--" + boundary + rb"(--)?[ \t]*(?=\r?\n|$)")
    parts: list[Part] = []
    begun: int | None = None
    for match in delimiter.finditer(whole.content):
        if begun is not None:
            parts.append(_read_part(whole.content[begun : match.start()]))
        if len(parts) > PARTS:
            break
        begun = match.end()
        if match[1]:
            begun = None
            break
    if begun is not None and whole.content[begun:].strip():
        parts.append(_read_part(whole.content[begun:]))
    if not parts:
        raise MalformedMessage("multipart body without a part")
    return parts


def _read_part(data: bytes) -> Part:
    # What follows the delimiter is the end of its line; then come headers, which may be none.
    data = data[2:] if data.startswith(b"\r\n") else data[1:]
    if data.startswith((b"\r\n", b"\n")):
        head, content = b"", data[2:] if data.startswith(b"\r\n") else data[1:]
    else:
        end = re.search(rb"\r?\n\r?\n", data)
        head, content = (data[: end.start()], data[end.end() :]) if end is not None else (data, b"")
    if len(head) > PART_HEADER_BYTES:
        raise MalformedMessage("headers of a body part too long")
    headers: dict[str, str] = {}
    for line in re.sub(rb"\r?\n[ \t]+", b" ", head).decode("latin-1").splitlines():
        name, colon, value = line.partition(":")
        if not colon:
            raise MalformedMessage("body part with a header line without a colon")
        headers.setdefault(name.strip().lower(), value.strip())
    transfer = headers.get("content-transfer-encoding", "").lower()
    return _part(
        # RFC 2046 clause 5.1: without a type it is text.
        headers.get("content-type", "text/plain"),
        headers.get("content-disposition", ""),
        _changing_encoding(headers.get("content-encoding", "")) or ("" if transfer in _IDENTITY else transfer),
        headers.get("content-id", ""),
        content,
    )


def _root(whole: Part, parts: list[Part]) -> Part:
    start = _START.search(whole.content_type)
    wanted = (start[1] or start[2]).strip("<>") if start is not None else ""
    return next((part for part in parts if wanted and part.identifier == wanted), parts[0])
