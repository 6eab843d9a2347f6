"""Digits as events and as tones: each is heard once, whatever is lost, and speech is none."""

import subprocess
from itertools import pairwise

import numpy as np
import pytest

from sipio.media.digit_sender import DigitSender
from sipio.media.dtmf import DIGITS, EventPacket, EventPayload, build_event, parse_event, send_event
from sipio.media.dtmf_tones import ToneDetector, tone_samples
from sipio.media.g711 import FRAME_SAMPLES, Law, decode, encode
from sipio.media.sound_decoder import SoundDecoder
from tests.acceptance.processes import require_program


def test_bytes_of_an_event() -> None:
    assert build_event(EventPayload(11, True, 10, 1_280)).hex() == "0b8a0500"
    assert parse_event(bytes.fromhex("0b8a0500")) == EventPayload(11, True, 10, 1_280)
    assert parse_event(b"\x0b\x8a\x05") is None


def test_a_digit_begins_with_a_marker_and_ends_three_times() -> None:
    packets = list(send_event("5", 100))
    events = [parse_event(packet.payload) for packet in packets]
    assert [packet.marker for packet in packets] == [True] + [False] * 6
    assert [packet.begins for packet in packets] == [True] + [False] * 6
    assert [(event.end, event.duration) for event in events if event] == [
        (False, 160),
        (False, 320),
        (False, 480),
        (False, 640),
        (True, 800),
        (True, 800),
        (True, 800),
    ]
    assert {event.event for event in events if event} == {5}


def test_what_is_no_digit_is_not_sent_and_there_is_a_cap() -> None:
    sender = DigitSender()
    sender.add("1x\u0663 d" + "5" * 300, 40)
    sent = ""
    while (item := sender.next(Law.PCMU, events=True)) is not None:
        if isinstance(item, EventPacket) and item.begins:
            event = parse_event(item.payload)
            sent += DIGITS[event.event] if event else "?"
    assert sent == "1D" + "5" * 254
    assert sent.count("5") == 300 - 46


def with_noise(samples: np.ndarray[tuple[int], np.dtype[np.int16]], amplitude: float, decibels: float) -> bytes:
    noise = np.random.default_rng(4).normal(0, np.sqrt(amplitude**2 / 10 ** (decibels / 10)), len(samples))
    return encode(np.clip(samples + noise, -32_768, 32_767).astype(np.int16), Law.PCMA)


@pytest.mark.parametrize("amplitude", [300.0, 3_000.0, 12_000.0])
@pytest.mark.parametrize("size", [80, 160, 240, 777])
def test_tones_of_40_ms_are_heard_at_12_db(amplitude: float, size: int) -> None:
    wanted = DIGITS * 3
    pieces = []
    for index, digit in enumerate(wanted):
        # Gaps that are no multiple of anything, so that digits begin anywhere in a block.
        pieces += [tone_samples(digit, 40, amplitude), np.zeros(320 + 7 * index, np.int16)]
    audio = with_noise(np.concatenate(pieces), amplitude, 12)
    detector = ToneDetector()
    heard = "".join(
        detector.feed(decode(audio[start : start + size], Law.PCMA)) for start in range(0, len(audio), size)
    )
    assert heard == wanted


def test_a_long_tone_is_one_digit_and_a_broken_one_too() -> None:
    detector = ToneDetector()
    tone = tone_samples("5", 2_000)
    tone[8_000:8_080] = 0
    assert detector.feed(np.concatenate([tone, np.zeros(800, np.int16)])) == "5"


@pytest.mark.parametrize("frequency", [697.0, 941.0, 1_209.0, 1_633.0, 425.0, 2_600.0])
def test_a_single_tone_is_no_digit(frequency: float) -> None:
    time = np.arange(16_000) / 8_000
    assert ToneDetector().feed((9_000 * np.sin(2 * np.pi * frequency * time)).astype(np.int16)) == ""


def test_noise_is_no_digit() -> None:
    noise = np.random.default_rng(5).normal(0, 6_000, 8_000 * 60)
    assert ToneDetector().feed(np.clip(noise, -32_768, 32_767).astype(np.int16)) == ""


@pytest.mark.parametrize("voice", ["en", "en+f3", "de", "fr"])
def test_speech_is_no_digit(voice: str) -> None:
    text = "Press one for sales, two for support. The quick brown fox jumps over the lazy dog. Peter Piper picked. " * 6
    spoken = subprocess.run(
        [require_program("espeak-ng"), "--stdout", "-v", voice, "--stdin"],
        input=text.encode(),
        capture_output=True,
        check=True,
    ).stdout
    decoder = SoundDecoder(Law.PCMU, 600)
    audio = decoder.feed(spoken) + decoder.finish()
    assert len(audio) > 20 * 8_000
    assert ToneDetector().feed(decode(audio, Law.PCMU)) == ""


def test_events_take_as_long_as_they_say() -> None:
    starts = [index for index, packet in enumerate(send_event("1", 200)) if packet.begins]
    durations = [event.duration for packet in send_event("1", 200) if (event := parse_event(packet.payload))]
    assert starts == [0]
    assert durations[-1] == 200 * 8
    assert all(later - earlier in {0, FRAME_SAMPLES} for earlier, later in pairwise(durations))
