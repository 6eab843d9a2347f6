"""Text to speech by a command that writes a WAV, spoken as it is made."""

import asyncio
import contextlib
import os
import re
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from typing import Final

from sipio.media.disk_cache import DiskCache
from sipio.media.errors import NotAudio, SoundTooLong, SpeechFailed
from sipio.media.filling import SoundFilling, fill_from_file
from sipio.media.settings import SpeechSettings
from sipio.media.sound import Sound

_VOICE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")
"""No option, no path."""
_PIECE: Final = 65_536
_KILLED_SECONDS: Final = 2.0
"""A killed process is gone at once, or stuck in the kernel."""


class Speech:
    """Speaks texts, so many at once."""

    def __init__(self, settings: SpeechSettings, longest_seconds: int) -> None:
        self._settings: Final = settings
        self._longest_seconds: Final = longest_seconds
        self._turns: Final = asyncio.Semaphore(settings.processes)
        self._cache: Final = (
            DiskCache(settings.cache, settings.cache_bytes, ".wav") if settings.cache is not None else None
        )

    def voice(self, voice: str) -> str:
        """The voice that is used where ``voice`` is asked for: empty for the configured one.

        Raises SpeechFailed where it is no name of a voice.
        """
        if not voice:
            return self._settings.voice
        if not _VOICE.fullmatch(voice):
            raise SpeechFailed(f"no voice: {voice[:64]!r}")
        return voice

    async def fill(self, sound: Sound, text: str, voice: str) -> None:
        """Speak into a sound, or read what was spoken before.

        Raises SpeechFailed where the command is missing, failed or took too long, or the text is too long; SoundTooLong
        where what it says is past the cap.
        """
        if len(text) > self._settings.text_characters:
            raise SpeechFailed(f"a text of more than {self._settings.text_characters} characters")
        text = text.replace("\0", " ")
        voice = self.voice(voice)
        key = "\0".join([*self._settings.command, voice, text])
        if self._cache is not None:
            path = await asyncio.to_thread(self._cache.find, key)
            if path is not None:
                await fill_from_file(sound, path, self._longest_seconds)
                return
        async with self._turns:
            filling = SoundFilling(sound, self._longest_seconds, self._cache)
            try:
                async with asyncio.timeout(self._settings.timeout_seconds):
                    await self._run(filling, text, voice, key)
            except TimeoutError as error:
                raise SpeechFailed(f"speaking took over {self._settings.timeout_seconds:g} seconds") from error
            except NotAudio as error:
                raise SpeechFailed(f"the speech command's output: {error}") from error
            finally:
                filling.abandon()

    async def _run(self, filling: SoundFilling, text: str, voice: str, key: str) -> None:
        command = self._settings.command
        by_argument = any("{text}" in argument for argument in command)
        if text.startswith("-"):
            # Never an option of the command.
            text = f" {text}"
        arguments = [argument.replace("{voice}", voice).replace("{text}", text) for argument in command]
        try:
            process = await asyncio.create_subprocess_exec(
                *arguments,
                stdin=DEVNULL if by_argument else PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                # A group of its own, so that a command that starts others is ended with them.
                start_new_session=True,
            )
        except OSError as error:
            raise SpeechFailed(f"{command[0]} cannot be run: {error.strerror}") from error
        try:
            if process.stdin is not None:
                # At most some 40 KB: the pipe's own buffer takes it while the command starts. A command that needs no
                # text, or fails at once, may have ended by now: uvloop's transport then says RuntimeError.
                with contextlib.suppress(OSError, RuntimeError):
                    process.stdin.write(text.encode())
                process.stdin.close()
            await self._read(process, filling)
            status = await process.wait()
            if status:
                raise SpeechFailed(f"{command[0]} ended with status {status}")
            await filling.finish(key)
        finally:
            await _end(process)

    async def _read(self, process: Process, filling: SoundFilling) -> None:
        assert process.stdout is not None  # noqa: S101 - PIPE above
        total = 0
        while piece := await process.stdout.read(_PIECE):
            total += len(piece)
            if total > self._settings.output_bytes:
                raise SoundTooLong(f"more than {self._settings.output_bytes} bytes of speech")
            await filling.feed(piece)


async def _end(process: Process) -> None:
    """Kill it, where it still runs, and what it has started."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    # wait() returns only once all that was written has been read (CPython issue 119710).
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_KILLED_SECONDS):
            while process.stdout is not None and await process.stdout.read(_PIECE):
                pass
            await process.wait()
