"""Runs that wait go on in another worker when theirs dies or is held, and nobody outside sees that they do."""

import asyncio
import math
import os
import random
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox import link, messages_up
from sandbox.host import HostCall
from sandbox.image_file import ImageFile
from sandbox.outcome import Cancelled, Crashed, LogLine, OutOfMemory, TimedOut, TimeLimit
from sandbox.pool import Pool, PoolSettings
from sandbox.process import WorkerProcess, WorkerSettings
from sandbox.program import Program
from sandbox.resuming import SLICE_BYTES
from sandbox.run import Run
from sandbox.shared_page import TURNS
from sandbox.suspension import Suspension, WaitingState
from tests.sandbox.support import (
    ASKS,
    HOST_ADAPTER,
    NATIVE_LOOP,
    SUSPENDS,
    WAIT,
    Asked,
    begun,
    packed,
    program,
    returned,
    running_pool,
    submit,
    until,
    value,
    workers,
)

ONE = PoolSettings(workers=1, slow_workers=0)


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    async with running_pool(ONE) as made:
        yield made


def asks(text: str, **more: Any) -> Program:
    return program(text, SUSPENDS, adapter=HOST_ADAPTER, **more)


async def moved(run: Run, end: Callable[[WorkerProcess], None]) -> None:
    """End the worker of a run that waits, and return when it waits in another one."""
    await begun(run)
    await until(lambda: run.suspension is not None)
    gone = run.worker
    assert gone is not None
    end(gone.process)
    await until(lambda: run.answered or (run.worker not in (None, gone) and run.suspension is not None))
    if not run.answered:
        await begun(run)


def killed(process: WorkerProcess) -> None:
    os.kill(process.pid, signal.SIGKILL)


def killed_between_turns(process: WorkerProcess) -> None:
    """Not in a run, which would be taken for the cause."""
    while process.exit_code is None:
        os.kill(process.pid, signal.SIGSTOP)
        while (
            state := Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2][1]
        ) not in "TZX":
            time.sleep(0)
        if state != "T":
            return  # it has ended
        if process.running == 0:
            os.kill(process.pid, signal.SIGKILL)
            return
        os.kill(process.pid, signal.SIGCONT)
        time.sleep(0.0005)


def crashed(process: WorkerProcess) -> None:
    os.kill(process.pid, signal.SIGSEGV)


def out_of_time(process: WorkerProcess) -> None:
    os.kill(process.pid, signal.SIGALRM)


def speaks_nonsense(process: WorkerProcess) -> None:
    process.data_received(b"\xc1")


def unlinked(process: WorkerProcess) -> None:
    """Its end of the link is shut: it ends by itself."""
    assert process._transport is not None
    process._transport.abort()


DEATHS: Final = [killed, crashed, out_of_time, speaks_nonsense, unlinked]
by_any_death = pytest.mark.parametrize("end", DEATHS)


@by_any_death
async def test_a_run_that_waits_for_its_host_goes_on(pool: Pool, end: Callable[[WorkerProcess], None]) -> None:
    host = Asked()
    run, future = submit(pool, ASKS, 7, host=host)
    await until(lambda: host.calls)
    await moved(run, end)
    host.calls[0].resolve("x")
    assert (await future).outcome == returned([7, "x"])
    assert (len(host.calls), host.ends, pool.state().resumed, pool.state().begun_again) == (1, 1, 1, 0)


@by_any_death
async def test_a_run_that_waits_for_a_timer_goes_on_when_it_is_due(
    pool: Pool, end: Callable[[WorkerProcess], None]
) -> None:
    run, future = submit(pool, WAIT, 400, SUSPENDS, wall_seconds=20)
    began = asyncio.get_running_loop().time()
    await moved(run, end)
    assert (await future).outcome == returned(400)
    assert asyncio.get_running_loop().time() - began >= 0.39
    assert pool.state().resumed == 1


async def test_a_run_that_waits_for_both_and_for_several(pool: Pool) -> None:
    text = """async function main() {
      const late = new Promise((resolve) => setTimeout(resolve, 300, "late"));
      return await Promise.all([ask(1), late, ask(2), ask(3)]);
    }"""
    host = Asked()
    run, future = submit(pool, asks(text), host=host, wall_seconds=20)
    await until(lambda: len(host.calls) == 3)
    host.calls[1].resolve("b")
    await moved(run, killed)
    host.calls[0].resolve("a")
    await moved(run, killed)
    host.calls[2].resolve("c")
    assert (await future).outcome == returned(["a", "late", "b", "c"])
    assert len(host.calls) == 3


async def test_an_answer_on_its_way_when_the_worker_dies_is_not_lost(pool: Pool) -> None:
    host = Asked()
    run, future = submit(pool, ASKS, 7, host=host)
    await until(lambda: host.calls)
    await begun(run)
    assert run.worker is not None
    pid = run.worker.process.pid
    os.kill(pid, signal.SIGSTOP)
    host.calls[0].resolve("x")
    await asyncio.sleep(0)
    os.kill(pid, signal.SIGKILL)
    assert (await future).outcome == returned([7, "x"])


async def test_an_answer_that_comes_while_a_run_is_between_two_workers(pool: Pool) -> None:
    host = Asked()
    run, future = submit(pool, ASKS, 7, host=host)
    await until(lambda: host.calls)
    await begun(run)
    assert run.worker is not None
    process = run.worker.process
    exited = pool._supervisor._exited

    def answered_at_its_death(gone: WorkerProcess) -> None:
        exited(gone)
        assert run.worker is None
        host.calls[0].resolve("x")

    process._on_exit = answered_at_its_death
    killed(process)
    assert (await future).outcome == returned([7, "x"])
    assert pool.state().resumed == 1


async def test_a_thousand_answers_at_once_are_each_taken_once(pool: Pool) -> None:
    text = """async function main(n) {
      const got = await Promise.all(Array.from({ length: n }, async (_, i) => (await ask(i)) + i));
      return got.reduce((sum, one) => sum + one, 0);
    }"""
    for most in (0, 1, 2, 100, 1000):
        host = Asked()
        run, future = submit(pool, asks(text), 1000, host=host, wall_seconds=20)
        await until(lambda host=host: len(host.calls) == 1000)  # type: ignore[misc]
        await begun(run)
        assert run.worker is not None
        process = run.worker.process
        for call in host.calls:
            call.resolve(1)
        before = process.turns
        while most and process.turns < before + most:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0)
        killed_between_turns(process)
        assert (await future).outcome == returned(1000 + 999 * 500)
        assert len(host.calls) == 1000


async def test_console_lines_are_neither_lost_nor_doubled(pool: Pool) -> None:
    text = """async function main() {
      for (let i = 0; i < 6; i++) { console.log("before " + i); await ask(i); console.log("after " + i); }
    }"""
    host = Asked()
    run, future = submit(pool, asks(text), host=host, wall_seconds=20)
    for number in range(6):
        await until(lambda number=number: len(host.calls) > number)  # type: ignore[misc]
        await moved(run, killed)
        host.calls[number].resolve()
    completion = await future
    expected = [LogLine("log", f"{word} {number}") for number in range(6) for word in ("before", "after")]
    assert list(completion.log) == expected
    assert [call.arguments[0] for call in host.calls] == list(range(6))


async def test_what_a_turn_did_that_nobody_was_told_of_is_done_again(pool: Pool) -> None:
    """The worker is stopped at each byte of what it says of a turn: either nothing of it is heard, or all."""
    text = (
        "async function main() { const a = await ask(1); console.log('one'); const b = await ask(a); return [a, b]; }"
    )
    for cut in range(0, 120, 7):
        host = Asked()
        run, future = submit(pool, asks(text), host=host, wall_seconds=20)
        await until(lambda host=host: len(host.calls) == 1)  # type: ignore[misc]
        await begun(run)
        assert run.worker is not None
        process = run.worker.process
        receive = process.data_received

        def partly(data: bytes, cut: int = cut, process: WorkerProcess = process, receive: Any = receive) -> None:
            receive(data[:cut])
            process.data_received = lambda data: None  # type: ignore[method-assign]  # noqa: ARG005
            while process.running:
                time.sleep(0)  # a moment: it has said what it has to say
            killed(process)

        process.data_received = partly  # type: ignore[method-assign]
        host.calls[0].resolve(5)
        await until(lambda host=host: len(host.calls) == 2)  # type: ignore[misc]
        host.calls[1].resolve(6)
        completion = await future
        assert completion.outcome == returned([5, 6])
        assert completion.log == (LogLine("log", "one"),)
        assert [call.arguments for call in host.calls] == [[1], [5]]


class Counting:
    """A host that answers after a while, and keeps what it was asked."""

    def __init__(self, chance: random.Random) -> None:
        self.seen: list[Any] = []
        self._chance = chance

    def asked(self, call: HostCall) -> None:
        self.seen.append(call.arguments)
        asyncio.get_running_loop().call_later(self._chance.uniform(0, 0.01), call.resolve, len(self.seen))

    def ended(self) -> None:
        self.seen.append("ended")


COUNTS = """async function main(n) {
  let state = 1;
  for (let i = 0; i < n; i++) {
    if (i % 3 === 2) await new Promise((resolve) => setTimeout(resolve, i % 5));
    const answer = await ask(i, state);
    state = (state * 31 + answer) % 1_000_003;
    if (i % 4 === 1) console.log(state);
  }
  return state;
}"""


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_what_is_seen_of_a_run_is_the_same_however_often_its_worker_dies(seed: int) -> None:
    async def seen(kills: bool) -> tuple[Any, ...]:
        chance = random.Random(seed)  # noqa: S311 - the same each time
        async with running_pool(ONE) as pool:
            host = Counting(random.Random(seed))  # noqa: S311
            run, future = submit(pool, asks(COUNTS), 40, host=host, wall_seconds=60)
            while kills and not future.done():
                await asyncio.sleep(chance.uniform(0, 0.03))
                worker = run.worker
                if worker is not None and run.suspension is not None and worker.process.serves:
                    killed_between_turns(worker.process)
            completion = await future
            assert not kills or pool.state().resumed > 0
            return completion.outcome, completion.log, host.seen

    assert asyncio.run(seen(True)) == asyncio.run(seen(False))


# ---- which worker ----


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
    _, hostile = submit(pool, NATIVE_LOOP, wall_seconds=3, cpu_seconds=9)
    await until(lambda: pool.state().resumed == 30)
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
    _, hostile = submit(pool, NATIVE_LOOP, wall_seconds=3, cpu_seconds=9)
    # More where a starved machine's worker of the moved ones is taken for held in its turn.
    await until(lambda: pool.state().resumed >= 9)
    assert sum(in_turn) > 9 * 1_500_000
    assert max(in_turn) < 2 * SLICE_BYTES
    assert not hostile.done()


async def test_large_images_that_are_sent_after_one_another_need_no_run_before_them(pool: Pool) -> None:
    """One that is cancelled while another's image is on its way takes its turn from nobody."""
    host = Asked()
    large = asks("async function main(n) { const a = 'x'.repeat(3000000) + n; await ask(n); return a.length; }")
    runs = [submit(pool, large, number, host=host, wall_seconds=60) for number in range(5)]
    await until(lambda: len(host.calls) == 5)
    for run, _ in runs:
        await begun(run)
    worker = runs[0][0].worker
    assert worker is not None
    killed_between_turns(worker.process)
    large_ones = pool._supervisor._resuming._large
    while len(large_ones) < 4:  # noqa: ASYNC110 - a move is over in some turns of the loop
        await asyncio.sleep(0)
    cancelled = large_ones[0]
    cancelled.cancel()
    await until(lambda: pool.state().resumed == 4)
    for call in host.calls:
        call.resolve()
    for run, future in runs:
        assert (await future).outcome == (Cancelled() if run is cancelled else returned(3_000_001))


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
        _, hostile = submit(pool, loop, wall_seconds=3, cpu_seconds=9)
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


# ---- memory ----


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


# ---- distrust ----

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
