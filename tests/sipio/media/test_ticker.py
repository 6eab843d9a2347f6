"""The shared tick: its phases, what it makes up for and what it leaves out, on a clock that the test turns."""

import asyncio
import heapq
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from sipio.media.ticker import Ticker


class Timer:
    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Clock:
    """As much of an event loop as a ticker needs."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waiting: list[tuple[float, int, Timer, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        timer = Timer()
        heapq.heappush(self.waiting, (when, id(timer), timer, callback))
        return timer

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while self.waiting and self.waiting[0][0] <= end:
            when, _, timer, callback = heapq.heappop(self.waiting)
            if not timer.cancelled:
                self.now = max(self.now, when)
                callback()
        self.now = end

    def hold_up(self, seconds: float) -> None:
        """The process is stopped for so long."""
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ticker(clock: Clock) -> Ticker:
    loop: Any = clock
    made: asyncio.AbstractEventLoop = loop
    return Ticker(made)


def test_everybody_ticks_fifty_times_a_second_in_four_phases(clock: Clock, ticker: Ticker) -> None:
    ticks: dict[int, list[float]] = {number: [] for number in range(8)}
    for number in range(8):
        ticker.add(lambda number=number: ticks[number].append(clock.now))  # type: ignore[misc]
    clock.pass_time(1.0001)
    assert {len(times) for times in ticks.values()} == {50}
    first = sorted(times[0] for times in ticks.values())
    assert first == pytest.approx([100.005, 100.005, 100.01, 100.01, 100.015, 100.015, 100.02, 100.02])


def test_nothing_runs_without_anybody(clock: Clock, ticker: Ticker) -> None:
    ticked: list[int] = []

    def tick() -> None:
        ticked.append(1)
        ticker.remove(tick)

    ticker.add(tick)
    clock.pass_time(1.0)
    assert ticked == [1]
    assert all(timer.cancelled for _, _, timer, _ in clock.waiting)
    ticker.add(tick)
    clock.pass_time(1.0)
    assert ticked == [1, 1]


def test_one_that_goes_and_comes_in_a_tick_does_not_double_the_clock(clock: Clock, ticker: Ticker) -> None:
    ticked: list[float] = []

    def tick() -> None:
        ticked.append(clock.now)
        ticker.remove(tick)
        ticker.add(tick)

    ticker.add(tick)
    clock.pass_time(0.5)
    assert len(clock.waiting) == 1
    assert len(ticked) <= 100


@pytest.mark.parametrize(("held_up", "made_up", "skipped"), [(0.08, 4, 0), (1.0, 5, 180)])
def test_a_hold_up_is_made_up_for_so_far(
    held_up: float, made_up: int, skipped: int, clock: Clock, ticker: Ticker
) -> None:
    ticked: list[float] = []
    ticker.add(lambda: ticked.append(clock.now))
    clock.pass_time(0.5001)
    before = len(ticked)
    clock.hold_up(held_up)
    clock.pass_time(0.005)
    assert made_up <= len(ticked) - before <= made_up + 1
    assert ticker.skipped == pytest.approx(skipped, abs=1)
    clock.pass_time(0.5)
    assert len(ticked) == pytest.approx(before + made_up + 25, abs=1)


def test_a_fault_in_one_is_told_and_silences_nobody_else(
    clock: Clock, ticker: Ticker, caplog: pytest.LogCaptureFixture
) -> None:
    ticked: list[int] = []

    def broken() -> None:
        raise ZeroDivisionError

    ticker.add(broken)
    for _ in range(4):
        ticker.add(lambda: ticked.append(1))
    clock.pass_time(0.2001)
    assert len(ticked) == 40
    (told,) = caplog.records
    assert told.getMessage() == "media_tick_failed"
    assert told.exc_info is not None
    assert told.exc_info[0] is ZeroDivisionError


def test_nobody_is_woken_for_a_step_in_which_nobody_ticks(clock: Clock, ticker: Ticker) -> None:
    ticked: list[float] = []
    ticker.add(lambda: ticked.append(clock.now))
    calls = 0
    before, clock.call_at = clock.call_at, lambda when, callback: before(when, counted(callback))  # type: ignore[method-assign]

    def counted(callback: Callable[[], None]) -> Callable[[], None]:
        def call() -> None:
            nonlocal calls
            calls += 1
            callback()

        return call

    clock.pass_time(1.0001)
    assert len(ticked) == 50
    assert calls <= 50


def test_one_that_comes_between_two_ticks_of_another_keeps_its_own_20_ms(clock: Clock, ticker: Ticker) -> None:
    first: list[float] = []
    second: list[float] = []
    ticker.add(lambda: first.append(clock.now))
    clock.pass_time(0.018)
    ticker.add(lambda: second.append(clock.now))
    clock.pass_time(1.0)
    for times in (first, second):
        assert [later - earlier for earlier, later in pairwise(times)] == pytest.approx([0.02] * (len(times) - 1))
    assert second[0] - 100.018 <= 0.02


def test_who_comes_in_a_tick_that_is_late_makes_nobody_tick_before_the_time(clock: Clock, ticker: Ticker) -> None:
    ticks: list[float] = []

    def tick() -> None:
        ticks.append(clock.now)
        if len(ticks) == 2:
            for _ in range(3):
                ticker.add(lambda: None)

    ticker.add(tick)
    clock.pass_time(0.006)
    clock.hold_up(0.049)
    clock.pass_time(0.0)
    # Its steps were due at 5, 25 and 45 ms; the next is at 65.
    assert len(ticks) == 3
    clock.pass_time(0.0099)
    assert len(ticks) == 3
    clock.pass_time(0.001)
    assert ticks[3] == pytest.approx(100.065)
