"""The limit of a program's memory at every power of two, up to all that an engine has: exact, hard, and always the same
outcome, after which the engine is as new and the process as small as before."""

import re
from pathlib import Path
from typing import Final

import pytest

from sandbox.engine import ROOM_BYTES, Context, LoadedProgram, Status
from sandbox.outcome import OutOfMemory
from sandbox.pool import PoolSettings
from sandbox.status import OF_WORKER, Tag
from tests.sandbox.support import ask, fast_pid, packed, program, running_pool, unpacked, until, value, whole

ROOM_POWER: Final = ROOM_BYTES.bit_length() - 1
LEAST_POWER: Final = 13
"""Of a limit that a program of some lines can be loaded within."""
PROGRAM_BYTES: Final = 8_192
"""What a program of one line has of its limit before its run begins, and what of it a run of small things leaves."""
PROCESS_BYTES: Final = 4_000_000
"""What a process may have grown by when a run is over: the engine keeps a megabyte that it has had."""

FILLS: Final = {
    "properties": "const o = {}; for (let i = 0;; i++) o['k' + i] = i;",
    "objects": "const a = []; for (;;) a.push({});",
    "buffers": "const a = []; for (let n = 1024;; n *= 2) a.push(new ArrayBuffer(n));",
    "a map": "const m = new Map(); for (let i = 0;; i++) m.set(i, { i });",
    "arrays, caught": "for (;;) { try { const a = []; for (;;) a.push(new Array(1000).fill(1)); } catch {} }",
    "texts, and finally more": "const f = () => { try { const a = []; for (;;) a.push('x'.repeat(999) + a.length); }"
    " finally { f(); } }; f();",
    "an expression": "/(a|b|ab)*?c/.test('ab'.repeat(BYTES / 22));",
    "a list": "let list; for (;;) list = { list };",
}
SLOW: Final = {"properties", "a map"}
"""2 to 6 s for the two highest powers, which were tried by hand."""
OF_SMALL_THINGS: Final = {"a list"}
"""What ends the others is a list of theirs that does not become larger."""


def process_bytes(pid: int | str = "self") -> int:
    """What a process has of the machine's memory."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
    assert found is not None
    return int(found[1]) * 1024


def filling(kind: str, power: int) -> str:
    text = FILLS[kind].replace("BYTES", str(1 << power))
    return f"const main = (n) => {{ if (n) return n; {text} }}"


@pytest.mark.parametrize(
    ("kind", "power"),
    [
        (kind, power)
        for kind in FILLS
        for power in range(LEAST_POWER, ROOM_POWER + 1)
        if power < ROOM_POWER - 1 or kind not in SLOW
    ],
)
def test_a_full_heap_is_one_outcome_at_every_power_of_two(kind: str, power: int) -> None:
    context = Context(False)
    base = context._engine.memory
    made = context.load(program(filling(kind, power), memory_bytes=1 << power))
    assert isinstance(made, LoadedProgram)
    context.limit_time(100.0)
    before = process_bytes()
    status = context.start(packed(0), "", 0.0)
    # What is beside its heap in the room for it, the engine as it is without a program, is nobody's to fill.
    limit = min(base + (1 << power), ROOM_BYTES)
    assert status == Status(Tag.OUT_OF_MEMORY, False, False, OF_WORKER if limit == ROOM_BYTES else b"")
    assert context._engine.memory <= limit
    if kind in OF_SMALL_THINGS:
        assert context._engine.memory > limit - PROGRAM_BYTES
    assert process_bytes() < before + (1 << power) + PROCESS_BYTES
    context.limit_time(5.0)
    assert unpacked(context.start(packed(7), "", 0.0).payload) == 7
    assert process_bytes() < before + PROCESS_BYTES


@pytest.mark.parametrize("power", range(LEAST_POWER))
def test_where_no_program_can_be_loaded_that_is_out_of_memory_too(power: int) -> None:
    context = Context(False)
    # Longer than any place that the engine without a program has left between its own.
    text = f"const text = '{'x' * PROGRAM_BYTES}'; const main = (n) => n"
    assert context.load(program(text, memory_bytes=1 << power)) == Status(Tag.OUT_OF_MEMORY, False, False, b"")
    assert isinstance(context.load(program("const main = (n) => n")), LoadedProgram)
    assert unpacked(context.start(packed(7), "", 0.0).payload) == 7


@pytest.mark.parametrize("power", range(LEAST_POWER))
def test_a_program_of_one_line_may_fit_between_what_the_engine_has_and_takes_no_more_than_its_limit(power: int) -> None:
    context = Context(False)
    base = context._engine.memory
    made = context.load(program("const main = (n) => n", memory_bytes=1 << power))
    status = context.start(packed(7), "", 0.0) if isinstance(made, LoadedProgram) else made
    assert status.tag in (Tag.RETURNED, Tag.OUT_OF_MEMORY)
    assert context._engine.memory <= base + (1 << power)


async def test_a_worker_outlives_full_heaps_and_is_as_small_as_before() -> None:
    async with running_pool(PoolSettings(workers=1, slow_workers=1)) as pool:
        assert await value(pool, "const main = (n) => n", 7) == 7
        pid = fast_pid(pool)
        before = process_bytes(pid)
        # As long as it takes little time: for a worker that is long in one turn a spare stands in.
        for power in range(LEAST_POWER, 26):
            for kind in ("a list", "buffers") if power < 23 else ("buffers",):
                made = program(filling(kind, power), key=f"{kind} {power}", memory_bytes=1 << power)
                outcome = (await ask(pool, made, cpu_seconds=15.0, wall_seconds=18.0)).outcome
                assert outcome == OutOfMemory(), power
                assert await value(pool, "const main = (n) => n", power) == power
        await until(lambda: whole(pool))
        assert pool.state().deaths == {}
        assert fast_pid(pool) == pid
        assert process_bytes(pid) < before + PROCESS_BYTES
