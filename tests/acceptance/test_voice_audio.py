"""What is heard: audio through the running daemon, compared by content."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sipio.media.dtmf_tones import tone_samples
from sipio.media.g711 import Samples
from sipio.sip.events import MediaChanged, SessionAnswered, SessionEnded
from tests.acceptance.phone import phone
from tests.acceptance.voice_daemon import VoiceDaemon, read_wav, write_wav
from tests.sipio.media.media_doubles import loudest_frequency, tone

SCRIPTS = {
    "tone": "await ctx.answer(); await ctx.play('user/tone.wav')",
    "early": "await ctx.play('user/tone.wav'); throw new Error('486 Busy Here')",
    "text": "await ctx.answer(); await ctx.tts('Good morning to all')",
    "echo": "await ctx.answer(); await ctx.echo()",
    "digits": """const entered = await ctx.ivr('user/tone.wav', 5, 4, 4, '#');
        await ctx.answer();
        await ctx.log(entered.status + ' ' + entered.value);""",
    "menu": """await ctx.answer();
        await ctx.play('user/tone.wav');
        const first = await ctx.ivr('user/tone.wav', 5, 1, 1, '#');
        const rest = await ctx.ivr('user/tone.wav', 5, 3, 3, '#');
        await ctx.log(rest.status + ' ' + first.value + rest.value);""",
    "record": """await ctx.answer();
        await ctx.record('both');
        await ctx.play('user/tone.wav');""",
    "stereo": """await ctx.answer();
        await ctx.record('stereo', { stereo: true });
        await ctx.play('user/tone.wav');""",
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VoiceDaemon]:
    directory = tmp_path_factory.mktemp("voice")
    made = VoiceDaemon(directory, SCRIPTS)
    write_wav(made.sounds / "acme" / "tone.wav", tone(700, 0.8))
    yield made.ready()
    made.stop()


def audible(samples: Samples) -> Samples:
    """Without the silence before and after."""
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > 200)
    assert len(loud), "silence"
    return samples[loud[0] : loud[-1] + 1]


async def test_a_tone_played_is_the_tone_heard(daemon: VoiceDaemon, tmp_path: Path) -> None:
    async with phone() as caller:
        call = caller.call(daemon.uri("tone"))
        call.listen(tmp_path / "heard.wav")
        await call.wait_for(SessionEnded)
        heard = audible(await call.heard())
        assert loudest_frequency(heard) == pytest.approx(700, abs=3)
        # Nothing twice, and all of it but for what comes too late to a phone on a busy machine.
        assert 0.8 * 8_000 - 1_600 <= len(heard) <= 0.8 * 8_000 + 480
        record = await asyncio.to_thread(daemon.record, call.id)
        assert (record["outcome"], record["hangup_by"]) == ("returned", "script")


async def test_early_media_is_heard_before_a_refusal(daemon: VoiceDaemon, tmp_path: Path) -> None:
    async with phone() as caller:
        call = caller.call(daemon.uri("early"))
        call.listen(tmp_path / "heard.wav")
        ended = await call.wait_for(SessionEnded)
        assert (ended.status, ended.reason, ended.answered, ended.cause) == (486, "Busy Here", False, 17)
        assert loudest_frequency(audible(await call.heard())) == pytest.approx(700, abs=3)


async def test_text_is_spoken(daemon: VoiceDaemon, tmp_path: Path) -> None:
    async with phone() as caller:
        call = caller.call(daemon.uri("text"))
        call.listen(tmp_path / "heard.wav")
        await call.wait_for(SessionEnded)
        heard = audible(await call.heard())
        # espeak-ng takes a second and a half for it; speech has its energy below 3 kHz and pauses in it.
        assert 0.8 < len(heard) / 8_000 < 3.0
        assert np.sqrt(np.mean(heard.astype(np.float64) ** 2)) > 500
        frames = np.abs(heard[: len(heard) // 160 * 160].astype(np.float64)).reshape(-1, 160).mean(axis=1)
        assert frames.min() < frames.max() / 10


async def test_an_echoed_sweep_comes_back(daemon: VoiceDaemon, tmp_path: Path) -> None:
    times = np.arange(8_000) / 8_000
    sweep = (8_000 * np.sin(2 * np.pi * (300 * times + 1_200 * times**2))).astype(np.int16)
    write_wav(tmp_path / "sweep.wav", sweep)
    async with phone() as caller:
        call = caller.call(daemon.uri("echo"))
        await call.wait_for(SessionAnswered)
        call.listen(tmp_path / "heard.wav")
        await call.play(tmp_path / "sweep.wav")
        # What it sent last is still on its way back: silence for as long as that takes.
        await call.play(write_wav(tmp_path / "silence.wav", np.zeros(2_400, np.int16)))
        heard = await call.heard()
        call.session.bye()
        correlation = np.correlate(heard.astype(np.float64), sweep.astype(np.float64))
        at = int(np.argmax(correlation))
        piece = heard[at : at + len(sweep)].astype(np.float64)
        likeness = float(correlation[at]) / float(np.linalg.norm(piece) * np.linalg.norm(sweep.astype(np.float64)))
        assert likeness > 0.95
        record = await asyncio.to_thread(daemon.record, call.id)
        assert (record["hangup_by"], record["outcome"]) == ("caller", "hung_up")


@pytest.mark.parametrize("way", ["rfc4733", "info"])
async def test_digits_sent_are_digits_heard(daemon: VoiceDaemon, way: str) -> None:
    async with phone() as caller:
        call = caller.call(daemon.uri("digits"))
        await call.wait_for(MediaChanged)
        if way == "info":
            for digit in "90*5":
                call.session.send_digit(digit)
        else:
            call.media.send_digits("90*5", 60)
        await call.wait_for(SessionEnded)
        record = await asyncio.to_thread(daemon.record, call.id)
        assert record["log"] == ["success 90*5"]


@pytest.mark.parametrize("script", ["digits", "menu"])
async def test_keys_that_are_tones_are_digits_heard(daemon: VoiceDaemon, tmp_path: Path, script: str) -> None:
    """By a telephone that has no other: into a script's prompt, and typed ahead of its next ivr."""
    pause = np.zeros(560, np.int16)
    pressed = [piece for key in "90*5" for piece in (pause, tone_samples(key, 70), pause)]
    keys = write_wav(tmp_path / "keys.wav", np.concatenate(pressed))
    async with phone() as caller:
        call = caller.call(daemon.uri(script), telephone_event=False)
        await call.wait_for(MediaChanged)
        await call.play(keys)
        await call.wait_for(SessionEnded)
        record = await asyncio.to_thread(daemon.record, call.id)
        assert record["log"] == ["success 90*5"]


@pytest.mark.parametrize("name", ["record", "stereo"])
async def test_recordings_have_both_sides(daemon: VoiceDaemon, tmp_path: Path, name: str) -> None:
    write_wav(tmp_path / "caller.wav", tone(1_300, 0.4))
    async with phone() as caller:
        call = caller.call(daemon.uri(name))
        await call.wait_for(SessionAnswered)
        call.play_on(tmp_path / "caller.wav")
        await call.wait_for(SessionEnded)
        record = await asyncio.to_thread(daemon.record, call.id)
        assert record["recordings"] == ["both" if name == "record" else "stereo"]
        channels = read_wav(daemon.recordings / "acme" / f"{record['recordings'][0]}.wav")
        if name == "stereo":
            heard, said = channels
            assert loudest_frequency(audible(heard)) == pytest.approx(1_300, abs=4)
            assert loudest_frequency(audible(said)) == pytest.approx(700, abs=4)
        else:
            (mixed,) = channels
            spectrum = np.abs(np.fft.rfft(mixed.astype(np.float64)))
            strongest = {round(k * 8_000 / len(mixed) / 100) * 100 for k in np.argsort(spectrum)[-6:]}
            assert strongest == {700, 1_300}
