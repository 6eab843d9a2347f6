"""The content of an answer, as its Content-Encoding says that it is packed (RFC 9110, 8.4)."""

import zlib
from collections.abc import Sequence
from typing import Final, Protocol

from sidecar.hosts.outgoing.exchange import OutgoingFailed

MEMBERS: Final = 1_000
"""Of one gzip, each of which takes 3 us to begin. One that is packed in blocks has some 16 of an answer's size."""
_GZIP: Final = b"\x1f\x8b"


class Content(Protocol):
    """What is read of an answer."""

    def feed(self, piece: bytes, most: int) -> bytes:
        """What the next bytes are, unpacked, up to so many. Raises OutgoingFailed."""
        ...

    def finish(self) -> None:
        """Nothing more comes. Raises OutgoingFailed where there is no end yet."""
        ...


def content_of(codings: Sequence[str]) -> Content:
    """What reads an answer with these headers Content-Encoding. Raises OutgoingFailed for a coding that was not asked
    for."""
    named = [coding.strip().lower() for header in codings for coding in header.split(",")]
    packed = [coding for coding in named if coding not in ("", "identity")]
    if not packed:
        return _Plain()
    if packed not in (["gzip"], ["x-gzip"]):
        raise OutgoingFailed(f"the answer is packed as {', '.join(packed)[:40]!r}, which was not asked for")
    return _Gzip()


class _Plain:
    def feed(self, piece: bytes, most: int) -> bytes:
        return piece[:most]

    def finish(self) -> None:
        pass


class _Gzip:
    """Members one after the other, which are one content (RFC 1952, 2.2). Zeros behind the last fill up a block of a
    tape, and say nothing."""

    def __init__(self) -> None:
        self._member: zlib._Decompress | None = None
        self._members = 0
        self._waiting = b""
        """The first byte of what comes behind a member, where there are not two yet."""
        self._padded = False

    def feed(self, piece: bytes, most: int) -> bytes:
        unpacked = bytearray()
        piece = self._waiting + piece
        self._waiting = b""
        while piece and len(unpacked) < most:
            if self._member is None:
                piece = self._begun(piece)
                continue
            try:
                unpacked += self._member.decompress(piece, most - len(unpacked))
            except zlib.error as error:
                raise OutgoingFailed(f"the answer's gzip is damaged: {error}") from None
            piece = b""
            if self._member.eof:
                piece, self._member = self._member.unused_data, None
        return bytes(unpacked)

    def finish(self) -> None:
        if self._member is not None or self._waiting:
            raise OutgoingFailed("the answer's gzip has no end")

    def _begun(self, piece: bytes) -> bytes:
        """Begin with the next member, if one is there; what is left to be read."""
        if self._members:
            if not self._padded and len(piece) == 1 and _GZIP.startswith(piece):
                self._waiting = piece
                return b""
            if self._padded or not piece.startswith(_GZIP):
                if piece.strip(b"\x00"):
                    raise OutgoingFailed("the answer has more behind its gzip")
                self._padded = True
                return b""
            if self._members == MEMBERS:
                raise OutgoingFailed(f"the answer's gzip has more than {MEMBERS} members")
        self._members += 1
        self._member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        return piece
