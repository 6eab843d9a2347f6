"""What kills of workers cost: decisions and calls beside them, and what the daemon keeps of each.

    python -m bench.random_kills [--kills 1000] [--a-second 20] [--calls 500] [--decisions 1000] [--parents 10]

The pools as a daemon has them. Workers are killed with SIGKILL at random moments, whichever they are, and one time in
``--parents`` what they are forked from (0: never). Every decision is to be answered, none but one that a killed worker
was in by a failure; no call is to end but the one that a killed worker was in, and those that waited in the last worker
of a parent that was killed as well. The exit status is 1 where that is not so, or where a kill has left more than
`ALLOWED_BYTES` of memory.
"""

import argparse
import asyncio
import logging
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Final, NamedTuple

import uvloop

from sandbox import values
from sandbox.host import HostCall
from sandbox.outcome import Completion, Crashed, Returned, TimedOut
from sandbox.pool import Run
from sandbox.program import Invocation, Limits, Program
from sidecar.bench.servers import descendants
from sidecar.configuration.tree import Configuration
from sidecar.runs.pool_settings import call_pool, decision_pool
from sidecar.runs.runner import PoolName, Runner

DECIDES: Final = "({prepare: (x) => x, collect: (d, r) => r, caught: () => undefined})"
ASKS: Final = """(({ host }) => {
  globalThis.ask = (value) => host("ask", [value]);
  return { prepare: (x) => x, collect: (d, r) => r, caught: () => undefined };
})"""
SCRIPTS: Final = tuple(
    Program(
        key=f"d{number}", name=f"d{number}.js", suspends=False, text="function main(d) { return d }", adapter=DECIDES
    )
    for number in range(20)
)
QUESTIONS: Final = 6
CALL: Final = Program(
    key="call",
    name="call.js",
    suspends=True,
    text=f"async function main(n) {{ let s = 0; for (let i = 0; i < {QUESTIONS}; i++) s += await ask(n); return s }}",
    adapter=ASKS,
)
LONGEST_ANSWER_SECONDS: Final = 1.0
CUSTOMERS: Final = 25
NO_HOME: Final = Crashed("its worker died, and no other has its layout of memory")
"""Of a call that waited in the last worker of a parent that was killed."""
TICK_SECONDS: Final = 0.01
SETTLE_SECONDS: Final = 60.0
"""Longer than any call."""
ALLOWED_BYTES: Final = 1_000
"""Left behind by one kill, from the first tenth of them on."""


class Site:
    """The pools, and what is asked of them."""

    def __init__(self, runner: Runner, others: frozenset[int], seed: int, parent_share: int) -> None:
        """``others`` are processes of this one's that are none of the pools'."""
        self._runner = runner
        self._others = others
        self._parent_share = parent_share
        self._chosen = random.Random(seed)  # noqa: S311 - the same each time
        self._loop = asyncio.get_running_loop()
        self.killed: set[int] = set()
        self.decisions = 0
        self.calls = 0
        self.calls_up = 0
        self.outcomes: dict[str, Counter[str]] = {"decision": Counter(), "call": Counter()}
        self.wrong: list[str] = []
        self.longest_ms = 0.0

    # ---- what is asked ----

    def decide(self) -> None:
        """Ask for a decision."""
        self.decisions += 1
        number = self.decisions
        program = SCRIPTS[number % len(SCRIPTS)]
        invocation = Invocation(program=program, input=values.encode(number), limits=Limits(wall_seconds=30.0))
        began = time.perf_counter()
        runs: list[Run] = []

        def done(completion: Completion) -> None:
            self.longest_ms = max(self.longest_ms, (time.perf_counter() - began) * 1e3)
            self._judge("decision", completion, values.encode(number), runs)

        runs.append(self._runner.pool(PoolName.DECISIONS).submit(invocation, done))

    def call(self) -> None:
        """Begin a call, which another one follows."""
        self.calls += 1
        self.calls_up += 1
        number = self.calls
        invocation = Invocation(
            program=CALL,
            input=values.encode(number),
            customer=f"{number % CUSTOMERS}",
            limits=Limits(wall_seconds=3600.0, turn_seconds=2.0),
        )
        runs: list[Run] = []

        def done(completion: Completion) -> None:
            self.calls_up -= 1
            self._judge("call", completion, values.encode(number * QUESTIONS), runs)

        runs.append(self._runner.pool(PoolName.CALLS).submit(invocation, done, self))

    def asked(self, call: HostCall) -> None:
        """Answer a call's script after a while."""
        self._loop.call_later(self._chosen.uniform(0, LONGEST_ANSWER_SECONDS), call.resolve, call.arguments[0])

    def ended(self) -> None:
        """Do nothing: of a call that ended, nothing is kept here."""

    def _judge(self, what: str, completion: Completion, expected: bytes, runs: list[Run]) -> None:
        outcome = completion.outcome
        self.outcomes[what]["with its parent" if outcome == NO_HOME else type(outcome).__name__] += 1
        worker = runs[0].worker if runs else None
        innocent = worker is None or worker.process.pid not in self.killed
        if outcome == NO_HOME and self._runner.parent.generation > 1:
            return
        if isinstance(outcome, Returned):
            if outcome.value != expected:
                self.wrong.append(f"a {what} returned {outcome.value!r}, not {expected!r}")
        elif what == "decision" and isinstance(outcome, TimedOut):
            pass  # where the machine cannot do as much beside the kills
        elif innocent or not isinstance(outcome, Crashed):
            self.wrong.append(f"a {what} that no kill had touched: {outcome}")

    # ---- what is done to them ----

    def kill(self) -> None:
        """A worker of any pool, or what they are forked from."""
        parent = self._runner.parent.pid
        if parent and self._parent_share and self._chosen.randrange(self._parent_share) == 0:
            os.kill(parent, signal.SIGKILL)
            return
        workers = [pid for pid in descendants(os.getpid()) if pid != parent and pid not in self._others]
        if workers:
            chosen = self._chosen.choice(workers)
            self.killed.add(chosen)
            os.kill(chosen, signal.SIGKILL)

    async def ask(self, calls: int, decisions_a_second: int, until: asyncio.Event) -> None:
        """Keep so many calls up and ask for so many decisions a second."""
        began = self._loop.time()
        while not until.is_set():
            while self.calls_up < calls:
                self.call()
            due = int((self._loop.time() - began) * decisions_a_second)
            for _ in range(due - self.decisions):
                self.decide()
            await asyncio.sleep(TICK_SECONDS)

    async def settled(self) -> None:
        """Return once everything that was asked has ended and the pools are whole. Raises TimeoutError."""
        async with asyncio.timeout(SETTLE_SECONDS):
            while (  # noqa: ASYNC110 - it has no event
                self.calls_up or self.outcomes["decision"].total() < self.decisions or not self._whole()
            ):
                await asyncio.sleep(TICK_SECONDS)

    def _whole(self) -> bool:
        states = self._runner.states()
        return all(state.fast > 0 and state.spare == 1 for state in states.values())


class Kept(NamedTuple):
    """What a process has."""

    resident_bytes: int
    descriptors: int
    maps: int

    @classmethod
    def by(cls, pid: int) -> "Kept":
        """This process now. Raises OSError where it has gone or is not ours to look at."""
        process = Path(f"/proc/{pid}")
        pages = int((process / "statm").read_text(encoding="ascii").split()[1])
        maps = (process / "maps").read_text(encoding="utf-8", errors="replace").count("\n")
        return cls(pages * os.sysconf("SC_PAGESIZE"), len(list((process / "fd").iterdir())), maps)


class Found(NamedTuple):
    """What became of it."""

    wrong: list[str]
    """What was not as it is to be."""
    grown_bytes: float
    """What a kill has left, from the first tenth of them on."""


async def run(
    kills: int, a_second: float, calls: int, decisions_a_second: int, parent_share: int = 10, seed: int = 1
) -> Found:
    """Kill so many, and print what became of it."""
    chosen = random.Random(seed)  # noqa: S311 - the same each time
    configuration = Configuration()
    runner = Runner({PoolName.DECISIONS: decision_pool(configuration), PoolName.CALLS: call_pool(configuration)})
    others = frozenset(descendants(os.getpid()))
    for name in (PoolName.DECISIONS, PoolName.CALLS):
        await runner.start(name)
    site = Site(runner, others, seed, parent_share)
    stop = asyncio.Event()
    asking = asyncio.ensure_future(site.ask(calls, decisions_a_second, stop))
    began = time.monotonic()
    before = Kept.by(os.getpid())
    for number in range(kills):
        await asyncio.sleep(chosen.expovariate(a_second))
        site.kill()
        if number == kills // 10:
            before = Kept.by(os.getpid())
    after = Kept.by(os.getpid())
    stop.set()
    await asking
    await site.settled()
    seconds = time.monotonic() - began
    await runner.close()
    grown = (after.resident_bytes - before.resident_bytes) / max(1, kills - kills // 10)
    print(f"{kills} kills in {seconds:.0f} s, {runner.parent.deaths} of them of the workers' parent")
    print(f"{sum(state.resumed for state in runner.states().values())} runs went on in another worker")
    for what, number in (("decision", site.decisions), ("call", site.calls)):
        print(f"{number} {what}s: " + ", ".join(f"{count} {word}" for word, count in site.outcomes[what].most_common()))
    print(f"longest decision {site.longest_ms:.0f} ms")
    print(f"after a tenth: {before}; at the end: {after}; one kill leaves {grown:.0f} bytes")
    for line in site.wrong[:20]:
        print(f"WRONG: {line}")
    return Found(site.wrong, grown)


def main() -> int:
    """The exit status is 1 where something was not as it is to be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--a-second", type=float, default=20.0)
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--decisions", type=int, default=1_000, help="a second")
    parser.add_argument(
        "--parents", type=int, default=10, help="one kill in so many is of what workers are forked from"
    )
    given = parser.parse_args()
    # Each death is told otherwise.
    logging.getLogger("sandbox").setLevel(logging.CRITICAL)
    found = uvloop.run(run(given.kills, given.a_second, given.calls, given.decisions, given.parents))
    return 1 if found.wrong or found.grown_bytes > ALLOWED_BYTES else 0


if __name__ == "__main__":
    sys.exit(main())
