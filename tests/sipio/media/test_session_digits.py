"""Digits of a session, against bare sockets on loopback: heard, sent, collected, blocked."""

from pathlib import Path

import numpy as np

from sipio.call_control import (
    Collect,
    CollectStatus,
    Digits,
    Done,
    Failed,
    Media,
    MediaFile,
)
from sipio.media.dtmf import parse_event, send_event
from sipio.media.dtmf_tones import ToneDetector, tone_samples
from sipio.media.g711 import Law, encode
from tests.sipio.media.media_doubles import (
    House,
    Result,
    file_of,
    negotiated,
)


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
    await house.prepared()
    await house.tick(2)
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
