"""Spoken texts and fetched sounds as WAV files, for a FreeSWITCH that plays files and neither speaks nor fetches."""

import asyncio
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sipio.call_control import MediaText, MediaUrl
from sipio.media.errors import MediaFailed
from sipio.media.g711 import Law, decode
from sipio.media.library import SoundLibrary
from sipio.media.wav_writer import WavWriter

FRAME_SECONDS: Final = 0.02
FILES: Final = 2_000
"""Kept; the oldest goes first. A sentence is some 50 KB."""
READABLE: Final = 0o644
"""FreeSWITCH runs as a user of its own."""


class _Obtaining:
    """A sound being made."""

    def __init__(self, task: asyncio.Task[None]) -> None:
        self._task = task

    def cancel(self) -> None:
        """It is not wanted any more."""
        self._task.cancel()


class SoundFiles:
    """A `sipio.freeswitch.settings.MediaSource`."""

    def __init__(self, library: SoundLibrary, directory: Path) -> None:
        self._library = library
        self._directory = directory
        self._tasks: set[asyncio.Task[None]] = set()

    def obtain(self, media: MediaText | MediaUrl, done: Callable[[Path | str], None]) -> _Obtaining:
        """Begin; ``done`` gets the file, or in words why there is none."""
        task = asyncio.get_running_loop().create_task(self._make(media, done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return _Obtaining(task)

    async def close(self) -> None:
        """Give up what is being made."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._library.close()

    async def _make(self, media: MediaText | MediaUrl, done: Callable[[Path | str], None]) -> None:
        try:
            audio = await self._audio(media)
            path = await asyncio.to_thread(self._write, audio)
        except (MediaFailed, OSError) as error:
            done(str(error))
            return
        done(path)

    async def _audio(self, media: MediaText | MediaUrl) -> bytes:
        source = self._library.open(media, Law.PCMU)
        audio = bytearray()
        while (frame := source.next_frame()) is not None:
            if frame:
                audio += frame
            else:
                # The source has no word for "now": it is made to be asked at every tick of a call.
                await asyncio.sleep(FRAME_SECONDS)
        return bytes(audio)

    def _write(self, audio: bytes) -> Path:
        # By content: the same sentence is the same file, and a sound that changed at its address is another.
        path = self._directory / f"{hashlib.sha256(audio).hexdigest()}.wav"
        if path.exists():
            os.utime(path)
            return path
        unfinished = path.with_suffix(f".{os.getpid()}-{id(audio)}.part")
        with WavWriter(unfinished, channels=1) as writer:
            writer.write(decode(audio, Law.PCMU).tobytes())
        unfinished.chmod(READABLE)
        unfinished.replace(path)
        self._make_room()
        return path

    def _make_room(self) -> None:
        files = sorted(self._directory.glob("*.wav"), key=lambda file: file.stat().st_mtime)
        for file in files[:-FILES]:
            file.unlink(missing_ok=True)
