"""Digits as tones in the audio (ITU-T Q.23, Q.24): making them, and finding them."""

from typing import Final

import numpy as np

from sipio.media.g711 import FRAME_SAMPLES, SAMPLE_RATE, Law, Samples, encode

_ROWS: Final = (697.0, 770.0, 852.0, 941.0)
_COLUMNS: Final = (1209.0, 1336.0, 1477.0, 1633.0)
_KEYS: Final = ("123A", "456B", "789C", "*0#D")
_BLOCK: Final = 160
"""20 ms: two of them, half over each other, lie within any digit of the 40 ms that Q.24 wants heard."""
_STEP: Final = 80
"""Blocks overlap by half, so that a digit's onset costs at most 10 ms."""
_LEAST_POWER: Final = 60.0**2
"""Mean square below which nothing is looked at: about -52 dBm0."""
_LEAST_SHARE: Final = 0.85
"""The least share of a block's power that the two tones have. Noise at 12 dB under them leaves 94 %; speech rarely
has this much."""
_TWIST: Final = 10 ** (8 / 10)
"""Either tone may be 8 dB stronger (Q.24 has 4 and 8)."""
_DOMINANCE: Final = 6.0
"""Either tone over the next strongest of its group, in power. A 20 ms block resolves 50 Hz."""
_BLOCKS_TO_HEAR: Final = 2
"""30 ms of one digit. With 3 a digit of 40 ms is mostly missed; with 2 there was no false one in 930 s of synthetic
speech in eight languages."""
_BLOCKS_TO_END: Final = 4
"""A break of 10 ms touches three blocks and is none (Q.24); one of 40 ms, the shortest pause, touches five or more."""


def _reference() -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    time = np.arange(_BLOCK) / SAMPLE_RATE
    angles = 2 * np.pi * np.outer(np.array(_ROWS + _COLUMNS), time)
    return np.concatenate([np.cos(angles), np.sin(angles)]).astype(np.float32)


_TONES: Final = _reference()


class ToneDetector:
    """Finds digits in a stream of audio; fed in any lengths."""

    __slots__ = ("_absent", "_candidate", "_count", "_digit", "_held")

    def __init__(self) -> None:
        self._held = np.empty(0, np.int16)
        self._candidate = ""
        self._count = 0
        self._digit = ""
        """The digit that is being heard and has been told; empty for none."""
        self._absent = 0

    def feed(self, samples: Samples) -> str:
        """Digits that these samples make certain; mostly none."""
        held = np.concatenate([self._held, samples])
        found = ""
        start = 0
        while start + _BLOCK <= len(held):
            found += self._follow(_digit_of(held[start : start + _BLOCK]))
            start += _STEP
        self._held = held[start:]
        return found

    def _follow(self, digit: str) -> str:
        if digit and digit == self._digit:
            self._absent = 0
            return ""
        if digit != self._candidate:
            self._candidate, self._count = digit, 0
        self._count += 1
        if not digit or self._digit:
            self._absent += 1
            if self._absent >= _BLOCKS_TO_END:
                self._digit = ""
        if digit and self._count >= _BLOCKS_TO_HEAR:
            self._digit, self._absent = digit, 0
            return digit
        return ""


def _digit_of(block: Samples) -> str:
    values = block.astype(np.float32)
    power = float(np.dot(values, values)) / _BLOCK
    if power < _LEAST_POWER:
        return ""
    parts = _TONES @ values
    parts *= parts
    # A tone of amplitude a gives (a * N / 2) ** 2 here and a ** 2 / 2 in power.
    tones: list[float] = ((parts[:8] + parts[8:]) * (2.0 / (_BLOCK * _BLOCK))).tolist()
    rows, columns = tones[:4], tones[4:]
    row, column = max(rows), max(columns)
    if row + column < _LEAST_SHARE * power or row > _TWIST * column or column > _TWIST * row:
        return ""
    if row < _DOMINANCE * sorted(rows)[2] or column < _DOMINANCE * sorted(columns)[2]:
        return ""
    return _KEYS[rows.index(row)][columns.index(column)]


def tone_samples(digit: str, duration_ms: int, amplitude: float = 8_000.0) -> Samples:
    """One digit as sound. ``amplitude`` is each tone's: 8,000 is about -15 dBm0. Raises ValueError for no digit."""
    row = next((index for index, keys in enumerate(_KEYS) if digit in keys), None)
    if row is None or len(digit) != 1:
        raise ValueError(f"no digit: {digit!r}")
    time = np.arange(duration_ms * SAMPLE_RATE // 1_000) / SAMPLE_RATE
    low, high = _ROWS[row], _COLUMNS[_KEYS[row].index(digit)]
    wave = np.sin(2 * np.pi * low * time) + np.sin(2 * np.pi * high * time)
    return (amplitude * wave).astype(np.int16)


def tone_frames(digit: str, duration_ms: int, law: Law) -> list[bytes]:
    """The digit in frames of 20 ms, the last one filled up with silence."""
    samples = tone_samples(digit, duration_ms)
    audio = encode(np.concatenate([samples, np.zeros(-len(samples) % FRAME_SAMPLES, np.int16)]), law)
    return [audio[start : start + FRAME_SAMPLES] for start in range(0, len(audio), FRAME_SAMPLES)]
