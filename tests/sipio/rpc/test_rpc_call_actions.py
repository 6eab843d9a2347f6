"""Actions on a call over MessagePack-RPC: what the switch is asked, and what becomes of its answers."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sipio.call_control import (
    Answer,
    BlockDtmf,
    Bridge,
    CallAction,
    Collect,
    Echo,
    Failed,
    Play,
    Record,
    Stopped,
)
from sipio.errors import SipioError
from sipio.rpc.call_methods import RpcCalls
from sipio.rpc.errors import RpcError
from sipio.rpc.server import RpcServer
from tests.sipio.rpc.call_handler import Taken, TestHandler
from tests.sipio.rpc.voice_switch import VoiceSwitch


async def test_the_other_actions_and_variables(switch: VoiceSwitch, call: Taken) -> None:
    call.perform(BlockDtmf(digits="#"))
    assert (await switch.next("call.block_dtmf")).fields == {"call_id": "c1", "digits": "#"}
    call.perform(Record(name="user/r", path=Path("/r/r.wav"), stereo=True))
    assert (await switch.next("call.record")).fields == {
        "call_id": "c1",
        "name": "user/r",
        "path": "/r/r.wav",
        "stereo": True,
    }
    call.perform(Echo(delay_ms=20))
    assert (await switch.next("call.echo")).fields == {"call_id": "c1", "delay_ms": 20}
    call.control.set_variable("a", "b")
    assert (await switch.next("call.set_variable")).fields == {"call_id": "c1", "name": "a", "value": "b"}


async def test_a_hang_up_before_the_call_was_taken_comes_after_the_answer(switch: VoiceSwitch) -> None:
    asked_before: list[int] = []
    answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def answer(_error: SipioError | None, result: Any) -> None:
        asked_before.append(len(switch.asked))
        answered.set_result(result)

    switch.client.request("call.start", ({"id": "c1", "from_user": "1", "to_user": "at-once"},), answer)
    assert (await switch.next("call.set_variable")).fields["name"] == "a"
    assert (await switch.next("call.hangup")).fields["code"] == 486
    assert await answered == {"accepted": True}
    assert asked_before == [0]


async def test_failures(switch: VoiceSwitch, call: Taken, handler: TestHandler, calls: RpcCalls) -> None:
    call.perform(Play(media=[]))
    (await switch.next("call.play")).error("failed", "no such file")
    call.perform(Answer())
    (await switch.next("call.answer")).error("failed")
    call.perform(Collect())
    (await switch.next("call.collect")).done({"status": "great"})
    call.perform(Bridge(destinations=["1"]))
    (await switch.next("call.bridge")).done([])
    await handler.until(lambda: len(call.results) == 4)
    first, second, third, fourth = call.results
    assert (first, second) == (Failed("no such file"), Failed("failed"))
    assert isinstance(third, Failed)
    assert "at `result.status`" in third.message
    assert isinstance(fourth, Failed)
    assert (calls.snapshot().failed_actions, calls.snapshot().faults["malformed_result"]) == (2, 2)


async def test_what_is_stopped_is_stopped_at_once_and_a_late_answer_means_nothing(
    switch: VoiceSwitch, call: Taken, server: RpcServer
) -> None:
    pending = call.perform(Bridge(destinations=["1"]))
    bridge = await switch.next("call.bridge")
    pending.stop()
    pending.stop()
    assert call.results == [Stopped()]
    assert (await switch.next("call.stop")).fields == {"call_id": "c1", "action": "bridge"}
    bridge.done({"status": "cancelled"})
    with pytest.raises(RpcError):
        await switch.event_answered("digit")  # a round trip later
    assert call.results == [Stopped()]
    assert server.snapshot().unexpected_responses == 1


async def test_one_media_action_replaces_the_other(switch: VoiceSwitch, call: Taken, handler: TestHandler) -> None:
    call.perform(Play(media=[]))
    await switch.next("call.play")
    call.perform(Record(name="r", path=Path("/r")))
    await switch.next("call.record")
    call.perform(Echo())
    assert call.results == [Stopped()]
    assert (await switch.next("call.stop")).fields["action"] == "play"
    (await switch.next("call.echo")).error("stopped", "by the switch")
    await handler.until(lambda: call.results == [Stopped(), Failed("by the switch")])


@pytest.mark.parametrize(
    ("action", "result", "field"),
    [
        (Collect(), {"status": "success", "value": "1\n"}, "value"),
        (Collect(), {"status": "success", "value": "<b>"}, "value"),
        (Collect(), {"status": "success", "value": "1" * 129}, "value"),
        (Collect(), {"status": "success", "value": "1", "terminator": "x"}, "terminator"),
        (Bridge(destinations=["1"]), {"status": "completed", "seconds": -1.0}, "seconds"),
        (Bridge(destinations=["1"]), {"status": "completed", "seconds": float("nan")}, "seconds"),
        (Bridge(destinations=["1"]), {"status": "completed", "seconds": float("inf")}, "seconds"),
        (Bridge(destinations=["1"]), {"status": "completed", "code": -1}, "code"),
    ],
)
async def test_results_that_cannot_be(
    switch: VoiceSwitch, call: Taken, handler: TestHandler, action: CallAction, result: dict[str, Any], field: str
) -> None:
    call.perform(action)
    (await switch.next("call.collect" if isinstance(action, Collect) else "call.bridge")).done(result)
    await handler.until(lambda: call.results)
    (failed,) = call.results
    assert isinstance(failed, Failed)
    assert f"at `result.{field}`" in failed.message


@pytest.mark.parametrize(
    ("result", "field"),
    [
        ({"status": "completed", "code": 488}, "result.code"),
        ({"status": "failed", "code": 200}, "result.code"),
        ({"status": "busy", "code": 486, "seconds": 12.5}, "result.seconds"),
    ],
)
async def test_a_leg_was_connected_or_it_was_not(
    switch: VoiceSwitch, call: Taken, handler: TestHandler, result: dict[str, Any], field: str
) -> None:
    call.perform(Bridge(destinations=["1"]))
    (await switch.next("call.bridge")).done(result)
    await handler.until(lambda: len(call.results) == 1)
    (failed,) = call.results
    assert isinstance(failed, Failed)
    assert field in failed.message
