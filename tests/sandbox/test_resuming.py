"""Runs that wait go on in another worker when theirs dies or is held, and nobody outside sees that they do."""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.host import HostCall
from sandbox.outcome import LogLine
from sandbox.pool import Pool
from sandbox.process import WorkerProcess
from tests.sandbox.support import (
    ASKS,
    SUSPENDS,
    WAIT,
    Asked,
    begun,
    returned,
    running_pool,
    submit,
    until,
)
from tests.sandbox.waiting_runs import ONE, asks, by_any_death, killed, killed_between_turns, moved


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    async with running_pool(ONE) as made:
        yield made


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
