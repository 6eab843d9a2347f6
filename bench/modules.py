"""npm modules in scripts: their first require, decisions of a script that has one, and memory of runs that wait.

    python -m bench.modules [DIRECTORY] [--seconds 1.0] [--rounds 5] [--waiting 1000]

DIRECTORY is one of `scriptforge modules install`, by default the configured one; `scriptforge modules add
libphonenumber-js` besides. Times are the processor's, of a worker that has run a program with the module before: the
module's text is compiled. Each round measures every case once, so that noise falls on all of them alike; medians over
the rounds. Memory, which root alone may read, is all that the pool's own process and those below it hold more than
before.
"""

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

import msgspec

from bench.memory import proportional_bytes
from bench.suspended import Asked
from sandbox.engine import Context, LoadedProgram
from sandbox.outcome import Completion
from sandbox.pool import Pool, PoolSettings
from sandbox.process import WorkerSettings
from sandbox.program import Invocation, Limits, Program
from sandbox.status import Tag
from sidecar.bench.servers import descendants
from sidecar.configuration.tree import Configuration
from sidecar.hosts.node.packages import Packages
from sidecar.kind import Kind
from sidecar.language.prepared import prepare
from sidecar.npm.store import read_store

REQUIRED: Final = ("moment", "axios")
NUMBERS: Final = "libphonenumber-js/min"
ADAPTER: Final = """(({ host }) => {
  globalThis.ask = (...values) => host("ask", values);
  return { prepare: (input) => input, collect: (data, returned) => returned ?? data, caught: () => undefined };
})"""
DECIDES: Final = """
async function main(data) {
  data.routing.cli = String(data.routing.cli).replace(/[^\\d+]/g, "");
  data.routing.egress_routing = data.routing.egress_routing.filter((one) => one.cost < 0.05).sort((a, b) => a.cost - b.cost);
  return data;
}
"""  # noqa: E501 - as authors write it
PARSES: Final = DECIDES.replace(
    "  return data;", "  data.country = parsePhoneNumber('+442079460000').country;\n  return data;"
)
INPUT: Final = msgspec.msgpack.encode(
    {
        "routing": {
            "cli": "+44 20 7946 0000",
            "dest_number": "442071838750",
            "egress_routing": [{"name": f"gateway-{n}", "cost": 0.01 * (7 - n), "note": "x" * 100} for n in range(8)],
        }
    }
)
NIL: Final = b"\xc0"
IN_A_ROW: Final = 400
"""Until then no page is closed any more that the runs leave alone (native/engine/write_barrier.h)."""


class Bench:
    """One worker's context with what is installed."""

    def __init__(self, packages: Packages) -> None:
        self._packages = packages
        self._context = Context(suspends=True)

    def load(self, text: str) -> LoadedProgram:
        """A program of this text."""
        loaded = self._context.load(program_of(text, self._packages))
        assert isinstance(loaded, LoadedProgram), loaded
        return loaded

    def run(self, loaded: LoadedProgram, given: bytes) -> float:
        """Milliseconds of processor time of one run."""
        context = self._context
        began = time.process_time()
        context.limit_time(10.0)
        context.use(loaded)
        status = context.start(given, "", 1_700_000_000_000.0)
        while status.tag is Tag.WAITING and context.run_jobs(64):
            status = context.poll(context.idle)
        elapsed = time.process_time() - began
        assert status.tag is Tag.RETURNED, status
        return elapsed * 1e3

    def rate(self, loaded: LoadedProgram, seconds: float) -> float:
        """Runs a second of processor time."""
        count, began = 0, time.process_time()
        while (elapsed := time.process_time() - began) < seconds:
            for _ in range(20):
                self.run(loaded, INPUT)
            count += 20
        return count / elapsed


def program_of(text: str, packages: Packages) -> Program:
    """A program that may require what is installed."""
    made = prepare(text, Kind.APP, modules=packages.names())
    found = packages.of([text], made.modules, made.modules_at_top)
    return Program(
        key=text,
        name="bench.js",
        suspends=True,
        text=made.text,
        adapter=ADAPTER,
        packages=found.packages,
        begun_packages=found.begun,
        package_globals=found.globals,
        shared_memory=False,
    )


def first_require(bench: Bench, name: str, rounds: int) -> None:
    """How long the first require takes in a run, and a run that begins with the module."""
    within = bench.load(f"function main() {{ require({name!r}); return 1; }}")
    at_top = bench.load(f"const required = require({name!r}); function main() {{ return 1; }}")
    without = bench.load("function main() { return 1; }")
    programs = (within, at_top, without)
    in_turn = [[bench.run(loaded, NIL) for loaded in programs] for _ in range(20 * rounds)]
    in_a_row = [[_median(bench, loaded) for loaded in programs] for _ in range(rounds)]
    first, changed, none = (statistics.median(case) for case in zip(*in_turn[1:], strict=True))
    _, top, least = (statistics.median(case) for case in zip(*in_a_row, strict=True))
    print(
        f"{name}: first require {first - none:.2f} ms; at the top of a program {top - least:.3f} ms more than without,"
        f" {changed - none:.2f} where the worker has run another"
    )


def _median(bench: Bench, loaded: LoadedProgram) -> float:
    """Milliseconds of one of many runs in a row."""
    return statistics.median([bench.run(loaded, NIL) for _ in range(IN_A_ROW)][IN_A_ROW // 2 :])


def decisions(bench: Bench, seconds: float, rounds: int) -> None:
    """Decisions a second without a module, with it, and with a number parsed by it."""
    begins = f"const {{ parsePhoneNumber }} = require({NUMBERS!r});\n"
    cases = [bench.load(text) for text in (DECIDES, begins + DECIDES, begins + PARSES)]
    rates = [[bench.rate(loaded, seconds) for loaded in cases] for _ in range(rounds)]
    without, required, parsed = (statistics.median(case) for case in zip(*rates, strict=True))
    print(
        f"decisions: {without:.0f}/s; with {NUMBERS} {required / without:.2f} of that, parsing {parsed / without:.2f}"
    )


def memory_of(case: tuple[Path, str, int]) -> float:
    """Bytes of each of so many runs that wait."""
    directory, text, count = case
    return asyncio.run(_waiting(program_of(text, Packages.of_store(read_store(directory))), count))


async def _waiting(program: Program, count: int) -> float:
    settings = WorkerSettings(memory_bytes=8_000_000_000)
    pool = Pool(PoolSettings(workers=1, slow_workers=0, worker=settings, queue_bytes=(count + 1) * 100_000))
    await pool.start()
    host = Asked()

    def done(completion: Completion) -> None:
        if completion.run_micros:
            print("ended:", completion.outcome)

    async def wait_for(least: int) -> None:
        while len(host.waiting) < least:
            host.event.clear()
            await asyncio.wait_for(host.event.wait(), 60)

    limits = Limits(wall_seconds=3600, turn_seconds=10.0, cpu_seconds=60.0)
    invocation = Invocation(program=program, input=NIL, limits=limits)
    pool.submit(invocation, done, host)
    await wait_for(1)  # the module is compiled, and the program loaded
    before = _memory()
    for number in range(count):
        pool.submit(invocation, done, host)
        await wait_for(number - 100)
    await wait_for(count + 1)
    bytes_each = (_memory() - before) / count
    await pool.close()
    return bytes_each


def _memory() -> int:
    held = 0
    for process in (os.getpid(), *descendants(os.getpid())):
        with contextlib.suppress(ProcessLookupError):  # of a worker that has been replaced meanwhile
            held += proportional_bytes(process)
    return held


def memory(directory: Path, count: int) -> None:
    """Memory of runs that wait and have moment, made in the run or before it."""
    wait = "await ask('how long?')"
    texts = {
        "without": f"async function main() {{ {wait} }}",
        "at the top": f"const moment = require('moment'); async function main() {{ {wait}; return moment }}",
        "within": f"async function main() {{ const moment = require('moment'); {wait}; return moment }}",
    }
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as processes:
        found = processes.map(memory_of, [(directory, text, count) for text in texts.values()])
        told = ", ".join(f"{name} {each / 1e3:.0f} kB" for name, each in zip(texts, found, strict=True))
    print(f"{count} runs that wait, of which each has moment: {told} each")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", nargs="?", type=Path, default=Configuration().modules.directory)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--waiting", type=int, default=1_000)
    arguments = parser.parse_args()
    packages = Packages.of_store(read_store(arguments.directory))
    lacking = {*REQUIRED, NUMBERS} - packages.names()
    if lacking:
        print(f"{arguments.directory} has no {', '.join(sorted(lacking))}", file=sys.stderr)
        return 1
    bench = Bench(packages)
    for name in REQUIRED:
        first_require(bench, name, arguments.rounds)
    decisions(bench, arguments.seconds, arguments.rounds)
    memory(arguments.directory, arguments.waiting)
    return 0


if __name__ == "__main__":
    sys.exit(main())
