"""Whoever looks after schedules is killed while they are due, at random: each due time has one job all the same."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from sidecar.configuration.database_url import DatabaseUrl
from sidecar.storage.engine import Storage
from sidecar.storage.tables import jobs, schedules
from tests.sidecar.queue.looking_process import LOOKED_AT
from tests.sidecar.queue.queue_desk import prepare

ROOT = Path(__file__).parents[3]
KILLS = 12
SCHEDULES = 60 * LOOKED_AT
MICROS = 1_000_000


async def make(url: DatabaseUrl) -> None:
    """Schedules that have been due for a few seconds, and come due once a year."""
    await prepare(url)
    storage = Storage(url)
    now = int(time.time() * MICROS)
    row = {
        "tenant_id": 10,
        "script_id": "calls",
        "function": "main",
        "data": "{}",
        "cron": "0 0 1 1 *",
        "zone": "UTC",
        "missed": "once",
        "most": 10,
        "attempts": 1,
        "paused": False,
        "runs": 0,
        "left_out": 0,
        "fault": "",
    }
    rows = [{**row, "id": f"s{number}", "due": now - 5 * MICROS + number} for number in range(SCHEDULES)]
    async with storage.writing() as connection:
        await connection.execute(insert(schedules), rows)
    await storage.close()


async def found(url: DatabaseUrl) -> tuple[Counter[str], set[tuple[int, int]]]:
    """How many jobs each schedule has, and what schedules say of their runs and of what was left out."""
    storage = Storage(url)
    async with storage.reading() as connection:
        sources = Counter((await connection.execute(select(jobs.c.source))).scalars())
        said = {(row.runs, row.left_out) for row in (await connection.execute(select(schedules))).all()}
    await storage.close()
    return sources, said


@pytest.fixture
def process(database_address: str) -> Iterator[subprocess.Popen[str]]:
    asyncio.run(make(DatabaseUrl.parse(database_address)))
    command = [sys.executable, "-m", "tests.sidecar.queue.looking_process", database_address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def test_each_due_time_has_one_job_however_often_it_is_killed(
    database_address: str, process: subprocess.Popen[str]
) -> None:
    rng = random.Random(11)  # noqa: S311 - it is to be the same each time
    assert process.stdin is not None
    assert process.stdout is not None
    for _ in range(KILLS):
        process.stdin.write("\n")
        process.stdin.flush()
        child = int(process.stdout.readline())
        lines = iter(process.stdout.readline, "gone\n")
        for _ in range(rng.randrange(3)):
            next(lines, None)
        time.sleep(rng.uniform(0, 0.01))  # wherever in a look that is
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        assert set(lines) <= {"looked\n"}
    sources, said = asyncio.run(found(DatabaseUrl.parse(database_address)))
    assert set(sources.values()) == {1}
    deadline = time.monotonic() + 60
    while len(sources) < SCHEDULES and time.monotonic() < deadline:
        # What one that was killed has locked a server lets go of once it has noticed.
        process.stdin.write("\n")
        process.stdin.flush()
        child = int(process.stdout.readline())
        assert set(iter(process.stdout.readline, "gone\n")) == {"looked\n"}
        sources, said = asyncio.run(found(DatabaseUrl.parse(database_address)))
    assert sources == {f"schedule s{number}": 1 for number in range(SCHEDULES)}
    assert said == {(1, 0)}
