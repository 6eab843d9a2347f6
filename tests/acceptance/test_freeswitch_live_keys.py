"""Keys that are pressed on a real FreeSWITCH do what they do on the embedded agent."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sipio.sip.events import SessionEnded
from tests.acceptance.freeswitch_live import (
    DRIVERS,
    PROMPT,
    SECOND,
    Switch,
    live_daemon,
    needs_freeswitch,
    parties,
)
from tests.acceptance.hearing import loud_seconds, tones_of
from tests.acceptance.phone import FarCall
from tests.acceptance.voice_daemon import VoiceDaemon

pytestmark = needs_freeswitch

SCRIPTS = {
    "waiting": """await ctx.answer();
        const keys = ctx.waitFor('12', '#', 5);
        await ctx.play('ivr/long.wav');
        await ctx.log(await keys);
        const got = await ctx.ivr('ivr/prompt.wav', 1, 1, 1, '#');
        await ctx.log(got.status);
        await ctx.play('ivr/second.wav');
        await ctx.waitFor('9', '#', 5).catch(() => ctx.log('quit'));""",
    "blocked": """await ctx.answer();
        await ctx.blockDtmf('5');
        const got = await ctx.ivr('ivr/long.wav', 1, 1, 4, '#');
        await ctx.log(got.status, got.value);""",
    "ahead": """await ctx.answer();
        await ctx.play('ivr/long.wav');
        for (const [min, max] of [[2, 2], [1, 8], [1, 1]]) {
            const got = await ctx.ivr('ivr/prompt.wav', 1, min, max, '#');
            await ctx.log(got.status, got.value, got.terminator);
        }""",
    "barge": """await ctx.answer();
        const got = await ctx.ivr('ivr/long.wav', 3, 1, 8, '*#');
        await ctx.log(got.status, got.value, got.terminator);
        await ctx.play('ivr/prompt.wav');""",
    "tries": """await ctx.answer();
        const got = await ctx.ivr('ivr/prompt.wav', 1, 1, 1, '#',
            { tries: 3, regexp: '[12]', invalid_file: 'ivr/second.wav' });
        await ctx.log(got.status, got.value);""",
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VoiceDaemon]:
    with live_daemon(tmp_path_factory.mktemp("voice"), SCRIPTS) as made:
        yield made


@pytest.fixture(params=DRIVERS)
def switch(request: pytest.FixtureRequest, daemon: VoiceDaemon) -> Switch:
    return Switch(daemon, SCRIPTS, request.param)


def press(made: FarCall, keys: str) -> None:
    made.media.send_digits(keys, 100)


async def test_keys_typed_ahead(switch: Switch, tmp_path: Path) -> None:
    async with parties() as (caller, _, _):
        made = switch.call(caller, "ahead")
        made.listen(tmp_path / "heard.wav")
        await made.until_heard(PROMPT)
        press(made, "1234#5")
        await made.wait_for(SessionEnded)
        tones = tones_of(await made.heard())
        record = await switch.record(made)
        assert record["log"] == ["success 12 ", "success 34 #", "success 5 "]
        assert tones == [PROMPT]  # the one that was played, none of the three


async def test_barge_in_and_a_terminator(switch: Switch, tmp_path: Path) -> None:
    async with parties() as (caller, _, _):
        made = switch.call(caller, "barge")
        made.listen(tmp_path / "heard.wav")
        await made.until_heard(PROMPT)
        press(made, "47*")
        await made.wait_for(SessionEnded)
        heard = await made.heard()
        record = await switch.record(made)
        assert record["log"] == ["success 47 *"]
        assert loud_seconds(heard) < 1.5  # of 3.4


async def test_tries(switch: Switch, tmp_path: Path) -> None:
    async with parties() as (caller, _, _):
        made = switch.call(caller, "tries")
        made.listen(tmp_path / "heard.wav")
        await made.until_silent()
        press(made, "9")
        await made.wait_for(SessionEnded)
        tones = tones_of(await made.heard())
        record = await switch.record(made)
        assert record["log"] == ["timeout "]  # of the last try
        assert tones == [PROMPT, SECOND, PROMPT, SECOND, PROMPT]


async def test_waiting_for_keys(switch: Switch) -> None:
    async with parties() as (caller, _, _):
        made = switch.call(caller, "waiting")
        await made.until_heard(PROMPT)
        press(made, "12")
        await made.until_heard(SECOND)
        await made.until_silent()
        press(made, "#")
        await made.wait_for(SessionEnded)
        record = await switch.record(made)
        assert record["log"] == ["12", "timeout", "quit"]


async def test_a_blocked_key(switch: Switch) -> None:
    async with parties() as (caller, _, _):
        made = switch.call(caller, "blocked")
        await made.until_heard(PROMPT)
        press(made, "515#")
        await made.wait_for(SessionEnded)
        record = await switch.record(made)
        assert record["log"] == ["success 1"]
