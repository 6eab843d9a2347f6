"""The process that workers are forked from: what it is asked, what becomes of workers and runs when it goes."""

import asyncio
import gc
import os
import random
import signal
import socket
from pathlib import Path
from typing import cast

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from sandbox import link, messages_up, parent
from sandbox.compiler import Compiler
from sandbox.errors import WorkerFailed
from sandbox.order import DESCRIPTORS, ORDER_BYTES, Order, read_order
from sandbox.outcome import Returned
from sandbox.parent import Parent
from sandbox.pool import Pool, PoolSettings
from sandbox.process import WorkerProcess, WorkerSettings
from sandbox.shared_page import PAGE_BYTES, PID
from tests.sandbox.support import (
    FINE,
    SMALL,
    SUSPENDS,
    WAIT,
    begun,
    descriptors_of,
    end,
    fast_pid,
    program,
    running_pool,
    submit,
    until,
    value,
    whole,
    worker,
    workers,
)

NUMBERS = PoolSettings(workers=1, slow_workers=0)


def _children() -> set[int]:
    text = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
    return {int(pid) for pid in text.split()}


def _own_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("Private_Dirty")).split()[1])


def _parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[1])


# ---- orders ----

numbers = st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(-(2**31), 2**31 - 1), st.booleans()


@given(st.builds(Order, *numbers))
def test_an_order_is_read_as_it_was_written(order: Order) -> None:
    assert len(order.packed()) == ORDER_BYTES
    assert read_order(order.packed(), DESCRIPTORS) == order


@given(st.binary(max_size=ORDER_BYTES * 2), st.integers(0, 5))
def test_what_is_no_order_is_none(packet: bytes, descriptors: int) -> None:
    order = read_order(packet, descriptors)
    if order is not None:
        assert (order.packed(), descriptors) == (packet, DESCRIPTORS)


@pytest.mark.parametrize("order", [Order(-1, 0, 0, True), Order(0, -1, 0, True), Order(0, 0, 2**31, True)])
def test_an_order_of_what_has_no_room_is_refused(order: Order) -> None:
    with pytest.raises(ValueError, match="no worker can be asked for"):
        order.packed()


async def test_what_is_no_order_is_passed_over_and_its_descriptors_closed(forks: Parent) -> None:
    orders = cast(socket.socket, forks._orders)
    chosen = random.Random(7)  # noqa: S311 - the same each time
    for _ in range(200):
        packet = chosen.randbytes(chosen.choice([1, 5, ORDER_BYTES - 1, ORDER_BYTES, ORDER_BYTES + 1, 4000]))
        if len(packet) == ORDER_BYTES:
            packet = packet[:-1] + b"\x02"
        ours, theirs = socket.socketpair()
        with ours, theirs:
            while True:
                try:
                    socket.send_fds(orders, [packet], [theirs.fileno()] * chosen.choice([0, 1, 2, 3, 20]))
                    break
                except BlockingIOError:
                    await asyncio.sleep(0)
    process = await worker(forks)
    if os.geteuid() == 0:
        # Of an undumpable process only root may look at these.
        assert descriptors_of(forks.pid) == set("0123")
    await end(process)
    assert forks.deaths == 0


async def test_descriptors_that_no_worker_can_have_are_refused_with_a_reason(forks: Parent) -> None:
    empty, null = os.memfd_create("x"), os.open("/dev/null", os.O_RDWR)
    order = Order(10**9, 10**6, 0, True)
    try:
        for page in (empty, null):
            ours, theirs = socket.socketpair()
            with ours:
                with theirs:
                    forks.order(order, theirs, page, null)
                said = await asyncio.to_thread(ours.recv, 1000)
            assert b"no worker could be forked" in said
            # Nobody is there to be told, or can be.
            ours, theirs = socket.socketpair()
            with theirs:
                ours.close()
                forks.order(order, theirs, page, null)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                forks.order(order, stranger, page, null)
    finally:
        os.close(empty)
        os.close(null)
    await end(await worker(forks))
    assert forks.deaths == 0


# ---- workers ----


async def test_a_worker_is_the_daemons_own_child(forks: Parent) -> None:
    process = await worker(forks)
    assert _parent_of(process.pid) == _parent_of(forks.pid) == os.getpid()
    await end(process)
    assert process.exit_code == -signal.SIGKILL
    assert process.pid not in _children()
    process.kill()  # of what has ended, this is nothing


async def test_no_two_workers_have_the_same_random_numbers() -> None:
    async with running_pool(NUMBERS) as pool:
        text = "function main() { return [Math.random(), Math.random()].join(); }"
        seen = set()
        for count in range(1, 9):
            seen.add(await value(pool, text))
            os.kill(fast_pid(pool), signal.SIGKILL)
            await until(lambda count=count: pool.state().deaths == {"SIGKILL": count} and pool.state().fast == 1)  # type: ignore[misc]
        assert len(seen) == 8


async def test_what_a_worker_does_not_write_to_it_shares() -> None:
    if os.geteuid() != 0:
        return  # nobody else may look
    async with running_pool(SMALL) as pool:
        await value(pool, FINE, 1)
        for pid in workers(pool):
            assert _own_kb(pid) < 8_000, "13,400 where it is no copy"


async def test_descriptors_of_workers_that_have_gone_are_closed() -> None:
    async with running_pool(SMALL) as pool:
        before = descriptors_of(os.getpid())
        for count in range(1, 21):
            os.kill(fast_pid(pool), signal.SIGKILL)
            await until(lambda count=count: pool.state().deaths == {"SIGKILL": count} and whole(pool))  # type: ignore[misc]
        gc.collect()
        assert len(descriptors_of(os.getpid())) == len(before)


async def test_pools_and_the_compiler_in_its_thread_share_one(forks: Parent) -> None:
    pools = [Pool(NUMBERS, forks), Pool(NUMBERS, forks)]
    for pool in pools:
        await pool.start()

    def compile_one() -> bool:
        with Compiler(WorkerSettings(), forks) as compiler:
            return compiler.compile("let a; let a", "x.js", suspends=False) is not None

    assert await asyncio.to_thread(compile_one)
    pids = {pid for pool in pools for pid in workers(pool)}
    assert len(pids) == 4
    assert {process.generation for pool in pools for process in pool._supervisor._workers} == {1}
    await pools[0].close()
    assert await value(pools[1], FINE, 1) == 1
    await pools[1].close()
    assert forks.pid in _children()


async def test_trusted_javascript_of_any_size_and_kind_is_loaded() -> None:
    texts = ["({})", "\ud800", "not javascript (", "", "// é\ud83d\ude00 \x00\n(1)", "'" + "x" * 3_000_000 + "'"]
    forks = Parent(texts)
    forks.start()
    process = await worker(forks)
    await end(process)
    forks.close()
    assert forks.deaths == 0


async def test_a_fork_that_fails_is_told_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    _, arguments = parent._BOOT.split("main(")
    fails = "(_ for _ in ()).throw(OSError(11, 'no room'))"
    given = "import sys;sys.path[:]={path!r};import sandbox.parent_process as p;"
    monkeypatch.setattr(parent, "_BOOT", f"{given}p.fork_sibling = lambda _: {fails};p.main({arguments}")
    forks = Parent()
    forks.start()
    with pytest.raises(WorkerFailed, match=r"no worker could be forked: .*no room"):
        await worker(forks)
    forks.close()


class _Lying:
    """What a parent that is not ours any more could tell of the worker that it was asked for."""

    patience, ended = 5.0, ""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def order(self, _order: Order, _connection: socket.socket, page: int, _images: int) -> int:
        os.pwrite(page, self._pid.to_bytes(8, "little"), 8 * PID)
        return 1


@pytest.mark.parametrize(
    "pid",
    [1, os.getpid(), os.getppid(), 2**22 + 5, 2**31, 2**32 + 1, 2**63, 2**64 - 1],
    ids=["the first", "the daemon", "its parent", "none", "2**31", "2**32 + 1", "2**63", "2**64 - 1"],
)
async def test_a_process_that_is_no_child_is_neither_believed_nor_killed(pid: int) -> None:
    process = WorkerProcess(lambda *_: None, lambda _: None)
    with pytest.raises(WorkerFailed, match="ended before it was ready"):
        await process.start(cast(Parent, _Lying(pid)), WorkerSettings(), 0)
    await process.wait_gone()
    assert process.pid == 0


# ---- its end ----


async def test_workers_go_on_when_it_dies_and_the_next_ones_are_of_its_successor() -> None:
    async with running_pool(SMALL) as pool:
        before = set(workers(pool))
        run, future = submit(pool, WAIT, 300, SUSPENDS)
        await begun(run)
        os.kill(pool._parent.pid, signal.SIGKILL)
        assert isinstance((await future).outcome, Returned)
        assert set(workers(pool)) == before
        os.kill(fast_pid(pool), signal.SIGKILL)
        await until(lambda: pool.state().deaths == {"SIGKILL": 1} and whole(pool))
        assert max(process.generation for process in pool._supervisor._workers) == 2
        assert pool._parent.deaths == 1
        assert await value(pool, FINE, 1) == 1


def all_there(pool: Pool) -> bool:
    state = pool.state()
    return (state.fast, state.slow, state.spare) == (2, 1, 1)


async def test_killed_a_hundred_times_under_load_it_costs_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parent, "RESTART_SECONDS", 0.0)
    chosen = random.Random(9)  # noqa: S311 - the same each time
    before = _children()
    async with running_pool(PoolSettings(workers=2, slow_workers=1)) as pool:
        asked: list[asyncio.Future[object]] = []
        stopped = False

        async def load() -> None:
            number = 0
            while not stopped:
                for _ in range(5):
                    number += 1
                    one = program(FINE, key=f"{number % 20}")
                    asked.append(submit(pool, one, number, wall_seconds=30)[1])  # type: ignore[arg-type]
                await asyncio.sleep(0.005)

        loading = asyncio.ensure_future(load())
        workers_killed = 0
        for kills in range(100):
            if kills % 3 == 0:
                await until(lambda: all_there(pool), 30)
                idle = [pid for pid, one in workers(pool).items() if not one.outstanding]
                for pid in idle[:2]:
                    os.kill(pid, signal.SIGKILL)
                    workers_killed += 1
                # While it forks.
                await asyncio.sleep(chosen.uniform(0, 0.01))
            else:
                # While it starts, or shortly after.
                await asyncio.sleep(chosen.uniform(0, 0.2))
            await until(lambda: pool._parent.pid)
            os.kill(pool._parent.pid, signal.SIGKILL)
            await until(lambda kills=kills: pool._parent.deaths > kills)  # type: ignore[misc]
        stopped = True
        await loading
        outcomes = [(await one).outcome for one in asked]  # type: ignore[attr-defined]
        assert len(outcomes) > 1000
        assert all(type(outcome) is Returned for outcome in outcomes)
        assert workers_killed > 10
        await until(lambda: all_there(pool), 30)
        assert pool.state().deaths["SIGKILL"] == workers_killed
    assert _children() == before


def test_it_is_replaced_under_uvloop_too() -> None:
    async def life() -> None:
        async with running_pool(SMALL) as pool:
            for number in (signal.SIGKILL, signal.SIGSEGV):
                deaths = pool._parent.deaths
                os.kill(pool._parent.pid, signal.SIGKILL)
                await until(lambda deaths=deaths: pool._parent.deaths > deaths)  # type: ignore[misc]
                os.kill(fast_pid(pool), number)
                await until(lambda number=number: number.name in pool.state().deaths and whole(pool))  # type: ignore[misc]
            assert await value(pool, FINE, 1) == 1

    before = _children()
    uvloop.run(life())
    assert _children() == before


async def test_stuck_it_is_replaced_and_the_order_given_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parent, "FORK_SECONDS", 0.3)
    async with running_pool(SMALL) as pool:
        stuck = pool._parent.pid
        os.kill(stuck, signal.SIGSTOP)
        os.kill(fast_pid(pool), signal.SIGKILL)
        assert await value(pool, FINE, 1) == 1, "by the spare"
        await until(lambda: whole(pool))
        assert pool._parent.pid != stuck
        assert stuck not in _children()


async def test_a_pool_is_closed_though_it_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parent, "FORK_SECONDS", 0.3)
    before = _children()
    pool = Pool(SMALL)
    await pool.start()
    os.kill(pool._parent.pid, signal.SIGSTOP)
    os.kill(fast_pid(pool), signal.SIGKILL)
    await until(lambda: pool.state().deaths)
    async with asyncio.timeout(10):
        await pool.close()
    assert _children() == before


async def test_a_worker_that_crashed_is_followed_by_ones_of_another_layout() -> None:
    """Whoever tries to break out learns from each crash how memory lies."""
    async with running_pool(SMALL) as pool:
        for number, generation in ((signal.SIGKILL, 1), (signal.SIGSEGV, 2), (signal.SIGBUS, 3)):
            deaths = sum(pool.state().deaths.values())
            newest = max(pool._supervisor._workers, key=lambda one: one.generation)
            os.kill(newest.pid, number)
            await until(lambda deaths=deaths: sum(pool.state().deaths.values()) > deaths and whole(pool))  # type: ignore[misc]
            assert pool._parent.generation == generation
        # Of a worker of a generation before nobody learns anything of this one's.
        old = next(one for one in pool._supervisor._workers if one.generation < 3)
        os.kill(old.pid, signal.SIGSEGV)
        await until(lambda: old.exit_code is not None and whole(pool))
        assert pool._parent.generation == 3
        assert pool._parent.deaths == 0


async def test_what_it_says_of_a_worker_that_there_is_none_of_is_a_links_last_word() -> None:
    message = link.pack(messages_up.failed("no worker could be forked: [Errno 11] x"))

    class Telling(_Lying):
        def order(self, _order: Order, connection: socket.socket, page: int, _images: int) -> int:
            del page
            connection.send(message)
            return 1

    process = WorkerProcess(lambda *_: None, lambda _: None)
    with pytest.raises(WorkerFailed, match=r"ended before it was ready: no worker could be forked: \[Errno 11\] x"):
        await process.start(cast(Parent, Telling(0)), WorkerSettings(), 0)
    assert PAGE_BYTES >= 8 * PID
