"""A program loaded in another worker of the same parent is the same bytes: what lies on it goes on there."""

import hashlib
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from sandbox.engine import Context, LoadedProgram
from sandbox.program import Program
from sidecar import hosts
from tests.sandbox import test_hostile, test_tricks
from tests.sandbox.random_programs import HOSTILE, random_program
from tests.sandbox.support import HOST_ADAPTER, packed, suspended

EXAMPLES: Final = sorted((Path(__file__).parents[2] / "examples/scripts").glob("*.js"))
INTL: Final = (
    "const f = new Intl.NumberFormat('de'); function main(n) { return f.format(n) + n.toLocaleString('fr'); }",
    "const c = new Intl.Collator('sv'); const s = ['z', 'ö'].sort(c.compare); const main = () => s;",
    "const f = new Intl.DateTimeFormat('en', { timeZone: 'Europe/Paris' }).format(new Date(0)); const main = () => f;",
)
STATEFUL: Final = (
    "const seen = [Math.random(), Date.now(), new Map([[{}, 1]]), new WeakRef({})]; const main = () => seen;",
    "const big = new Uint8Array(3_000_000).fill(7); const main = () => big.length;",
    "const o = {}; for (let i = 0; i < 9999; i++) o['k' + i] = { i }; const main = () => o;",
    "function* g() { yield 1; } const it = g(); it.next(); Promise.resolve(1).then(() => 1); const main = () => it;",
    "let deep = 0; const f = () => { deep++; f(); }; try { f(); } catch {} const main = () => deep;",
    "const re = /(a|b)*c/g; re.test('abac'); const main = () => re.lastIndex;",
    "throw new Error('as it is loaded')",
    "for (;;);",
    "this is no script",
)


def texts() -> list[str]:
    """Of every kind that there is in this repository."""
    found = [path.read_text(encoding="utf-8") for path in EXAMPLES]
    found += [f"const main = () => {{ {text} }}" for text in HOSTILE]
    found += [*INTL, *STATEFUL, *(random_program(number) for number in range(20))]
    found += test_hostile.ENDLESS_TURNS
    inside = (*test_tricks.POLLUTIONS, *test_tricks.APP_POLLUTIONS, *test_hostile.LOOPS, *test_hostile.NATIVE_LOOPS)
    found += [f"function main() {{ {text} }}" for text in inside]
    return found


def programs(suspends: bool) -> list[Program]:
    names = ["main"]
    adapters = [HOST_ADAPTER, hosts.source("call")] if suspends else [hosts.source("routing")]
    return [
        Program(
            key=f"{adapter[:9]}{number}",
            name="a.js",
            suspends=suspends,
            text=text,
            adapter=adapter,
            entries=tuple(names),
        )
        for adapter in adapters
        for number, text in enumerate(texts())
    ]


def deeper(levels: int, then: Callable[[], bytes]) -> bytes:
    """From further down the stack: map and list are in C."""
    return then() if levels == 0 else next(map(lambda _: deeper(levels - 1, then), [0]))  # noqa: C417 - see above


def digest(context: Context, program: Program) -> bytes:
    """Of a program's layer; of its status where it cannot be loaded."""
    made = context.load(program)
    if isinstance(made, LoadedProgram):
        said = ground_seal(context)
    elif made.tag == "T":
        said = b"T"  # and where it was interrupted, which is never the same
    else:
        said = made.payload
    return hashlib.sha256(said).digest()


def ground_seal(context: Context) -> bytes:
    """What an image of a run says of the program that it lies on: that one's own seal (native/engine/image.c)."""
    context._engine.begin(0, 0.0)
    image = suspended(context, 1 << 30, b"")
    assert image is not None
    return image[24:32]


def run_something(context: Context, program: Program) -> None:
    """A run of it, to its end or for 5 ms."""
    if isinstance(context.load(program), LoadedProgram):
        context.limit_time(0.005)
        context.start(packed(1), "", 0.0)
        while context.run_jobs(64):
            pass


def in_child(work: Callable[[], bytes]) -> bytes:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(work())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


@pytest.mark.parametrize("suspends", [False, True])
def test_a_program_is_the_same_bytes_wherever_it_is_loaded(suspends: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.engine.LOAD_CPU_SECONDS", 0.05)
    context = Context(suspends)
    all_of_them = [one for one in programs(suspends) if digest(context, one) != hashlib.sha256(b"T").digest()]

    def in_order() -> bytes:
        return b"".join(digest(context, program) for program in all_of_them)

    def in_another() -> bytes:
        chance = random.Random(3)  # noqa: S311 - the same each time
        endable = [one for one in all_of_them if not any(loop in one.text for loop in test_hostile.NATIVE_LOOPS)]
        found = {}
        for program in chance.sample(all_of_them, len(all_of_them)):
            run_something(context, chance.choice(endable))
            found[program.key] = deeper(chance.randrange(20), lambda program=program: digest(context, program))  # type: ignore[misc]
        return b"".join(found[program.key] for program in all_of_them)

    first, second = in_child(in_order), in_child(in_another)
    assert len(first) == 32 * len(all_of_them) > 32 * 50
    different = [
        program.text
        for number, program in enumerate(all_of_them)
        if first[32 * number : 32 * number + 32] != second[32 * number : 32 * number + 32]
    ]
    assert different == []
