"""Whom a session hears and sends to, against bare sockets on loopback: strangers, garbage, silence, hold, reports."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sipio.call_control import (
    Done,
)
from sipio.media.dtmf import EventPayload, build_event
from sipio.media.g711 import SILENCE, Law
from sipio.media.reception import ReceptionReport
from sipio.media.rtcp import Bye, ReceiverReport, SenderReport, build_rtcp, parse_rtcp
from sipio.media.rtp import RtpPacket, parse_rtp
from sipio.media.settings import MediaSettings
from sipio.sip.media_description import MediaDirection
from tests.sipio.media.media_doubles import (
    HOST,
    SETTINGS,
    House,
    Result,
    build_rtp,
    file_of,
    loudest_frequency,
    negotiated,
)

HEADS = (
    b"",
    b"\x80\x00",
    b"\x80\x65",
    b"\x80\x08\0\2\0\0\0\2\0\0\0\1",
    b"\x80\x65\0\2\0\0\0\2\0\0\0\1",
    b"\x80\xc8",
)
"""Beginnings of RTP and RTCP, for what is behind to be looked at."""


async def test_rtp_from_the_wrong_source_is_dropped_and_counted(house: House) -> None:
    session, _ = house.open()
    phone, stranger = house.phone(), house.phone()
    session.start(negotiated(9))
    done = Result()
    session.echo(0, done)
    phone.send(session, SILENCE[Law.PCMU])
    await house.deliver()
    for _ in range(5):
        stranger.send(session, bytes(160))
        await house.deliver()
    await house.tick(10)
    statistics = session.statistics()
    assert (statistics.packets_received, statistics.wrong_source) == (1, 5)
    # And what we send goes to where the peer's audio came from, not where SDP said.
    assert len(phone.packets()) == 10
    assert stranger.packets() == []


async def test_another_source_is_believed_after_silence_or_a_reinvite(house: House) -> None:
    session, _ = house.open()
    phone, other, third = house.phone(), house.phone(), house.phone()
    session.start(negotiated(phone.port))
    phone.send(session, bytes(160))
    await house.deliver()
    other.send(session, bytes(160))
    await house.deliver()
    assert session.statistics().wrong_source == 1
    house.now += 2.1
    other.send(session, bytes(160))
    await house.deliver()
    await house.tick()
    assert (len(phone.packets()), len(other.packets())) == (0, 1)
    # The signalled one is believed over one that was not.
    phone.send(session, bytes(160))
    await house.deliver()
    await house.tick()
    assert (len(phone.packets()), len(other.packets())) == (1, 0)
    session.start(negotiated(third.port))
    await house.tick()
    assert len(third.packets()) == 1
    third.send(session, bytes(160))
    await house.deliver()
    phone.send(session, bytes(160))
    await house.deliver()
    assert session.statistics().wrong_source == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.booleans())
def test_garbage_never_raises(data: bytes, latch: bool) -> None:
    async def feed() -> None:
        house = House(SETTINGS, None)
        session, _ = house.open()
        other, _ = house.open()
        session.partner, other.partner = other, session
        session.start(negotiated(9, event_type=None if latch else 101))
        other.start(negotiated(9))
        session.echo(0, lambda _: None)
        if latch:
            session.receive(build_rtp(RtpPacket(0, False, 1, 1, 1, bytes(160))), (HOST, 9))
        for head in HEADS:
            session.receive(head + data, (HOST, 9))
        for tick in list(house.ticker.ticks):
            tick()
        await house.close()

    asyncio.run(feed())


async def test_garbage_is_counted(house: House) -> None:
    session, _ = house.open()
    phone = house.phone()
    session.start(negotiated(phone.port))
    for datagram in (b"", b"garbage", b"\x80\x12" + bytes(170), b"\x00\x00" + bytes(170)):
        session.receive(datagram, (HOST, phone.port))
    assert session.statistics().garbage == 4
    # Comfort noise was not agreed, and is no garbage.
    session.receive(build_rtp(RtpPacket(13, False, 1, 1, 1, b"\x40")), (HOST, phone.port))
    assert session.statistics().garbage == 4


async def test_a_dead_call_is_told_once_and_hold_is_not_death(house: House) -> None:
    session, observer = house.open()
    phone = house.phone()
    session.start(negotiated(phone.port))
    house.now += 59
    await house.tick(50)
    await house.tick(50)
    assert len(observer.timeouts) == 1
    assert observer.timeouts[0] >= 60
    await house.tick(100)
    assert len(observer.timeouts) == 1
    phone.send(session, bytes(160))
    await house.deliver()
    session.start(negotiated(phone.port, direction=MediaDirection.SENDONLY))
    house.now += 600
    await house.tick(50)
    assert len(observer.timeouts) == 1
    session.start(negotiated(phone.port))
    await house.tick(50)
    assert len(observer.timeouts) == 1
    house.now += 60
    await house.tick(50)
    assert len(observer.timeouts) == 2


@pytest.mark.parametrize("held", [MediaDirection.RECVONLY, MediaDirection.SENDONLY, MediaDirection.INACTIVE])
async def test_a_call_on_hold_does_not_die_whoever_holds_it(held: MediaDirection, house: House) -> None:
    """The peer that holds us may send music, or nothing at all."""
    session, observer = house.open()
    phone = house.phone()
    session.start(negotiated(phone.port))
    session.start(negotiated(phone.port, direction=held))
    house.now += 3_600
    await house.tick(50)
    assert observer.timeouts == []
    session.start(negotiated(phone.port))
    house.now += 50
    await house.tick(50)
    assert observer.timeouts == [], "silence counts from when it is over"
    house.now += 10
    await house.tick(50)
    assert len(observer.timeouts) == 1


@pytest.mark.parametrize("held", [MediaDirection.RECVONLY, MediaDirection.SENDONLY, MediaDirection.INACTIVE])
async def test_playing_goes_on_through_a_hold(held: MediaDirection, house: House, tmp_path: Path) -> None:
    """Somebody who was on hold hears what is played by then, and the script is not held up."""
    session, _ = house.open()
    phone = house.phone()
    session.start(negotiated(phone.port))
    done = Result()
    session.play([file_of(tmp_path / "a.wav", 500, 1), file_of(tmp_path / "b.wav", 900, 1)], done)
    await house.prepared()
    await house.tick(2)
    assert phone.heard().any()
    session.start(negotiated(phone.port, direction=held))
    await house.tick(55)
    assert (len(phone.packets()) > 0) == held.sends
    session.start(negotiated(phone.port))
    await house.tick(20)
    assert loudest_frequency(phone.heard()) == pytest.approx(900, abs=5)
    await house.tick(40)
    assert done.told == [Done()]


async def test_on_hold_nothing_is_sent_and_time_goes_on(house: House) -> None:
    session, _ = house.open()
    phone = house.phone()
    session.start(negotiated(phone.port))
    await house.tick(2)
    before = phone.packets()[-1]
    session.start(negotiated(phone.port, direction=MediaDirection.RECVONLY))
    await house.tick(10)
    assert phone.packets() == []
    session.start(negotiated(phone.port))
    await house.tick(1)
    after = phone.packets()[0]
    assert after.marker
    assert after.sequence == (before.sequence + 1) & 0xFFFF
    assert (after.timestamp - before.timestamp) & 0xFFFFFFFF == 11 * 160


async def test_a_mirror_is_taken_as_a_peer(house: House) -> None:
    session, _ = house.open()
    phone = house.phone()
    session.start(negotiated(phone.port))
    sources = set()
    for _ in range(5):
        await house.tick()
        for datagram in phone.datagrams():
            packet = parse_rtp(datagram)
            assert packet is not None
            sources.add(packet.ssrc)
            phone.socket.sendto(datagram, (HOST, session.port))
        await house.deliver()
    # Changed once, being taken; not for ever.
    assert len(sources) == 2
    assert session.statistics().packets_received >= 3


async def test_reports_are_sent_and_say_goodbye() -> None:
    house = House(MediaSettings(port_first=34_000, port_last=39_999, rtcp_seconds=5.0), None)
    session, _ = house.open()
    phone, reports = house.phone(), house.phone()
    media = negotiated(phone.port)
    session.start(msgspec.structs.replace(media, remote_rtcp_port=reports.port))
    phone.send(session, bytes(160))
    await house.tick(400)
    session.close()
    datagrams = [parse_rtcp(datagram) for datagram in reports.datagrams()]
    assert len(datagrams) >= 2
    first, last = datagrams[0], datagrams[-1]
    assert first is not None
    assert last is not None
    assert isinstance(first[0], SenderReport)
    assert first[0].blocks[0].ssrc == phone.ssrc
    assert isinstance(last[-1], Bye)
    await house.close()


async def test_reports_on_the_rtp_port_and_strangers_reports(house: House) -> None:
    session, _ = house.open()
    phone = house.phone()
    session.start(negotiated(phone.port))
    phone.send(session, bytes(160))
    await house.tick()
    own = phone.packets()[0].ssrc
    block = ReceptionReport(ssrc=own, fraction_lost=1, lost=7, highest_sequence=1, jitter=0)
    report = build_rtcp([ReceiverReport(ssrc=phone.ssrc, blocks=[block])])
    session.receive(report, ("127.0.0.9", phone.port))
    assert session.statistics().remote_lost == 0
    session.receive(report, (HOST, phone.port))
    assert session.statistics().remote_lost == 7
    assert session.statistics().garbage == 0


async def test_of_two_sources_side_by_side_the_newer_is_heard(house: House) -> None:
    session, _ = house.open()
    phone = house.phone()
    session.start(negotiated(phone.port))

    async def say(ssrc: int, count: int) -> None:
        for number in range(count):
            packet = RtpPacket(0, False, number, 160 * number, ssrc, bytes([ssrc]) * 160)
            session.receive(build_rtp(packet), (HOST, phone.port))
            house.now += 0.02
            await house.tick()

    await say(1, 5)
    await say(2, 5)
    for _ in range(5):
        await say(1, 1)
        await say(2, 1)
    assert session.statistics().wrong_source == 5
    house.now += 0.2
    await say(1, 1)
    assert session.statistics().wrong_source == 5


async def test_events_of_a_source_of_their_own_leave_the_audio_alone(house: House) -> None:
    session, observer = house.open()
    phone = house.phone()
    session.start(negotiated(phone.port))
    done = Result()
    session.echo(0, done)
    for number in range(40):
        session.receive(
            build_rtp(RtpPacket(0, False, number, 160 * number, 7, bytes([0x10]) * 160)), (HOST, phone.port)
        )
        event = EventPayload(number // 10, number % 10 > 6, 10, 160 * (number % 10 + 1))
        packet = RtpPacket(101, number % 10 == 0, number, 1_600 * (number // 10), 9, build_event(event))
        session.receive(build_rtp(packet), (HOST, phone.port))
        house.now += 0.02
        await house.tick()
    assert observer.digits == ["0", "1", "2", "3"]
    echoed = b"".join(packet.payload for packet in phone.packets()[4:])
    assert set(echoed) == {0x10}, "not a gap in it"
    assert session.statistics().packets_received == 40


SIGNS = {
    "reports": build_rtcp([ReceiverReport(ssrc=7)]),
    "comfort noise": build_rtp(RtpPacket(13, False, 1, 1, 7, b"\x40")),
    "comfort noise of old": build_rtp(RtpPacket(19, False, 1, 1, 7, b"\x40")),
    "comfort noise that was not agreed": build_rtp(RtpPacket(118, False, 1, 1, 7, b"\x40")),
    "events of a source of their own": build_rtp(RtpPacket(101, False, 1, 1, 9, bytes.fromhex("0b8a0500"))),
    "a STUN indication": bytes.fromhex("001100002112a442") + bytes(12),
    "nothing at all": b"",
}
"""RFC 6263 clause 4, and what stands in for it."""


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("heard", [True, False])
async def test_whatever_comes_from_the_peer_shows_that_it_lives(sign: str, heard: bool, house: House) -> None:
    session, observer = house.open()
    phone = house.phone()
    session.start(negotiated(phone.port))
    if heard:
        phone.send(session, bytes(160))
        await house.deliver()
    for _ in range(3):
        house.now += 50
        session.receive(SIGNS[sign], (HOST, phone.port))
        await house.tick(50)
    assert observer.timeouts == []
    house.now += 60
    await house.tick(50)
    assert len(observer.timeouts) == 1


@pytest.mark.parametrize(
    "sign", ["reports", "comfort noise that was not agreed", "a STUN indication", "nothing at all"]
)
async def test_what_comes_from_a_stranger_does_not_show_that_the_peer_lives(sign: str, house: House) -> None:
    session, observer = house.open()
    phone = house.phone()
    session.start(negotiated(phone.port))
    house.now += 50
    session.receive(SIGNS[sign], ("127.0.0.9", phone.port))
    house.now += 10
    await house.tick(50)
    assert len(observer.timeouts) == 1


async def test_a_goodbye_is_no_sign_of_life(house: House) -> None:
    session, observer = house.open()
    phone = house.phone()
    session.start(negotiated(phone.port))
    house.now += 55
    session.receive(build_rtcp([ReceiverReport(ssrc=7), Bye(ssrcs=[7])]), (HOST, phone.port))
    house.now += 5
    await house.tick(50)
    assert len(observer.timeouts) == 1


async def test_reports_on_their_own_port_show_that_the_peer_lives(house: House) -> None:
    session, observer = house.open()
    phone, reports = house.phone(), house.phone("127.0.0.9")
    media = negotiated(phone.port)
    session.start(msgspec.structs.replace(media, remote_rtcp_host="127.0.0.9", remote_rtcp_port=reports.port))
    house.now += 55
    reports.socket.sendto(SIGNS["reports"], (HOST, session.port + 1))
    await house.deliver()
    house.now += 55
    await house.tick(50)
    assert observer.timeouts == []
    session.lives(house.now)
    house.now += 55
    await house.tick(50)
    assert observer.timeouts == [], "its SIP may tell too"
    house.now += 5
    await house.tick(50)
    assert len(observer.timeouts) == 1
