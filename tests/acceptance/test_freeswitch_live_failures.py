"""Decisions on a real FreeSWITCH, and what it does when the sidecar dies."""

import asyncio
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from sipio.sip.events import SessionAnswered, SessionEnded
from tests.acceptance.freeswitch_live import (
    FREESWITCH,
    ONE,
    SAID,
    SIDECAR_PORT,
    TWO,
    needs_freeswitch,
    ring,
    until_connected,
)
from tests.acceptance.hearing import loud_seconds
from tests.acceptance.phone import FarCall, Phone, phone
from tests.acceptance.processes import free_port, wait_until
from tests.acceptance.raw_sip import raw_caller
from tests.acceptance.serving import metrics
from tests.acceptance.voice_daemon import VoiceDaemon, write_wav
from tests.sipio.media.media_doubles import loudest_frequency, tone

pytestmark = needs_freeswitch

NOTICED_SECONDS: Final = 0.5
"""A FreeSWITCH that did something of its own accord would have done it: it ends a parked call 0.05 s after the sidecar
has died (measured), and calls a gateway as soon as nothing keeps it from it."""
PLAYED: Final = 700
"""Hz."""
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
    case '81000007':
      throw new Error(`486 $` + `{system(touch ${data.sip.headers['X-Why']})}`);
    case '81000006': return Promise.reject([603, 'Not To You']);
  }
}
"""
SCRIPTS = {
    "7301": "await ctx.answer(); await ctx.play('ivr/long.wav'); await ctx.play('ivr/long.wav');",
    "7302": "await ctx.answer(); await ctx.play('ivr/short.wav'); await ctx.ivr(null, 30, 1, 1, '#');",
    "7303": "await ctx.bridge(ctx.header('X-To'), true, false, { ringback: 'ivr/long.wav' });",
    "7304": "await ctx.play('ivr/long.wav'); await ctx.answer();",
    "7305": "await ctx.answer(); await ctx.echo();",
}


@pytest.fixture
def metrics_port() -> int:
    return free_port("127.0.0.1", socket.SOCK_STREAM)


@pytest.fixture
def daemon(tmp_path: Path, metrics_port: int) -> Iterator[VoiceDaemon]:
    made = VoiceDaemon(
        tmp_path,
        SCRIPTS,
        more=f'[freeswitch]\nlisten = "127.0.0.1:{SIDECAR_PORT}"\n',
        files={"decide.js": DECIDE},
        routes='[[script]]\nfile = "decide.js"\nkind = "app"\n[[route]]\ncustomer = "acme"\nscript = "decide"\n',
        environment={"SCRIPTFORGE_METRICS__LISTEN": f"127.0.0.1:{metrics_port}"},
    )
    write_wav(made.sounds / "ivr" / "long.wav", tone(PLAYED, 1.5))
    write_wav(made.sounds / "ivr" / "short.wav", tone(PLAYED, 0.3))
    yield made.ready()
    made.stop()


def kill(daemon: VoiceDaemon) -> None:
    daemon.serving.program.signal(signal.SIGKILL)


def call(caller: Phone, number: str, to: str = "") -> FarCall:
    return caller.call(f"sip:{number}@{FREESWITCH}", headers=[("X-To", to), ("X-Foo", "bar")])


# ---- Class 4 ----


@pytest.mark.parametrize(
    ("number", "status", "reason"),
    [("81000001", 486, "Busy As Told"), ("81000004", 503, "No Route"), ("81000006", 603, "Not To You")],
)
async def test_a_refusal(daemon: VoiceDaemon, number: str, status: int, reason: str) -> None:
    async with phone("127.0.0.71") as caller:
        ended = await call(caller, number).wait_for(SessionEnded)
        assert (ended.status, ended.reason) == (status, reason)


async def test_a_refusal_s_reason_is_text(daemon: VoiceDaemon) -> None:
    evil = daemon.serving.directory / "pwned"
    async with phone("127.0.0.71") as caller:
        made = caller.call(f"sip:81000007@{FREESWITCH}", headers=[("X-Why", str(evil))])
        ended = await made.wait_for(SessionEnded)
        assert (ended.status, ended.reason) == (486, f"${{system(touch {evil})}}")
    assert not evil.exists()


async def test_the_order_headers_and_caller_id_of_a_decision(daemon: VoiceDaemon) -> None:
    async with phone("127.0.0.71") as caller, phone("127.0.0.1", port=ONE) as one, phone("127.0.0.1", port=TWO) as two:
        two.on_call = lambda rung: rung.session.reject(503)
        made = call(caller, "81000002")
        other = await one.rung()
        await made.wait_for(SessionAnswered)
        kill(daemon)  # a call that is decided does not notice
        await made.stays_up(NOTICED_SECONDS)
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


async def test_the_sidecar_dies_while_it_decides(daemon: VoiceDaemon, metrics_port: int) -> None:
    def deciding() -> bool:
        return any(runs > 0 for (name, *_), runs in metrics(metrics_port).items() if name == "scriptforge_queue_depth")

    async with phone("127.0.0.71") as caller, phone("127.0.0.1", port=ONE) as one:
        made = call(caller, "81000005")
        await asyncio.to_thread(wait_until, deciding, "a decision under way")
        await made.stays_up(NOTICED_SECONDS)
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
    address, port = FREESWITCH.rsplit(":", 1)
    async with phone("127.0.0.72") as callee, phone("127.0.0.1", port=ONE) as gateway:
        with raw_caller((address, int(port)), "7303") as caller:
            invite = caller.message("INVITE", body=caller.sdp(), to_tag="")
            caller.send(invite.replace(b"Max-Forwards", f"X-To: {callee.uri()}\r\nMax-Forwards".encode()))
            await asyncio.to_thread(caller.response, 200)
            caller.ack()
            refer = caller.message("REFER", sequence=2)
            caller.send(
                refer.replace(b"Max-Forwards", f"Refer-To: <sip:81000003@{FREESWITCH}>\r\nMax-Forwards".encode())
            )
            await asyncio.to_thread(caller.response, 405, "REFER")
            await asyncio.to_thread(caller.bye)
        await callee.calls[0].wait_for(SessionEnded)
        assert gateway.calls == []


async def test_the_sidecar_dies_while_something_plays(daemon: VoiceDaemon, tmp_path: Path) -> None:
    async with phone("127.0.0.71") as caller:
        made = call(caller, "7301")
        made.listen(tmp_path / "heard.wav")
        await made.until_heard(PLAYED)
        kill(daemon)
        ended = await made.wait_for(SessionEnded)
        heard = await made.heard()
        assert ended.reason == "BYE"
        assert loud_seconds(heard) == pytest.approx(1.5, abs=0.15)  # the first, not the second
        assert loudest_frequency(heard) == pytest.approx(PLAYED, abs=10)


async def test_the_sidecar_dies_while_digits_are_awaited(daemon: VoiceDaemon) -> None:
    async with phone("127.0.0.71") as caller:
        made = call(caller, "7302")
        await made.until_silent()
        kill(daemon)
        assert (await made.wait_for(SessionEnded)).reason == "BYE"


async def test_the_sidecar_dies_in_an_echo(daemon: VoiceDaemon, tmp_path: Path) -> None:
    async with phone("127.0.0.71") as caller:
        made = call(caller, "7305")
        await made.wait_for(SessionAnswered)
        made.play_on(write_wav(tmp_path / "said.wav", tone(SAID, 0.5)))
        await made.until_heard(SAID)
        kill(daemon)
        await made.stays_up(NOTICED_SECONDS)
        made.ear.pieces.clear()
        await made.until_heard(SAID)
        made.session.bye()
        await made.wait_for(SessionEnded)


async def test_the_sidecar_dies_before_the_answer(daemon: VoiceDaemon) -> None:
    async with phone("127.0.0.71") as caller:
        made = call(caller, "7304")
        await made.until_heard(PLAYED)
        kill(daemon)
        ended = await made.wait_for(SessionEnded)
        assert ended.status >= 400


@pytest.mark.parametrize("answered", [False, True])
async def test_the_sidecar_dies_in_a_bridge(daemon: VoiceDaemon, answered: bool, tmp_path: Path) -> None:
    async with phone("127.0.0.71") as caller, phone("127.0.0.72") as one:
        if not answered:
            one.on_call = ring
        made = call(caller, "7303", one.uri())
        other = await one.rung()
        if answered:
            await until_connected(made, other, tmp_path)
        else:
            await made.until_heard(PLAYED)
        kill(daemon)
        await made.stays_up(NOTICED_SECONDS)
        if not answered:
            other.session.accept(other.local)
        await made.wait_for(SessionAnswered)
        assert not made.session.ended
        other.session.bye()
        await made.wait_for(SessionEnded)
