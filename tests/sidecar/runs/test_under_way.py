"""How what is under way comes to its end with the process."""

import asyncio

from sidecar.runs.under_way import UnderWay


class Noted:
    """Something under way that ends when it is told to, where it is so minded."""

    def __init__(self, under_way: "UnderWay[Noted]", name: str, *, ends: bool = True) -> None:
        self.under_way = under_way
        self.name = name
        self.ends = ends
        self.cancelled = 0
        under_way.begin(name, self)

    def cancel(self) -> None:
        self.cancelled += 1
        if self.ends:
            self.end()

    def end(self) -> None:
        self.under_way.end(self.name, self)


async def test_what_ends_in_time_is_not_cancelled() -> None:
    runs: UnderWay[Noted] = UnderWay(1.0)
    run = Noted(runs, "a")
    draining = asyncio.create_task(runs.drain(60.0))
    await asyncio.sleep(0)
    assert not draining.done()
    run.end()
    assert await draining
    assert run.cancelled == 0


async def test_what_does_not_is_cancelled_and_waited_for() -> None:
    runs: UnderWay[Noted] = UnderWay(60.0)
    run = Noted(runs, "a")
    assert await runs.drain(60.0)
    assert run.cancelled == 1


async def test_what_is_left_then_is_told() -> None:
    runs: UnderWay[Noted] = UnderWay(0.01)
    stubborn, quick = Noted(runs, "a", ends=False), Noted(runs, "b")
    assert not await runs.drain(0.0)
    assert list(runs) == [stubborn]
    assert (stubborn.cancelled, quick.cancelled) == (1, 1)


async def test_nothing_under_way_takes_no_time() -> None:
    assert await UnderWay[Noted](0.0).drain(0.0)


async def test_one_that_ended_late_does_not_end_the_next_one_of_its_name() -> None:
    runs: UnderWay[Noted] = UnderWay(1.0)
    before = Noted(runs, "a")
    after = Noted(runs, "a")
    before.end()
    assert (len(runs), runs.get("a")) == (1, after)
    after.end()
    assert len(runs) == 0
