"""What a worker may send: more than that, however sound, costs it its life, and the daemon neither time nor memory."""

import os
import signal

import pytest

from sandbox import allowance
from sandbox.allowance import BYTES, LEAST_BYTES, MESSAGES, Allowance
from sandbox.link import NO_CALLS
from sandbox.messages_up import calls, let_go
from sandbox.outcome import Bound, Crashed, Exceeded, Returned
from sandbox.pool import Pool
from sandbox.program import Limits
from tests.sandbox.support import (
    BUSY,
    FINE,
    HOST_ADAPTER,
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
    submit,
    until,
    value,
    workers,
)

LIMITS = Limits()
BROKEN = Crashed("the worker broke the link's protocol")


@pytest.fixture
def _no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a busy machine takes over a flood."""
    monkeypatch.setattr(allowance, "MESSAGES_A_SECOND", 0)
    monkeypatch.setattr(allowance, "BYTES_A_SECOND", 0)


@pytest.mark.usefixtures("_no_time_passes")
@pytest.mark.parametrize(
    "said", [[4], [1, True, ""], calls(10**9, NO_CALLS, None, 0, b""), [6, "words"], calls(1, NO_CALLS, None, 0, b"")]
)
async def test_sound_messages_without_end(pool: Pool, said: list[object]) -> None:
    run, future = submit(pool, BUSY, 9000, wall_seconds=9, cpu_seconds=9)
    process = workers(pool)[await running(pool, run)].process
    flood = packed(said) * 10_000
    for _ in range(10):
        process.data_received(flood)
    assert process.broken
    assert (await future).outcome == BROKEN
    assert await value(pool, FINE, 1) == 1


@pytest.mark.parametrize("said", [[2, 7, "R", b"\x01", None, 1, 1], [5, 7]])
async def test_more_ends_than_runs(pool: Pool, said: list[object]) -> None:
    process = workers(pool)[fast_pid(pool)].process
    process.data_received(packed(said))
    assert process.broken


async def test_a_run_is_let_go_of_where_it_was_to_be_only(pool: Pool) -> None:
    run, future = submit(pool, BUSY, 9000, wall_seconds=9, cpu_seconds=9)
    process = workers(pool)[await running(pool, run)].process
    process.data_received(packed(let_go(run.id)))
    assert process.broken
    run.cancel()
    await future


async def test_a_message_that_does_not_end(pool: Pool) -> None:
    run, future = submit(pool, BUSY, 9000, wall_seconds=9, cpu_seconds=9)
    process = workers(pool)[await running(pool, run)].process
    process.data_received(b"\x97\x02\x01\xa1R\xc6\x0e\xff\xff\xff")
    received = 0
    while not process.broken:
        process.data_received(bytes(256 * 1024))
        received += 256 * 1024
    assert received < 4 * LIMITS.result_bytes
    assert (await future).outcome == BROKEN


@pytest.mark.usefixtures("_no_time_passes")
async def test_bytes_without_end(pool: Pool) -> None:
    run, future = submit(pool, BUSY, 9000, wall_seconds=9, cpu_seconds=9)
    process = workers(pool)[await running(pool, run)].process
    said = packed(calls(10**9, bytes(1_000_000), None, 0, b""))
    for _ in range(BYTES // len(said) + 10):
        process.data_received(said)
    assert process.broken
    assert (await future).outcome == BROKEN


async def test_calls_that_nobody_answers_are_counted_over_all_messages(pool: Pool) -> None:
    host = Asked()
    run, future = submit(pool, program(WAIT, SUSPENDS), 9000, wall_seconds=9, outbox_calls=10, host=host)
    await begun(run)
    process = workers(pool)[fast_pid(pool)].process
    for number in range(3):
        process.data_received(packed(calls(run.id, packed([[number, "ask", []]] * 4), None, 0, b"")))
        for call in host.calls[:1]:
            call.resolve()
    assert (await future).outcome == Exceeded(Bound.OUTBOX)
    assert len(host.calls) == 8


async def test_a_worker_that_closes_its_link(pool: Pool) -> None:
    run, future = submit(pool, BUSY, 9000, wall_seconds=9, cpu_seconds=9)
    pid = await running(pool, run)
    process = workers(pool)[pid].process
    os.kill(pid, signal.SIGSTOP)
    assert process._transport is not None
    process._transport.abort()
    assert (await future).outcome == BROKEN
    await until(lambda: pid not in workers(pool))


def test_what_a_worker_is_asked_for_it_may_send() -> None:
    given = Allowance()
    whole = LIMITS.result_bytes + LIMITS.outbox_bytes + LIMITS.log_bytes * 3
    for _ in range(3_000):
        given.begin(LIMITS)
    for _ in range(3_000):
        assert given.spend(2, 1, whole, 0)
    for _ in range(3):
        for _ in range(MESSAGES):
            given.answer()
        assert given.spend(MESSAGES, 0, 0, 0)


@pytest.mark.usefixtures("_no_time_passes")
def test_what_is_left_over_of_a_run_is_not_kept_for_ever() -> None:
    given = Allowance()
    for _ in range(1_000):
        given.begin(LIMITS)
        assert given.spend(1, 1, 10, 0)
    assert not given.spend(0, 0, 3 * BYTES, 0)


def test_a_message_may_be_as_long_as_what_a_run_may_say() -> None:
    given = Allowance()
    assert not given.spend(0, 0, 0, LEAST_BYTES + 1)
    given.begin(Limits(result_bytes=50_000_000))
    given.begin(LIMITS)
    # A result, and what was asked in the turn that came to it.
    assert given.spend(0, 0, 0, 50_000_000 + LIMITS.outbox_bytes)
    assert not given.spend(0, 0, 0, 52_000_000)


async def test_a_long_result_beside_long_calls_that_were_not_awaited_is_no_flood(pool: Pool) -> None:
    text = "async function main(n) { ask('x'.repeat(n)); console.log('z'.repeat(16000)); return 'y'.repeat(n); }"
    made = program(text, SUSPENDS, adapter=HOST_ADAPTER)
    for _ in range(3):
        _, future = submit(pool, made, 990_000, host=Asked(), wall_seconds=9)
        assert isinstance((await future).outcome, Returned)
    assert pool.state().deaths == {}


async def test_timers_as_fast_as_they_come_are_no_flood(pool: Pool) -> None:
    text = """async function main() {
      for (let n = 0; n < 30; n++) setInterval(() => console.log(n), 1);
      await new Promise((resolve) => setTimeout(resolve, 500));
      return 1;
    }"""
    assert (await ask(pool, text, None, SUSPENDS)).outcome == returned(1)
    assert pool.state().deaths == {}
