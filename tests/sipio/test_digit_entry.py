"""Digits of one Collect, try by try."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipio.call_control import Collect, CollectStatus, Digits
from sipio.digit_entry import AGAIN, Again, DigitEntry
from sipio.errors import LocalError


def enter(collector: DigitEntry, digits: str) -> Digits | Again | None:
    for digit in digits:
        verdict = collector.digit(digit)
        if verdict is not None:
            return verdict
    return None


def test_a_terminator_ends_the_input_and_is_no_part_of_it() -> None:
    assert enter(DigitEntry(Collect()), "12*#") == Digits(status=CollectStatus.SUCCESS, value="12*", terminator="#")


def test_the_maximum_ends_the_input() -> None:
    assert enter(DigitEntry(Collect(maximum=2)), "123") == Digits(status=CollectStatus.SUCCESS, value="12")


def test_time_over_with_enough_is_success() -> None:
    collector = DigitEntry(Collect(minimum=2))
    assert enter(collector, "12") is None
    assert collector.expired() == Digits(status=CollectStatus.SUCCESS, value="12")


@pytest.mark.parametrize(("entered", "minimum"), [("", 0), ("", 1), ("1", 2)])
def test_nothing_or_too_little_in_time_is_a_timeout(entered: str, minimum: int) -> None:
    collector = DigitEntry(Collect(minimum=minimum))
    enter(collector, entered)
    assert collector.expired() == Digits(status=CollectStatus.TIMEOUT, value=entered)


def test_the_whole_input_must_match() -> None:
    # FreeSWITCH's own would find 42 anywhere in it, and say success where it does not.
    collect = Collect(pattern="42", tries=2)
    collector = DigitEntry(collect)
    assert enter(collector, "1425#") is AGAIN
    assert enter(collector, "7#") == Digits(status=CollectStatus.FAILURE, value="7", terminator="#")


def test_each_try_begins_anew() -> None:
    collector = DigitEntry(Collect(minimum=2, maximum=2, tries=3))
    enter(collector, "1")
    assert collector.expired() is AGAIN
    assert enter(collector, "3#") is AGAIN
    assert enter(collector, "45") == Digits(status=CollectStatus.SUCCESS, value="45")


def test_a_pattern_that_is_none_is_said_so() -> None:
    with pytest.raises(LocalError, match="pattern"):
        DigitEntry(Collect(pattern="("))


@given(
    st.text("0123456789*#", max_size=30),
    st.integers(0, 5),
    st.integers(1, 6),
    st.sampled_from(["", "#", "*#"]),
    st.integers(1, 3),
)
def test_it_always_ends_within_its_bounds(keys: str, minimum: int, maximum: int, terminators: str, tries: int) -> None:
    collector = DigitEntry(Collect(minimum=minimum, maximum=maximum, terminators=terminators, tries=tries))
    used = 0
    verdict: Digits | Again | None = None
    for key in keys:
        verdict = collector.digit(key)
        used += verdict is AGAIN
        if isinstance(verdict, Digits):
            break
    while not isinstance(verdict, Digits):
        verdict = collector.expired()
        used += verdict is AGAIN
    assert used < tries
    assert len(verdict.value) <= max(maximum, minimum)
    if verdict.status is CollectStatus.SUCCESS:
        assert len(verdict.value) >= minimum


def test_a_pattern_that_python_would_never_finish() -> None:
    entry = DigitEntry(Collect(pattern="(1*)*2", maximum=128))
    assert enter(entry, "1" * 127 + "3") == Digits(status=CollectStatus.FAILURE, value="1" * 127 + "3")


def test_what_was_typed_ahead_counts_as_pressed() -> None:
    assert DigitEntry(Collect()).begin() is None
    success = Digits(status=CollectStatus.SUCCESS, value="12", terminator="#")
    assert DigitEntry(Collect(typed_ahead="12#")).begin() == success
    begun = DigitEntry(Collect(typed_ahead="1"))
    assert begun.begin() is None
    assert enter(begun, "2#") == success
    assert DigitEntry(Collect(typed_ahead="9", pattern="1", maximum=1, tries=2)).begin() is AGAIN
