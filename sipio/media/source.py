"""What can be played: one frame of 20 ms after another."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from sipio.media.g711 import FRAME_SAMPLES, SILENCE, Law, translation
from sipio.media.sound import Sound


class Source(Protocol):
    """Gives frames until it is through."""

    def next_frame(self) -> bytes | None:
        """160 bytes; empty where the next is not ready yet, and silence is to be sent meanwhile; None at the end.

        Raises MediaFailed where it cannot go on.
        """
        ...


class SoundSource:
    """A sound from its beginning to its end."""

    __slots__ = ("_at", "_sound", "_table")

    def __init__(self, sound: Sound, law: Law) -> None:
        self._sound: Final = sound
        self._at = 0
        self._table: Final = translation(sound.law, law)

    def next_frame(self) -> bytes | None:
        sound = self._sound
        frame = sound.frame(self._at)
        if len(frame) < FRAME_SAMPLES:
            if not sound.complete:
                return b""
            if not frame:
                if sound.error is not None:
                    raise sound.error
                return None
            frame += SILENCE[sound.law][len(frame) :]
        self._at += FRAME_SAMPLES
        return frame if self._table is None else frame.translate(self._table)


class Playlist:
    """Sources one after the other, each opened while the one before plays, so that there is no gap."""

    __slots__ = ("_current", "_following", "_next", "_open", "_repeat")

    def __init__(self, openers: Sequence[Callable[[], Source]], *, repeat: bool = False) -> None:
        self._open: Final = openers
        self._repeat: Final = repeat
        self._next = 0
        self._current = self._advance()
        self._following = self._advance()

    def _advance(self) -> Source | None:
        if self._next == len(self._open):
            if not self._repeat or not self._open:
                return None
            self._next = 0
        opener = self._open[self._next]
        self._next += 1
        return opener()

    def next_frame(self) -> bytes | None:
        # A round in which nothing gives a frame is not repeated without end.
        for _ in range(len(self._open) + 1):
            if self._current is None:
                return None
            frame = self._current.next_frame()
            if frame is not None:
                return frame
            self._current = self._following
            self._following = self._advance()
        return None


class Delay:
    """Frames given back some frames later: an echo. Never ends."""

    __slots__ = ("_frames", "_read")

    def __init__(self, read: Callable[[], bytes], delay_frames: int, law: Law) -> None:
        """``read`` gives the frame that has just been heard."""
        self._read: Final = read
        self._frames: Final = deque([SILENCE[law]] * delay_frames)

    def restart(self, law: Law) -> None:
        """Begin anew with silence: what is heard is of another law from now on."""
        count = len(self._frames)
        self._frames.clear()
        self._frames.extend([SILENCE[law]] * count)

    def next_frame(self) -> bytes | None:
        frame = self._read()
        if not self._frames:
            return frame
        self._frames.append(frame)
        return self._frames.popleft()
