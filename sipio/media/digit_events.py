"""Hearing telephone-events (RFC 4733 clause 2): each press of a key once, whatever is lost, doubled, swapped or begun
anew on its way."""

from typing import Final

from sipio.media.dtmf import LONGEST_DURATION, EventPayload, event_digit, parse_event
from sipio.media.g711 import FRAME_SAMPLES, SAMPLE_RATE
from sipio.media.rtp import RtpPacket, sequence_difference, timestamp_difference

_SOURCES: Final = 4
"""Sources remembered: audio, events of a source of their own, and who sent before a transfer. A peer that invents more
has the one silent for longest forgotten."""
_RECENT: Final = 8
"""Events of one source, before its last one, of which late packets are known again."""
_JUMP: Final = SAMPLE_RATE
"""Timestamps that go back further than a second are a new timeline, as for audio (`jitter`)."""
_MISORDER: Final = 100
"""RFC 3550 appendix A.1: a packet further behind in sequence is not late, its source began anew."""
_SILENT_SECONDS: Final = 1.0
"""What comes this long after the last packet of an event is no late one of it."""
_GOES_ON_SECONDS: Final = 0.2
"""Packets of a key held down come every 20 to 50 ms: after some losses it is still held."""
_CLOSE: Final = 400
"""50 ms, the longest interval between packets of one event (clause 2.5.1.2 recommends it): what begins no later than
that after where an event has got to, without a marker and without an end between, goes on with it."""
_SEGMENT_SLACK: Final = 4 * FRAME_SAMPLES
"""The last packets of a segment may be lost."""


class _Source:
    """What is known of one source's last event, and of some before it."""

    __slots__ = ("code", "duration", "end_sequence", "ended", "heard_at", "recent", "sequence", "timestamp")

    def __init__(self, packet: RtpPacket, event: EventPayload, now: float) -> None:
        self.recent: list[tuple[int, int, float]] = []
        """Timestamp and code of events before the last one, and when each was last heard."""
        self.timestamp = packet.timestamp
        self.code = event.event
        self.duration = -1
        self.ended = False
        self.end_sequence = packet.sequence
        self.sequence = packet.sequence
        self.heard_at = now
        self.goes_on(packet, event, now)

    def goes_on(self, packet: RtpPacket, event: EventPayload, now: float) -> None:
        """Take another packet of the last event."""
        if packet.timestamp != self.timestamp:
            self.timestamp, self.duration = packet.timestamp, -1
        self.duration = max(self.duration, event.duration)
        if event.end:
            self.ended, self.end_sequence = True, packet.sequence
        self._heard(packet, now)

    def begin(self, packet: RtpPacket, event: EventPayload, now: float) -> None:
        """Take the first packet heard of another event."""
        self.recent = [*self.recent[1 - _RECENT :], (self.timestamp, self.code, self.heard_at)]
        self.timestamp, self.code, self.duration = packet.timestamp, event.event, event.duration
        self.ended, self.end_sequence = event.end, packet.sequence
        self.sequence = packet.sequence
        self._heard(packet, now)

    def _heard(self, packet: RtpPacket, now: float) -> None:
        if sequence_difference(packet.sequence, self.sequence) > 0:
            self.sequence = packet.sequence
        self.heard_at = now


class DigitEvents:
    """Hears the telephone-events of one peer.

    A digit is told by the first packet of its event that arrives, the start or any other, since each may be lost. An
    event is known by its source, timestamp and code: sources are streams of their own, side by side.

    The same event goes on
    - in a segment under a new timestamp where it is longer than one can be (clause 2.5.1.3),
    - under timestamps that rise within one press, as some senders have it: without a marker and without an end, what
      begins within 50 ms of where the same key has got to is that key still,
    - under another source or on another timeline, where the same key's duration has gone on growing.

    A new event is what comes after an end and is none, although it has the timestamp of the one before; and what has
    the timestamp of an earlier one that has been silent for a second. Timestamps that go back by more than a second, or
    in packets that are not late by their sequence numbers, are a new timeline.
    """

    __slots__ = ("_last", "_sources")

    def __init__(self) -> None:
        self._sources: dict[int, _Source] = {}
        self._last: _Source | None = None
        """The source heard last."""

    def packet(self, packet: RtpPacket, now: float) -> str:
        """The digit, where this packet is the first of one; else empty. ``now`` is seconds of a steady clock."""
        event = parse_event(packet.payload)
        if event is None:
            return ""
        source = self._sources.pop(packet.ssrc, None)
        if source is None:
            last = self._last
            source = _Source(packet, event, now)
            begins = last is None or not _grows(last, packet, event, now)
        else:
            begins = self._of_known(source, packet, event, now)
        # The one heard last stands last.
        self._sources[packet.ssrc] = self._last = source
        if len(self._sources) > _SOURCES:
            del self._sources[next(iter(self._sources))]
        return event_digit(event.event) if begins else ""

    def _of_known(self, source: _Source, packet: RtpPacket, event: EventPayload, now: float) -> bool:
        """Whether a packet begins an event; otherwise it is taken as one of the last, or left as a late one."""
        if _is_late(source, packet, event, now):
            return False
        if _is_of_last(source, packet, event, now):
            source.goes_on(packet, event, now)
            return False
        source.begin(packet, event, now)
        return True


def _is_late(source: _Source, packet: RtpPacket, event: EventPayload, now: float) -> bool:
    """Whether it is of an event before the last one, which was heard or is not worth going back for."""
    if packet.timestamp == source.timestamp and event.event == source.code:
        return False
    if now - source.heard_at > _SILENT_SECONDS:
        return False
    for timestamp, code, heard_at in source.recent:
        if (timestamp, code) == (packet.timestamp, event.event) and now - heard_at <= _SILENT_SECONDS:
            return True
    ahead = timestamp_difference(packet.timestamp, source.timestamp)
    behind = -sequence_difference(packet.sequence, source.sequence)
    # Where it got to, and not where it began, is what lies just before the last one.
    return ahead < 0 and ahead + event.duration >= -_JUMP and 0 < behind <= _MISORDER


def _is_of_last(source: _Source, packet: RtpPacket, event: EventPayload, now: float) -> bool:
    """Whether the last event of its source goes on with it."""
    if event.event != source.code:
        return False
    ahead = timestamp_difference(packet.timestamp, source.timestamp)
    if not ahead:
        if source.ended and not event.end and sequence_difference(packet.sequence, source.end_sequence) > 0:
            return False
        silent = now - source.heard_at > _SILENT_SECONDS
        return not (silent and (source.ended or event.duration < source.duration))
    if not source.ended and not packet.marker and abs(ahead) > _JUMP and _grows(source, packet, event, now):
        return True
    if ahead < 0:
        return False
    if source.ended:
        # The repetitions of an end, each with a timestamp of its own.
        return event.end and not packet.marker and ahead <= source.duration + _CLOSE
    if source.duration >= LONGEST_DURATION - _SEGMENT_SLACK and ahead <= LONGEST_DURATION + 1 + FRAME_SAMPLES:
        return True
    return ahead < source.duration or (not packet.marker and ahead <= source.duration + _CLOSE)


def _grows(last: _Source, packet: RtpPacket, event: EventPayload, now: float) -> bool:
    """Whether the same key is held on, by its duration alone."""
    return (
        event.event == last.code
        and not last.ended
        and not packet.marker
        and event.duration > last.duration
        and now - last.heard_at <= _GOES_ON_SECONDS
    )
