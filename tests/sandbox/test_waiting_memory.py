"""Memory of runs that wait at the same time: a limit for all of a program's together, or for each."""

import asyncio

import pytest

from sandbox.outcome import Completion, OutOfMemory, Returned
from tests.sandbox.support import HOST_ADAPTER, Asked, program, running_pool, submit, until

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
