"""Bridged sessions: what one side says the other hears."""

import asyncio
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from sipio.media.dtmf import EventPayload, build_event, parse_event, send_event
from sipio.media.dtmf_tones import ToneDetector
from sipio.media.g711 import TO_PCMA, Law, encode
from sipio.media.relay import Relay
from sipio.media.rtp import RtpPacket
from tests.sipio.media.media_doubles import (
    House,
    Phone,
    Remembering,
    build_rtp,
    loudest_frequency,
    negotiated,
    signal_to_rest,
    tone,
)


class Bridged:
    def __init__(self, house: House, *, codec: str = "PCMU", event_type: int | None = 97) -> None:
        self.house = house
        self.caller, self.caller_observer = house.open()
        self.callee, self.callee_observer = house.open()
        self.caller_phone, self.callee_phone = house.phone(), house.phone()
        self.caller.start(negotiated(self.caller_phone.port, event_type=101))
        self.callee.start(negotiated(self.callee_phone.port, codec=codec, event_type=event_type))
        self.relay = Relay(self.caller, self.callee)

    async def say(self, phone: Phone, audio: bytes, payload_type: int = 0) -> None:
        session = self.caller if phone is self.caller_phone else self.callee
        for start in range(0, len(audio), 160):
            phone.send(session, audio[start : start + 160], payload_type)
            await self.house.deliver()
            await self.house.tick()

    async def press(self, digits: str) -> None:
        for digit in digits:
            for packet in send_event(digit, 60):
                self.caller_phone.send_event(self.caller, packet.payload)
                await self.house.deliver()
                await self.house.tick()
            self.caller_phone.wait(1_120)


async def test_audio_goes_both_ways_untouched(house: House) -> None:
    bridged = Bridged(house)
    audio, answer = encode(tone(500, 0.4), Law.PCMU), encode(tone(800, 0.4), Law.PCMU)
    await bridged.say(bridged.caller_phone, audio)
    heard = bridged.callee_phone.packets()
    assert b"".join(packet.payload for packet in heard) == audio
    assert heard[0].marker
    assert len({packet.ssrc for packet in heard}) == 1
    assert heard[0].ssrc != bridged.caller_phone.ssrc
    assert [(packet.sequence - heard[0].sequence) & 0xFFFF for packet in heard] == list(range(20))
    assert [(packet.timestamp - heard[0].timestamp) & 0xFFFFFFFF for packet in heard] == [160 * n for n in range(20)]
    bridged.caller_phone.packets()
    await bridged.say(bridged.callee_phone, answer)
    assert b"".join(packet.payload for packet in bridged.caller_phone.packets()) == answer


async def test_laws_are_translated(house: House) -> None:
    bridged = Bridged(house, codec="PCMA")
    audio = encode(tone(500, 0.2), Law.PCMU)
    await bridged.say(bridged.caller_phone, audio)
    packets = bridged.callee_phone.packets()
    assert {packet.payload_type for packet in packets} == {8}
    assert b"".join(packet.payload for packet in packets) == audio.translate(TO_PCMA)


async def test_loss_and_order_are_passed_on_as_they_are(house: House) -> None:
    bridged = Bridged(house)
    for number in (10, 12, 11, 11, 14):
        bridged.caller_phone.sequence, bridged.caller_phone.timestamp = number, 160 * number
        bridged.caller_phone.send(bridged.caller, bytes([number]) * 160)
        await house.deliver()
    heard = bridged.callee_phone.packets()
    assert [packet.payload[0] for packet in heard] == [10, 12, 11, 11, 14]
    assert [(packet.sequence - heard[0].sequence) & 0xFFFF for packet in heard] == [0, 2, 1, 1, 4]


async def test_streams_have_no_break_from_playing_to_relay_and_back(house: House) -> None:
    bridged = Bridged(house)
    bridged.relay.close()
    ringing = bridged.caller.play_ringback("us")
    await house.tick(10)
    ringing.stop()
    bridged.relay = Relay(bridged.caller, bridged.callee)
    await bridged.say(bridged.callee_phone, encode(tone(800, 0.2), Law.PCMU))
    bridged.relay.close()
    bridged.relay.close()
    await house.tick(10)
    heard = bridged.caller_phone.packets()
    assert [(packet.sequence - heard[0].sequence) & 0xFFFF for packet in heard] == list(range(30))
    stamps = [(packet.timestamp - heard[0].timestamp) & 0xFFFFFFFF for packet in heard]
    assert all(160 <= later - earlier <= 480 for earlier, later in pairwise(stamps))
    assert len({packet.ssrc for packet in heard}) == 1


async def test_digits_get_the_other_sides_payload_type(house: House) -> None:
    bridged = Bridged(house)
    await bridged.press("42")
    packets = [packet for packet in bridged.callee_phone.packets() if packet.payload_type == 97]
    events = [parse_event(packet.payload) for packet in packets]
    assert [event.event for event in events if event] == [4] * 5 + [2] * 5
    assert bridged.caller_observer.digits == ["4", "2"]
    assert bridged.callee_observer.digits == []


async def test_blocked_digits_are_not_relayed_and_do_not_look_lost(house: House) -> None:
    bridged = Bridged(house)
    bridged.caller.block_digits("4")
    await bridged.say(bridged.caller_phone, bytes(320))
    await bridged.press("42")
    await bridged.say(bridged.caller_phone, bytes(320))
    packets = bridged.callee_phone.packets()
    events = [parse_event(packet.payload) for packet in packets if packet.payload_type == 97]
    assert {event.event for event in events if event} == {2}
    assert bridged.caller_observer.digits == ["2"]
    assert [(packet.sequence - packets[0].sequence) & 0xFFFF for packet in packets] == list(range(len(packets)))


async def test_a_side_without_events_hears_tones(house: House) -> None:
    bridged = Bridged(house, event_type=None)
    await bridged.say(bridged.caller_phone, bytes([0xFF]) * 320)
    await bridged.press("73")
    bridged.caller.digit("9", 80)
    await house.tick(20)
    assert ToneDetector().feed(bridged.callee_phone.heard()) == "739"


async def test_music_is_heard_instead_of_the_other_side(house: House) -> None:
    bridged = Bridged(house)
    bridged.caller.play_ringback("eu")
    audio = encode(tone(1_500, 0.5), Law.PCMU)
    await bridged.say(bridged.callee_phone, audio)
    heard = bridged.caller_phone.heard()
    assert loudest_frequency(heard) == pytest.approx(425, abs=3)
    assert signal_to_rest(heard, 425) > 30


async def test_a_bridged_call_is_recorded_a_leg_a_side(house: House, tmp_path: Path) -> None:
    bridged = Bridged(house, codec="PCMA")
    bridged.caller.record("both", tmp_path / "both.wav", stereo=True)
    said, answered = encode(tone(500, 1.0), Law.PCMU), encode(tone(900, 1.0), Law.PCMA)
    for start in range(0, 8_000, 160):
        bridged.caller_phone.send(bridged.caller, said[start : start + 160])
        bridged.callee_phone.send(bridged.callee, answered[start : start + 160], 8)
        await house.deliver()
        await house.tick()
    bridged.caller.close()
    await asyncio.wait_for(bridged.caller_observer.recorded.wait(), 5)
    both = np.frombuffer((tmp_path / "both.wav").read_bytes()[44:], "<i2").reshape(-1, 2)[1_600:]
    assert signal_to_rest(both[:, 0], 500) > 30
    assert signal_to_rest(both[:, 1], 900) > 30


async def test_one_side_closed_leaves_the_other_alone(house: House) -> None:
    bridged = Bridged(house)
    bridged.callee.close()
    bridged.callee.close()
    await bridged.say(bridged.caller_phone, bytes(1_600))
    assert bridged.caller.partner is None
    assert bridged.callee_phone.packets() == []
    # It goes on with silence of its own.
    assert len(bridged.caller_phone.packets()) == 10
    assert isinstance(bridged.caller.observer, Remembering)


async def test_a_leg_bridged_anew_leaves_its_partner(house: House) -> None:
    bridged = Bridged(house)
    third, _ = house.open()
    relay = Relay(bridged.caller, third)
    assert bridged.callee.partner is None
    bridged.relay.close()
    assert bridged.caller.partner is third
    relay.close()
    assert third.partner is None


async def test_events_beside_the_audio_are_relayed_as_one_each_in_one_stream(house: House) -> None:
    bridged = Bridged(house)
    for number in range(60):
        press, packet = divmod(number, 15)
        bridged.caller_phone.send(bridged.caller, bytes([0x10]) * 160)
        if packet < 10:
            event = EventPayload(press, packet > 6, 10, 160 * (packet + 1))
            beside = RtpPacket(101, packet == 0, number, 1_000_000 + 2_400 * press, 9, build_event(event))
            bridged.caller_phone.socket.sendto(build_rtp(beside), (bridged.caller.host, bridged.caller.port))
        await house.deliver()
        await house.tick()
    heard = bridged.callee_phone.packets()
    assert len({packet.ssrc for packet in heard}) == 1
    assert [(packet.sequence - heard[0].sequence) & 0xFFFF for packet in heard] == list(range(len(heard)))
    events = [packet for packet in heard if packet.payload_type == 97]
    assert len(events) == 40
    begins = list(dict.fromkeys((packet.payload[0], packet.timestamp) for packet in events))
    assert [event for event, _ in begins] == [0, 1, 2, 3]
    assert [later[1] - earlier[1] for earlier, later in pairwise(begins)] == [2_400] * 3
    audio = [packet.timestamp for packet in heard if packet.payload_type == 0]
    assert [later - earlier for earlier, later in pairwise(audio)] == [160] * 59
    assert all(abs(timestamp - audio[15 * event]) <= 320 for event, timestamp in begins)


async def test_an_event_keeps_its_timestamp_whatever_is_sent_in_between(house: House) -> None:
    bridged = Bridged(house)
    await bridged.say(bridged.caller_phone, bytes(320))
    packets = list(send_event("5", 200))
    for index, packet in enumerate(packets):
        bridged.caller_phone.send_event(bridged.caller, packet.payload)
        await house.deliver()
        if index == 4:
            ringing = bridged.callee.play_ringback("us")
            await house.tick(2)
            ringing.stop()
        await house.tick()
    events = [packet for packet in bridged.callee_phone.packets() if packet.payload_type == 97]
    assert len(events) == len(packets)
    assert len({packet.timestamp for packet in events}) == 1
