"""Speech and music in a call whose peer has no telephone-event: neither is a digit, with packets lost or without."""

import subprocess

import numpy as np
import pytest

from sipio.media.dtmf_tones import tone_samples
from sipio.media.g711 import FRAME_SAMPLES, Law, Samples, decode, encode
from sipio.media.rtp import RtpPacket
from sipio.media.sound_decoder import SoundDecoder
from tests.acceptance.processes import require_program
from tests.sipio.media.media_doubles import HOST, House, build_rtp, negotiated

TEXT = (
    "Your account balance is four thousand and sixty two pounds. Transfers made before six in the evening arrive on "
    "the same day. We hear you: please hold the line, an agent will be with you in a moment. Oh no, he said. "
)


def hear(house: House, audio: Samples, *, lost: float = 0.0) -> str:
    """What digits a session hears in it, packet by packet."""
    session, observer = house.open()
    session.start(negotiated(4_000, event_type=None))
    chances = np.random.default_rng(1).random(len(audio) // FRAME_SAMPLES)
    for number, chance in enumerate(chances):
        if chance >= lost:
            payload = encode(audio[number * FRAME_SAMPLES :][:FRAME_SAMPLES], Law.PCMU)
            packet = RtpPacket(0, False, number & 0xFFFF, number * FRAME_SAMPLES, 7, payload)
            session.receive(build_rtp(packet), (HOST, 4_000))
    return "".join(observer.digits)


def speech(voice: str) -> Samples:
    """A minute of it."""
    command = ["espeak-ng", "--stdout", "-v", voice, "--stdin"]
    spoken = subprocess.run(command, input=(TEXT * 5).encode(), capture_output=True, check=True).stdout
    decoder = SoundDecoder(Law.PCMU, 600)
    return decode(decoder.feed(spoken) + decoder.finish(), Law.PCMU)


def music(seconds: int, seed: int) -> Samples:
    """Chords and a melody of an instrument with overtones, notes beginning anywhere, at concert pitch."""
    random = np.random.default_rng(seed)
    mixed = np.zeros(seconds * 8_000)
    for _ in range(seconds * 8):
        note = 220 * 2 ** (random.integers(0, 37) / 12)
        length = int(random.integers(800, 6_400))
        start = int(random.integers(0, len(mixed) - length))
        time = np.arange(length) / 8_000
        decay = np.exp(-time * random.uniform(1, 8)) * np.minimum(1, time * 200)
        for overtone in range(1, 7):
            if note * overtone < 3_600:
                mixed[start : start + length] += 3_000 / overtone * decay * np.sin(2 * np.pi * note * overtone * time)
    return mixed.clip(-32_768, 32_767).astype(np.int16)


@pytest.mark.parametrize("voice", ["en", "en+f4"])
@pytest.mark.parametrize("lost", [0.0, 0.05])
async def test_a_minute_of_speech_is_no_digit(voice: str, lost: float, house: House) -> None:
    require_program("espeak-ng")
    audio = speech(voice)
    assert len(audio) > 60 * 8_000
    assert hear(house, audio, lost=lost) == ""


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("lost", [0.0, 0.05])
async def test_a_minute_of_music_is_no_digit(seed: int, lost: float, house: House) -> None:
    assert hear(house, music(60, seed), lost=lost) == ""


async def test_digits_over_music_are_heard_with_packets_lost(house: House) -> None:
    keys = "1234567890*#" * 4
    pieces = [piece for key in keys for piece in (tone_samples(key, 100, 9_000.0), np.zeros(800, np.int16))]
    audio = np.concatenate(pieces).astype(np.float64)
    audio += music(len(audio) // 8_000 + 1, 3)[: len(audio)] * 0.15
    heard = hear(house, audio.clip(-32_768, 32_767).astype(np.int16), lost=0.05)
    assert heard == keys
