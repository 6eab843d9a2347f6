"""Deadlines that have passed by the time they are set: uvloop's handle for those does not know its time."""

import uvloop

from sandbox.outcome import Completion, Refused, TimedOut
from sandbox.pool import Pool, PoolSettings
from sandbox.program import Invocation, Limits, Program
from tests.sandbox.support import packed, until

PROGRAM = Program(
    key="p",
    name="p.js",
    suspends=False,
    text="function main() { return 1; }",
    adapter="({prepare: (x) => x, collect: (x, y) => y, caught: () => undefined})",
)


async def _submit_late() -> list[Completion]:
    pool = Pool(PoolSettings(workers=1, slow_workers=0))
    completions: list[Completion] = []
    for wall in (0.0, -1.0, 0.0, 5.0, -2.0):
        invocation = Invocation(program=PROGRAM, input=packed({}), limits=Limits(wall_seconds=wall))
        pool.submit(invocation, completions.append)
    await until(lambda: len(completions) == 4)
    await pool.close()
    return completions


def test_deadlines_in_the_past() -> None:
    completions = uvloop.run(_submit_late())
    outcomes = [type(completion.outcome) for completion in completions]
    assert sorted(outcomes, key=str) == sorted([TimedOut] * 4 + [Refused], key=str)
