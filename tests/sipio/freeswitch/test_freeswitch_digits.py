"""Digits collected and blocked: Class 5 calls against the double, through memory."""

from sipio.call_control import (
    BlockDtmf,
    Collect,
    CollectStatus,
    DigitPressed,
    Digits,
    Done,
)
from tests.sipio.freeswitch.freeswitch_line import ONE, TWO, Line


def test_a_digit_ends_the_prompt() -> None:
    line = Line()
    collect = line.perform(Collect(prompt=[TWO], maximum=4, timeout_seconds=2))
    line.run(0.5)
    for digit in "12":
        line.freeswitch.press(digit)
        line.pump()
    assert "api uuid_break a-uuid-1" in line.freeswitch.sent
    line.run(1.9)
    assert collect.result is None
    line.run(0.2)
    assert collect.result == Done(Digits(status=CollectStatus.SUCCESS, value="12"))
    assert [event for event in line.events if isinstance(event, DigitPressed)] == [
        DigitPressed(digit="1", duration_ms=160),
        DigitPressed(digit="2", duration_ms=160),
    ]


def test_what_was_typed_ahead_takes_the_prompts_place() -> None:
    line = Line()
    enough = line.perform(Collect(prompt=[TWO], maximum=2, typed_ahead="12"))
    assert enough.result == Done(Digits(status=CollectStatus.SUCCESS, value="12"))
    more = line.perform(Collect(prompt=[TWO], maximum=3, timeout_seconds=1, typed_ahead="12"))
    line.run(0.5)
    assert more.result is None
    line.freeswitch.press("3")
    line.pump()
    assert more.result == Done(Digits(status=CollectStatus.SUCCESS, value="123"))
    late = line.perform(Collect(prompt=[TWO], minimum=3, timeout_seconds=1, typed_ahead="12"))
    line.run(1.1)
    assert late.result == Done(Digits(status=CollectStatus.TIMEOUT, value="12"))
    assert line.applications == []
    line.perform(Collect(prompt=[TWO], invalid_prompt=[ONE], pattern="1", maximum=1, tries=2, typed_ahead="9"))
    line.run(0.1)
    assert line.applications == ["playback /s/one.wav"]


def test_the_time_runs_from_the_prompts_end() -> None:
    line = Line()
    collect = line.perform(Collect(prompt=[TWO], timeout_seconds=1))
    line.run(2.9)
    assert collect.result is None
    line.run(0.2)
    assert collect.result == Done(Digits(status=CollectStatus.TIMEOUT))


def test_each_further_try_says_what_was_wrong_first() -> None:
    line = Line()
    collect = line.perform(Collect(prompt=[ONE], invalid_prompt=[TWO], tries=2, pattern="[1-3]", maximum=1))
    line.run(0.2)
    line.freeswitch.press("9")
    line.run(3.2)
    line.freeswitch.press("8")
    line.pump()
    assert collect.result == Done(Digits(status=CollectStatus.FAILURE, value="8"))
    assert line.applications == ["playback /s/one.wav", "playback /s/two.wav", "playback /s/one.wav"]


def test_blocked_digits_are_not_heard() -> None:
    line = Line()
    assert line.perform(BlockDtmf(digits="12")).result == Done()
    line.freeswitch.press("1")
    line.freeswitch.press("3")
    line.pump()
    assert line.events == [DigitPressed(digit="3", duration_ms=160)]
    assert line.perform(BlockDtmf()).result == Done()
    line.freeswitch.press("3")
    line.pump()
    assert len(line.events) == 1
    assert line.applications == ["block_dtmf"]
