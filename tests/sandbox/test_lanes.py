"""Slow scripts, full lanes, and workers that come and go between them."""

import asyncio
import mmap
from functools import partial
from pathlib import Path

import msgspec
import pytest

from sandbox.host import HostCall
from sandbox.outcome import (
    LogLine,
    Returned,
    TimedOut,
    TimeLimit,
)
from sandbox.pool import Pool, PoolSettings
from sandbox.process import WorkerProcess, WorkerSettings
from sandbox.program import Invocation, Limits
from sandbox.seating import CROWDED
from tests.sandbox.support import (
    ASKS,
    BUSY,
    FINE,
    HOST_ADAPTER,
    NATIVE_LOOP,
    SUSPENDS,
    WAIT,
    Asked,
    ask,
    begun,
    call,
    fast_pid,
    packed,
    program,
    returned,
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
            assert await value(pool, FINE, number) == number
        assert not slow[-1].done(), "had each waited for one of them, all would be over"
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


def resident(pid: int) -> int:
    """Bytes of memory that a process has."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * mmap.PAGESIZE


async def test_a_run_of_much_memory_leaves_its_worker_as_small_as_it_was() -> None:
    async with running_pool(PoolSettings(workers=1, slow_workers=0, stall_seconds=5)) as pool:
        assert await value(pool, FINE, 1) == 1
        before = fast_pid(pool)
        small = resident(before)
        text = "function main(n) { const a = new Uint8Array(n).fill(1); return a.length; }"
        assert await value(pool, program(text, memory_bytes=300_000_000), 260_000_000, wall_seconds=20) == 260_000_000
        assert await value(pool, FINE, 2) == 2
        assert fast_pid(pool) == before
        assert resident(before) < small + 20_000_000


async def test_however_many_runs_wait_in_a_worker_the_next_one_begins_there() -> None:
    small = WorkerSettings(memory_bytes=100_000_000)
    async with running_pool(PoolSettings(workers=1, slow_workers=0, worker=small)) as pool:
        waiting = [submit(pool, WAIT, 20_000, SUSPENDS, wall_seconds=30)[0] for _ in range(300)]
        await until(lambda: all(run.suspended for run in waiting))
        assert await value(pool, FINE, 1, wall_seconds=5) == 1
        assert pool.state().deaths == {}


async def test_a_reload_breaks_no_run(pool: Pool) -> None:
    first = [submit(pool, BUSY, 2)[1] for _ in range(50)]
    waiting = submit(pool, WAIT, 50, SUSPENDS)[1]
    pool.retain([])
    second = [submit(pool, BUSY, 2)[1] for _ in range(5)]
    pool.retain([program(FINE).key])
    assert all([isinstance((await future).outcome, Returned) for future in (*first, *second, waiting)])
    assert await value(pool, BUSY, 1) == 1


# ---- runs that wait ----

SLOW_THEN_ASKS = """async function main(ms) {
  for (const end = Date.now() + 50; Date.now() < end;);
  return ask(ms);
}"""
SLOW_THEN_WAITS = """async function main(ms) {
  for (const end = Date.now() + 50; Date.now() < end;);
  await new Promise((resolve) => setTimeout(resolve, ms));
  return ms;
}"""


async def test_a_slow_app_that_waits_holds_no_worker() -> None:
    async with running_pool(PoolSettings(workers=1, slow_workers=1)) as pool:
        app = program(SLOW_THEN_ASKS, SUSPENDS, adapter=HOST_ADAPTER)
        while not pool.state().slow_programs:
            await submit(pool, app, host=Asked(HostCall.resolve))[1]
        host = Asked()
        waiting = [submit(pool, app, host=host, wall_seconds=60)[1] for _ in range(10)]
        await until(lambda: len(host.calls) == 10)
        assert not any(one.done() for one in waiting)
        for call in host.calls:
            call.resolve(7)
        assert [(await one).outcome for one in waiting] == [returned(7)] * 10


async def test_an_app_that_waits_for_long_and_then_fails_is_not_slow_for_it(pool: Pool) -> None:
    text = (
        "async function main() { await new Promise((resolve) => setTimeout(resolve, 100)); throw new Error('mine'); }"
    )
    await ask(pool, text, None, SUSPENDS)
    assert pool.state().slow_programs == 0


async def test_an_app_of_many_short_turns_is_not_slow() -> None:
    text = """async function main() {
      for (let turn = 0; turn < 60; turn++) {
        for (const end = Date.now() + 4; Date.now() < end;);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }"""
    async with running_pool(PoolSettings(workers=1, slow_workers=1, stall_seconds=0.05)) as pool:
        assert isinstance((await ask(pool, text, None, SUSPENDS, wall_seconds=10)).outcome, Returned)
        assert pool.state().slow_programs == 0


async def test_what_waits_in_a_held_worker_goes_on_elsewhere(pool: Pool) -> None:
    text = """async function main(ms) {
      console.log("begun");
      await new Promise((resolve) => setTimeout(resolve, ms));
      return ms;
    }"""
    waiting = [submit(pool, program(text, SUSPENDS, key=f"waits {n}"), 300, wall_seconds=2) for n in range(20)]
    for run, _ in waiting:
        await begun(run)
    hostile = submit(pool, NATIVE_LOOP, wall_seconds=3, cpu_seconds=9)[1]
    for _, future in waiting:
        completion = await future
        assert completion.outcome == returned(300)
        assert completion.log == (LogLine("log", "begun"),)
    assert not hostile.done()
    assert (pool.state().resumed, pool.state().begun_again) == (20, 0)


async def test_what_has_asked_its_host_goes_on_elsewhere_while_its_worker_is_held(pool: Pool) -> None:
    host = Asked()
    runs = [submit(pool, ASKS, number, host=host, wall_seconds=60) for number in (1, 2)]
    await until(lambda: len(host.calls) == 2)
    await begun(runs[0][0])
    hostile = submit(pool, NATIVE_LOOP, wall_seconds=2, cpu_seconds=9)[1]
    await until(lambda: pool.state().resumed == 2)
    for asked in host.calls:
        asked.resolve("yes")
    assert [(await future).outcome for _, future in runs] == [returned([1, "yes"]), returned([2, "yes"])]
    assert not hostile.done()
    assert (await hostile).outcome == TimedOut(TimeLimit.WALL)
    assert (host.ends, len(host.calls)) == (2, 2)


async def test_what_waits_goes_on_after_a_turn_that_ends(pool: Pool) -> None:
    host = Asked()
    run, asking = submit(pool, ASKS, 1, host=host, wall_seconds=2)
    await until(lambda: host.calls)
    await begun(run)
    busy = submit(pool, BUSY, 100)[1]
    host.calls[0].resolve(5)
    assert (await asking).outcome == returned([1, 5])
    assert isinstance((await busy).outcome, Returned)


async def test_a_slow_app_is_not_behind_one_that_loops() -> None:
    async with running_pool(PoolSettings(workers=1, slow_workers=1)) as pool:
        app = program(SLOW_THEN_WAITS, SUSPENDS)
        while not pool.state().slow_programs:
            await ask(pool, app, 1)
        loops = [
            submit(pool, program(NATIVE_LOOP, key=f"loop {n % 3}"), wall_seconds=2, cpu_seconds=9)[1] for n in range(9)
        ]
        for _ in range(20):
            assert await value(pool, app, 200, wall_seconds=2) == 200
        assert {(await loop).outcome for loop in loops} == {TimedOut(TimeLimit.WALL)}
        await until(lambda: (pool.state().fast, pool.state().slow, pool.state().spare) == (1, 1, 1))
        assert pool.state().stuck <= 3


async def test_one_scripts_queue_is_not_in_front_of_anothers() -> None:
    async with running_pool(PoolSettings(workers=1, slow_workers=0, stall_seconds=30)) as pool:
        order: list[str] = []
        for key, count in (("many", 200), ("few", 2)):
            for _ in range(count):
                _, future = submit(pool, program(FINE, key=key), 1, wall_seconds=30)
                future.add_done_callback(partial(lambda key, _: order.append(key), key))
        await until(lambda: len(order) == 202)
        assert order.index("few") < 50
        assert [index for index, key in enumerate(order) if key == "few"][1] < 50


# ---- customers ----


def customers(pool: Pool) -> list[set[str]]:
    """For whom each worker has runs."""
    return [set(worker.customers) for worker in workers(pool).values() if worker.customers]


BY_CUSTOMER = PoolSettings(workers=3, by_customer=True, slow_workers=0)
LOOP_IN_CALL = "function main() { new Array(2**32-1).sort(); }"


async def test_each_customer_has_a_worker_for_as_long_as_there_are_enough() -> None:
    async with running_pool(BY_CUSTOMER) as pool:
        assert pool.state().fast == 1
        calls = [call(pool, f"customer {n % 3}") for n in range(12)]
        await until(lambda: all(host.calls for _, host in calls))
        assert sorted(map(len, customers(pool))) == [1, 1, 1]
        assert pool.state().fast == 3
        assert pool.state().shared == 0
        hostile, _ = call(pool, "customer 1", LOOP_IN_CALL)
        assert (await hostile).outcome == TimedOut(TimeLimit.WALL)
        for n, (future, host) in enumerate(calls):
            if n % 3 == 1:
                assert len(host.calls) == 1
            host.calls[0].resolve(n)
            assert (await future).outcome == returned(n)
        assert pool.state().resumed == 4


async def test_more_customers_than_workers_share_but_not_with_one_that_was_harmful() -> None:
    async with running_pool(BY_CUSTOMER) as pool:
        hostile, _ = call(pool, "hostile", LOOP_IN_CALL)
        assert (await hostile).outcome == TimedOut(TimeLimit.WALL)
        calls = [call(pool, f"customer {n}") for n in range(6)]
        await until(lambda: all(host.calls for _, host in calls))
        assert sorted(map(len, customers(pool))) == [2, 2, 2]
        assert pool.state().shared == 3
        again, other = call(pool, "hostile", LOOP_IN_CALL), call(pool, "hostile")
        await until(lambda: {"hostile"} in customers(pool))
        assert pool.state().fast == 4, "one more, for those that were harmful"
        assert (await again[0]).outcome == TimedOut(TimeLimit.WALL)
        # It was sent after the loop and had not begun.
        await until(lambda: other[1].calls)
        for future, host in [*calls, other]:
            host.calls[0].resolve(1)
            assert (await future).outcome == returned(1)


async def test_a_customer_with_many_runs_has_several_workers_and_leaves_some() -> None:
    async with running_pool(msgspec.structs.replace(BY_CUSTOMER, workers=4)) as pool:
        calls = [call(pool, "large") for _ in range(2 * CROWDED + 50)]
        await until(lambda: all(host.calls for _, host in calls), 30)
        assert customers(pool) == [{"large"}] * 2
        small = call(pool, "small")
        await until(lambda: small[1].calls)
        assert {"small"} in customers(pool)


async def test_customers_share_where_no_worker_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_pool(BY_CUSTOMER) as pool:

        async def fails(*_: object) -> None:
            raise OSError("no memory")

        monkeypatch.setattr(WorkerProcess, "start", fails)
        calls = [call(pool, f"customer {n}") for n in range(4)]
        await until(lambda: all(host.calls for _, host in calls))
        assert pool.state().shared > 0


async def test_customers_of_one_script_share_nothing_of_it(pool: Pool) -> None:
    text = """function main() {
      globalThis.seen = [...(globalThis.seen ?? []), Array.prototype.zz ?? 0];
      Array.prototype.zz = 1;
      return seen.length;
    }"""

    async def run(customer: str) -> bytes:
        invocation = Invocation(program=program(text), input=packed(1), limits=Limits(), customer=customer)
        outcome = (await submit(pool, invocation)[1]).outcome
        assert isinstance(outcome, Returned)
        return outcome.value

    assert {await run(f"customer {n}") for n in range(10)} == {packed(1)}


async def test_a_run_leaves_nothing_in_its_worker(pool: Pool) -> None:
    text = "function main() { globalThis.n = (globalThis.n ?? 0) + 1; Array.prototype.zz = n; return n; }"
    for suspends in (False, True):
        assert [await value(pool, program(text, suspends)) for _ in range(5)] == [1] * 5


async def test_a_program_that_nobody_has_seen_return_runs_where_the_fewest_wait() -> None:
    async with running_pool(PoolSettings(workers=2, slow_workers=0)) as pool:
        waits = [
            submit(pool, program(WAIT, SUSPENDS, key=f"waits {n % 2}"), 60_000, wall_seconds=60)[0] for n in range(2)
        ]
        for run in waits:
            await begun(run)
        extra = [submit(pool, program(WAIT, SUSPENDS, key="waits 0"), 60_000, wall_seconds=60)[0] for _ in range(2)]
        for run in extra:
            await begun(run)
        fewest = min(workers(pool).values(), key=lambda worker: (worker.lane != "fast", worker.suspended))
        for number in range(5):
            run, future = submit(pool, program(FINE, key=f"new {number}"), 1)
            assert run.worker is fewest
            assert (await future).outcome == returned(1)


async def test_a_spare_stands_in_for_each_worker_that_is_held() -> None:
    async with running_pool(PoolSettings(workers=2, slow_workers=1)) as pool:
        hostile = submit(pool, NATIVE_LOOP, wall_seconds=1, cpu_seconds=9)[1]
        await until(lambda: (pool.state().fast, pool.state().held) == (3, 1))
        assert (await hostile).outcome == TimedOut(TimeLimit.WALL)
        await until(lambda: (pool.state().fast, pool.state().held, pool.state().spare) == (2, 0, 1))
