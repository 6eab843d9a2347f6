"""What is counted of one RTP source (RFC 3550 appendices A.1, A.3 and A.8)."""

from typing import Final

import msgspec

from sipio.media.g711 import SAMPLE_RATE

_MAX_DROPOUT: Final = 3_000
"""Appendix A.1: a jump of more than a minute is a source that began anew."""
_MAX_MISORDER: Final = 100
_SEQUENCES: Final = 1 << 16


class ReceptionReport(msgspec.Struct, frozen=True, kw_only=True):
    """A report block as RTCP carries it (RFC 3550 clause 6.4.1)."""

    ssrc: int
    fraction_lost: int
    """Packets lost since the last report, in 1/256 of those expected."""
    lost: int
    """All packets lost, signed 24 bits: duplicates make it negative."""
    highest_sequence: int
    """The highest sequence number, with the count of wraps in its upper half."""
    jitter: int
    """Interarrival jitter in timestamp units."""
    last_sender_report: int = 0
    """The middle 32 bits of the NTP time of the peer's last SR."""
    delay_since: int = 0
    """Time since that report came, in 1/65,536 s."""


class Reception:
    """Statistics of one source, fed with every packet of it."""

    __slots__ = (
        "_base",
        "_expected_before",
        "_highest",
        "_received_before",
        "_restart",
        "_timestamp",
        "_transit",
        "jitter",
        "received",
        "ssrc",
    )

    def __init__(self, ssrc: int, sequence: int) -> None:
        self.ssrc: Final = ssrc
        self._restart = -1
        self.jitter = 0.0
        """Interarrival jitter in timestamp units."""
        self.received = 0
        self._transit: float | None = None
        self._timestamp = -1
        self._begin(sequence)

    def _begin(self, sequence: int) -> None:
        self._base = sequence
        # Extended by the wraps; the number before the first one is where the first steps from.
        self._highest = sequence - 1
        self.received = 0
        self._expected_before = self._received_before = 0
        self._transit = None
        self._timestamp = -1

    def packet(self, sequence: int, timestamp: int, now: float) -> int:
        """Count one packet that came at ``now`` (seconds). Returns how many numbers it is past the highest so far: 1
        in order, more after a loss, 0 or less for one that is late or a duplicate."""
        step = (sequence - self._highest) & 0xFFFF
        if step == 0 or step > _SEQUENCES - _MAX_MISORDER:
            self.received += 1
            return step - _SEQUENCES if step else 0
        if step >= _MAX_DROPOUT:
            # Two in a row make a new beginning; one alone is a stray.
            if sequence != self._restart:
                self._restart = (sequence + 1) & 0xFFFF
                return 0
            self._restart = -1
            self._begin(sequence)
            step = 1
        self._highest += step
        self.received += 1
        if timestamp == self._timestamp:
            # Packets of one telephone-event share a timestamp, and say nothing about the network.
            return step
        self._timestamp = timestamp
        transit = now * SAMPLE_RATE - timestamp
        if self._transit is not None:
            change = abs(transit - self._transit)
            # A timestamp that wrapped or jumped says nothing about the network.
            if change < SAMPLE_RATE:
                self.jitter += (change - self.jitter) * 0.0625
        self._transit = transit
        return step

    @property
    def highest_sequence(self) -> int:
        """The highest sequence number so far, extended by the wraps."""
        return self._highest

    @property
    def lost(self) -> int:
        """Packets expected less those received; negative where some came twice."""
        return self._expected - self.received

    @property
    def _expected(self) -> int:
        return self._highest - self._base + 1

    def report(self, *, last_sender_report: int = 0, delay_since: int = 0) -> ReceptionReport:
        """The block for an RTCP report; the fraction lost is since the one before."""
        expected, received = self._expected, self.received
        expected_interval = expected - self._expected_before
        lost_interval = expected_interval - (received - self._received_before)
        self._expected_before, self._received_before = expected, received
        fraction = 0
        if expected_interval > 0 and lost_interval > 0:
            fraction = min(255, (lost_interval << 8) // expected_interval)
        return ReceptionReport(
            ssrc=self.ssrc,
            fraction_lost=fraction,
            lost=max(-0x800000, min(0x7FFFFF, expected - received)),
            highest_sequence=self.highest_sequence & 0xFFFFFFFF,
            jitter=int(self.jitter),
            last_sender_report=last_sender_report,
            delay_since=delay_since,
        )
