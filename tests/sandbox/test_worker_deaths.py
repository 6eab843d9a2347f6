"""Workers that are killed, stop, or speak nonsense, and what becomes of the runs that they had."""

import os
import signal

import msgspec
import pytest

from sandbox.outcome import (
    Bound,
    Completion,
    Crashed,
    Exceeded,
    LogLine,
    Returned,
    Threw,
    TimedOut,
    TimeLimit,
)
from sandbox.pool import Pool, PoolSettings
from sandbox.pooled_worker import Lane, PooledWorker
from tests.sandbox.support import (
    BUSY,
    FINE,
    HOST_ADAPTER,
    NATIVE_LOOP,
    SUSPENDS,
    WAIT,
    Asked,
    ask,
    begun,
    fast_pid,
    packed,
    program,
    returned,
    running,
    running_pool,
    submit,
    until,
    value,
    workers,
)


async def test_the_kernel_ends_a_run_and_the_others_go_on(pool: Pool) -> None:
    hostile = submit(pool, NATIVE_LOOP, wall_seconds=0.2)[1]
    others = [submit(pool, FINE, number)[1] for number in range(100)]
    assert [(await future).outcome for future in others] == [returned(number) for number in range(100)]
    assert (await hostile).outcome == TimedOut(TimeLimit.WALL)
    await until(lambda: pool.state().deaths == {"SIGALRM": 1})


async def test_a_worker_killed_from_outside(pool: Pool) -> None:
    run, future = submit(pool, BUSY, 1000)
    behind = [submit(pool, program(FINE, key="behind"), number)[1] for number in range(10)]
    os.kill(await running(pool, run), signal.SIGKILL)
    assert (await future).outcome == Crashed("SIGKILL")
    assert [(await one).outcome for one in behind] == [returned(number) for number in range(10)]
    await until(lambda: pool.state().fast == 1 and pool.state().spare == 1)


async def test_what_was_in_a_worker_that_was_killed_from_outside_is_not_held_to_be_slow() -> None:
    async with running_pool(PoolSettings(workers=1, slow_workers=1, stall_seconds=30)) as pool:
        run, future = submit(pool, BUSY, 1000)
        os.kill(await running(pool, run), signal.SIGKILL)
        assert (await future).outcome == Crashed("SIGKILL")
        assert pool.state().slow_programs == 0


async def test_a_worker_that_frees_what_a_long_run_held_is_not_taken_for_one_that_hangs() -> None:
    text = """function main() {
      let list = null;
      for (let number = 0; number < 450_000; number++) list = { list };
      for (const end = Date.now() + 700; Date.now() < end;);
      throw new Error('mine');
    }"""
    settings = PoolSettings(workers=1, slow_workers=0)
    async with running_pool(settings) as pool:
        host = Asked()
        waits = program("const main = () => ask(1)", SUSPENDS, adapter=HOST_ADAPTER)
        _, waiting = submit(pool, waits, None, SUSPENDS, host, wall_seconds=100)
        await until(lambda: host.calls)
        for _ in range(3):
            outcome = (await ask(pool, text, None, SUSPENDS, cpu_seconds=5, wall_seconds=5)).outcome
            assert isinstance(outcome, Threw)
            await until(lambda: all(worker.process.running == 0 for worker in pool._supervisor._workers.values()))
        host.calls[0].resolve(5)
        assert (await waiting).outcome == returned(5)
        assert pool.state().deaths == {}


async def test_an_idle_worker_killed_from_outside(pool: Pool) -> None:
    os.kill(fast_pid(pool), signal.SIGKILL)
    futures = [submit(pool, FINE, number)[1] for number in range(100)]
    assert [(await future).outcome for future in futures] == [returned(number) for number in range(100)]


async def test_a_stopped_worker_in_a_run(pool: Pool) -> None:
    run, future = submit(pool, BUSY, 100, wall_seconds=0.5)
    pid = await running(pool, run)
    os.kill(pid, signal.SIGSTOP)
    behind = [submit(pool, program(FINE, key="behind"), number)[1] for number in range(10)]
    assert all([isinstance((await one).outcome, Returned) for one in behind])
    assert (await future).outcome == TimedOut(TimeLimit.WALL)
    await until(lambda: pid not in workers(pool))


async def test_a_stopped_worker_between_runs(pool: Pool) -> None:
    pid = fast_pid(pool)
    os.kill(pid, signal.SIGSTOP)
    futures = [submit(pool, FINE, number)[1] for number in range(50)]
    assert [(await future).outcome for future in futures] == [returned(number) for number in range(50)]
    assert pool.state().held == 1
    os.kill(pid, signal.SIGCONT)
    await until(lambda: pool.state().held == 0)
    assert await value(pool, FINE, 1) == 1


async def test_a_run_that_is_let_go_is_placed_again() -> None:
    """Worker and daemon may each take the other for the one who has it: see Worker._run and Lanes.relocate."""
    async with running_pool(PoolSettings(workers=1, slow_workers=0, stall_seconds=30)) as pool:
        pid = fast_pid(pool)
        os.kill(pid, signal.SIGSTOP)
        run, future = submit(pool, FINE, 1)
        sent = run.id
        workers(pool)[pid].process.revoke(sent)
        os.kill(pid, signal.SIGCONT)
        assert (await future).outcome == returned(1)
        assert run.id > sent
        assert pool.state().moved == 1
        assert workers(pool)[pid].load == 0


async def test_a_worker_stopped_for_long_is_replaced(pool: Pool) -> None:
    pid = fast_pid(pool)
    os.kill(pid, signal.SIGSTOP)
    assert await value(pool, FINE, 1) == 1
    await until(lambda: pid not in workers(pool))
    await until(lambda: pool.state().fast == 1 and pool.state().spare == 1)


GARBAGE = [
    b"\xc1",
    b"\xc0",
    b"\x90",
    b"\x91\x02",
    b"\x93\x01\x02\x03",
    msgspec.msgpack.encode([99]),
    msgspec.msgpack.encode([2, "x", "R", b"1", None, None, 1, 1]),
    msgspec.msgpack.encode([2, 1, "R", "text", None, None, 1, 1]),
    msgspec.msgpack.encode([2, 1, "R", b"1", None, 5, 1, 1]),
    msgspec.msgpack.encode([3, 1, 5, None, 0, b""]),
    msgspec.msgpack.encode([3, 1, b"", None, 0.5, b""]),
    msgspec.msgpack.encode([3, 1, b"", None, 0, "state"]),
    msgspec.msgpack.encode([3, 1, b"", None, 0, None]),
    msgspec.msgpack.encode([3, 1, b"", None, True]),
    msgspec.msgpack.encode({"a": 1}),
    b"\x91" * 2000,
    b"\xdd\xff\xff\xff\xff",
    b"\xdd\x0f\xff\xff\xff",
    b"\x81\x90\x01",
    b"\x80",
    b"\x07",
]


def waits(run_id: int, calls: bytes, log: bytes | None) -> list[object]:
    """A CALLS message."""
    return [3, run_id, calls, log, 0, b""]


IMPOSSIBLE = [
    ("Z", b""),
    ("X", b"nothing"),
    ("", b""),
    ("R", b"x" * 4000),
    ("W", b""),
    ("RR", b"1"),
    ("E", b"[" + b"[]," * 30_000 + b"[]]"),
]
"""Tags and what belongs to them."""


async def whole(pool: Pool) -> None:
    """Wait until the dead are replaced."""
    await until(lambda: pool.state().fast == 1 and pool.state().slow == 1 and pool.state().spare == 1)


async def test_a_worker_that_sends_garbage_is_ended(pool: Pool) -> None:
    for number, garbage in enumerate(GARBAGE):
        await whole(pool)
        run, future = submit(pool, program(BUSY, key=f"busy {number}"), 9000, wall_seconds=9)
        pid = await running(pool, run)
        workers(pool)[pid].process.data_received(garbage)
        assert (await future).outcome == Crashed("the worker broke the link's protocol"), garbage
        assert await value(pool, FINE, 1) == 1
    assert pool.state().deaths == {"SIGKILL": len(GARBAGE)}


async def test_a_worker_that_answers_what_no_run_can(pool: Pool) -> None:
    for tag, payload in IMPOSSIBLE:
        await whole(pool)
        run, future = submit(pool, program(BUSY, key=f"busy {tag}"), 9000, wall_seconds=9, result_bytes=1000)
        pid = await running(pool, run)
        workers(pool)[pid].process.data_received(msgspec.msgpack.encode([2, run.id, tag, payload, None, None, 1, 1]))
        assert (await future).outcome == Crashed("the worker answered what no run can")
        await until(lambda pid=pid: pid not in workers(pool))  # type: ignore[misc]


async def test_a_worker_that_speaks_of_runs_that_it_does_not_have(pool: Pool) -> None:
    process = workers(pool)[fast_pid(pool)].process
    for message in (
        [2, 10**9, "R", b"1", None, None, 1, 1],
        [2, -1, "R", b"\xff", b"[", b"[", -5, -5],
        waits(10**9, b"\x91\x93\x01\xa3ask\x90", b"no messagepack"),
        [5, 10**9],
        [1, False, "again"],
        [6, "words"],
    ):
        process.data_received(msgspec.msgpack.encode(message))
    assert await value(pool, FINE, 1) == 1
    assert pool.state().confined


async def test_last_words_are_heard_once(pool: Pool, caplog: pytest.LogCaptureFixture) -> None:
    process = workers(pool)[fast_pid(pool)].process
    process.data_received(msgspec.msgpack.encode([6, "words"]) * 100)
    process.data_received(msgspec.msgpack.encode([6, "words"]))
    assert [record.msg for record in caplog.records] == ["worker_failed"]


async def test_a_worker_that_asks_more_than_a_run_may(pool: Pool) -> None:
    run, future = submit(pool, WAIT, 9000, SUSPENDS, wall_seconds=9, outbox_bytes=1000, host=Asked())
    await begun(run)
    process = workers(pool)[fast_pid(pool)].process
    calls = packed([[1, "ask", [[]] * 1000]])
    process.data_received(msgspec.msgpack.encode(waits(run.id, calls, None)))
    assert (await future).outcome == Exceeded(Bound.OUTBOX)


async def test_a_log_that_cannot_be_read(pool: Pool) -> None:
    process = workers(pool)[fast_pid(pool)].process
    for number, log in enumerate((b"\x91", b"\x91\x91\xa1a", b"\x91" * 5000, b"\xa1x", b"\x91\x92\xa1a\xa1\xff")):
        run, future = submit(pool, program(WAIT, SUSPENDS, key=f"{number}"), 9000, wall_seconds=9)
        await begun(run)
        process.data_received(msgspec.msgpack.encode([2, run.id, "R", b"1", log, None, 1, 1]))
        assert (await future) == Completion(
            Returned(b"1"), (LogLine("warn", "[console output that cannot be read]"),), 1, busy_micros=1
        )


async def test_a_run_whose_worker_dies_of_nobody_knows_what_is_given_up(pool: Pool) -> None:
    run, future = submit(pool, WAIT, 60_000, SUSPENDS, wall_seconds=60)
    for _ in range(3):
        await begun(run)
        assert run.worker is not None
        os.kill(run.worker.process.pid, signal.SIGSEGV)
        gone = run.worker
        await until(lambda gone=gone: run.worker is not gone or run.answered)  # type: ignore[misc]
    assert (await future).outcome == Crashed("its worker died of another run")


async def test_a_worker_that_is_sent_a_run_as_soon_as_it_is_ready_has_time_to_begin_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running_pool(PoolSettings(workers=1, slow_workers=0)) as pool:
        admitted: list[int] = []
        looks: list[int] = []
        admit, look = pool._lanes.admit, pool._supervisor.watch._look

        def admit_stopped(worker: PooledWorker, lane: Lane) -> None:
            admitted.append(worker.process.pid)
            os.kill(worker.process.pid, signal.SIGSTOP)
            admit(worker, lane)

        def counted(worker: PooledWorker, now: float) -> None:
            looks.append(worker.process.pid)
            look(worker, now)

        monkeypatch.setattr(pool._lanes, "admit", admit_stopped)
        monkeypatch.setattr(pool._supervisor.watch, "_look", counted)
        for pid in workers(pool):
            os.kill(pid, signal.SIGKILL)
        _, future = submit(pool, FINE, 1)
        await until(lambda: admitted and looks.count(admitted[0]) >= 3)
        os.kill(admitted[0], signal.SIGCONT)
        assert (await future).outcome == returned(1)
        assert pool.state().deaths == {"SIGKILL": 2}
