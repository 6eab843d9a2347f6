"""Memory of runs that wait at the same time: a limit for all of a program's together, or for each."""

import asyncio
from typing import Any

import pytest

from sandbox.outcome import Completion, OutOfMemory, Returned
from sandbox.pool import Run
from sandbox.program import Kind
from tests.sandbox.support import HOST_ADAPTER, program, running_pool, submit, until

RUNS = 8
HOLDS_A_MEGABYTE = """async function main() {
  const held = "x".repeat(1_000_000);
  await ask();
  return held.length;
}"""


@pytest.mark.parametrize("shared", [True, False])
async def test_the_limit_of_runs_that_wait(shared: bool) -> None:
    limited = program(HOLDS_A_MEGABYTE, Kind.APP, adapter=HOST_ADAPTER, memory_bytes=5_000_000, shared_memory=shared)
    waiting: list[tuple[Run, int]] = []

    def asked(run: Run, call_id: int, _name: str, _arguments: list[Any]) -> None:
        waiting.append((run, call_id))

    async with running_pool() as pool, asyncio.timeout(20):
        begun: list[asyncio.Future[Completion]] = []
        for _ in range(RUNS):
            begun.append(submit(pool, limited, kind=Kind.APP, on_call=asked)[1])
            await until(lambda: len(waiting) + sum(future.done() for future in begun) == len(begun))
        for run, call_id in waiting:
            run.settle(call_id, b"null")
        outcomes = [(await future).outcome for future in begun]
        assert all(isinstance(outcome, Returned | OutOfMemory) for outcome in outcomes), outcomes
        returned = sum(isinstance(outcome, Returned) for outcome in outcomes)
        assert returned < RUNS if shared else returned == RUNS
