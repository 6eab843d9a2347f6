"""Pages that runs leave alone are protected: who writes to them all the same is let, and nothing of it stays."""

import os
import random
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, Final

import pytest

from sandbox.engine import Context, LoadedProgram
from sandbox.pool import PoolSettings
from sandbox.program import Program
from sandbox.status import Tag
from tests.sandbox.support import HOST_ADAPTER, packed, program, running_pool, suspended, unpacked, value

REPOSITORY: Final = Path(__file__).resolve().parents[2]
ENOUGH_RUNS: Final = 200
"""Pages are closed after 64 runs that did not write to them."""
LARGE: Final = """(() => {
  const all = [];
  for (let i = 0; i < 20_000; i++) all.push({ i, next: all[i >> 1], text: "text " + i });
  return { all, changed: 0 };
})"""
DOES: Final = {
    "little": "return [++large.changed, all[777].i]",
    "all": "for (const one of all) one.i += 7; return [all[777].i, large.changed]",
    "some": "for (let at = n; at < all.length; at += 997) all[at].seen = n; return all.filter((a) => a.seen).length",
    "garbage": "const kept = []; for (let i = 0; i < 40_000; i++) kept[i % 9] = { kept: [i] }; return all[n].text",
    "memory": "const kept = []; for (;;) kept.push(new Array(1000).fill(all))",
    "time": "for (;;) all[n].i++",
    "wait": "all[n].waits = await ask('this'); all[n + 1].text = 'x'; await ask('that'); return 'never';",
    "none": "all.length = 0; large.changed = -1; return globalThis.all = all",
}


def large(name: str, does: str) -> Program:
    """A program with a large module, which is loaded before its runs."""
    text = f"const large = require('large'); const {{ all }} = large; async function main(n) {{ {does} }}"
    return program(text, True, key=name, adapter=HOST_ADAPTER, modules={"large": LARGE}, memory_bytes=12_000_000)


def loaded(context: Context, name: str, does: str = "") -> LoadedProgram:
    made = context.load(large(name, does or DOES[name]))
    assert isinstance(made, LoadedProgram), made
    return made


def closed_in(context: Context) -> int:
    return context._engine.pages_closed


def run(context: Context, made: LoadedProgram, given: int) -> Any:
    """What a run comes to, as bytes where it waits."""
    context.use(made)
    context.limit_time(0.003 if made.key == "time" else 5.0)
    status = context.start(packed(given), "", 0.0)
    while status.tag is Tag.WAITING and context.run_jobs(64):
        status = context.poll(context.idle)
    if status.tag is Tag.WAITING:
        return suspended(context, 1 << 30, b"")
    return status.tag, unpacked(status.payload) if status.tag is Tag.RETURNED else b""


def test_pages_that_no_run_writes_to_are_closed() -> None:
    context = Context(True)
    made = loaded(context, "little")
    assert closed_in(context) == 0
    for _ in range(ENOUGH_RUNS):
        assert run(context, made, 0) == (Tag.RETURNED, [1, 777])
    assert closed_in(context) > 500
    assert closed_in(context) * 4096 < context._engine.memory


@pytest.mark.parametrize("name", DOES)
def test_a_run_that_writes_to_closed_pages_leaves_nothing(name: str) -> None:
    context = Context(True)
    quiet, other = loaded(context, "little"), loaded(context, name)
    for _ in range(3):
        for _ in range(ENOUGH_RUNS):
            assert run(context, quiet, 0) == (Tag.RETURNED, [1, 777])
        assert closed_in(context) > 500
        context.use(quiet)
        first = run(context, other, 5)
        assert run(context, other, 5) == first
        assert run(context, quiet, 0) == (Tag.RETURNED, [1, 777])


def test_the_same_program_finds_closed_pages_as_they_were() -> None:
    context = Context(True)
    made = loaded(context, "both", "if (n) for (const one of all) one.i = n; return all[19_000].i")
    for _ in range(3):
        for _ in range(ENOUGH_RUNS):
            assert run(context, made, 0) == (Tag.RETURNED, 19_000)
        assert closed_in(context) > 500
        assert run(context, made, 3) == (Tag.RETURNED, 3)


def test_runs_come_out_the_same_with_pages_closed_and_without() -> None:
    context = Context(True)
    programs = {name: loaded(context, name) for name in DOES}
    fresh = {}
    for name, made in programs.items():
        for given in range(3):
            fresh[name, given] = run(context, made, given)
    assert closed_in(context) == 0, "too few runs to close any"
    assert len({type(one) for one in fresh.values()}) == 2, "some wait"
    chance = random.Random(4)  # noqa: S311 - the same each time
    closed = 0
    for _ in range(25):
        name = chance.choice(list(DOES))
        for _ in range(chance.choice((1, 70, 140))):
            assert run(context, programs["little"], 0) == fresh["little", 0]
        closed = max(closed, closed_in(context))
        for _ in range(chance.choice((1, 2))):
            given = chance.randrange(3)
            assert run(context, programs[name], given) == fresh[name, given], name
    assert closed > 500


def test_a_run_goes_on_into_closed_pages() -> None:
    context = Context(True)
    waits = loaded(context, "wait")
    quiet = loaded(context, "little")
    for given in (3, 9_000, 19_990):
        image = run(context, waits, given)
        assert isinstance(image, bytes)
        for _ in range(ENOUGH_RUNS):
            run(context, quiet, 0)
        context.use(waits)
        for _ in range(2):
            context.resume(image, b"")
            status = context.settle(1, True, packed("told"), 0.0)
            while context.run_jobs(64):
                status = context.poll(context.idle)
            assert unpacked(context.take_outbox())[0][1:] == ["ask", ["that"]]
            assert status.tag is Tag.WAITING
        assert run(context, quiet, 0) == (Tag.RETURNED, [1, 777])


async def test_confined_workers_let_writes_too() -> None:
    async with running_pool(PoolSettings(workers=1, slow_workers=0)) as pool:
        for _ in range(3):
            for _ in range(ENOUGH_RUNS):
                assert await value(pool, large("little", DOES["little"]), 0, True) == [1, 777]
            assert (await value(pool, large("all", DOES["all"]), 0, True))[0] == 784
        assert pool.state().deaths == {}


CLOSED: Final = """
import ctypes, os, signal
from sandbox.engine import Context
from tests.sandbox.test_write_barrier import ENOUGH_RUNS, closed_in, loaded, run
context = Context(True)
quiet = loaded(context, "little")
for _ in range(ENOUGH_RUNS):
    run(context, quiet, 0)
assert closed_in(context) > 500
"""


def ends_with(text: str, *options: str) -> tuple[int, str]:
    source = CLOSED + textwrap.dedent(text)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    ended = subprocess.run(
        [sys.executable, *options, "-c", source],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ended.returncode, ended.stderr


@pytest.mark.parametrize(
    "dies", ["ctypes.string_at(64)", "ctypes.memset(id(None) & ~4095 | 1 << 47, 0, 1)", "os.kill(os.getpid(), 11)"]
)
def test_any_other_fault_ends_the_process_as_ever(dies: str) -> None:
    assert ends_with(dies) == (-signal.SIGSEGV, "")


def test_who_was_told_of_faults_before_is_told_of_all_others() -> None:
    status, said = ends_with("ctypes.string_at(64)", "-X", "faulthandler")
    assert status == -signal.SIGSEGV
    assert "Fatal Python error: Segmentation fault" in said


def test_a_forked_process_has_the_same_pages_closed() -> None:
    status, said = ends_with(
        """
        if os.fork() == 0:
            changes = loaded(context, "all")
            assert run(context, changes, 0)[1][0] == 784
            assert run(context, quiet, 0)[1] == [1, 777]
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.wait()[1]) == 7
        assert run(context, quiet, 0)[1] == [1, 777]
        """
    )
    assert (status, said) == (0, "")
