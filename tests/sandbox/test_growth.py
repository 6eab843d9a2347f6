"""Pools have more workers while there is more to do, and fewer again, with no run lost."""

import asyncio
import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.growth import LOOK_SECONDS, Growth
from sandbox.host import HostCall
from sandbox.lanes import FAST_WINDOW
from sandbox.outcome import Completion, Returned
from sandbox.pool import Pool, PoolSettings
from sandbox.pooled_worker import Lane
from sandbox.seating import CROWDED
from tests.sandbox.support import (
    ASKS,
    BUSY,
    FINE,
    HOST_ADAPTER,
    SUSPENDS,
    WAIT,
    Asked,
    call,
    program,
    returned,
    running_pool,
    submit,
    until,
    value,
    workers,
)

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
    assert all(least <= found <= least + more for found in looked(Growth(least, least + more, 0.5), least, loads))


SETTINGS = PoolSettings(workers=1, most_workers=3, idle_seconds=0.3, slow_workers=0, stall_seconds=60.0)


async def test_a_pool_grows_with_its_load_and_shrinks_again_and_no_run_is_lost() -> None:
    async with running_pool(SETTINGS) as pool:
        assert pool.state().fast == 1
        # One that waits for longer than all that is done: its worker leaves once it is over.
        futures = [submit(pool, WAIT, 1_500, suspends=SUSPENDS, wall_seconds=60)[1] for _ in range(12)]
        number = 0
        async with asyncio.timeout(60):
            while pool.state().fast < 3:
                futures += [submit(pool, f"{BUSY}// {number + one}", 30, wall_seconds=60)[1] for one in range(6)]
                number += 6
                await futures[-1]
        assert pool.state().grown == 2
        await until(lambda: pool.state().fast == 1)
        assert pool.state().shrunk == 2
        for future in futures:
            assert isinstance((await future).outcome, Returned)
        assert await value(pool, FINE, 7) == 7
        assert pool.state().deaths == {}


async def test_a_worker_that_leaves_waits_for_none_of_the_runs_that_wait_in_it() -> None:
    async with running_pool(PoolSettings(workers=2, slow_workers=0, stall_seconds=60.0)) as pool:
        asked = [Asked() for _ in range(8)]
        runs = [submit(pool, ASKS, one, host=host, wall_seconds=60) for one, host in enumerate(asked)]
        timers = [submit(pool, WAIT, 2_000, suspends=SUSPENDS, wall_seconds=60) for _ in range(8)]
        await until(lambda: all(one.calls for one in asked) and all(run.suspended for run, _ in timers))
        leaving = next(worker for worker in pool._lanes.fast() if worker.slot == 1)
        waiting = [run for run, _ in [*runs, *timers] if run.worker is leaving]
        assert waiting
        pool._lanes.remove_place()
        # Answered while it is on its way: it goes on where it comes to.
        asked[0].calls[0].resolve("early")
        await until(lambda: leaving not in workers(pool).values())
        assert not any(run.answered for run, _ in timers), "none of them was waited for"
        for one in asked[1:]:
            one.calls[0].resolve("late")
        for number, (_, future) in enumerate(runs):
            assert (await future).outcome == returned([number, "late" if number else "early"])
        for _, future in timers:
            assert isinstance((await future).outcome, Returned)
        assert pool.state().resumed == len(waiting)
        assert pool.state().deaths == {}


async def test_a_run_that_is_in_a_turn_moves_once_it_waits() -> None:
    async with running_pool(PoolSettings(workers=2, slow_workers=0, stall_seconds=60.0)) as pool:
        text = "const main = (ms) => { const end = Date.now() + ms; while (Date.now() < end); return ask(ms) }"
        busy = program(text, SUSPENDS, adapter=HOST_ADAPTER)
        asked = [Asked() for _ in range(4)]
        runs = [submit(pool, busy, 200, host=host, wall_seconds=60) for host in asked]
        leaving = next(worker for worker in pool._lanes.fast() if worker.slot == 1)
        await until(lambda: leaving.process.running)
        pool._lanes.remove_place()
        await until(lambda: all(one.calls for one in asked))
        await until(lambda: leaving not in workers(pool).values())
        for one in asked:
            one.calls[0].resolve(1)
        for _, future in runs:
            assert (await future).outcome == returned(1)
        assert pool.state().deaths == {}


async def test_workers_come_and_go_at_random_and_each_run_gives_what_it_would_have_given() -> None:
    rng = random.Random(4)  # noqa: S311 - repeatable
    text = """async function main(n) {
      let sum = n;
      for (let i = 0; i < 6; i++) { sum += await ask(i); await new Promise((go) => setTimeout(go, n % 7)); }
      return sum;
    }"""
    waits = program(text, SUSPENDS, adapter=HOST_ADAPTER)
    asked: list[HostCall] = []
    futures: list[asyncio.Future[Completion]] = []
    async with running_pool(PoolSettings(workers=3, slow_workers=0, stall_seconds=60.0)) as pool:
        seating = pool._lanes.seating
        for _ in range(60):
            for _ in range(rng.randint(1, 4)):
                number = len(futures)
                futures.append(submit(pool, waits, number, host=Asked(asked.append), wall_seconds=60)[1])
            await until(lambda: asked)
            if rng.random() < 0.3 and seating.places > 1 and not seating.has_empty:
                pool._lanes.remove_place()
            elif rng.random() < 0.3 and seating.places < 5:
                pool._lanes.add_place()
            rng.shuffle(asked)
            for _ in range(min(len(asked), rng.randint(0, 10))):
                asked.pop().resolve(1)
        async with asyncio.timeout(60):
            while not all(future.done() for future in futures):
                while asked:
                    asked.pop().resolve(1)
                await asyncio.sleep(0.001)
        assert [future.result().outcome for future in futures] == [returned(one + 6) for one in range(len(futures))]
        assert pool.state().resumed > 0
        assert pool.state().deaths == {}


async def test_a_pool_of_one_size_looks_at_nothing() -> None:
    async with running_pool(PoolSettings(workers=1)) as pool:
        assert await value(pool, FINE, 7) == 7
        assert pool._growth_timer is None


async def test_a_pool_that_rests_is_not_looked_at() -> None:
    async with running_pool(SETTINGS) as pool:
        assert await value(pool, FINE, 7) == 7
        await until(lambda: pool._growth_timer is None)


def queued(pool: Pool) -> int:
    """Runs that have not been sent to a fast worker yet."""
    return sum(worker.waiting.count for worker in pool._lanes.fast())


async def test_a_worker_that_comes_has_its_share_of_what_waits() -> None:
    async with running_pool(PoolSettings(workers=1, most_workers=2, slow_workers=0, stall_seconds=60.0)) as pool:
        assert await value(pool, FINE, 7) == 7
        futures = [submit(pool, FINE, number)[1] for number in range(1_000)]
        before = queued(pool)
        pool._lanes.add_place()
        one, two = pool._lanes.fast()
        assert one.waiting.count == pytest.approx(before / 2, abs=FAST_WINDOW)
        assert two.active == FAST_WINDOW
        assert queued(pool) == before - FAST_WINDOW
        assert [(await future).outcome for future in futures] == [returned(number) for number in range(1_000)]


# ---- a worker for each customer ----

BY_CUSTOMER = PoolSettings(workers=6, by_customer=True, idle_seconds=0.3, slow_workers=0)


async def test_workers_of_customers_that_are_gone_are_stopped_and_those_of_the_others_stay() -> None:
    async with running_pool(BY_CUSTOMER) as pool:
        calls = [call(pool, f"customer {number}") for number in range(5)]
        await until(lambda: all(host.calls for _, host in calls))
        assert (pool.state().fast, pool.state().grown) == (5, 4)
        for future, host in calls[1:]:
            host.calls[0].resolve(1)
            assert (await future).outcome == returned(1)
        # The one that is left is the first, whose place others take when theirs are gone.
        await until(lambda: pool.state().fast == 2)
        assert pool.state().shrunk == 3
        stays = next(worker for worker in pool._lanes.fast() if worker.customers)
        others = [call(pool, f"customer {number}") for number in range(5)]
        await until(lambda: all(host.calls for _, host in others))
        assert (pool.state().fast, pool.state().shared) == (5, 0)
        assert stays in pool._lanes.fast()
        for future, host in [calls[0], *others]:
            host.calls[0].resolve(2)
            assert (await future).outcome == returned(2)
        await until(lambda: pool.state().fast == 1)
        await until(lambda: pool._growth_timer is None)
        assert pool.state().deaths == {}


async def test_a_customer_that_needs_fewer_workers_has_fewer_and_no_call_is_lost() -> None:
    async with running_pool(BY_CUSTOMER) as pool:
        calls = [call(pool, "large") for _ in range(2 * CROWDED + 50)]
        await until(lambda: all(host.calls for _, host in calls))
        assert pool.state().fast == 3
        # Ten in each.
        left = [one for number, one in enumerate(calls) if number % CROWDED < 10]
        for number, (future, host) in enumerate(calls):
            if number % CROWDED >= 10:
                host.calls[0].resolve(1)
                assert (await future).outcome == returned(1)
        await until(lambda: pool.state().fast == 2)
        # Its calls have not ended: they go on in the others.
        await until(lambda: not any(worker.lane is Lane.LEAVING for worker in workers(pool).values()))
        assert pool.state().resumed == 10
        new = call(pool, "large")
        await until(lambda: new[1].calls)
        for future, host in [*left, new]:
            host.calls[0].resolve(3)
            assert (await future).outcome == returned(3)
        assert pool.state().deaths == {}


async def test_nobody_is_taken_a_worker_whose_customer_has_no_other() -> None:
    async with running_pool(BY_CUSTOMER) as pool:
        calls = [call(pool, f"customer {number}") for number in range(3)]
        await until(lambda: all(host.calls for _, host in calls))
        before = pool._lanes.fast()
        pool._lanes.remove_place()
        assert pool._lanes.fast() == before
        assert pool.state().shrunk == 0
