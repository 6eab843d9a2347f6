"""What a session records, and disks that are full, slow or hang."""

import asyncio
import os
import threading
from pathlib import Path

import msgspec
import numpy as np
import pytest

from sipio.media.engine import MediaEngine
from sipio.media.g711 import SILENCE, Law, decode, encode
from sipio.media.sound_decoder import SoundDecoder
from tests.sipio.media.media_doubles import (
    HOST,
    SETTINGS,
    House,
    Remembering,
    file_of,
    loudest_frequency,
    negotiated,
    signal_to_rest,
    tone,
)


async def test_a_recording_has_both_sides_in_time(house: House, tmp_path: Path) -> None:
    session, observer = house.open()
    phone = house.phone()
    session.start(negotiated(phone.port, codec="PCMA"))
    session.play([file_of(tmp_path / "700.wav", 700, 4)], lambda _: None)
    await house.prepared()
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
    await house.prepared()
    session.record("mine", tmp_path / "mono.wav")
    heard = encode(tone(400, 1.0), Law.PCMU)
    for start in range(0, 8_000, 160):
        phone.send(session, heard[start : start + 160])
        await house.deliver()
        await house.tick()
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


async def test_what_came_too_late_is_counted_and_stays_so(house: House, tmp_path: Path) -> None:
    session, _ = house.open()
    phone = house.phone()
    session.start(negotiated(phone.port))
    session.record("mine", tmp_path / "late.wav")
    phone.sequence, phone.timestamp = 1, 160
    for _ in range(5):
        phone.send(session, SILENCE[Law.PCMU])
        await house.tick()
    phone.sequence, phone.timestamp = 1, 160
    phone.send(session, SILENCE[Law.PCMU])
    await house.deliver()
    assert session.statistics().packets_late == 1
    session.stop_recording()
    assert session.statistics().packets_late == 1
