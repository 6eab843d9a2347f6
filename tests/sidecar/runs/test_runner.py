"""All pools of one process together: started one by one, told of the catalog together, seen apart."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from sandbox import values
from sandbox.outcome import Completion, Returned
from sandbox.pool import PoolSettings
from sandbox.process import WorkerSettings
from sandbox.program import Invocation, Limits
from sidecar.runs.runner import PoolName, Runner
from tests.sandbox.support import FINE, program

SIZES = PoolSettings(workers=1, slow_workers=0, worker=WorkerSettings(memory_bytes=2_000_000_000))


@pytest.fixture
async def runner() -> AsyncIterator[Runner]:
    runner = Runner(dict.fromkeys(PoolName, SIZES))
    yield runner
    await runner.close()


async def run(runner: Runner, name: PoolName) -> Completion:
    ended: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
    invocation = Invocation(program=program(FINE), input=values.encode({}), limits=Limits())
    runner.pool(name).submit(invocation, ended.set_result)
    return await ended


async def test_a_pool_that_was_not_started_has_no_state_and_no_workers(runner: Runner) -> None:
    await runner.start(PoolName.DECISIONS)
    assert list(runner.states()) == [PoolName.DECISIONS]
    assert runner.states()[PoolName.DECISIONS].fast == 1
    assert isinstance((await run(runner, PoolName.DECISIONS)).outcome, Returned)


async def test_each_pool_runs_what_it_is_given(runner: Runner) -> None:
    for name in PoolName:
        await runner.start(name)
        assert isinstance((await run(runner, name)).outcome, Returned)
    assert list(runner.states()) == list(PoolName)


async def test_a_program_that_was_forgotten_is_run_all_the_same(runner: Runner) -> None:
    await runner.start(PoolName.CALLS)
    for _ in range(2):
        assert isinstance((await run(runner, PoolName.CALLS)).outcome, Returned)
        runner.retain([])
