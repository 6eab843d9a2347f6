"""Legs that fail on a real FreeSWITCH: the script and the record are told what the embedded agent tells."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from sipio.sip import Request, parse_message
from sipio.sip.events import SessionEnded
from tests.acceptance.freeswitch_live import (
    DRIVERS,
    EARLY,
    Switch,
    answer_talk_hang_up,
    freeswitch_uri,
    live_daemon,
    needs_freeswitch,
    parties,
    ring,
)
from tests.acceptance.phone import FarCall
from tests.acceptance.voice_daemon import VoiceDaemon, write_wav
from tests.sipio.media.media_doubles import tone

pytestmark = needs_freeswitch

SCRIPTS = {
    "bridge": """const r = await ctx.bridge(ctx.header('X-To').split(' '), true);
        await ctx.log(r.status, r.code, r.destination, r.hangup_by);""",
    "through": "await ctx.bridge(ctx.header('X-To').split(' '))",
    "hearing": "await ctx.answer(); await ctx.play('ivr/long.wav');",
}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VoiceDaemon]:
    with live_daemon(tmp_path_factory.mktemp("voice"), SCRIPTS) as made:
        yield made


@pytest.fixture(params=DRIVERS)
def switch(request: pytest.FixtureRequest, daemon: VoiceDaemon) -> Switch:
    return Switch(daemon, SCRIPTS, request.param)


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
        one.on_call = ring
        made = switch.call(caller, "bridge", "user/nobody", "trunk/none/1", one.uri())
        await answer_talk_hang_up(made, await one.rung(), tmp_path)
        await made.wait_for(SessionEnded)
        record = await switch.record(made)
        assert record["log"] == [f"completed 200 {one.uri()} callee"]
        assert [
            (leg["destination"], leg["code"]) for leg in record["legs"] if leg["what"] == "ended" and "code" in leg
        ] == [("user/nobody", 404), ("trunk/none/1", 404)]


async def test_nothing_of_the_leg_before_is_left(switch: Switch) -> None:
    async with parties() as (caller, one, _):
        one.on_call = ring
        made = switch.call(caller, "bridge", one.uri(), "user/nobody")
        await made.wait_for(SessionEnded)
        record = await switch.record(made)
        assert record["log"] == ["failed 404 user/nobody "]
        assert [leg["code"] for leg in record["legs"] if leg["what"] == "ended"] == [408, 404]


async def test_nobody_answers(switch: Switch) -> None:
    async with parties() as (caller, one, _):
        one.on_call = ring
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
        for contact in (two.uri(), freeswitch_uri(SCRIPTS, "hearing")):
            async with redirecting(contact) as uri:
                made = switch.call(caller, "bridge", uri)
                await made.wait_for(SessionEnded)
            record = await switch.record(made)
            assert record["log"] == [f"failed 302 {uri} "]
            assert [(leg["what"], leg["code"]) for leg in record["legs"]] == [("ended", 302)]
        assert two.calls == []


async def test_a_leg_that_was_heard_and_then_refuses(switch: Switch, tmp_path: Path) -> None:
    sound = write_wav(tmp_path / "early.wav", tone(EARLY, 0.3))

    def progress(rung: FarCall) -> None:
        rung.session.progress(rung.local)
        rung.play_on(sound)

    async with parties() as (caller, one, _):
        one.on_call = progress
        made = switch.call(caller, "bridge", one.uri())
        await made.until_heard(EARLY)
        one.calls[0].session.reject(486)
        await made.wait_for(SessionEnded)
        record = await switch.record(made)
        assert record["log"] == [f"busy 486 {one.uri()} "]
        assert [(leg["what"], leg.get("code", 0)) for leg in record["legs"]][-1] == ("ended", 486)
