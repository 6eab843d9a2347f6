"""A daemon that is stopped, or held by something else, and goes on: no worker is to blame for what it waited meanwhile.

The process of these tests is the daemon: it sleeps where that one would be stopped.
"""

import time

import pytest

from sandbox.pool import Pool
from tests.sandbox.support import FINE, returned, running, submit, until, value, workers

LONG = "function main(n) { const end = Date.now() + 50; while (Date.now() < end); return 'y'.repeat(n); }"
LONG_BYTES = 8_000_000


@pytest.mark.parametrize("chunk", [1, 3, 8])
async def test_a_worker_that_waits_for_its_result_to_be_read_lives(pool: Pool, chunk: int) -> None:
    run, future = submit(pool, LONG, LONG_BYTES, wall_seconds=1, cpu_seconds=1, result_bytes=LONG_BYTES + 100)
    pid = await running(pool, run)
    process = workers(pool)[pid].process
    await until(lambda: workers(pool)[pid].seen.running == run.id)
    read, chunks = process.data_received, 0

    def reads(data: bytes) -> None:
        nonlocal chunks
        chunks += 1
        read(data)
        if chunks == chunk:
            time.sleep(2.6)  # past the wall limit twice and half a second

    process.data_received = reads
    await future
    await until(lambda: not run.worker or run.id not in run.worker.outstanding)
    assert (await submit(pool, FINE, 1)[1]).outcome == returned(1)
    assert workers(pool)[pid].process is process
    assert pool.state().deaths == {}


async def test_a_worker_that_could_not_be_sent_its_run_lives(pool: Pool) -> None:
    for _ in range(3):
        assert await value(pool, FINE, 1) == 1
    worker = next(worker for worker in workers(pool).values() if worker.lane == "fast")
    # A worker that is idle is not looked at.
    pool._supervisor.watch._tick()
    assert worker.seen.begun == worker.process.begun
    _, future = submit(pool, FINE, 7, wall_seconds=20)
    time.sleep(2.2)  # noqa: ASYNC251 - past STOPPED_SECONDS; it is what is tested
    pool._supervisor.watch._tick()
    assert (await future).outcome == returned(7)
    assert pool.state().deaths == {}
