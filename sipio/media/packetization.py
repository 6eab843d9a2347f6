"""Frames of 20 ms made into packets as long as the peer wants them."""

from typing import Final

from sipio.media.g711 import FRAME_SAMPLES

_SAMPLES_A_MS: Final = 8
_SHORTEST_MS: Final = 10
_LONGEST_MS: Final = 60
"""Longer ones a loss would make audible, and delay what is said; who asks for them is sent these."""


def packet_samples(ptime_ms: int) -> int:
    """What is sent to a peer that wants ``ptime_ms`` a packet: whole tens of milliseconds, as much at most."""
    within = max(_SHORTEST_MS, min(ptime_ms, _LONGEST_MS))
    return (within - within % 10) * _SAMPLES_A_MS


class Packetization:
    """Makes packets of one stream where they are not as long as frames. It holds less than a packet."""

    __slots__ = ("_held", "_samples")

    def __init__(self, samples: int) -> None:
        self._samples: Final = samples
        self._held = bytearray()

    def frame(self, frame: bytes) -> list[tuple[int, bytes]]:
        """Packets that are complete with this frame, each with how many samples after the frame's own beginning it
        begins; negative for before."""
        held, size = self._held, self._samples
        begins = -len(held)
        held += frame
        packets = []
        while len(held) >= size:
            packets.append((begins, bytes(held[:size])))
            del held[:size]
            begins += size
        return packets

    def rest(self) -> tuple[int, bytes] | None:
        """A shorter packet of what is held, since no frame follows: as seen from the tick after it."""
        if not self._held:
            return None
        rest = bytes(self._held)
        self._held.clear()
        return -len(rest), rest


def packetization(ptime_ms: int) -> Packetization | None:
    """What makes packets of ``ptime_ms``; None where each frame is a packet."""
    samples = packet_samples(ptime_ms)
    return None if samples == FRAME_SAMPLES else Packetization(samples)
