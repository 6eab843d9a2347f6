"""What a worker has to say, sent together where it need not be sent at once."""

import socket
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from sandbox.link import packer

FLUSH_BYTES: Final = 64 * 1024
FLUSH_SECONDS: Final = 0.000_3
"""Answers wait for each other this long at most while runs go on, so that one system call carries several."""


class Output:
    """Messages to the daemon that are not sent yet."""

    __slots__ = ("_bytes", "_flushed", "_link", "_oldest", "_packed", "_packer")

    def __init__(self, link: socket.socket, flushed: Callable[[], None]) -> None:
        """``flushed`` is called whenever all that was added has been sent."""
        self._link = link
        self._flushed = flushed
        self._packer = packer()
        self._packed: list[bytes] = []
        self._bytes = 0
        self._oldest = 0.0

    def add(self, message: Sequence[Any]) -> None:
        """Send a message soon: with the next flush, or now where much or old output waits."""
        packed = self._packer.pack(message)
        now = time.monotonic()
        if not self._packed:
            self._oldest = now
        self._packed.append(packed)
        self._bytes += len(packed)
        if self._bytes > FLUSH_BYTES or now - self._oldest > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Send everything. Raises OSError where the daemon is gone."""
        if self._packed:
            self._link.sendall(b"".join(self._packed))
            self._packed.clear()
            self._bytes = 0
        self._flushed()
