"""Each limit of a run has an outcome of its own, and the log is cut."""

import asyncio
import time

import pytest

from sandbox.outcome import (
    Bound,
    Exceeded,
    LogLine,
    OutOfMemory,
    Returned,
    Threw,
    TimedOut,
    TimeLimit,
)
from sandbox.pool import Pool
from tests.sandbox.random_runs import HOST_ADAPTER as TELLING_ADAPTER
from tests.sandbox.support import (
    FINE,
    HOST_ADAPTER,
    HOSTILE,
    SUSPENDS,
    WAIT,
    Asked,
    Driven,
    ask,
    program,
    returned,
    submit,
    value,
)
from tests.sandbox.test_hostile import SWALLOWING_LOOPS


async def test_processor_time(pool: Pool) -> None:
    assert (await ask(pool, HOSTILE, cpu_seconds=0.05)).outcome == TimedOut(TimeLimit.CPU)


@pytest.mark.parametrize(
    "made",
    [
        "for (let n = 0; n < 200_000; n++) one = Object.create(one);return new Array(900).fill(one);",
        "for (let n = 0; n < 200_000; n++) one = Object.create(one);return Object.setPrototypeOf(new Array(900), one);",
        "for (let n = 0; n < 200_000; n++) one = new Proxy(one, {});"
        "return new Array(900).fill(new Proxy(one, { get: (target, key) => (key === 'length' ? 0 : undefined) }));",
    ],
)
def test_processor_time_of_a_result_that_is_slow_to_look_at(made: str) -> None:
    assert Driven(f"function main() {{ let one = []; {made} }}").start(cpu=0.5)[0] == "T"


@pytest.mark.parametrize("limit", [0.01, 0.02, 0.03, 0.05, 0.08])
@pytest.mark.parametrize("body", SWALLOWING_LOOPS)
def test_processor_time_of_a_loop_that_swallows_each_interrupt(body: str, limit: float) -> None:
    driven = Driven(f"async function main() {{ {body} }}", SUSPENDS, adapter=HOST_ADAPTER)
    began = time.process_time()
    assert driven.start(cpu=limit)[0] == "T"
    assert time.process_time() - began < limit + 1
    assert Driven.start(driven, cpu=limit)[0] == "T", "and the next run is one like it"


def test_what_a_rejection_says_ends_where_the_memory_is_full() -> None:
    text = """function main() {
      const full = { get message() { const all = []; for (;;) all.push({}); } };
      for (let n = 0; n < 9; n++) Promise.reject(Object.setPrototypeOf(full, Error.prototype));
      return 1;
    }"""
    driven = Driven(text, SUSPENDS, adapter=TELLING_ADAPTER, memory_bytes=1_000_000)
    for _ in range(20):
        assert driven.start() == "R01"
        driven.context.take_unheard()


async def test_wall_time_of_a_run_that_is_busy(pool: Pool) -> None:
    assert (await ask(pool, HOSTILE, cpu_seconds=9, wall_seconds=0.1)).outcome == TimedOut(TimeLimit.WALL)


async def test_wall_time_of_a_run_that_waits(pool: Pool) -> None:
    assert (await ask(pool, WAIT, 5000, SUSPENDS, wall_seconds=0.1)).outcome == TimedOut(TimeLimit.WALL)


async def test_memory(pool: Pool) -> None:
    hungry = program("function main() { const a = []; for (;;) a.push(new Array(1000)); }", memory_bytes=5_000_000)
    assert (await ask(pool, hungry)).outcome == OutOfMemory()


async def test_the_size_of_the_result(pool: Pool) -> None:
    big = "const main = () => 'x'.repeat(2000)"
    assert (await ask(pool, big, result_bytes=1000)).outcome == Exceeded(Bound.RESULT)
    assert isinstance((await ask(pool, big)).outcome, Returned)


async def test_promise_reactions_in_one_turn(pool: Pool) -> None:
    chain = "async function main() { for (;;) await null; }"
    assert (await ask(pool, chain, None, SUSPENDS, jobs=1000)).outcome == Exceeded(Bound.JOBS)


@pytest.mark.parametrize(
    "loop",
    [
        "for (;;) new Promise(() => { for (let n = 0; n < 1e5; n++); });",
        "const f = async () => { for (;;); }; for (;;) f();",
        "const f = async () => { for (;;) f.last = new Promise(() => { for (;;); }); }; for (;;) f();",
    ],
)
async def test_a_loop_that_swallows_the_interrupt_is_ended_without_its_worker(pool: Pool, loop: str) -> None:
    text = f"async function main() {{ console.log('here'); {loop} }}"
    completion = await ask(pool, text, None, SUSPENDS, cpu_seconds=0.05)
    assert completion.outcome == TimedOut(TimeLimit.CPU)
    assert completion.log == (LogLine("log", "here"),)
    assert await value(pool, FINE, 1) == 1
    assert pool.state().deaths == {}


@pytest.mark.parametrize("loop", ["for (;;) ask(1);", "for (;;) { try { ask({ toJSON: () => ask(1) }); } catch {} }"])
async def test_host_calls_without_end_are_ended_at_the_first_past_the_bound(pool: Pool, loop: str) -> None:
    asks = program(f"async function main() {{ console.log('here'); {loop} }}", SUSPENDS, adapter=HOST_ADAPTER)
    host = Asked()
    completion = await submit(pool, asks, host=host)[1]
    assert completion.outcome == Exceeded(Bound.OUTBOX)
    assert completion.log == (LogLine("log", "here"),)
    assert host.calls == [], "of a run that broke a bound nothing is asked"
    assert completion.run_micros < 1_000_000
    assert await value(pool, FINE, 1) == 1
    assert pool.state().deaths == {}


async def test_host_calls_in_one_turn(pool: Pool) -> None:
    asks = program("async function main() { for (let n = 0; n < 5; n++) ask(1); }", SUSPENDS, adapter=HOST_ADAPTER)
    assert (await ask(pool, asks, outbox_calls=3)).outcome == Exceeded(Bound.OUTBOX)


async def test_values_of_a_host_call_count_beside_their_bytes(pool: Pool) -> None:
    lists = "async function main(n) { await ask(Array(n).fill([])); return n; }"
    asks = program(lists, SUSPENDS, adapter=HOST_ADAPTER)
    host = Asked(lambda call: call.resolve(None))
    assert (await submit(pool, asks, 10_000, host=host)[1]).outcome == returned(10_000)
    assert (await ask(pool, asks, 100_000)).outcome == Exceeded(Bound.OUTBOX), "100 kB, of which the host makes 6 MB"


async def test_console_output_is_cut_and_ends_nothing(pool: Pool) -> None:
    completion = await ask(pool, "function main() { console.log('a'); console.warn('xxxx'); throw 1; }", log_bytes=35)
    assert isinstance(completion.outcome, Threw)
    assert completion.log[:2] == (LogLine("log", "a"), LogLine("warn", "xx"))
    assert completion.log[2].text.endswith("is cut]")


async def test_processor_time_is_that_of_all_turns_together(pool: Pool) -> None:
    text = """async function main() {
      for (;;) {
        const end = Date.now() + 20;
        while (Date.now() < end);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }"""
    assert (await ask(pool, text, None, SUSPENDS, cpu_seconds=0.1, wall_seconds=5)).outcome == TimedOut(TimeLimit.CPU)


async def test_the_memory_of_runs_that_wait_is_the_scripts(pool: Pool) -> None:
    text = """async function main(n) {
      const held = new Array(n).fill(0).map((_, index) => ({ index }));
      await new Promise((resolve) => setTimeout(resolve, 300));
      return held.length;
    }"""
    heavy = program(text, SUSPENDS, memory_bytes=12_000_000)
    futures = [submit(pool, heavy, 30_000)[1] for _ in range(12)]
    outcomes = [completion.outcome for completion in await asyncio.gather(*futures)]
    assert OutOfMemory() in outcomes
    assert returned(30000) in outcomes


async def test_the_log_of_a_run_that_ran_out_of_time_is_kept(pool: Pool) -> None:
    completion = await ask(pool, "async function main() { console.log('here'); await null; }", None, SUSPENDS)
    assert [line.text for line in completion.log] == ["here"]
    text = "const main = () => { console.log('here'); return new Promise((r) => setTimeout(r, 9000)); }"
    completion = await ask(pool, text, None, SUSPENDS, wall_seconds=0.2)
    assert [line.text for line in completion.log] == ["here"]
