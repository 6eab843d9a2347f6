"""Slow scripts, full lanes, and workers that come and go between them."""

import asyncio
import resource
import time
from functools import partial

from sandbox.outcome import (
    Returned,
    TimedOut,
    TimeLimit,
)
from sandbox.pool import Pool, PoolSettings
from sandbox.process import WorkerSettings
from tests.sandbox.support import (
    BUSY,
    FINE,
    NATIVE_LOOP,
    SUSPENDS,
    WAIT,
    ask,
    fast_pid,
    program,
    running_pool,
    submit,
    until,
    value,
    workers,
)


async def test_a_slow_script_delays_only_scripts_like_it() -> None:
    async with running_pool(PoolSettings(workers=1, slow_workers=1)) as pool:
        assert await value(pool, BUSY, 80) == 80
        assert pool.state().slow_programs == 1
        slow = [submit(pool, BUSY, 100)[1] for _ in range(5)]
        for number in range(20):
            began = time.monotonic()
            assert await value(pool, FINE, number) == number
            assert time.monotonic() - began < 0.09
        assert not slow[-1].done()
        assert all([isinstance((await future).outcome, Returned) for future in slow])


async def test_slow_scripts_take_turns() -> None:
    async with running_pool(PoolSettings(workers=1, slow_workers=1)) as pool:
        one, two = program(BUSY, key="one"), program(BUSY, key="two")
        # On a busy machine a run of so long has not always had the processor time that makes it slow.
        while pool.state().slow_programs < 2:
            await asyncio.gather(ask(pool, one, 60), ask(pool, two, 60))
        order: list[str] = []
        futures = []
        for each in (one, one, one, two, two, two):
            _, future = submit(pool, each, 20, wall_seconds=5)
            future.add_done_callback(partial(lambda key, _: order.append(key), each.key))
            futures.append(future)
        await asyncio.gather(*futures)
        # The first of them was sent before there was another to choose.
        assert order[1:5] in (["one", "two"] * 2, ["two", "one"] * 2)


async def test_hostile_scripts_on_every_fast_worker() -> None:
    async with running_pool(PoolSettings(workers=2, slow_workers=1)) as pool:
        hostile = [
            submit(pool, program(NATIVE_LOOP, key=f"hostile {n}"), wall_seconds=0.5, cpu_seconds=9)[1] for n in range(8)
        ]
        for number in range(100):
            assert await value(pool, program(FINE, key=f"fine {number % 10}"), number, wall_seconds=2) == number
        assert {(await future).outcome for future in hostile} == {TimedOut(TimeLimit.WALL)}

        def whole() -> bool:
            state = pool.state()
            return (state.fast, state.slow, state.spare, state.held) == (2, 1, 1, 0)

        await until(whole)
        assert pool.state().moved > 0


async def test_without_a_slow_lane() -> None:
    async with running_pool(PoolSettings(workers=1, slow_workers=0)) as pool:
        hostile = submit(pool, NATIVE_LOOP, wall_seconds=0.3)[1]
        assert await value(pool, FINE, 1) == 1
        assert (await hostile).outcome == TimedOut(TimeLimit.WALL)
        assert pool.state().slow_programs == 0


async def test_a_worker_that_has_grown_is_replaced_in_peace() -> None:
    # A worker's peak begins at that of the process that started it, which other tests have grown.
    size = 260_000_000 + resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    worker = WorkerSettings(memory_bytes=size + 140_000_000, warm_contexts=20)
    async with running_pool(PoolSettings(workers=1, slow_workers=0, worker=worker, stall_seconds=5)) as pool:
        before = fast_pid(pool)
        text = "function main(n) { const a = new Uint8Array(n).fill(1); return a.length; }"
        sizes = [submit(pool, program(text, memory_bytes=size + 90_000_000), size)[1]]
        sizes += [submit(pool, FINE, number)[1] for number in range(50)]
        assert all([isinstance((await future).outcome, Returned) for future in sizes])
        await until(lambda: before not in workers(pool))
        assert pool.state().deaths == {}
        await until(lambda: pool.state().spare == 1)


async def test_a_reload_breaks_no_run(pool: Pool) -> None:
    first = [submit(pool, BUSY, 2)[1] for _ in range(50)]
    waiting = submit(pool, WAIT, 50, SUSPENDS)[1]
    pool.retain([])
    second = [submit(pool, BUSY, 2)[1] for _ in range(5)]
    pool.retain([program(FINE).key])
    assert all([isinstance((await future).outcome, Returned) for future in (*first, *second, waiting)])
    assert await value(pool, BUSY, 1) == 1
