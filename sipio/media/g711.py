"""G.711 by tables, bit-exact to the ITU's values: PCMU (mu-law), PCMA (A-law), and from one to the other."""

from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]
"""Linear samples at 8 kHz, one channel."""

SAMPLE_RATE: Final = 8_000
FRAME_SAMPLES: Final = 160
"""20 ms: the unit that everything is sent and recorded in; as many bytes in either law."""


class Law(StrEnum):
    """The two laws, named as in SDP."""

    PCMU = "PCMU"
    PCMA = "PCMA"


def _mu_law_value(code: int) -> int:
    inverted = ~code & 0xFF
    magnitude = (((inverted & 0x0F) << 3) + 0x84) << ((inverted & 0x70) >> 4)
    return 0x84 - magnitude if inverted & 0x80 else magnitude - 0x84


def _a_law_value(code: int) -> int:
    toggled = code ^ 0x55
    magnitude = (toggled & 0x0F) << 4
    segment = (toggled & 0x70) >> 4
    magnitude += 8 if segment == 0 else 0x108
    if segment > 1:
        magnitude <<= segment - 1
    return magnitude if toggled & 0x80 else -magnitude


def _mu_law_code(sample: int) -> int:
    # G.711 works on 14 bits; shifting a negative number rounds down, as the ITU's and Sun's reference code does.
    value = sample >> 2
    mask = 0x7F if value < 0 else 0xFF
    biased = min(abs(value), 8159) + 0x21
    segment = biased.bit_length() - 6
    if segment >= 8:
        return 0x7F ^ mask
    return ((segment << 4) | ((biased >> (segment + 1)) & 0x0F)) ^ mask


def _a_law_code(sample: int) -> int:
    value = sample >> 3
    mask = 0xD5 if value >= 0 else 0x55
    magnitude = value if value >= 0 else -value - 1
    segment = max(magnitude.bit_length() - 5, 0)
    return ((segment << 4) | ((magnitude >> max(segment, 1)) & 0x0F)) ^ mask


_VALUES: Final = {
    Law.PCMU: np.array([_mu_law_value(code) for code in range(256)], np.int16),
    Law.PCMA: np.array([_a_law_value(code) for code in range(256)], np.int16),
}
# Both laws ignore the two lowest bits at least (A-law the three lowest), so a quarter of the table is enough and
# importing costs a quarter of the time.
_CODES: Final = {
    Law.PCMU: np.array([_mu_law_code(sample << 2) for sample in range(-8192, 8192)], np.uint8),
    Law.PCMA: np.array([_a_law_code(sample << 2) for sample in range(-8192, 8192)], np.uint8),
}


def decode(audio: bytes | bytearray | memoryview, law: Law) -> Samples:
    """One sample for each byte."""
    return _VALUES[law][np.frombuffer(audio, np.uint8)]


def encode(samples: Samples, law: Law) -> bytes:
    """One byte for each sample."""
    return _CODES[law][(samples >> 2).astype(np.int32) + 8192].tobytes()


def _translation(source: Law, target: Law) -> bytes:
    return encode(_VALUES[source], target)


TO_PCMA: Final = _translation(Law.PCMU, Law.PCMA)
"""A table for bytes.translate: PCMU in, PCMA out."""
TO_PCMU: Final = _translation(Law.PCMA, Law.PCMU)
"""A table for bytes.translate: PCMA in, PCMU out."""


def translation(source: Law, target: Law) -> bytes | None:
    """The table for bytes.translate; None where there is nothing to translate."""
    if source is target:
        return None
    return TO_PCMA if target is Law.PCMA else TO_PCMU


SILENCE_BYTE: Final = {Law.PCMU: 0xFF, Law.PCMA: 0xD5}
SILENCE: Final = {law: bytes([code]) * FRAME_SAMPLES for law, code in SILENCE_BYTE.items()}
"""20 ms of silence."""
