"""The pool as its users see it: bounded, given up, called back, closed, with real worker processes."""

import asyncio
import gc
import os
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop

from sandbox.outcome import (
    Cancelled,
    Completion,
    Refused,
    Returned,
    Threw,
    TimedOut,
    TimeLimit,
)
from sandbox.pool import RUN_BYTES, Pool, PoolSettings
from tests.sandbox.support import (
    ASKS,
    BUSY,
    FINE,
    HOST_ADAPTER,
    HOSTILE,
    NATIVE_LOOP,
    SMALL,
    SUSPENDS,
    WAIT,
    Asked,
    ask,
    begun,
    fast_pid,
    program,
    returned,
    running,
    running_pool,
    submit,
    unpacked,
    until,
    value,
    workers,
)

# ---- bounds of the queue ----


async def test_the_queue_is_bounded_in_bytes_and_one_scripts_leaves_room_for_the_next() -> None:
    settings = msgspec.structs.replace(SMALL, queue_bytes=8 * (RUN_BYTES + 2))
    async with running_pool(settings) as pool:
        mine = [submit(pool, WAIT, 50, SUSPENDS) for _ in range(5)]
        assert mine[4][1].result().outcome == Refused("too many runs of this script are waiting")
        other = [submit(pool, FINE, 10 + number) for number in range(3)]
        assert other[2][1].result().outcome == Refused("too many runs of this script are waiting")
        third = [submit(pool, program(FINE, key="third"), 10) for _ in range(2)]
        assert third[1][1].result().outcome == Refused("too many runs of this script are waiting")
        accepted = (*mine[:4], *other[:2], *third[:1])
        large = submit(pool, program(FINE, key="large"), "x" * 2 * RUN_BYTES)[1]
        assert large.result().outcome == Refused("too many runs are waiting")
        for _, future in accepted:
            assert isinstance((await future).outcome, Returned)
        assert pool.state().refused == 4
        assert await value(pool, FINE, 1) == 1
        assert pool.state().outstanding == 0
        assert pool._held_bytes == 0


async def test_two_thousand_runs_of_one_script_wait_as_long_as_their_time_allows(pool: Pool) -> None:
    many = [submit(pool, FINE, number, wall_seconds=30)[1] for number in range(2_000)]
    assert await value(pool, program(FINE, key="other"), 7) == 7
    assert not many[-1].done()
    assert [(await one).outcome for one in many] == [returned(number) for number in range(2_000)]
    assert pool.state().refused == 0


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


LOOPS_ONCE_ANSWERED = program("async function main() { await ask(); for (;;); }", SUSPENDS, adapter=HOST_ADAPTER)
WAITS_ONCE_ANSWERED = program("async function main() { await ask(); await ask(); }", SUSPENDS, adapter=HOST_ADAPTER)


async def test_a_loop_that_is_given_up_between_turns_is_told_as_the_loop_that_it_is(pool: Pool) -> None:
    host = Asked()
    run, future = submit(pool, LOOPS_ONCE_ANSWERED, host=host, wall_seconds=60, turn_seconds=30, cpu_seconds=0.3)
    await until(lambda: host.calls)
    host.calls[0].resolve()
    await running(pool, run)
    run.cancel_between_turns()
    completion = await future
    assert completion.outcome == TimedOut(TimeLimit.CPU)
    assert completion.interruption is not None
    assert completion.interruption.function == "main"
    assert pool.state().deaths == {}


async def test_a_turn_that_its_answer_has_not_begun_yet_is_told_too(pool: Pool) -> None:
    host = Asked()
    run, future = submit(pool, LOOPS_ONCE_ANSWERED, host=host, wall_seconds=60, turn_seconds=30, cpu_seconds=0.3)
    await until(lambda: host.calls)
    await begun(run)
    pid = fast_pid(pool)
    # As on a machine too busy: the answer is on its way when the run is given up.
    os.kill(pid, signal.SIGSTOP)
    host.calls[0].resolve()
    run.cancel_between_turns()
    os.kill(pid, signal.SIGCONT)
    assert (await future).outcome == TimedOut(TimeLimit.CPU)


@pytest.mark.parametrize("answered", [False, True])
async def test_a_run_that_waits_is_given_up_at_once_and_one_that_comes_to_wait_then(pool: Pool, answered: bool) -> None:
    host = Asked()
    run, future = submit(pool, WAITS_ONCE_ANSWERED, host=host, wall_seconds=60)
    await until(lambda: host.calls)
    if answered:
        host.calls[0].resolve()
    run.cancel_between_turns()
    run.cancel_between_turns()
    assert (await future).outcome == Cancelled()
    assert host.ends == 1
    assert pool.state().deaths == {}
    assert await value(pool, FINE, 1) == 1


async def test_a_run_given_up_whose_worker_does_not_answer_is_over_all_the_same(pool: Pool) -> None:
    host = Asked()
    run, future = submit(pool, WAITS_ONCE_ANSWERED, host=host, wall_seconds=60, turn_seconds=0.1)
    await until(lambda: host.calls)
    await begun(run)
    pid = fast_pid(pool)
    os.kill(pid, signal.SIGSTOP)
    run.cancel_between_turns()
    assert (await future).outcome == Cancelled()
    os.kill(pid, signal.SIGCONT)


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


# ---- callbacks, closing ----


async def test_a_callback_that_raises_harms_nobody(pool: Pool) -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

    def raising(*_: object) -> None:
        raise ValueError("mine")

    run, _ = submit(pool, FINE, 1)
    run._done = raising
    other = submit(pool, FINE, 2)[1]
    assert (await other).outcome == returned(2)
    outcome = (await submit(pool, ASKS, 1, host=Asked(raising))[1]).outcome
    assert isinstance(outcome, Threw)
    assert outcome.message == "the host failed"
    assert [str(context["exception"]) for context in reported] == ["mine", "mine"]
    assert pool.state().deaths == {}


async def test_a_callback_may_submit_again(pool: Pool) -> None:
    finished = asyncio.get_running_loop().create_future()

    def again(completion: Completion) -> None:
        assert isinstance(completion.outcome, Returned)
        number = unpacked(completion.outcome.value)
        if number == 200:
            finished.set_result(None)
        else:
            run, _ = submit(pool, FINE, number + 1)
            run._done = again

    run, _ = submit(pool, FINE, 0)
    run._done = again
    await asyncio.wait_for(finished, 60)


async def test_names_that_are_no_text(pool: Pool) -> None:
    odd = program("function main() { return process.env.X; }", key="\ud800", environment={"X": "a\ud800b"})
    assert isinstance((await ask(pool, odd)).outcome, Returned)
    assert await value(pool, program("function main() { return '\0\ud800'.length; }")) in (2, 3)


async def test_input_that_is_no_messagepack(pool: Pool) -> None:
    for data in (b"", b"\xff\xfe", b"\xc1", b"\xa2\x00"):
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


async def test_nobody_is_woken_to_look_at_workers_that_rest() -> None:
    async with running_pool(PoolSettings(workers=1, slow_workers=0)) as pool:
        watch = pool._supervisor.watch
        for _ in range(2):
            await value(pool, "function main() { return 1 }")
            await until(lambda: watch._tick_timer is None)
        waiting = submit(pool, WAIT, 5_000, SUSPENDS, wall_seconds=9)[0]
        await begun(waiting)
        await until(lambda: watch._tick_timer is None and watch._glance_timer is not None)
        waiting.cancel()


async def test_a_run_that_goes_on_by_its_own_timer_and_holds_its_worker_is_seen() -> None:
    text = """async function main() {
      await new Promise((resolve) => setTimeout(resolve, 300));
      for (const end = Date.now() + 1500; Date.now() < end;);
    }"""
    async with running_pool(PoolSettings(workers=1, slow_workers=0)) as pool:
        done = submit(pool, text, None, SUSPENDS, wall_seconds=5, cpu_seconds=5)[1]
        await until(lambda: pool._supervisor.watch._tick_timer is None)
        await until(lambda: pool.state().held == 1)
        assert isinstance((await done).outcome, Returned)
