"""What a run was at when its time was over."""

import asyncio
import os
import signal

import pytest

from sandbox.link import EARLY_SECONDS, interrupted_early
from sandbox.outcome import Location, Stage, TimedOut, TimeLimit
from sandbox.pool import Pool
from tests.sandbox.support import NATIVE_LOOP, SMALL, SUSPENDS, WAIT, ask, running, running_pool, submit

LOOP = "function main(data) {\n  function spin() {\n    data.a.b();\n    for (;;);\n  }\n  spin();\n}"


async def test_a_run_out_of_processor_time_says_in_which_function_it_was(pool: Pool) -> None:
    text = LOOP.replace("data.a.b()", "Math.abs(1)")
    completion = await ask(pool, text, cpu_seconds=0.05)
    assert completion.outcome == TimedOut(TimeLimit.CPU)
    interruption = completion.interruption
    assert interruption is not None
    assert interruption.stage is Stage.RUNNING
    assert interruption.function == "spin"
    assert interruption.location == Location(3, 10)
    assert interruption.seconds >= 0.04


@pytest.mark.parametrize("before", ["", "  await null;\n"])
async def test_an_app_out_of_processor_time_says_where_it_was(pool: Pool, before: str) -> None:
    text = f"async function main(data) {{\n{before}  const n = Math.abs(1);\n  while (n) Math.abs(n);\n}}"
    completion = await ask(pool, text, 5000, SUSPENDS, cpu_seconds=0.05)
    assert completion.outcome == TimedOut(TimeLimit.CPU)
    assert completion.interruption is not None
    assert completion.interruption.location is not None
    # The loop's condition has no place of its own in the engine's table: interrupted there, it is at the call before.
    assert completion.interruption.location.line - before.count("\n") in (2, 3)


def test_the_engine_interrupts_a_run_just_before_its_deadline() -> None:
    assert interrupted_early(0.2) == pytest.approx(0.01)
    assert interrupted_early(1.0) == interrupted_early(3600.0) == EARLY_SECONDS


async def test_a_run_that_waits_says_for_how_long(pool: Pool) -> None:
    completion = await ask(pool, WAIT, 5000, SUSPENDS, wall_seconds=0.2)
    assert completion.interruption is not None
    assert completion.interruption.stage is Stage.WAITING
    assert 0.0 < completion.interruption.seconds <= 0.3


async def test_a_run_in_a_function_of_the_language_says_that_it_ran(pool: Pool) -> None:
    completion = await ask(pool, NATIVE_LOOP, wall_seconds=0.1)
    assert completion.outcome == TimedOut(TimeLimit.WALL)
    assert completion.interruption is not None
    assert completion.interruption.stage is Stage.RUNNING
    assert completion.interruption.location is None


async def test_a_run_that_never_began_says_that_it_stood_in_the_queue() -> None:
    async with running_pool(SMALL) as pool:
        # More than the workers can take before they are found to be held.
        runs = [submit(pool, NATIVE_LOOP, wall_seconds=0.05)[1] for _ in range(200)]
        interruptions = [(await run).interruption for run in runs]
        queued = [one for one in interruptions if one is not None and one.stage is Stage.QUEUED]
        assert len(queued) >= 190
        assert all(0.05 <= one.seconds < 5.0 for one in queued)


async def test_other_outcomes_have_none(pool: Pool) -> None:
    assert (await ask(pool, "function main() { return 1; }")).interruption is None
    assert (await ask(pool, "function main() { throw 1; }")).interruption is None


async def test_a_loop_that_had_no_processor_for_long_says_in_which_function_it_was() -> None:
    text = LOOP.replace("data.a.b()", "Math.abs(1)")
    for _ in range(20):
        async with running_pool(SMALL) as pool:
            run, answered = submit(pool, text, wall_seconds=2.0)
            pid = await running(pool, run)
            # As on a machine that is too busy: of two seconds it has one at most.
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(1.0)
            os.kill(pid, signal.SIGCONT)
            completion = await answered
        assert completion.outcome == TimedOut(TimeLimit.WALL)
        assert completion.interruption is not None
        function = completion.interruption.function
        # On one that really is, it has none just before its end either, and says nothing.
        if function:
            break
    assert function == "spin"
