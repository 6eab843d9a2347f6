"""RTP and RTCP by their bytes; anything else is taken for none, and nothing raises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipio.media.outgoing import OutgoingStream
from sipio.media.reception import Reception, ReceptionReport
from sipio.media.report import Reports
from sipio.media.rtcp import (
    Bye,
    Description,
    ReceiverReport,
    RtcpPacket,
    SenderReport,
    build_rtcp,
    ntp_time,
    parse_rtcp,
    report_interval,
    round_trip_seconds,
)
from sipio.media.rtp import RtpPacket, parse_rtp, sequence_difference, timestamp_difference
from tests.sipio.media.media_doubles import build_rtp

WORD = st.integers(0, 0xFFFFFFFF)
PACKETS = st.builds(
    RtpPacket,
    st.integers(0, 127),
    st.booleans(),
    st.integers(0, 0xFFFF),
    WORD,
    WORD,
    st.binary(max_size=200),
)
BLOCKS = st.lists(
    st.builds(
        ReceptionReport,
        ssrc=WORD,
        fraction_lost=st.integers(0, 255),
        lost=st.integers(-0x800000, 0x7FFFFF),
        highest_sequence=WORD,
        jitter=WORD,
        last_sender_report=WORD,
        delay_since=WORD,
    ),
    max_size=3,
)
REPORTS = st.one_of(
    st.builds(
        SenderReport,
        ssrc=WORD,
        ntp=st.integers(0, 2**64 - 1),
        timestamp=WORD,
        packets=WORD,
        octets=WORD,
        blocks=BLOCKS,
    ),
    st.builds(ReceiverReport, ssrc=WORD, blocks=BLOCKS),
)
NAMES = st.builds(Description, ssrc=WORD, cname=st.text(min_size=1, max_size=60).filter(lambda t: "\0" not in t))
BYES = st.builds(Bye, ssrcs=st.lists(WORD, max_size=4), reason=st.text(max_size=50))


def test_bytes_of_a_packet() -> None:
    wire = bytes.fromhex("8080 0102 03040506 0708090a") + b"abc"
    assert parse_rtp(wire) == RtpPacket(0, True, 0x102, 0x3040506, 0x708090A, b"abc")
    assert build_rtp(RtpPacket(0, True, 0x102, 0x3040506, 0x708090A, b"abc")) == wire


def test_contributors_extension_and_padding_are_cut() -> None:
    head = bytes.fromhex("b208 0001 00000002 00000003")
    wire = head + bytes(8) + bytes.fromhex("bede0001 11223344") + b"audio" + b"\0\0\3"
    assert parse_rtp(wire) == RtpPacket(8, False, 1, 2, 3, b"audio")


@pytest.mark.parametrize(
    "wire",
    [
        "",
        "80",
        "8000000100000002000003",
        "400000010000000200000003",
        "8f0000010000000200000003",
        "900000010000000200000003 00",
        "900000010000000200000003 bede00ff 00",
        "a00000010000000200000003 00",
        "a00000010000000200000003 09",
        "a00000010000000200000003",
    ],
)
def test_not_rtp(wire: str) -> None:
    assert parse_rtp(bytes.fromhex(wire)) is None


@given(PACKETS)
def test_a_packet_comes_back(packet: RtpPacket) -> None:
    assert parse_rtp(build_rtp(packet)) == packet


@given(st.binary(max_size=80))
def test_any_bytes_are_rtp_or_not(data: bytes) -> None:
    parse_rtp(data)
    parse_rtp(b"\xb3" + data)


@given(st.lists(st.one_of(REPORTS, NAMES, BYES), max_size=3), REPORTS)
def test_reports_come_back(others: list[RtcpPacket], first: RtcpPacket) -> None:
    packets = [first, *others]
    assert parse_rtcp(build_rtcp(packets)) == packets


@given(st.binary(max_size=120), st.lists(st.one_of(REPORTS, NAMES, BYES), min_size=1, max_size=2), st.data())
def test_any_bytes_are_rtcp_or_not(data: bytes, packets: list[RtcpPacket], draw: st.DataObject) -> None:
    parse_rtcp(data)
    wire = bytearray(build_rtcp(packets))
    parse_rtcp(bytes(wire[: draw.draw(st.integers(0, len(wire)))]))
    if wire:
        wire[draw.draw(st.integers(0, len(wire) - 1))] = draw.draw(st.integers(0, 255))
        parse_rtcp(bytes(wire))


def test_differences_across_the_wrap() -> None:
    assert sequence_difference(2, 65_535) == 3
    assert sequence_difference(65_535, 2) == -3
    assert timestamp_difference(100, 0xFFFFFFF0) == 116
    assert timestamp_difference(0xFFFFFFF0, 100) == -116


def test_loss_and_wraps_are_counted() -> None:
    reception = Reception(7, 65_534)
    steps = [reception.packet(number, 160 * index, 0.02 * index) for index, number in enumerate([65_534, 65_535, 0, 3])]
    assert steps == [1, 1, 1, 3]
    assert (reception.received, reception.lost) == (4, 2)
    report = reception.report()
    assert (report.ssrc, report.lost, report.fraction_lost) == (7, 2, 2 * 256 // 6)
    assert report.highest_sequence == 65_536 + 3
    assert reception.packet(1, 480, 0.1) < 0
    assert reception.packet(3, 640, 0.1) == 0
    assert reception.lost == 0
    assert reception.report().fraction_lost == 0


def test_a_source_that_begins_anew_is_believed_at_its_second_packet() -> None:
    reception = Reception(7, 100)
    reception.packet(100, 0, 0.0)
    assert reception.packet(30_000, 0, 0.0) == 0
    assert reception.received == 1
    assert reception.packet(30_001, 160, 0.0) == 1
    assert (reception.received, reception.lost) == (1, 0)


def test_jitter_is_that_of_the_rfc() -> None:
    reception = Reception(7, 0)
    expected, previous = 0.0, None
    for index, arrival in enumerate([0.0, 0.021, 0.055, 0.060, 0.080]):
        reception.packet(index, 160 * index, arrival)
        transit = arrival * 8_000 - 160 * index
        if previous is not None:
            expected += (abs(transit - previous) - expected) / 16
        previous = transit
    assert reception.jitter == pytest.approx(expected)
    # Packets of one telephone-event have one timestamp.
    reception.packet(5, 160 * 4, 0.1)
    assert reception.jitter == pytest.approx(expected)


def test_round_trip_is_measured_between_two_sessions() -> None:
    ours, theirs = Reports(5.0, 0.0), Reports(5.0, 0.0)
    stream, other = OutgoingStream(), OutgoingStream()
    stream.audio(0, bytes(160))
    heard = Reception(stream.ssrc, 1)
    heard.packet(1, 0, 0.0)
    theirs.receive(ours.report(stream, None, now=10.0, wall=1_000.0), other.ssrc, now=10.05, wall=1_000.05)
    ours.receive(theirs.report(other, heard, now=12.0, wall=1_002.0), stream.ssrc, now=12.05, wall=1_002.1)
    assert ours.round_trip_ms == pytest.approx(150, abs=1)
    assert ours.deadline is not None
    assert 10 < ours.deadline < 10 + 5 * 1.5


def test_garbage_reports_are_counted() -> None:
    reports = Reports(0, 0.0)
    reports.receive(b"garbage!", 1, now=0.0, wall=0.0)
    assert (reports.garbage, reports.deadline) == (1, None)


def test_nonsense_is_no_round_trip() -> None:
    block = ReceptionReport(ssrc=1, fraction_lost=0, lost=0, highest_sequence=0, jitter=0, last_sender_report=5)
    assert round_trip_seconds(block, ntp_time(1_000.0)) is None


def test_intervals_spread_around_their_mean() -> None:
    intervals = [report_interval(5.0, first=False) for _ in range(500)]
    assert min(intervals) >= 2.5 / 1.22
    assert max(intervals) <= 7.5 / 1.21


def test_relayed_packets_keep_their_differences() -> None:
    stream = OutgoingStream()
    own = [parse_rtp(stream.audio(0, bytes(160))) for _ in range(2)]
    source = [RtpPacket(0, False, number, 160 * number, 9, b"x") for number in (500, 502, 501, 504)]
    sent = [parse_rtp(stream.relayed(packet, 8, b"y")[0]) for packet in source]
    assert own[1] is not None
    numbers = [sequence_difference(packet.sequence, own[1].sequence) for packet in sent if packet]
    assert numbers == [1, 3, 2, 5]
    assert {packet.ssrc for packet in sent if packet} == {stream.ssrc}
    after = parse_rtp(stream.audio(0, b""))
    assert after is not None
    assert sequence_difference(after.sequence, own[1].sequence) == 6


def test_a_withheld_packet_does_not_look_lost() -> None:
    stream = OutgoingStream()
    first, second, third = (RtpPacket(0, False, number, 0, 9, b"x") for number in (1, 2, 3))
    one = parse_rtp(stream.relayed(first, 0, b"x")[0])
    stream.withhold(second)
    three = parse_rtp(stream.relayed(third, 0, b"x")[0])
    assert one is not None
    assert three is not None
    assert sequence_difference(three.sequence, one.sequence) == 1
