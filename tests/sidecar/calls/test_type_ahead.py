"""Keys pressed before a script asks for them: kept for its next `ivr`, within bounds, and forgotten by rule."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from sandbox.host import HostCall
from sidecar.calls.heard_digits import HeardDigits
from sidecar.calls.type_ahead import TYPED_AHEAD, TypeAhead
from sidecar.hosts.call import parse
from sidecar.hosts.customer_folders import ActionError, CustomerFolders
from sipio.call_control import (
    Answer,
    BlockDtmf,
    Bridge,
    CallAction,
    Collect,
    CollectStatus,
    DigitPressed,
    Echo,
    MediaText,
    Play,
)
from tests.doubles.memory_call import MemoryCall
from tests.sidecar.calls.call_exchange import Exchange, main

SPEAKING = Play(media=[MediaText("hello")])


def typed(digits: str, under_way: CallAction | None = None) -> TypeAhead:
    ahead = TypeAhead()
    for digit in digits:
        ahead.pressed(digit, under_way)
    return ahead


def taken(ahead: TypeAhead, action: Collect, *, wanted: bool = True) -> str:
    performed = ahead.before(action, wanted=wanted)
    assert isinstance(performed, Collect)
    return performed.typed_ahead


@pytest.mark.parametrize("under_way", [None, SPEAKING, Answer()])
def test_each_collect_takes_what_its_first_try_needs(under_way: CallAction | None) -> None:
    ahead = typed("21234#9", under_way)
    assert taken(ahead, Collect(maximum=1)) == "2"
    assert taken(ahead, Collect(minimum=4, maximum=6)) == "1234#"
    assert taken(ahead, Collect(minimum=4)) == "9", "the beginning of an input"
    assert taken(ahead, Collect()) == ""


@pytest.mark.parametrize("collect", [Collect(maximum=1, pattern="[12]", tries=3), Collect(maximum=1, pattern="[12]")])
def test_a_try_that_fails_forgets_the_rest(collect: Collect) -> None:
    ahead = typed("91234")
    assert taken(ahead, collect) == "9", "which the driver judges, and plays what is to be heard then"
    assert taken(ahead, Collect()) == ""


@pytest.mark.parametrize("under_way", [Collect(), Bridge(destinations=["1"]), Echo()])
def test_what_belongs_to_something_else_is_not_kept(under_way: CallAction) -> None:
    assert taken(typed("12", under_way), Collect()) == ""


def test_a_bridge_and_an_ivr_that_does_not_want_them_forget() -> None:
    ahead = typed("12")
    ahead.before(Bridge(destinations=["1"]))
    assert taken(ahead, Collect()) == ""
    ahead = typed("12")
    assert taken(ahead, Collect(), wanted=False) == ""
    assert taken(ahead, Collect()) == ""


def test_a_play_forgets_nothing_and_blocked_digits_are_gone() -> None:
    ahead = typed("1212")
    ahead.before(SPEAKING)
    ahead.before(BlockDtmf(digits="1"))
    assert taken(ahead, Collect()) == "22"
    ahead = typed("1212")
    ahead.before(BlockDtmf())
    assert taken(ahead, Collect()) == ""


def test_no_more_is_kept_than_an_ivr_may_ask_for() -> None:
    assert taken(typed("1" * TYPED_AHEAD + "2" * 1_000), Collect(maximum=500)) == "1" * TYPED_AHEAD


def press(call: MemoryCall, digits: str) -> None:
    for digit in digits:
        call.tell(DigitPressed(digit=digit))


def collecting(call: MemoryCall) -> str:
    action = call.under_way.action
    assert isinstance(action, Collect)
    return action.typed_ahead


async def test_a_script_gets_what_was_typed_while_it_spoke(tmp_path: Path) -> None:
    body = "await ctx.tts('a'); await ctx.ivr(null, 5, 1, 1); await ctx.tts('b'); await ctx.ivr(null, 5, 4, 4);"
    call = Exchange(main(body), tmp_path).call()
    press(call, "212")
    call.under_way.end()
    assert collecting(call) == "2"
    press(call, "7")  # while it is collected: the driver's
    call.digits(CollectStatus.SUCCESS, "2")
    press(call, "34")
    call.under_way.end()
    assert collecting(call) == "1234"


async def test_a_script_may_not_want_them(tmp_path: Path) -> None:
    body = "await ctx.tts('a'); await ctx.ivr(null, 5, 1, 1, '#', { type_ahead: false });"
    call = Exchange(main(body), tmp_path).call()
    press(call, "21")
    call.under_way.end()
    assert collecting(call) == ""


async def test_what_a_wait_hears_is_not_for_the_next_ivr(tmp_path: Path) -> None:
    body = "const key = ctx.waitFor('#'); await ctx.tts('a'); await key; await ctx.tts('b'); await ctx.ivr(null);"
    call = Exchange(main(body), tmp_path).call()
    press(call, "1#")
    call.under_way.end()
    press(call, "2")
    call.under_way.end()
    assert collecting(call) == "2"


def test_digits_that_came_while_a_wait_looked_at_those_before_are_its_own() -> None:
    answers: list[tuple[int, Any]] = []

    def asks(number: int) -> HostCall:
        return HostCall("digits", [], lambda _, value, _clock: answers.append((number, msgspec.msgpack.decode(value))))

    heard = HeardDigits()
    assert not heard.want(asks(1), fresh=True)
    assert heard.heard("1")
    assert not heard.heard("2"), "kept for an ivr as well, until it is known whose it is"
    assert heard.want(asks(2), fresh=False), "and forgotten there"
    assert answers == [(1, ["1"]), (2, ["2"])]


def test_the_option_is_true_or_false() -> None:
    with pytest.raises(ActionError, match="type_ahead must be true or false"):
        parse(
            "ivr",
            {"options": {"type_ahead": 1}},
            lambda: CustomerFolders(own=Path("/a"), house=Path("/b"), recordings=Path("/c")),
        )
