"""Lost packets, by what is heard in their place."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipio.media.concealment import Concealment
from sipio.media.g711 import FRAME_SAMPLES, SILENCE, Law, Samples, decode, encode
from sipio.media.jitter import JitterBuffer
from tests.sipio.media.media_doubles import House, Result, negotiated, signal_to_rest, tone


def power(samples: Samples) -> float:
    return float(np.mean(samples.astype(np.float64) ** 2))


def steepest(samples: Samples) -> int:
    """The largest step from one sample to the next: a click is one."""
    return int(np.abs(np.diff(samples.astype(np.int32))).max())


def through_loss(samples: Samples, law: Law, lost: set[int], frames_a_packet: int = 1) -> Samples:
    """What is read of a stream of which these packets are lost."""
    audio, size = encode(samples, law), frames_a_packet * FRAME_SAMPLES
    buffer, heard = JitterBuffer(law), b""
    for number in range(len(audio) // size):
        if number not in lost:
            buffer.write(number * size, audio[number * size :][:size])
        for _ in range(frames_a_packet):
            heard += buffer.read()
    return decode(heard, law)[320:]


@pytest.mark.parametrize("law", Law)
@pytest.mark.parametrize("frequency", [90.0, 150.0, 440.0, 1_000.0, 2_345.0])
def test_a_tone_with_five_per_cent_lost_has_no_hole_and_no_click(frequency: float, law: Law) -> None:
    sent = tone(frequency, 10)
    lost = set((10 + np.flatnonzero(np.random.default_rng(7).random(480) < 0.05)).tolist())
    assert len(lost) > 15
    heard = through_loss(sent, law, lost)
    untouched = through_loss(sent, law, set())
    assert steepest(heard) < 1.35 * steepest(untouched)
    for number in lost:
        gap = heard[number * FRAME_SAMPLES :][:FRAME_SAMPLES]
        if number - 1 not in lost:
            assert power(gap[:80]) > 0.6 * power(untouched), "the first 10 ms"
            assert power(gap) > 0.5 * power(untouched)
        assert power(gap) > 0.04 * power(untouched), "the third in a row"
    assert signal_to_rest(heard[8_000:-8_000], frequency) > 10
    silent = untouched.copy()
    for number in lost:
        silent[number * FRAME_SAMPLES :][:FRAME_SAMPLES] = 0
    assert signal_to_rest(heard[8_000:-8_000], frequency) > signal_to_rest(silent[8_000:-8_000], frequency)


def test_what_is_not_lost_is_untouched_to_the_bit() -> None:
    sent = np.random.default_rng(3).normal(0, 4_000, 16_000).astype(np.int16)
    assert np.array_equal(
        through_loss(sent, Law.PCMU, set())[: 16_000 - 320], decode(encode(sent, Law.PCMU), Law.PCMU)[:15_680]
    )
    heard = through_loss(sent, Law.PCMU, {50})
    clean = through_loss(sent, Law.PCMU, set())
    differs = np.flatnonzero(heard != clean)
    assert differs.min() >= 50 * FRAME_SAMPLES
    assert differs.max() < 51 * FRAME_SAMPLES + 40, "5 ms of what comes after is blended"


def test_a_long_loss_fades_to_silence_within_60_ms() -> None:
    sent = tone(300, 1)
    heard = through_loss(sent, Law.PCMU, set(range(20, 40)))
    gap = heard[20 * FRAME_SAMPLES : 40 * FRAME_SAMPLES]
    levels = [power(gap[start : start + 80]) for start in range(0, 480, 80)]
    assert levels == sorted(levels, reverse=True)
    assert power(gap[:80]) > 0.8 * power(heard[:800])
    assert not gap[480:].any()
    assert steepest(heard) < 1.35 * steepest(tone(300, 0.1)), "nor is there a click where it comes back"


def test_what_repeats_too_slowly_to_be_found_has_no_click_either() -> None:
    for lost in range(10, 20):
        assert steepest(through_loss(tone(60, 1), Law.PCMU, {lost})) < 3 * steepest(tone(60, 0.1))


@pytest.mark.parametrize("frames", [2, 3])
def test_long_packets_are_concealed_alike(frames: int) -> None:
    heard = through_loss(tone(440, 2), Law.PCMA, {7, 15}, frames)
    gap = heard[7 * frames * FRAME_SAMPLES :][: frames * FRAME_SAMPLES]
    assert power(gap) > 0.1 * power(heard[:800])
    assert steepest(heard) < 1.35 * steepest(tone(440, 0.1))


def test_half_a_frame_that_is_missing() -> None:
    audio = encode(tone(440, 0.4), Law.PCMU)
    buffer, heard = JitterBuffer(Law.PCMU), b""
    for at in range(0, len(audio), 80):
        if at != 1_680:
            buffer.write(at, audio[at : at + 80])
        if at % 160:
            heard += buffer.read()
    samples = decode(heard, Law.PCMU)
    gap = samples[320 + 1_680 - 160 :][:80] if samples[:320].any() else samples[320 + 1_680 :][:80]
    assert power(gap) > 0.5 * power(samples[800:1_600])
    assert steepest(samples) < 1.35 * steepest(tone(440, 0.1))


def test_before_anything_was_heard_there_is_silence() -> None:
    concealment = Concealment(Law.PCMA)
    assert [concealment.missing() for _ in range(5)] == [SILENCE[Law.PCMA]] * 5
    frame = encode(tone(500, 0.02), Law.PCMA)
    assert concealment.whole(frame) == frame


@given(st.lists(st.tuples(st.binary(min_size=160, max_size=160), st.lists(st.integers(0, 160), max_size=6))))
def test_whatever_comes_a_frame_is_a_frame(frames: list[tuple[bytes, list[int]]]) -> None:
    concealment = Concealment(Law.PCMU)
    for frame, cuts in frames:
        edges = sorted(cuts)
        gaps = list(zip(edges[::2], edges[1::2], strict=False))
        assert len(concealment.mend(frame, gaps)) == FRAME_SAMPLES
        assert len(concealment.missing()) == FRAME_SAMPLES
        assert len(concealment.whole(frame)) == FRAME_SAMPLES


async def test_an_echo_and_a_recording_have_no_holes(house: House, tmp_path: Path) -> None:
    session, observer = house.open()
    phone = house.phone()
    session.start(negotiated(phone.port, codec="PCMA"))
    session.echo(0, Result())
    session.record("r", tmp_path / "r.wav", stereo=True)
    audio = encode(tone(440, 3), Law.PCMU)
    for number, chance in enumerate(np.random.default_rng(5).random(150)):
        if chance < 0.05:
            phone.wait(FRAME_SAMPLES)
            phone.sequence = (phone.sequence + 1) & 0xFFFF
        else:
            phone.send(session, audio[number * FRAME_SAMPLES :][:FRAME_SAMPLES])
        await house.tick()
    echoed = phone.heard(Law.PCMA)
    session.stop_recording()
    await house.tick_until(observer.recorded)
    recorded = np.frombuffer((tmp_path / "r.wav").read_bytes()[44:], "<i2")[::2]
    for heard in (echoed, recorded):
        steady = heard[1_600:-1_600]
        levels = [power(steady[start : start + 160]) for start in range(0, len(steady) - 160, 160)]
        assert min(levels) > 0.2 * power(steady)
        assert steepest(steady) < 1.35 * steepest(tone(440, 0.1))
