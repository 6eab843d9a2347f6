"""Sessions against bare sockets on loopback, by what is heard; the test turns the clock."""

import asyncio
import os
import socket
import threading
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sipio.call_control import (
    Collect,
    CollectStatus,
    Digits,
    Done,
    Failed,
    HungUpDuring,
    Media,
    MediaFile,
    MediaText,
    Stopped,
)
from sipio.media.dtmf import parse_event, send_event
from sipio.media.dtmf_tones import ToneDetector, tone_samples
from sipio.media.engine import MediaEngine
from sipio.media.errors import NoFreePort
from sipio.media.g711 import SILENCE, Law, decode, encode
from sipio.media.reception import ReceptionReport
from sipio.media.rtcp import Bye, ReceiverReport, SenderReport, build_rtcp, parse_rtcp
from sipio.media.rtp import RtpPacket, build_rtp, parse_rtp
from sipio.media.settings import MediaSettings
from sipio.media.sound_decoder import SoundDecoder
from sipio.media.wav_writer import WavWriter
from sipio.sip.media_description import Direction
from tests.sipio.media.media_doubles import (
    HOST,
    SETTINGS,
    House,
    Remembering,
    Result,
    loudest_frequency,
    negotiated,
    signal_to_rest,
    tone,
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


def file_of(path: Path, frequency: float, seconds: float) -> MediaFile:
    with WavWriter(path, 1) as writer:
        writer.write(tone(frequency, seconds).tobytes())
    return MediaFile(path.name, path)


async def test_a_file_played_is_the_tone_heard(house: House, tmp_path: Path) -> None:
    session, _ = house.open()
    phone = house.phone()
    session.start(negotiated(phone.port, codec="PCMA"))
    done = Result()
    session.play([file_of(tmp_path / "a.wav", 600, 0.5), file_of(tmp_path / "b.wav", 900, 0.5)], done)
    await house.tick_until(done.event)
    assert done.told == [Done()]
    packets = phone.packets()
    assert {packet.payload_type for packet in packets} == {8}
    assert [packet.marker for packet in packets] == [True] + [False] * (len(packets) - 1)
    first = packets[0]
    for index, packet in enumerate(packets):
        assert packet.sequence == (first.sequence + index) & 0xFFFF
        assert packet.timestamp == (first.timestamp + 160 * index) & 0xFFFFFFFF
        assert packet.ssrc == first.ssrc
    silence = SILENCE[Law.PCMA]
    audio = b"".join(packet.payload for packet in packets if packet.payload != silence)
    assert len(audio) == 8_000
    samples = decode(audio, Law.PCMA)
    assert loudest_frequency(samples[:4_000]) == pytest.approx(600, abs=3)
    assert loudest_frequency(samples[4_000:]) == pytest.approx(900, abs=3)
    assert signal_to_rest(samples[:4_000], 600) > 33


async def test_what_cannot_be_played_fails_and_says_why(house: House, tmp_path: Path) -> None:
    session, _ = house.open()
    session.start(negotiated(house.phone().port))
    (tmp_path / "text.wav").write_text("not audio at all")
    for media, reason in (
        (MediaFile("user/none.wav", tmp_path / "none.wav"), "no such file: user/none.wav"),
        (MediaFile("text.wav", tmp_path / "text.wav"), "text.wav: not a WAV file"),
        (MediaFile("dir", tmp_path), "cannot be read"),
        (MediaText("x", voice="-w/tmp/x"), "no voice"),
    ):
        done = Result()
        session.play([media], done)
        await house.tick_until(done.event)
        assert isinstance(done.told[0], Failed)
        assert reason in done.told[0].message


async def test_actions_replace_each_other_and_end_once(house: House, tmp_path: Path) -> None:
    session, _ = house.open()
    session.start(negotiated(house.phone().port))
    sound = file_of(tmp_path / "long.wav", 500, 5)
    results = [Result() for _ in range(5)]
    first = session.play([sound], results[0])
    await house.tick(5)
    session.echo(0, results[1])
    first.stop()
    second = session.collect(Collect(prompt=[sound]), results[2])
    await house.tick(5)
    second.stop()
    second.stop()
    session.collect(Collect(pattern="("), results[3])
    await house.deliver()
    session.play([sound], results[4], repeat=True)
    session.close()
    session.close()
    assert [result.told for result in results[:3]] == [[Stopped()], [Stopped()], [Stopped()]]
    assert isinstance(results[3].told[0], Failed)
    assert results[4].told == [HungUpDuring()]
    late = Result()
    session.play([sound], late)
    assert late.told == []
    await house.deliver()
    assert late.told == [HungUpDuring()]


async def test_repeated_media_goes_on_and_nothing_at_all_does_not(house: House, tmp_path: Path) -> None:
    session, _ = house.open()
    phone = house.phone()
    session.start(negotiated(phone.port))
    done = Result()
    session.play([file_of(tmp_path / "short.wav", 500, 0.04)], done, repeat=True)
    for _ in range(20):
        await house.tick()
        await asyncio.sleep(0.002)
    assert done.told == []
    assert np.abs(phone.heard()[-1_600:]).max() > 5_000
    empty = Result()
    with WavWriter(tmp_path / "empty.wav", 1):
        pass
    session.play([MediaFile("empty", tmp_path / "empty.wav")], empty, repeat=True)
    await house.tick_until(empty.event)
    assert empty.told == [Done()]


async def test_an_echoed_sweep_comes_back_with_its_delay(house: House) -> None:
    session, _ = house.open()
    phone = house.phone()
    session.start(negotiated(phone.port))
    done = Result()
    session.echo(300, done)
    time = np.arange(16_000) / 8_000
    sweep = (8_000 * np.sin(2 * np.pi * (300 + 600 * time) * time)).astype(np.int16)
    audio = encode(sweep, Law.PCMU) + SILENCE[Law.PCMU] * 25
    heard = []
    for start in range(0, len(audio), 160):
        phone.send(session, audio[start : start + 160])
        await house.deliver()
        await house.tick()
        heard.append(phone.heard())
    echoed = np.concatenate(heard).astype(np.float64)
    sent = decode(audio, Law.PCMU).astype(np.float64)
    size = len(sent) + len(echoed)
    delay = int(np.argmax(np.fft.irfft(np.fft.rfft(echoed, size) * np.conj(np.fft.rfft(sent, size)))))
    # 300 ms that were asked for, 40 of the jitter buffer.
    assert delay == 340 * 8
    assert np.array_equal(echoed[delay:], sent[: len(sent) - delay])
    assert done.told == []


async def test_digits_sent_are_digits_heard_in_all_three_ways(house: House) -> None:
    session, observer = house.open()
    phone = house.phone()
    session.start(negotiated(phone.port))
    for digit in "12#D":
        for packet in send_event(digit, 60):
            phone.send_event(session, packet.payload)
            await house.deliver()
        phone.wait(1_000)
    session.digit("7", 120)
    assert observer.digits == [*"12#D7"]

    inband, observer = house.open()
    inband.start(negotiated(phone.port, event_type=None))
    for digit in "159*":
        samples = np.concatenate([tone_samples(digit, 60), np.zeros(480, np.int16)])
        audio = encode(samples, Law.PCMU)
        for start in range(0, len(audio), 160):
            phone.send(inband, audio[start : start + 160])
            await house.deliver()
    assert observer.digits == [*"159*"]


async def test_digits_are_not_looked_for_in_audio_where_events_were_agreed(house: House) -> None:
    session, observer = house.open()
    phone = house.phone()
    session.start(negotiated(phone.port))
    audio = encode(tone_samples("5", 200), Law.PCMU)
    for start in range(0, len(audio), 160):
        phone.send(session, audio[start : start + 160])
        await house.deliver()
    assert observer.digits == []


async def test_digits_go_out_as_events_or_as_tones(house: House) -> None:
    session, _ = house.open()
    phone = house.phone()
    session.start(negotiated(phone.port, event_type=96))
    session.send_digits("1x9", 100)
    await house.tick(30)
    packets = [packet for packet in phone.packets() if packet.payload_type == 96]
    events = [parse_event(packet.payload) for packet in packets]
    assert len(packets) == 14
    assert [packet.marker for packet in packets] == ([True] + [False] * 6) * 2
    assert [event.event for event in events if event] == [1] * 7 + [9] * 7
    assert len({packet.timestamp for packet in packets}) == 2

    session.start(negotiated(phone.port, event_type=None))
    session.send_digits("42", 60)
    await house.tick(20)
    assert ToneDetector().feed(phone.heard()) == "42"


async def test_collecting_with_barge_in(house: House, tmp_path: Path) -> None:
    session, observer = house.open()
    phone = house.phone()
    session.start(negotiated(phone.port))
    done = Result()
    session.collect(Collect(prompt=[file_of(tmp_path / "p.wav", 500, 3)], maximum=2), done)
    for _ in range(8):
        await house.tick()
        await asyncio.sleep(0.002)
    assert np.abs(phone.heard()).max() > 5_000
    session.digit("1")
    await house.tick(2)
    assert np.abs(phone.heard()).max() < 10
    assert done.told == []
    session.digit("2")
    assert done.told == [Done(Digits(status=CollectStatus.SUCCESS, value="12"))]
    assert observer.digits == ["1", "2"]


async def test_what_was_typed_ahead_is_collected_without_the_prompt(house: House, tmp_path: Path) -> None:
    session, _ = house.open()
    phone = house.phone()
    session.start(negotiated(phone.port))
    prompt: list[Media] = [file_of(tmp_path / "p.wav", 500, 3)]
    done, more = Result(), Result()
    session.collect(Collect(prompt=prompt, typed_ahead="12#"), done)
    assert done.told == [], "nobody is told before they know of the action"
    await house.tick()
    assert done.told == [Done(Digits(status=CollectStatus.SUCCESS, value="12", terminator="#"))]
    session.collect(Collect(prompt=prompt, maximum=3, typed_ahead="12"), more)
    await house.tick(5)
    assert np.abs(phone.heard()).max() < 10
    session.digit("3")
    assert more.told == [Done(Digits(status=CollectStatus.SUCCESS, value="123"))]


async def test_collecting_runs_out_of_time(house: House, tmp_path: Path) -> None:
    session, _ = house.open()
    session.start(negotiated(house.phone().port))
    done = Result()
    session.collect(Collect(prompt=[file_of(tmp_path / "p.wav", 500, 0.1)], timeout_seconds=0.05, tries=2), done)
    await house.tick_until(done.event)
    assert done.told == [Done(Digits(status=CollectStatus.TIMEOUT))]
    failed = Result()
    session.collect(Collect(prompt=[MediaFile("x", tmp_path / "x")]), failed)
    await house.tick_until(failed.event)
    assert isinstance(failed.told[0], Failed)


async def test_blocked_digits_are_neither_told_nor_collected(house: House) -> None:
    session, observer = house.open()
    phone = house.phone()
    session.start(negotiated(phone.port))
    done = Result()
    session.collect(Collect(maximum=2), done)
    session.block_digits("15")
    for digit in "1255":
        for packet in send_event(digit, 40):
            phone.send_event(session, packet.payload)
            await house.deliver()
        phone.wait(1_000)
    session.digit("5")
    assert observer.digits == ["2"]
    session.block_digits()
    session.digit("2")
    assert observer.digits == ["2"]
    assert done.told == []


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
    session.start(negotiated(phone.port, direction=Direction.SENDONLY))
    house.now += 600
    await house.tick(50)
    assert len(observer.timeouts) == 1
    session.start(negotiated(phone.port))
    await house.tick(50)
    assert len(observer.timeouts) == 1
    house.now += 60
    await house.tick(50)
    assert len(observer.timeouts) == 2


@pytest.mark.parametrize("held", [Direction.RECVONLY, Direction.SENDONLY, Direction.INACTIVE])
async def test_a_call_on_hold_does_not_die_whoever_holds_it(held: Direction, house: House) -> None:
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


@pytest.mark.parametrize("held", [Direction.RECVONLY, Direction.SENDONLY, Direction.INACTIVE])
async def test_playing_goes_on_through_a_hold(held: Direction, house: House, tmp_path: Path) -> None:
    """Somebody who was on hold hears what is played by then, and the script is not held up."""
    session, _ = house.open()
    phone = house.phone()
    session.start(negotiated(phone.port))
    done = Result()
    session.play([file_of(tmp_path / "a.wav", 500, 1), file_of(tmp_path / "b.wav", 900, 1)], done)
    while not np.abs(phone.heard()).any():
        await house.tick()
        await asyncio.sleep(0.001)
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
    session.start(negotiated(phone.port, direction=Direction.RECVONLY))
    await house.tick(10)
    assert phone.packets() == []
    session.start(negotiated(phone.port))
    await house.tick(1)
    after = phone.packets()[0]
    assert after.marker
    assert after.sequence == (before.sequence + 1) & 0xFFFF
    assert (after.timestamp - before.timestamp) & 0xFFFFFFFF == 11 * 160


async def test_a_recording_has_both_sides_in_time(house: House, tmp_path: Path) -> None:
    session, observer = house.open()
    phone = house.phone()
    session.start(negotiated(phone.port, codec="PCMA"))
    session.play([file_of(tmp_path / "700.wav", 700, 4)], lambda _: None)
    await house.tick(3)
    await asyncio.sleep(0.05)
    path = tmp_path / "recorded.wav"
    session.record("mine", path, stereo=True)
    heard = encode(tone(400, 2.0), Law.PCMU)
    lost = {30, 31}
    # The first two of every ten have changed places.
    order = [index ^ 1 if index % 10 < 2 else index for index in range(100)]
    for index in order:
        phone.sequence, phone.timestamp = index, 160 * index
        if index not in lost:
            phone.send(session, heard[160 * index : 160 * index + 160])
        await house.deliver()
        await house.tick()
    session.close()
    await asyncio.wait_for(observer.recorded.wait(), 5)
    event = observer.recordings[0]
    assert (event.name, event.path, event.seconds, event.error) == ("mine", path, 2.0, "")
    both = np.frombuffer(path.read_bytes()[44:], "<i2").reshape(-1, 2)
    assert len(both) == 16_000
    left, right = both[1_600:4_000, 0], both[1_600:, 1]
    assert loudest_frequency(left) == pytest.approx(400, abs=4)
    assert signal_to_rest(left, 400) > 30
    assert signal_to_rest(right, 700) > 30
    # Lost packets are made up, and less so as time goes by.
    levels = [int(np.abs(both[start : start + 160, 0]).max()) for start in range(1_600, 15_000, 160)]
    assert 2_000 < min(levels) < 7_000


async def test_a_recording_in_mono_is_the_sum(house: House, tmp_path: Path) -> None:
    session, observer = house.open()
    phone = house.phone()
    session.start(negotiated(phone.port))
    session.play([file_of(tmp_path / "700.wav", 700, 4)], lambda _: None)
    session.record("mine", tmp_path / "mono.wav")
    heard = encode(tone(400, 1.0), Law.PCMU)
    for start in range(0, 8_000, 160):
        phone.send(session, heard[start : start + 160])
        await house.deliver()
        await house.tick()
        await asyncio.sleep(0.001)
    session.stop_recording()
    await asyncio.wait_for(observer.recorded.wait(), 5)
    decoder = SoundDecoder(Law.PCMU, 10)
    samples = decode(decoder.feed((tmp_path / "mono.wav").read_bytes()), Law.PCMU)[4_000:]
    assert signal_to_rest(samples, 400) == pytest.approx(0, abs=0.5)
    assert signal_to_rest(samples, 700) == pytest.approx(0, abs=0.5)


async def test_a_disk_that_fills_up_ends_the_recording_and_not_the_call(house: House, tmp_path: Path) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    session, observer = house.open()
    phone = house.phone()
    session.start(negotiated(phone.port))
    session.record("full", tmp_path / "full.wav")
    await house.tick(51)
    recording = session._listening.recording
    assert recording is not None
    # The first second is on disk once the one thread has got to this.
    await asyncio.wrap_future(house.writers.submit(lambda: None))
    os.dup2(full, recording._writer._descriptor)
    os.close(full)
    await house.tick_until(observer.recorded)
    assert observer.recordings[0].error == "no space left for full.wav"
    assert observer.recordings[0].seconds == 1.0
    phone.packets()
    await house.tick(5)
    assert len(phone.packets()) == 5


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


async def test_ports_are_even_and_run_out_and_come_back() -> None:
    engine = MediaEngine(MediaSettings(port_first=34_001, port_last=34_006, rtcp_seconds=0))
    sessions = [engine.open(HOST), engine.open(HOST)]
    with pytest.raises(NoFreePort):
        engine.open(HOST)
    assert {session.port for session in sessions} == {34_002, 34_004}
    freed = sessions[0].port
    sessions[0].close()
    assert engine.open(HOST).port == freed
    with pytest.raises(NoFreePort):
        engine.open("203.0.113.1")
    await engine.close()
    assert engine.sessions == 0


@pytest.mark.parametrize("uvloop", [False, True])
def test_an_engine_of_its_own_in_real_time(uvloop: bool, tmp_path: Path) -> None:
    """Two sessions on a real clock: what one plays the other records, digits go over, the pace is 20 ms."""

    async def call() -> None:
        engine = MediaEngine(SETTINGS)
        near, far = engine.open(HOST), engine.open(HOST)
        far.observer = observer = Remembering()
        near.start(negotiated(far.port))
        far.start(negotiated(near.port))
        far.record("call", tmp_path / "call.wav", stereo=True)
        done = Result()
        began = asyncio.get_running_loop().time()
        near.play([file_of(tmp_path / "t.wav", 1_000, 0.6)], done)
        await asyncio.wait_for(done.event.wait(), 5)
        assert asyncio.get_running_loop().time() - began == pytest.approx(0.62, abs=0.1)
        near.send_digits("5", 60)
        await asyncio.wait_for(observer.pressed.wait(), 5)
        far.close()
        await asyncio.wait_for(observer.recorded.wait(), 5)
        await engine.close()
        left = np.frombuffer((tmp_path / "call.wav").read_bytes()[44:], "<i2").reshape(-1, 2)[:, 0]
        loud = np.flatnonzero(np.abs(left) > 6_000)
        assert signal_to_rest(left[loud[0] : loud[0] + 4_000], 1_000) > 20

    if uvloop:
        module = pytest.importorskip("uvloop")
        module.run(call())
    else:
        asyncio.run(call())


async def test_expedited_forwarding_is_asked_for(house: House) -> None:
    session, _ = house.open()
    assert session._ports.rtp.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 46 << 2
    assert session._ports.rtcp.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 46 << 2


async def test_a_disk_that_hangs_ends_the_recording(tmp_path: Path) -> None:
    house = House(msgspec.structs.replace(SETTINGS, recording_behind_bytes=40_000), None)
    session, observer = house.open()
    session.start(negotiated(house.phone().port))
    go = threading.Event()
    held = house.writers.submit(go.wait, 10)
    session.record("slow", tmp_path / "slow.wav")
    await house.tick(250)
    assert session._listening.recording is None
    go.set()
    await asyncio.wait_for(observer.recorded.wait(), 5)
    assert held.result()
    assert observer.recordings[0].error == "the disk is too slow"
    # What had been gathered is kept.
    assert observer.recordings[0].seconds >= 3
    await house.close()


async def test_a_closing_engine_waits_for_recordings(tmp_path: Path) -> None:
    engine = MediaEngine(SETTINGS)
    session = engine.open(HOST)
    session.observer = observer = Remembering()
    go = threading.Event()
    for _ in range(4):
        engine._writers.submit(go.wait, 10)
    session.record("last", tmp_path / "last.wav")
    recording = session._listening.recording
    assert recording is not None
    for _ in range(75):
        recording.frame(SILENCE[Law.PCMU], SILENCE[Law.PCMU], Law.PCMU)
    # One write waits for a thread, and what came since then waits for that write.
    closing = asyncio.ensure_future(engine.close())
    await asyncio.sleep(0)
    go.set()
    await closing
    assert [(event.seconds, event.error) for event in observer.recordings] == [(1.5, "")]


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
