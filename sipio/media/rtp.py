"""RTP packets (RFC 3550 clause 5) and the arithmetic of sequence numbers and timestamps."""

import struct
from typing import Final

import msgspec

HEADER: Final = struct.Struct("!BBHII")
"""Version and flags, marker and payload type, sequence number, timestamp, SSRC."""
HEADER_BYTES: Final = 12
VERSION: Final = 0x80
MARKER: Final = 0x80
SEQUENCE_MASK: Final = 0xFFFF
TIMESTAMP_MASK: Final = 0xFFFFFFFF
LARGEST_DATAGRAM: Final = 2_048
"""More than an Ethernet frame; audio of 200 ms. What is longer is cut by the socket and is no RTP of ours."""


class RtpPacket(msgspec.Struct, frozen=True, gc=False):
    """One packet, without padding, extension and contributing sources."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def parse_rtp(datagram: bytes) -> RtpPacket | None:
    """None where it is no RTP: too short, another version, or lengths that do not add up."""
    if len(datagram) < HEADER_BYTES:
        return None
    flags, second, sequence, timestamp, ssrc = HEADER.unpack_from(datagram)
    if flags == VERSION:
        payload = datagram[HEADER_BYTES:]
    else:
        if flags & 0xC0 != VERSION:
            return None
        start = HEADER_BYTES + 4 * (flags & 0x0F)
        end = len(datagram)
        if flags & 0x10:
            if end < start + 4:
                return None
            start += 4 + 4 * int.from_bytes(datagram[start + 2 : start + 4])
        if flags & 0x20:
            padding = datagram[-1]
            if not padding:
                return None
            end -= padding
        if start > end:
            return None
        payload = datagram[start:end]
    return RtpPacket(second & 0x7F, second >= MARKER, sequence, timestamp, ssrc, payload)


def sequence_difference(later: int, earlier: int) -> int:
    """How far apart two sequence numbers are, across the wrap: -32,768 to 32,767."""
    return ((later - earlier + 0x8000) & SEQUENCE_MASK) - 0x8000


def timestamp_difference(later: int, earlier: int) -> int:
    """How far apart two timestamps are, across the wrap, in samples."""
    return ((later - earlier + 0x80000000) & TIMESTAMP_MASK) - 0x80000000
