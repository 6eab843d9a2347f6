"""Audio made ready to be sent: it may still be growing while it is played."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from sipio.media.errors import MediaFailed
from sipio.media.g711 import FRAME_SAMPLES, Law

logger = logging.getLogger(__name__)

_OVERHEAD: Final = 1_024
"""Memory that a sound takes besides its audio, so that a great many small ones count too."""


class Sound:
    """G.711 at 8 kHz that any number of calls read, each at its own place, while it is made or after."""

    __slots__ = ("_audio", "complete", "error", "law")

    def __init__(self, law: Law) -> None:
        self.law: Final = law
        self._audio = bytearray()
        self.complete = False
        """Whether no more is to come."""
        self.error: MediaFailed | None = None
        """Why not all of the sound is there; None where nothing is wrong."""

    @property
    def size(self) -> int:
        """Bytes so far; 8,000 are a second."""
        return len(self._audio)

    def audio(self) -> bytes:
        """All of the sound that there is so far."""
        return bytes(self._audio)

    def extend(self, audio: bytes) -> None:
        self._audio += audio

    def finish(self) -> None:
        """All of it is there. Its end is filled up with silence to a whole frame."""
        self.complete = True

    def fail(self, error: MediaFailed) -> None:
        """What is there can be played; then ``error`` is met."""
        self.error = error
        self.complete = True

    def frame(self, at: int) -> bytes:
        """Up to 20 ms from a place; shorter at the end of what there is."""
        return bytes(self._audio[at : at + FRAME_SAMPLES])


class SoundCache:
    """Sounds kept in memory by key, the least recently used let go first once there are too many bytes.

    One that is being made is given to all who ask for it meanwhile. One that failed is forgotten, so that the next
    call tries again. A sound that calls still play lives on with them.
    """

    def __init__(self, capacity_bytes: int) -> None:
        self._capacity: Final = capacity_bytes
        self._sounds: OrderedDict[object, Sound] = OrderedDict()
        self._making: set[asyncio.Task[None]] = set()
        self.bytes = 0
        """Bytes of the sounds that are complete."""

    def get(self, key: object) -> Sound | None:
        """The sound, made or being made; it counts as used."""
        sound = self._sounds.get(key)
        if sound is not None:
            self._sounds.move_to_end(key)
        return sound

    def make(self, key: object, law: Law, maker: "Callable[[Sound], asyncio.Task[None]]") -> Sound:
        """Put in a sound that ``maker`` has begun to fill; its task ends with the sound complete."""
        sound = Sound(law)
        replaced = self._sounds.pop(key, None)
        if replaced is not None and replaced.complete:
            self.bytes -= replaced.size + _OVERHEAD
        self._sounds[key] = sound
        task = maker(sound)
        self._making.add(task)
        task.add_done_callback(lambda done: self._made(key, sound, done))
        return sound

    def _made(self, key: object, sound: Sound, task: asyncio.Task[None]) -> None:
        self._making.discard(task)
        if task.cancelled():
            sound.fail(MediaFailed("the media engine is closed"))
        elif (error := task.exception()) is None:
            sound.finish()
        elif isinstance(error, MediaFailed):
            sound.fail(error)
        else:
            logger.error("sound_not_prepared", exc_info=error, extra={"law": str(sound.law), "bytes_made": sound.size})
            sound.fail(MediaFailed("a fault of ours; it is in the log"))
        if self._sounds.get(key) is not sound:
            return
        if sound.error is not None:
            del self._sounds[key]
            return
        self.bytes += sound.size + _OVERHEAD
        while self.bytes > self._capacity and self._sounds:
            oldest = next((entry for entry, held in self._sounds.items() if held.complete), None)
            if oldest is None:
                return
            self.bytes -= self._sounds.pop(oldest).size + _OVERHEAD

    async def close(self) -> None:
        """Stop what is being made."""
        making = list(self._making)
        for task in making:
            task.cancel()
        await asyncio.gather(*making, return_exceptions=True)
        self._sounds.clear()
        self.bytes = 0
