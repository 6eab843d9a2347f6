"""Packets as long as the far end wants them, and of any length from it."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from sipio.media.dtmf_tones import tone_samples
from sipio.media.g711 import FRAME_SAMPLES, Law, Samples, decode, encode
from sipio.media.packetization import Packetization, packet_samples, packetization
from sipio.media.rtp import RtpPacket
from tests.sipio.media.media_doubles import (
    House,
    Result,
    file_of,
    loudest_frequency,
    negotiated,
    signal_to_rest,
    tone,
)


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [(10, 10), (20, 20), (30, 30), (40, 40), (60, 60), (0, 10), (5, 10), (25, 20), (200, 60), (1_000, 60)],
)
def test_what_is_wanted_is_sent_within_reason(wanted: int, sent: int) -> None:
    assert packet_samples(wanted) == 8 * sent
    assert (packetization(wanted) is None) == (sent == 20)


@given(st.lists(st.booleans(), max_size=40), st.sampled_from([80, 240, 320, 480]))
def test_no_sample_is_lost_moved_or_said_twice(frames: list[bool], size: int) -> None:
    """Ticks with a frame and without: every packet says where it belongs."""
    packets = Packetization(size)
    sent: dict[int, bytes] = {}
    for tick, there in enumerate(frames):
        at = tick * FRAME_SAMPLES
        rest = None if there else packets.rest()
        pieces = packets.frame(bytes([tick]) * FRAME_SAMPLES) if there else [rest] if rest else []
        for begins, payload in pieces:
            assert at + begins not in sent
            sent[at + begins] = payload
            assert len(payload) <= size
    last = packets.rest()
    if last is not None:
        sent[len(frames) * FRAME_SAMPLES + last[0]] = last[1]
    heard = {at + offset: byte for at, payload in sent.items() for offset, byte in enumerate(payload)}
    assert len(heard) == sum(map(len, sent.values()))
    assert heard == {
        tick * FRAME_SAMPLES + offset: tick
        for tick, there in enumerate(frames)
        if there
        for offset in range(FRAME_SAMPLES)
    }


def timeline(packets: list[RtpPacket], law: Law) -> Samples:
    """What was sent, each packet where its timestamp has it: without gap or overlap."""
    first = packets[0].timestamp
    audio = b""
    for packet in packets:
        assert (packet.timestamp - first) & 0xFFFFFFFF == len(audio)
        audio += packet.payload
    assert [(packet.sequence - packets[0].sequence) & 0xFFFF for packet in packets] == list(range(len(packets)))
    return decode(audio, law)


@pytest.mark.parametrize("ptime", [10, 20, 30, 40, 60])
async def test_a_file_is_sent_in_packets_of_the_wanted_length(ptime: int, house: House, tmp_path: Path) -> None:
    session, _ = house.open()
    phone = house.phone()
    session.start(structs.replace(negotiated(phone.port, codec="PCMA"), ptime_ms=ptime))
    done = Result()
    session.play([file_of(tmp_path / "t.wav", 700, 1.2)], done)
    await house.tick_until(done.event)
    await house.tick(6)
    packets = phone.packets()
    assert {len(packet.payload) for packet in packets} == {8 * ptime}
    heard = timeline(packets, Law.PCMA)
    tone_part = heard[np.abs(heard) > 1_000]
    assert len(tone_part) > 0.8 * 9_600
    loud = np.flatnonzero(np.abs(heard) > 1_000)
    assert loudest_frequency(heard[loud[0] : loud[-1]]) == pytest.approx(700, abs=2)
    assert signal_to_rest(heard[loud[0] + 200 : loud[-1] - 200], 700) > 30


async def test_a_digit_in_between_sends_what_was_held_first(house: House, tmp_path: Path) -> None:
    session, _ = house.open()
    phone = house.phone()
    session.start(structs.replace(negotiated(phone.port), ptime_ms=60))
    session.play([file_of(tmp_path / "t.wav", 700, 2)], lambda _: None)
    await house.tick(4)
    session.send_digits("5")
    await house.tick(20)
    packets = phone.packets()
    event = next(index for index, packet in enumerate(packets) if packet.payload_type == 101)
    assert [len(packet.payload) for packet in packets[:event]] == [480, 160]
    timeline(packets[:event], Law.PCMU)
    assert packets[event].timestamp == (packets[event - 1].timestamp + 160) & 0xFFFFFFFF
    assert len({packet.timestamp for packet in packets if packet.payload_type == 101}) == 1


@pytest.mark.parametrize("ptime", [10, 20, 30, 40, 60])
async def test_packets_of_any_length_are_heard(ptime: int, house: House) -> None:
    """By an echo, and by whoever looks for digits in them."""
    session, observer = house.open()
    phone = house.phone()
    session.start(structs.replace(negotiated(phone.port, event_type=None), ptime_ms=ptime))
    session.echo(0, Result())
    pause = np.zeros(800, np.int16)
    pressed = [piece for digit in "159#" for piece in (tone_samples(digit, 100), pause)]
    audio = encode(np.concatenate([tone(500, 0.6), pause, *pressed]), Law.PCMU)
    size, sent = 8 * ptime, 0
    for tick in range(len(audio) // FRAME_SAMPLES):
        while sent < (tick + 1) * FRAME_SAMPLES and sent < len(audio):
            phone.send(session, audio[sent : sent + size])
            sent += size
        await house.deliver()
        await house.tick()
    echoed = timeline(phone.packets(), Law.PCMU)
    begins = int(np.flatnonzero(np.abs(echoed) > 1_000)[0])
    assert signal_to_rest(echoed[begins + 160 : begins + 4_000], 500) > 25
    assert "".join(observer.digits) == "159#"
