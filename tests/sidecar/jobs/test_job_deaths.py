"""Two platforms share the jobs of one database, and are killed at random: no job is lost, none stays with the dead."""

import asyncio
import json
import random
import signal
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from sidecar.configuration.database_url import DatabaseUrl
from sidecar.queue.job import NewJob
from sidecar.queue.queue import JobQueue, Keeping
from tests.acceptance.processes import Program, wait_until
from tests.database_fixtures import DATABASES
from tests.database_servers import Servers, new_database
from tests.sidecar.http.platform_desk import ROOT, SECONDS, PlatformDesk

JOBS = 60
QUEUED = 100_000
KILLS = 5
SETTINGS = "[jobs]\nlease_seconds = 2\npoll_seconds = 0.1\nat_once = 8\ntenant_at_once = 0\n"
WORK = """
import { incr } from 'cxKV';
export async function main({ number }) {
  await incr('begun:' + number);
  await new Promise((resolve) => setTimeout(resolve, 150));
  await incr('ended:' + number);
  return process.env.JOB_ID;
}
"""


class Other:
    """A second platform on the same configuration."""

    def __init__(self, desk: PlatformDesk) -> None:
        self.desk = desk
        self.start()

    def start(self) -> None:
        command = [
            str(Path(sys.executable).with_name("scriptforge")),
            "platform",
            "--config",
            str(self.desk.configuration),
        ]
        self.program = Program(command, self.desk.folder / "other.log", ROOT)
        self.program.wait_for('"action":"serving"', seconds=SECONDS)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("database", DATABASES)
def test_no_job_is_lost_whichever_platform_is_killed(tmp_path: Path, servers: type[Servers], database: str) -> None:
    del servers
    address = None if database == "sqlite" else new_database(database)
    desk = PlatformDesk(tmp_path, address, more=SETTINGS)
    other = Other(desk)
    desk.script("work", WORK, kind="app")
    ids = []
    for number in range(JOBS):
        made = desk.acme.post("/api/v1/jobs", json={"script": "work", "data": {"number": number}})
        ids.append(made.raise_for_status().json()["id"])
    rng = random.Random(20_261_128)  # noqa: S311 - the same each time
    for _ in range(KILLS):
        time.sleep(rng.uniform(0.2, 0.8))  # a kill at any moment is what this is about
        victim = rng.choice((desk, other))
        victim.program.signal(signal.SIGKILL)
        victim.program.finish()
        victim.start()
    token = desk.acme.headers["authorization"].split()[1]
    desk.acme.close()
    desk.acme = desk.client(token)

    def jobs() -> list[Any]:
        found: list[Any] = desk.acme.get("/api/v1/jobs", params={"limit": 500}).raise_for_status().json()["items"]
        return found

    wait_until(lambda: all(one["state"] in ("completed", "failed") for one in jobs()), "all are over", seconds=90)
    found = jobs()
    assert {one["id"] for one in found} == set(ids)
    assert [one["error"] for one in found if one["state"] == "failed"] == []
    for number, one in enumerate(ids):
        assert desk.acme.get(f"/api/v1/jobs/{one}").json()["result"] == one
        ended = int(desk.acme.get(f"/api/v1/kv/keys/ended:{number}").json()["value"])
        assert ended >= 1
    runs = [json.loads(line) for log in (desk.program, other.program) for line in log.lines('"action":"job_run"')]
    assert {line["outcome"] for line in runs} <= {"returned", "cancelled"}
    for program in (desk.program, other.program):
        assert program.lines("Traceback") == []
    other.program.stop()
    desk.stop()


@pytest.mark.timeout(300)
def test_a_hundred_thousand_jobs_that_wait_are_all_there_after_restarts_and_go_on(tmp_path: Path) -> None:
    desk = PlatformDesk(tmp_path, more=SETTINGS)
    for name, client in (("quick", desk.acme), ("other", desk.beta)):
        desk.script(name, "export const main = ({ number }) => number;", kind="app", client=client)
    beta = desk.token("beta")
    desk.program.stop()
    asyncio.run(_queued(desk.address))

    def count(state: str) -> int:
        with sqlite3.connect(desk.database, timeout=SECONDS) as connection:
            found: int = connection.execute("SELECT count(*) FROM jobs WHERE state = ?", (state,)).fetchone()[0]
        connection.close()
        return found

    def goes_on() -> None:
        before = count("completed")
        desk.start()
        wait_until(lambda: count("completed") > before + 30, "jobs are done", seconds=SECONDS)

    for end in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        goes_on()
        desk.program.signal(end)
        desk.program.finish()
    desk.start()
    other = desk.client(beta)
    made = other.post("/api/v1/jobs", json={"script": "other", "data": {"number": 7}}).raise_for_status().json()["id"]
    address = f"/api/v1/jobs/{made}"
    wait_until(lambda: other.get(address).json().get("result") == 7, "another tenant's is done", seconds=SECONDS)
    other.close()
    desk.stop()
    assert sum(count(state) for state in ("waiting", "active", "completed")) == QUEUED + 1
    assert count("failed") == 0
    assert count("active") <= 8, "those of the killed one, whose leases end by themselves"
    with sqlite3.connect(desk.database) as connection:
        query = "SELECT data, result FROM jobs WHERE state = 'completed' AND tenant = 'acme'"
        assert all(json.loads(data)["number"] == json.loads(result) for data, result in connection.execute(query))
    connection.close()


async def _queued(address: str) -> None:
    queue = JobQueue(DatabaseUrl.parse(address), Keeping())
    left = iter(range(QUEUED))

    async def add() -> None:
        for number in left:
            await queue.add(NewJob(tenant="acme", script="quick", data=json.dumps({"number": number})))

    await asyncio.gather(*(add() for _ in range(256)))
    await queue.close()
