"""How the phone sounds: not at all, by the time it would take, or through a player that is there."""

import asyncio
import contextlib
import shutil
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from sidecar.phone.clock import Clock
from sipio.call_control import Media, MediaFile, MediaText

SECONDS_PER_CHARACTER: Final = 0.065
"""Speech at about 175 words a minute."""
INSTANT: Final = 0.001
"""Not nothing: what the clock must be put forward for comes after what the script and the caller do meanwhile."""
UNKNOWN_SECONDS: Final = 2.0
"""How long a recording is taken to last that is not there to be looked at."""
PLAYERS: Final = (
    ("aplay", "-q"),
    ("paplay",),
    ("ffplay", "-nodisp", "-autoexit", "-loglevel", "quiet"),
)


class Sound(Protocol):
    """Something being heard."""

    def cancel(self) -> object:
        """Be still."""
        ...


class Voice(Protocol):
    """Speaks and plays."""

    def sound(self, media: Media, then: Callable[[], None]) -> Sound:
        """Let one thing be heard, and say when it has been."""
        ...


class Silent:
    """Everything has been heard as good as at once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def sound(self, _media: Media, then: Callable[[], None]) -> Sound:
        """Let one thing be heard."""
        return self._clock.call_later(INSTANT, then)


class Paced:
    """Everything takes its time, and nothing is heard."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def sound(self, media: Media, then: Callable[[], None]) -> Sound:
        """Let one thing be heard."""
        return self._clock.call_later(duration(media), then)


class Heard:
    """Through the machine's loudspeaker, where there is a player for it; paced else."""

    def __init__(self, clock: Clock) -> None:
        self._paced = Paced(clock)
        self._speaker = shutil.which("espeak-ng") or shutil.which("espeak")
        self._players = [(found, *rest) for name, *rest in PLAYERS if (found := shutil.which(name)) is not None]
        self._playing: set[asyncio.Task[None]] = set()

    def sound(self, media: Media, then: Callable[[], None]) -> Sound:
        """Let one thing be heard."""
        command = self._command(media)
        if command is None:
            return self._paced.sound(media, then)
        text = media.text.encode() if isinstance(media, MediaText) else None
        task = asyncio.get_running_loop().create_task(self._run(command, text, then))
        self._playing.add(task)
        task.add_done_callback(self._playing.discard)
        return task

    def _command(self, media: Media) -> list[str] | None:
        if isinstance(media, MediaText):
            return [self._speaker, "--stdin"] if self._speaker is not None else None
        if isinstance(media, MediaFile):
            return [*self._players[0], str(media.path)] if self._players and media.path.is_file() else None
        players = [player for player in self._players if "ffplay" in player[0]]
        return [*players[0], media.url] if players else None

    async def _run(self, command: list[str], text: bytes | None, then: Callable[[], None]) -> None:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE if text is not None else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            await process.communicate(text)
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
        then()


def duration(media: Media) -> float:
    """About how long it is heard, in seconds."""
    if isinstance(media, MediaText):
        return max(0.5, len(media.text) * SECONDS_PER_CHARACTER)
    if isinstance(media, MediaFile):
        return _wave_seconds(media.path)
    return UNKNOWN_SECONDS


def _wave_seconds(path: Path) -> float:
    try:
        with wave.open(str(path), "rb") as file:
            return file.getnframes() / file.getframerate()
    except (OSError, wave.Error, EOFError, ZeroDivisionError):
        return UNKNOWN_SECONDS
