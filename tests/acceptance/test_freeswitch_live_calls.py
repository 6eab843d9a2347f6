"""Scripts' calls with ears at both ends: what a real FreeSWITCH makes of them is what the embedded agent does."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest

from sipio.media.g711 import Samples
from sipio.sip import Request, parse_message
from sipio.sip.events import SessionAnswered, SessionEnded, SessionProgressed
from tests.acceptance.phone import FarCall, Phone, phone
from tests.acceptance.voice_daemon import VoiceDaemon, read_wav, write_wav
from tests.sipio.media.media_doubles import loudest_frequency, tone

LIVE = os.environ.get("SCRIPTFORGE_FREESWITCH", "")
pytestmark = pytest.mark.skipif(not LIVE, reason="SCRIPTFORGE_FREESWITCH names no FreeSWITCH")

RINGBACK, SECOND, PROMPT, TALK, EARLY = 700, 1_300, 500, 1_000, 850
"""Hz of what is played."""
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
    "early": "await ctx.play('ivr/long.wav'); await ctx.answer();",
    "recorded": """await ctx.answer();
        await ctx.record('talk', { stereo: true });
        await ctx.bridge(ctx.header('X-To'));""",
    "waiting": """await ctx.answer();
        const keys = ctx.waitFor('12', '#', 5);
        await ctx.play('ivr/long.wav');
        await ctx.log(await keys);
        const got = await ctx.ivr('ivr/prompt.wav', 1, 1, 1, '#');
        await ctx.log(got.status);
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
    "hearing": """await ctx.answer();
        try { await ctx.play('ivr/long.wav'); } catch (e) { await ctx.log(e.name); throw e; }""",
    "asking": """await ctx.answer();
        try { await ctx.ivr('ivr/prompt.wav', 30, 1, 4, '#'); } catch (e) { await ctx.log(e.name); throw e; }""",
}


class Switch(NamedTuple):
    """What the caller calls."""

    daemon: VoiceDaemon
    uri: Callable[[str], str]

    def call(self, caller: Phone, script: str, *destinations: str) -> FarCall:
        return caller.call(self.uri(script), headers=[("X-To", " ".join(destinations))])

    async def record(self, made: FarCall) -> dict[str, Any]:
        return await asyncio.to_thread(self.daemon.record, made.id)


def number(script: str) -> str:
    return str(7_101 + list(SCRIPTS).index(script))


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VoiceDaemon]:
    directory = tmp_path_factory.mktemp("voice")
    made = VoiceDaemon(
        directory,
        SCRIPTS,
        voice="bridge_seconds = 2",
        more='[freeswitch]\nlisten = "127.0.0.1:8084"\n',
        routes="".join(
            f'[[destination]]\ndestination = "{number(name)}"\nscript = "{name}"\ncustomer = "acme"\n'
            for name in SCRIPTS
        ),
    )
    for name, frequency, seconds in (
        ("ringback", RINGBACK, 0.3),
        ("second", SECOND, 0.3),
        ("prompt", PROMPT, 0.4),
        ("long", PROMPT, 3.0),
    ):
        write_wav(made.sounds / "ivr" / f"{name}.wav", tone(frequency, seconds))
    yield made.ready()
    made.stop()


@pytest.fixture(params=["sip", "freeswitch"])
def switch(request: pytest.FixtureRequest, daemon: VoiceDaemon) -> Switch:
    if request.param == "sip":
        return Switch(daemon, daemon.uri)
    return Switch(daemon, lambda script: f"sip:{number(script)}@{LIVE}")


@asynccontextmanager
async def parties() -> AsyncIterator[tuple[Phone, Phone, Phone]]:
    async with phone("127.0.0.71") as caller, phone("127.0.0.72") as one, phone("127.0.0.73") as two:
        yield caller, one, two


def heard_hz(samples: Samples) -> list[int]:
    """What was heard, in order: the frequencies of 50 ms pieces that are loud, each run once."""
    found: list[int] = []
    for at in range(0, len(samples) - 400, 400):
        piece = samples[at : at + 400]
        if abs(piece).max() < 400:
            continue
        frequency = round(loudest_frequency(piece) / 50) * 50
        if not found or found[-1] != frequency:
            found.append(frequency)
    return found


# ---- ringback ----


@pytest.mark.parametrize("early", [False, True])
async def test_ringback_is_heard_until_the_other_answers(switch: Switch, early: bool, tmp_path: Path) -> None:
    sound = write_wav(tmp_path / "early.wav", tone(EARLY, 0.3))

    def rings(rung: FarCall) -> None:
        if early:
            rung.session.progress(rung.local)
            rung.play_on(sound)
        else:
            rung.session.ring()
        asyncio.get_running_loop().call_later(1.5, answers, rung)

    def answers(rung: FarCall) -> None:
        rung.session.accept(rung.local)
        rung.play_on(write_wav(tmp_path / "talk.wav", tone(TALK, 0.5)))
        asyncio.get_running_loop().call_later(1.0, rung.session.bye)

    async with parties() as (caller, one, _):
        one.on_call = rings
        made = switch.call(caller, "ringback", one.uri())
        made.listen(tmp_path / "heard.wav")
        await made.wait_for(SessionEnded)
        tones = heard_hz(await made.heard())
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
        two.on_call = lambda rung: rung.session.ring()
        made = switch.call(caller, "ringback", one.uri(), two.uri())
        made.listen(tmp_path / "heard.wav")
        await made.wait_for(SessionEnded)
        tones = heard_hz(await made.heard())
        record = await switch.record(made)
        assert record["log"] == ["no_answer 408"]
        assert set(tones[:-1]) == {RINGBACK, SECOND}
        assert tones[-1] == PROMPT
        assert [(leg["what"], leg.get("code", 0)) for leg in record["legs"] if leg["what"] == "ended"] == [
            ("ended", 486),
            ("ended", 408),
        ]


async def test_ringback_after_an_answer(switch: Switch, tmp_path: Path) -> None:
    def rings(rung: FarCall) -> None:
        rung.session.ring()
        asyncio.get_running_loop().call_later(1.0, answers, rung)

    def answers(rung: FarCall) -> None:
        rung.session.accept(rung.local)
        rung.play_on(write_wav(tmp_path / "talk.wav", tone(TALK, 0.5)))
        asyncio.get_running_loop().call_later(0.7, rung.session.bye)

    async with parties() as (caller, one, _):
        one.on_call = rings
        made = switch.call(caller, "answered", one.uri())
        made.listen(tmp_path / "heard.wav")
        await made.wait_for(SessionEnded)
        tones = heard_hz(await made.heard())
        assert tones == [RINGBACK, TALK]


# ---- keys ----


def press(made: FarCall, keys: str) -> None:
    made.media.send_digits(keys, 100)


async def test_keys_typed_ahead(switch: Switch, tmp_path: Path) -> None:
    async with parties() as (caller, _, _):
        made = switch.call(caller, "ahead")
        made.listen(tmp_path / "heard.wav")
        await made.wait_for(SessionAnswered)
        await asyncio.sleep(0.5)
        press(made, "1234#5")
        await made.wait_for(SessionEnded)
        tones = heard_hz(await made.heard())
        record = await switch.record(made)
        assert record["log"] == ["success 12 ", "success 34 #", "success 5 "]
        assert tones == [PROMPT]  # the one that was played, none of the three


async def test_barge_in_and_a_terminator(switch: Switch, tmp_path: Path) -> None:
    async with parties() as (caller, _, _):
        made = switch.call(caller, "barge")
        made.listen(tmp_path / "heard.wav")
        await made.wait_for(SessionAnswered)
        await asyncio.sleep(0.5)
        press(made, "47*")
        await made.wait_for(SessionEnded)
        heard = await made.heard()
        record = await switch.record(made)
        assert record["log"] == ["success 47 *"]
        assert sum(abs(heard[at : at + 400]).max() > 400 for at in range(0, len(heard), 400)) < 30  # 1.5 s of 3.4


async def test_tries(switch: Switch, tmp_path: Path) -> None:
    async with parties() as (caller, _, _):
        made = switch.call(caller, "tries")
        made.listen(tmp_path / "heard.wav")
        await made.wait_for(SessionAnswered)
        await asyncio.sleep(1.0)
        press(made, "9")
        await made.wait_for(SessionEnded)
        tones = heard_hz(await made.heard())
        record = await switch.record(made)
        assert record["log"] == ["timeout "]  # of the last try
        assert tones == [PROMPT, SECOND, PROMPT, SECOND, PROMPT]


# ---- legs and the record ----


@pytest.mark.parametrize(
    ("status", "log"),
    [
        (486, "busy 486"),
        (600, "busy 600"),
        (480, "no_answer 480"),
        (603, "failed 603"),
        (404, "failed 404"),
        (503, "failed 503"),
        (302, "failed 302"),
        (487, "no_answer 487"),
        (408, "no_answer 408"),
        (500, "failed 500"),
        (488, "failed 488"),
    ],
)
async def test_a_refused_leg(switch: Switch, status: int, log: str) -> None:
    async with parties() as (caller, one, _):
        one.on_call = lambda rung: rung.session.reject(status)
        made = switch.call(caller, "bridge", one.uri())
        await made.wait_for(SessionEnded)
        record = await switch.record(made)
        assert record["log"] == [f"{log} {one.uri()} "]
        assert [(leg["what"], leg.get("code", 0)) for leg in record["legs"]] == [("ended", status)]


@pytest.mark.parametrize("status", [486, 480, 603, 404, 503])
async def test_the_caller_gets_the_other_legs_end(switch: Switch, status: int) -> None:
    async with parties() as (caller, one, _):
        one.on_call = lambda rung: rung.session.reject(status)
        made = switch.call(caller, "through", one.uri())
        ended = await made.wait_for(SessionEnded)
        record = await switch.record(made)
        assert (ended.status, record["hangup_by"], record["code"]) == (status, "callee", status)


async def test_what_cannot_be_called(switch: Switch, tmp_path: Path) -> None:
    async with parties() as (caller, one, _):
        one.on_call = rings_then_talks(tmp_path, 0.0)
        made = switch.call(caller, "bridge", "user/nobody", "trunk/none/1", one.uri())
        await made.wait_for(SessionEnded)
        record = await switch.record(made)
        assert record["log"] == [f"completed 200 {one.uri()} callee"]
        assert [
            (leg["destination"], leg["code"]) for leg in record["legs"] if leg["what"] == "ended" and "code" in leg
        ] == [("user/nobody", 404), ("trunk/none/1", 404)]


async def test_nothing_of_the_leg_before_is_left(switch: Switch) -> None:
    async with parties() as (caller, one, _):
        one.on_call = lambda rung: rung.session.ring()
        made = switch.call(caller, "bridge", one.uri(), "user/nobody")
        await made.wait_for(SessionEnded)
        record = await switch.record(made)
        assert record["log"] == ["failed 404 user/nobody "]
        assert [leg["code"] for leg in record["legs"] if leg["what"] == "ended"] == [408, 404]


async def test_nobody_answers(switch: Switch) -> None:
    async with parties() as (caller, one, _):
        one.on_call = lambda rung: rung.session.ring()
        made = switch.call(caller, "bridge", one.uri())
        other = await one.rung()
        await made.wait_for(SessionEnded)
        assert (await other.wait_for(SessionEnded)).reason == "CANCEL"
        record = await switch.record(made)
        assert record["log"] == [f"no_answer 408 {one.uri()} "]
        assert [(leg["what"], leg.get("code", 0)) for leg in record["legs"]][-1] == ("ended", 408)


class Redirector(asyncio.DatagramProtocol):
    """Answers every INVITE with 302."""

    def __init__(self, contact: str) -> None:
        self._contact = contact

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        request = parse_message(data)
        if isinstance(request, Request) and request.method == "INVITE":
            lines = ["SIP/2.0 302 Moved Temporarily", *(f"Via: {value}" for value in request.get_all("via"))]
            lines += [f"{name}: {request.get(name)}" for name in ("From", "Call-ID", "CSeq")]
            lines += [f"To: {request.get('to')};tag=r", f"Contact: <{self._contact}>", "Content-Length: 0", "", ""]
            self._transport.sendto("\r\n".join(lines).encode(), address)


@asynccontextmanager
async def redirecting(contact: str) -> AsyncIterator[str]:
    """The address of somebody who redirects there."""
    made = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Redirector(contact), local_addr=("127.0.0.75", 0)
    )
    try:
        yield f"sip:moved@127.0.0.75:{made[0].get_extra_info('sockname')[1]}"
    finally:
        made[0].close()


async def test_a_redirection_is_not_followed(switch: Switch) -> None:
    async with parties() as (caller, _, two):
        for contact in (two.uri(), f"sip:{number('hearing')}@{LIVE}"):
            async with redirecting(contact) as uri:
                made = switch.call(caller, "bridge", uri)
                await made.wait_for(SessionEnded)
            record = await switch.record(made)
            assert record["log"] == [f"failed 302 {uri} "]
            assert [(leg["what"], leg["code"]) for leg in record["legs"]] == [("ended", 302)]
        assert two.calls == []


# ---- hang-ups ----


async def test_the_caller_gives_up_while_it_rings(switch: Switch) -> None:
    async with parties() as (caller, one, _):
        one.on_call = lambda rung: rung.session.ring()
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


async def test_the_caller_gives_up_during_ringback(switch: Switch, tmp_path: Path) -> None:
    async with parties() as (caller, one, _):
        one.on_call = lambda rung: rung.session.ring()
        made = switch.call(caller, "ringback", one.uri())
        made.listen(tmp_path / "heard.wav")
        other = await one.rung()
        await asyncio.sleep(0.5)
        made.session.cancel()
        assert (await other.wait_for(SessionEnded)).reason == "CANCEL"
        await made.wait_for(SessionEnded)
        record = await switch.record(made)
        assert (record["hangup_by"], record["reason"], record["code"]) == ("caller", "CANCEL", 487)
        assert (record["legs"][-1]["what"], record["legs"][-1]["code"]) == ("ended", 487)


@pytest.mark.parametrize("script", ["bridge", "ringback", "answered"])
@pytest.mark.parametrize("by", ["caller", "callee"])
async def test_a_hangup_during_a_bridge(switch: Switch, script: str, by: str) -> None:
    async with parties() as (caller, one, _):
        made = switch.call(caller, script, one.uri())
        other = await one.rung()
        await made.wait_for(SessionAnswered)
        await asyncio.sleep(0.3)
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
        await made.wait_for(SessionAnswered)
        await asyncio.sleep(0.8)
        made.session.bye()
        await made.wait_for(SessionEnded)
        record = await switch.record(made)
        assert (record["hangup_by"], record["reason"], record["cause"]) == ("caller", "BYE", 16)
        assert (record["outcome"], record["log"]) == ("hung_up", ["HangupError"])
        assert record["actions"][-1]["result"] == "hung up"


# ---- what else ----


def rings_then_talks(tmp_path: Path, ring: float = 1.5) -> Callable[[FarCall], None]:
    loop = asyncio.get_running_loop()

    def answers(rung: FarCall) -> None:
        rung.session.accept(rung.local)
        rung.play_on(write_wav(tmp_path / "talk.wav", tone(TALK, 0.5)))
        loop.call_later(0.7, rung.session.bye)

    def rings(rung: FarCall) -> None:
        rung.session.ring()
        loop.call_later(ring, answers, rung)

    return rings


async def test_a_caller_who_was_answered_hears_a_tone_while_it_rings(switch: Switch, tmp_path: Path) -> None:
    async with parties() as (caller, one, _):
        one.on_call = rings_then_talks(tmp_path)
        made = switch.call(caller, "plain", one.uri())
        made.listen(tmp_path / "heard.wav")
        await made.wait_for(SessionEnded)
        tones = heard_hz(await made.heard())
        assert tones[-1] == TALK
        assert set(tones[:-1]) <= {400, 450, 500}
        assert tones[:-1]


async def test_a_bridge_without_a_file_of_its_ringback(switch: Switch, tmp_path: Path) -> None:
    async with parties() as (caller, one, _):
        one.on_call = rings_then_talks(tmp_path)
        made = switch.call(caller, "missing", one.uri())
        made.listen(tmp_path / "heard.wav")
        await made.wait_for(SessionEnded)
        assert heard_hz(await made.heard())[-1] == TALK
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
        assert heard_hz(await made.heard()) == [EARLY]
        assert (await switch.record(made))["log"] == [f"no_answer 408 {one.uri()} "]


async def test_a_hangup_before_the_answer(switch: Switch) -> None:
    async with parties() as (caller, _, _):
        made = switch.call(caller, "early")
        await made.wait_for(SessionProgressed)
        await asyncio.sleep(0.3)
        made.session.cancel()
        assert (await made.wait_for(SessionEnded)).status == 487
        record = await switch.record(made)
        assert (record["hangup_by"], record["reason"], record["code"]) == ("caller", "CANCEL", 487)
        assert (record["outcome"], record["actions"][-1]["result"]) == ("hung_up", "hung up")


async def test_a_recorded_bridge(switch: Switch, tmp_path: Path) -> None:
    switch.daemon.recordings.mkdir(exist_ok=True)
    (switch.daemon.recordings / "acme").mkdir(exist_ok=True)
    async with parties() as (caller, one, _):
        made = switch.call(caller, "recorded", one.uri())
        other = await one.rung()
        await made.wait_for(SessionAnswered)
        await asyncio.sleep(0.3)
        await asyncio.gather(
            made.play(write_wav(tmp_path / "a.wav", tone(600, 0.5))),
            other.play(write_wav(tmp_path / "b.wav", tone(1_000, 0.5))),
        )
        made.session.bye()
        await made.wait_for(SessionEnded)
        record = await switch.record(made)
        assert record["recordings"] == ["talk"]
        (file,) = switch.daemon.recordings.rglob("talk*.wav")
        sides = [heard_hz(side) for side in read_wav(file)]
        file.unlink()
        assert sides == [[600], [1_000]]


async def test_waiting_for_keys(switch: Switch) -> None:
    async with parties() as (caller, _, _):
        made = switch.call(caller, "waiting")
        await made.wait_for(SessionAnswered)
        await asyncio.sleep(0.5)
        press(made, "12")
        await asyncio.sleep(6)
        press(made, "#")
        await made.wait_for(SessionEnded)
        record = await switch.record(made)
        assert record["log"] == ["12", "timeout", "quit"]


async def test_a_blocked_key(switch: Switch) -> None:
    async with parties() as (caller, _, _):
        made = switch.call(caller, "blocked")
        await made.wait_for(SessionAnswered)
        await asyncio.sleep(0.5)
        press(made, "515#")
        await made.wait_for(SessionEnded)
        record = await switch.record(made)
        assert record["log"] == ["success 1"]


async def test_both_ways_and_the_callees_end(switch: Switch, tmp_path: Path) -> None:
    async with parties() as (caller, one, _):
        made = switch.call(caller, "through", one.uri())
        other = await one.rung()
        await made.wait_for(SessionAnswered)
        await asyncio.sleep(0.2)
        made.listen(tmp_path / "heard-a.wav")
        other.listen(tmp_path / "heard-b.wav")
        await asyncio.gather(
            made.play(write_wav(tmp_path / "a.wav", tone(600, 0.5))),
            other.play(write_wav(tmp_path / "b.wav", tone(1_000, 0.5))),
        )
        press(made, "7")
        await other.until(lambda: other.digits == "7", "the key")
        assert heard_hz(await made.heard()) == [1_000]
        assert heard_hz(await other.heard())[:1] == [600]
        other.session.bye()
        await made.wait_for(SessionEnded)
        record = await switch.record(made)
        assert (record["hangup_by"], record["cause"], record["outcome"]) == ("callee", 16, "returned")


async def test_a_leg_that_was_heard_and_then_refuses(switch: Switch) -> None:
    def progress(rung: FarCall) -> None:
        rung.session.progress(rung.local)
        asyncio.get_running_loop().call_later(0.5, rung.session.reject, 486)

    async with parties() as (caller, one, _):
        one.on_call = progress
        made = switch.call(caller, "bridge", one.uri())
        await made.wait_for(SessionEnded)
        record = await switch.record(made)
        assert record["log"] == [f"busy 486 {one.uri()} "]
        assert [(leg["what"], leg.get("code", 0)) for leg in record["legs"]][-1] == ("ended", 486)
