"""Every hostile program of these tests, all that spoil the language or fill their memory, and those of a grammar: each
goes the same way twice.

With the same seed, key and clock, in another worker, while others run in both: the same result, lines and host calls,
byte for byte. What ends a run by the processor time that it has used is not at the same place twice, and excepted;
nothing else is.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from msgspec import structs

from sandbox.host import HostCall
from sandbox.outcome import Completion, Crashed, Returned, Threw, TimedOut
from sandbox.pool import Pool, PoolSettings
from sandbox.program import Invocation, Limits
from sandbox.recording import Recording
from sandbox.repetition import divergence, repeating
from tests.sandbox import (
    random_programs,
    test_full_heaps,
    test_hostile,
    test_memory_limit,
    test_promise_classes,
    test_tricks,
)
from tests.sandbox.support import ADAPTER, HOST_ADAPTER, Asked, packed, program, running_pool, submit

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIMITS = Limits(wall_seconds=5.0, cpu_seconds=0.15)
SHORT = Limits(wall_seconds=0.5, cpu_seconds=0.1)
"""Of those that come to no end."""
LONG = Limits(wall_seconds=15.0, cpu_seconds=10.0)
"""Of those that do: no time ends them, however busy the machine."""
MEMORY = 8_000_000

PROBES = [
    "[Math.random(), Date.now(), String(new Date()), new Date().getTimezoneOffset()]",
    "new Intl.DateTimeFormat().format() + new Date().toLocaleString() + Intl.DateTimeFormat().resolvedOptions().locale",
    "(() => { const end = Date.now() + 2; let n = 0; while (Date.now() < end) n++; return n; })()",
    "(() => { let depth = 0; const f = () => { depth++; f(); }; try { f(); } catch {} return depth; })()",
    "(() => { try { (function f() { f(...'abcdef'); })(); } catch (e) { return e.stack.length + e.name; } })()",
    "Reflect.ownKeys(globalThis).map(String)",
    "[...Array(3000).keys()].map((n) => n * 7919 % 3001).sort((a, b) => (a % 5) - (b % 5))",
    "[...Array(300).keys()].sort(() => Math.random() - 0.5)",
    "Object.entries(Object.fromEntries([...Array(2000).keys()].map((n) => [Math.random() + '', n]))).flat()",
    "[...new Set([...Array(500).keys()].map((n) => ({ n })))].map((o) => o.n).join() + new Set([{}, () => 1]).size",
    "['\\u00e9', 'z', 'a', 'E'].sort((a, b) => a.localeCompare(b)).join() + (1234.5).toLocaleString('de')",
    "(() => { const a = []; try { for (;;) a.push(new ArrayBuffer(1000)); } catch (e) { return a.length; } })()",
    "typeof performance + typeof WeakRef + typeof FinalizationRegistry + typeof Atomics + typeof gc + typeof os",
    "(() => { const s = new Error().stack; return [s, new Error('x').stack, (() => new Error().stack)()]; })()",
    "(() => { const w = new WeakMap(); for (let i = 0; i < 1e4; i++) w.set({}, i); return String(w); })()",
    "Symbol('x').toString() + String(Symbol.for('y')) + Object.prototype.toString.call(new Proxy({}, {}))",
    "(() => { const o = {}; for (let i = 0; i < 200; i++) o[Math.floor(Math.random() * 1e6)] = i; return o; })()",
    "new Uint8Array(100).map(() => Math.random() * 256).join() + new Float64Array(new ArrayBuffer(80)).join()",
]
"""Expressions that would show an address, the order of a hash, the machine's clock, what was in memory before."""

APPS = [
    "async function main() { const t = Date.now(); await new Promise((r) => setTimeout(r, 7)); return [t, Date()]; }",
    "async function main() { return Promise.race([ask(1), ask(2), new Promise((r) => setTimeout(r, 1, 'timer'))]); }",
    """async function main() {
      const seen = []; const id = setInterval(() => { seen.push(Date.now(), Math.random()); ask(seen.length); }, 2);
      while (seen.length < 9) await new Promise((r) => setTimeout(r, 3));
      clearInterval(id); return seen;
    }""",
    """function main() {
      const late = (n) => { console.log(n); return n ? Promise.resolve(n - 1).then(late) : 0; };
      late(500); setTimeout(() => exit('out'), 1); return new Promise(() => {});
    }""",
    """async function main() {
      for (let n = 0; n < 40; n++) Promise.resolve(n).then((n) => { for (let i = 0; i < 20000; i++); console.log(n); });
      await null; exit('now');
    }""",
    "async function main() { for (let n = 0; n < 20; n++) Promise.reject(new Error('e' + n)); return 1; }",
    """async function main() {
      const all = []; for (let n = 0; n < 50; n++) all.push(ask('q' + n, Math.random()));
      return (await Promise.allSettled(all)).map((x) => x.value);
    }""",
    "async function main() { const a = []; for (;;) { a.push(new Array(2000).fill(await ask(a.length))); } }",
    "async function main() { await ask(1); const a = []; for (;;) a.push({ a }); }",
    "async function main() { await ask({ toJSON() { ask('in'); return Date.now(); } }); throw new TypeError('x'); }",
]


def _endless() -> Iterator[tuple[str, bool]]:
    for body in test_hostile.LOOPS:
        yield f"function main() {{ {body}; }}", False
    for text in test_hostile.ENDLESS_TURNS:
        yield text, True


def _late() -> Iterator[tuple[str, bool]]:
    """Those that end, if at all, about when their time does."""
    for body in test_hostile.NATIVE_LOOPS:
        yield f"function main() {{ {body}; }}", False
    for body in random_programs.HOSTILE:
        yield f"const main = () => {{ {body} }}", True


def _ending() -> Iterator[tuple[str, bool]]:
    yield from _spoiling()
    for fill in test_memory_limit.FILLS.values():
        yield f"function main() {{ {fill.replace('BYTES', str(MEMORY))} }}", False
    for text in test_full_heaps.TEXTS.values():
        yield text, True
    for body, _ in test_promise_classes.OTHERS:
        yield f"async function main() {{ {body} {test_promise_classes.SETTLED} }}", True
    for text, _ in test_hostile.NULLS:
        yield text, True


def _spoiling() -> Iterator[tuple[str, bool]]:
    """Those that hold no worker."""
    for body, _ in test_hostile.OTHERS:
        yield f"function main() {{ {body}; }}", False
    for pollution in (*test_tricks.POLLUTIONS, *test_tricks.APP_POLLUTIONS):
        yield (
            f"async function main(n) {{ {pollution}; console.log('line', n, [n]); return [n, await ask([n])]; }}",
            True,
        )


HARMLESS = [
    *((f"const main = () => {probe}", waits) for probe in PROBES for waits in (False, True)),
    *((text, True) for text in APPS),
    *((random_programs.random_program(number), True) for number in range(60)),
]


def _answer(call: HostCall) -> None:
    value = random_programs.answer(call.arguments)
    if value % 5 == 0:
        asyncio.get_running_loop().call_later(0.002, call.resolve, value)
    elif value % 31 == 0:
        call.reject(f"not {value}", "RangeError")
    else:
        call.resolve(value)


def invocation(text: str, waits: bool, number: int, limits: Limits = LIMITS) -> Invocation:
    adapter = HOST_ADAPTER if waits else ADAPTER
    made = program(text, waits, adapter=adapter, memory_bytes=MEMORY)
    return Invocation(
        program=made, input=packed(number), limits=limits, seed=number, clock=1.7e12 + number, recorded=True
    )


async def run(pool: Pool, asked: Invocation) -> Completion:
    async with asyncio.timeout(30):
        return await submit(pool, asked, host=Asked(_answer))[1]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def pools() -> AsyncIterator[tuple[Pool, Pool]]:
    settings = PoolSettings(workers=2, slow_workers=1)
    async with running_pool(settings) as one, running_pool(settings) as other:
        yield one, other


def ended_by_time(completion: Completion) -> bool:
    return isinstance(completion.outcome, TimedOut)


def same(before: Completion, after: Completion) -> bool:
    """Whether all that is seen of them is the same, byte for byte."""
    seen = [(each.outcome, each.log, each.recording) for each in (before, after)]
    return seen[0] == seen[1] and divergence(before, after) is None


async def goes_the_same_way(pools: tuple[Pool, Pool], asked: Invocation, before: Completion) -> None:
    one, other = pools
    recording = before.recording
    assert isinstance(recording, Recording)
    for pool in (other, one):
        after = await run(pool, repeating(asked, recording))
        if ended_by_time(before) or ended_by_time(after):
            assert ended_by_time(before)
            assert ended_by_time(after)
        else:
            assert same(before, after), (asked.program.text, before, after)
    if len(recording.turns) == 1 and not ended_by_time(before):
        # Nothing but seed, key and clock is needed.
        again = structs.replace(asked, random_key=recording.random_key)
        assert same(before, await run(other, again)), asked.program.text


@pytest.mark.parametrize(("number", "text", "waits"), [(n, *each) for n, each in enumerate(_endless())])
async def test_what_has_no_end_of_its_own_goes_the_same_way_twice(
    pools: tuple[Pool, Pool], number: int, text: str, waits: bool
) -> None:
    asked = invocation(text, waits, number, SHORT)
    before = await run(pools[0], asked)
    assert not isinstance(before.outcome, Crashed)
    await goes_the_same_way(pools, asked, before)


@pytest.mark.parametrize(("number", "text", "waits"), [(n, *each) for n, each in enumerate(_ending())])
async def test_what_is_hostile_and_ends_goes_the_same_way_twice(
    pools: tuple[Pool, Pool], number: int, text: str, waits: bool
) -> None:
    asked = invocation(text, waits, number, LONG)
    before = await run(pools[0], asked)
    assert not isinstance(before.outcome, Crashed | TimedOut)
    await goes_the_same_way(pools, asked, before)


@pytest.mark.parametrize(("number", "text", "waits"), [(n, *each) for n, each in enumerate(_late())])
async def test_what_ends_late_goes_the_same_way_until_its_time_is_over(
    pools: tuple[Pool, Pool], number: int, text: str, waits: bool
) -> None:
    asked = invocation(text, waits, number, SHORT)
    before = await run(pools[0], asked)
    assert not isinstance(before.outcome, Crashed)
    recording = before.recording
    assert isinstance(recording, Recording)
    for pool in reversed(pools):
        after = await run(pool, repeating(asked, recording))
        assert ended_by_time(before) or ended_by_time(after) or same(before, after), (before, after)


async def test_all_that_is_harmless_goes_the_same_way_among_others(pools: tuple[Pool, Pool]) -> None:
    one, _ = pools
    disturbing = itertools.cycle([invocation(text, waits, 1) for text, waits in _spoiling()])
    asked = [invocation(text, waits, number, LONG) for number, (text, waits) in enumerate(HARMLESS)]
    before = await asyncio.gather(*(run(one, each) for each in asked))

    async def repeated(each: Invocation, completion: Completion) -> None:
        disturbed = asyncio.ensure_future(run(pools[1], next(disturbing)))
        await goes_the_same_way(pools, each, completion)
        await disturbed

    for some in range(0, len(asked), 8):
        await asyncio.gather(*map(repeated, asked[some : some + 8], before[some : some + 8]))
    ends = [completion.outcome for completion in before]
    # Which of the random ones return and which throw depends on the order of what their hosts answer.
    assert sum(isinstance(end, Returned | Threw) for end in ends) > len(ends) * 0.9, "most come to their own end"
