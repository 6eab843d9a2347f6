"""Placement, limits, bounds and the life of the pool, with real worker processes."""

import asyncio
import gc
import os
import resource
import signal
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop

from sandbox.host import HostCall
from sandbox.outcome import (
    Bound,
    Cancelled,
    Completion,
    Crashed,
    Exceeded,
    LogLine,
    OutOfMemory,
    Refused,
    Returned,
    Threw,
    TimedOut,
    TimeLimit,
)
from sandbox.pool import Pool, PoolSettings, Run
from sandbox.process import WorkerSettings
from tests.sandbox.support import (
    FINE,
    HOST_ADAPTER,
    HOSTILE,
    SMALL,
    Asked,
    ask,
    program,
    running_pool,
    submit,
    until,
    value,
)

SUSPENDS = True
NATIVE_LOOP = "function main() { new Array(2**32-1).sort(); }"
BUSY = "function main(ms) { const end = Date.now() + ms; while (Date.now() < end); return ms; }"
WAIT = "const main = (ms) => new Promise((resolve) => setTimeout(resolve, ms, ms))"
ASKS = program("async function main(n) { return [n, await ask(n)]; }", SUSPENDS, adapter=HOST_ADAPTER)


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    async with running_pool() as serving:
        yield serving


def workers(pool: Pool) -> dict[int, Any]:
    """The pool's books by process id: what a test must kill or stop, it has to find."""
    return {process.pid: worker for process, worker in pool._supervisor._workers.items()}


def fast_pid(pool: Pool) -> int:
    return next(pid for pid, worker in workers(pool).items() if worker.lane == "fast")


async def running(pool: Pool, run: Run) -> int:
    """Wait until a worker is in this run, and give its process id."""
    await until(lambda: run.worker is not None and run.worker.process.running == run.id)
    assert run.worker is not None
    return run.worker.process.pid


async def begun(run: Run) -> None:
    """Wait until a run that waits has had its first turn."""

    def waits() -> bool:
        process = run.worker.process if run.worker is not None else None
        return process is not None and process.begun >= run.id > 0 and not process.running

    await until(waits)


# ---- limits, each with its own outcome ----


async def test_processor_time(pool: Pool) -> None:
    assert (await ask(pool, HOSTILE, cpu_seconds=0.05)).outcome == TimedOut(TimeLimit.CPU)


async def test_wall_time_of_a_run_that_is_busy(pool: Pool) -> None:
    began = time.monotonic()
    assert (await ask(pool, HOSTILE, cpu_seconds=9, wall_seconds=0.1)).outcome == TimedOut(TimeLimit.WALL)
    assert time.monotonic() - began < 0.3


async def test_wall_time_of_a_run_that_waits(pool: Pool) -> None:
    assert (await ask(pool, WAIT, 5000, SUSPENDS, wall_seconds=0.1)).outcome == TimedOut(TimeLimit.WALL)


async def test_memory(pool: Pool) -> None:
    hungry = program("function main() { const a = []; for (;;) a.push(new Array(1000)); }", memory_bytes=5_000_000)
    assert (await ask(pool, hungry)).outcome == OutOfMemory()


async def test_the_size_of_the_result(pool: Pool) -> None:
    big = "const main = () => 'x'.repeat(2000)"
    assert (await ask(pool, big, result_bytes=1000)).outcome == Exceeded(Bound.RESULT)
    assert isinstance((await ask(pool, big)).outcome, Returned)


async def test_promise_reactions_in_one_turn(pool: Pool) -> None:
    chain = "async function main() { for (;;) await null; }"
    assert (await ask(pool, chain, None, SUSPENDS, jobs=1000)).outcome == Exceeded(Bound.JOBS)


async def test_processor_time_of_a_loop_that_swallows_the_interrupt(pool: Pool) -> None:
    asks = program("async function main() { for (;;) ask(1); }", SUSPENDS, adapter=HOST_ADAPTER)
    assert (await ask(pool, asks, cpu_seconds=0.05)).outcome == TimedOut(TimeLimit.CPU)


async def test_host_calls_in_one_turn(pool: Pool) -> None:
    asks = program("async function main() { for (let n = 0; n < 5; n++) ask(1); }", SUSPENDS, adapter=HOST_ADAPTER)
    assert (await ask(pool, asks, outbox_calls=3)).outcome == Exceeded(Bound.OUTBOX)


async def test_console_output_is_cut_and_ends_nothing(pool: Pool) -> None:
    completion = await ask(pool, "function main() { console.log('a'); console.warn('xxxx'); throw 1; }", log_bytes=35)
    assert isinstance(completion.outcome, Threw)
    assert completion.log[:2] == (LogLine("log", "a"), LogLine("warn", "xx"))
    assert completion.log[2].text.endswith("is cut]")


async def test_processor_time_is_that_of_all_turns_together(pool: Pool) -> None:
    text = """async function main() {
      for (;;) {
        const end = Date.now() + 20;
        while (Date.now() < end);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }"""
    assert (await ask(pool, text, None, SUSPENDS, cpu_seconds=0.1, wall_seconds=5)).outcome == TimedOut(TimeLimit.CPU)


async def test_the_memory_of_runs_that_wait_is_the_scripts(pool: Pool) -> None:
    text = """async function main(n) {
      const held = new Array(n).fill(0).map((_, index) => ({ index }));
      await new Promise((resolve) => setTimeout(resolve, 300));
      return held.length;
    }"""
    heavy = program(text, SUSPENDS, memory_bytes=12_000_000)
    futures = [submit(pool, heavy, 30_000)[1] for _ in range(12)]
    outcomes = [completion.outcome for completion in await asyncio.gather(*futures)]
    assert OutOfMemory() in outcomes
    assert Returned(b"30000") in outcomes


async def test_the_log_of_a_run_that_ran_out_of_time_is_kept(pool: Pool) -> None:
    completion = await ask(pool, "async function main() { console.log('here'); await null; }", None, SUSPENDS)
    assert [line.text for line in completion.log] == ["here"]
    text = "const main = () => { console.log('here'); return new Promise((r) => setTimeout(r, 9000)); }"
    completion = await ask(pool, text, None, SUSPENDS, wall_seconds=0.2)
    assert [line.text for line in completion.log] == ["here"]


# ---- bounds of the queue ----


async def test_the_queue_is_bounded() -> None:
    settings = msgspec.structs.replace(SMALL, queue=5, queue_per_program=3)
    async with running_pool(settings) as pool:
        mine = [submit(pool, WAIT, 50, SUSPENDS) for _ in range(4)]
        assert mine[3][1].result().outcome == Refused("too many runs of this script are waiting")
        others = [submit(pool, FINE, number) for number in range(3)]
        assert others[2][1].result().outcome == Refused("too many runs are waiting")
        for _, future in (*mine[:3], *others[:2]):
            assert isinstance((await future).outcome, Returned)
        assert pool.state().refused == 2
        assert await value(pool, FINE, 1) == 1
        assert pool.state().outstanding == 0


async def test_a_deadline_passes_while_a_run_waits() -> None:
    async with running_pool(PoolSettings(workers=1, slow_workers=0, stall_seconds=30)) as pool:
        blocking = submit(pool, BUSY, 400)[1]
        waiting = [submit(pool, FINE, n, wall_seconds=0.1)[1] for n in range(50)]
        outcomes = {completion.outcome for completion in await asyncio.gather(*waiting)}
        assert outcomes == {TimedOut(TimeLimit.WALL)}
        assert not blocking.done()
        assert isinstance((await blocking).outcome, Returned)
        await until(lambda: not any(worker.load for worker in workers(pool).values()))


async def test_deadlines_of_answered_runs_are_swept(pool: Pool) -> None:
    for number in range(500):
        await value(pool, FINE, number)
    assert len(pool._deadlines) < 100


# ---- cancelling ----


async def test_cancel(pool: Pool) -> None:
    queued = [submit(pool, BUSY, 1) for _ in range(60)]
    for run, future in queued[20:]:
        run.cancel()
        assert future.result().outcome == Cancelled()
    assert all([isinstance((await future).outcome, Returned) for _, future in queued[:20]])

    run, future = submit(pool, WAIT, 60_000, SUSPENDS, wall_seconds=60)
    await begun(run)
    run.cancel()
    run.cancel()
    assert future.result().outcome == Cancelled()

    run, future = submit(pool, HOSTILE, wall_seconds=30, cpu_seconds=30)
    pid = await running(pool, run)
    run.cancel()
    assert future.result().outcome == Cancelled()
    await until(lambda: pid not in workers(pool))
    assert pool.state().deaths == {"SIGKILL": 1}
    await until(lambda: not any(worker.load for worker in workers(pool).values()))
    assert await value(pool, FINE, 1) == 1


async def test_cancelling_an_app_on_the_slow_lane_frees_it(pool: Pool) -> None:
    busy = "const end = Date.now() + 60; while (Date.now() < end);"
    slow = f"async function main(ms) {{ {busy} await new Promise((resolve) => setTimeout(resolve, ms)); }}"
    await ask(pool, slow, 1, SUSPENDS)
    for _ in range(3):
        run, _ = submit(pool, slow, 9000, SUSPENDS, wall_seconds=9)
        await begun(run)
        run.cancel()
    assert isinstance((await ask(pool, slow, 1, SUSPENDS, wall_seconds=5)).outcome, Returned)


# ---- workers that die ----


async def test_the_kernel_ends_a_run_and_the_others_go_on(pool: Pool) -> None:
    hostile = submit(pool, NATIVE_LOOP, wall_seconds=0.2)[1]
    others = [submit(pool, FINE, number)[1] for number in range(100)]
    assert [(await future).outcome for future in others] == [Returned(str(number).encode()) for number in range(100)]
    assert (await hostile).outcome == TimedOut(TimeLimit.WALL)
    await until(lambda: pool.state().deaths == {"SIGALRM": 1})


async def test_a_worker_killed_from_outside(pool: Pool) -> None:
    run, future = submit(pool, BUSY, 1000)
    behind = [submit(pool, program(FINE, key="behind"), number)[1] for number in range(10)]
    os.kill(await running(pool, run), signal.SIGKILL)
    assert (await future).outcome == Crashed("SIGKILL")
    assert [(await one).outcome for one in behind] == [Returned(str(number).encode()) for number in range(10)]
    await until(lambda: pool.state().fast == 1 and pool.state().spare == 1)


async def test_a_worker_that_frees_what_a_long_run_held_is_not_taken_for_one_that_hangs() -> None:
    text = """function main() {
      let list = null;
      for (let number = 0; number < 450_000; number++) list = { list };
      for (const end = Date.now() + 700; Date.now() < end;);
      throw new Error('mine');
    }"""
    settings = PoolSettings(workers=1, slow_workers=0, worker=WorkerSettings(warm_contexts=0))
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
        assert (await waiting).outcome == Returned(b"5")
        assert pool.state().deaths == {}


async def test_an_idle_worker_killed_from_outside(pool: Pool) -> None:
    os.kill(fast_pid(pool), signal.SIGKILL)
    futures = [submit(pool, FINE, number)[1] for number in range(100)]
    assert [(await future).outcome for future in futures] == [Returned(str(number).encode()) for number in range(100)]


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
    assert [(await future).outcome for future in futures] == [Returned(str(number).encode()) for number in range(50)]
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
        assert (await future).outcome == Returned(b"1")
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
    msgspec.msgpack.encode([2, "x", "R", b"1", None, 1]),
    msgspec.msgpack.encode([2, 1, "R", "text", None, 1]),
    msgspec.msgpack.encode([3, 1, 5, None]),
    msgspec.msgpack.encode({"a": 1}),
    b"\x91" * 2000,
    b"\xdd\xff\xff\xff\xff",
]


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
    for tag, payload in (("Z", b""), ("X", b"nothing"), ("", b""), ("R", b"x" * 4000), ("W", b""), ("RR", b"1")):
        await whole(pool)
        run, future = submit(pool, program(BUSY, key=f"busy {tag}"), 9000, wall_seconds=9, result_bytes=1000)
        pid = await running(pool, run)
        workers(pool)[pid].process.data_received(msgspec.msgpack.encode([2, run.id, tag, payload, None, 1]))
        assert (await future).outcome == Crashed("the worker answered what no run can")
        await until(lambda pid=pid: pid not in workers(pool))  # type: ignore[misc]


async def test_a_worker_that_speaks_of_runs_that_it_does_not_have(pool: Pool) -> None:
    process = workers(pool)[fast_pid(pool)].process
    for message in (
        [2, 10**9, "R", b"1", None, 1],
        [2, -1, "R", b"\xff", "[", -5],
        [3, 10**9, '[[1,"ask",[]]]', "not json"],
        [5, 10**9],
        [1, False, "again"],
        [6, "words"],
    ):
        process.data_received(msgspec.msgpack.encode(message))
    assert await value(pool, FINE, 1) == 1
    assert pool.state().confined


async def test_a_log_that_cannot_be_read(pool: Pool) -> None:
    process = workers(pool)[fast_pid(pool)].process
    for number, log in enumerate(("[", '[["a"]]', "[" * 5000, '"x"')):
        run, future = submit(pool, program(WAIT, SUSPENDS, key=f"{number}"), 9000, wall_seconds=9)
        await begun(run)
        process.data_received(msgspec.msgpack.encode([2, run.id, "R", b"1", log, 1]))
        assert (await future) == Completion(
            Returned(b"1"), (LogLine("warn", "[console output that cannot be read]"),), 1
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


async def test_a_run_that_has_called_the_host_does_not_begin_again(pool: Pool) -> None:
    host = Asked()
    run, future = submit(pool, ASKS, 7, host=host)
    await until(lambda: host.calls)
    await until(lambda: run.worker is not None and not run.worker.process.running)
    assert run.worker is not None
    os.kill(run.worker.process.pid, signal.SIGKILL)
    assert (await future).outcome == Crashed("its worker died of another run")
    assert len(host.calls) == 1


async def test_host_calls(pool: Pool) -> None:
    def answer(call: HostCall) -> None:
        assert call.name == "ask"
        if call.arguments[0] == 1:
            call.resolve("yes")
        else:
            call.reject("no")

    assert (await submit(pool, ASKS, 1, host=Asked(answer))[1]).outcome == Returned(b'[1,"yes"]')
    outcome = (await submit(pool, ASKS, 2, host=Asked(answer))[1]).outcome
    assert isinstance(outcome, Threw)
    assert outcome.message == "no"
    outcome = (await submit(pool, ASKS, 3)[1]).outcome
    assert isinstance(outcome, Threw)
    assert outcome.message == "there is no host for this run"


async def test_arguments_nested_too_deep_for_the_daemon(pool: Pool) -> None:
    text = "async function main() { let a = []; for (let i = 0; i < 1500; i++) a = [a]; await ask(a); return 1; }"
    outcome = (await ask(pool, program(text, SUSPENDS, adapter=HOST_ADAPTER), wall_seconds=1)).outcome
    assert isinstance(outcome, Exceeded | Threw)
    assert await value(pool, FINE, 1) == 1


# ---- lanes ----


async def test_a_slow_script_delays_only_scripts_like_it() -> None:
    async with running_pool(PoolSettings(workers=1, slow_workers=1)) as pool:
        assert await value(pool, BUSY, 80) == 80
        assert pool.state().slow_programs == 1
        slow = [submit(pool, BUSY, 100)[1] for _ in range(5)]
        for number in range(20):
            began = time.monotonic()
            assert await value(pool, FINE, number) == number
            assert time.monotonic() - began < 0.09
        assert not slow[-1].done()
        assert all([isinstance((await future).outcome, Returned) for future in slow])


async def test_slow_scripts_take_turns() -> None:
    async with running_pool(PoolSettings(workers=1, slow_workers=1)) as pool:
        one, two = program(BUSY, key="one"), program(BUSY, key="two")
        # On a busy machine a run of so long has not always had the processor time that makes it slow.
        while pool.state().slow_programs < 2:
            await asyncio.gather(ask(pool, one, 60), ask(pool, two, 60))
        order: list[str] = []
        futures = []
        for each in (one, one, one, two, two, two):
            _, future = submit(pool, each, 20, wall_seconds=5)
            future.add_done_callback(partial(lambda key, _: order.append(key), each.key))
            futures.append(future)
        await asyncio.gather(*futures)
        # The first of them was sent before there was another to choose.
        assert order[1:5] in (["one", "two"] * 2, ["two", "one"] * 2)


async def test_hostile_scripts_on_every_fast_worker() -> None:
    async with running_pool(PoolSettings(workers=2, slow_workers=1)) as pool:
        hostile = [
            submit(pool, program(NATIVE_LOOP, key=f"hostile {n}"), wall_seconds=0.5, cpu_seconds=9)[1] for n in range(8)
        ]
        for number in range(100):
            assert await value(pool, program(FINE, key=f"fine {number % 10}"), number, wall_seconds=2) == number
        assert {(await future).outcome for future in hostile} == {TimedOut(TimeLimit.WALL)}

        def whole() -> bool:
            state = pool.state()
            return (state.fast, state.slow, state.spare, state.held) == (2, 1, 1, 0)

        await until(whole)
        assert pool.state().moved > 0


async def test_without_a_slow_lane() -> None:
    async with running_pool(PoolSettings(workers=1, slow_workers=0)) as pool:
        hostile = submit(pool, NATIVE_LOOP, wall_seconds=0.3)[1]
        assert await value(pool, FINE, 1) == 1
        assert (await hostile).outcome == TimedOut(TimeLimit.WALL)
        assert pool.state().slow_programs == 0


async def test_a_worker_that_has_grown_is_replaced_in_peace() -> None:
    # A worker's peak begins at that of the process that started it, which other tests have grown.
    size = 260_000_000 + resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    worker = WorkerSettings(memory_bytes=size + 140_000_000, warm_contexts=20)
    async with running_pool(PoolSettings(workers=1, slow_workers=0, worker=worker, stall_seconds=5)) as pool:
        before = fast_pid(pool)
        text = "function main(n) { const a = new Uint8Array(n).fill(1); return a.length; }"
        sizes = [submit(pool, program(text, memory_bytes=size + 90_000_000), size)[1]]
        sizes += [submit(pool, FINE, number)[1] for number in range(50)]
        assert all([isinstance((await future).outcome, Returned) for future in sizes])
        await until(lambda: before not in workers(pool))
        assert pool.state().deaths == {}
        await until(lambda: pool.state().spare == 1)


async def test_a_reload_breaks_no_run(pool: Pool) -> None:
    first = [submit(pool, BUSY, 2)[1] for _ in range(50)]
    waiting = submit(pool, WAIT, 50, SUSPENDS)[1]
    pool.retain([])
    second = [submit(pool, BUSY, 2)[1] for _ in range(5)]
    pool.retain([program(FINE).key])
    assert all([isinstance((await future).outcome, Returned) for future in (*first, *second, waiting)])
    assert await value(pool, BUSY, 1) == 1


# ---- callbacks, closing ----


async def test_a_callback_that_raises_harms_nobody(pool: Pool) -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

    def raising(*_: object) -> None:
        raise ValueError("mine")

    run, _ = submit(pool, FINE, 1)
    run._done = raising
    other = submit(pool, FINE, 2)[1]
    assert (await other).outcome == Returned(b"2")
    outcome = (await submit(pool, ASKS, 1, host=Asked(raising))[1]).outcome
    assert isinstance(outcome, Threw)
    assert outcome.message == "the host failed"
    assert [str(context["exception"]) for context in reported] == ["mine", "mine"]
    assert pool.state().deaths == {}


async def test_a_callback_may_submit_again(pool: Pool) -> None:
    finished = asyncio.get_running_loop().create_future()

    def again(completion: Completion) -> None:
        assert isinstance(completion.outcome, Returned)
        number = int(completion.outcome.value)
        if number == 200:
            finished.set_result(None)
        else:
            run, _ = submit(pool, FINE, number + 1)
            run._done = again

    run, _ = submit(pool, FINE, 0)
    run._done = again
    await asyncio.wait_for(finished, 10)


async def test_names_that_are_no_text(pool: Pool) -> None:
    odd = program("function main() { return process.env.X; }", key="\ud800", environment={"X": "a\ud800b"})
    assert isinstance((await ask(pool, odd)).outcome, Returned)
    assert await value(pool, program("function main() { return '\0\ud800'.length; }")) in (2, 3)


async def test_input_that_is_no_json(pool: Pool) -> None:
    for data in (b"", b"\xff\xfe", b"{", b'"\x00"'):
        invocation = submit(pool, FINE, 1)[0].invocation
        future: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        pool.submit(msgspec.structs.replace(invocation, input=data), future.set_result)
        assert isinstance((await future).outcome, Threw)
    assert pool.state().deaths == {}


async def test_close_under_load() -> None:
    pool = Pool(SMALL)
    await pool.start()
    futures = [submit(pool, BUSY, 5)[1] for _ in range(20)]
    assert pool.state().outstanding == 20
    await until(lambda: pool.state().outstanding == 0)
    assert all(future.done() for future in futures)
    left = [submit(pool, BUSY, 200)[1] for _ in range(20)] + [submit(pool, WAIT, 9000, SUSPENDS)[1]]
    await pool.close()
    assert all(future.done() for future in left)
    assert {future.result().outcome for future in left} == {Refused("the daemon is stopping")}
    assert (await submit(pool, FINE, 1)[1]).outcome == Refused("the daemon is stopping")
    await pool.close()


def _open() -> tuple[set[str], str]:
    links = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            links.add(f"{entry.name} {entry.readlink()}")
        except OSError:
            continue
    return links, Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="utf-8")


@pytest.mark.parametrize("run_loop", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_nothing_is_left_after_close(run_loop: Any) -> None:
    async def life() -> None:
        async with running_pool(PoolSettings(workers=2, slow_workers=1)) as pool:
            assert await value(pool, FINE, 1) == 1
            hostile = submit(pool, NATIVE_LOOP, wall_seconds=0.2)[1]
            assert await value(pool, FINE, 2) == 2
            assert (await hostile).outcome == TimedOut(TimeLimit.WALL)
            os.kill(fast_pid(pool), signal.SIGKILL)
            assert await value(pool, WAIT, 10, SUSPENDS) == 10
            submit(pool, HOSTILE)

    run_loop(asyncio.sleep(0))
    before = _open()
    run_loop(life())
    gc.collect()
    assert _open() == before


async def test_close_while_starting() -> None:
    before = _open()[1]
    pool = Pool(SMALL)
    starting = asyncio.ensure_future(pool.start())
    await until(lambda: pool._supervisor.started or starting.done())
    await pool.close()
    with pytest.raises(Exception, match=r"ended before it was ready|closed"):
        await starting
    assert _open()[1] == before


async def test_start_that_is_given_up() -> None:
    before = _open()[1]
    pool = Pool(SMALL)
    starting = asyncio.ensure_future(pool.start())
    await until(lambda: pool._supervisor.started)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert _open()[1] == before
