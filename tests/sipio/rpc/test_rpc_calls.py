"""Class 5 over MessagePack-RPC: a switch of the test's own on a real socket, a handler of the test's own."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sipio.call_control import (
    Answer,
    Bridge,
    Bridged,
    BridgeStatus,
    Collect,
    CollectStatus,
    DigitPressed,
    Digits,
    Done,
    Hangup,
    HangupBy,
    HungUp,
    LegEvent,
    Media,
    MediaFile,
    MediaText,
    MediaUrl,
)
from sipio.errors import MalformedMessage
from sipio.rpc.call_messages import read_event, read_event_head
from sipio.rpc.call_methods import RpcCalls
from sipio.rpc.errors import RpcError
from tests.sipio.rpc.call_handler import Taken, TestHandler
from tests.sipio.rpc.voice_switch import VoiceSwitch


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
