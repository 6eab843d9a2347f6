"""Due times from text and zone, above all where clocks change."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sidecar.schedules.errors import WrongTimetable
from sidecar.schedules.timetable import MICROS, Timetable, cron_of

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Havana",  # clocks change at midnight
    "Australia/Lord_Howe",  # by half an hour
    "Pacific/Apia",  # once left a day out
    "Africa/Casablanca",
)


def micros(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * MICROS


def due(cron: str, zone: str, after: str, number: int) -> list[str]:
    times = islice(Timetable(cron=cron, zone=zone).after(micros(after)), number)
    return [datetime.fromtimestamp(one // MICROS, UTC).strftime("%m-%d %H:%M") for one in times]


def test_a_nightly_report_is_due_by_the_clocks_of_its_zone() -> None:
    assert due("5 2 * * *", "Europe/Berlin", "2026-12-01", 1) == ["12-01 01:05"]
    assert due("5 2 * * *", "Europe/Berlin", "2026-07-01", 1) == ["07-01 00:05"]


def test_a_time_that_does_not_exist_is_due_once_right_after_the_change() -> None:
    assert due("5 2 * * *", "Europe/Berlin", "2027-03-27T12:00", 2) == ["03-28 01:00", "03-29 00:05"]
    assert due("5,35 2 * * *", "Europe/Berlin", "2027-03-27T12:00", 2) == ["03-28 01:00", "03-29 00:05"]


def test_a_time_that_there_is_twice_is_due_once() -> None:
    assert due("5 2 * * *", "Europe/Berlin", "2026-10-24T12:00", 2) == ["10-25 00:05", "10-26 01:05"]
    # Asked between the two.
    assert due("5 2 * * *", "Europe/Berlin", "2026-10-25T00:30", 1) == ["10-26 01:05"]
    assert due("45 2 * * *", "Europe/Berlin", "2026-10-25T01:30", 1) == ["10-26 01:45"]


def test_what_is_due_every_hour_goes_on_by_the_time_that_passes() -> None:
    around = ["10-24 23:30", "10-25 00:30", "10-25 01:30", "10-25 02:30"]
    assert due("30 * * * *", "Europe/Berlin", "2026-10-24T23:00", 4) == around
    assert due("30 * * * *", "Europe/Berlin", "2027-03-27T23:59", 3) == ["03-28 00:30", "03-28 01:30", "03-28 02:30"]


def test_either_sort_of_day_is_due() -> None:
    text = cron_of(minutes=[30, 0], hours=[9], days_of_month=[1], days_of_week=[1])
    assert text == "0,30 9 1 * 1"
    assert due(text, "UTC", "2026-11-28", 5) == [
        "11-30 09:00",
        "11-30 09:30",
        "12-01 09:00",
        "12-01 09:30",
        "12-07 09:00",
    ]


def test_words_are_cron_text_too() -> None:
    assert due("@daily", "UTC", "2026-11-28T12:00", 1) == ["11-29 00:00"]
    assert due(" @Hourly ", "UTC", "2026-11-28T12:00", 1) == ["11-28 13:00"]
    assert due("0 6 * JAN MON-FRI", "UTC", "2026-11-28T12:00", 1) == ["01-01 06:00"]


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("", "expected 5 fields"),
        ("* * * *", "expected 5 fields"),
        ("* * * * * *", "expected 5 fields"),
        ("60 * * * *", "bad minute"),
        ("0 24 * * *", "bad hour"),
        ("0 0 0 * *", "bad day-of-month"),
        ("0 0 31 2 *", "bad day-of-month"),
        ("0 0 * 13 *", "bad month"),
        ("0 0 * * 8", "bad day-of-week"),
        ("a b c d e", "bad minute"),
        ("*/0 * * * *", "bad minute"),
        ("9-5 * * * *", "bad minute"),
        ("\u0664 * * * *", "bad minute"),
        ("1," * 200 + "1 * * * *", "expected 5 fields"),
    ],
)
def test_what_is_no_cron_text_is_refused(cron: str, said: str) -> None:
    with pytest.raises(WrongTimetable, match=said):
        Timetable(cron=cron)


@pytest.mark.parametrize(
    "zone", ["", "Europe", "Nowhere/Land", "../etc/passwd", "/etc/passwd", "x" * 100, "a\0b", "CEST"]
)
def test_what_is_no_zone_is_refused(zone: str) -> None:
    with pytest.raises(WrongTimetable, match="there is no time zone"):
        Timetable(cron="@daily", zone=zone)


def test_a_choice_needs_a_minute() -> None:
    with pytest.raises(WrongTimetable, match="minutes"):
        cron_of(minutes=[], hours=[1])


def test_the_least_interval_is_of_the_next_due_times() -> None:
    assert Timetable(cron="0,5 * * * *").least_interval(0) == 300 * MICROS
    assert Timetable(cron="* * * * *").least_interval(0) == 60 * MICROS


def numbers(lowest: int, highest: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(lowest, highest), max_size=3)


@st.composite
def timetables(draw: st.DrawFn) -> Timetable:
    cron = cron_of(
        minutes=draw(st.lists(st.integers(0, 59), min_size=1, max_size=3)),
        hours=draw(numbers(0, 23)),
        days_of_month=draw(numbers(1, 28)),
        days_of_week=draw(numbers(0, 7)),
    )
    return Timetable(cron=cron, zone=draw(st.sampled_from(ZONES)))


moments = st.integers(micros("2011-12-01") // MICROS, micros("2030-01-01") // MICROS).map(lambda one: one * MICROS)


@given(timetables(), moments)
def test_due_times_are_later_and_later_and_the_same_from_wherever_one_asks(timetable: Timetable, moment: int) -> None:
    times = list(islice(timetable.after(moment), 8))
    assert len(times) == 8
    assert times[0] > moment
    assert all(early < late for early, late in pairwise(times))
    for number, time in enumerate(times):
        assert list(islice(timetable.after(time), 7 - number)) == times[number + 1 :]
        assert list(islice(timetable.after(time - MICROS), 8 - number)) == times[number:]


@given(timetables(), moments)
def test_a_due_time_is_what_the_clock_says_or_right_after_a_change(timetable: Timetable, moment: int) -> None:
    minutes, hours = (set(field.split(",")) for field in timetable.cron.split()[:2])
    zone = ZoneInfo(timetable.zone)
    for time in islice(timetable.after(moment), 8):
        clock = datetime.fromtimestamp(time // MICROS, zone)
        is_named = str(clock.minute) in minutes and (hours == {"*"} or str(clock.hour) in hours)
        before = clock.astimezone(UTC) - timedelta(minutes=1)
        follows_a_change = before.astimezone(zone).utcoffset() != clock.utcoffset()
        assert is_named or follows_a_change
        assert clock.second == 0


@example(Timetable(cron="0 * * * *"), 2011, "Pacific/Apia")
@given(timetables(), st.integers(2011, 2029), st.sampled_from(ZONES[1:]))
def test_a_fixed_time_is_due_once_a_day_whatever_clocks_do(timetable: Timetable, year: int, zone: str) -> None:
    minute = timetable.cron.split()[0].split(",")[0]
    daily = Timetable(cron=f"{minute} 2 * * *", zone=zone)
    begin = int(datetime(year, 1, 1, 12, tzinfo=UTC).timestamp()) * MICROS
    days = [datetime.fromtimestamp(one // MICROS, ZoneInfo(zone)).date() for one in islice(daily.after(begin), 364)]
    apart = [(late - early).days for early, late in pairwise(days)]
    if zone == "Pacific/Apia" and year == 2011:
        # There was no 30 December: what was due then is due as the 31st begins, or not at all.
        assert set(apart) <= {0, 1, 2}
        assert len([number for number in apart if number != 1]) <= 2
    else:
        assert set(apart) == {1}


@given(timetables(), moments, st.integers(0, 400 * 86_400), st.integers(0, 20))
def test_the_last_due_times_are_those_that_one_would_count_to(
    timetable: Timetable, moment: int, seconds: int, number: int
) -> None:
    since = moment - seconds * MICROS
    counted = []
    for time in timetable.after(since):
        if time > moment:
            break
        counted.append(time)
    assert list(timetable.until(moment, number, since)) == (counted[-number:] if number else [])
