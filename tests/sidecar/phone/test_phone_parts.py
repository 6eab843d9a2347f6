"""The phone's parts by themselves: the words of a scenario, what was expected, the clock."""

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.cli.expectations import unmet
from sidecar.phone.clock import Clock, SkippingLoop
from sidecar.phone.keys import HangUp, KeysError, Party, PartyAction, Press, Step, Wait, in_words, read_keys
from sidecar.phone.transcript import Line

STEPS: st.SearchStrategy[Step] = st.one_of(
    st.builds(Press, st.sampled_from("0123456789*#ABCD"), ahead=st.booleans()),
    st.integers(0, 1000).map(lambda tenths: Wait(tenths / 10)),
    st.sampled_from(PartyAction).map(Party),
    st.just(HangUp()),
)


def test_a_scenario_in_words() -> None:
    assert read_keys(" 1*,ahead 2a,wait 2 ,, WAIT 0.5s,Busy,hangup") == [
        Press("1"),
        Press("*"),
        Press("2", ahead=True),
        Press("A", ahead=True),
        Wait(2.0),
        Wait(0.5),
        Party(PartyAction.BUSY),
        HangUp(),
    ]


@given(st.lists(STEPS, max_size=8))
def test_what_is_written_is_read(steps: list[Step]) -> None:
    assert read_keys(",".join(in_words(step) for step in steps)) == steps


@given(st.text(max_size=20))
def test_anything_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(KeysError):
        assert all(in_words(step) for step in read_keys(text))


@given(st.lists(st.text("ab ", min_size=1, max_size=3), max_size=4), st.lists(st.text("ab", max_size=6), max_size=5))
def test_expectations_are_met_in_order_and_only_then(expected: list[str], heard: list[str]) -> None:
    position, met = 0, True
    text = "\n".join(heard)
    for one in expected:
        found = text.find(" ".join(one.split()), position)
        met = met and found >= 0
        position = found + len(" ".join(one.split()))
        if not met:
            break
    assert (unmet(expected, heard, seen="heard", all_lines="what the script did") == "") == met


def test_nothing_heard_at_all() -> None:
    assert (
        unmet(["x"], [], seen="heard", all_lines="what the script did")
        == "--expect: 'x' was not heard\n  missing  x\nwhat the script did:\n  (nothing)\n"
    )


def test_lines_show_no_control_characters() -> None:
    assert str(Line(1.0, "script", "says", "a\x1b[2Jb\nc")) == "     1.0  script  says a\\x1b[2Jb\\nc"


def test_the_clock_skips_and_keeps_the_order() -> None:
    order: list[str] = []

    async def run() -> float:
        loop = asyncio.get_running_loop()
        clock = Clock(skips=True)
        changed = asyncio.Event()
        clock.call_later(3600, lambda: order.append("hour"))
        clock.call_later(60, lambda: order.append("never")).cancel()
        loop.call_later(1800, order.append, "another's")
        assert clock.waits
        await clock.advance(changed)
        assert not clock.waits
        return clock.now

    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        assert runner.run(run()) == pytest.approx(3600, abs=1)
    assert order == ["another's", "hour"]
