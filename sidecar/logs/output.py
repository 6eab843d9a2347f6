"""Log lines to a descriptor whose reader may be slow, stopped or gone: the event loop never waits for it."""

import asyncio
import contextlib
import os
import select
import socket
import stat
import threading
import time
from collections.abc import Callable
from typing import Final

BUFFER_BYTES: Final = 4 * 1024 * 1024
"""Lines the reader has not taken. At 700 bytes a record and 1,000 decisions a second this is 6 s of a stopped
journald, which restarts in less; what comes after is dropped and counted."""

WRITE_BYTES: Final = 64 * 1024
"""One write: a pipe's own capacity. A larger one to a file would only hold the loop for longer."""

POLLED_WRITE_BYTES: Final = 512
"""Where no non-blocking descriptor of our own could be had. POLLOUT promises PIPE_BUF, whose least value in
POSIX is 512, and a write of no more than that does not block after it."""


class LineOutput:
    """Takes whole lines, writes them in the loop's next iteration, and drops whole lines past its cap.

    ``dropped_line`` makes the line that says how many were lost. Other threads' lines are passed to the loop.
    """

    def __init__(
        self,
        descriptor: int,
        *,
        dropped_line: Callable[[int], bytes],
        buffer_bytes: int = BUFFER_BYTES,
    ) -> None:
        self._descriptor, self._send = _unshared(descriptor)
        self._dropped_line = dropped_line
        self._buffer_bytes = buffer_bytes
        self._pending = bytearray()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._scheduled = False
        self._waiting = False
        self._unsaid = 0
        self._closed = False
        self.dropped = 0
        """Lines lost since the start."""

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Write from this loop from now on; called in its thread. Before, each line is written at once."""
        self._loop = loop
        self._thread = threading.get_ident()
        if self._pending:
            self._schedule(loop)

    def detach(self) -> None:
        """The loop is about to end: lines are written at once again."""
        loop, self._loop = self._loop, None
        if loop is not None and self._waiting:
            loop.remove_writer(self._descriptor)
        self._waiting = self._scheduled = False

    def write(self, line: bytes) -> None:
        """Take one line, with its line feed. Never blocks, never raises."""
        loop = self._loop
        if loop is not None and threading.get_ident() != self._thread:
            # A loop closed meanwhile has nobody left to write the line.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self.write, line)
            return
        if self._closed or len(self._pending) + len(line) > self._buffer_bytes:
            self.dropped += 1
            self._unsaid += 1
            return
        self._pending += line
        if loop is None:
            self._flush()
        elif not self._scheduled and not self._waiting:
            self._schedule(loop)

    def close(self, seconds: float) -> None:
        """Detach, wait up to ``seconds`` for the reader to take what is pending, and close."""
        if self._closed:
            return
        self.detach()
        if self._unsaid:
            self._say_dropped()
        end = time.monotonic() + seconds
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        self._flush()
        while self._pending and not self._closed and (left := end - time.monotonic()) > 0:
            poll.poll(left * 1000)
            self._flush()
        if not self._closed:
            self._close()

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        self._scheduled = True
        loop.call_soon(self._flush)

    def _say_dropped(self) -> None:
        line = self._dropped_line(self._unsaid)
        if len(self._pending) + len(line) <= self._buffer_bytes:
            self._pending += line
            self._unsaid = 0

    def _flush(self) -> None:
        self._scheduled = False
        if self._closed:
            return
        blocked = False
        try:
            sent = self._send(bytes(self._pending[:WRITE_BYTES]))
        except BlockingIOError:
            sent, blocked = 0, True
        except OSError:
            # EPIPE, EIO of a terminal that hung up: there is nobody to tell.
            self._close()
            return
        del self._pending[:sent]
        loop = self._loop
        # Not sooner, or a reader that is only slow would be given more notes than lines.
        if self._unsaid and len(self._pending) * 2 <= self._buffer_bytes:
            self._say_dropped()
        if loop is None:
            return
        if blocked and not self._waiting:
            loop.add_writer(self._descriptor, self._flush)
            self._waiting = True
        elif not blocked and self._waiting and not self._pending:
            loop.remove_writer(self._descriptor)
            self._waiting = False
        elif self._pending and not self._waiting:
            self._schedule(loop)

    def _close(self) -> None:
        if self._loop is not None and self._waiting:
            self._loop.remove_writer(self._descriptor)
        self._waiting = False
        self._closed = True
        if self._pending:
            self.dropped += self._pending.count(b"\n")
            self._pending.clear()
        os.close(self._descriptor)


def _unshared(descriptor: int) -> tuple[int, Callable[[bytes], int]]:
    """A descriptor of our own and a write on it that does not wait.

    O_NONBLOCK belongs to the open file description, which standard error shares with the shell and every
    process beside us, so it is not set there: a socket (journald) takes MSG_DONTWAIT in each send, a pipe or
    terminal is opened anew through /proc, and a file has no reader to wait for.
    """
    mode = os.fstat(descriptor).st_mode
    own = os.dup(descriptor)
    if stat.S_ISSOCK(mode):

        def send(data: bytes) -> int:
            # A socket object of its own descriptor would close it twice; this one only lends it for a call.
            borrowed = socket.socket(fileno=own)
            try:
                return borrowed.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            finally:
                borrowed.detach()

        return own, send
    if stat.S_ISREG(mode):
        return own, lambda data: os.write(own, data)
    try:
        reopened = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        poll = select.poll()
        poll.register(own, select.POLLOUT)

        def send_polled(data: bytes) -> int:
            if not poll.poll(0):
                raise BlockingIOError
            return os.write(own, data[:POLLED_WRITE_BYTES])

        return own, send_polled
    os.close(own)
    return reopened, lambda data: os.write(reopened, data)
