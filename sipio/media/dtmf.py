"""Digits as telephone-events (RFC 4733 clause 2): sending them, and hearing each once whatever is lost."""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from sipio.media.g711 import FRAME_SAMPLES

DIGITS: Final = "0123456789*#ABCD"
"""Each digit stands at its event code (RFC 4733 clause 3.2)."""
FLASH: Final = "F"
"""Event 16, hook flash."""
_EVENT: Final = struct.Struct("!BBH")
_END: Final = 0x80
_LONGEST_DURATION: Final = 0xFFFF
_END_PACKETS: Final = 3
"""RFC 4733 clause 2.5.1.4: the last packet is sent three times."""


class EventPayload(NamedTuple):
    """The payload of one telephone-event packet."""

    event: int
    end: bool
    volume: int
    """The tone's power in -dBm0, 0 to 63."""
    duration: int
    """How long the event has lasted so far, in timestamp units."""


def parse_event(payload: bytes) -> EventPayload | None:
    """The first event of a payload; None where it is too short to be one."""
    if len(payload) < 4:
        return None
    event, flags, duration = _EVENT.unpack_from(payload)
    return EventPayload(event, flags >= _END, flags & 0x3F, duration)


def build_event(event: EventPayload) -> bytes:
    return _EVENT.pack(event.event, (_END if event.end else 0) | event.volume & 0x3F, event.duration)


def event_digit(event: int) -> str:
    """The digit of an event code; empty for one that is none."""
    if event < len(DIGITS):
        return DIGITS[event]
    return FLASH if event == len(DIGITS) else ""


class DigitEvents:
    """Hears the telephone-events of one peer.

    A digit is told by the first packet of its event that arrives, the start or any other, since each may be lost. An
    event is known by its source and timestamp. Long events go on under a new timestamp (clause 2.5.1.3): the segment
    follows where the one before reached, without an end between, and is no digit of its own.
    """

    __slots__ = ("_current", "_ended", "_event", "_reach")

    def __init__(self) -> None:
        self._current: tuple[int, int] | None = None
        """Source and timestamp of the event last heard."""
        self._event = -1
        self._reach = 0
        """How far that event has got: its timestamp and duration summed."""
        self._ended = True

    def packet(self, ssrc: int, timestamp: int, payload: bytes) -> str:
        """The digit, where this packet is the first of one; else empty."""
        event = parse_event(payload)
        if event is None:
            return ""
        key = (ssrc, timestamp)
        before = self._current
        if key == before:
            self._ended = self._ended or event.end
            self._reach = max(self._reach, timestamp + event.duration)
            return ""
        if before is not None and before[0] == ssrc:
            ahead = (timestamp - before[1]) & 0xFFFFFFFF
            if ahead >= 0x80000000:
                # Late, from an event before the present one, which was heard or is not worth going back for.
                return ""
            longest = self._reach - before[1] >= _LONGEST_DURATION - 4 * FRAME_SAMPLES
            if event.event == self._event and not self._ended and longest and ahead <= 0x10000 + FRAME_SAMPLES:
                self._current, self._reach, self._ended = key, timestamp + event.duration, event.end
                return ""
        self._current, self._event, self._ended = key, event.event, event.end
        self._reach = timestamp + event.duration
        return event_digit(event.event)


class EventPacket(NamedTuple):
    """One packet of a digit being sent, for a tick of 20 ms."""

    payload: bytes
    marker: bool
    begins: bool
    """The packet's own time is the event's timestamp; those after it repeat that of the first."""


def send_event(digit: str, duration_ms: int, volume: int = 10) -> Iterator[EventPacket]:
    """The packets of one digit, one a tick: updates with the duration so far, then the end three times.

    Raises ValueError for what is no digit. The duration is at least 40 ms and at most 8 s, the longest of one segment.
    """
    event = DIGITS.index(digit)
    ticks = max(2, min(duration_ms // 20, _LONGEST_DURATION // FRAME_SAMPLES))
    for tick in range(1, ticks):
        first = tick == 1
        yield EventPacket(build_event(EventPayload(event, False, volume, tick * FRAME_SAMPLES)), first, first)
    end = build_event(EventPayload(event, True, volume, ticks * FRAME_SAMPLES))
    for _ in range(_END_PACKETS):
        yield EventPacket(end, False, False)
