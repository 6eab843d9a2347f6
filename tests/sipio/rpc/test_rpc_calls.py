"""Class 5 over MessagePack-RPC: a switch of the test's own on a real socket, a handler of the test's own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sipio.call_control import (
    ActionResult,
    Answer,
    BlockDtmf,
    Bridge,
    Bridged,
    BridgeStatus,
    CallAction,
    CallControl,
    CallEvent,
    CallLimits,
    CallObserver,
    Collect,
    CollectStatus,
    DigitPressed,
    Digits,
    Done,
    Echo,
    Failed,
    Hangup,
    HangupBy,
    HungUp,
    HungUpDuring,
    LegEvent,
    Media,
    MediaFile,
    MediaText,
    MediaUrl,
    PendingAction,
    Play,
    Record,
    RecordingFinished,
    Stopped,
)
from sipio.errors import MalformedMessage, SipioError
from sipio.rpc import controlled_call
from sipio.rpc.addresses import UnixAddress
from sipio.rpc.call_messages import read_event, read_event_head
from sipio.rpc.call_methods import RpcCalls
from sipio.rpc.errors import RpcError
from sipio.rpc.server import RpcServer
from tests.sipio.rpc.voice_switch import SECONDS, VoiceSwitch


class Taken:
    """A call that the handler took, with all it was told in order."""

    def __init__(self, control: CallControl, changed: asyncio.Event) -> None:
        self.control = control
        self.events: list[CallEvent] = []
        self.results: list[ActionResult] = []
        self.told: list[Any] = []
        self._changed = changed

    def event(self, event: CallEvent) -> None:
        self.events.append(event)
        self.told.append(event)
        self._changed.set()

    def perform(self, action: CallAction) -> PendingAction:
        return self.control.perform(action, self._done)

    def _done(self, result: ActionResult) -> None:
        self.results.append(result)
        self.told.append(result)
        self._changed.set()


class TestHandler:
    """Takes every call but those to ``404``; those to ``at-once`` are hung up before it returns."""

    __test__ = False

    def __init__(self) -> None:
        self.calls: list[Taken] = []
        self.changed = asyncio.Event()

    def offered(self, call: CallControl) -> CallObserver | Hangup:
        if call.offer.to_user == "404":
            return Hangup(code=404, cause=1, headers=[("X-Why", "no")])
        if call.offer.to_user == "cause":
            return Hangup(cause=17)
        if call.offer.to_user == "raises":
            raise ZeroDivisionError
        taken = Taken(call, self.changed)
        self.calls.append(taken)
        if call.offer.to_user == "at-once":
            call.set_variable("a", "b")
            taken.perform(Hangup(code=486, cause=17))
        self.changed.set()
        return taken

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(SECONDS):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
def handler() -> TestHandler:
    return TestHandler()


@pytest.fixture
def calls(handler: TestHandler) -> RpcCalls:
    return RpcCalls(handler, CallLimits(calls=3, retry_after_seconds=7))


@pytest.fixture
async def server(calls: RpcCalls, tmp_path: Path) -> AsyncIterator[RpcServer]:
    server = RpcServer(calls.methods)
    await server.start([UnixAddress(path=tmp_path / "s")])
    yield server
    await server.close()


@pytest.fixture
async def switch(server: RpcServer, tmp_path: Path) -> AsyncIterator[VoiceSwitch]:
    switch = await VoiceSwitch.connect(f"unix:{tmp_path / 's'}")
    yield switch
    await switch.client.close()


@pytest.fixture
async def call(switch: VoiceSwitch, handler: TestHandler) -> Taken:
    assert await switch.start() == {"accepted": True}
    return handler.calls[0]


async def test_a_call_comes_with_all_that_the_switch_knows(switch: VoiceSwitch, handler: TestHandler) -> None:
    known = {
        "from_name": "Ann",
        "from_host": "a.example",
        "to_host": "b.example",
        "source": "192.0.2.1:5060",
        "headers": [["X-A", "1"], ["x-a", "2"]],
        "customer": "7",
        "variables": {"trunk": "t"},
    }
    assert await switch.start("c9", "200", **known) == {"accepted": True}
    offer = handler.calls[0].control.offer
    assert (offer.id, offer.driver, offer.from_user, offer.to_user) == ("c9", "rpc", "4420", "200")
    assert offer.headers == [("X-A", "1"), ("x-a", "2")]
    assert (offer.from_name, offer.source, offer.customer, offer.variables) == (
        "Ann",
        "192.0.2.1:5060",
        "7",
        {"trunk": "t"},
    )


async def test_a_whole_call(switch: VoiceSwitch, call: Taken, handler: TestHandler, calls: RpcCalls) -> None:
    call.perform(Answer(headers=[("X-B", "2")]))
    asked = await switch.next("call.answer")
    assert asked.fields == {"call_id": "c1", "headers": [["X-B", "2"]]}
    assert call.results == []
    asked.done()
    await handler.until(lambda: call.results == [Done()])

    prompt: list[Media] = [
        MediaFile("user/a.wav", Path("/s/a.wav")),
        MediaText("hello", voice="en"),
        MediaUrl("http://x/y.wav"),
    ]
    call.perform(Collect(prompt=prompt, maximum=4, tries=2, pattern="1.*", typed_ahead="17"))
    asked = await switch.next("call.collect")
    assert asked.fields == {
        "call_id": "c1",
        "prompt": [
            {"type": "file", "name": "user/a.wav", "path": "/s/a.wav"},
            {"type": "text", "text": "hello", "voice": "en"},
            {"type": "url", "url": "http://x/y.wav"},
        ],
        "invalid_prompt": [],
        "timeout_seconds": 5.0,
        "minimum": 1,
        "maximum": 4,
        "terminators": "#",
        "tries": 2,
        "pattern": "1.*",
        "typed_ahead": "17",
    }
    switch.event("digit", digit="1", duration_ms=80)
    asked.done({"status": "success", "value": "1", "terminator": "#"})
    digits = Done(Digits(status=CollectStatus.SUCCESS, value="1", terminator="#"))
    await handler.until(lambda: call.results[1:] == [digits])
    assert call.events == [DigitPressed(digit="1", duration_ms=80)]

    call.perform(Bridge(destinations=["sip:a@b"], ringback=[MediaText("wait")]))
    asked = await switch.next("call.bridge")
    assert asked.fields["destinations"] == ["sip:a@b"]
    assert asked.fields["ringback"] == [{"type": "text", "text": "wait", "voice": ""}]
    switch.event("leg", destination="sip:a@b", what="answered")
    asked.done({"status": "completed", "destination": "sip:a@b", "seconds": 3, "hangup_by": "callee"})
    bridged = Bridged(status=BridgeStatus.COMPLETED, destination="sip:a@b", seconds=3.0, hangup_by="callee")
    await handler.until(lambda: call.results[2:] == [Done(bridged)])
    assert call.events[1:] == [LegEvent(destination="sip:a@b", what="answered", code=200)]

    for code, read in ((0, 0), (200, 0), (486, 486)):
        before = len(call.events)
        switch.event("leg", destination="sip:a@b", what="ended", code=code)
        await handler.until(lambda: len(call.events) > before)  # noqa: B023 - awaited before the next round
        assert call.events[-1] == LegEvent(destination="sip:a@b", what="ended", code=read)

    call.perform(Hangup(cause=16))
    asked = await switch.next("call.hangup")
    assert asked.fields == {"call_id": "c1", "code": 0, "reason": "", "cause": 16, "headers": []}
    asked.done()
    await handler.until(lambda: call.results[3:] == [Done()])
    assert not call.control.ended
    switch.event("hungup", by="script", cause=16)
    await handler.until(lambda: call.control.ended)
    assert call.events[5:] == [HungUp(by=HangupBy.SCRIPT, cause=16)]
    assert calls.snapshot().up == 0
    assert calls._calls == {}


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


async def test_refusals(switch: VoiceSwitch, calls: RpcCalls) -> None:
    assert await switch.start("a", "404") == {
        "accepted": False,
        "code": 404,
        "reason": "Not Found",
        "cause": 1,
        "headers": [["X-Why", "no"]],
    }
    refused = await switch.start("a", "cause")
    assert (refused["code"], refused["reason"], refused["cause"]) == (486, "Busy Here", 17)
    with pytest.raises(RpcError, match="internal"):
        await switch.start("a", "raises")
    assert calls._calls == {}
    assert (calls.snapshot().refused, calls.snapshot().up) == ({"handler": 2, "limit": 0}, 0)


async def test_too_many_calls_are_refused_and_those_that_are_up_go_on(
    switch: VoiceSwitch, handler: TestHandler, calls: RpcCalls
) -> None:
    for number in range(3):
        assert await switch.start(f"c{number}") == {"accepted": True}
    refused = {
        "accepted": False,
        "code": 503,
        "reason": "Service Unavailable",
        "cause": 41,
        "headers": [["Retry-After", "7"]],
    }
    assert await switch.start("c4") == refused
    assert calls.snapshot().refused["limit"] == 1
    await switch.event_answered("hungup", "c0")
    assert await switch.start("c4") == {"accepted": True}
    assert await switch.start("c5") == refused
    assert [call.events for call in handler.calls[1:]] == [[], [], []]


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


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ({"from_user": "1", "to_user": "2"}, "missing required field `id`"),
        ({"id": "", "from_user": "1", "to_user": "2"}, "length >= 1 - at `params[0].id`"),
        ({"id": 5, "from_user": "1", "to_user": "2"}, "at `params[0].id`"),
        ({"id": "1", "from_user": "1", "to_user": "2", "tpyo": 1}, "unknown field `tpyo`"),
        ({"id": "1", "from_user": "1", "to_user": "2", "headers": [["A"]]}, "at `params[0].headers[0]`"),
        ({"id": "1", "from_user": "1", "to_user": "2", "variables": {"a": 1}}, "at `params[0].variables[...]`"),
    ],
)
async def test_starts_of_the_wrong_shape(switch: VoiceSwitch, start: dict[str, Any], message: str) -> None:
    with pytest.raises(RpcError) as caught:
        await switch.client.call("call.start", start)
    assert caught.value.code == "bad_request"
    assert message in caught.value.message
    assert await switch.start() == {"accepted": True}


async def test_a_start_in_use_is_told_so(
    switch: VoiceSwitch, call: Taken, calls: RpcCalls, handler: TestHandler, tmp_path: Path
) -> None:
    other = await VoiceSwitch.connect(f"unix:{tmp_path / 's'}")
    for one in (switch, other):
        with pytest.raises(RpcError) as caught:
            await one.start()
        assert caught.value.code == "call_exists"
    assert (calls.snapshot().faults["duplicate_start"], len(handler.calls)) == (2, 1)
    # and an event of it from elsewhere is not believed
    with pytest.raises(RpcError) as caught:
        await other.event_answered("hungup")
    assert caught.value.code == "unknown_call"
    assert not call.control.ended
    await other.client.close()


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"event": "digit", "digit": "x"}, "at `params[0].digit`"),
        ({"event": "digit"}, "missing required field `digit`"),
        ({"event": "leg", "destination": "a", "what": "exploded"}, "at `params[0].what`"),
        ({"event": "party"}, "'party'"),
        ({"digit": "1"}, "missing required field `event`"),
    ],
)
async def test_events_of_the_wrong_shape(
    switch: VoiceSwitch, call: Taken, calls: RpcCalls, event: dict[str, Any], message: str
) -> None:
    with pytest.raises(RpcError) as caught:
        await switch.client.call("call.event", {"call_id": "c1", **event})
    assert caught.value.code == "bad_request"
    assert message in caught.value.message
    assert calls.snapshot().faults["malformed_event"] == 1
    assert call.events == []


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


async def test_strings_sent_as_binary(switch: VoiceSwitch, handler: TestHandler) -> None:
    await switch.client.call("call.start", {b"id": b"c1", b"from_user": b"1", b"to_user": b"2"})
    await switch.client.call("call.event", {b"call_id": b"c1", b"event": b"digit", b"digit": b"5"})
    assert handler.calls[0].events == [DigitPressed(digit="5")]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 900) | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    event=st.sampled_from(["digit", "hungup", "recording_finished", "leg"]) | _JSON,
    fields=st.dictionaries(
        st.sampled_from(["call_id", "digit", "by", "cause", "code", "what", "name", "path", "seconds", "headers"]),
        _JSON,
        max_size=8,
    ),
)
def test_whatever_an_event_is_it_is_read_or_malformed(event: Any, fields: dict[str, Any]) -> None:
    raw = msgspec.Raw(msgspec.msgpack.encode({**fields, "event": event}))
    try:
        read_event(raw).event()
    except MalformedMessage:
        assert isinstance(read_event_head(raw).call_id, str)
