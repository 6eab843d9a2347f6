"""Both ends of calls on a real FreeSWITCH have ears: they hear what they hear on the embedded agent."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from sipio.sip.events import SessionEnded
from tests.acceptance.freeswitch_live import (
    DRIVERS,
    EARLY,
    PROMPT,
    RINGBACK,
    SAID,
    SECOND,
    TALK,
    Switch,
    answer_talk_hang_up,
    live_daemon,
    needs_freeswitch,
    parties,
    ring,
    until_connected,
)
from tests.acceptance.hearing import tones_of
from tests.acceptance.phone import HEARD_PIECES, FarCall
from tests.acceptance.voice_daemon import VoiceDaemon, read_wav, write_wav
from tests.sipio.media.media_doubles import tone

pytestmark = needs_freeswitch

MISSING_SECONDS: Final = 0.5
"""A file that is not there fails when it is to be played, so what it ends has ended by then."""
SCRIPTS = {
    "bridge": """const r = await ctx.bridge(ctx.header('X-To').split(' '), true);
        await ctx.log(r.status, r.code, r.destination, r.hangup_by);""",
    "through": "await ctx.bridge(ctx.header('X-To').split(' '))",
    "ringback": """const r = await ctx.bridge(ctx.header('X-To').split(' '), true, false,
            { ringback: ['ivr/ringback.wav', 'ivr/second.wav'] });
        await ctx.log(r.status, r.code);
        await ctx.play('ivr/prompt.wav');""",
    "answered": """await ctx.answer();
        const r = await ctx.bridge(ctx.header('X-To').split(' '), true, false, { ringback: 'ivr/ringback.wav' });
        await ctx.log(r.status, r.code);""",
    "plain": """await ctx.answer();
        const r = await ctx.bridge(ctx.header('X-To'), true);
        await ctx.log(r.status, r.code);""",
    "missing": """const r = await ctx.bridge(ctx.header('X-To'), true, false,
            { ringback: ['ivr/none.wav', 'ivr/ringback.wav'] });
        await ctx.log(r.status, r.code);""",
    "recorded": """await ctx.answer();
        await ctx.record('talk', { stereo: true });
        await ctx.bridge(ctx.header('X-To'));""",
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VoiceDaemon]:
    with live_daemon(tmp_path_factory.mktemp("voice"), SCRIPTS) as made:
        yield made


@pytest.fixture(params=DRIVERS)
def switch(request: pytest.FixtureRequest, daemon: VoiceDaemon) -> Switch:
    return Switch(daemon, SCRIPTS, request.param)


@pytest.mark.parametrize("early", [False, True])
async def test_ringback_is_heard_until_the_other_answers(switch: Switch, early: bool, tmp_path: Path) -> None:
    sound = write_wav(tmp_path / "early.wav", tone(EARLY, 0.3))

    def rings(rung: FarCall) -> None:
        if early:
            rung.session.progress(rung.local)
            rung.play_on(sound)
        else:
            rung.session.ring()

    async with parties() as (caller, one, _):
        one.on_call = rings
        made = switch.call(caller, "ringback", one.uri())
        made.listen(tmp_path / "heard.wav")
        await made.until_heard(RINGBACK, SECOND, RINGBACK)
        await answer_talk_hang_up(made, one.calls[0], tmp_path)
        await made.wait_for(SessionEnded)
        tones = tones_of(await made.heard())
        record = await switch.record(made)
        assert record["log"] == ["completed 200"]
        talk = tones.index(TALK)
        assert tones[:3] == [RINGBACK, SECOND, RINGBACK]
        assert set(tones[:talk]) == {RINGBACK, SECOND}
        assert tones[talk:] == [TALK, PROMPT]
        assert [leg["what"] for leg in record["legs"]] == ["ringing", "answered", "ended"]


async def test_ringback_goes_on_over_a_failover_and_stops_when_nobody_answers(switch: Switch, tmp_path: Path) -> None:
    async with parties() as (caller, one, two):
        one.on_call = lambda rung: rung.session.reject(486)
        two.on_call = ring
        made = switch.call(caller, "ringback", one.uri(), two.uri())
        made.listen(tmp_path / "heard.wav")
        await made.wait_for(SessionEnded)
        tones = tones_of(await made.heard())
        record = await switch.record(made)
        assert record["log"] == ["no_answer 408"]
        assert set(tones[:-1]) == {RINGBACK, SECOND}
        assert tones[-1] == PROMPT
        assert [(leg["what"], leg.get("code", 0)) for leg in record["legs"] if leg["what"] == "ended"] == [
            ("ended", 486),
            ("ended", 408),
        ]


async def test_ringback_after_an_answer(switch: Switch, tmp_path: Path) -> None:
    async with parties() as (caller, one, _):
        one.on_call = ring
        made = switch.call(caller, "answered", one.uri())
        made.listen(tmp_path / "heard.wav")
        await made.until_heard(RINGBACK)
        await answer_talk_hang_up(made, await one.rung(), tmp_path)
        await made.wait_for(SessionEnded)
        tones = tones_of(await made.heard())
        assert tones == [RINGBACK, TALK]


async def test_a_caller_who_was_answered_hears_a_tone_while_it_rings(switch: Switch, tmp_path: Path) -> None:
    async with parties() as (caller, one, _):
        one.on_call = ring
        made = switch.call(caller, "plain", one.uri())
        made.listen(tmp_path / "heard.wav")
        await made.until(lambda: len(made.ear.pieces) >= HEARD_PIECES, "a ringing tone")
        await answer_talk_hang_up(made, await one.rung(), tmp_path)
        await made.wait_for(SessionEnded)
        tones = tones_of(await made.heard())
        assert tones[-1] == TALK
        assert set(tones[:-1]) <= {400, 450, 500}
        assert tones[:-1]


async def test_a_bridge_without_a_file_of_its_ringback(switch: Switch, tmp_path: Path) -> None:
    async with parties() as (caller, one, _):
        one.on_call = ring
        made = switch.call(caller, "missing", one.uri())
        made.listen(tmp_path / "heard.wav")
        other = await one.rung()
        await made.stays_up(MISSING_SECONDS)
        await answer_talk_hang_up(made, other, tmp_path)
        await made.wait_for(SessionEnded)
        assert tones_of(await made.heard())[-1] == TALK
        assert (await switch.record(made))["log"] == ["completed 200"]


async def test_early_media_of_the_other_side_is_heard(switch: Switch, tmp_path: Path) -> None:
    sound = write_wav(tmp_path / "b.wav", tone(EARLY, 0.3))

    def progress(rung: FarCall) -> None:
        rung.session.progress(rung.local)
        rung.play_on(sound)

    async with parties() as (caller, one, _):
        one.on_call = progress
        made = switch.call(caller, "bridge", one.uri())
        made.listen(tmp_path / "heard.wav")
        await made.wait_for(SessionEnded)
        assert tones_of(await made.heard()) == [EARLY]
        assert (await switch.record(made))["log"] == [f"no_answer 408 {one.uri()} "]


async def test_a_recorded_bridge(switch: Switch, tmp_path: Path) -> None:
    switch.daemon.recordings.mkdir(exist_ok=True)
    (switch.daemon.recordings / "acme").mkdir(exist_ok=True)
    async with parties() as (caller, one, _):
        made = switch.call(caller, "recorded", one.uri())
        other = await one.rung()
        await until_connected(made, other, tmp_path)
        # Measured: of a bridge of 0.3 s FreeSWITCH's file has 20 ms, of one of 0.8 s all.
        await asyncio.gather(
            made.play(write_wav(tmp_path / "a.wav", tone(SAID, 0.5))),
            other.play(write_wav(tmp_path / "b.wav", tone(TALK, 0.5))),
        )
        made.session.bye()
        await made.wait_for(SessionEnded)
        record = await switch.record(made)
        assert record["recordings"] == ["talk"]
        (file,) = switch.daemon.recordings.rglob("talk*.wav")
        sides = [tones_of(side) for side in read_wav(file)]
        file.unlink()
        assert sides == [[SAID], [TALK]]


async def test_both_ways_and_the_callees_end(switch: Switch, tmp_path: Path) -> None:
    async with parties() as (caller, one, _):
        made = switch.call(caller, "through", one.uri())
        other = await one.rung()
        await until_connected(made, other, tmp_path)
        made.listen(tmp_path / "heard-a.wav")
        other.listen(tmp_path / "heard-b.wav")
        await asyncio.gather(
            made.play(write_wav(tmp_path / "a.wav", tone(SAID, 0.5))),
            other.play(write_wav(tmp_path / "b.wav", tone(TALK, 0.5))),
        )
        made.media.send_digits("7", 100)
        await other.until(lambda: other.digits == "7", "the key")
        assert tones_of(await made.heard()) == [TALK]
        assert tones_of(await other.heard())[:1] == [SAID]
        other.session.bye()
        await made.wait_for(SessionEnded)
        record = await switch.record(made)
        assert (record["hangup_by"], record["cause"], record["outcome"]) == ("callee", 16, "returned")
