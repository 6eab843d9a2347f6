"""What is heard, as tones: in a recording, or while a call goes on."""

import asyncio
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Final

import numpy as np

from sipio.media.g711 import Law, Samples, decode
from sipio.media.rtp import parse_rtp
from sipio.media.session import MediaSession
from tests.sipio.media.media_doubles import loudest_frequency

PIECE_SAMPLES: Final = 400
"""50 ms at 8 kHz: a sixth of the shortest sound that a test plays."""
PRESENT_SECONDS: Final = 0.1
"""Two pieces: a sound's next piece is heard by then."""
LOUD: Final = 400
"""Above what a line has at rest, far below what tests play."""
STATIC_LAWS: Final = {0: Law.PCMU, 8: Law.PCMA}
"""RFC 3551 table 4."""


def tone_of(piece: Samples) -> int:
    """The loudest frequency of a piece, to 50 Hz; 0 for silence."""
    return round(loudest_frequency(piece) / 50) * 50 if abs(piece).max() >= LOUD else 0


def tones_of(samples: Samples) -> list[int]:
    """The frequencies in the order in which they were heard, each once however long it lasted."""
    pieces = range(0, len(samples) - PIECE_SAMPLES, PIECE_SAMPLES)
    return in_order(tone for at in pieces if (tone := tone_of(samples[at : at + PIECE_SAMPLES])))


def in_order(pieces: Iterable[int]) -> list[int]:
    """Each tone once, as often as it comes anew."""
    return [tone for tone, _ in groupby(pieces)]


def loud_seconds(samples: Samples) -> float:
    """How long something was heard, to the twentieth of a second."""
    pieces = range(0, len(samples), PIECE_SAMPLES)
    loud = [at for at in pieces if abs(samples[at : at + PIECE_SAMPLES]).max() > LOUD]
    return len(loud) * PIECE_SAMPLES / 8_000


class Ear:
    """Hears a session's RTP as it comes. What a session records itself is on disk up to a second later."""

    def __init__(self, media: MediaSession, heard: Callable[[], None]) -> None:
        """``heard`` is called after each piece that is not silence."""
        self.pieces: list[int] = []
        """The tone of each, without those that were silence."""
        self.loud_at = 0.0
        """When the last of them was heard, by the event loop's clock."""
        self._heard = heard
        self._samples = np.zeros(0, np.int16)
        receive = media.receive

        def listen(datagram: bytes, source: tuple[str, int]) -> None:
            receive(datagram, source)
            self._packet(datagram)

        media.receive = listen  # type: ignore[method-assign]

    @property
    def tones(self) -> list[int]:
        """As `tones_of` has them, so far."""
        return in_order(self.pieces)

    @property
    def hears_something(self) -> bool:
        """Whether there is sound just now."""
        return asyncio.get_running_loop().time() - self.loud_at < PRESENT_SECONDS

    def _packet(self, datagram: bytes) -> None:
        packet = parse_rtp(datagram)
        law = STATIC_LAWS.get(packet.payload_type) if packet is not None else None
        if packet is None or law is None:
            return
        self._samples = np.concatenate([self._samples, decode(packet.payload, law)])
        while len(self._samples) >= PIECE_SAMPLES:
            piece, self._samples = np.split(self._samples, [PIECE_SAMPLES])
            if tone := tone_of(piece):
                self.pieces.append(tone)
                self.loud_at = asyncio.get_running_loop().time()
                self._heard()
