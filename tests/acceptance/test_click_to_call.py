"""A call placed by a script that a browser runs by its uuid: the platform asks the daemon that carries calls."""

import asyncio
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sidecar.hosts.placed.served import PLACED
from sipio.rpc.client import RpcClient
from sipio.rpc.errors import ErrorCode, RpcError
from sipio.sip.events import SessionConfirmed, SessionEnded
from tests.acceptance.phone import phone
from tests.acceptance.processes import wait_until
from tests.acceptance.voice_daemon import VoiceDaemon
from tests.sidecar.http.platform_desk import PlatformDesk

FIRST, SECOND, PORT = "127.0.0.75", "127.0.0.76", 5_072
SEND = """import { originate } from 'cxOriginate';
import { C5 } from 'cxCallControl';
export async function send({ key, phone }) {
  if (key !== 's3cret') throw new Error('401 Unauthorized');
  if (!/^\\d{6,15}$/.test(phone)) throw new Error('400 No Phone');
  await originate(1207, 'main', 'trunk/first/201', phone, phone);
  return { status: 'calling' };
}
export async function calls() {
  return await (await C5()).calls();
}
export async function hangup({ id }) {
  await (await C5()).hangup(id);
  return 'done';
}
export async function follow({ phone }) {
  const call = await (await C5()).originate('', 'main', 'trunk/first/201', phone, phone);
  await call.answered();
  return await call.ended();
}
"""
SERVERS = """
[server.main]
driver = "sip"
gateways = ["second", "first"]
tenants = ["acme"]
[companies]
acme = ["1207"]
"""
ACCOUNTS = f"""
[[trunk]]
name = "first"
target = "sip:{{number}}@{FIRST}:{PORT}"
[[trunk]]
name = "second"
target = "sip:{{number}}@{SECOND}:{PORT}"
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VoiceDaemon]:
    directory = tmp_path_factory.mktemp("daemon")
    (directory / "servers.toml").write_text(SERVERS)
    made = VoiceDaemon(
        directory,
        {"driven": "await ctx.answer();"},
        accounts=ACCOUNTS,
        more=f"[originate]\nservers_file = {json.dumps(str(directory / 'servers.toml'))}\nring_seconds = 5\n",
    )
    yield made.ready()
    made.stop()


@pytest.fixture(scope="module")
def platform(daemon: VoiceDaemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformDesk]:
    more = f"[originate]\nsocket = {json.dumps(str(daemon.serving.platform_socket))}\n"
    made = PlatformDesk(tmp_path_factory.mktemp("platform"), more=more)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def script(platform: PlatformDesk) -> str:
    return f"/run/{platform.script('send', SEND, public=True)['uuid']}"


def post(platform: PlatformDesk, page: str, **data: str) -> "asyncio.Future[httpx.Response]":
    return asyncio.ensure_future(asyncio.to_thread(lambda: platform.anybody.post(page, json=data)))


async def test_a_phone_rings_and_is_connected(platform: PlatformDesk, script: str) -> None:
    async with phone(FIRST, port=PORT) as first, phone(SECOND, port=PORT) as second:
        answer = await post(platform, f"{script}/send", key="s3cret", phone="4930123")
        assert (answer.status_code, answer.json()) == (200, {"status": "calling"})
        address = (await first.rung()).session.request.address("From")
        assert address.uri.decoded_user == "4930123"
        await (await second.rung()).wait_for(SessionConfirmed)
        (call,) = (await post(platform, f"{script}/calls")).json()
        assert (call["state"], call["placed"]) == ("connected", True)
        assert (await post(platform, f"{script}/hangup", id=call["id"])).text == "done"
        await first.calls[0].wait_for(SessionEnded)
        await second.calls[0].wait_for(SessionEnded)


@pytest.mark.parametrize("way", ["form", "query"])
async def test_a_form_and_an_address_ring_it_too(platform: PlatformDesk, script: str, way: str) -> None:
    given = {"key": "s3cret", "phone": "4930123"}
    ask = platform.anybody
    ways = {
        "form": lambda: ask.post(f"{script}/send", data=given),
        "query": lambda: ask.get(f"{script}/send", params=given),
    }
    async with phone(FIRST, port=PORT) as first, phone(SECOND, port=PORT):
        answer = await asyncio.to_thread(ways[way])
        assert (answer.status_code, answer.json()) == (200, {"status": "calling"})
        call = await first.rung()
        assert call.session.request.address("From").uri.decoded_user == "4930123"
        call.session.bye()
        await call.wait_for(SessionEnded)


async def test_who_is_busy_is_the_status_of_the_answer(platform: PlatformDesk, script: str) -> None:
    async with phone(FIRST, port=PORT) as first:
        first.on_call = lambda call: call.session.reject(486, "Busy Here")
        answer = await post(platform, f"{script}/send", key="s3cret", phone="4930123")
    assert answer.status_code == 486
    assert answer.json()["error"] == "Busy Here"
    assert (await post(platform, f"{script}/send", key="s3cret")).status_code == 400
    assert (await post(platform, f"{script}/send", key="x", phone="4930123")).status_code == 401


async def test_a_call_is_followed_to_its_end(platform: PlatformDesk, script: str) -> None:
    async with phone(FIRST, port=PORT) as first, phone(SECOND, port=PORT) as second:
        asking = post(platform, f"{script}/follow", phone="4930123")
        await (await second.rung()).wait_for(SessionConfirmed)
        first.calls[0].session.bye()
        ended = (await asking).json()
        assert (ended["by"], ended["cause"]) == ("caller", 16)


async def test_a_run_that_is_cancelled_has_the_phone_stop_ringing(platform: PlatformDesk, script: str) -> None:
    async with phone(FIRST, port=PORT) as first:
        first.on_call = lambda call: call.session.ring()
        asking = post(platform, f"{script}/send", key="s3cret", phone="4930123")
        await first.rung()
        (run,) = platform.acme.get("/api/v1/runs").json()
        platform.acme.delete(f"/api/v1/runs/{run['id']}").raise_for_status()
        assert (await first.calls[0].wait_for(SessionEnded)).reason == "CANCEL"
        assert (await asking).status_code >= 400


async def test_another_tenant_has_no_server(platform: PlatformDesk) -> None:
    page = f"/run/{platform.script('send-beta', SEND, client=platform.beta, public=True)['uuid']}"
    answer = await post(platform, f"{page}/send", key="s3cret", phone="4930123")
    assert answer.status_code == 500
    assert "main" in answer.json()["error"]
    assert (await post(platform, f"{page}/calls")).json() == []


def test_without_the_daemon_it_is_an_error_and_the_next_one_finds_it_again(tmp_path: Path) -> None:
    platform = PlatformDesk(tmp_path, more=f'[socket]\nunix = "{tmp_path}/none.sock"\n')
    page = f"/run/{platform.script('send', SEND, public=True)['uuid']}"
    answer = platform.anybody.post(f"{page}/calls")
    assert answer.status_code == 500
    assert answer.json()["error"] == "the daemon that carries calls does not answer"
    wait_until(lambda: bool(platform.log_lines("call_daemon_not_asked")), "the log")
    platform.stop()


async def test_only_who_may_use_the_platforms_socket_places_calls(daemon: VoiceDaemon) -> None:
    """A switch's own socket is for decisions: nobody on it asks for calls in a tenant's name."""
    mode = daemon.serving.platform_socket.stat().st_mode
    assert (stat.S_ISSOCK(mode), stat.S_IMODE(mode)) == (True, 0o600)
    switch = await daemon.serving.client()
    hello = await switch.call("hello", {})
    assert not [name for name in hello["methods"] if name.startswith("placed")]
    with pytest.raises(RpcError) as caught:
        await switch.call(PLACED, {"tenant": "acme", "what": "calls"})
    assert caught.value.code == ErrorCode.UNKNOWN_METHOD
    await switch.close()
    platform = await RpcClient.connect(f"unix:{daemon.serving.platform_socket}")
    assert await platform.call(PLACED, {"tenant": "acme", "what": "calls"}) == {"value": []}
    with pytest.raises(RpcError) as caught:
        await platform.call("route", {"call_id": "x", "routing": {}})
    assert caught.value.code == ErrorCode.UNKNOWN_METHOD
    await platform.close()
