"""A host: what it is asked, how it answers, and that it hears once of the end of each run."""

import asyncio
import os
import signal
from typing import Any

import msgspec
import pytest

from sandbox.host import HostCall
from sandbox.outcome import (
    Cancelled,
    Completion,
    Exceeded,
    OutOfMemory,
    Refused,
    Returned,
    Threw,
    TimedOut,
)
from sandbox.pool import RUN_BYTES, Pool
from sandbox.program import Invocation, Limits
from tests.sandbox.support import (
    ASKS,
    FINE,
    HOST_ADAPTER,
    SMALL,
    SUSPENDS,
    Asked,
    ask,
    begun,
    packed,
    program,
    returned,
    running_pool,
    submit,
    until,
    value,
)

CATCHES = program(
    "async function main() { try { await ask(); } catch (e) { return [e.name, e.message, e instanceof Error]; } }",
    True,
    adapter=HOST_ADAPTER,
)


def answers() -> tuple[HostCall, list[tuple[bool, bytes]]]:
    given: list[tuple[bool, bytes]] = []
    return HostCall("ask", [1], lambda succeeded, value, _: given.append((succeeded, value))), given


def test_the_first_answer_counts() -> None:
    call, given = answers()
    call.resolve({"a": [1]})
    call.resolve(2)
    call.reject("no")
    call.answer(True, packed(3))
    assert given == [(True, packed({"a": [1]}))]
    call, given = answers()
    call.reject("no", name="HangupError")
    call.resolve(1)
    assert given == [(False, packed({"message": "no", "name": "HangupError"}))]


def test_an_answer_of_nothing() -> None:
    call, given = answers()
    call.resolve()
    assert given == [(True, packed(None))]


def test_a_message_of_any_text_can_be_told() -> None:
    call, given = answers()
    call.reject("\ud800", name="\udfff")
    assert given == [(False, packed({"message": "?", "name": "?"}))]


def test_what_cannot_be_written_leaves_the_call_unanswered() -> None:
    call, given = answers()
    with pytest.raises(TypeError):
        call.resolve(object())
    call.reject("no")
    assert given == [(False, packed({"message": "no", "name": "Error"}))]


async def test_an_answer_given_twice_or_late_is_dropped(pool: Pool) -> None:
    host = Asked()
    _, future = submit(pool, ASKS, 1, host=host)
    await until(lambda: host.calls)
    host.calls[0].resolve("first")
    host.calls[0].reject("second")
    assert (await future).outcome == returned([1, "first"])
    host = Asked()
    run, future = submit(pool, ASKS, 1, host=host)
    await until(lambda: host.calls)
    run.cancel()
    host.calls[0].resolve("late")
    assert (await future).outcome == Cancelled()
    assert (await submit(pool, ASKS, 2, host=Asked(HostCall.resolve))[1]).outcome == returned([2, None])


async def test_a_question_does_not_wait_for_the_end_of_another_programs_turn(pool: Pool) -> None:
    busy = program("async function main() { await ask(0); for (;;); }", SUSPENDS, key="busy", adapter=HOST_ADAPTER)
    waiting, other = Asked(), Asked()
    assert (
        await submit(pool, ASKS, 0, host=Asked(HostCall.resolve), cpu_seconds=3.0, wall_seconds=60.0)[1]
    ).outcome == returned([0, None])
    run, ended = submit(pool, busy, host=waiting, cpu_seconds=3.0, wall_seconds=60.0)
    await until(lambda: waiting.calls)
    # Both are sent together: the worker has the question of the one when it goes on with the other, which does not end.
    _, answer = submit(pool, ASKS, 1, host=other, cpu_seconds=3.0, wall_seconds=60.0)
    waiting.calls[0].resolve()
    await until(lambda: other.calls)
    await asyncio.sleep(0)
    assert not ended.done()
    other.calls[0].resolve(2)
    run.cancel()
    assert (await ended).outcome == Cancelled()
    assert (await answer).outcome == returned([1, 2])


async def test_a_large_run_is_not_taken_out_and_set_back_for_each_of_the_answers_that_come_at_once(pool: Pool) -> None:
    asks = """async function main(n) {
      const heap = new Array(1e6).fill(1.5);
      const answers = await Promise.all(Array.from({ length: n }, (_, k) => ask(k)));
      return [answers.length, heap.length];
    }"""
    host = Asked()
    many = program(asks, SUSPENDS, adapter=HOST_ADAPTER, memory_bytes=50_000_000)
    _, future = submit(pool, many, 900, host=host, cpu_seconds=2.0, wall_seconds=8.0)
    await until(lambda: len(host.calls) == 900)
    for call in host.calls:
        call.resolve()
    assert (await future).outcome == returned([900, 1_000_000])


async def test_a_rejection_is_an_error_of_its_name(pool: Pool) -> None:
    host = Asked(lambda call: call.reject("no more", name="QuotaError"))
    assert (await submit(pool, CATCHES, host=host)[1]).outcome == returned(["QuotaError", "no more", True])


async def test_a_host_that_raises_when_it_is_asked(pool: Pool) -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

    def raising(call: HostCall) -> None:
        raise ValueError(call.name)

    host = Asked(raising)
    assert (await submit(pool, CATCHES, host=host)[1]).outcome == returned(["Error", "the host failed", True])
    assert [str(context["exception"]) for context in reported] == ["ask"]
    assert host.ends == 1


async def test_a_host_that_raises_at_the_end(pool: Pool) -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

    class Raising(Asked):
        def ended(self) -> None:
            raise ValueError("ended")

    assert (await submit(pool, ASKS, 1, host=Raising(HostCall.resolve))[1]).outcome == returned([1, None])
    assert [str(context["exception"]) for context in reported] == ["ended"]


async def test_a_runs_time_may_be_its_hosts(pool: Pool) -> None:
    """As of a phone, which can be put forward: none passes but what its answers say."""
    text = """async function main() {
      const times = [Date.now()];
      setTimeout(() => times.push("real"), 1);
      for (const wait of [0, 3_600_000]) { await ask(wait); times.push(Date.now()); }
      return [...times, Date.toString()];
    }"""

    def answered(call: HostCall) -> None:
        clock = 1_000_000 + call.arguments[0]
        asyncio.get_running_loop().call_later(0.05, call.resolve, None, clock)

    made = program(text, True, adapter=HOST_ADAPTER)
    invocation = Invocation(
        program=made, input=packed(None), limits=Limits(wall_seconds=5.0), clock=1_000_000.0, clock_given=True
    )
    outcome = (await submit(pool, invocation, host=Asked(answered))[1]).outcome
    native = "function Date() {\n    [native code]\n}"
    assert outcome == returned([1_000_000, 1_000_000, 4_600_000, native])


class Ordered(Asked):
    """Notes when it heard of the end, and when the asker did."""

    def __init__(self) -> None:
        super().__init__(self._answered)
        self.order: list[str] = []

    def _answered(self, call: HostCall) -> None:
        if call.arguments != ["never"]:
            call.resolve()

    def ended(self) -> None:
        super().ended()
        self.order.append("ended")

    def done(self, completion: Completion) -> None:
        self.order.append(type(completion.outcome).__name__)


ENDS: list[tuple[str, type, dict[str, Any]]] = [
    ("async function main() { return await ask(); }", Returned, {}),
    ("async function main() { await ask(); throw new Error(); }", Threw, {}),
    ("function main( {", Threw, {}),
    ("async function main() { await ask('never'); }", TimedOut, {"wall_seconds": 0.1}),
    ("async function main() { await ask(); for (;;); }", TimedOut, {"cpu_seconds": 0.05}),
    ("async function main() { await ask(); new Array(2**32-1).sort(); }", TimedOut, {"wall_seconds": 0.2}),
    ("async function main() { const a = []; for (;;) a.push(new Array(1000)); }", OutOfMemory, {}),
    ("async function main() { await ask(); for (;;) await null; }", Exceeded, {"jobs": 1_000}),
]


@pytest.mark.parametrize(("text", "expected", "limits"), ENDS)
async def test_it_hears_once_of_the_end(pool: Pool, text: str, expected: type, limits: dict[str, Any]) -> None:
    host = Ordered()
    ending = program(text, True, adapter=HOST_ADAPTER, memory_bytes=20_000_000)
    run = pool.submit(Invocation(program=ending, input=packed(1), limits=Limits(**limits)), host.done, host)
    await until(lambda: run.answered)
    await until(lambda: run.worker is None or run.id not in run.worker.outstanding)
    assert host.order == ["ended", expected.__name__]


async def test_it_hears_once_of_a_run_that_is_cancelled(pool: Pool) -> None:
    host = Ordered()
    run, future = submit(pool, ASKS, "never", host=host)
    await until(lambda: host.calls)
    run.cancel()
    run.cancel()
    assert host.order == ["ended"]
    assert (await future).outcome == Cancelled()
    await until(lambda: run.worker is not None and run.id not in run.worker.outstanding)
    assert host.order == ["ended"]


async def test_it_hears_nothing_of_a_worker_that_dies_and_once_of_the_end(pool: Pool) -> None:
    host = Ordered()
    run, future = submit(pool, ASKS, "never", host=host)
    await until(lambda: host.calls)
    await begun(run)
    gone = run.worker
    assert gone is not None
    os.kill(gone.process.pid, signal.SIGKILL)
    await until(lambda: run.worker not in (None, gone))
    assert (len(host.calls), host.order) == (1, [])
    host.calls[0].resolve(5)
    assert (await future).outcome == returned(["never", 5])
    assert host.order == ["ended"]


TOO_MANY = Refused("too many runs of this script are waiting")


async def test_it_hears_of_a_run_that_is_refused() -> None:
    async with running_pool(msgspec.structs.replace(SMALL, queue_bytes=2 * (RUN_BYTES + 10))) as pool:
        host, refused = Ordered(), Ordered()
        submit(pool, ASKS, "never", host=host)
        assert (await submit(pool, ASKS, "never", host=refused)[1]).outcome == TOO_MANY
        assert refused.order == ["ended"]
        assert host.order == []
    assert host.order == ["ended"], "the pool was closed"
    late = Ordered()
    assert (await submit(pool, ASKS, "never", host=late)[1]).outcome == Refused("the daemon is stopping")
    assert late.order == ["ended"]


async def test_host_calls(pool: Pool) -> None:
    def answer(call: HostCall) -> None:
        assert call.name == "ask"
        if call.arguments[0] == 1:
            call.resolve("yes")
        else:
            call.reject("no")

    assert (await submit(pool, ASKS, 1, host=Asked(answer))[1]).outcome == returned([1, "yes"])
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
