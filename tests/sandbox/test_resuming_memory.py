"""The memory of runs that wait, and what a worker says of it that may be a script's: neither ends another run."""

import math
import os
import threading
from collections.abc import AsyncIterator, Callable
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import link, messages_up
from sandbox.image_file import ImageFile
from sandbox.outcome import Crashed, OutOfMemory
from sandbox.pool import Pool, PoolSettings
from sandbox.process import WorkerSettings
from sandbox.suspension import Suspension, WaitingState
from tests.sandbox.support import (
    ASKS,
    Asked,
    begun,
    packed,
    returned,
    running_pool,
    submit,
    until,
)
from tests.sandbox.waiting_runs import ONE, asks, killed, moved


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    async with running_pool(ONE) as made:
        yield made


async def test_the_memory_of_those_that_wait_together_holds_for_moved_ones() -> None:
    text = """async function main(n) {
      globalThis.held = new Uint8Array(n).fill(7); await ask(1);
      globalThis.more = new Uint8Array(n).fill(8); await ask(2); return held[1] + more[1];
    }"""
    async with running_pool(ONE) as pool:
        host = Asked()
        held = asks(text, memory_bytes=4_000_000)
        runs = [submit(pool, held, 1_000_000, host=host, wall_seconds=60) for _ in range(3)]
        await until(lambda: len(host.calls) == 3)
        for run, _ in runs:
            await begun(run)
        await moved(runs[0][0], killed)
        await until(lambda: pool.state().resumed == 3)
        host.calls[0].resolve()
        assert (await runs[0][1]).outcome == OutOfMemory() if runs[0][0].answered else True
        host.calls[1].resolve()
        host.calls[2].resolve()
        await until(lambda: sum(future.done() for _, future in runs) >= 2 or len(host.calls) == 4)
        outcomes = [future.result().outcome for _, future in runs if future.done()]
        assert OutOfMemory() in outcomes


async def test_a_store_that_is_full_ends_the_run_that_finds_it_so() -> None:
    text = """async function main(n) {
      await ask(0); globalThis.held = new Uint8Array(n).fill(7); return held[0] + await ask(1);
    }"""
    async with running_pool(
        PoolSettings(workers=1, slow_workers=0, stall_seconds=30, worker=WorkerSettings(memory_bytes=200_000_000))
    ) as pool:
        host = Asked()
        large = asks(text, shared_memory=False)
        runs = [submit(pool, large, 60_000_000, host=host, wall_seconds=60) for _ in range(4)]
        await until(lambda: len(host.calls) == 4)
        for call in list(host.calls):
            call.resolve()
        await until(lambda: len(host.calls) - 4 + sum(future.done() for _, future in runs) == 4)
        assert len(host.calls) == 6, "160 MB may wait"
        assert {future.result().outcome for _, future in runs if future.done()} == {OutOfMemory()}
        assert pool.state().deaths == {}
        for call in host.calls[4:]:
            call.resolve(1)
        assert [(await future).outcome for _, future in runs].count(returned(8)) == 2


FORGED: Final[list[Callable[[WaitingState], bytes]]] = [
    lambda state: state._replace(offset=2**64 - 1).packed(),
    lambda state: state._replace(offset=2**63).packed(),
    lambda state: state._replace(offset=2**40).packed(),
    lambda state: state._replace(offset=state.offset + 256).packed(),
    lambda state: state._replace(size=0).packed(),
    lambda state: state._replace(size=2**64 - 1).packed(),
    lambda state: state._replace(size=10**9).packed(),
    lambda state: state._replace(size=100).packed(),
    lambda state: state._replace(number=0).packed(),
    lambda state: state._replace(number=2**64 - 1).packed(),
    lambda state: state.packed()[:-1],
    lambda state: state.packed() + b"x",
    lambda _: b"",
    lambda _: bytes(100_000),
]


@pytest.mark.parametrize("forged", FORGED)
async def test_a_place_that_is_none_ends_its_run_alone(pool: Pool, forged: Callable[[WaitingState], bytes]) -> None:
    host = Asked()
    runs = [submit(pool, ASKS, number, host=host, wall_seconds=60) for number in range(2)]
    await until(lambda: len(host.calls) == 2)
    for run, _ in runs:
        await begun(run)
    run, other = runs[0][0], runs[1][0]
    assert run.worker is not None
    assert run.suspension is not None
    known = run.suspension.state()
    assert known is not None
    run.worker.process.data_received(packed(messages_up.calls(run.id, link.NO_CALLS, None, 0, forged(known))))
    await moved(other, killed)
    for call in host.calls:
        call.resolve("x")
    assert isinstance((await runs[0][1]).outcome, Crashed)
    assert (await runs[1][1]).outcome == returned([1, "x"])


@given(
    st.lists(
        st.tuples(st.floats(), st.floats(), st.floats(), st.none() | st.floats(), st.integers(-(2**63), 2**64 - 1))
    )
)
def test_numbers_that_a_worker_tells_are_held_to_what_can_be(
    said: list[tuple[float, float, float, float | None, int]],
) -> None:
    suspension = Suspension(origin=1, generation=1, clock=0.0, cpu_seconds=2.0, submitted=100.0)
    suspension.answers.extend((number, True, b"\xc0", None) for number in range(3))
    left, settled = 2.0, 0
    for started, waited, cpu_left, due, taken in said:
        told = WaitingState(0, 256, 1, started, waited, cpu_left, due)
        suspension.note(taken, told.packed(), None, 110.0)
        state = suspension.state()
        assert state is not None
        assert 100.0 <= state.started <= 110.0
        assert 0.0 <= state.waited <= 10.0
        assert 0.0 <= state.cpu_left <= left
        assert state.due is None or not math.isnan(state.due)
        assert settled <= suspension.settled == 3 - len(suspension.answers)
        left, settled = state.cpu_left, suspension.settled


def test_an_image_file_keeps_its_size_and_reads_no_further() -> None:
    file = ImageFile(8192)
    with pytest.raises(PermissionError):
        os.ftruncate(file.descriptor, 4096)
    with pytest.raises(PermissionError):
        os.ftruncate(file.descriptor, 10_000)
    os.pwrite(file.descriptor, b"abc", 8189)
    assert file.read(8189, 3, 100) == b"abc"
    for offset, size in ((8190, 3), (-1, 3), (0, 0), (0, -1), (2**64, 1), (0, 101), (8192, 1)):
        assert file.read(offset, size, 100) is None
    descriptor = file.descriptor
    del file
    for thread in threading.enumerate():
        if thread.name == "closing-images":
            thread.join()
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(descriptor)
