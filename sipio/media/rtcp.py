"""RTCP (RFC 3550 clause 6): sender and receiver reports, CNAME, BYE, and how often."""

import random
import struct
from typing import Final

import msgspec

from sipio.media.reception import ReceptionReport

_SENDER_REPORT: Final = 200
_RECEIVER_REPORT: Final = 201
_DESCRIPTION: Final = 202
_BYE: Final = 203
_CNAME: Final = 1
_BLOCK: Final = struct.Struct("!IIIIII")
_SENDER: Final = struct.Struct("!IIIII")
_NTP_EPOCH: Final = 2_208_988_800
"""Seconds from 1900 to 1970."""
# Clause 6.3.1 and appendix A.7: reconsideration makes intervals shorter on average by this factor.
_COMPENSATION: Final = 2.71828 - 1.5


class SenderReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a sender says of itself, and of those it hears."""

    ssrc: int
    ntp: int
    """When it was sent, as 64 bits of NTP."""
    timestamp: int
    packets: int
    octets: int
    blocks: list[ReceptionReport] = []


class ReceiverReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one that sends nothing says of those it hears."""

    ssrc: int
    blocks: list[ReceptionReport] = []


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """The canonical name of one source."""

    ssrc: int
    cname: str


class Bye(msgspec.Struct, frozen=True, kw_only=True):
    """Sources that have ended."""

    ssrcs: list[int]
    reason: str = ""


RtcpPacket = SenderReport | ReceiverReport | Description | Bye


def ntp_time(unix_seconds: float) -> int:
    """Wall-clock time as 64 bits of NTP."""
    return int((unix_seconds + _NTP_EPOCH) * 4_294_967_296) & 0xFFFFFFFFFFFFFFFF


def ntp_middle(ntp: int) -> int:
    """The middle 32 bits, as report blocks refer to it."""
    return (ntp >> 16) & 0xFFFFFFFF


def round_trip_seconds(block: ReceptionReport, arrival_ntp: int) -> float | None:
    """The time to the peer and back, from a report block about us (clause 6.4.1); None where the peer has had no SR of
    ours, or says nonsense."""
    if not block.last_sender_report:
        return None
    units = (ntp_middle(arrival_ntp) - block.last_sender_report - block.delay_since) & 0xFFFFFFFF
    seconds = units / 65_536
    return seconds if seconds < 60 else None


def report_interval(mean_seconds: float, *, first: bool) -> float:
    """Seconds to the next report of a session of two (clauses 6.2 and 6.3.1): half for the first, jittered so that
    sessions that began together do not report together."""
    interval = mean_seconds / 2 if first else mean_seconds
    return interval * random.uniform(0.5, 1.5) / _COMPENSATION  # noqa: S311 - spreads load, keeps no secret


def build_rtcp(packets: list[RtcpPacket]) -> bytes:
    """A compound packet; clause 6.1 wants a report first and a CNAME in each."""
    return b"".join(_build(packet) for packet in packets)


def _build(packet: RtcpPacket) -> bytes:
    match packet:
        case SenderReport(ssrc=ssrc, blocks=blocks):
            sender = _SENDER.pack(
                packet.ntp >> 32,
                packet.ntp & 0xFFFFFFFF,
                packet.timestamp,
                packet.packets & 0xFFFFFFFF,
                packet.octets & 0xFFFFFFFF,
            )
            return _frame(_SENDER_REPORT, len(blocks), _ssrc(ssrc) + sender + _build_blocks(blocks))
        case ReceiverReport(ssrc=ssrc, blocks=blocks):
            return _frame(_RECEIVER_REPORT, len(blocks), _ssrc(ssrc) + _build_blocks(blocks))
        case Description(ssrc=ssrc, cname=cname):
            name = cname.encode()[:255]
            chunk = _ssrc(ssrc) + bytes([_CNAME, len(name)]) + name
            return _frame(_DESCRIPTION, 1, chunk + bytes(4 - len(chunk) % 4))
        case Bye(ssrcs=ssrcs, reason=reason):
            body = b"".join(map(_ssrc, ssrcs))
            if reason:
                text = reason.encode()[:255]
                body += bytes([len(text)]) + text
                body += bytes(-len(body) % 4)
            return _frame(_BYE, len(ssrcs), body)


def _frame(kind: int, count: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body


def _ssrc(value: int) -> bytes:
    return value.to_bytes(4)


def _build_blocks(blocks: list[ReceptionReport]) -> bytes:
    return b"".join(
        _BLOCK.pack(
            block.ssrc,
            block.fraction_lost << 24 | block.lost & 0xFFFFFF,
            block.highest_sequence,
            block.jitter,
            block.last_sender_report,
            block.delay_since,
        )
        for block in blocks
    )


def parse_rtcp(datagram: bytes) -> list[RtcpPacket] | None:
    """The packets of a compound one that we know; others are passed over. None where it is no RTCP: appendix A.2."""
    packets: list[RtcpPacket] = []
    position = 0
    while position < len(datagram):
        if len(datagram) - position < 4:
            return None
        flags, kind, words = struct.unpack_from("!BBH", datagram, position)
        end = position + 4 + 4 * words
        if flags & 0xC0 != 0x80 or end > len(datagram):
            return None
        if position == 0 and kind not in {_SENDER_REPORT, _RECEIVER_REPORT, _BYE}:
            # A lone BYE is against clause 6.1 and yet sent.
            return None
        body = datagram[position + 4 : end]
        if flags & 0x20:
            if not body or not 0 < body[-1] <= len(body):
                return None
            body = body[: -body[-1]]
        if not _parse(kind, flags & 0x1F, body, packets):
            return None
        position = end
    return packets or None


def _parse(kind: int, count: int, body: bytes, packets: list[RtcpPacket]) -> bool:
    if kind == _SENDER_REPORT:
        if len(body) < 24 + 24 * count:
            return False
        high, low, timestamp, sent, octets = _SENDER.unpack_from(body, 4)
        packets.append(
            SenderReport(
                ssrc=int.from_bytes(body[:4]),
                ntp=high << 32 | low,
                timestamp=timestamp,
                packets=sent,
                octets=octets,
                blocks=_parse_blocks(body, 24, count),
            )
        )
    elif kind == _RECEIVER_REPORT:
        if len(body) < 4 + 24 * count:
            return False
        packets.append(ReceiverReport(ssrc=int.from_bytes(body[:4]), blocks=_parse_blocks(body, 4, count)))
    elif kind == _DESCRIPTION:
        return _parse_descriptions(body, count, packets)
    elif kind == _BYE:
        if len(body) < 4 * count:
            return False
        rest = body[4 * count :]
        packets.append(
            Bye(
                ssrcs=[int.from_bytes(body[4 * index : 4 * index + 4]) for index in range(count)],
                reason=rest[1 : 1 + rest[0]].decode("utf-8", "replace") if rest else "",
            )
        )
    return True


def _parse_blocks(body: bytes, start: int, count: int) -> list[ReceptionReport]:
    blocks = []
    for index in range(count):
        ssrc, loss, highest, jitter, last, delay = _BLOCK.unpack_from(body, start + 24 * index)
        lost = loss & 0xFFFFFF
        blocks.append(
            ReceptionReport(
                ssrc=ssrc,
                fraction_lost=loss >> 24,
                lost=lost - 0x1000000 if lost & 0x800000 else lost,
                highest_sequence=highest,
                jitter=jitter,
                last_sender_report=last,
                delay_since=delay,
            )
        )
    return blocks


def _parse_descriptions(body: bytes, count: int, packets: list[RtcpPacket]) -> bool:
    position = 0
    for _ in range(count):
        if position + 4 > len(body):
            return False
        ssrc = int.from_bytes(body[position : position + 4])
        position += 4
        while position < len(body) and body[position]:
            if position + 2 > len(body) or position + 2 + body[position + 1] > len(body):
                return False
            kind, length = body[position], body[position + 1]
            if kind == _CNAME:
                text = body[position + 2 : position + 2 + length].decode("utf-8", "replace")
                packets.append(Description(ssrc=ssrc, cname=text))
            position += 2 + length
        # The list ends with one to four null octets, up to the word.
        position += 4 - position % 4
    return True
