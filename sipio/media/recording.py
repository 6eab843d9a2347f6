"""A call's audio on its way to disk: gathered by the second, written by threads."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sipio.call_control import RecordingFinished
from sipio.media.errors import RecordingFailed
from sipio.media.g711 import Law, decode
from sipio.media.wav_writer import WavWriter

_FLUSH_BYTES: Final = 8_000
"""So much of one side is gathered for one write: a second, which is the most that is lost if we die."""


class Recording:
    """What is heard and what is sent, of one session. Lives on the event loop; one write at a time is in a thread."""

    def __init__(
        self,
        name: str,
        path: Path,
        *,
        stereo: bool,
        behind_bytes: int,
        executor: Executor,
        finished: Callable[[RecordingFinished], None],
    ) -> None:
        """``finished`` is called once, after `close` or a failure.

        Raises RecordingFailed where the file cannot be made.
        """
        self._name: Final = name
        self._stereo: Final = stereo
        self._behind_bytes: Final = behind_bytes
        self._executor: Final = executor
        self._finished: Final = finished
        self._writer: Final = WavWriter(path, 2 if stereo else 1)
        self._loop: Final = asyncio.get_running_loop()
        self.complete: Final[asyncio.Future[None]] = self._loop.create_future()
        """Done when nothing more is written: the file is closed."""
        self._law = Law.PCMU
        self._heard = bytearray()
        self._sent = bytearray()
        self._gathered: list[tuple[bytes, bytes, Law]] = []
        self._gathered_bytes = 0
        self._writing = False
        self._closing = False
        self._error = ""

    @property
    def open(self) -> bool:
        """Whether more is taken."""
        return not self._closing

    def frame(self, heard: bytes, sent: bytes, law: Law) -> None:
        """Record 20 ms of both sides."""
        if law is not self._law:
            self._gather()
            self._law = law
        self._heard += heard
        self._sent += sent
        if len(self._heard) >= _FLUSH_BYTES:
            self._gather()
            self._write()

    def close(self) -> None:
        """Write the rest. Idempotent."""
        if self._closing:
            return
        self._closing = True
        self._gather()
        self._write()

    def _gather(self) -> None:
        if not self._heard:
            return
        self._gathered.append((bytes(self._heard), bytes(self._sent), self._law))
        self._gathered_bytes += len(self._heard) + len(self._sent)
        self._heard.clear()
        self._sent.clear()
        if self._gathered_bytes > self._behind_bytes and not self._error:
            self._error = "the disk is too slow"
            self._closing = True

    def _write(self) -> None:
        if self._writing:
            return
        gathered, self._gathered, self._gathered_bytes = self._gathered, [], 0
        if not gathered and not self._closing:
            return
        self._writing = True
        self._executor.submit(self._write_in_thread, gathered, last=self._closing)

    def _write_in_thread(self, gathered: list[tuple[bytes, bytes, Law]], *, last: bool) -> None:
        error = ""
        try:
            for heard, sent, law in gathered:
                self._writer.write(interleave(heard, sent, law) if self._stereo else mix(heard, sent, law))
        except RecordingFailed as failure:
            error = str(failure)
        if last or error:
            try:
                self._writer.close()
            except RecordingFailed as failure:
                error = error or str(failure)
        self._loop.call_soon_threadsafe(self._written, error, last or bool(error))

    def _written(self, error: str, closed: bool) -> None:
        self._writing = False
        self._error = self._error or error
        if not closed:
            if self._gathered or self._closing:
                self._write()
            return
        self._closing = True
        self._gathered.clear()
        if not self.complete.done():
            self.complete.set_result(None)
        self._finished(
            RecordingFinished(name=self._name, path=self._writer.path, seconds=self._writer.seconds, error=self._error)
        )


def interleave(heard: bytes, sent: bytes, law: Law) -> bytes:
    """16-bit stereo, what was heard on the left."""
    both = np.empty((len(heard), 2), "<i2")
    both[:, 0] = decode(heard, law)
    both[:, 1] = decode(sent, law)
    return both.tobytes()


def mix(heard: bytes, sent: bytes, law: Law) -> bytes:
    """16-bit mono, the sum of both, clipped."""
    total: NDArray[np.int32] = decode(heard, law).astype(np.int32) + decode(sent, law)
    clipped = np.clip(total, -32_768, 32_767).astype("<i2")
    return clipped.tobytes()
