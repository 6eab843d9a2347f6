"""A script in a real worker drives a call of a switch that speaks docs/voice-adapter.md, over a real socket."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.pool import Pool
from sidecar.calls.calls import Calls
from sidecar.catalog.compile import make_script
from sidecar.catalog.model import Script, Snapshot, VoiceAssignment
from sidecar.configuration.tree import Configuration, VoiceSection
from sidecar.kind import Kind
from sidecar.operations.call_record import CallRecord
from sipio.rpc.addresses import UnixAddress
from sipio.rpc.call_methods import RpcCalls
from sipio.rpc.server import RpcServer
from tests.sandbox.support import running_pool, until
from tests.sipio.rpc.voice_switch import VoiceSwitch

MENU = """import cxC5Server from 'cxC5Server'
export default async function (data) {
  const ctx = new cxC5Server(process.env.CORRELATION_ID)
  await ctx.answer();
  const choice = await ctx.ivr("user/menu.wav", 5, 1, 1);
  if (choice.value === "1") await ctx.bridge("user/alice", true, false, { ringback: "ivr/wait.wav" });
  await ctx.tts("Goodbye " + ctx.get("trunk"));
}
"""
CATCHES = """async function main(data, ctx) {
  try { await ctx.play("user/a.wav") } catch (error) { ctx.log(error.name + ": " + error.message) }
  ctx.log((await ctx.waitForHangup()).reason)
}
"""


def _script(name: str, text: str) -> Script:
    return make_script(id=name, name=f"{name}.js", kind=Kind.APP, text=text)


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    async with running_pool() as pool:
        yield pool


@pytest.fixture
def records() -> list[CallRecord]:
    return []


@pytest.fixture
async def switch(pool: Pool, tmp_path: Path, records: list[CallRecord]) -> AsyncIterator[VoiceSwitch]:
    configuration = Configuration(voice=VoiceSection(sounds=tmp_path, recordings=tmp_path))
    snapshot = Snapshot(
        scripts={"menu": _script("menu", MENU), "catches": _script("catches", CATCHES)},
        routes={},
        dids={},
        destinations={"100": VoiceAssignment(script_id="menu"), "200": VoiceAssignment(script_id="catches")},
    )
    calls = RpcCalls(Calls(pool, configuration, snapshot, records.append))
    server = RpcServer(calls.methods)
    await server.start([UnixAddress(path=tmp_path / "s")])
    switch = await VoiceSwitch.connect(f"unix:{tmp_path / 's'}")
    yield switch
    await switch.client.close()
    await server.close()


async def test_the_call_of_the_adapter_page(switch: VoiceSwitch, records: list[CallRecord], tmp_path: Path) -> None:
    assert await switch.start("a84b4c76e66710", "100", customer="acme", variables={"trunk": "t1"}) == {"accepted": True}
    (await switch.next("call.answer")).done()
    collect = await switch.next("call.collect")
    assert collect.fields["prompt"] == [
        {"type": "file", "name": "user/menu.wav", "path": str(tmp_path / "acme/menu.wav")}
    ]
    collect.done({"status": "success", "value": "1"})
    bridge = await switch.next("call.bridge")
    assert bridge.fields["destinations"] == ["user/alice"]
    assert bridge.fields["ringback"] == [
        {"type": "file", "name": "ivr/wait.wav", "path": str(tmp_path / "ivr/wait.wav")}
    ]
    switch.event("leg", "a84b4c76e66710", destination="user/alice", what="answered", code=200)
    bridge.done({"status": "completed", "destination": "user/alice", "seconds": 31.5, "hangup_by": "callee"})
    play = await switch.next("call.play")
    assert play.fields["media"] == [{"type": "text", "text": "Goodbye t1", "voice": ""}]
    play.done()
    hangup = await switch.next("call.hangup")
    assert (hangup.fields["code"], hangup.fields["cause"]) == (480, 16)
    hangup.done()
    switch.event("hungup", "a84b4c76e66710", by="script")
    await until(lambda: records)
    (record,) = records
    assert (record.outcome, record.hangup_by, record.driver) == ("returned", "script", "rpc")
    assert [one.result for one in record.actions] == ["done", "success 1", "completed", "done"]
    assert [leg.what for leg in record.legs] == ["answered"]


async def test_a_call_that_is_lost_with_its_connection(switch: VoiceSwitch, records: list[CallRecord]) -> None:
    await switch.start("c1", "200")
    await switch.next("call.play")
    await switch.client.close()
    await until(lambda: records)
    (record,) = records
    assert (record.hangup_by, record.cause, record.outcome) == ("system", 41, "returned")
    assert record.log == [
        "HangupError: the call has ended",
        "the switch's connection was lost",
    ]


async def test_a_destination_that_nobody_has(switch: VoiceSwitch) -> None:
    refused = await switch.start("c1", "999")
    assert (refused["accepted"], refused["code"], refused["reason"]) == (False, 404, "Not Found")
