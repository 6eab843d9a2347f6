"""Every input that was seen to crash or hang the engine: it has its outcome, and nobody else notices.

One pool serves all of these tests, as one daemon would.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sandbox.outcome import Crashed, Outcome, OutOfMemory, Returned, Threw, TimedOut, TimeLimit
from sandbox.pool import Pool, PoolSettings
from sandbox.process import WorkerSettings
from tests.sandbox.support import ask, program, running_pool, until, value

pytestmark = pytest.mark.asyncio(loop_scope="module")

WALL = TimedOut(TimeLimit.WALL)
CPU = TimedOut(TimeLimit.CPU)

NATIVE_LOOPS = [
    "new Array(2**32-1).sort()",
    "Array.prototype.reverse.call({length:2**53-2})",
    "Array.prototype.join.call({length:2**31},'')",
    "String.raw({raw:{length:2**53-1}})",
    "'a'.repeat(4e6).indexOf('a'.repeat(2e6)+'b')",
    "Object.keys(new Proxy({}, {ownKeys() { return Array.from({length:1e6}, (_, i) => 'k' + i); }}))",
    "const a = []; a[1e9] = 1; a.reverse()",
    "new Function(Array.from({length:60000}, (_, i) => 'let v' + i).join(';'))",
]
"""The engine's own limit does not interrupt these; the kernel ends the worker, or they end late."""
LOOPS = [
    "for (;;);",
    "throw {toString(){for(;;);}, toJSON(){for(;;);}}",
    "throw {get stack(){for(;;);}, toJSON(){for(;;);}}",
    "throw Object.defineProperty(new Error(), 'stack', {get(){for(;;);}})",
    "throw Object.defineProperty(new Error(), 'message', {get(){for(;;);}})",
    "throw new Proxy({}, {get(){for(;;);}, getPrototypeOf(){for(;;);}})",
    "throw {[Symbol.toPrimitive](){for(;;);}, toJSON(){for(;;);}}",
    "Object.defineProperty(globalThis, 'start', {get(){for(;;);}}); for(;;);",
    "return {toJSON(){for(;;);}}",
    "/^(a+)+$/.exec('a'.repeat(40) + 'b')",
    "try { InternalError.prototype.toString = () => { for(;;); } } catch { } for(;;);",
    "try { Error.prepareStackTrace = () => { for(;;); } } catch { } for(;;);",
    "Object.prototype[Symbol.toPrimitive] = () => { for(;;); }; for(;;);",
    "Object.prototype[Symbol.toPrimitive] = () => 'evil'; for(;;);",
    "Object.prototype.valueOf = Object.prototype.toString = () => { for(;;); }; for(;;);",
    "TypeError.prototype.toString = RangeError.prototype.name = () => { for(;;); }; for(;;);",
    "while (true) { try { for(;;); } catch { } finally { continue; } }",
]
SWALLOWING_LOOPS = [
    "for (;;) new Promise(() => {});",
    "for (;;) new Promise(() => { for(;;); });",
    "const f = async () => { for(;;); }; for (;;) f();",
    "const f = async function* () { for(;;); }; for (;;) f().next();",
    "for (;;) await new Promise((resolve) => { resolve(1); for(;;); });",
    "class A extends Promise {} for (;;) new A(() => { for(;;); }).then(() => { for(;;); });",
    "for (;;) Promise.reject({ get then() { for(;;); } });",
    "for (;;) Promise.resolve({ get then() { for(;;); } });",
    "for (;;) Promise.all({ [Symbol.iterator]() { for(;;); } });",
    "for (;;) Promise.try(() => { for(;;); });",
    "for (;;) Array.fromAsync({ get length() { for(;;); } });",
]
"""A promise takes the interrupt for a rejection, wherever in its function that meets it."""
ENDLESS_TURNS = [
    "async function main() { for(;;) await null; }",
    "const main = () => new Promise(() => { const next = () => Promise.resolve().then(next); next(); })",
    "const main = () => new Promise(() => { const next = () => queueMicrotask(next); next(); })",
    "async function main() { await null; for(;;); }",
    "const main = () => new Promise(() => setTimeout(() => { for(;;); }, 1))",
    "const main = () => ({ then() { for(;;); } })",
    "async function main() { for await (const x of (async function* () { for(;;) yield 1; })()); }",
    *(f"async function main() {{ {body} }}" for body in SWALLOWING_LOOPS),
]
OTHERS: list[tuple[str, tuple[type[Outcome], ...]]] = [
    ("return 3n**600000n", (Threw,)),
    ("return 10n**400n", (Threw,)),
    ("return 10**400", (Returned,)),
    ("return 'x' + 'y'.repeat(600) + Math.random()", (Returned,)),
    ("return '\\0' + '\\ud800' + 2**31", (Returned,)),
    ("throw null", (Threw,)),
    ("throw undefined", (Threw,)),
    ("let list = null; for (;;) list = { list }", (OutOfMemory,)),
    ("const f = () => { let list = null; for (;;) list = [list]; }; f()", (OutOfMemory,)),
    ("const f = () => f(); f()", (Threw,)),
    ("return JSON.parse('['.repeat(1e6))", (Threw,)),
    ("let a = []; for (let i = 0; i < 1e6; i++) a = [a]; return a", (Threw, OutOfMemory)),
    ("return new RegExp('('.repeat(1e5))", (Threw,)),
    ("eval('('.repeat(1e6))", (Threw,)),
    ("const a = []; for(;;) a.push(new Array(1e4).fill(7))", (OutOfMemory,)),
    ("let s = 'x'; for(;;) s += s", (OutOfMemory, Threw)),
    ("return new ArrayBuffer(2e9).byteLength", (Threw, OutOfMemory)),
    ("Object.defineProperty(globalThis, 'load', {get(){for(;;);}}); return 1", (Returned,)),
]  # fmt: skip


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def pool() -> AsyncIterator[Pool]:
    settings = PoolSettings(workers=2, slow_workers=1)
    async with running_pool(settings) as serving:
        yield serving


async def _beside(pool: Pool, text: str, suspends: bool, **limits: float) -> Outcome:
    """The outcome of a hostile run, while another customer's runs are answered one after the other."""
    hostile = asyncio.ensure_future(ask(pool, text, None, suspends, **limits))
    answered = 0
    while not hostile.done() or answered < 5:
        assert await value(pool, "const main = (n) => n + 1", answered, wall_seconds=2.0) == answered + 1
        answered += 1
        await asyncio.sleep(0.001)
    return (await hostile).outcome


@pytest.mark.parametrize("body", NATIVE_LOOPS)
async def test_native_loops(pool: Pool, body: str) -> None:
    text = f"function main() {{ {body}; }}"
    outcome = await _beside(pool, text, False, wall_seconds=0.25, cpu_seconds=0.2)
    assert outcome in (WALL, CPU, OutOfMemory())


@pytest.mark.parametrize("body", LOOPS)
async def test_loops(pool: Pool, body: str) -> None:
    outcome = await _beside(pool, f"function main() {{ {body}; }}", False, wall_seconds=2.0, cpu_seconds=0.05)
    if "get stack" in body:
        assert outcome in (CPU, WALL)
    else:
        assert outcome == CPU


@pytest.mark.parametrize("text", ENDLESS_TURNS)
async def test_endless_turns(pool: Pool, text: str) -> None:
    assert await _beside(pool, text, True, wall_seconds=2.0, cpu_seconds=0.05) == CPU


@pytest.mark.parametrize(("body", "expected"), OTHERS, ids=[body for body, _ in OTHERS])
async def test_others(pool: Pool, body: str, expected: tuple[type[Outcome], ...]) -> None:
    text = program(f"function main() {{ {body}; }}", memory_bytes=20_000_000)
    outcome = (await ask(pool, text, cpu_seconds=5.0, wall_seconds=10.0)).outcome
    assert isinstance(outcome, expected)
    assert await value(pool, "const main = (n) => n + 1", 1) == 2


async def test_a_crash_in_the_collector(pool: Pool) -> None:
    """A segmentation fault at this very limit."""
    text = program("function main() { const o={};for(let i=0;;i++)o['k'+i]=i }", memory_bytes=100 * 1024 * 1024)
    outcome = (await ask(pool, text, cpu_seconds=10.0, wall_seconds=20.0)).outcome
    assert isinstance(outcome, (Crashed, OutOfMemory))
    assert await value(pool, "const main = (n) => n + 1", 1) == 2


async def test_the_pool_is_whole_again(pool: Pool) -> None:
    await until(lambda: pool.state().fast == 2 and pool.state().slow == 1 and pool.state().spare == 1)
    assert pool.state().outstanding == 0
    assert set(pool.state().deaths) <= {"SIGALRM", "SIGSEGV", "SIGKILL", "SIGABRT"}


NULLS: list[tuple[str, type[Outcome]]] = [
    ("async function main() { throw null; }", Threw),
    ("async function main() { await null; throw null; }", Threw),
    ("const main = () => Promise.reject(null);", Threw),
    ("function main() { setTimeout(() => { throw null; }, 1); return new Promise(() => {}); }", Threw),
    ("async function main() { await null; let list = null; for (;;) list = { list }; }", OutOfMemory),
]


@pytest.mark.parametrize(("text", "expected"), NULLS)
async def test_null_thrown_by_an_app_is_not_for_want_of_memory(pool: Pool, text: str, expected: type[Outcome]) -> None:
    outcome = (await ask(pool, program(text, True, memory_bytes=20_000_000))).outcome
    assert isinstance(outcome, expected), outcome
    if isinstance(outcome, Threw):
        assert (outcome.name, outcome.message) == ("Thrown", "null")


async def test_the_workers_own_memory_limit_is_told_from_the_scripts() -> None:
    fills = "function main() { const a = []; for (;;) a.push(new Array(1e4).fill(7)); }"
    worker = WorkerSettings(memory_bytes=400_000_000)
    async with running_pool(PoolSettings(workers=1, slow_workers=1, worker=worker)) as small:
        for memory_bytes, expected in ((50_000_000, False), (1_000_000_000, True)):
            outcome = (await ask(small, program(fills, memory_bytes=memory_bytes), wall_seconds=10)).outcome
            assert outcome == OutOfMemory(of_worker=expected)
