"""Received audio in its order and at its pace: a timeline by RTP timestamp, read 20 ms at a time."""

from typing import Final

from sipio.media.concealment import Concealment
from sipio.media.g711 import FRAME_SAMPLES, SILENCE, SILENCE_BYTE, Law
from sipio.media.rtp import TIMESTAMP_MASK, timestamp_difference

_LEAST_DELAY: Final = 2 * FRAME_SAMPLES
"""40 ms: a packet may be one tick late without being missed."""
_MOST_DELAY: Final = 12 * FRAME_SAMPLES
"""240 ms: what is later than that is lost."""
_HOLD_FRAMES: Final = 150
"""3 s without need of it, and the delay shrinks by a frame."""
_LONGEST_JUMP: Final = 8_000
"""A timestamp a second away from where it should be begins a new timeline."""


class JitterBuffer:
    """Holds packets of any length by their timestamps until their time to be read.

    What is missing is concealed; what comes twice lies where it lay; what comes after its time is counted, and makes
    the delay grow, within bounds. Never holds more than a second.
    """

    __slots__ = (
        "_audio",
        "_concealment",
        "_delay",
        "_gaps",
        "_law",
        "_least_ahead",
        "_reads",
        "_started",
        "_timestamp",
        "_waits",
        "late",
    )

    def __init__(self, law: Law) -> None:
        self._law = law
        self._audio = bytearray()
        self._concealment = Concealment(law)
        self._gaps: list[tuple[int, int]] = []
        """What is missing in ``_audio``, in order: mostly nothing."""
        self._timestamp = 0
        """The timestamp of the first sample in ``_audio``, which is the next to be read."""
        self._delay = _LEAST_DELAY
        self._started = False
        self._waits = 0
        """Samples of silence still to be read before ``_audio``."""
        self._reads = 0
        self._least_ahead = _MOST_DELAY
        """Least that was held ready at a read, since the delay was last looked at."""
        self.late = 0
        """Packets that came after their time."""

    @property
    def delay_ms(self) -> int:
        """The time from a packet's arrival to its reading that is aimed at now."""
        return self._delay // 8

    def restart(self) -> None:
        """Forget the timeline: the next packet begins one. For another source."""
        self._started = False
        self._audio.clear()
        self._gaps.clear()

    def write(self, timestamp: int, audio: bytes) -> None:
        """Lay one packet's audio, which is in the buffer's law, at its timestamp."""
        held = self._audio
        if self._started:
            at = timestamp_difference(timestamp, self._timestamp)
            if at == len(held) and at + len(audio) <= _LONGEST_JUMP:
                held += audio
                return
            if -_LONGEST_JUMP < at <= _LONGEST_JUMP - len(audio):
                if at < 0:
                    self._came_late(at, audio)
                    return
                self._lay(at, audio)
                return
        self._started = True
        self._timestamp = timestamp
        held[:] = audio[:_LONGEST_JUMP]
        self._gaps.clear()
        self._waits = self._delay
        self._reads = 0
        self._least_ahead = _MOST_DELAY

    def _lay(self, at: int, audio: bytes) -> None:
        held = self._audio
        if at > len(held):
            self._gaps.append((len(held), at))
            held.extend(bytes([SILENCE_BYTE[self._law]]) * (at - len(held)))
        elif self._gaps:
            self._fill(at, at + len(audio))
        held[at : at + len(audio)] = audio

    def _fill(self, start: int, end: int) -> None:
        """Take note that what was missing here has come after all."""
        left = [piece for gap in self._gaps for piece in ((gap[0], min(gap[1], start)), (max(gap[0], end), gap[1]))]
        self._gaps = [piece for piece in left if piece[1] > piece[0]]

    def _came_late(self, at: int, audio: bytes) -> None:
        if -at <= self._waits:
            # Nothing was read past it yet: it goes before the rest.
            self._waits += at
            self._timestamp = (self._timestamp + at) & TIMESTAMP_MASK
            self._audio[:0] = bytes([SILENCE_BYTE[self._law]]) * -at
            self._gaps = [(0, -at), *((start - at, end - at) for start, end in self._gaps)]
            self._lay(0, audio)
            return
        self.late += 1
        if len(audio) + at > 0:
            self._lay(0, audio[-at:])
        elif self._delay < _MOST_DELAY:
            self._delay += FRAME_SAMPLES
            self._waits += FRAME_SAMPLES
            self._reads = 0

    def read(self) -> bytes:
        """The next 20 ms."""
        if self._waits >= FRAME_SAMPLES or not self._started:
            self._waits = max(self._waits - FRAME_SAMPLES, 0)
            return self._concealment.missing()
        self._waits = 0
        held = self._audio
        ready = len(held)
        self._least_ahead = min(self._least_ahead, ready)
        self._reads += 1
        if self._reads == _HOLD_FRAMES:
            self._reads = 0
            if self._least_ahead > _LEAST_DELAY and ready > FRAME_SAMPLES:
                # Always more at hand than is needed: the peer's clock is fast, or the network has calmed.
                self._skip(FRAME_SAMPLES)
                self._delay = max(_LEAST_DELAY, self._delay - FRAME_SAMPLES)
                ready = len(held)
            self._least_ahead = _MOST_DELAY
        frame = bytes(held[:FRAME_SAMPLES])
        gaps = self._gaps
        if gaps or ready < FRAME_SAMPLES:
            missing = [(start, min(end, FRAME_SAMPLES)) for start, end in gaps if start < FRAME_SAMPLES]
            if ready < FRAME_SAMPLES:
                frame += SILENCE[self._law][ready:]
                missing.append((ready, FRAME_SAMPLES))
            self._skip(FRAME_SAMPLES)
            if len(missing) == 1 and missing[0] == (0, FRAME_SAMPLES):
                return self._concealment.missing()
            return self._concealment.mend(frame, missing)
        self._skip(FRAME_SAMPLES)
        return self._concealment.whole(frame)

    def _skip(self, samples: int) -> None:
        del self._audio[:samples]
        self._timestamp = (self._timestamp + samples) & TIMESTAMP_MASK
        if self._gaps:
            moved = ((start - samples, end - samples) for start, end in self._gaps)
            self._gaps = [(max(start, 0), end) for start, end in moved if end > 0]
