"""Calls that are hung up on a real FreeSWITCH: the record says what it says of the embedded agent's."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from sipio.sip.events import SessionEnded, SessionProgressed
from tests.acceptance.freeswitch_live import (
    DRIVERS,
    PROMPT,
    RINGBACK,
    Switch,
    live_daemon,
    needs_freeswitch,
    parties,
    ring,
    until_connected,
)
from tests.acceptance.voice_daemon import VoiceDaemon

pytestmark = needs_freeswitch

SCRIPTS = {
    "bridge": """const r = await ctx.bridge(ctx.header('X-To').split(' '), true);
        await ctx.log(r.status, r.code, r.destination, r.hangup_by);""",
    "ringback": """const r = await ctx.bridge(ctx.header('X-To').split(' '), true, false,
            { ringback: ['ivr/ringback.wav', 'ivr/second.wav'] });
        await ctx.log(r.status, r.code);
        await ctx.play('ivr/prompt.wav');""",
    "answered": """await ctx.answer();
        const r = await ctx.bridge(ctx.header('X-To').split(' '), true, false, { ringback: 'ivr/ringback.wav' });
        await ctx.log(r.status, r.code);""",
    "early": "await ctx.play('ivr/long.wav'); await ctx.answer();",
    "hearing": """await ctx.answer();
        try { await ctx.play('ivr/long.wav'); } catch (e) { await ctx.log(e.name); throw e; }""",
    "asking": """await ctx.answer();
        try { await ctx.ivr('ivr/prompt.wav', 30, 1, 4, '#'); } catch (e) { await ctx.log(e.name); throw e; }""",
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VoiceDaemon]:
    with live_daemon(tmp_path_factory.mktemp("voice"), SCRIPTS) as made:
        yield made


@pytest.fixture(params=DRIVERS)
def switch(request: pytest.FixtureRequest, daemon: VoiceDaemon) -> Switch:
    return Switch(daemon, SCRIPTS, request.param)


async def test_the_caller_gives_up_while_it_rings(switch: Switch) -> None:
    async with parties() as (caller, one, _):
        one.on_call = ring
        made = switch.call(caller, "bridge", one.uri())
        other = await one.rung()
        await made.wait_for(SessionProgressed)
        made.session.cancel()
        assert (await other.wait_for(SessionEnded)).reason == "CANCEL"
        assert (await made.wait_for(SessionEnded)).status == 487
        record = await switch.record(made)
        assert (record["hangup_by"], record["reason"], record["code"]) == ("caller", "CANCEL", 487)
        assert record["legs"][-1]["what"] == "ended"
        assert record["legs"][-1]["code"] == 487


async def test_the_caller_gives_up_during_ringback(switch: Switch) -> None:
    async with parties() as (caller, one, _):
        one.on_call = ring
        made = switch.call(caller, "ringback", one.uri())
        other = await one.rung()
        await made.until_heard(RINGBACK)
        made.session.cancel()
        assert (await other.wait_for(SessionEnded)).reason == "CANCEL"
        await made.wait_for(SessionEnded)
        record = await switch.record(made)
        assert (record["hangup_by"], record["reason"], record["code"]) == ("caller", "CANCEL", 487)
        assert (record["legs"][-1]["what"], record["legs"][-1]["code"]) == ("ended", 487)


@pytest.mark.parametrize("script", ["bridge", "ringback", "answered"])
@pytest.mark.parametrize("by", ["caller", "callee"])
async def test_a_hangup_during_a_bridge(switch: Switch, script: str, by: str, tmp_path: Path) -> None:
    async with parties() as (caller, one, _):
        made = switch.call(caller, script, one.uri())
        other = await one.rung()
        await until_connected(made, other, tmp_path)
        (made if by == "caller" else other).session.bye()
        await asyncio.gather(other.wait_for(SessionEnded), made.wait_for(SessionEnded))
        record = await switch.record(made)
        assert [leg["what"] for leg in record["legs"] if leg["what"] != "ringing"] == ["answered", "ended"]
        if by == "caller":
            assert (record["hangup_by"], record["outcome"], record["cause"]) == ("caller", "hung_up", 16)
        else:
            assert record["log"][0].startswith("completed 200")
            assert record["outcome"] == "returned"


@pytest.mark.parametrize("script", ["hearing", "asking"])
async def test_a_hangup_during_a_prompt(switch: Switch, script: str) -> None:
    async with parties() as (caller, _, _):
        made = switch.call(caller, script)
        if script == "hearing":
            await made.until_heard(PROMPT)
        else:
            await made.until_silent()  # after the prompt: keys are awaited
        made.session.bye()
        await made.wait_for(SessionEnded)
        record = await switch.record(made)
        assert (record["hangup_by"], record["reason"], record["cause"]) == ("caller", "BYE", 16)
        assert (record["outcome"], record["log"]) == ("hung_up", ["HangupError"])
        assert record["actions"][-1]["result"] == "hung up"


async def test_a_hangup_before_the_answer(switch: Switch) -> None:
    async with parties() as (caller, _, _):
        made = switch.call(caller, "early")
        await made.until_heard(PROMPT)
        made.session.cancel()
        assert (await made.wait_for(SessionEnded)).status == 487
        record = await switch.record(made)
        assert (record["hangup_by"], record["reason"], record["code"]) == ("caller", "CANCEL", 487)
        assert (record["outcome"], record["actions"][-1]["result"]) == ("hung_up", "hung up")
