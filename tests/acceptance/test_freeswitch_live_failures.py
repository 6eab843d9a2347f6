"""Decisions on a real FreeSWITCH, and what it does when the sidecar dies."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from sipio.sip.events import SessionAnswered, SessionEnded, SessionProgressed
from tests.acceptance.phone import FarCall, Phone, phone
from tests.acceptance.raw_sip import raw_caller
from tests.acceptance.voice_daemon import VoiceDaemon, write_wav
from tests.sipio.media.media_doubles import loudest_frequency, tone

LIVE = os.environ.get("SCRIPTFORGE_FREESWITCH", "")
pytestmark = pytest.mark.skipif(not LIVE, reason="SCRIPTFORGE_FREESWITCH names no FreeSWITCH")

ONE, TWO = 25_071, 25_072
"""Ports of the two gateways in the dialplan's candidates."""
DECIDE = """async function main(data) {
  switch (data.routing.dest_number) {
    case '81000001': throw new Error('486 Busy As Told');
    case '81000002':
      data.egress_routing.reverse();
      data.headers = [{ key: 'X-All', value: 'a, b' }];
      data.egress_routing[1].headers = [{ key: 'X-Last', value: 'one;two' }];
      data.routing.cli = '442079460100';
      return;
    case '81000003': throw new Error('a mistake');
    case '81000004': data.egress_routing = []; return;
    case '81000005': return new Promise((resolve) => setTimeout(resolve, 1900));
    case '81000006': return Promise.reject([603, 'Not To You']);
  }
}
"""
SCRIPTS = {
    "7301": "await ctx.answer(); await ctx.play('ivr/long.wav'); await ctx.play('ivr/long.wav');",
    "7302": "await ctx.answer(); await ctx.ivr(null, 30, 1, 1, '#');",
    "7303": "await ctx.bridge(ctx.header('X-To'), true, false, { ringback: 'ivr/long.wav' });",
    "7304": "await ctx.play('ivr/long.wav'); await ctx.answer();",
    "7305": "await ctx.answer(); await ctx.echo();",
}


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[VoiceDaemon]:
    made = VoiceDaemon(
        tmp_path,
        SCRIPTS,
        more='[freeswitch]\nlisten = "127.0.0.1:8084"\n',
        files={"decide.js": DECIDE},
        routes='[[script]]\nfile = "decide.js"\nkind = "app"\n[[route]]\ncustomer = "acme"\nscript = "decide"\n',
    )
    write_wav(made.sounds / "ivr" / "long.wav", tone(700, 1.5))
    yield made.ready()
    made.stop()


def kill(daemon: VoiceDaemon) -> None:
    daemon.serving.program.signal(signal.SIGKILL)


def call(caller: Phone, number: str, to: str = "") -> FarCall:
    return caller.call(f"sip:{number}@{LIVE}", headers=[("X-To", to), ("X-Foo", "bar")])


# ---- Class 4 ----


@pytest.mark.parametrize(
    ("number", "status", "reason"),
    [("81000001", 486, "Busy As Told"), ("81000004", 503, "No Route"), ("81000006", 603, "Not To You")],
)
async def test_a_refusal(daemon: VoiceDaemon, number: str, status: int, reason: str) -> None:
    async with phone("127.0.0.71") as caller:
        ended = await call(caller, number).wait_for(SessionEnded)
        assert (ended.status, ended.reason) == (status, reason)


async def test_the_order_headers_and_caller_id_of_a_decision(daemon: VoiceDaemon) -> None:
    async with phone("127.0.0.71") as caller, phone("127.0.0.1", port=ONE) as one, phone("127.0.0.1", port=TWO) as two:
        two.on_call = lambda rung: rung.session.reject(503)
        made = call(caller, "81000002")
        other = await one.rung()
        await made.wait_for(SessionAnswered)
        kill(daemon)  # a call that is decided does not notice
        await asyncio.sleep(0.5)
        assert not made.session.ended
        made.session.bye()
        await asyncio.gather(made.wait_for(SessionEnded), other.wait_for(SessionEnded))
        first, second = two.calls[0].session.request, other.session.request
        assert [request.get(name) for request in (first, second) for name in ("x-all", "x-last", "x-foo")] == [
            "a, b", None, "bar", "a, b", "one;two", "bar",
        ]  # fmt: skip
        for request in (first, second):
            assert "442079460100" in request.get("from")


async def test_a_script_that_fails_leaves_the_call_as_it_was(daemon: VoiceDaemon) -> None:
    async with phone("127.0.0.71") as caller, phone("127.0.0.1", port=ONE) as one:
        made = call(caller, "81000003")
        other = await one.rung()
        await made.wait_for(SessionAnswered)
        other.session.bye()
        await made.wait_for(SessionEnded)


async def test_the_sidecar_dies_while_it_decides(daemon: VoiceDaemon) -> None:
    async with phone("127.0.0.71") as caller, phone("127.0.0.1", port=ONE) as one:
        made = call(caller, "81000005")
        await asyncio.sleep(0.5)
        assert one.calls == []
        kill(daemon)
        other = await one.rung()
        await made.wait_for(SessionAnswered)
        other.session.bye()
        await made.wait_for(SessionEnded)
    async with phone("127.0.0.71") as caller, phone("127.0.0.1", port=ONE) as one:  # nobody listens
        made = call(caller, "81000001")
        other = await one.rung()
        await made.wait_for(SessionAnswered)
        other.session.bye()
        await made.wait_for(SessionEnded)
        assert (await call(caller, "7301").wait_for(SessionEnded)).status == 503


# ---- Class 5 ----


async def test_a_caller_cannot_send_the_other_party_elsewhere(daemon: VoiceDaemon) -> None:
    address, port = LIVE.rsplit(":", 1)
    async with phone("127.0.0.72") as callee, phone("127.0.0.1", port=ONE) as gateway:
        with raw_caller((address, int(port)), "7303") as caller:
            invite = caller.message("INVITE", body=caller.sdp(), to_tag="")
            caller.send(invite.replace(b"Max-Forwards", f"X-To: {callee.uri()}\r\nMax-Forwards".encode()))
            await asyncio.to_thread(caller.response, 200)
            caller.ack()
            refer = caller.message("REFER", sequence=2)
            caller.send(refer.replace(b"Max-Forwards", f"Refer-To: <sip:81000003@{LIVE}>\r\nMax-Forwards".encode()))
            await asyncio.to_thread(caller.response, 405, "REFER")
            await asyncio.to_thread(caller.bye)
        await callee.calls[0].wait_for(SessionEnded)
        assert gateway.calls == []


async def test_the_sidecar_dies_while_something_plays(daemon: VoiceDaemon, tmp_path: Path) -> None:
    async with phone("127.0.0.71") as caller:
        made = call(caller, "7301")
        made.listen(tmp_path / "heard.wav")
        await made.wait_for(SessionAnswered)
        await asyncio.sleep(0.5)
        kill(daemon)
        ended = await made.wait_for(SessionEnded)
        heard = await made.heard()
        loud = sum(abs(heard[at : at + 400]).max() > 400 for at in range(0, len(heard), 400)) * 0.05
        assert ended.reason == "BYE"
        assert loud == pytest.approx(1.5, abs=0.15)  # the first, not the second
        assert loudest_frequency(heard) == pytest.approx(700, abs=10)


async def test_the_sidecar_dies_while_digits_are_awaited(daemon: VoiceDaemon) -> None:
    async with phone("127.0.0.71") as caller:
        made = call(caller, "7302")
        await made.wait_for(SessionAnswered)
        await asyncio.sleep(0.3)
        kill(daemon)
        assert (await made.wait_for(SessionEnded)).reason == "BYE"


async def test_the_sidecar_dies_in_an_echo(daemon: VoiceDaemon) -> None:
    async with phone("127.0.0.71") as caller:
        made = call(caller, "7305")
        await made.wait_for(SessionAnswered)
        await asyncio.sleep(0.5)
        kill(daemon)
        await asyncio.sleep(2)
        made.session.bye()
        await made.wait_for(SessionEnded)


async def test_the_sidecar_dies_before_the_answer(daemon: VoiceDaemon) -> None:
    async with phone("127.0.0.71") as caller:
        made = call(caller, "7304")
        await made.wait_for(SessionProgressed)
        await asyncio.sleep(0.3)
        kill(daemon)
        ended = await made.wait_for(SessionEnded)
        assert ended.status >= 400


@pytest.mark.parametrize("answered", [False, True])
async def test_the_sidecar_dies_in_a_bridge(daemon: VoiceDaemon, answered: bool) -> None:
    async with phone("127.0.0.71") as caller, phone("127.0.0.72") as one:
        if not answered:
            one.on_call = lambda rung: rung.session.ring()
        made = call(caller, "7303", one.uri())
        other = await one.rung()
        await asyncio.sleep(0.3)
        kill(daemon)
        await asyncio.sleep(0.5)
        if not answered:
            other.session.accept(other.local)
        await made.wait_for(SessionAnswered)
        assert not made.session.ended
        other.session.bye()
        await made.wait_for(SessionEnded)
