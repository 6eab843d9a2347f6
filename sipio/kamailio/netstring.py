"""Netstrings (https://cr.yp.to/proto/netstrings.txt), the framing of Kamailio's evapi: no I/O."""

from typing import Final

from sipio.errors import MalformedFrame, OversizedFrame

_DIGITS: Final = frozenset(b"0123456789")


def encode(payload: bytes) -> bytes:
    """Put a payload into its frame."""
    return b"%d:%b," % (len(payload), payload)


class NetstringDecoder:
    """Cuts a stream of bytes into frames."""

    __slots__ = ("_buffer", "_digits", "_limit")

    def __init__(self, limit: int, unread: bytes = b"") -> None:
        """``limit``: the longest payload accepted, in bytes. ``unread``: the beginning of a frame, from `unread` of
        the decoder that had the stream before."""
        self._limit = limit
        self._digits = len(str(limit))
        self._buffer = unread

    @property
    def unread(self) -> bytes:
        """The beginning of a frame that is not complete."""
        return self._buffer

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that these bytes complete, in order.

        Raises OversizedFrame for a length over the limit, MalformedFrame for a length that is no number or a frame
        without its comma. The stream cannot go on after either.
        """
        buffer = self._buffer + data if self._buffer else data
        frames: list[bytes] = []
        position = 0
        size = len(buffer)
        while position < size:
            colon = buffer.find(b":", position, position + self._digits + 1)
            if colon < 0:
                self._check_partial_length(buffer[position : position + self._digits + 1])
                break
            digits = buffer[position:colon]
            if not digits.isdigit():
                raise MalformedFrame(f"netstring length {digits!r}")
            length = int(digits)
            if length > self._limit:
                raise OversizedFrame(f"netstring of {length} bytes, limit {self._limit}")
            end = colon + 1 + length
            if end >= size:
                break
            if buffer[end] != 0x2C:
                raise MalformedFrame("netstring without its comma")
            frames.append(buffer[colon + 1 : end])
            position = end + 1
        self._buffer = buffer[position:]
        return frames

    def _check_partial_length(self, digits: bytes) -> None:
        if not _DIGITS.issuperset(digits):
            raise MalformedFrame(f"netstring length {digits!r}")
        if len(digits) > self._digits:
            raise OversizedFrame(f"netstring length of more than {self._digits} digits")
