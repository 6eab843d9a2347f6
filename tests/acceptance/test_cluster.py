"""Two sidecars and two platforms on one PostgreSQL and one Valkey or Redis, and one Kamailio: whatever is killed, calls
are answered and jobs are done."""

import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import httpx
import pytest

from tests.acceptance.cluster import SECONDS, Cluster, Machine, jobs_of, kill_server
from tests.acceptance.processes import wait_until

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may make networks for programs of other users"),
    pytest.mark.timeout(400),
]

ROUTES = """import { incr } from 'cxKV';
export async function main(data) {
  data.headers.push({ key: 'X-Decided', value: 'yes' });
  try { await incr('calls') } catch (error) { console.log(error.message) }
  return data;
}
"""
WORK = """export async function main({ number, ms }) {
  await new Promise((resolve) => setTimeout(resolve, ms));
  return number;
}
"""
DECISION = '"action":"decision"'
RATE = 20
KILLS = int(os.environ.get("SCRIPTFORGE_KILLS", "10"))
SHARES = {"east": 3, "west": 1}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    started = Cluster(tmp_path, SHARES)
    try:
        for name, text in (("routes", ROUTES), ("work", WORK)):
            body = {"name": f"{name}.js", "text": text, "kind": "app"}
            started.ask("east", "PUT", f"/api/v1/scripts/{name}", json=body).raise_for_status()
        body = {"customer": "acme", "script": "routes"}
        started.ask("east", "PUT", "/api/v1/assignments", json=body).raise_for_status()
        for machine in started.machines.values():
            machine.programs["serve"].wait_for('"scripts":2,"assignments":1', seconds=SECONDS)
        yield started
    finally:
        started.close()


class Adding:
    """Adds jobs all the time, by whichever platform takes them."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._stop = threading.Event()
        self.acknowledged: dict[str, int] = {}
        self._thread = threading.Thread(target=self._add)
        self._thread.start()

    def _add(self) -> None:
        for number in count():
            if self._stop.wait(0.05):
                return
            body = {"script": "work", "data": {"number": number, "ms": 300}}
            try:
                answer = self._cluster.ask(("east", "west")[number % 2], "POST", "/api/v1/jobs", json=body)
            except httpx.TransportError:
                continue
            if answer.is_success:
                self.acknowledged[answer.json()["id"]] = number

    def goes_on(self) -> None:
        """Return once some more are acknowledged."""
        before = len(self.acknowledged)
        wait_until(lambda: len(self.acknowledged) > before + 5, "jobs are taken again", SECONDS)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


@contextmanager
def adding(cluster: Cluster) -> Iterator[Adding]:
    added = Adding(cluster)
    try:
        yield added
    finally:
        added.stop()


def all_done(cluster: Cluster, acknowledged: dict[str, int]) -> None:
    """Each job has come to its end once, with what it returns."""

    def over() -> bool:
        answer = cluster.ask("east", "GET", "/api/v1/jobs", params={"limit": 1, "state": "active"})
        waiting = cluster.ask("east", "GET", "/api/v1/jobs", params={"limit": 1, "state": "waiting"})
        return not jobs_of(answer) and not jobs_of(waiting)

    wait_until(over, "no job is left", SECONDS)
    for job, number in acknowledged.items():
        found = cluster.ask("west", "GET", f"/api/v1/jobs/{job}").raise_for_status().json()
        assert (found["state"], found["result"]) == ("completed", number), found


def restarted(cluster: Cluster, machine: Machine, role: str) -> None:
    """Killed, and started again a while after."""
    position = cluster.kamailio.position
    machine.programs[role].signal(signal.SIGKILL)
    machine.programs[role].finish()
    if role == "serve":
        cluster.kamailio.wait_for("sidecar gone", position)
    time.sleep(1)  # calls and jobs come meanwhile
    machine.start(role)
    if role == "serve":
        cluster.kamailio.wait_for("sidecar connected", position)


def test_each_of_the_six_processes_is_killed_in_turn_and_every_call_is_decided_and_every_job_done(
    cluster: Cluster,
) -> None:
    decided = [machine.lines("serve", DECISION) for machine in cluster.machines.values()]
    assert decided == [0, 0]
    calls = RATE * 30
    gateway, caller = cluster.calls(calls, RATE)
    wait_until(lambda: cluster.machines["west"].lines("serve", DECISION) > 10, "calls are shared")
    shares = [machine.lines("serve", DECISION) for machine in cluster.machines.values()]
    assert shares[0] >= 2 * shares[1]
    with adding(cluster) as added:
        for role in ("serve", "platform"):
            for machine in cluster.machines.values():
                restarted(cluster, machine, role)
        for server in cluster.servers.values():
            kill_server(server)
            time.sleep(1)  # calls and jobs come meanwhile
            server.start()
            added.goes_on()
    assert caller.finish(90) == 0
    assert gateway.finish() == 0
    assert cluster.kamailio.lines("scriptforge: (fallback|refused)") == []
    trace = (cluster.folder / "gateway.messages").read_text(errors="replace")
    assert trace.count("X-Decided: yes") >= calls
    all_done(cluster, added.acknowledged)
    assert json.loads(cluster.ask("east", "GET", "/api/v1/kv/keys/calls").text)["value"]
    for machine in cluster.machines.values():
        for role in ("serve", "platform"):
            assert machine.lines(role, "Traceback") == 0


@pytest.mark.timeout(300 + 20 * KILLS)
def test_whatever_is_killed_at_random_every_call_is_answered_and_every_job_done(cluster: Cluster) -> None:
    """A call may go by its policy here: of two daemons both may die while they have it. `make kills` has a hundred."""
    rng = random.Random(20_261_128)  # noqa: S311 - the same each time
    processes = [(machine, role) for machine in cluster.machines.values() for role in ("serve", "platform")]
    gateway, caller = cluster.calls(1_000_000, 10, 240 + 20 * KILLS)
    with adding(cluster) as added:
        for _ in range(KILLS):
            time.sleep(rng.uniform(0, 1))  # a kill at any moment is what this is about
            what = rng.choice(("process", "process", "worker", "worker", "server"))
            if what == "server":
                server = rng.choice(list(cluster.servers.values()))
                kill_server(server)
                time.sleep(rng.uniform(0, 1))
                server.start()
                continue
            machine, role = rng.choice(processes)
            if what == "worker":
                workers = machine.workers(role)
                if workers:
                    os.kill(rng.choice(workers), signal.SIGKILL)
                continue
            machine.programs[role].signal(signal.SIGKILL)
            machine.programs[role].finish()
            machine.start(role)
        added.goes_on()
    caller.signal(signal.SIGUSR1)  # no more calls; it ends with the last of them
    assert caller.finish(60) == 0
    gateway.stop()
    assert cluster.kamailio.lines("scriptforge: refused") == []
    all_done(cluster, added.acknowledged)
    for machine, role in processes:
        assert machine.lines(role, "Traceback") == 0


def test_one_that_is_told_to_stop_under_load_answers_what_it_has_and_the_other_takes_the_rest(cluster: Cluster) -> None:
    gateway, caller = cluster.calls(RATE * 20, RATE)
    east, west = cluster.machines.values()
    with adding(cluster) as added:
        wait_until(lambda: east.lines("platform", '"action":"job_run"') > 5, "jobs are done")
        wait_until(lambda: east.lines("serve", DECISION) > 20, "calls are decided")
        for role in ("serve", "platform"):
            os.kill(east.programs[role].process.pid, signal.SIGTERM)
        assert east.programs["serve"].finish() == 0
        before = west.lines("serve", DECISION)
        wait_until(lambda: west.lines("serve", DECISION) > before + 20, "the other one has the calls")
        assert east.programs["platform"].finish() == 0
        for role in ("serve", "platform"):
            east.start(role)
    assert caller.finish(60) == 0
    assert gateway.finish() == 0
    assert cluster.kamailio.lines("scriptforge: (fallback|refused|asked again)") == []
    assert len(cluster.kamailio.lines("sidecar drains")) == 1
    all_done(cluster, added.acknowledged)
    assert east.lines("platform", '"action":"job_lost"') == 0


def test_what_a_machine_had_that_was_cut_off_is_done_by_the_other_and_not_completed_by_it(cluster: Cluster) -> None:
    """A lease is 2 s here and 30 s by default; the machine is cut off for three of them."""
    east, west = cluster.machines.values()
    jobs: dict[str, int] = {}
    os.kill(east.programs["platform"].process.pid, signal.SIGTERM)
    assert east.programs["platform"].finish() == 0
    for number in range(10):
        body = {"script": "work", "data": {"number": number, "ms": 15_000}}
        answer = cluster.ask("west", "POST", "/api/v1/jobs", json=body).raise_for_status()
        jobs[answer.json()["id"]] = number
    active = {"state": "active"}
    wait_until(lambda: len(jobs_of(cluster.ask("west", "GET", "/api/v1/jobs", params=active))) == 10, "all are taken")
    east.start("platform")
    cluster.network.cut("west")
    gateway, caller = cluster.calls(RATE * 8, RATE)
    time.sleep(6)
    cluster.network.mend("west")
    assert caller.finish(60) == 0
    assert gateway.finish() == 0
    assert cluster.kamailio.lines("scriptforge: (fallback|refused)") == []
    all_done(cluster, jobs)
    assert west.lines("platform", '"action":"job_lost"') == len(jobs)
    assert east.lines("platform", '"action":"job_lost"') == 0
    assert east.lines("platform", '"outcome":"returned"') == len(jobs)
