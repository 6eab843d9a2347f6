"""Collecting digits, with time as an argument."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipio.call_control import Collect, CollectStatus, Digits, Media, MediaText
from sipio.digit_entry import BadPattern
from sipio.media.collector import Collected, CollectStep, DigitCollector, PlayPrompt, StopPrompt

PROMPT: list[Media] = [MediaText("enter")]
INVALID: list[Media] = [MediaText("wrong")]


def result(steps: list[CollectStep]) -> Digits | None:
    return next((step.digits for step in steps if isinstance(step, Collected)), None)


def enter(collector: DigitCollector, digits: str, now: float = 0.0) -> Digits | None:
    steps: list[CollectStep] = []
    for digit in digits:
        steps = collector.digit(digit, now)
    return result(steps)


def test_a_terminator_ends_the_input() -> None:
    collector = DigitCollector(Collect(prompt=PROMPT))
    assert collector.start(0.0) == [PlayPrompt(PROMPT)]
    assert collector.deadline is None
    assert collector.digit("1", 1.0) == [StopPrompt()]
    assert collector.deadline == 6.0
    assert collector.digit("2", 2.0) == []
    assert collector.deadline == 7.0
    assert enter(collector, "#") == Digits(status=CollectStatus.SUCCESS, value="12", terminator="#")
    assert collector.deadline is None
    assert collector.digit("3", 3.0) == []


def test_the_maximum_ends_the_input_at_once() -> None:
    collector = DigitCollector(Collect(maximum=4, terminators=""))
    collector.start(0.0)
    assert enter(collector, "12#4") == Digits(status=CollectStatus.SUCCESS, value="12#4")


def test_time_runs_from_the_prompts_end_and_from_each_digit() -> None:
    collector = DigitCollector(Collect(prompt=PROMPT, minimum=2, timeout_seconds=3))
    collector.start(0.0)
    assert collector.timer(100.0) == []
    assert collector.prompt_finished(100.0) == []
    assert collector.deadline == 103.0
    assert collector.timer(102.9) == []
    collector.digit("1", 102.9)
    assert collector.timer(103.0) == []
    assert result(collector.timer(105.9)) == Digits(status=CollectStatus.TIMEOUT, value="1")


def test_enough_digits_and_then_silence_are_a_success() -> None:
    collector = DigitCollector(Collect(minimum=2))
    collector.start(0.0)
    enter(collector, "123", 1.0)
    assert result(collector.timer(6.0)) == Digits(status=CollectStatus.SUCCESS, value="123")


@pytest.mark.parametrize("minimum", [0, 1, 3])
def test_nothing_entered_is_a_timeout(minimum: int) -> None:
    collector = DigitCollector(Collect(minimum=minimum))
    collector.start(0.0)
    assert result(collector.timer(5.0)) == Digits(status=CollectStatus.TIMEOUT)


def test_a_bare_terminator_is_a_success_where_nothing_is_needed_and_else_a_failure() -> None:
    for minimum, status in ((0, CollectStatus.SUCCESS), (1, CollectStatus.FAILURE)):
        collector = DigitCollector(Collect(minimum=minimum))
        collector.start(0.0)
        assert enter(collector, "#") == Digits(status=status, terminator="#")


def test_each_further_try_begins_with_the_invalid_prompt() -> None:
    collector = DigitCollector(Collect(prompt=PROMPT, invalid_prompt=INVALID, tries=3, pattern="[1-3]", maximum=1))
    collector.start(0.0)
    assert collector.digit("9", 1.0) == [StopPrompt(), PlayPrompt([*INVALID, *PROMPT])]
    collector.prompt_finished(2.0)
    assert collector.timer(7.0) == [PlayPrompt([*INVALID, *PROMPT])]
    assert collector.digit("2", 8.0) == [
        StopPrompt(),
        Collected(Digits(status=CollectStatus.SUCCESS, value="2")),
    ]


def test_the_last_try_says_how_it_failed() -> None:
    collector = DigitCollector(Collect(tries=2, pattern="12", maximum=2))
    collector.start(0.0)
    assert enter(collector, "13") is None
    assert enter(collector, "44") == Digits(status=CollectStatus.FAILURE, value="44")


def test_the_pattern_is_for_the_whole_input() -> None:
    for digits, status in (("1234", CollectStatus.SUCCESS), ("12345", CollectStatus.FAILURE)):
        collector = DigitCollector(Collect(pattern=r"\d{4}|\*\d+"))
        collector.start(0.0)
        outcome = enter(collector, digits + "#")
        assert outcome is not None
        assert outcome.status is status


@pytest.mark.parametrize("pattern", ["(", "[", "(?=1)", r"(1)\1", "1" * 2_000, "(1{1000}){1000}"])
def test_patterns_that_are_not_understood(pattern: str) -> None:
    with pytest.raises(BadPattern):
        DigitCollector(Collect(pattern=pattern))


def test_a_pattern_cannot_hold_anybody_up() -> None:
    collector = DigitCollector(Collect(pattern=r"(\d+)+x", maximum=500))
    collector.start(0.0)
    outcome = enter(collector, "1" * 400 + "#")
    assert outcome is not None
    assert outcome.status is CollectStatus.FAILURE


ACTIONS = st.builds(
    Collect,
    prompt=st.sampled_from([[], PROMPT]),
    invalid_prompt=st.sampled_from([[], INVALID]),
    timeout_seconds=st.sampled_from([0.0, 2.0, 5.0]),
    minimum=st.integers(-1, 4),
    maximum=st.integers(-1, 6),
    terminators=st.sampled_from(["", "#", "*#"]),
    tries=st.integers(0, 3),
    pattern=st.sampled_from(["", "[1-4]+", "12?"]),
)
MOVES = st.lists(st.one_of(st.sampled_from([*"0123456789*#ABCD", "prompt", "timer", "long"])), max_size=40)


@given(ACTIONS, MOVES)
def test_it_ends_once_within_its_tries_and_a_success_is_valid(action: Collect, moves: list[str]) -> None:
    collector = DigitCollector(action)
    now, prompts, results = 0.0, 0, list[Digits]()

    def take(steps: list[CollectStep]) -> None:
        nonlocal prompts
        for step in steps:
            if isinstance(step, PlayPrompt):
                prompts += 1
            if isinstance(step, Collected):
                results.append(step.digits)

    take(collector.start(now))
    for move in moves:
        now += 3.0 if move == "long" else 0.5
        if move == "prompt":
            take(collector.prompt_finished(now))
        elif move in {"timer", "long"}:
            take(collector.timer(now))
        else:
            take(collector.digit(move, now))
    # Left alone it comes to its end.
    for _ in range(10):
        now += 10.0
        take(collector.prompt_finished(now))
        take(collector.timer(now))
    assert len(results) == 1
    assert prompts <= max(action.tries, 1)
    digits = results[0]
    assert len(digits.value) <= max(action.maximum, action.minimum, 1)
    assert not set(digits.value) & set(action.terminators)
    if digits.status is CollectStatus.SUCCESS:
        assert len(digits.value) >= action.minimum


def test_what_was_typed_ahead_takes_the_prompts_place() -> None:
    collector = DigitCollector(Collect(prompt=PROMPT, maximum=4, timeout_seconds=3, typed_ahead="12"))
    assert collector.start(1.0) == []
    assert collector.deadline == 4.0
    assert enter(collector, "34") == Digits(status=CollectStatus.SUCCESS, value="1234")
    enough = DigitCollector(Collect(prompt=PROMPT, typed_ahead="1#"))
    assert result(enough.start(0.0)) == Digits(status=CollectStatus.SUCCESS, value="1", terminator="#")
    assert enough.deadline is None
    wrong = DigitCollector(
        Collect(prompt=PROMPT, invalid_prompt=INVALID, pattern="1", maximum=1, tries=2, typed_ahead="9")
    )
    assert wrong.start(0.0) == [PlayPrompt([*INVALID, *PROMPT])], "from the second try on the caller is told"
