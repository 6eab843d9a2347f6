"""Digits waiting to be sent, one after the other: as telephone-events, or as tones in the audio."""

from collections import deque
from collections.abc import Iterator
from typing import Final

from sipio.media.dtmf import DIGITS, EventPacket, send_event
from sipio.media.dtmf_tones import tone_frames
from sipio.media.g711 import SILENCE, Law

_PAUSE_TICKS: Final = 3
"""60 ms between digits: Q.24 wants 40 heard."""
_WAITING: Final = 256
"""Digits held; what a peer presses faster than we can send is not kept without end."""
_LONGEST_MS: Final = 8_000
_SHORTEST_MS: Final = 40


class DigitSender:
    """Gives what to send instead of audio, one a tick, until it has nothing."""

    __slots__ = ("_current", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[tuple[str, int]] = deque()
        self._current: Iterator[EventPacket | bytes] | None = None

    def add(self, digits: str, duration_ms: int) -> None:
        """Send these after those that wait already. What is no digit, or too many of them, is left out."""
        duration = max(_SHORTEST_MS, min(duration_ms, _LONGEST_MS))
        for digit in digits.upper():
            if digit in DIGITS and len(self._waiting) < _WAITING:
                self._waiting.append((digit, duration))

    @property
    def busy(self) -> bool:
        return self._current is not None or bool(self._waiting)

    def next(self, law: Law, *, events: bool) -> EventPacket | bytes | None:
        """What to send in this tick: a telephone-event packet, or a frame of audio; None once there is no more."""
        while True:
            if self._current is not None:
                item = next(self._current, None)
                if item is not None:
                    return item
                self._current = None
            if not self._waiting:
                return None
            digit, duration = self._waiting.popleft()
            self._current = _packets(digit, duration, law, events=events)


def _packets(digit: str, duration_ms: int, law: Law, *, events: bool) -> Iterator[EventPacket | bytes]:
    if events:
        yield from send_event(digit, duration_ms)
    else:
        yield from tone_frames(digit, duration_ms, law)
    for _ in range(_PAUSE_TICKS):
        yield SILENCE[law]
