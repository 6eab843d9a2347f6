"""Calls that scripts place through a real FreeSWITCH."""

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sipio.sip.events import SessionConfirmed, SessionEnded
from tests.acceptance.freeswitch_live import SIDECAR_PORT, needs_freeswitch
from tests.acceptance.phone import phone
from tests.acceptance.serving import request
from tests.acceptance.test_placed_calls import FIRST, FOLLOWS, PLACES, SECOND, TIMES, asks, from_user, header
from tests.acceptance.voice_daemon import VoiceDaemon, write_wav
from tests.sipio.media.media_doubles import tone

pytestmark = needs_freeswitch

EVENT_SOCKET = os.environ.get("TEST_FREESWITCH_EVENT_SOCKET", "127.0.0.1:8021")
PASSWORD = os.environ.get("TEST_FREESWITCH_PASSWORD", "ClueCon")
PORTS = {FIRST: 25_071, SECOND: 25_072}
SERVERS = """
[server.main]
driver = "freeswitch"
gateways = ["carrier"]
"""
ASKED: dict[str, Any] = {"destination": "4930100", "cli": "4940", "extension": "201"}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VoiceDaemon]:
    directory: Path = tmp_path_factory.mktemp("placed")
    (directory / "servers.toml").write_text(SERVERS)
    (directory / "password").write_text(PASSWORD)
    routes = ""
    for name in ("places", "follows"):
        routes += f'[[script]]\nfile = "{name}.js"\nkind = "app"\ntenant = "acme"\n'
        routes += f'[[route]]\ncustomer = "{name}"\nscript = "{name}"\n{TIMES}'
    made = VoiceDaemon(
        directory,
        {"driven": "await ctx.answer();"},
        more=(
            f'[freeswitch]\nlisten = "127.0.0.1:{SIDECAR_PORT}"\nevent_socket = "{EVENT_SOCKET}"\n'
            f"event_socket_password_file = {json.dumps(str(directory / 'password'))}\n"
            f'trunk_dial = "sofia/internal/{{number}}@{FIRST}:{PORTS[FIRST]}"\n'
            f'user_dial = "sofia/internal/{{user}}@{SECOND}:{PORTS[SECOND]}"\n'
            f"[originate]\nservers_file = {json.dumps(str(directory / 'servers.toml'))}\nring_seconds = 2\n"
        ),
        routes=routes,
        files={"places": PLACES, "follows": FOLLOWS},
    )
    yield made.ready()
    made.stop()


async def test_one_party_is_called_and_then_connected_to_the_other(daemon: VoiceDaemon, tmp_path: Path) -> None:
    async with phone(FIRST, port=PORTS[FIRST]) as first, phone(SECOND, port=PORTS[SECOND]) as second:
        decision = await asks(daemon, "places", **ASKED)
        assert decision["outcome"] == "returned", decision
        one, other = await first.rung(), await second.rung()
        assert (from_user(one), from_user(other)) == ("4940", "4930100")
        await other.wait_for(SessionConfirmed)
        one.play_on(write_wav(tmp_path / "a.wav", tone(600, 0.5)))
        other.play_on(write_wav(tmp_path / "b.wav", tone(1_000, 0.5)))
        await asyncio.gather(one.until_heard(1_000), other.until_heard(600))
        other.session.bye()
        await one.wait_for(SessionEnded)
    record = daemon.record(header(decision, "X-Placed"))
    assert (record["driver"], record["outcome"], record["hangup_by"]) == ("freeswitch", "connected", "callee")
    assert (record["cli"], record["dest_number"], record["placed"]) == ("4940", "4930100", True)
    assert [leg["what"] for leg in record["legs"]].count("answered") == 2


@pytest.mark.parametrize(("status", "told"), [(486, 486), (603, 603), (404, 404)])
async def test_who_refuses_rejects_with_the_status(daemon: VoiceDaemon, status: int, told: int) -> None:
    async with phone(FIRST, port=PORTS[FIRST]) as first:
        first.on_call = lambda call: call.session.reject(status)
        decision = await asks(daemon, "places", **ASKED)
    assert (decision["action"], decision["code"]) == ("reject", told)
    record = daemon.records(1)[-1]
    assert (record["outcome"], record["code"]) == ("not_answered", told)


async def test_who_does_not_answer_is_given_up(daemon: VoiceDaemon) -> None:
    async with phone(FIRST, port=PORTS[FIRST]) as first:
        first.on_call = lambda call: call.session.ring()
        decision = await asks(daemon, "places", **ASKED)
        assert (decision["code"], decision["reason"]) == (408, "no answer")
        await first.calls[0].wait_for(SessionEnded)


async def test_a_run_that_is_cancelled_has_the_phone_stop_ringing(daemon: VoiceDaemon) -> None:
    async with phone(FIRST, port=PORTS[FIRST]) as first:
        first.on_call = lambda call: call.session.ring()
        client = await daemon.serving.client()
        client.request("route", (request("places", "given-up", routing={"asked": ASKED}),), lambda *_: None)
        await first.rung()
        await client.call("cancel", {"call_id": "given-up"})
        await first.calls[0].wait_for(SessionEnded)
        await client.close()


async def test_a_script_hangs_up_and_another_transfers(daemon: VoiceDaemon) -> None:
    async with phone(FIRST, port=PORTS[FIRST]) as first, phone(SECOND, port=PORTS[SECOND]) as second:
        second.on_call = lambda call: call.session.ring()
        decision = await asks(daemon, "follows", then="hangup", **ASKED)
        ended = json.loads(header(decision, "X-Ended"))
        assert (ended["by"], ended["cause"]) == ("script", 17)
        await first.calls[0].wait_for(SessionEnded)
        await second.calls[0].wait_for(SessionEnded)
        second.on_call = lambda call: call.session.accept(call.local)
        asking = asyncio.ensure_future(asks(daemon, "follows", then="transfer", to="user/202", **ASKED))
        later = await second.rung(3)
        await second.calls[1].wait_for(SessionEnded)
        await later.wait_for(SessionConfirmed)
        first.calls[1].session.bye()
        await later.wait_for(SessionEnded)
        assert json.loads(header(await asking, "X-Ended"))["by"] == "caller"
