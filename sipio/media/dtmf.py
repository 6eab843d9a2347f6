"""Digits as telephone-events (RFC 4733 clause 2): their payload, and sending them."""

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
LONGEST_DURATION: Final = 0xFFFF
"""Of one segment, in timestamp units: 8 s."""
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
    ticks = max(2, min(duration_ms // 20, LONGEST_DURATION // FRAME_SAMPLES))
    for tick in range(1, ticks):
        first = tick == 1
        yield EventPacket(build_event(EventPayload(event, False, volume, tick * FRAME_SAMPLES)), first, first)
    end = build_event(EventPayload(event, True, volume, ticks * FRAME_SAMPLES))
    for _ in range(_END_PACKETS):
        yield EventPacket(end, False, False)
