"""The runner in the test's own process does with each program what a real pool does with it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from sandbox import values
from sandbox.host import HostCall
from sandbox.outcome import Completion, Exceeded, OutOfMemory, Returned, Threw, TimedOut
from sandbox.pool import Pool
from sandbox.program import Invocation, Limits, Program
from tests.doubles.engine_runner import EngineRunner
from tests.sandbox.support import HOST_ADAPTER, Asked, program, running_pool

pytestmark = pytest.mark.asyncio(loop_scope="module")

KV = {"kv": "({ ask }) => ({ get: (key) => ask('get', key) })"}


def suspending(text: str, **more: Any) -> Program:
    return program(text, True, adapter=HOST_ADAPTER, **more)


TABLE: dict[str, tuple[Program, type, dict[str, Any]]] = {
    "returns": (program("function main(data) { console.log('seen', data); return data; }"), Returned, {}),
    "exits": (program("exit(vars() + 1)"), Returned, {}),
    "throws": (program("function main() { console.warn('a');\n throw new TypeError('mine'); }"), Threw, {}),
    "throws null": (program("function main() { throw null; }"), Threw, {}),
    "does not compile": (program("function main( {"), Threw, {}),
    "has no entry point": (program("const mian = 1"), Threw, {}),
    "is called by a name": (program("const search = (n) => n + 1", entries=("search",)), Returned, {"entry": "search"}),
    "is called by another": (program("const search = 1"), Threw, {"entry": "search"}),
    "loops": (program("function main() { console.log('here'); for (;;); }"), TimedOut, {"cpu_seconds": 0.05}),
    "fills its memory": (
        program(
            "function main() { const a = []; for (;;) a.push('x'.repeat(1e5) + a.length); }", memory_bytes=8_000_000
        ),
        OutOfMemory,
        {},
    ),
    "returns too much": (program("const main = () => 'x'.repeat(2000)"), Exceeded, {"result_bytes": 1000}),
    "logs too much": (
        program("function main() { console.log('x'.repeat(99)); return 1; }"),
        Returned,
        {"log_bytes": 35},
    ),
    "awaits": (suspending("async function main(data) { await null; return data; }"), Returned, {}),
    "awaits a timer": (
        suspending("async function main() { await new Promise((r) => setTimeout(r, 5)); console.log(1); return 2; }"),
        Returned,
        {},
    ),
    "awaits nothing": (suspending("const main = () => new Promise(() => {})"), Threw, {}),
    "awaits without end": (suspending("async function main() { for (;;) await null; }"), Exceeded, {"jobs": 1000}),
    "asks": (
        suspending("async function main(n) { console.log(n); return [await ask(n), await ask('b')]; }"),
        Returned,
        {},
    ),
    "asks a module": (suspending("const main = async () => [await require('kv').get('a')]", modules=KV), Returned, {}),
    "is refused": (suspending("async function main() { await ask('no'); }"), Threw, {}),
    "asks and does not wait": (suspending("function main() { ask('a'); ask('b'); return 1; }"), Returned, {}),
    "asks and throws": (suspending("async function main() { ask('a'); throw new Error('mine'); }"), Threw, {}),
    "asks too much": (
        suspending("function main() { for (let n = 0; n < 5; n++) ask('a'); }"),
        Exceeded,
        {"outbox_calls": 3},
    ),
    "asks too deeply": (
        suspending("function main() { let a = []; for (let i = 0; i < 1500; i++) a = [a]; return ask(a); }"),
        Threw,
        {},
    ),
    "requires what is not there": (suspending("const main = () => require('fs')"), Threw, {}),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool() -> AsyncIterator[Pool]:
    async with running_pool() as serving:
        yield serving


def host() -> Asked:
    def answer(call: HostCall) -> None:
        if call.arguments == ["no"]:
            call.reject("no", name="Refusal")
        else:
            call.resolve([call.name, *call.arguments])

    return Asked(answer)


def heard(asked: Asked) -> tuple[list[tuple[str, list[Any]]], int]:
    return [(call.name, call.arguments) for call in asked.calls], asked.ends


@pytest.mark.parametrize("name", TABLE)
async def test_it_does_what_a_pool_does(pool: Pool, name: str) -> None:
    ran, expected, more = TABLE[name]
    limits = Limits(**{limit: value for limit, value in more.items() if limit != "entry"})
    invocation = Invocation(
        program=ran, entry=more.get("entry", "main"), input=values.encode(7), limits=limits, correlation_id="c"
    )
    here, there = host(), host()
    completions: list[Completion] = []
    run = EngineRunner().submit(invocation, completions.append, here)
    while not run.over and run.next_due is not None:
        run.pass_time(run.next_due - run.now)
    real: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
    pool.submit(invocation, real.set_result, there)
    completion = await real
    assert isinstance(completion.outcome, expected)
    (doubled,) = completions
    assert doubled.outcome == completion.outcome
    # Console lines of a run that is cut short are there, as far as the engine has them still.
    assert doubled.log == completion.log or isinstance(completion.outcome, TimedOut | OutOfMemory)
    assert heard(here) == heard(there)


async def test_a_cancelled_run_is_over_at_once(pool: Pool) -> None:
    del pool
    asked = Asked()
    completions: list[Completion] = []
    ran = suspending("async function main() { await ask('a'); return 1; }")
    run = EngineRunner().submit(
        Invocation(program=ran, input=values.encode(1), limits=Limits()), completions.append, asked
    )
    run.cancel()
    asked.calls[0].resolve()
    assert [type(one.outcome).__name__ for one in completions] == ["Cancelled"]
    assert asked.ends == 1


async def test_without_a_host_what_is_asked_is_rejected_as_in_a_pool(pool: Pool) -> None:
    invocation = Invocation(program=suspending("const main = () => ask(1)"), input=values.encode(1), limits=Limits())
    completions: list[Completion] = []
    EngineRunner().submit(invocation, completions.append)
    real: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
    pool.submit(invocation, real.set_result)
    assert [one.outcome for one in completions] == [(await real).outcome]
