"""Sessions against bare sockets on loopback, by what is heard; the test turns the clock."""

import asyncio
import socket
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs

from sipio.call_control import (
    Collect,
    Done,
    Failed,
    HungUpDuring,
    MediaFile,
    MediaText,
    Stopped,
)
from sipio.media.engine import MediaEngine
from sipio.media.errors import NoFreePort
from sipio.media.g711 import SILENCE, Law, decode, encode
from sipio.media.rtp import RtpPacket
from sipio.media.settings import MediaSettings
from sipio.media.wav_writer import WavWriter
from tests.sipio.media.media_doubles import (
    HOST,
    SETTINGS,
    House,
    Remembering,
    Result,
    build_rtp,
    file_of,
    loudest_frequency,
    negotiated,
    signal_to_rest,
)


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
    await house.prepared()
    await house.tick(20)
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
    assert engine.snapshot().sessions == 0


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


async def test_an_engine_counts_its_sessions_when_they_end() -> None:
    engine = MediaEngine(SETTINGS)
    session = engine.open(HOST)
    session.start(negotiated(9))
    peer, stranger = (HOST, 9), ("127.0.0.9", 9)
    packet = RtpPacket(0, False, 1, 160, 7, bytes(160))
    session.receive(build_rtp(packet), peer)
    session.receive(build_rtp(structs.replace(packet, sequence=3, timestamp=480)), peer)
    session.receive(build_rtp(packet), stranger)
    session.receive(b"garbage", peer)
    before = engine.snapshot()
    assert (before.sessions, before.ended, before.packets_received) == (1, 0, 0)
    session.close()
    after = engine.snapshot()
    assert (after.sessions, after.ended) == (0, 1)
    assert (after.packets_received, after.packets_lost, after.garbage, after.wrong_source) == (2, 1, 1, 1)
    assert (after.round_trips, after.round_trip_ms, after.clock_steps_skipped) == (0, 0.0, 0)
    await engine.close()
