"""The RTP stream that we send: our own frames, and packets of another session rewritten into it."""

import os
import secrets
import struct
from typing import Final

from sipio.media.dtmf import parse_event
from sipio.media.g711 import FRAME_SAMPLES, SAMPLE_RATE
from sipio.media.rtp import (
    HEADER,
    MARKER,
    SEQUENCE_MASK,
    TIMESTAMP_MASK,
    VERSION,
    RtpPacket,
    sequence_difference,
    timestamp_difference,
)

_HEADER: Final = HEADER.pack
_RANDOM: Final = struct.Struct("!IIH")


class OutgoingStream:
    """SSRC, sequence numbers and timestamps of one leg, without a break whoever the audio comes from.

    The timestamp goes on with time, one frame at each `tick`, whether anything is sent or not (RFC 3550 clause 5.1).
    """

    __slots__ = (
        "_event_timestamp",
        "_frame_sent",
        "_marker",
        "_relay_event",
        "_relay_event_timestamp",
        "_relay_sequence",
        "_relay_ssrc",
        "_relay_timestamp",
        "octets",
        "packets",
        "sequence",
        "ssrc",
        "timestamp",
    )

    def __init__(self) -> None:
        ssrc, timestamp, sequence = _RANDOM.unpack(os.urandom(_RANDOM.size))
        self.ssrc: int = ssrc
        self.sequence: int = sequence >> 1
        """The next packet's number. The upper half of them is left alone at first (RFC 3711's advice to SRTP)."""
        self.timestamp: int = timestamp
        """The timestamp of the present tick's frame."""
        self.packets = 0
        self.octets = 0
        self._marker = MARKER
        """Set on the first packet of a talkspurt (RFC 3551 clause 4.1)."""
        self._event_timestamp = 0
        self._frame_sent = False
        """Whether the timestamp of the present tick was used."""
        self._relay_ssrc: int | None = None
        """The source for which the two differences below hold; None after anything else was sent."""
        self._relay_sequence = 0
        self._relay_timestamp = 0
        self._relay_event: tuple[int, int] | None = None
        """Source and timestamp of the event last relayed."""
        self._relay_event_timestamp = 0
        """Its timestamp here."""

    def tick(self) -> None:
        """Go on by 20 ms."""
        self.timestamp = (self.timestamp + FRAME_SAMPLES) & TIMESTAMP_MASK
        self._frame_sent = False

    def pause(self) -> None:
        """Nothing is sent for a while: what comes next begins a talkspurt."""
        self._marker = MARKER

    def change_source(self) -> None:
        """Another SSRC, ours being taken (RFC 3550 clause 8.2)."""
        self.ssrc = secrets.randbits(32)
        self.packets = self.octets = 0
        self._marker = MARKER

    def audio(self, payload_type: int, payload: bytes, begins: int = 0) -> bytes:
        """The frame of this tick, or a packet that begins so many samples after it."""
        self._relay_ssrc = None
        self._frame_sent = True
        sequence = self.sequence
        self.sequence = (sequence + 1) & SEQUENCE_MASK
        self.packets += 1
        self.octets += len(payload)
        second, self._marker = payload_type | self._marker, 0
        timestamp = (self.timestamp + begins) & TIMESTAMP_MASK
        return _HEADER(VERSION, second, sequence, timestamp, self.ssrc) + payload

    def event(self, payload_type: int, payload: bytes, *, begins: bool) -> bytes:
        """A telephone-event packet of this tick: all of one event have the timestamp at which it began."""
        self._relay_ssrc = None
        self._frame_sent = True
        if begins:
            self._event_timestamp = self.timestamp
        sequence = self.sequence
        self.sequence = (sequence + 1) & SEQUENCE_MASK
        self.packets += 1
        self.octets += len(payload)
        self._marker = MARKER
        second = payload_type | MARKER if begins else payload_type
        return _HEADER(VERSION, second, sequence, self._event_timestamp, self.ssrc) + payload

    def relayed(self, packet: RtpPacket, payload_type: int, payload: bytes) -> tuple[bytes, int]:
        """Another session's packet as one of this stream, and its timestamp here. What was lost or swapped on its way
        to us stays so: sequence numbers and timestamps keep their differences."""
        if packet.ssrc != self._relay_ssrc:
            self._relay_ssrc = packet.ssrc
            self._relay_sequence = self.sequence - packet.sequence
            # Where our own frame of this tick is out, the packet counts as that of the next.
            ours = self.timestamp + FRAME_SAMPLES if self._frame_sent else self.timestamp
            self._relay_timestamp = ours - packet.timestamp
            marker = MARKER
        else:
            marker = MARKER if packet.marker else 0
        sequence = (packet.sequence + self._relay_sequence) & SEQUENCE_MASK
        timestamp = (packet.timestamp + self._relay_timestamp) & TIMESTAMP_MASK
        if sequence_difference(sequence, self.sequence) >= 0:
            self.sequence = (sequence + 1) & SEQUENCE_MASK
            # The other clock is the one that counts now: our own frames go on from where it got to.
            self.timestamp = timestamp
        self.packets += 1
        self.octets += len(payload)
        self._marker = MARKER
        return _HEADER(VERSION, payload_type | marker, sequence, timestamp, self.ssrc) + payload, timestamp

    def relayed_event(self, packet: RtpPacket, payload_type: int) -> bytes:
        """Another session's telephone-event packet as one of this stream. Those of one event share a timestamp here
        too, whatever is sent between them, also where audio of another source is relayed beside them."""
        before, before_timestamp = self._relay_event, self._relay_event_timestamp
        self._relay_event = event = (packet.ssrc, packet.timestamp)
        if self._relay_ssrc is None or self._relay_ssrc == packet.ssrc:
            datagram, timestamp = self.relayed(packet, payload_type, packet.payload)
            if event == before and timestamp != before_timestamp:
                timestamp = before_timestamp
                datagram = datagram[:4] + timestamp.to_bytes(4) + datagram[8:]
            self._relay_event_timestamp = timestamp
            return datagram
        self._relay_event_timestamp = timestamp = self._beside(packet, before, before_timestamp)
        sequence = self.sequence
        self.sequence = (sequence + 1) & SEQUENCE_MASK
        # The audio goes on behind it.
        self._relay_sequence += 1
        self.packets += 1
        self.octets += len(packet.payload)
        second = payload_type | MARKER if packet.marker else payload_type
        return _HEADER(VERSION, second, sequence, timestamp, self.ssrc) + packet.payload

    def _beside(self, packet: RtpPacket, before: tuple[int, int] | None, before_timestamp: int) -> int:
        """The timestamp here of an event whose source is not that of the audio: as far from the one before as there,
        unless that leads away from the present by more than a second."""
        if before is not None and before[0] == packet.ssrc:
            timestamp = (before_timestamp + packet.timestamp - before[1]) & TIMESTAMP_MASK
            event = parse_event(packet.payload)
            reached = timestamp + (event.duration if event is not None else 0)
            if packet.timestamp == before[1] or abs(timestamp_difference(reached, self.timestamp)) <= SAMPLE_RATE:
                return timestamp
        return self.timestamp

    def withhold(self, packet: RtpPacket) -> None:
        """A packet of the other session is not passed on, and is not to look lost."""
        if packet.ssrc == self._relay_ssrc:
            self._relay_sequence -= 1
