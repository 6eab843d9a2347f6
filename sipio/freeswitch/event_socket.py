"""The event socket's framing, and what its frames mean. Sans-IO.

Measured on FreeSWITCH 1.10.12: LF line ends, ``Key: value`` lines, an empty line, then ``Content-Length`` bytes if
that header is there. Values of events are URL-encoded; those of other frames are raw.
"""

import re
from typing import Final
from urllib.parse import unquote

import msgspec

from sipio.errors import MalformedFrame, OversizedFrame

HEADER_BYTES: Final = 1_048_576
"""The most that one header block may have. The channel data of a call has 6 to 20 KB; a 64 KB INVITE, each byte
escaped, comes to 200."""
BODY_BYTES: Final = 4_194_304
"""The most that one body may have. An event has 6 to 20 KB; with a B leg's variables twice that."""

_END: Final = re.compile(rb"\n\r?\n")
_LONGEST_END: Final = 3


class Frame(msgspec.Struct, frozen=True):
    """One header block and its body. The values are as they were on the wire."""

    headers: dict[str, str]
    """Where a header was sent twice, this has the first: FreeSWITCH itself looks at that one."""
    body: bytes = b""


class Event(msgspec.Struct, frozen=True):
    """Something that happened on a channel. Values are decoded when they are asked for: an event has a hundred
    variables, of which a driver reads three."""

    headers: dict[str, str]
    body: bytes = b""

    def get(self, name: str, default: str = "") -> str:
        """The decoded value of a header, in FreeSWITCH's spelling."""
        value = self.headers.get(name)
        return default if value is None else decode_value(value)

    def variable(self, name: str) -> str:
        """The decoded value of a channel variable; empty where it is not set."""
        return self.get(f"variable_{name}")

    def variables(self) -> dict[str, str]:
        """All channel variables, decoded."""
        return {
            name.removeprefix("variable_"): decode_value(value)
            for name, value in self.headers.items()
            if name.startswith("variable_")
        }

    @property
    def name(self) -> str:
        return self.headers.get("Event-Name", "")


class ChannelData(msgspec.Struct, frozen=True):
    """The answer to ``connect``: the call, as an event that has no body of its own."""

    event: Event


class CommandReply(msgspec.Struct, frozen=True):
    """The answer to a command. ``+OK`` to a ``sendmsg`` says only that it was queued."""

    text: str

    @property
    def accepted(self) -> bool:
        return self.text.startswith("+OK")


class ApiResponse(msgspec.Struct, frozen=True):
    """What FreeSWITCH answered to an ``api`` command."""

    text: str

    @property
    def accepted(self) -> bool:
        return not self.text.startswith(("-ERR", "-USAGE"))


class DisconnectNotice(msgspec.Struct, frozen=True):
    """The channel is gone. Where it lingers, events still follow; else the connection ends next."""


class Ignored(msgspec.Struct, frozen=True):
    """A frame of a kind that means nothing to a driver: a log line, an ``auth/request``."""

    content_type: str


Incoming = ChannelData | CommandReply | ApiResponse | DisconnectNotice | Event | Ignored


class FrameReader:
    """Splits a stream into frames. A stream that has once been malformed stays so."""

    __slots__ = ("_awaited", "_body_bytes", "_buffer", "_header_bytes", "_searched")

    def __init__(self, header_bytes: int = HEADER_BYTES, body_bytes: int = BODY_BYTES) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._awaited: tuple[dict[str, str], int] | None = None
        self._header_bytes = header_bytes
        self._body_bytes = body_bytes

    def receive(self, data: bytes) -> list[Frame]:
        """The frames that are complete with these bytes.

        Raises MalformedFrame for a line without a colon or a Content-Length that is no number, OversizedFrame for more
        header or body than the caps allow.
        """
        self._buffer += data
        frames = []
        while (frame := self._next()) is not None:
            frames.append(frame)
        return frames

    @property
    def partial(self) -> bool:
        """Whether a frame has begun and not ended."""
        return bool(self._buffer) or self._awaited is not None

    def _next(self) -> Frame | None:
        if self._awaited is None:
            block = self._block()
            if block is None:
                return None
            headers = _parse(block)
            length = self._length(headers)
            if length == 0:
                return Frame(headers)
            self._awaited = headers, length
        headers, length = self._awaited
        if len(self._buffer) < length:
            return None
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        self._awaited = None
        return Frame(headers, body)

    def _block(self) -> bytes | None:
        buffer = self._buffer
        if buffer[:1] == b"\n" or buffer[:1] == b"\r":
            del buffer[: len(buffer) - len(buffer.lstrip(b"\r\n"))]
        found = _END.search(buffer, self._searched)
        if found is None:
            self._searched = max(0, len(buffer) - _LONGEST_END + 1)
            if len(buffer) > self._header_bytes:
                raise OversizedFrame(f"an event socket header block of more than {self._header_bytes} bytes")
            return None
        if found.start() > self._header_bytes:
            raise OversizedFrame(f"an event socket header block of more than {self._header_bytes} bytes")
        block = bytes(buffer[: found.start()])
        del buffer[: found.end()]
        self._searched = 0
        return block

    def _length(self, headers: dict[str, str]) -> int:
        text = headers.get("Content-Length")
        if text is None:
            text = next((value for name, value in headers.items() if name.lower() == "content-length"), "0")
        if not text.isascii() or not text.isdecimal() or len(text) > 12:
            raise MalformedFrame(f"Content-Length {text[:40]!r}")
        length = int(text)
        if length > self._body_bytes:
            raise OversizedFrame(f"an event socket body of {length} bytes, over {self._body_bytes}")
        return length


def decode_value(value: str) -> str:
    """A URL-encoded value. What is no UTF-8 becomes U+FFFD, so that it can be put into JSON."""
    return unquote(value, errors="replace") if "%" in value else value


def understand(frame: Frame) -> Incoming:
    """What a frame means. Raises MalformedFrame for an event whose body is no event."""
    headers = frame.headers
    kind = headers.get("Content-Type", "")
    if kind == "text/event-plain":
        return _event(frame.body)
    if kind == "command/reply":
        # The answer to `connect` is the one reply whose values are encoded: it is an event.
        if headers.get("Event-Name") == "CHANNEL_DATA":
            return ChannelData(Event(headers))
        return CommandReply(headers.get("Reply-Text", ""))
    if kind == "api/response":
        return ApiResponse(frame.body.decode(errors="replace"))
    if kind == "text/disconnect-notice":
        return DisconnectNotice()
    return Ignored(kind)


def _event(body: bytes) -> Event:
    found = _END.search(body)
    if found is None:
        raise MalformedFrame("an event without an end of its headers")
    headers = _parse(body[: found.start()])
    return Event(headers, body[found.end() :] if "Content-Length" in headers else b"")


def _parse(block: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in block.decode(errors="replace").split("\n"):
        name, colon, value = line.partition(":")
        if not colon:
            raise MalformedFrame(f"a line without a colon: {line[:80]!r}")
        headers.setdefault(name.strip(), value.strip(" \r\t"))
    return headers
