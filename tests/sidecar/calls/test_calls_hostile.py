"""Class 5: what a script's author may try, and a proper end of the call all the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sidecar.hosts.call import RequestedAction, parse
from sidecar.hosts.customer_folders import ActionError, CustomerFolders
from sipio.call_control import Failed, Hangup
from tests.doubles.memory_call import MemoryAction, MemoryCall
from tests.growth import grows_in_its_length
from tests.sidecar.calls.call_exchange import Exchange, main

FOLDERS = CustomerFolders(own=Path("/sounds/acme"), house=Path("/sounds/ivr"), recordings=Path("/recordings/acme"))


async def test_a_hang_up_that_could_not_be_sent_leaves_no_call_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    perform = MemoryCall.perform

    def refusing(call: MemoryCall, action: object, done: object) -> MemoryAction:
        if isinstance(action, Hangup):
            asked.append(action)
            if len(asked) == 1:
                begun = MemoryAction(action, done)  # type: ignore[arg-type]
                begun.end(Failed("cannot be sent"))
                return begun
        return perform(call, action, done)  # type: ignore[arg-type]

    monkeypatch.setattr(MemoryCall, "perform", refusing)
    body = "try { await ctx.hangup(404) } catch (error) { await ctx.log(error.message) } await ctx.tts('still here')"
    exchange = Exchange(main(body), tmp_path)
    call = exchange.call()
    call.under_way.end()
    assert call.ended, "the script's end ends the call"
    record = exchange.record
    assert record.log == ["cannot be sent"]
    assert [(action.action, action.result) for action in record.actions] == [
        ("hangup 404", "failed: cannot be sent"),
        ("tts still here", "done"),
    ]
    assert (record.hangup_by, record.cause) == ("script", 16)


@pytest.mark.parametrize("name", ["Supported", "Require", "Authorization", "session-expires", "Via", "k", "X", "v"])
def test_headers_of_the_dialog_cannot_be_set(name: str) -> None:
    for kind in ("answer", "hangup"):
        with pytest.raises(ActionError, match=r"own and cannot be"):
            parse(kind, {"headers": [[name, "x"]]}, lambda: FOLDERS)


@pytest.mark.parametrize("headers", [5, [1], [["X-A"]], {"X-A": "1"}, "X-A"])
def test_headers_that_are_no_list_of_pairs(headers: object) -> None:
    with pytest.raises(ActionError, match="cannot be read"):
        parse("answer", {"headers": headers}, lambda: FOLDERS)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("hangup", lambda length: {"cause": "404 x" + " " * length + "x"}),
        ("play", lambda length: {"files": ["user/" + "a/" * (length // 2) + "x"]}),
        ("play", lambda length: {"files": ["http://127.0.0.1/" + "x" * length]}),
    ],
)
def test_long_texts_are_refused_in_their_length(kind: str, options: Callable[[int], dict[str, Any]]) -> None:
    def read(length: int) -> None:
        with pytest.raises(ActionError):
            parse(kind, options(length), lambda: FOLDERS)

    assert grows_in_its_length(read), "the calls of others wait meanwhile"


def test_line_ends_of_a_cause_are_not_in_the_record() -> None:
    asked = parse("hangup", {"cause": "404 Not\r\nX-Evil: 1\u2028"}, lambda: FOLDERS)
    assert isinstance(asked, RequestedAction)
    assert asked.text == "hangup 404 Not  X-Evil: 1"
    assert isinstance(asked.action, Hangup)
    assert asked.action.reason == "Not  X-Evil: 1"


async def test_a_refusal_with_half_a_character_is_a_refusal(tmp_path: Path) -> None:
    exchange = Exchange(main("throw new Error('404 No \\ud83d')"), tmp_path)
    assert exchange.call().ended
    assert (exchange.record.code, exchange.record.outcome) == (404, "sip_error")


async def test_an_offer_with_half_a_character_is_a_call(tmp_path: Path) -> None:
    exchange = Exchange(main("await ctx.log(data.cli_name + ' ' + ctx.header('X-A'))"), tmp_path)
    exchange.call(from_name="Zo\ud83d", headers=[("X-A", "\udc00")])
    assert exchange.record.log == ["Zo? ?"]


async def test_a_variable_wider_than_any_integer_is_text(tmp_path: Path) -> None:
    exchange = Exchange(main("await ctx.log(typeof data.account + data.account)"), tmp_path, account=2**64)
    exchange.call()
    assert exchange.record.log == [f"string{2**64}"]


async def test_variables_are_those_of_the_call_alone(tmp_path: Path) -> None:
    body = """
      await ctx.log(['constructor', 'toString', '__proto__'].map((name) => typeof ctx.get(name)).join(' '));
      ctx.set('__proto__', 'mine'); ctx.set('toString', 'own');
      await ctx.log(ctx.get('__proto__') + ' ' + ctx.get('toString'));"""
    exchange = Exchange(main(body), tmp_path)
    exchange.call()
    assert exchange.record.log == ["undefined undefined undefined", "mine own"]


@pytest.mark.parametrize(
    "action",
    [
        "echo(NaN)",
        "echo(Infinity)",
        "ivr(null, NaN)",
        "ivr(null, 1, -Infinity)",
        "ivr(null, 1, 1, NaN)",
        "hangup(NaN)",
        "hangup(Infinity)",
    ],
)
async def test_what_is_no_number_is_no_default(action: str, tmp_path: Path) -> None:
    exchange = Exchange(
        main(f"try {{ await ctx.{action} }} catch (error) {{ await ctx.log(error.message) }}"), tmp_path
    )
    assert exchange.call().ended, "nothing is under way"
    (said,) = exchange.record.log
    assert said.startswith(f"ctx.{action.partition('(')[0]}: ")
    assert exchange.record.actions == []
