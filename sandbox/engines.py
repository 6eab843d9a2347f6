"""The engines of a process, made once and used once, before a worker is forked from it and confined."""

import gc
import select
from functools import cache
from typing import Final

from sandbox import link
from sandbox.engine import Context
from sandbox.program import Program

JOBS_BETWEEN_LOOKS: Final = 64
"""A turn of many promise reactions is looked at after this many of them."""


@cache
def contexts() -> dict[bool, Context]:
    """The engines of this process, and of those forked from it once they are made; by whether their runs may wait."""
    return {suspends: Context(suspends) for suspends in (False, True)}


def warm_up() -> None:
    """Use once everything that a run uses, so that nothing is imported or allocated first under confinement.

    For the process that workers are forked from.
    """
    for suspends, context in contexts().items():
        program = Program(
            key="",
            name="warm-up",
            suspends=suspends,
            text="async function main(data) { console.log((1).toLocaleString()); await null; return data }",
            adapter="({prepare: (x) => x, collect: (x, y) => y, caught: () => undefined})",
        )
        context.load(program)
        context.limit_time(1.0)
        context.start(link.NIL, "", 0.0)
        while context.run_jobs(JOBS_BETWEEN_LOOKS):
            context.poll(False)
        context.take_log()
    select.poll()
    # Messages and contexts form no cycles; a collection in the middle of a run would be a script's time.
    gc.collect()
    gc.disable()
