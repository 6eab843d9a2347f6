"""Calls that scripts place through the running daemon: by its SIP agent, and by a switch on its socket."""

import asyncio
import json
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from sidecar.operations.call_search import newest
from sipio.sip.events import SessionAnswered, SessionConfirmed, SessionEnded
from sipio.sip.settings import Credentials, RegistrationSettings
from tests.acceptance.phone import FarCall, Phone, phone
from tests.acceptance.processes import wait_until
from tests.acceptance.serving import SCRIPTFORGE, request
from tests.acceptance.sipp import Sipp, requests
from tests.acceptance.voice_daemon import VoiceDaemon, write_wav
from tests.sipio.media.media_doubles import tone
from tests.sipio.rpc.voice_switch import VoiceSwitch

FIRST, SECOND, EXTENSION = "127.0.0.71", "127.0.0.72", "127.0.0.73"
PORT = 5_071
ALICE = Credentials(username="201", password="alice secret")
PLACES = """import { originate } from 'cxOriginate';
export async function main(data) {
  const { destination, cli, extension, server = 'main', company } = data.routing.asked;
  const { id } = await originate(company, server, destination, cli, extension);
  data.headers.push({ key: 'X-Placed', value: id });
}
"""
FOLLOWS = """import { C5 } from 'cxCallControl';
export async function main(data) {
  const { destination, cli, extension, then } = data.routing.asked;
  const c5 = await C5(['main']);
  const call = await c5.originate('acme', 'main', destination, cli, extension);
  const seen = [];
  for (const name of ['ringing', 'answered', 'connected', 'ended'])
    call.on(name, () => seen.push(name));
  await call.answered();
  if (then === 'hangup') await call.hangup('USER_BUSY');
  if (then === 'transfer') {
    await new Promise((resolve) => call.on('connected', resolve));
    await call.transfer(data.routing.asked.to);
  }
  const ended = await call.ended();
  data.headers.push({ key: 'X-Seen', value: seen.join(' ') }, { key: 'X-Ended', value: JSON.stringify(ended) });
}
"""
CONTROLS = """import { C4, C5 } from 'cxCallControl';
export async function main(data) {
  const { what, id } = data.routing.asked;
  const c5 = await C5();
  let said;
  if (what === 'calls') said = await c5.calls();
  else if (what === 'registrations') said = await (await C4(['main'])).registrations();
  else said = await c5[what](id, data.routing.asked.to);
  data.headers.push({ key: 'X-Said', value: JSON.stringify(said) ?? 'done' });
}
"""
SERVERS = """
[server.main]
driver = "sip"
gateways = ["first", "second"]
tenants = ["acme", "other"]
[server.rpc]
driver = "socket"
gateways = ["carrier"]
tenants = ["acme"]
[companies]
acme = ["1207"]
"""
ACCOUNTS = f"""
[[user]]
name = "{ALICE.username}"
password = "{ALICE.password}"
tenant = "acme"
[[trunk]]
name = "first"
target = "sip:{{number}}@{FIRST}:{PORT}"
[[trunk]]
name = "second"
target = "sip:{{number}}@{SECOND}:{PORT}"
"""
TIMES = 'timeout_ms = 20000\ntimeout_action = "504 Too Long"\n'


def entries() -> str:
    found = '[[route]]\ncustomer = "short"\nscript = "places"\ntimeout_ms = 400\ntimeout_action = "504 Too Long"\n'
    found += '[[script]]\nfile = "controls-default.js"\nkind = "app"\n[[route]]\ncustomer = "controls-default"\n'
    found += f'script = "controls-default"\n{TIMES}'
    for name in ("places", "follows", "controls"):
        found += f'[[script]]\nfile = "{name}.js"\nkind = "app"\ntenant = "acme"\n'
        found += f'[[script]]\nfile = "{name}-other.js"\nkind = "app"\ntenant = "other"\n'
        found += f'[[route]]\ncustomer = "{name}"\nscript = "{name}"\n{TIMES}'
        found += f'[[route]]\ncustomer = "{name}-other"\nscript = "{name}-other"\n{TIMES}'
    return found


def records_in(directory: Path) -> dict[str, str]:
    return {"SCRIPTFORGE_VOICE__RECORDS": str(directory)}


def scriptforge(directory: Path, *words: str) -> str:
    """What ``scriptforge calls`` says of these records."""
    command = [SCRIPTFORGE, "calls", "--directory", str(directory), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VoiceDaemon]:
    directory = tmp_path_factory.mktemp("placed")
    (directory / "servers.toml").write_text(SERVERS)
    texts = {"places": PLACES, "follows": FOLLOWS, "controls": CONTROLS}
    made = VoiceDaemon(
        directory,
        {"driven": "await ctx.answer(); await ctx.waitForHangup();"},
        accounts=ACCOUNTS,
        environment=records_in(directory / "calls"),
        more=(
            f"[originate]\nservers_file = {json.dumps(str(directory / 'servers.toml'))}\n"
            "calls_per_tenant = 3\nring_seconds = 0.7\nper_minute = 1000\n"
        ),
        routes=entries(),
        files=texts | {f"{name}-other": text for name, text in texts.items()} | {"controls-default": CONTROLS},
    )
    yield made.ready()
    made.stop()


@asynccontextmanager
async def far(host: str, port: int = PORT) -> AsyncIterator[Phone]:
    async with phone(host, port=port) as made:
        yield made


async def asks(daemon: VoiceDaemon, customer: str, **asked: Any) -> dict[str, Any]:
    """The decision of a routing that is asked so, with the error of its record."""
    client = await daemon.serving.client()
    call_id = str(uuid4())
    try:
        decision: dict[str, Any] = await client.call("route", request(customer, call_id, routing={"asked": asked}))
    finally:
        await client.close()
    record = await asyncio.to_thread(daemon.serving.record, call_id)
    return decision | {"error": record.get("error", "")}


def header(decision: dict[str, Any], name: str) -> str:
    (value,) = [value for key, value in decision["headers"]["add"] if key == name]
    return str(value)


def from_user(call: FarCall) -> str:
    address = call.session.request.address("From")
    return str(address.uri.decoded_user)


async def no_calls_of(daemon: VoiceDaemon, customer: str = "controls") -> None:
    async with asyncio.timeout(10):
        while json.loads(header(await asks(daemon, customer, what="calls"), "X-Said")):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_one_party_is_called_and_then_connected_to_the_other(daemon: VoiceDaemon, tmp_path: Path) -> None:
    async with far(FIRST) as first, far(SECOND) as second:
        asked = {"destination": "4930100", "cli": "4940", "extension": "trunk/second/4930200"}
        decision = await asks(daemon, "places", company="1207", **asked)
        one, other = await first.rung(), await second.rung()
        assert decision["outcome"] == "returned", decision
        assert header(decision, "X-Placed")
        assert (from_user(one), from_user(other)) == ("4940", "4930100")
        await other.wait_for(SessionConfirmed)
        one.play_on(write_wav(tmp_path / "a.wav", tone(600, 0.5)))
        other.play_on(write_wav(tmp_path / "b.wav", tone(1_000, 0.5)))
        await asyncio.gather(one.until_heard(1_000), other.until_heard(600))
        other.session.bye()
        await one.wait_for(SessionEnded)
    await no_calls_of(daemon)
    record = daemon.record(header(decision, "X-Placed"))
    assert (record["tenant"], record["server"], record["placed"]) == ("acme", "main", True)
    assert (record["hangup_by"], record["outcome"], record["driver"]) == ("callee", "connected", "sip")
    assert (record["cli"], record["dest_number"], record["extension"]) == ("4940", "4930100", "4930200")
    assert (record["script"], len(record["script_version"])) == ("places", 12)
    legs = [(leg["destination"], leg["what"]) for leg in record["legs"] if leg["what"] != "ringing"]
    assert legs[:2] == [("trunk/first/4930100", "answered"), ("trunk/second/4930200", "answered")]
    assert 0 < record["answered"] < record["ended"]
    # Found as every other call: by any of its numbers, and in full.
    kept = daemon.serving.directory / "calls"
    await asyncio.to_thread(wait_until, lambda: record["id"] in scriptforge(kept, "list"), "its record")
    for number in ("4940", "4930100", "4930 200"):
        assert record["id"] in await asyncio.to_thread(scriptforge, kept, "list", "--number", number)
    shown = await asyncio.to_thread(scriptforge, kept, "show", record["id"])
    assert "placed for acme by the server main, to be connected to 4930200" in shown
    assert "trunk/second/4930200 answered" in shown


async def test_a_phone_that_is_registered_rings_as_an_extension(daemon: VoiceDaemon) -> None:
    async with far(FIRST) as first, phone(EXTENSION) as extension:
        extension.endpoint.register(
            RegistrationSettings(
                name="r",
                registrar=daemon.uri("x").replace("x@", ""),
                address_of_record=f"sip:201@{daemon.host}",
                credentials=ALICE,
            )
        )
        await extension.until(lambda: extension.events, "the registration")
        said = json.loads(header(await asks(daemon, "controls", what="registrations"), "X-Said"))
        assert [(one["user"], one["server"]) for one in said] == [("201", "main")]
        assert f"@{EXTENSION}:" in said[0]["contact"]
        assert 0 < said[0]["expires"] <= 3_600
        assert json.loads(header(await asks(daemon, "controls-other", what="registrations"), "X-Said")) == []
        stranger = await asks(daemon, "places-other", destination="201", cli="", extension="4930100")
        assert stranger["outcome"] == "script_error"
        assert extension.calls == []
        decision = await asks(daemon, "places", destination="201", cli="4930123", extension="4930123")
        assert decision["outcome"] == "returned", decision
        assert from_user(await extension.rung()) == "4930123"
        await (await first.rung()).wait_for(SessionConfirmed)
        extension.calls[0].session.bye()
        await first.calls[0].wait_for(SessionEnded)


@pytest.mark.parametrize(("status", "reason"), [(486, "Busy Here"), (603, "Decline"), (404, "Not Found")])
async def test_who_is_busy_rejects_with_the_sip_status(daemon: VoiceDaemon, status: int, reason: str) -> None:
    async with far(FIRST) as first:
        first.on_call = lambda call: call.session.reject(status, reason)
        decision = await asks(daemon, "places", destination="4930100", cli="1", extension="4930200")
    assert (decision["action"], decision["code"], decision["reason"]) == ("reject", status, reason)


async def test_who_does_not_answer_is_given_up_and_rejects_with_408(daemon: VoiceDaemon) -> None:
    async with far(FIRST) as first:
        first.on_call = lambda call: call.session.ring()
        decision = await asks(daemon, "places", destination="4930100", cli="1", extension="4930200")
        assert (decision["action"], decision["code"], decision["reason"]) == ("reject", 408, "no answer")
        ended = await first.calls[0].wait_for(SessionEnded)
        assert ended.reason == "CANCEL"


async def test_a_run_that_is_out_of_time_hangs_up_what_it_was_placing(daemon: VoiceDaemon) -> None:
    async with far(FIRST) as first:
        first.on_call = lambda call: call.session.ring()
        decision = await asks(daemon, "short", destination="4930100", cli="1", extension="4930200")
        assert decision["code"] == 504
        ended = await first.calls[0].wait_for(SessionEnded)
        assert ended.reason == "CANCEL"
    await no_calls_of(daemon)


async def test_a_second_party_that_is_busy_ends_the_first(daemon: VoiceDaemon) -> None:
    async with far(FIRST) as first, far(SECOND) as second:
        second.on_call = lambda call: call.session.reject(486)
        asked = {"destination": "4930100", "cli": "1", "extension": "trunk/second/7"}
        decision = await asks(daemon, "follows", **asked)
        await first.calls[0].wait_for(SessionEnded)
        ended = json.loads(header(decision, "X-Ended"))
        assert (ended["by"], ended["cause"]) == ("callee", 17)
        assert header(decision, "X-Seen") == "answered ended"


async def test_the_events_of_a_call_are_heard_and_the_call_hung_up(daemon: VoiceDaemon) -> None:
    async with far(FIRST) as first, far(SECOND) as second:
        second.on_call = lambda call: call.session.ring()
        first.on_call = lambda call: (call.session.ring(), call.session.accept(call.local))[-1]
        asked = {"destination": "4930100", "cli": "1", "extension": "trunk/second/7", "then": "hangup"}
        decision = await asks(daemon, "follows", **asked)
        await first.calls[0].wait_for(SessionEnded)
        ended = json.loads(header(decision, "X-Ended"))
        assert (ended["by"], ended["cause"]) == ("script", 17)
        assert header(decision, "X-Seen") == "ringing answered ended"


async def test_a_call_is_transferred_and_the_party_before_hung_up(daemon: VoiceDaemon) -> None:
    async with far(FIRST) as first, far(SECOND) as second:
        asked = {"destination": "4930100", "cli": "1", "extension": "trunk/second/7", "then": "transfer"}
        asking = asyncio.ensure_future(asks(daemon, "follows", to="trunk/second/8", **asked))
        later = await second.rung(2)
        await second.calls[0].wait_for(SessionEnded)
        await later.wait_for(SessionConfirmed)
        first.calls[0].session.bye()
        await later.wait_for(SessionEnded)
        ended = json.loads(header(await asking, "X-Ended"))
        assert ended["by"] == "caller"


async def test_a_call_is_controlled_by_its_id_by_its_own_tenant_alone(daemon: VoiceDaemon) -> None:
    async with far(FIRST) as first, far(SECOND) as second:
        asked = {"destination": "4930100", "cli": "1", "extension": "trunk/second/7"}
        number = header(await asks(daemon, "places", **asked), "X-Placed")
        await (await second.rung()).wait_for(SessionConfirmed)
        (call,) = json.loads(header(await asks(daemon, "controls", what="calls"), "X-Said"))
        assert (call["id"], call["state"], call["server"]) == (number, "connected", "main")
        assert json.loads(header(await asks(daemon, "controls-other", what="calls"), "X-Said")) == []
        stranger = await asks(daemon, "controls-other", what="hangup", id=number)
        assert stranger["outcome"] == "script_error"
        assert "there is no call" in stranger["error"]
        await asks(daemon, "controls", what="hangup", id=number)
        await first.calls[0].wait_for(SessionEnded)
        await second.calls[0].wait_for(SessionEnded)


async def test_a_call_that_a_script_drives_is_hung_up_by_another_script_of_its_tenant(daemon: VoiceDaemon) -> None:
    async with phone("127.0.0.74") as caller:
        made = caller.call(daemon.uri("driven"))
        await made.wait_for(SessionAnswered)
        assert json.loads(header(await asks(daemon, "controls", what="calls"), "X-Said")) == []
        (call,) = json.loads(header(await asks(daemon, "controls-default", what="calls"), "X-Said"))
        assert (call["id"], call["state"], call["placed"], call["script"]) == (made.id, "answered", False, "driven.js")
        moved = await asks(daemon, "controls-default", what="transfer", id=made.id, to="1")
        assert "driven by a script of its own" in moved["error"]
        await asks(daemon, "controls-default", what="hangup", id=made.id)
        await made.wait_for(SessionEnded)
    assert daemon.record(made.id)["hangup_by"] == "script"


async def test_calls_at_once_are_bounded_for_a_tenant_and_others_go_on(daemon: VoiceDaemon) -> None:
    async with far(FIRST) as first, far(SECOND):
        asked = {"destination": "4930100", "cli": "1", "extension": "trunk/second/7"}
        for _ in range(3):
            assert (await asks(daemon, "places", **asked))["outcome"] == "returned"
        refused = await asks(daemon, "places", **asked)
        assert "more than 3 calls placed at once" in refused["error"]
        assert (await asks(daemon, "places-other", **asked))["outcome"] == "returned"
        for call in first.calls:
            call.session.bye()
            await call.wait_for(SessionEnded)
    await no_calls_of(daemon)
    await no_calls_of(daemon, "controls-other")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"destination": "sip:x@127.0.0.71"}, "is no number"),
        ({"destination": "trunk/third/49"}, "is no number"),
        ({"destination": "4930;x=1"}, "is no number"),
        ({"extension": "user/../x"}, "is no number"),
        ({"cli": "a\\r\\nb"}, "is no caller id"),
        ({"server": "nowhere"}, "there is no server 'nowhere'"),
        ({"company": 1208}, "the company 1208 is not yours"),
        ({"destination": ""}, "the destination is a text or a number"),
        ({"destination": "300"}, ""),
    ],
)
async def test_what_cannot_be_called_is_an_error_and_calls_nobody(
    daemon: VoiceDaemon, asked: dict[str, Any], said: str
) -> None:
    async with far(FIRST) as first:
        given = {"destination": "4930100", "cli": "1", "extension": "4930200"} | asked
        decision = await asks(daemon, "places", **given)
        assert first.calls == []
    if said:
        assert decision["outcome"] == "script_error"
        assert said in decision["error"]
    else:
        assert (decision["action"], decision["code"], decision["reason"]) == ("reject", 404, "300 is not registered")


async def test_another_tenants_server_is_none(daemon: VoiceDaemon) -> None:
    decision = await asks(daemon, "places-other", server="rpc", destination="4930100", cli="1", extension="1")
    assert "there is no server 'rpc'" in decision["error"]


async def test_sipp_is_called_and_hung_up(daemon: VoiceDaemon, tmp_path: Path) -> None:
    gateway = Sipp(tmp_path, "gateway", FIRST, port=PORT).wait_until_bound()
    other = Sipp(tmp_path, "freeswitch_busy", SECOND, port=PORT).wait_until_bound()
    decision = await asks(daemon, "places", destination="4930100", cli="4940", extension="trunk/second/7")
    assert decision["outcome"] == "returned", decision
    (invite,) = requests(await asyncio.to_thread(gateway.finish), "INVITE")
    assert invite.uri == f"sip:4930100@{FIRST}:{PORT}"
    (invite,) = requests(await asyncio.to_thread(other.finish), "INVITE")
    assert "4930100" in (invite.get("from") or "")
    record = daemon.record(header(decision, "X-Placed"))
    assert record["outcome"] == "not_connected"
    assert ("trunk/second/7", "ended", 486) in [
        (leg["destination"], leg["what"], leg.get("code")) for leg in record["legs"]
    ]


async def test_a_switch_on_the_socket_places_calls(daemon: VoiceDaemon) -> None:
    asked = {"server": "rpc", "destination": "4930100", "cli": "4940", "extension": "201"}
    decision = await asks(daemon, "places", **asked)
    assert (decision["code"], decision["reason"]) == (503, "no switch is connected that places calls")
    switch = await VoiceSwitch.connect(f"unix:{daemon.serving.socket}")
    await switch.client.call("hello", {"client": "test", "notify": ["call.originate"]})
    asking = asyncio.ensure_future(asks(daemon, "places", **asked))
    originate = await switch.next("call.originate")
    assert (originate.fields["destination"], originate.fields["cli"]) == ("trunk/carrier/4930100", "4940")
    originate.done({"code": 200})
    bridge = await switch.next("call.bridge")
    assert (bridge.fields["destinations"], bridge.fields["cli"]) == (["user/201"], "4930100")
    decision = await asking
    assert header(decision, "X-Placed") == originate.fields["call_id"]
    await asks(daemon, "controls", what="hangup", id=originate.fields["call_id"])
    (await switch.next("call.hangup")).done()
    switch.event("hungup", originate.fields["call_id"], by="script")
    await no_calls_of(daemon)
    record = daemon.record(originate.fields["call_id"])
    assert (record["driver"], record["outcome"], record["hangup_by"]) == ("rpc", "not_connected", "script")
    busy = asyncio.ensure_future(asks(daemon, "places", **asked))
    refused = await switch.next("call.originate")
    refused.done({"code": 486, "reason": "Busy Here"})
    assert ((await busy)["code"], (await busy)["reason"]) == (486, "Busy Here")
    record = daemon.record(refused.fields["call_id"])
    assert (record["driver"], record["outcome"], record["code"]) == ("rpc", "not_answered", 486)
    late = asyncio.ensure_future(asks(daemon, "places", **asked))
    await switch.next("call.originate")
    late.cancel()
    await switch.client.close()
    await no_calls_of(daemon)


async def test_a_call_given_up_by_who_asked_for_the_decision_is_cancelled(daemon: VoiceDaemon) -> None:
    async with far(FIRST) as first:
        first.on_call = lambda call: call.session.ring()
        client = await daemon.serving.client()
        given = {"destination": "4930100", "cli": "1", "extension": "4930200"}
        client.request("route", (request("places", "given-up", routing={"asked": given}),), lambda *_: None)
        await first.rung()
        await client.call("cancel", {"call_id": "given-up"})
        assert (await first.calls[0].wait_for(SessionEnded)).reason == "CANCEL"
        await client.close()


def test_the_end_of_the_daemon_hangs_up_what_was_placed(tmp_path: Path) -> None:
    (tmp_path / "servers.toml").write_text(SERVERS)
    daemon = VoiceDaemon(
        tmp_path,
        {"driven": "await ctx.answer();"},
        accounts=ACCOUNTS,
        environment=records_in(tmp_path / "calls"),
        more=f"[originate]\nservers_file = {json.dumps(str(tmp_path / 'servers.toml'))}\n",
        routes=f'[[script]]\nfile = "places.js"\nkind = "app"\ntenant = "acme"\n'
        f'[[route]]\ncustomer = "places"\nscript = "places"\n{TIMES}',
        files={"places": PLACES},
    ).ready()

    async def placed() -> None:
        async with far(FIRST) as first, far(SECOND) as second:
            decision = await asks(daemon, "places", destination="4930100", cli="1", extension="trunk/second/7")
            assert decision["outcome"] == "returned", decision
            await (await second.rung()).wait_for(SessionConfirmed)
            daemon.serving.send(signal.SIGTERM)
            for call in (first.calls[0], second.calls[0]):
                assert (await call.wait_for(SessionEnded)).reason == "BYE"
            assert await asyncio.to_thread(daemon.serving.program.finish) == 0

    try:
        asyncio.run(placed())
        (record,) = daemon.records(1)
        assert (record["hangup_by"], record["outcome"], record["placed"]) == ("system", "connected", True)
        assert [one.id for one in newest(tmp_path / "calls")] == [record["id"]]
    finally:
        daemon.stop()
