"""Jobs over HTTP and by the command line: added, looked at, retried, discarded, and their queues paused."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sidecar.jobs.metrics import signal_of
from sidecar.queue.job import JobState
from sidecar.queue.looking import Depth
from tests.acceptance.processes import free_port, wait_until
from tests.sidecar.cli.remote.terminal import Terminal
from tests.sidecar.http.platform_desk import PlatformDesk

WORKS = """
export const main = (data) => ({ ...data, id: process.env.JOB_ID });
export const fails = () => { throw new RangeError('too far'); };
export const later = async () => await new Promise((resolve) => setTimeout(resolve, 60_000));
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformDesk]:
    made = PlatformDesk(tmp_path_factory.mktemp("jobs"), more="[jobs]\npoll_seconds = 0.05\nlease_seconds = 1\n")
    made.acme.put("/api/v1/apps/shop", json={"name": "shop"}).raise_for_status()
    made.script("works", WORKS, app="shop")
    yield made
    made.stop()


@pytest.fixture
def terminal(
    desk: PlatformDesk, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> Terminal:
    terminal = Terminal(monkeypatch, capfdbinary, tmp_path / "home")
    assert terminal("login", desk.url, typed=f"{desk.token('acme')}\n")[0] == 0
    return terminal


def add(desk: PlatformDesk, **body: Any) -> Any:
    answer = desk.acme.post("/api/v1/jobs", json={"script": "works", **body})
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/api/v1/jobs/{answer.json()['id']}"
    return answer.json()


def get(desk: PlatformDesk, job: Any) -> Any:
    return desk.acme.get(f"/api/v1/jobs/{job['id']}").raise_for_status().json()


def ended(desk: PlatformDesk, job: Any, state: str) -> Any:
    wait_until(lambda: get(desk, job)["state"] == state, f"it is {state}")
    return get(desk, job)


def test_a_job_is_added_and_its_result_is_at_its_address(desk: PlatformDesk) -> None:
    added = add(desk, data={"a": "ä", "_company": 1}, queue="mail", priority=2, key="k")
    assert (added["state"], added["app"], added["queue"], added["progress"]) == ("waiting", "shop", "mail", None)
    done = ended(desk, added, "completed")
    assert done["data"] == {"a": "ä"}
    assert done["result"] == {"a": "ä", "id": added["id"]}
    assert (done["attempt"], done["error"], done["owner"]) == (0, None, "")
    assert done["run_ms"] >= 0
    assert done["source"].startswith("127.0.0.1")
    assert ended(desk, add(desk, data=[1, 2]), "completed")["data"] == [1, 2]


def test_a_dead_letter_is_looked_at_retried_and_discarded(desk: PlatformDesk) -> None:
    added = add(desk, function="fails", attempts=2)
    dead = ended(desk, added, "failed")
    assert (dead["attempt"], dead["error"], dead["name"], dead["result"]) == (2, "too far", "RangeError", None)
    found = desk.acme.get("/api/v1/jobs", params={"state": "failed", "limit": 1}).json()["items"]
    assert [one["id"] for one in found] == [added["id"]]
    assert desk.acme.post(f"/api/v1/jobs/{added['id']}/retry").json()["attempt"] == 0
    ended(desk, added, "failed")
    assert desk.acme.delete(f"/api/v1/jobs/{added['id']}").status_code == 204
    gone = desk.acme.get(f"/api/v1/jobs/{added['id']}")
    assert (gone.status_code, gone.json()["type"]) == (404, "urn:scriptforge:not-there")
    done = ended(desk, add(desk), "completed")
    refused = desk.acme.post(f"/api/v1/jobs/{done['id']}/retry")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:scriptforge:wrong-state")


def test_a_job_that_is_discarded_while_it_runs_is_ended(desk: PlatformDesk) -> None:
    added = add(desk, function="later")
    ended(desk, added, "active")
    desk.acme.delete(f"/api/v1/jobs/{added['id']}").raise_for_status()
    wait_until(lambda: any(line["job"] == added["id"] for line in desk.log_lines("job_lost")), "its run is ended")


def test_pages_go_back_in_time(desk: PlatformDesk) -> None:
    added = [add(desk, queue="pages", delay_ms=60_000)["id"] for _ in range(5)]
    first = desk.acme.get("/api/v1/jobs", params={"queue": "pages", "limit": 3}).json()
    second = desk.acme.get("/api/v1/jobs", params={"queue": "pages", "limit": 3, "before": first["next"]}).json()
    assert {one["id"] for one in first["items"] + second["items"]} == set(added)
    assert (len(second["items"]), second["next"]) == (2, None)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"script": "nobody"}, 404, "there is no script 'nobody'"),
        ({"attempts": 0}, 422, "attempts"),
        ({"queue": "a b"}, 422, "queue"),
        ({"key": "a\0"}, 422, "key"),
        ({"data": "x" * 600_000}, 422, "the data has more than 500000 bytes as JSON"),
        ({"tries": 1}, 422, "tries"),
    ],
)
def test_what_is_no_job_is_refused(desk: PlatformDesk, body: dict[str, Any], status: int, said: str) -> None:
    answer = desk.acme.post("/api/v1/jobs", json={"script": "works", **body})
    assert (answer.status_code, said in answer.json()["detail"]) == (status, True), answer.text


def test_a_tenant_keeps_as_many_as_it_may(desk: PlatformDesk) -> None:
    desk.script("own", client=desk.beta)
    desk.operator.put("/api/v1/tenants/beta/limits", json={"jobs": 1}, headers={"If-Match": "*"}).raise_for_status()
    assert desk.beta.post("/api/v1/jobs", json={"script": "own", "delay_ms": 60_000}).status_code == 201
    answer = desk.beta.post("/api/v1/jobs", json={"script": "own"})
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:scriptforge:limit-reached")


def test_by_the_command_line(desk: PlatformDesk, terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text('{"n": 7}')
    paused = terminal.done("jobs", "pause", "night", "--app", "shop")
    assert paused == "night: paused\n"
    assert terminal.done("jobs", "limit", "night", "2", "--app", "shop") == "night: paused, 2 at once\n"
    job = terminal.done("jobs", "add", "works.js", "--data", str(tmp_path / "data.json"), "--queue", "night").strip()
    listed = json.loads(terminal.done("jobs", "queues", "--json"))
    (night,) = [one for one in listed if one["name"] == "night"]
    assert (night["paused"], night["at_once"], night["counts"]["waiting"]) == (True, 2, 1)
    assert "night" in terminal.done("jobs", "queues")
    assert terminal.done("jobs", "resume", "night", "--app", "shop") == "night: not paused, 2 at once\n"
    wait_until(lambda: '"completed"' in terminal.done("jobs", "show", job, "--json"), "it is done")
    shown = terminal.done("jobs", "show", job)
    assert '{"n":7' in shown
    assert job in terminal.done("jobs", "list", "--state", "completed", "--script", "works")
    delayed = terminal.done("jobs", "add", "works", "fails", "--delay", "60").strip()
    assert "waiting" in terminal.done("jobs", "retry", delayed)
    wait_until(lambda: delayed in terminal.done("jobs", "list", "--state", "failed"), "it has failed")
    assert terminal.done("jobs", "discard", delayed) == f"{delayed}: discarded\n"
    status, _, complaint = terminal("jobs", "show", delayed)
    assert status != 0
    assert "there is no job" in complaint


def test_metrics_tell_depth_age_attempts_and_ends(tmp_path: Path) -> None:
    port = free_port("127.0.0.1", socket.SOCK_STREAM)
    desk = PlatformDesk(tmp_path, metrics=f"127.0.0.1:{port}", more="[jobs]\npoll_seconds = 0.05\n")
    desk.script("works", WORKS)
    for function in ("main", "fails"):
        ended(desk, add(desk, function=function), "completed" if function == "main" else "failed")
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    for line in (
        'scriptforge_job_attempts_total{outcome="returned"} 1.0',
        'scriptforge_job_attempts_total{outcome="script_error"} 1.0',
        'scriptforge_job_ends_total{state="completed"} 1.0',
        'scriptforge_job_ends_total{state="failed"} 1.0',
        "scriptforge_jobs_lost_total 0.0",
        "scriptforge_jobs_running 0.0",
        "scriptforge_jobs_oldest_seconds",
        'scriptforge_jobs{state="waiting"}',
        'scriptforge_workers{pool="jobs",state="fast"} 1.0',
    ):
        assert line in text, (line, text)
    desk.stop()


def test_what_scales_platforms_is_printed_without_serving(desk: PlatformDesk, terminal: Terminal) -> None:
    command = ("platform", "--autoscale-signal", "--config", str(desk.configuration))
    before = json.loads(terminal.done(*command, "--json"))
    added = [add(desk, function="later") for _ in range(25)]
    wait_until(
        lambda: json.loads(terminal.done(*command, "--json"))["jobs_active"] == 20, "as many as a tenant may have"
    )
    found = dict(line.split() for line in terminal.done(*command).splitlines())
    assert int(found["scriptforge_jobs_waiting"]) == before["jobs_waiting"] + 5
    assert float(found["scriptforge_jobs_oldest_seconds"]) > 0
    assert found["scriptforge_platforms_wanted"] == "1"
    for one in added:
        desk.acme.delete(f"/api/v1/jobs/{one['id']}").raise_for_status()


@pytest.mark.parametrize(("waiting", "active", "wanted"), [(0, 0, 1), (0, 50, 1), (1, 50, 2), (950, 50, 20)])
def test_so_many_platforms_are_wanted_that_none_has_to_wait(waiting: int, active: int, wanted: int) -> None:
    depth = Depth({JobState.WAITING: waiting, JobState.ACTIVE: active}, 1.5)
    assert signal_of(depth, 50) == {
        "jobs_waiting": waiting,
        "jobs_active": active,
        "jobs_oldest_seconds": 1.5,
        "platforms_wanted": wanted,
    }
