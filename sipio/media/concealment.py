"""What is played in place of audio that was lost: the last of what came before, over and over, and then less and less.

After ITU-T G.711 appendix I: the pitch is found by correlation, one period of it is repeated, after 10 ms it fades and
after 60 ms there is silence; where audio comes again the two are blended. Without the appendix's delay of 3.75 ms: what
has been played cannot be bent towards the repetition, so the repetition begins where that ended.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sipio.media.g711 import FRAME_SAMPLES, SILENCE, Law, decode, encode

_SHORTEST_PERIOD: Final = 40
"""200 Hz; a higher voice is repeated by several of its periods."""
_LONGEST_PERIOD: Final = 120
"""66 Hz: the lowest voice."""
_WINDOW: Final = 160
"""20 ms are compared with what was before them."""
_HISTORY_FRAMES: Final = 2
"""40 ms, as the longest period and the window together need 35."""
_HISTORY: Final = _HISTORY_FRAMES * FRAME_SAMPLES
_KEEP: Final = 80
"""Samples at full volume: 10 ms."""
_GONE: Final = 480
"""Samples until silence: 60 ms."""
_BLEND: Final = 40
"""5 ms from what was made up to what came."""

_Wave = NDArray[np.float32]

_FADE: Final[_Wave] = np.minimum(1, (_GONE - np.arange(_GONE)) / (_GONE - _KEEP)).astype(np.float32)
_RISE: Final[_Wave] = ((np.arange(_BLEND) + 1) / (_BLEND + 1)).astype(np.float32)


class Concealment:
    """Conceals what is missing of one stream: it is given every frame, 20 ms each, and which samples of it are
    missing."""

    __slots__ = ("_before", "_cycle", "_last", "_law", "_lost", "_step")

    def __init__(self, law: Law) -> None:
        self._law: Final = law
        self._last = self._before = SILENCE[law]
        """What was played last, and before that."""
        self._lost = 0
        """Samples made up since the last that came; 0 where nothing is missing."""
        self._cycle: _Wave = np.zeros(1, np.float32)
        """One period of what came before the loss."""
        self._step = 0.0
        """The step from what was played last to the beginning of the repetition: taken back over 5 ms, else there is a
        click."""

    def whole(self, frame: bytes) -> bytes:
        """A frame of which nothing is missing, as it is to be played."""
        if self._lost:
            frame = self.mend(frame, [])
        else:
            self._before, self._last = self._last, frame
        return frame

    def missing(self) -> bytes:
        """A frame of which everything is missing."""
        silence = SILENCE[self._law]
        if self._lost >= _GONE or self._before is silence:
            # Nothing is left of it, or there has been nothing yet.
            return silence
        return self.mend(SILENCE[self._law], [(0, FRAME_SAMPLES)])

    def mend(self, frame: bytes, gaps: list[tuple[int, int]]) -> bytes:
        """A frame in which these samples are missing, from one up to the other, in order."""
        samples = decode(frame, self._law).astype(np.float32)
        at = 0
        for start, end in gaps:
            self._came(samples[at:start])
            if end > start:
                self._conceal(samples, start, end)
            at = end
        self._came(samples[at:])
        mended = bytearray(encode(samples.clip(-32_768, 32_767).astype(np.int16), self._law))
        if not gaps and len(mended) > _BLEND:
            # What is untouched stays so to the bit.
            mended[_BLEND:] = frame[_BLEND:]
        self._before, self._last = self._last, bytes(mended)
        return self._last

    def _came(self, samples: _Wave) -> None:
        """Blends the beginning of what came with the repetition, in place."""
        count = min(len(samples), _BLEND)
        if not self._lost or not count:
            return
        rise = _RISE[:count]
        samples[:count] = samples[:count] * rise + self._repetition(count) * (1 - rise)
        self._lost = 0

    def _conceal(self, samples: _Wave, start: int, end: int) -> None:
        if not self._lost:
            self._learn(samples[:start])
        samples[start:end] = self._repetition(end - start)
        self._lost += end - start

    def _learn(self, begun: _Wave) -> None:
        """Find what is to be repeated, in the two frames before and in this one up to the gap."""
        heard = decode(self._before + self._last, self._law).astype(np.float32)
        history = np.concatenate([heard, begun])[-_HISTORY:]
        period = _period(history)
        cycle = history[-period:].copy()
        # Its end is bent towards what came before its beginning, so that it goes round without a step.
        bend = period // 4
        rise = np.arange(1, bend + 1, dtype=np.float32) / (bend + 1)
        cycle[-bend:] = cycle[-bend:] * (1 - rise) + history[-period - bend : -period] * rise
        self._cycle = cycle
        self._step = float(history[-1] - history[-period - 1])

    def _repetition(self, count: int) -> _Wave:
        """The next samples of the repetition, without taking them."""
        at = np.arange(self._lost, self._lost + count)
        wave: _Wave = self._cycle[at % len(self._cycle)]
        if self._lost < _BLEND:
            early = min(count, _BLEND - self._lost)
            wave[:early] += self._step * (1 - _RISE[self._lost : self._lost + early])
        fade = _FADE[self._lost : self._lost + count]
        wave[: len(fade)] *= fade
        wave[len(fade) :] = 0
        return wave


def _period(history: _Wave) -> int:
    """The lag at which the last 20 ms are most alike what was before them."""
    window = history[-_WINDOW:]
    span = history[-_WINDOW - _LONGEST_PERIOD : -_SHORTEST_PERIOD]
    alike = np.correlate(span, window, "valid")
    sums = np.concatenate([[0.0], np.cumsum(span * span, dtype=np.float64)])
    energy = sums[_WINDOW:] - sums[:-_WINDOW]
    return _LONGEST_PERIOD - int(np.argmax(alike / np.sqrt(energy + 1.0)))
