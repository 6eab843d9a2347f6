"""How long a pool is not whole after one of its workers was killed.

    python -m bench.killed_worker [--kills 50]

The pool as a daemon has it for decisions. Workers are killed in turn with SIGKILL while one run after the other is
asked for; the pool is whole once it has as many workers as before, none of them the killed one, all ready, and the run
that was asked for after that has its answer.
"""

import argparse
import asyncio
import logging
import os
import signal
import statistics
import time
from dataclasses import dataclass
from typing import Final

import uvloop

from sandbox import values
from sandbox.outcome import Completion, Returned
from sandbox.parent import Parent
from sandbox.pool import Pool, PoolState
from sandbox.program import Invocation, Limits, Program
from sidecar.bench.servers import descendants
from sidecar.configuration.tree import Configuration
from sidecar.runs.pool_settings import decision_pool

ADAPTER: Final = "({prepare: (x) => x, collect: (d, r) => r, caught: () => undefined})"
PROGRAM: Final = Program(
    key="brief", name="brief.js", suspends=False, text="function main(data) { return data }", adapter=ADAPTER
)
INVOCATION: Final = Invocation(program=PROGRAM, input=values.encode({"cli": "44207"}), limits=Limits())
LONGEST_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Killed:
    """What kills cost, milliseconds each in order."""

    whole_ms: list[float]
    """From the kill until the pool was whole."""
    answered_ms: list[float]
    """The longest of the runs that were asked for meanwhile."""

    @property
    def whole_p50_ms(self) -> float:
        """Half of the times it was whole within this."""
        return statistics.median(self.whole_ms)

    def __str__(self) -> str:
        whole, answered = self.whole_p50_ms, statistics.median(self.answered_ms)
        return (
            f"{len(self.whole_ms)} workers killed: whole again after p50 {whole:.1f} ms, "
            f"most {max(self.whole_ms):.1f}; longest run meanwhile p50 {answered:.1f} ms, "
            f"most {max(self.answered_ms):.1f}"
        )


def _lanes(state: PoolState) -> tuple[int, int, int, int]:
    return state.fast, state.slow, state.stuck, state.spare


def _workers(others: set[int]) -> set[int]:
    """The pool's processes."""
    return set(descendants(os.getpid())) - others


async def _run(pool: Pool) -> float:
    """Milliseconds until a run is answered."""
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[Completion] = loop.create_future()
    began = time.perf_counter()
    pool.submit(INVOCATION, answered.set_result)
    completion = await asyncio.wait_for(answered, LONGEST_SECONDS)
    assert isinstance(completion.outcome, Returned), completion
    return (time.perf_counter() - began) * 1e3


async def _measure(kills: int) -> Killed:
    parent = Parent()
    parent.start()
    # What workers are forked from is none of them: it is another measurement, bench.random_kills.
    others = set(descendants(os.getpid()))
    pool = Pool(decision_pool(Configuration()), parent)
    await pool.start()
    whole_ms, answered_ms = [], []
    whole, workers = _lanes(pool.state()), sorted(_workers(others))
    for number in range(kills):
        await _run(pool)
        killed = workers[number % len(workers)]
        began = time.perf_counter()
        os.kill(killed, signal.SIGKILL)
        longest = 0.0
        while True:
            longest = max(longest, await _run(pool))
            now = _workers(others)
            if killed not in now and len(now) == len(workers) and _lanes(pool.state()) == whole:
                break
            assert time.perf_counter() - began < LONGEST_SECONDS, (now, pool.state())
        longest = max(longest, await _run(pool))
        whole_ms.append((time.perf_counter() - began) * 1e3)
        answered_ms.append(longest)
        workers = sorted(now)
    await pool.close()
    assert parent.deaths == 0
    parent.close()
    return Killed(whole_ms, answered_ms)


def measure(kills: int) -> Killed:
    """Kill so many workers, one after the other."""
    # Each death is told otherwise.
    logger = logging.getLogger("sandbox")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        measured: Killed = uvloop.run(_measure(kills))
    finally:
        logger.setLevel(level)
    return measured


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    print(measure(parser.parse_args().kills))


if __name__ == "__main__":
    main()
