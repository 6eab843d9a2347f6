"""Which worker a run goes on in whose own one is gone or held, and what becomes of it where that one is as well."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable

import pytest

from sandbox.outcome import Cancelled, Crashed, TimedOut, TimeLimit
from sandbox.pool import Pool, PoolSettings
from sandbox.pooled_worker import PooledWorker
from sandbox.process import WorkerProcess
from sandbox.resuming import SLICE_BYTES
from sandbox.run import Run
from sandbox.shared_page import TURNS
from sandbox.suspension import Suspension
from tests.sandbox.support import (
    ASKS,
    BUSY,
    NATIVE_LOOP,
    SUSPENDS,
    WAIT,
    Asked,
    begun,
    program,
    returned,
    running_pool,
    submit,
    until,
    value,
    workers,
)
from tests.sandbox.waiting_runs import ONE, asks, at_once, crashed, killed, killed_between_turns, moved

LARGE = asks("async function main(n) { const a = 'x'.repeat(3000000) + n; await ask(n); return a.length; }")


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    async with running_pool(ONE) as made:
        yield made


async def test_a_moved_run_can_be_cancelled_and_has_its_deadline(pool: Pool) -> None:
    host = Asked()
    runs = [submit(pool, ASKS, number, host=host, wall_seconds=20 if number else 1.5) for number in range(2)]
    await until(lambda: len(host.calls) == 2)
    await moved(runs[0][0], killed)
    await begun(runs[1][0])
    runs[1][0].cancel()
    assert (await runs[0][1]).outcome == TimedOut(TimeLimit.WALL)
    await until(lambda: not any(worker.outstanding for worker in workers(pool).values()))
    assert await value(pool, "const main = (n) => n", 3) == 3


async def test_processor_time_used_before_counts_after(pool: Pool) -> None:
    text = """async function main(ms) {
      for (let i = 0; ; i++) { await ask(i); for (let n = 0; n < 2e6; n++); }
    }"""
    host = Asked()
    run, future = submit(pool, asks(text), host=host, wall_seconds=60, cpu_seconds=0.5, turn_seconds=5)
    number = 0
    while not future.done():
        await until(lambda number=number: run.answered or len(host.calls) > number)  # type: ignore[misc]
        if number in (1, 2):
            await moved(run, killed)
        if len(host.calls) > number:
            host.calls[number].resolve()
            number += 1
    assert (await future).outcome == TimedOut(TimeLimit.CPU)
    assert number > 2


async def test_runs_of_another_generation_have_nowhere_to_go_on() -> None:
    async with running_pool(ONE) as pool:
        host = Asked()
        run, future = submit(pool, ASKS, 1, host=host, wall_seconds=60)
        await until(lambda: host.calls)
        # Its worker, then the spare that took it in: the parent is another one since the first.
        await moved(run, crashed)
        assert run.worker is not None
        assert run.worker.process.generation == 1
        await until(lambda: pool._lanes.spare is not None and pool._lanes.spare.process.generation == 2)
        await moved(run, killed)
        assert (await future).outcome == Crashed("its worker died, and no other has its layout of memory")


async def test_a_spare_of_an_old_generation_is_replaced_where_one_of_the_current_is_wanted() -> None:
    async with running_pool(PoolSettings(workers=2, slow_workers=0)) as pool:
        pool._parent.replace(1)
        await until(lambda: pool._parent.generation == 2)
        for worker in list(workers(pool).values()):
            if worker.lane == "fast":
                killed(worker.process)
                break
        await until(lambda: sorted(w.process.generation for w in workers(pool).values()) == [1, 1, 2])
        young = next(worker for worker in workers(pool).values() if worker.process.generation == 2)
        await until(lambda: young.lane == "spare")
        for worker in list(workers(pool).values()):
            if worker is not young:
                killed(worker.process)
        await until(lambda: young.lane == "fast")
        await until(lambda: pool.state().fast == 2 and pool._lanes.spare is not None)
        host = Asked()
        runs = [submit(pool, ASKS, number, host=host, wall_seconds=60) for number in range(4)]
        await until(lambda: len(host.calls) == 4)
        for run, _ in runs:
            if run.worker is not None and run.worker.process is young.process:
                await moved(run, killed)
        for call in host.calls:
            call.resolve("x")
        assert [(await future).outcome for _, future in runs] == [returned([number, "x"]) for number in range(4)]


async def test_all_that_wait_in_a_held_worker_go_on_while_it_is_held(pool: Pool) -> None:
    host = Asked()
    runs = [submit(pool, ASKS, number, host=host, wall_seconds=60) for number in range(30)]
    await until(lambda: len(host.calls) == 30)
    for run, _ in runs:
        await begun(run)
    _, hostile = submit(pool, NATIVE_LOOP, wall_seconds=600, cpu_seconds=600)
    await until(lambda: pool.state().resumed >= 30)
    for call in host.calls:
        call.resolve("x")
    assert [(await future).outcome for _, future in runs] == [returned([number, "x"]) for number in range(30)]
    assert not hostile.done()


async def test_what_waits_in_a_held_worker_is_read_a_slice_at_a_time(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Asked()
    large = asks("async function main(n) { const a = 'x'.repeat(1500000) + n; await ask(n); return a.length; }")
    runs = [submit(pool, large, number, host=host, wall_seconds=60) for number in range(9)]
    await until(lambda: len(host.calls) == 9)
    for run, _ in runs:
        await begun(run)
    in_turn: list[int] = []
    read = Suspension.piece
    worker = runs[0][0].worker
    assert worker is not None
    of_worker = worker.process.images

    def counted(suspension: Suspension, begin: int) -> bytes | None:
        piece = read(suspension, begin)
        if suspension._file is of_worker:
            in_turn[-1] += len(piece or b"")
        return piece

    def turn() -> None:
        in_turn.append(0)
        loop.call_soon(turn)

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(Suspension, "piece", counted)
    turn()
    # On a starved machine it begins late, and what it held up is taken for held again where it went.
    _, hostile = submit(pool, NATIVE_LOOP, wall_seconds=600, cpu_seconds=600)
    await until(lambda: all(run.worker not in (None, worker) for run, _ in runs))
    assert sum(in_turn) > 9 * 1_500_000
    assert max(in_turn) < 2 * SLICE_BYTES
    assert not hostile.done()


async def test_large_images_that_are_sent_after_one_another_need_no_run_before_them(pool: Pool) -> None:
    """One that is cancelled while another's image is on its way takes its turn from nobody."""
    host = Asked()
    runs = [submit(pool, LARGE, number, host=host, wall_seconds=60) for number in range(5)]
    await until(lambda: len(host.calls) == 5)
    for run, _ in runs:
        await begun(run)
    worker = runs[0][0].worker
    assert worker is not None
    killed_between_turns(worker.process)
    large_ones = pool._supervisor._resuming._large
    await at_once(lambda: large_ones)
    cancelled = large_ones[0]
    cancelled.cancel()
    await until(lambda: pool.state().resumed >= 4)
    for call in host.calls:
        call.resolve()
    for run, future in runs:
        assert (await future).outcome == (Cancelled() if run is cancelled else returned(3_000_001))


async def on_its_way(pool: Pool, run: Run) -> PooledWorker:
    """Have the image of a run that waits sent in pieces, and give the worker that it is sent to."""
    await begun(run)
    assert run.worker is not None
    killed_between_turns(run.worker.process)
    resuming = pool._supervisor._resuming
    await at_once(lambda: resuming._move)
    assert resuming._move is not None
    return resuming._move.worker


async def test_an_image_that_is_sent_to_a_worker_which_is_held_for_a_moment_is_sent_once() -> None:
    async with running_pool(PoolSettings(workers=2, slow_workers=0)) as pool:
        host = Asked()
        run, future = submit(pool, LARGE, 7, host=host, wall_seconds=60)
        await until(lambda: host.calls)
        target = await on_its_way(pool, run)
        move = pool._supervisor._resuming._move
        target.held = True
        await at_once(lambda: pool._supervisor._resuming._move is not move)
        assert run.worker is target
        pool._lanes.release(target)
        host.calls[0].resolve()
        assert (await future).outcome == returned(3_000_001)
        assert pool.state().resumed == 1


def is_lost(worker: PooledWorker) -> None:
    """As a slow program's is, which is not held before."""
    worker.lost = True


def dies(worker: PooledWorker) -> None:
    killed(worker.process)


@pytest.mark.parametrize("end", [is_lost, dies])
async def test_an_image_that_is_sent_to_a_worker_which_does_not_go_on_is_sent_to_another(
    end: Callable[[PooledWorker], None],
) -> None:
    async with running_pool(PoolSettings(workers=2, slow_workers=0)) as pool:
        host = Asked()
        run, future = submit(pool, LARGE, 7, host=host, wall_seconds=60)
        await until(lambda: host.calls)
        target = await on_its_way(pool, run)
        end(target)
        resuming = pool._supervisor._resuming
        await until(lambda: run.worker is not None and not resuming.busy)
        assert run.worker is not target
        host.calls[0].resolve()
        assert (await future).outcome == returned(3_000_001)


async def test_a_run_waits_for_the_one_worker_of_its_parent_that_is_left_to_go_on() -> None:
    async with running_pool(PoolSettings(workers=2, slow_workers=0)) as pool:
        host = Asked()
        run, future = submit(pool, ASKS, 7, host=host, wall_seconds=60)
        await until(lambda: host.calls)
        await begun(run)
        pool._parent.replace(1)
        await until(lambda: pool._parent.generation == 2)
        spare = pool._lanes.spare
        assert spare is not None
        killed(spare.process)
        busy, other = submit(pool, BUSY, 300, wall_seconds=60, cpu_seconds=60)
        await until(lambda: busy.worker is not None and pool.state().held == 1)
        assert run.worker is not busy.worker
        assert run.worker is not None
        killed_between_turns(run.worker.process)
        host.calls[0].resolve("x")
        assert (await future).outcome == returned([7, "x"])
        assert (await other).outcome == returned(300)


async def test_a_run_does_not_wait_for_an_answer_in_a_worker_that_is_stopped(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.watch.STOPPED_SECONDS", 0.2)
    host = Asked()
    run, future = submit(pool, ASKS, 7, host=host, wall_seconds=20)
    await until(lambda: host.calls)
    await begun(run)
    assert run.worker is not None
    os.kill(run.worker.process.pid, signal.SIGSTOP)
    host.calls[0].resolve("x")
    assert (await future).outcome == returned([7, "x"])
    assert pool.state().resumed == 1


async def test_a_run_goes_on_in_a_third_worker_where_the_second_is_stopped(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.watch.STOPPED_SECONDS", 0.2)
    host = Asked()
    run, future = submit(pool, WAIT, 300, SUSPENDS, host=host, wall_seconds=20)
    await until(lambda: run.suspension is not None)
    await begun(run)
    assert run.worker is not None
    assert pool._lanes.spare is not None
    os.kill(pool._lanes.spare.process.pid, signal.SIGSTOP)
    killed_between_turns(run.worker.process)
    assert (await future).outcome == returned(300)
    assert pool.state().resumed == 2


async def test_a_run_that_was_given_up_does_not_begin_again_where_its_worker_dies(pool: Pool) -> None:
    host = Asked()
    run, future = submit(pool, ASKS, 7, host=host, wall_seconds=60)
    await until(lambda: host.calls)
    await begun(run)
    assert run.worker is not None
    pid = run.worker.process.pid
    os.kill(pid, signal.SIGSTOP)
    run.cancel()
    assert (await future).outcome == Cancelled()
    os.kill(pid, signal.SIGKILL)
    await until(lambda: pid not in workers(pool))
    assert pool.state().begun_again == 0


async def test_what_waits_in_the_only_worker_of_slow_programs_does_not_go_on_in_that_one_when_it_is_held() -> None:
    async with running_pool(PoolSettings(workers=1, slow_workers=1)) as pool:
        loop = program(NATIVE_LOOP)
        for made in (ASKS, loop):
            pool._lanes.mark_slow(made)
        host = Asked()
        run, future = submit(pool, ASKS, 7, host=host, wall_seconds=60)
        await until(lambda: host.calls)
        await begun(run)
        slow = run.worker
        _, hostile = submit(pool, loop, wall_seconds=600, cpu_seconds=600)
        await until(lambda: pool.state().resumed == 1)
        assert run.worker is not slow
        host.calls[0].resolve("x")
        assert (await future).outcome == returned([7, "x"])
        assert not hostile.done()


async def test_nothing_is_read_of_a_worker_that_goes_on_as_it_is_looked_at(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Asked()
    run, future = submit(pool, ASKS, 7, host=host, wall_seconds=60)
    await until(lambda: host.calls)
    await begun(run)
    looks = 0

    def begins_a_turn(process: WorkerProcess) -> bool:
        """It said nothing when it was asked whether it had, and has written over an image since."""
        nonlocal looks
        looks += 1
        process._page._slots[TURNS] += 1
        return False

    monkeypatch.setattr(WorkerProcess, "has_unread", property(begins_a_turn))
    _, hostile = submit(pool, "function main() { for (;;); }", wall_seconds=1, turn_seconds=1)
    assert isinstance((await hostile).outcome, TimedOut)
    assert looks
    assert pool.state().resumed == 0
    host.calls[0].resolve("x")
    assert (await future).outcome == returned([7, "x"])
