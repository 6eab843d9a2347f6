"""Class 5: scripts in the real engine drive calls in memory."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from sidecar.catalog.model import Snapshot, VoiceAssignment
from sipio.call_control import (
    Answer,
    Bridge,
    Bridged,
    BridgeStatus,
    CallAction,
    CollectStatus,
    Done,
    Failed,
    LegEvent,
    MediaFile,
    MediaText,
    Play,
)
from tests.sidecar.calls.call_exchange import Exchange, main


async def test_actions_one_after_the_other(tmp_path: Path) -> None:
    exchange = Exchange(main("await ctx.answer(); await ctx.tts('hello'); await ctx.play('user/a.wav');"), tmp_path)
    call = exchange.call()
    path = (tmp_path / "sounds/acme/a.wav").resolve()
    expected: list[CallAction] = [
        Answer(),
        Play(media=[MediaText("hello")]),
        Play(media=[MediaFile("user/a.wav", path)]),
    ]
    for action in expected:
        assert call.under_way.action == action
        call.under_way.end()
    assert call.ended, "a script that is over leaves no call up"
    record = exchange.record
    assert [action.action for action in record.actions] == ["answer", "tts hello", "play user/a.wav"]
    assert (record.outcome, record.hangup_by, record.cause) == ("returned", "script", 16)
    assert record.answered is not None
    assert record.warnings == []
    assert exchange.calls.up == 0


async def test_actions_made_without_await_are_done_in_order_and_reported(tmp_path: Path) -> None:
    exchange = Exchange(main("ctx.answer();\n  ctx.tts('one');\nawait ctx.tts('two');\nctx.tts('three');"), tmp_path)
    call = exchange.call()
    said = []
    while not call.ended:
        action = call.under_way.action
        said.append(
            action.media[0].text if isinstance(action, Play) and isinstance(action.media[0], MediaText) else "-"
        )
        call.under_way.end()
    assert said == ["-", "one", "two", "three"], "the script's end waits for those still to come"
    warnings = [(warning.message, warning.location) for warning in exchange.record.warnings]
    assert [message for message, _ in warnings] == [
        "ctx.answer() is not awaited",
        "ctx.tts() is not awaited",
        "ctx.tts() is not awaited",
    ]
    assert [location.split(":")[1] for _, location in warnings] == ["2", "3", "5"]


@pytest.mark.parametrize(
    ("assigned_to", "of_switch", "customer"),
    [("acme", "", "acme"), ("acme", "beta", "acme"), ("", "beta", "beta"), ("", "", "")],
)
async def test_a_record_says_whose_call_it_was(tmp_path: Path, assigned_to: str, of_switch: str, customer: str) -> None:
    exchange = Exchange(main("await ctx.hangup();"), tmp_path, assigned_to)
    exchange.call(customer=of_switch)
    assert exchange.record.customer == customer


@pytest.mark.parametrize(
    "body",
    [
        "return ctx.answer();",
        "await Promise.all([ctx.answer(), ctx.tts('x')]);",
        "const p = ctx.answer().then(() => 1); await p;",
        "await ctx.answer().catch(() => {});",
    ],
)
async def test_a_promise_that_is_taken_up_is_awaited(body: str, tmp_path: Path) -> None:
    exchange = Exchange(main(body), tmp_path)
    call = exchange.call()
    while not call.ended:
        call.under_way.end()
    assert exchange.record.warnings == []


async def test_what_a_script_knows_of_its_call(tmp_path: Path) -> None:
    body = """
      ctx.log([data.cli, data.dest_number, data.greeting, ctx.get('sip_from_user'), ctx.get('sip_h_X-Foo'),
        ctx.header('x-foo'), ctx.get('custom'), await ctx.get('sip_to_user'), typeof ctx.get('none'),
        process.env.CORRELATION_ID].join(' '));
      ctx.set('mine', 5); await ctx.log(ctx.get('mine'));"""
    exchange = Exchange(main(body), tmp_path, greeting="hi")
    call = exchange.call(headers=[("X-Foo", "bar")], variables={"custom": "c"})
    assert exchange.record.log == ["44207 100 hi 44207 bar bar c 100 undefined c1", "5"]
    assert call.variables == {"mine": "5"}


async def test_what_proves_a_callers_password_is_not_for_scripts(tmp_path: Path) -> None:
    body = """await ctx.log([data.headers.map((one) => one.key).join(), ctx.header('Authorization'),
        ctx.get('sip_h_Proxy-Authorization')].join(' '));"""
    exchange = Exchange(main(body), tmp_path)
    secret = [("Authorization", "Digest response=1"), ("PROXY-authorization", "Digest response=2"), ("X", "3")]
    exchange.call(headers=secret)
    assert exchange.record.log == ["X  "]


async def test_headers_set_go_with_what_is_sent_next(tmp_path: Path) -> None:
    body = "ctx.header('X-A', 1); await ctx.answer(); ctx.header('X-A', 2); await ctx.bridge('200');"
    call = Exchange(main(body), tmp_path).call()
    assert call.under_way.action == Answer(headers=[("X-A", "1")])
    call.under_way.end()
    action = call.under_way.action
    assert isinstance(action, Bridge)
    assert action.headers == [("X-A", "2")]


@pytest.mark.parametrize("status", list(CollectStatus))
async def test_ivr_resolves_with_status_and_value(status: CollectStatus, tmp_path: Path) -> None:
    body = """
      const r = await ctx.ivr('ivr/menu.wav', 3, 1, 4, '#', {tries: 2, regexp: /[1-4]+/});
      ctx.log(r.status + r.value)"""
    exchange = Exchange(main(body), tmp_path)
    call = exchange.call()
    action: Any = call.under_way.action
    assert (action.timeout_seconds, action.minimum, action.maximum, action.tries) == (3.0, 1, 4, 2)
    assert (action.terminators, action.pattern) == ("#", "[1-4]+")
    call.digits(status, "12")
    assert exchange.record.log == [f"{status.value}12"]


async def test_digits_not_entered_transfer_the_call(tmp_path: Path) -> None:
    exchange = Exchange(main("await ctx.ivr('ivr/a.wav', 1, 1, 1, '#', {transfer_on_failure: '900'})"), tmp_path)
    call = exchange.call()
    call.digits(CollectStatus.TIMEOUT)
    action = call.under_way.action
    assert isinstance(action, Bridge)
    assert action.destinations == ["900"]


@pytest.mark.parametrize(
    ("continue_on", "status", "goes_on"),
    [
        ("true", "completed", True),
        ("true", "busy", True),
        ("false", "completed", False),
        ("false", "busy", False),
        ("'fail'", "busy", True),
        ("'fail'", "completed", False),
        ("'completed'", "completed", True),
        ("'completed'", "no_answer", False),
    ],
)
async def test_continue_on(continue_on: str, status: str, goes_on: bool, tmp_path: Path) -> None:
    exchange = Exchange(
        main(f"const r = await ctx.bridge('200', {continue_on}); ctx.log(r.status); await ctx.tts('x')"), tmp_path
    )
    call = exchange.call()
    code = 486 if status == "busy" else 0
    call.under_way.end(Done(Bridged(status=BridgeStatus(status), code=code, reason="Busy Here" if code else "")))
    assert call.ended is not goes_on
    if goes_on:
        call.under_way.end()
    assert exchange.record.log == [status]
    if not goes_on and status == "busy":
        assert (exchange.record.code, exchange.record.cause, exchange.record.hangup_by) == (486, 17, "callee")


async def test_an_action_that_fails_rejects_with_its_reason(tmp_path: Path) -> None:
    exchange = Exchange(main("try { await ctx.play('user/x.wav') } catch (e) { ctx.log(e.message) }"), tmp_path)
    exchange.call().under_way.end(Failed("no such file"))
    assert exchange.record.log == ["no such file"]


async def test_a_flood_of_actions_is_bounded(tmp_path: Path) -> None:
    exchange = Exchange(main("for (let i = 0; i < 900; i++) ctx.tts('x'); await ctx.answer()"), tmp_path)
    call = exchange.call()
    while not call.ended:
        call.under_way.end()
    assert len(exchange.record.actions) == 901


async def test_the_newer_dialect(tmp_path: Path) -> None:
    text = """const Server = require('cxC5Server');
      async function main() { const call = new Server(process.env.CORRELATION_ID); await call.answer() }"""
    call = Exchange(text, tmp_path).call()
    assert call.under_way.action == Answer()


async def test_an_unknown_destination_is_refused(tmp_path: Path) -> None:
    exchange = Exchange(main(""), tmp_path)
    refused = exchange.call(to_user="999").refused
    assert refused is not None
    assert refused.code == 404


async def test_the_other_legs_story_is_told(tmp_path: Path) -> None:
    exchange = Exchange(main("await ctx.bridge('200')"), tmp_path)
    call = exchange.call()
    call.tell(LegEvent(destination="200", what="ringing", code=180))
    call.hang_up()
    assert [(leg.destination, leg.what, leg.code) for leg in exchange.record.legs] == [("200", "ringing", 180)]


async def test_calls_beyond_the_limit_are_refused_and_taken_again_later(tmp_path: Path) -> None:
    exchange = Exchange(main("await ctx.waitForHangup()"), tmp_path)
    limited = msgspec.structs.replace(exchange.calls.configuration.voice, calls=1)
    exchange.calls.configuration = msgspec.structs.replace(exchange.calls.configuration, voice=limited)
    first = exchange.call()
    second = exchange.call(id="c2")
    assert second.refused is not None
    assert (second.refused.code, second.refused.cause) == (503, 42)
    first.hang_up()
    assert exchange.call(id="c3").refused is None


async def test_a_bridge_that_answers_the_call_sets_its_answer_time(tmp_path: Path) -> None:
    exchange = Exchange(main("await ctx.bridge('sip:b@192.0.2.2')"), tmp_path)
    call = exchange.call()
    call.tell(LegEvent(destination="sip:b@192.0.2.2", what="answered"))
    call.under_way.end(Done(Bridged(status=BridgeStatus.COMPLETED, hangup_by="callee")))
    assert exchange.record.answered is not None


async def test_a_destination_whose_script_cannot_be_run_refuses_its_calls_and_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    exchange = Exchange(main(""), tmp_path)
    missing = VoiceAssignment(script_id="gone")
    snapshot = Snapshot(scripts={}, routes={}, dids={}, destinations={"100": missing}, unusable={"gone": "no file"})
    exchange.calls.use(snapshot)
    refused = exchange.call().refused
    assert refused is not None
    assert refused.code == 503
    [line] = caplog.records
    assert line.message == "call_refused"
    assert exchange.calls.up == 0
