"""Turns the bytes of a WAV, from wherever they come, into a sound that plays while it grows."""

import asyncio
import errno
from pathlib import Path
from typing import BinaryIO, Final

from sipio.media.disk_cache import DiskCache
from sipio.media.errors import NotAudio, SoundNotFound
from sipio.media.sound import Sound
from sipio.media.sound_decoder import SoundDecoder

_FIRST_PIECE: Final = 65_536
"""So that playing begins soon."""
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

    async def feed(self, piece: bytes) -> None:
        """Raises NotAudio, SoundTooLong."""
        self._sound.extend(await asyncio.to_thread(self._feed, piece))

    def _feed(self, piece: bytes) -> bytes:
        if self._cache is not None and not self._begun:
            self._begun = True
            self._copy = self._cache.begin()
            piece_of_copy = self._preface + piece
        else:
            piece_of_copy = piece
        if self._copy is not None and self._cache is not None:
            try:
                self._copy.write(piece_of_copy)
            except OSError:
                # The sound does not need its copy.
                self._cache.discard(self._copy)
                self._copy = None
        return self._decoder.feed(piece)

    async def finish(self, key: str = "") -> bool:
        """The input has ended; its copy is kept under ``key``. Returns whether it was kept.

        Raises:
            NotAudio: it had no audio.
        """
        self._sound.extend(await asyncio.to_thread(self._decoder.finish))
        copy, self._copy = self._copy, None
        if copy is None or self._cache is None:
            return False
        return await asyncio.to_thread(self._cache.keep, key, copy)

    def abandon(self) -> None:
        """Forget the copy, if there is one. Idempotent."""
        if self._copy is not None and self._cache is not None:
            self._cache.discard(self._copy)
            self._copy = None


async def fill_from_file(sound: Sound, path: Path, longest_seconds: int, skip: int = 0) -> None:
    """Read a WAV file, from behind its first ``skip`` bytes.

    Raises:
        SoundNotFound: it is not there, or cannot be read.
        NotAudio: it is no WAV that is read.
        SoundTooLong: longer than the cap.
    """
    try:
        file = await asyncio.to_thread(path.open, "rb")
    except OSError as error:
        raise _unreadable(path, error) from error
    filling = SoundFilling(sound, longest_seconds)
    try:
        file.seek(skip)
        size = _FIRST_PIECE
        while True:
            try:
                piece = await asyncio.to_thread(file.read, size)
            except OSError as error:
                raise _unreadable(path, error) from error
            if not piece:
                break
            await filling.feed(piece)
            size = _PIECE
        await filling.finish()
    except NotAudio as error:
        raise NotAudio(f"{path.name}: {error}") from error
    finally:
        file.close()


def _unreadable(path: Path, error: OSError) -> SoundNotFound:
    if error.errno == errno.ENOENT:
        return SoundNotFound(f"no such file: {path.name}")
    return SoundNotFound(f"{path.name} cannot be read: {error.strerror}")
