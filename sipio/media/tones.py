"""Tones of the network, by country (ITU-T E.180 supplement 2)."""

from typing import Final

import msgspec
import numpy as np

from sipio.media.g711 import FRAME_SAMPLES, SAMPLE_RATE, Law, encode


class Cadence(msgspec.Struct, frozen=True):
    """A tone that comes and goes."""

    frequencies: tuple[float, ...]
    """Heard together, in Hz."""
    seconds: tuple[float, ...]
    """On, off, on, off ..., over and over."""
    level: float = 4_000.0
    """Amplitude of each frequency: about -21 dBm0."""


RINGBACK: Final = {
    "eu": Cadence((425.0,), (1.0, 4.0)),
    "at": Cadence((420.0,), (1.0, 5.0)),
    "au": Cadence((400.0, 450.0), (0.4, 0.2, 0.4, 2.0)),
    "be": Cadence((425.0,), (1.0, 3.0)),
    "fr": Cadence((440.0,), (1.5, 3.5)),
    "ie": Cadence((400.0, 450.0), (0.4, 0.2, 0.4, 2.0)),
    "jp": Cadence((384.0, 416.0), (1.0, 2.0)),
    "nz": Cadence((400.0, 450.0), (0.4, 0.2, 0.4, 2.0)),
    "pl": Cadence((425.0,), (1.0, 4.0)),
    "se": Cadence((425.0,), (1.0, 5.0)),
    "uk": Cadence((400.0, 450.0), (0.4, 0.2, 0.4, 2.0)),
    "us": Cadence((440.0, 480.0), (2.0, 4.0)),
}
"""``eu`` is what most of Europe has."""


def cadence_audio(cadence: Cadence, law: Law) -> bytes:
    """One round of the cadence, in whole frames."""
    parts = []
    for index, seconds in enumerate(cadence.seconds):
        time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
        if index % 2:
            parts.append(np.zeros(len(time)))
        else:
            parts.append(sum((np.sin(2 * np.pi * f * time) for f in cadence.frequencies), np.zeros(len(time))))
    wave = np.concatenate(parts) * cadence.level
    wave = wave[: len(wave) - len(wave) % FRAME_SAMPLES]
    return encode(wave.astype(np.int16), law)


class RepeatedAudio:
    """Audio of whole frames, over and over."""

    __slots__ = ("_at", "_audio")

    def __init__(self, audio: bytes) -> None:
        self._audio: Final = audio
        self._at = 0

    def next_frame(self) -> bytes | None:
        frame = self._audio[self._at : self._at + FRAME_SAMPLES]
        self._at = (self._at + FRAME_SAMPLES) % len(self._audio)
        return frame
