"""How calls over MessagePack-RPC end: announced or not, with their connection, and what comes after."""

import asyncio
from pathlib import Path

import pytest

from sipio.call_control import (
    Answer,
    Done,
    Echo,
    Hangup,
    HangupBy,
    HungUp,
    HungUpDuring,
    MediaText,
    Play,
    Record,
    RecordingFinished,
)
from sipio.rpc import controlled_call
from sipio.rpc.call_methods import RpcCalls
from sipio.rpc.errors import RpcError
from sipio.rpc.server import RpcServer
from tests.sipio.rpc.call_handler import Taken, TestHandler
from tests.sipio.rpc.voice_switch import VoiceSwitch


async def test_a_hang_up_of_the_wrong_shape_still_ends_the_call(
    switch: VoiceSwitch, call: Taken, handler: TestHandler, calls: RpcCalls
) -> None:
    call.perform(Echo())
    await switch.next("call.echo")
    switch.event("hungup", cause="NORMAL_CLEARING")
    await handler.until(lambda: call.control.ended)
    (hung_up,) = call.events
    assert isinstance(hung_up, HungUp)
    assert (hung_up.by, calls.snapshot().faults["malformed_event"]) == (HangupBy.SYSTEM, 1)
    assert "cause" in hung_up.reason
    assert call.results == [HungUpDuring()]


async def test_events_of_unknown_calls_and_after_the_end(switch: VoiceSwitch, call: Taken, calls: RpcCalls) -> None:
    switch.event("hungup", "nobody")
    await switch.event_answered("hungup")
    for event in ({"event": "hungup"}, {"event": "digit", "digit": "1"}):
        with pytest.raises(RpcError) as caught:
            await switch.client.call("call.event", {"call_id": "c1", **event})
        assert caught.value.code == "unknown_call"
    assert calls.snapshot().faults["unknown_call"] == 3
    assert len(call.events) == 1


async def test_the_end_is_told_before_the_ends_of_its_actions(
    switch: VoiceSwitch, call: Taken, handler: TestHandler
) -> None:
    call.perform(Play(media=[MediaText("x")]))
    call.perform(Record(name="r", path=Path("/r")))
    await switch.next("call.play")
    await switch.next("call.record")
    switch.event("hungup", by="caller", reason="BYE")
    await handler.until(lambda: len(call.told) == 3)
    assert call.told == [HungUp(by=HangupBy.CALLER, reason="BYE"), HungUpDuring(), HungUpDuring()]
    call.perform(Answer())
    assert call.results[2:] == [HungUpDuring()]
    call.control.set_variable("a", "b")
    assert switch.asked == []


async def test_an_answer_that_says_hangup_waits_for_the_event(
    switch: VoiceSwitch, call: Taken, handler: TestHandler
) -> None:
    call.perform(Play(media=[]))
    (await switch.next("call.play")).error("hangup")
    switch.event("digit", digit="1")
    await handler.until(lambda: call.events)
    assert call.results == []
    switch.event("hungup", by="callee", cause=17)
    await handler.until(lambda: len(call.told) == 3)
    assert call.told[1:] == [HungUp(by=HangupBy.CALLEE, cause=17), HungUpDuring()]


@pytest.mark.parametrize("asked", [True, False])
async def test_a_switch_that_does_not_announce_the_end(
    switch: VoiceSwitch,
    call: Taken,
    handler: TestHandler,
    calls: RpcCalls,
    monkeypatch: pytest.MonkeyPatch,
    asked: bool,
) -> None:
    monkeypatch.setattr(controlled_call, "HANGUP_SECONDS", 0.01)
    if asked:
        call.perform(Hangup())
        (await switch.next("call.hangup")).done()
    else:
        call.perform(Echo())
        (await switch.next("call.echo")).error("hangup")
    await handler.until(lambda: call.control.ended)
    (hung_up,) = call.events
    assert isinstance(hung_up, HungUp)
    assert hung_up.by is (HangupBy.SCRIPT if asked else HangupBy.SYSTEM)
    assert (calls.snapshot().faults["unannounced_end"], calls.snapshot().up) == (1, 0)


async def test_a_connection_lost_in_mid_call_ends_its_calls_only(
    switch: VoiceSwitch, call: Taken, handler: TestHandler, calls: RpcCalls, tmp_path: Path
) -> None:
    other = await VoiceSwitch.connect(f"unix:{tmp_path / 's'}")
    await other.start("c2")
    call.perform(Play(media=[]))
    await switch.next("call.play")
    await switch.start("idle")
    await switch.client.close()
    await handler.until(lambda: handler.calls[0].control.ended and handler.calls[2].control.ended)
    lost = HungUp(by=HangupBy.SYSTEM, cause=41, reason="the switch's connection was lost")
    assert call.told == [lost, HungUpDuring()]
    assert handler.calls[2].told == [lost]
    assert not handler.calls[1].control.ended
    assert (calls.snapshot().faults["connection_lost"], calls.snapshot().up, set(calls._calls)) == (2, 1, {"c2"})
    call.perform(Hangup())
    assert call.results[1:] == [HungUpDuring()]
    await other.client.close()


async def test_an_action_on_a_connection_that_is_being_closed(
    switch: VoiceSwitch, call: Taken, server: RpcServer
) -> None:
    closing = asyncio.ensure_future(server.close())
    await asyncio.sleep(0)
    call.perform(Answer())
    assert isinstance(call.told[0], HungUp)
    assert call.results == [HungUpDuring()]
    await closing


async def test_recordings_are_announced_after_the_end_too(
    switch: VoiceSwitch, call: Taken, handler: TestHandler, calls: RpcCalls
) -> None:
    for name in ("a", "b"):
        call.perform(Record(name=name, path=Path(f"/r/{name}")))
        (await switch.next("call.record")).done()
    await handler.until(lambda: call.results == [Done(), Done()])
    await switch.event_answered("recording_finished", name="a", path="/r/a", seconds=1)
    await switch.event_answered("hungup")
    assert calls.snapshot().up == 0
    await switch.event_answered("recording_finished", name="b", path="/r/b", seconds=2, error="disk full")
    assert call.events[2:] == [RecordingFinished(name="b", path=Path("/r/b"), seconds=2.0, error="disk full")]
    assert calls._calls == {}
