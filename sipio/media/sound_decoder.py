"""From the bytes of a WAV to G.711 at 8 kHz, piece by piece."""

from typing import Final

import numpy as np
import soxr

from sipio.media.errors import SoundTooLong
from sipio.media.g711 import SAMPLE_RATE, Law, Samples, encode
from sipio.media.wav_decoder import Linear, WavDecoder


class SoundDecoder:
    """One sound being read. Not the event loop's work: a megabyte takes milliseconds."""

    def __init__(self, law: Law, longest_seconds: int) -> None:
        self._law: Final = law
        self._longest_samples: Final = longest_seconds * SAMPLE_RATE
        self._samples = 0
        self._wav = WavDecoder()
        self._resampler: soxr.ResampleStream | None = None

    def feed(self, piece: bytes) -> bytes:
        """G.711 of as much as can be told so far.

        Raises NotAudio where it is no WAV that is read, SoundTooLong where it goes past the cap.
        """
        return self._convert(self._wav.feed(piece), last=False)

    def finish(self) -> bytes:
        """The rest, once the input has ended. Raises as `feed` does."""
        self._wav.finish()
        return self._convert(np.empty(0, np.float32), last=True)

    def _convert(self, samples: Linear, *, last: bool) -> bytes:
        form = self._wav.format
        if form is None or (not len(samples) and not last):
            return b""
        if form.rate != SAMPLE_RATE:
            if self._resampler is None:
                self._resampler = soxr.ResampleStream(form.rate, SAMPLE_RATE, 1, dtype="float32")
            samples = self._resampler.resample_chunk(samples, last=last)
        self._samples += len(samples)
        if self._samples > self._longest_samples:
            raise SoundTooLong(f"longer than {self._longest_samples // SAMPLE_RATE} seconds")
        return encode(to_sixteen_bits(samples), self._law)


def to_sixteen_bits(samples: Linear) -> Samples:
    """Samples rounded to 16 bits, and clipped where they are too loud."""
    return np.clip(np.rint(samples), -32_768, 32_767).astype(np.int16)
