"""RTCP of one session: what we report and when, and what the peer reports of us."""

import secrets
from typing import Final

from sipio.media.outgoing import OutgoingStream
from sipio.media.reception import Reception
from sipio.media.rtcp import (
    Bye,
    Description,
    ReceiverReport,
    RtcpPacket,
    SenderReport,
    build_rtcp,
    ntp_middle,
    ntp_time,
    parse_rtcp,
    report_interval,
    round_trip_seconds,
)


class Reports:
    """Time is an argument: ``now`` of a steady clock, ``wall`` of the calendar, both in seconds."""

    __slots__ = (
        "_cname",
        "_packets_reported",
        "_peer_report",
        "_peer_report_at",
        "_seconds",
        "deadline",
        "garbage",
        "remote_lost",
        "round_trip_ms",
    )

    def __init__(self, seconds: float, now: float) -> None:
        """``seconds`` is the mean interval; 0 never reports."""
        self._seconds: Final = seconds
        # RFC 7022: a name of the session that says nothing of the machine.
        self._cname: Final = secrets.token_hex(8)
        self._peer_report = 0
        self._peer_report_at: float | None = None
        self._packets_reported = 0
        self.deadline: float | None = now + report_interval(seconds, first=True) if seconds else None
        self.remote_lost = 0
        """Packets of ours that the peer says it missed."""
        self.round_trip_ms = 0.0
        """Time to the peer and back as its last report tells it; 0 where none has."""
        self.garbage = 0
        """Datagrams that were no RTCP."""

    def report(self, stream: OutgoingStream, reception: Reception | None, *, now: float, wall: float) -> bytes:
        """The compound packet that is due; sets the next deadline."""
        self.deadline = now + report_interval(self._seconds, first=False) if self._seconds else None
        return build_rtcp(self._packets(stream, reception, now, wall))

    def bye(self, stream: OutgoingStream, reception: Reception | None, *, now: float, wall: float) -> bytes:
        """The last compound packet, which says goodbye."""
        self.deadline = None
        return build_rtcp([*self._packets(stream, reception, now, wall), Bye(ssrcs=[stream.ssrc])])

    def _packets(
        self, stream: OutgoingStream, reception: Reception | None, now: float, wall: float
    ) -> list[RtcpPacket]:
        blocks = []
        if reception is not None:
            delay = int((now - self._peer_report_at) * 65_536) & 0xFFFFFFFF if self._peer_report_at is not None else 0
            blocks.append(reception.report(last_sender_report=self._peer_report, delay_since=delay))
        report: RtcpPacket
        if stream.packets != self._packets_reported:
            report = SenderReport(
                ssrc=stream.ssrc,
                ntp=ntp_time(wall),
                timestamp=stream.timestamp,
                packets=stream.packets,
                octets=stream.octets,
                blocks=blocks,
            )
        else:
            report = ReceiverReport(ssrc=stream.ssrc, blocks=blocks)
        self._packets_reported = stream.packets
        return [report, Description(ssrc=stream.ssrc, cname=self._cname)]

    def receive(self, datagram: bytes, own_ssrc: int, *, now: float, wall: float) -> bool:
        """The peer's reports. Never raises; what is none is counted. Whether they show that it is there: they are
        reports, and no goodbye."""
        packets = parse_rtcp(datagram)
        if packets is None:
            self.garbage += 1
            return False
        for packet in packets:
            if isinstance(packet, SenderReport):
                self._peer_report = ntp_middle(packet.ntp)
                self._peer_report_at = now
            if isinstance(packet, SenderReport | ReceiverReport):
                for block in packet.blocks:
                    if block.ssrc != own_ssrc:
                        continue
                    self.remote_lost = max(block.lost, 0)
                    seconds = round_trip_seconds(block, ntp_time(wall))
                    if seconds is not None:
                        self.round_trip_ms = seconds * 1_000
        return not any(isinstance(packet, Bye) for packet in packets)
