"""What a worker has to say, sent together where it need not be sent at once."""

import socket
import time
from collections.abc import Callable
from typing import Any, Final

from sandbox.link import pack

FLUSH_BYTES: Final = 64 * 1024
FLUSH_SECONDS: Final = 0.000_3
"""Answers wait for each other this long at most while runs go on, so that one system call carries several."""


class Output:
    """Messages to the daemon that are not sent yet."""

    __slots__ = ("_before_waiting", "_bytes", "_flushed", "_link", "_oldest", "_packed")

    def __init__(self, link: socket.socket, before_waiting: Callable[[], None], flushed: Callable[[], None]) -> None:
        """``before_waiting`` is called where the daemon has to read before more can be sent: its time is nobody's here.
        ``flushed`` is called whenever all that was added has been sent."""
        self._link = link
        self._before_waiting = before_waiting
        self._flushed = flushed
        self._packed: list[bytes] = []
        self._bytes = 0
        self._oldest = 0.0

    def add(self, message: list[Any]) -> None:
        """Send a message soon: with the next flush, or now where much or old output waits."""
        packed = pack(message)
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
            self._send(b"".join(self._packed))
            self._packed.clear()
            self._bytes = 0
        self._flushed()

    def _send(self, data: bytes) -> None:
        try:
            sent = self._link.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self._before_waiting()
            self._link.sendall(memoryview(data)[sent:])
