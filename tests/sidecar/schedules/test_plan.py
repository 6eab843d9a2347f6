"""What is made of due times that have come: once, all, none."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from sidecar.schedules.plan import COUNTED, Missed, Turn, turn
from sidecar.schedules.timetable import MICROS, Timetable

NIGHTLY = Timetable(cron="5 2 * * *", zone="Europe/Berlin")
OFTEN = Timetable(cron="*/10 * * * *")


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * MICROS


def test_what_is_on_time_runs_whatever_becomes_of_missed_ones() -> None:
    due = at("2026-12-01T01:05")
    for missed in Missed:
        found = turn(NIGHTLY, missed, 5, due, due + 30 * MICROS)
        assert found == Turn(run=due, missed=0, next=at("2026-12-02T01:05"), was_missed=False)


def test_off_over_one_due_time_is_made_up_for_once() -> None:
    due = at("2026-12-01T01:05")
    found = turn(NIGHTLY, Missed.ONCE, 1, due, at("2026-12-01T05:00"))
    assert found == Turn(run=due, missed=0, next=at("2026-12-02T01:05"), was_missed=True)


def test_one_run_makes_up_for_all_with_the_last_due_time() -> None:
    found = turn(OFTEN, Missed.ONCE, 1, at("2026-12-01T00:10"), at("2026-12-01T01:04"))
    assert found == Turn(run=at("2026-12-01T01:00"), missed=5, next=at("2026-12-01T01:10"), was_missed=True)


def test_each_is_made_up_for_in_its_order_the_last_ones_of_too_many() -> None:
    now = at("2026-12-01T01:04")
    found = turn(OFTEN, Missed.ALL, 3, at("2026-12-01T00:10"), now)
    runs = [found.run]
    assert found.missed == 3
    while found.next is not None and found.next <= now:
        found = turn(OFTEN, Missed.ALL, 3, found.next, now)
        assert found.missed == 0
        runs.append(found.run)
    assert runs == [at(f"2026-12-01T{clock}") for clock in ("00:40", "00:50", "01:00")]
    assert found.next == at("2026-12-01T01:10")


def test_none_is_made_up_for() -> None:
    found = turn(OFTEN, Missed.NONE, 1, at("2026-12-01T00:10"), at("2026-12-01T01:04"))
    assert found == Turn(run=None, missed=6, next=at("2026-12-01T01:10"))
    on_time = turn(OFTEN, Missed.NONE, 1, at("2026-12-01T00:10"), at("2026-12-01T01:00") + MICROS)
    assert (on_time.run, on_time.missed) == (at("2026-12-01T01:00"), 5)


def test_a_year_of_minutes_is_counted_to_a_thousand() -> None:
    minutes = Timetable(cron="* * * * *")
    now = at("2026-12-01T01:04")
    found = turn(minutes, Missed.ONCE, 1, at("2025-12-01T00:00"), now)
    assert (found.run, found.missed, found.next) == (now, COUNTED, now + 60 * MICROS)


def test_a_due_time_of_a_text_that_has_changed_runs_all_the_same() -> None:
    due = at("2026-12-01T00:07")
    found = turn(OFTEN, Missed.ONCE, 1, due, due + MICROS)
    assert (found.run, found.next) == (due, at("2026-12-01T00:10"))


@given(st.sampled_from(Missed), st.integers(1, 20), st.integers(0, 3_000), st.integers(0, 3_600))
def test_each_due_time_is_run_or_missed_once_and_what_is_next_is_later(
    missed: Missed, most: int, minutes: int, later: int
) -> None:
    timetable = Timetable(cron="*/7 * * * *", zone="Europe/Berlin")
    due = next(timetable.after(at("2026-10-24T20:00")))
    now = due + (minutes * 60 + later) * MICROS
    passed = list(timetable.until(now, COUNTED, due - 1))
    runs, left_out, following = [], 0, due
    while following is not None and following <= now:
        found = turn(timetable, missed, most, following, now)
        assert found.next is None or found.next > following
        runs += [] if found.run is None else [found.run]
        left_out += found.missed
        following = found.next if found.next is not None else now + 1
    assert len(runs) + left_out == len(passed)
    assert runs == sorted(set(runs) & set(passed))
    assert len(runs) <= {Missed.ONCE: 1, Missed.ALL: most, Missed.NONE: 1}[missed]
