"""Two platforms share the jobs of one database, and are killed at random: no job is lost, none stays with the dead."""

import asyncio
import json
import random
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from sidecar.configuration.database_url import DatabaseUrl
from sidecar.queue.job import NewJob
from sidecar.queue.queue import JobQueue, Keeping
from sidecar.storage.engine import Storage
from sidecar.storage.tables import job_spaces, jobs
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
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_hundred_thousand_jobs_that_wait_are_all_there_after_restarts_and_go_on(
    tmp_path: Path, servers: type[Servers], database: str
) -> None:
    del servers
    address = None if database == "sqlite" else new_database(database)
    desk = PlatformDesk(tmp_path, address, more=SETTINGS)
    for name, client in (("quick", desk.acme), ("other", desk.beta)):
        desk.script(name, "export const main = ({ number }) => number;", kind="app", client=client)
    beta = desk.token("beta")
    desk.program.stop()
    asyncio.run(_queued(desk.address))

    def done() -> int:
        return asyncio.run(_counted(desk.address, "completed"))["completed"]

    def goes_on() -> None:
        before = done()
        desk.start()
        wait_until(lambda: done() > before + 30, "jobs are done", seconds=SECONDS)

    for end in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        goes_on()
        desk.program.signal(end)
        desk.program.finish()
    desk.start()
    other = desk.client(beta)
    made = other.post("/api/v1/jobs", json={"script": "other", "data": {"number": 7}}).raise_for_status().json()["id"]
    job = f"/api/v1/jobs/{made}"
    wait_until(lambda: other.get(job).json().get("result") == 7, "another tenant's is done", seconds=SECONDS)
    other.close()
    desk.stop()
    states = asyncio.run(_counted(desk.address, "waiting", "active", "completed", "failed"))
    assert states["waiting"] + states["active"] + states["completed"] == QUEUED + 1
    assert states["failed"] == 0
    assert states["active"] <= 8, "those of the killed one, whose leases end by themselves"
    for data, result in asyncio.run(_completed(desk.address)):
        assert json.loads(data)["number"] == json.loads(result)


async def _queued(address: str) -> None:
    """One job, and as many as it again and again: the queue itself would take a minute for them."""
    url = DatabaseUrl.parse(address)
    queue = JobQueue(url, Keeping())
    first = await queue.add(NewJob(tenant="acme", script="quick", data='{"number":0}'))
    await queue.close()
    storage = Storage(url)
    async with storage.writing() as connection:
        (row,) = (await connection.execute(select(jobs))).mappings().all()
        for begin in range(1, QUEUED, 1_000):
            rows = [
                {**row, "id": f"{first.id[:24]}{number:08x}", "data": json.dumps({"number": number})}
                for number in range(begin, min(begin + 1_000, QUEUED))
            ]
            await connection.execute(insert(jobs), rows)
        more = {"jobs": QUEUED, "bytes": job_spaces.c.bytes + 20 * QUEUED}
        await connection.execute(update(job_spaces).where(job_spaces.c.tenant == "acme").values(**more))
    await storage.close()


async def _counted(address: str, *states: str) -> Mapping[str, int]:
    """How many jobs there are of states: an index has each, however many there are of the others."""
    storage = Storage(DatabaseUrl.parse(address))
    found = {}
    async with storage.reading() as connection:
        for state in states:
            query = select(func.count()).select_from(jobs).where(jobs.c.state == state)
            found[state] = (await connection.execute(query)).scalar_one()
    await storage.close()
    return found


async def _completed(address: str) -> Sequence[Any]:
    """What the jobs that are done were given, and gave."""
    storage = Storage(DatabaseUrl.parse(address))
    async with storage.reading() as connection:
        query = select(jobs.c.data, jobs.c.result).where(jobs.c.state == "completed", jobs.c.tenant == "acme")
        found = (await connection.execute(query)).all()
    await storage.close()
    return found
