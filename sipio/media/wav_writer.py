"""WAV files written as the audio comes, with a header that is right whenever we stop."""

import errno
import os
import struct
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from sipio.media.errors import DiskFull, RecordingFailed
from sipio.media.g711 import SAMPLE_RATE

_HEADER: Final = struct.Struct("<4sI4s4sIHHIIHH4sI")
_HEADER_BYTES: Final = 44
_SAMPLE_BYTES: Final = 2
_LONGEST: Final = 0xFFFFFFFF - _HEADER_BYTES - 1_048_576
"""A WAV counts its bytes in 32 bits: 37 hours in stereo."""
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class WavWriter:
    """A file of 16-bit PCM at 8 kHz. Blocking; errors come from the write that met them, nothing is held back."""

    def __init__(self, path: Path, channels: int) -> None:
        """Makes the file, its directory too; one that was there is replaced.

        Raises RecordingFailed where it cannot be made, DiskFull where that is why.
        """
        self.path: Final = path
        self._frame_bytes: Final = channels * _SAMPLE_BYTES
        self._written = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Without a buffer of Python's: what write() has taken is the kernel's, whatever becomes of us.
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise _failure(path, error) from error
        try:
            self._write_all(self._header())
        except OSError as error:
            os.close(self._descriptor)
            raise _failure(path, error) from error

    @property
    def seconds(self) -> float:
        """How long what is on disk is."""
        return self._written / self._frame_bytes / SAMPLE_RATE

    def write(self, audio: bytes) -> None:
        """Append whole frames, channels interleaved, and bring the header up to date.

        Raises RecordingFailed where not all of it could be written, DiskFull where that is why. What could be is kept.
        """
        if self._written + len(audio) > _LONGEST:
            raise RecordingFailed(f"{self.path.name} is as long as a WAV can be")
        try:
            try:
                self._written += self._write_all(audio)
            finally:
                os.pwrite(self._descriptor, self._header(), 0)
        except OSError as error:
            raise _failure(self.path, error) from error

    def close(self) -> None:
        """Close the file; once more does nothing.

        Raises RecordingFailed where the file system says only now that something was not written.
        """
        if self._descriptor < 0:
            return
        descriptor, self._descriptor = self._descriptor, -1
        try:
            os.close(descriptor)
        except OSError as error:
            raise _failure(self.path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write_all(self, data: bytes) -> int:
        """How many bytes of whole frames were written; raises OSError once none more can be."""
        done = 0
        try:
            while done < len(data):
                done += os.write(self._descriptor, memoryview(data)[done:])
        except OSError:
            # A nearly full disk takes part of a write first: it stays, cut to whole frames.
            self._written += done - done % self._frame_bytes
            raise
        return done

    def _header(self) -> bytes:
        return _HEADER.pack(
            b"RIFF",
            _HEADER_BYTES - 8 + self._written,
            b"WAVE",
            b"fmt ",
            16,
            1,
            self._frame_bytes // _SAMPLE_BYTES,
            SAMPLE_RATE,
            SAMPLE_RATE * self._frame_bytes,
            self._frame_bytes,
            8 * _SAMPLE_BYTES,
            b"data",
            self._written,
        )


def _failure(path: Path, error: OSError) -> RecordingFailed:
    if error.errno in _FULL:
        return DiskFull(f"no space left for {path.name}")
    return RecordingFailed(f"{path.name} cannot be written: {error.strerror}")
