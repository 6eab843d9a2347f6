"""Pools have more workers while there is more to do, and fewer again, with no run lost."""

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from sandbox.growth import LOOK_SECONDS, Growth
from sandbox.outcome import Returned
from sandbox.pool import PoolSettings
from tests.sandbox.support import BUSY, FINE, SUSPENDS, WAIT, running_pool, submit, until, value

IDLE = 10.0


def looked(one: Growth, workers: int, loads: Sequence[float]) -> list[int]:
    """How many workers there were after each look, where so many are asked for at once."""
    found = []
    for number, load in enumerate(loads):
        workers += one.look(workers, min(workers, round(load)), number * LOOK_SECONDS)
        found.append(workers)
    return found


def test_one_more_is_started_before_the_last_one_is_taken() -> None:
    assert looked(Growth(4, 8, IDLE), 4, [3] * 50)[-1] == 4
    assert looked(Growth(2, 8, IDLE), 2, [2] * 50)[-1] == 3, "one is left over, and will do"
    assert looked(Growth(1, 8, IDLE), 1, [100] * 100)[-1] == 8
    assert looked(Growth(1, 8, IDLE), 1, [100] * 7)[-1] > 1, "within a second"


def test_a_burst_that_is_over_at_once_starts_nothing() -> None:
    assert set(looked(Growth(2, 8, IDLE), 2, [8, 8, 0, 0, 0, 0, 0, 0, 0, 0] * 20)) == {2}


def test_one_too_many_is_stopped_after_a_while_and_one_that_is_needed_stays() -> None:
    one = Growth(1, 8, IDLE)
    workers = looked(one, 1, [100] * 100)[-1]
    for number in range(2_000):
        before = workers
        workers += one.look(workers, 0, 100 + number * LOOK_SECONDS)
        assert before - workers in (0, 1)
        if number * LOOK_SECONDS < IDLE:
            assert workers == 8
    assert workers == 1
    assert looked(Growth(1, 8, IDLE), 2, [1] * 5_000)[-1] == 2


@given(st.lists(st.integers(0, 20), max_size=300), st.integers(1, 5), st.integers(0, 5))
def test_whatever_comes_there_are_no_fewer_than_the_least_and_no_more_than_the_most(
    loads: list[int], least: int, more: int
) -> None:
    for workers in looked(Growth(least, least + more, 0.5), least, loads):
        assert least <= workers <= least + more


SETTINGS = PoolSettings(workers=1, most_workers=3, idle_seconds=0.3, slow_workers=0, stall_seconds=60.0)


async def test_a_pool_grows_with_its_load_and_shrinks_again_and_no_run_is_lost() -> None:
    async with running_pool(SETTINGS) as pool:
        assert pool.state().fast == 1
        # One that waits for longer than all that is done: its worker leaves once it is over.
        futures = [submit(pool, WAIT, 1_500, suspends=SUSPENDS)[1] for _ in range(12)]
        number = 0
        async with asyncio.timeout(60):
            while pool.state().fast < 3:
                futures += [submit(pool, f"{BUSY}// {number + one}", 30)[1] for one in range(6)]
                number += 6
                await futures[-1]
        assert pool.state().grown == 2
        await until(lambda: pool.state().fast == 1)
        assert pool.state().shrunk == 2
        for future in futures:
            assert isinstance((await future).outcome, Returned)
        assert await value(pool, FINE, 7) == 7
        assert pool.state().deaths == {}


async def test_a_pool_of_one_size_looks_at_nothing() -> None:
    async with running_pool(PoolSettings(workers=1)) as pool:
        assert await value(pool, FINE, 7) == 7
        assert pool._growth_timer is None


async def test_a_pool_that_rests_is_not_looked_at() -> None:
    async with running_pool(SETTINGS) as pool:
        assert await value(pool, FINE, 7) == 7
        await until(lambda: pool._growth_timer is None)
