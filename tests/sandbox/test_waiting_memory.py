"""Memory of runs that wait at the same time: a limit for all of a program's together, or for each."""

import asyncio

import pytest

from sandbox.outcome import Completion, LogLine, OutOfMemory, Returned
from sandbox.program import Invocation, Limits
from tests.sandbox.support import HOST_ADAPTER, Asked, packed, program, running_pool, submit, until

RUNS = 8
HOLDS_A_MEGABYTE = """async function main() {
  const held = "x".repeat(1_000_000);
  await ask();
  return held.length;
}"""


@pytest.mark.parametrize("shared", [True, False])
async def test_the_limit_of_runs_that_wait(shared: bool) -> None:
    limited = program(HOLDS_A_MEGABYTE, True, adapter=HOST_ADAPTER, memory_bytes=5_000_000, shared_memory=shared)
    host = Asked()
    waiting = host.calls
    async with running_pool() as pool, asyncio.timeout(20):
        begun: list[asyncio.Future[Completion]] = []
        for _ in range(RUNS):
            begun.append(submit(pool, limited, suspends=True, host=host)[1])
            await until(lambda: len(waiting) + sum(future.done() for future in begun) == len(begun))
        for call in waiting:
            call.resolve()
        outcomes = [(await future).outcome for future in begun]
        assert all(isinstance(outcome, Returned | OutOfMemory) for outcome in outcomes), outcomes
        returned = sum(isinstance(outcome, Returned) for outcome in outcomes)
        assert returned < RUNS if shared else returned == RUNS


async def test_what_the_engine_takes_is_not_counted_and_one_customers_runs_not_as_anothers() -> None:
    waits = program("const main = () => ask()", True, adapter=HOST_ADAPTER, memory_bytes=5_000_000)
    host = Asked()
    async with running_pool() as pool, asyncio.timeout(20):
        small = [submit(pool, waits, suspends=True, host=host)[1] for _ in range(100)]
        await until(lambda: len(host.calls) == 100)
        limited = program(HOLDS_A_MEGABYTE, True, adapter=HOST_ADAPTER, memory_bytes=5_000_000)
        large = [
            submit(pool, Invocation(program=limited, input=packed(1), limits=Limits(), customer=f"{n}"), host=host)[1]
            for n in range(RUNS)
        ]
        await until(lambda: len(host.calls) == 100 + RUNS)
        for call in host.calls:
            call.resolve()
        assert {type((await future).outcome) for future in (*small, *large)} == {Returned}


async def test_what_a_run_wrote_that_there_was_no_memory_to_wait_for_is_told() -> None:
    text = HOLDS_A_MEGABYTE.replace("{", "{ console.log('here');", 1)
    limited = program(text, True, adapter=HOST_ADAPTER, memory_bytes=1_500_000)
    host = Asked()
    async with running_pool() as pool, asyncio.timeout(20):
        waits = submit(pool, limited, suspends=True, host=host)[1]
        await until(lambda: host.calls)
        full = await submit(pool, limited, suspends=True, host=host)[1]
        assert full.outcome == OutOfMemory()
        assert full.log == (LogLine("log", "here"),)
        assert len(host.calls) == 1, "of a run that broke a bound nothing is asked"
        host.calls[0].resolve()
        assert isinstance((await waits).outcome, Returned)
