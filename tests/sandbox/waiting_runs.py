"""Runs that wait, and ways in which the worker that they wait in may end."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from sandbox.pool import PoolSettings
from sandbox.process import WorkerProcess
from sandbox.program import Program
from sandbox.run import Run
from tests.sandbox.support import (
    HOST_ADAPTER,
    SUSPENDS,
    begun,
    program,
    until,
)

ONE = PoolSettings(workers=1, slow_workers=0)


def asks(text: str, **more: Any) -> Program:
    return program(text, SUSPENDS, adapter=HOST_ADAPTER, **more)


async def at_once(condition: Callable[[], object]) -> None:
    """Wait for something that may be over within a few turns of the event loop."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0)


async def moved(run: Run, end: Callable[[WorkerProcess], None]) -> None:
    """End the worker of a run that waits, and return when it waits in another one."""
    await begun(run)
    await until(lambda: run.suspension is not None)
    gone = run.worker
    assert gone is not None
    end(gone.process)
    await until(lambda: run.answered or (run.worker not in (None, gone) and run.suspension is not None))
    if not run.answered:
        await begun(run)


def killed(process: WorkerProcess) -> None:
    os.kill(process.pid, signal.SIGKILL)


def killed_between_turns(process: WorkerProcess) -> None:
    """Not in a run, which would be taken for the cause."""
    while process.exit_code is None:
        os.kill(process.pid, signal.SIGSTOP)
        while (
            state := Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2][1]
        ) not in "TZX":
            time.sleep(0)
        if state != "T":
            return  # it has ended
        if process.running == 0:
            os.kill(process.pid, signal.SIGKILL)
            return
        os.kill(process.pid, signal.SIGCONT)
        time.sleep(0.0005)


def crashed(process: WorkerProcess) -> None:
    os.kill(process.pid, signal.SIGSEGV)


def out_of_time(process: WorkerProcess) -> None:
    os.kill(process.pid, signal.SIGALRM)


def speaks_nonsense(process: WorkerProcess) -> None:
    process.data_received(b"\xc1")


def unlinked(process: WorkerProcess) -> None:
    """Its end of the link is shut: it ends by itself."""
    assert process._transport is not None
    process._transport.abort()


DEATHS: Final = [killed, crashed, out_of_time, speaks_nonsense, unlinked]
by_any_death = pytest.mark.parametrize("end", DEATHS)
