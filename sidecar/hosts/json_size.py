"""How many values a JSON text has, counted as it comes and before it is read: while it is, everybody else waits."""

import asyncio
import re
from typing import Final

VALUES: Final = 20_000
"""Of one body: to read as many, look at them and pack them for a worker takes some 5 ms."""
PIECE: Final = 65_536
"""Bytes that are counted at once."""
_STRINGS: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_REST: Final = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_NONE: Final = re.compile(rb"[^,{\[]++")


class JsonValues:
    """Counts them: what begins lists and objects, and what stands between two values, outside of texts. What is no JSON
    is counted somehow, and refused by whoever reads it."""

    def __init__(self) -> None:
        self.count = 0
        self._within = False
        """A text that has not ended."""
        self._escape = b""
        """A backslash of it that was the last byte."""

    async def take(self, text: bytes) -> bool:
        """Take some of it, with others in between, as far as it may be read; whether it is too much by now."""
        for at in range(0, len(text), PIECE):
            if at:
                await asyncio.sleep(0)
            self.feed(text[at : at + PIECE])
            if self.count > VALUES:
                return True
        return False

    def feed(self, piece: bytes) -> None:
        """Take the next bytes."""
        begin = 0
        if self._within:
            piece = self._escape + piece
            begin = self._end_of_text(piece, 0)
        if not self._within:
            outside = _STRINGS.sub(b"", piece[begin:])
            code, quote, _ = outside.partition(b'"')
            self.count += len(_NONE.sub(b"", code))
            if quote:
                self._within = True
                self._end_of_text(outside, len(code) + 1)

    def _end_of_text(self, piece: bytes, begin: int) -> int:
        rest = _REST.match(piece, begin)
        end = rest.end() if rest is not None else begin
        self._within = piece[end : end + 1] != b'"'
        self._escape = piece[end:] if self._within else b""
        return end + 1
