"""How long the event loop stands still while a large catalog is loaded anew beside it.

python bench/catalog_reload.py [ASSIGNMENTS] [SCRIPTS] [ROUNDS] [SWITCH_MICROS]

Default: 100000 1000 20, and the switch interval of the daemon.
"""

import asyncio
import contextlib
import gc
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import uvloop

from sandbox import values
from sandbox.host import Host
from sandbox.outcome import Completion, Returned
from sandbox.program import Invocation
from sidecar.catalog.directory.loader import ASSIGNMENTS, DirectoryLoader
from sidecar.catalog.directory.watch import DirectorySource
from sidecar.catalog.model import Snapshot
from sidecar.catalog.source import Loaded
from sidecar.catalog.watcher import CatalogWatcher
from sidecar.cli.serve import SWITCH_SECONDS
from sidecar.configuration.tree import CatalogSection, Configuration, DecisionSection
from sidecar.decisions.decisions import Decisions
from sidecar.operations import memory
from sidecar.problem import Problem
from sidecar.runs.programs import key_of

SWITCH_MICROS: Final = round(SWITCH_SECONDS * 1e6)
TICK_SECONDS: Final = 0.001
UNHINDERED_SECONDS: Final = 0.0002
QUIET_SECONDS: Final = 3.0
SCRIPT: Final = (
    "// Routing of customer {number}, version {version}\nfunction main(data) {{\n{lines}  return data;\n}}\n"
)
LINES: Final = "  if (data.routing.cli === '44207{n}') data.routing.headers = [{{ key: 'X-{n}', value: '{n}' }}];\n"


def write_script(directory: Path, number: int, version: int) -> None:
    """A script of some 2 KB."""
    lines = "".join(LINES.format(n=line) for line in range(20))
    text = SCRIPT.format(number=number, version=version, lines=lines)
    (directory / "scripts" / f"routing-{number}.js").write_text(text, encoding="utf-8")


def write_assignments(directory: Path, assignments: int, scripts: int, version: int) -> None:
    """Routes with vars of their own."""
    text = "".join(
        f'[[route]]\ncustomer = "customer-{number // 10}"\nroute = "route-{number}"\n'
        f'script = "routing-{number % scripts}"\n'
        f"timeout_ms = {500 + number % 7}\nvars.limits = {{ rate = 0.05, number = {number if number else version} }}\n"
        for number in range(assignments)
    )
    (directory / ASSIGNMENTS).write_text(text, encoding="utf-8")


class NothingRuns:
    """A run that was over when it began."""

    def cancel(self) -> None:
        """Do nothing: the answer was given when the run was asked for."""

    cancel_between_turns = cancel


class Runner:
    """Answers at once: what is measured is the catalog."""

    def submit(
        self, _invocation: Invocation, done: Callable[[Completion], None], _host: Host | None = None
    ) -> NothingRuns:
        """Answer at once with the least decision there is."""
        done(Completion(Returned(values.encode({"routing": {}}))))
        return NothingRuns()


class Clock:
    """Ticks every millisecond and keeps how late a tick was at most.

    A thread that holds the interpreter and waits for a processor holds the loop up as well, which says more of what
    else runs on the machine: ticks in which a thread waited are counted apart.
    """

    def __init__(self) -> None:
        self.latest = self.latest_unhindered = 0.0
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while True:
            began, waited = time.perf_counter(), waited_for_processor()
            await asyncio.sleep(TICK_SECONDS)
            late = time.perf_counter() - began - TICK_SECONDS
            self.latest = max(self.latest, late)
            if waited_for_processor() - waited < UNHINDERED_SECONDS:
                self.latest_unhindered = max(self.latest_unhindered, late)

    async def during(self, what: Callable[[], Awaitable[object]]) -> tuple[float, float]:
        """The longest stop until what is awaited is over, and the longest of a tick in which no thread waited; in
        milliseconds."""
        await asyncio.sleep(0.01)
        self.latest = self.latest_unhindered = 0.0
        await what()
        await asyncio.sleep(0.01)
        return self.latest * 1000, self.latest_unhindered * 1000


def waited_for_processor() -> float:
    """Seconds that threads of this process could have run and did not (Documentation/scheduler/sched-stats)."""
    waited = 0
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            waited += int((thread / "schedstat").read_bytes().split()[1])
    return waited / 1e9


@dataclass(slots=True)
class House:
    """What of a daemon uses a catalog, and how long it took to take each over."""

    decisions: Decisions
    kept: set[str]
    taken_over: float = 0.0

    def accepted(self, snapshot: Snapshot, _loaded: Loaded) -> None:
        """Take a catalog over as the daemon does, and measure how long that holds the loop."""
        began = time.thread_time()
        self.decisions.use(snapshot)
        self.kept = set(map(key_of, snapshot.scripts.values()))
        self.taken_over = (time.thread_time() - began) * 1000

    def refused(self, problems: Sequence[Problem]) -> None:
        """Fail: no catalog written here has a fault."""
        raise AssertionError(problems[:3])


def shown(stops: Sequence[tuple[float, float]]) -> str:
    """Median and largest, and the same of ticks in which no thread waited for a processor."""
    every, unhindered = (sorted(column) for column in zip(*stops, strict=True))
    return (
        f"median {median(every):6.2f} ms, longest {every[-1]:6.2f} ms;"
        f" where no thread waited for a processor {median(unhindered):6.2f} and {unhindered[-1]:6.2f}"
    )


async def measure(directory: Path, assignments: int, scripts: int, rounds: int) -> None:
    """Load, change, and load again."""
    configuration = Configuration()
    house = House(Decisions(Runner(), configuration, Snapshot(scripts={}, routes={}, dids={}), lambda _: None), set())
    loader = DirectoryLoader(CatalogSection(directory=directory), DecisionSection())
    watcher = CatalogWatcher(DirectorySource(loader), accepted=house.accepted, refused=house.refused)
    began = time.perf_counter()
    await watcher.load()
    memory.keep()
    print(f"first load of {assignments:,} assignments and {scripts:,} scripts: {time.perf_counter() - began:.1f} s")
    clock = Clock()
    quiet = [await clock.during(lambda: asyncio.sleep(QUIET_SECONDS / rounds)) for _ in range(rounds)]
    print(f"stops of the loop, nothing loaded:       {shown(quiet)}")

    async def changed(change: Callable[[int], None], times: int, what: str) -> None:
        stops, handed, took = [], [], []
        for version in range(times):
            await asyncio.to_thread(change, version + 1)
            began = time.perf_counter()
            stops.append(await clock.during(watcher.load))
            took.append((time.perf_counter() - began) * 1000)
            handed.append(house.taken_over)
        print(f"stops of the loop, {what}  {shown(stops)}")
        print(f"    taken over in {max(handed):.2f} ms of processor time at most, loaded in {median(took):.0f} ms")

    await changed(lambda version: write_script(directory, version, version), rounds, "one script changed:  ")
    await changed(
        lambda version: write_assignments(directory, assignments, scripts, version), 2, "assignments changed: "
    )


def main(
    assignments: int = 100_000, scripts: int = 1_000, rounds: int = 20, switch_micros: int = SWITCH_MICROS
) -> None:
    """Make a catalog in a temporary directory and measure."""
    sys.setswitchinterval(switch_micros / 1e6)
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        (directory / "scripts").mkdir()
        for number in range(scripts):
            write_script(directory, number, 0)
        write_assignments(directory, assignments, scripts, 0)
        size = (directory / ASSIGNMENTS).stat().st_size
        print(f"{ASSIGNMENTS}: {size:,} bytes; switch interval {sys.getswitchinterval()} s")
        gc.collect()
        uvloop.run(measure(directory, assignments, scripts, rounds))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
