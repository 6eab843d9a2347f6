"""SIP over a byte stream (RFC 3261 clause 18.3): messages cut by Content-Length, keep-alives swallowed and answered."""

import re
from typing import Final

import msgspec

from sipio.errors import MalformedFrame, OversizedFrame
from sipio.sip.message import MESSAGE_BYTES

HEADER_BYTES: Final = 32_768
"""The longest head before its empty line; a sender without one is stopped here."""
FRAME_SECONDS: Final = 15.0
"""A message begun is complete within this long: a sender that dribbles holds a connection and a buffer."""
PING: Final = b"\r\n\r\n"
PONG: Final = b"\r\n"

_HEAD_END: Final = re.compile(rb"\r\n\r\n|\n\n")
_CONTENT_LENGTH: Final = re.compile(rb"^(?:content-length|l)[ \t]*+:([^\r\n]*+)\r?$", re.IGNORECASE | re.MULTILINE)


class StreamMessages(msgspec.Struct, frozen=True):
    """What one piece of a stream completed."""

    messages: list[bytes]
    pings: int
    """Double CRLFs, each to be answered with a CRLF (RFC 5626 clause 4.4.1)."""


class SipStream:
    """Cuts one direction of one connection into messages. After an error it is of no further use."""

    __slots__ = ("_buffer", "_length", "_pinged", "_searched", "_started")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._length = 0
        """Bytes of the whole message now being read, 0 while its head is not complete."""
        self._searched = 0
        """Where in the head its end is looked for when more comes."""
        self._started: float | None = None
        self._pinged = 0
        """CR and LF seen since the last message or ping."""

    def next_deadline(self) -> float | None:
        """When the message begun has to be complete; None between messages."""
        return None if self._started is None else self._started + FRAME_SECONDS

    def handle_timer(self, now: float) -> None:
        """See whether the message begun is still in time.

        Raises:
            MalformedFrame: it is not complete in time.
        """
        deadline = self.next_deadline()
        if deadline is not None and now >= deadline:
            raise MalformedFrame("message not complete in time")

    def receive(self, data: bytes, now: float) -> StreamMessages:
        """More bytes of the stream.

        Raises:
            MalformedFrame: a Content-Length that is no number, or two that differ.
            OversizedFrame: a head over ``HEADER_BYTES`` or a message over ``MESSAGE_BYTES``.
        """
        buffer = self._buffer
        buffer += data
        messages: list[bytes] = []
        pings = 0
        while buffer:
            if not self._length:
                pings += self._swallow_line_ends()
                if not buffer or not self._read_head():
                    break
            if len(buffer) < self._length:
                break
            messages.append(bytes(buffer[: self._length]))
            del buffer[: self._length]
            self._length = 0
            self._started = None
        if not buffer:
            self._started = None
        elif self._started is None or messages:
            self._started = now
        return StreamMessages(messages, pings)

    def _swallow_line_ends(self) -> int:
        buffer = self._buffer
        size = 0
        while size < len(buffer) and buffer[size] in b"\r\n":
            size += 1
        self._pinged += size
        del buffer[:size]
        pings, rest = divmod(self._pinged, len(PING))
        self._pinged = 0 if buffer else rest
        return pings

    def _read_head(self) -> bool:
        buffer = self._buffer
        found = _HEAD_END.search(buffer, self._searched)
        if found is None:
            self._searched = max(0, len(buffer) - len(PING) + 1)
            if len(buffer) > HEADER_BYTES:
                raise OversizedFrame(f"no end of the headers in {len(buffer)} bytes")
            return False
        end, body = found.span()
        self._searched = 0
        if end > HEADER_BYTES:
            raise OversizedFrame(f"headers of {end} bytes")
        lengths = {value.strip(b" \t") for value in _CONTENT_LENGTH.findall(bytes(buffer[:end]))}
        if len(lengths) > 1:
            raise MalformedFrame("Content-Length headers that differ")
        # Mandatory on a stream; without it the only reading that keeps the stream in step is that of no body.
        value = lengths.pop() if lengths else b"0"
        if not value.isdigit() or len(value) > 9:
            raise MalformedFrame(f"bad Content-Length {value[:40]!r}")
        if body + int(value) > MESSAGE_BYTES:
            raise OversizedFrame(f"message of {body + int(value)} bytes")
        self._length = body + int(value)
        return True
