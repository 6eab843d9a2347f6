"""Turns the bytes of a WAV, from wherever they come, into a sound that plays while it grows."""

import asyncio
import errno
import os
import threading
from pathlib import Path
from typing import BinaryIO, Final

from sipio.media.disk_cache import DiskCache
from sipio.media.errors import NotAudio, SoundNotFound
from sipio.media.sound import Sound
from sipio.media.sound_decoder import SoundDecoder

_FIRST_PIECE: Final = 65_536
"""The first piece is small, so that playing begins soon."""
_PIECE: Final = 524_288


class SoundFilling:
    """One sound being filled. Decoding is done in threads, the sound grows on the event loop."""

    def __init__(
        self, sound: Sound, longest_seconds: int, keep_in: DiskCache | None = None, preface: bytes = b""
    ) -> None:
        """A copy of what comes goes into ``keep_in``, behind ``preface``."""
        self._sound: Final = sound
        self._decoder: Final = SoundDecoder(sound.law, longest_seconds)
        self._cache: Final = keep_in
        self._copy: BinaryIO | None = None
        self._preface: Final = preface
        self._begun = False
        self._abandoned = False
        self._lock: Final = threading.Lock()

    async def feed(self, piece: bytes) -> None:
        """Decode the next bytes into the sound. Raises NotAudio and SoundTooLong, as `SoundDecoder.feed` does."""
        self._sound.extend(await asyncio.to_thread(self._feed, piece))

    def _feed(self, piece: bytes) -> bytes:
        if self._cache is not None:
            # What is abandoned may still be at work here, in its thread.
            with self._lock:
                if not self._abandoned:
                    self._write_copy(self._cache, piece)
        return self._decoder.feed(piece)

    def _write_copy(self, cache: DiskCache, piece: bytes) -> None:
        if not self._begun:
            self._begun = True
            self._copy = cache.begin()
            piece = self._preface + piece
        if self._copy is None:
            return
        try:
            self._copy.write(piece)
        except OSError:
            # The sound does not need its copy.
            cache.discard(self._copy)
            self._copy = None

    async def finish(self, key: str = "") -> bool:
        """The input has ended; its copy is kept under ``key``. Returns whether it was kept.

        Raises NotAudio where it had no audio.
        """
        self._sound.extend(await asyncio.to_thread(self._decoder.finish))
        copy, self._copy = self._copy, None
        if copy is None or self._cache is None:
            return False
        return await asyncio.to_thread(self._cache.keep, key, copy)

    def abandon(self) -> None:
        """Forget the copy, if there is one. Idempotent."""
        with self._lock:
            self._abandoned = True
            if self._copy is not None and self._cache is not None:
                self._cache.discard(self._copy)
                self._copy = None


async def fill_from_file(sound: Sound, path: Path, longest_seconds: int, skip: int = 0) -> None:
    """Read a WAV file, from behind its first ``skip`` bytes.

    Raises SoundNotFound where it is not there or cannot be read, NotAudio where it is no WAV that is read, SoundTooLong
    where it is longer than the cap.
    """
    filling = SoundFilling(sound, longest_seconds)
    at, size, first = skip, _FIRST_PIECE, None
    try:
        while True:
            piece, identity = await asyncio.to_thread(_read, path, at, size)
            if identity != (first or identity):
                raise SoundNotFound(f"{path.name} was replaced while it was read")
            if not piece:
                break
            await filling.feed(piece)
            at, size, first = at + len(piece), _PIECE, identity
        await filling.finish()
    except OSError as error:
        raise _unreadable(path, error) from error
    except NotAudio as error:
        raise NotAudio(f"{path.name}: {error}") from error


def _read(path: Path, at: int, size: int) -> tuple[bytes, tuple[int, int, int]]:
    """A piece, and which file it is of. Opened for each piece: whoever reads may be cancelled while a thread is here,
    and would leave the file open."""
    with path.open("rb") as file:
        file.seek(at)
        status = os.fstat(file.fileno())
        return file.read(size), (status.st_dev, status.st_ino, status.st_mtime_ns)


def _unreadable(path: Path, error: OSError) -> SoundNotFound:
    if error.errno == errno.ENOENT:
        return SoundNotFound(f"no such file: {path.name}")
    return SoundNotFound(f"{path.name} cannot be read: {error.strerror}")
