"""Two platforms share the mailboxes of one database, and are killed at random: in order, none lost, one at a time."""

import json
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.processes import wait_until
from tests.database_fixtures import DATABASES
from tests.database_servers import Servers, new_database
from tests.sidecar.http.platform_desk import PlatformDesk
from tests.sidecar.jobs.test_job_deaths import Other

MESSAGES = 60
KILLS = 5
WORKERS = ("one", "two")
SETTINGS = "[mailboxes]\nlease_seconds = 1\npoll_seconds = 0.1\n"
WORKER = """
import { ko } from 'cxKV';
const own = process.env.SCRIPTFORGE_ID;
export async function main({ n }, { attempt }) {
  const order = (await ko.get(own)) || [];
  order.push([n, attempt]);
  await ko.set(own, order);
  await new Promise((resolve) => setTimeout(resolve, 40));
}
"""


@pytest.mark.timeout(240)
@pytest.mark.parametrize("database", DATABASES)
def test_messages_are_done_in_order_whichever_platform_is_killed(
    tmp_path: Path, servers: type[Servers], database: str
) -> None:
    del servers
    address = None if database == "sqlite" else new_database(database)
    desk = PlatformDesk(tmp_path, address, more=SETTINGS)
    other = Other(desk)
    for worker in WORKERS:
        desk.script(worker, WORKER, kind="worker")
    for number in range(MESSAGES):
        for worker in WORKERS:
            path = f"/api/v1/workers/{worker}/messages"
            desk.acme.post(path, json={"data": {"n": number}}).raise_for_status()
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

    def boxes() -> list[Any]:
        found: list[Any] = desk.acme.get("/api/v1/workers").raise_for_status().json()
        return found

    wait_until(lambda: not any(one["waiting"] for one in boxes()), "all are done", seconds=120)
    assert [(one["script"], one["done"], one["dead"]) for one in boxes()] == [
        (worker, MESSAGES, 0) for worker in WORKERS
    ]
    for worker in WORKERS:
        order = json.loads(desk.acme.get(f"/api/v1/kv/keys/{worker}").json()["value"])
        numbers = [number for number, _ in order]
        assert numbers == sorted(numbers), "one that another has overtaken was two Workers' at once"
        assert sorted(set(numbers)) == list(range(MESSAGES))
        assert {attempt for _, attempt in order} == {1}, "a death is no attempt"
        assert len(numbers) <= MESSAGES + KILLS
    for program in (desk.program, other.program):
        assert program.lines("Traceback") == []
    other.program.stop()
    desk.stop()


def test_one_that_was_cut_off_cannot_finish_what_another_has_taken(tmp_path: Path) -> None:
    """A process that stands still for longer than its lease goes on with what is not its own any more."""
    desk = PlatformDesk(tmp_path, more=SETTINGS)
    slow = WORKER.replace("40", "2_500")
    desk.script("one", slow, kind="worker")
    path = "/api/v1/workers/one/messages"
    ids = [desk.acme.post(path, json={"data": {"n": number}}).json()["id"] for number in range(2)]
    wait_until(lambda: desk.acme.get(f"{path}/{ids[0]}").json()["state"] == "active", "it is at it")
    desk.program.signal(signal.SIGSTOP)
    other = Other(desk)
    time.sleep(1.5)  # longer than the lease, which is what this is about
    desk.program.signal(signal.SIGCONT)
    wait_until(lambda: desk.log_lines("mailbox_lost") != [], "the one that was cut off has noticed", seconds=30)
    wait_until(lambda: desk.acme.get("/api/v1/workers").json()[0]["done"] == 2, "both are done", seconds=60)
    by_other = [json.loads(line) for line in other.program.lines('"action":"message_done"')]
    assert [line["message"] for line in by_other if line["outcome"] == "returned"] == ids
    other.program.stop()
    desk.stop()
