"""Schedules over HTTP and by the command line, in a real platform that runs them."""

import json
import socket
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.processes import free_port, wait_until
from tests.sidecar.cli.remote.terminal import Terminal
from tests.sidecar.http.platform_desk import PlatformDesk

SETTINGS = "[jobs]\npoll_seconds = 0.05\n[schedules]\npoll_seconds = 0.05\n"
WORKS = """
import { incr } from 'cxKV';
export async function main({ schedule, ...data }) { await incr('ran:' + schedule.id); return { ...data, ...schedule }; }
export const later = () => new Promise((resolve) => setTimeout(resolve, 60_000));
"""
YEARLY = {"script": "works", "cron": "0 0 1 1 *"}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformDesk]:
    made = PlatformDesk(tmp_path_factory.mktemp("schedules"), more=SETTINGS)
    made.script("works", WORKS, kind="app")
    yield made
    made.stop()


@pytest.fixture
def terminal(
    desk: PlatformDesk, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> Terminal:
    terminal = Terminal(monkeypatch, capfdbinary, tmp_path / "home")
    assert terminal("login", desk.url, typed=f"{desk.token('acme')}\n")[0] == 0
    return terminal


def put(desk: PlatformDesk, schedule: str, **body: Any) -> Any:
    answer = desk.acme.put(f"/api/v1/schedules/{schedule}", json={**YEARLY, **body})
    assert answer.status_code == 201, answer.text
    return answer.json()


def get(desk: PlatformDesk, schedule: str) -> Any:
    return desk.acme.get(f"/api/v1/schedules/{schedule}").raise_for_status().json()


def ended(desk: PlatformDesk, job: str) -> Any:
    path = f"/api/v1/jobs/{job}"
    wait_until(lambda: desk.acme.get(path).json()["state"] in ("completed", "failed"), "it is over")
    return desk.acme.get(path).json()


def test_a_choice_becomes_cron_text_and_five_times_are_shown(desk: PlatformDesk) -> None:
    choice = {"minutes": [5], "hours": [2], "days_of_week": [1, 5], "zone": "Europe/Berlin"}
    answer = desk.acme.put("/api/v1/schedules/choice", json={"script": "works", **choice})
    assert (answer.status_code, answer.json()["cron"]) == (201, "5 2 * * 1,5")
    shown = [datetime.fromisoformat(one) for one in get(desk, "choice")["next"]]
    assert len(shown) == 5
    assert shown == sorted(shown)
    assert {(one.weekday(), one.minute) for one in shown} <= {(0, 5), (4, 5)}
    assert {one.hour for one in shown} <= {0, 1}
    assert get(desk, "choice")["due"] == get(desk, "choice")["next"][0]


def test_what_is_due_runs_once_and_says_so(desk: PlatformDesk) -> None:
    made = put(desk, "due", data={"a": "ä"})
    assert (made["runs"], made["last"], made["job"], made["left_out"]) == (0, None, None, 0)
    desk.sql("update schedules set due = 1767225600000000 where id = 'due'")
    wait_until(lambda: get(desk, "due")["runs"] == 1, "it has a job")
    found = get(desk, "due")
    assert found["last"] == "2026-01-01T00:00:00Z"
    result = ended(desk, found["job"])["result"]
    assert result == {"a": "ä", "id": "due", "due": "2026-01-01T00:00:00.000Z", "missed": 0}
    assert found["next"][0].endswith("-01-01T00:00:00Z")
    assert desk.acme.get("/api/v1/kv/keys/ran:due").json()["value"] == "1"


def test_a_change_needs_what_was_seen_and_what_came_of_it_is_no_change(desk: PlatformDesk) -> None:
    put(desk, "changes")
    tag = desk.acme.get("/api/v1/schedules/changes").headers["etag"]
    ended(desk, desk.acme.post("/api/v1/schedules/changes/run").raise_for_status().json()["id"])
    body = {**YEARLY, "zone": "Europe/Berlin"}
    blind = desk.acme.put("/api/v1/schedules/changes", json=body)
    assert blind.status_code == 428
    changed = desk.acme.put("/api/v1/schedules/changes", json=body, headers={"If-Match": tag})
    assert (changed.status_code, changed.json()["runs"]) == (200, 1)
    assert desk.acme.put("/api/v1/schedules/changes", json=YEARLY, headers={"If-Match": tag}).status_code == 412
    entries = desk.acme.get("/api/v1/audit", params={"object": "changes"}).json()["items"]
    assert {entry["action"] for entry in entries} >= {"schedule.make", "schedule.change"}


def test_paused_it_is_not_due_and_goes_on_from_now(desk: PlatformDesk) -> None:
    put(desk, "paused", cron="* * * * *", paused=True)
    assert (get(desk, "paused")["due"], get(desk, "paused")["next"]) == (None, [])
    resumed = desk.acme.post("/api/v1/schedules/paused/resume").json()
    assert len(resumed["next"]) == 5
    assert desk.acme.post("/api/v1/schedules/paused/pause").json()["due"] is None
    assert desk.acme.delete("/api/v1/schedules/paused").status_code == 428
    assert desk.acme.delete("/api/v1/schedules/paused", headers={"If-Match": "*"}).status_code == 204
    assert desk.acme.get("/api/v1/schedules/paused").status_code == 404


def test_while_a_run_is_under_way_there_is_no_other_one(desk: PlatformDesk) -> None:
    put(desk, "slow", function="later", paused=True)
    job = desk.acme.post("/api/v1/schedules/slow/run")
    assert (job.status_code, job.headers["location"]) == (201, f"/api/v1/jobs/{job.json()['id']}")
    again = desk.acme.post("/api/v1/schedules/slow/run")
    assert (again.status_code, again.json()["type"]) == (409, "urn:scriptforge:wrong-state")
    desk.acme.delete(f"/api/v1/jobs/{job.json()['id']}").raise_for_status()
    assert desk.acme.post("/api/v1/schedules/slow/run").status_code == 201


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"script": "nobody"}, 404, "there is no script 'nobody'"),
        ({"cron": "61 * * * *"}, 422, "bad minute"),
        ({"cron": "* * * * * *"}, 422, "expected 5 fields"),
        ({"cron": None}, 422, "cron, or minutes"),
        ({"minutes": [1]}, 422, "one of both"),
        ({"cron": None, "hours": [1]}, 422, "minutes: at least one is needed"),
        ({"cron": None, "minutes": [60]}, 422, "minutes"),
        ({"zone": "Mars/Olympus"}, 422, "there is no time zone 'Mars/Olympus'"),
        ({"data": {"schedule": 1}}, 422, "data: `schedule`"),
        ({"data": {"a": "x" * 200_000}}, 422, "data: more than 100_000 bytes"),
        ({"missed": "some"}, 422, "missed"),
        ({"most": 0}, 422, "most"),
        ({"function": "a-b"}, 422, "function"),
        (
            {"function": "report"},
            422,
            "in the script 'works' there is no function 'report'",
        ),
        ({"often": 1}, 422, "often"),
    ],
)
def test_what_is_no_schedule_is_refused(desk: PlatformDesk, body: dict[str, Any], status: int, said: str) -> None:
    answer = desk.acme.put("/api/v1/schedules/wrong", json={**YEARLY, **body})
    assert (answer.status_code, said in answer.json()["detail"]) == (status, True), answer.text


def test_a_script_with_a_schedule_is_not_taken_out(desk: PlatformDesk) -> None:
    desk.script("kept")
    put(desk, "keeps", script="kept")
    answer = desk.acme.delete("/api/v1/scripts/kept", headers={"If-Match": "*"})
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:scriptforge:still-used")
    assert "is run by the schedule 'keeps'" in answer.json()["detail"]


def test_a_function_that_a_schedule_runs_is_not_saved_away(desk: PlatformDesk) -> None:
    saved = desk.script("grows", "export const main = () => 1;\nexport const nightly = () => 2;\n", kind="app")
    put(desk, "of-grows", script="grows", function="nightly")
    without, tag = "export const main = () => 1;\n", {"If-Match": "*"}
    refused = desk.acme.put("/api/v1/scripts/grows/text", json={"text": without}, headers=tag)
    assert refused.status_code == 409, refused.text
    assert "script 'grows' is run by the schedule 'of-grows': there is no function 'nightly'" in refused.text
    whole = {"name": "grows.js", "text": without, "kind": "app"}
    assert desk.acme.put("/api/v1/scripts/grows", json=whole, headers=tag).status_code == 409
    assert desk.acme.get("/api/v1/scripts/grows").json()["version"] == saved["version"]
    changed = desk.acme.put(
        "/api/v1/schedules/of-grows", json={**YEARLY, "script": "grows", "function": "main"}, headers=tag
    )
    assert changed.status_code == 200, changed.text
    assert desk.acme.put("/api/v1/scripts/grows", json=whole, headers=tag).status_code == 200


def test_a_tenant_has_as_many_and_as_often_as_it_may(desk: PlatformDesk) -> None:
    desk.script("own", client=desk.beta)
    limits = {"schedules": 1, "schedule_seconds": 3_600}
    path = "/api/v1/tenants/beta/limits"
    desk.operator.put(path, json=limits, headers={"If-Match": "*"}).raise_for_status()
    often = desk.beta.put("/api/v1/schedules/often", json={"script": "own", "cron": "*/30 * * * *"})
    assert (often.status_code, often.json()["type"]) == (403, "urn:scriptforge:limit-reached")
    assert "3_600 s apart at least" in often.json()["detail"]
    assert desk.beta.put("/api/v1/schedules/one", json={"script": "own", "cron": "@hourly"}).status_code == 201
    answer = desk.beta.put("/api/v1/schedules/two", json={"script": "own", "cron": "@daily"})
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:scriptforge:limit-reached")
    assert [one["id"] for one in desk.beta.get("/api/v1/schedules").json()["items"]] == ["one"]


def test_by_the_command_line(desk: PlatformDesk, terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text('{"n": 7}')
    words = ("works.js", "5 2 * * *", "--zone", "Europe/Berlin", "--data", str(tmp_path / "data.json"))
    made = terminal.done("schedules", "make", "nightly", *words, "--missed", "all", "--most", "3")
    assert "all, up to 3" in made
    assert made == terminal.done("schedules", "show", "nightly")
    assert len(made.split("next")[1].split("\n")) == 6
    assert "nightly" in terminal.done("schedules", "list", "--script", "works")
    status, _, complaint = terminal("schedules", "make", "nightly", "works", "@daily")
    assert status != 0
    assert "--force" in complaint or "If-Match" in complaint or "there" in complaint
    assert "0 3" in terminal.done("schedules", "make", "nightly", "works", "0 3 * * *", "--force", "--paused")
    assert "paused" in terminal.done("schedules", "list")
    assert "paused" not in terminal.done("schedules", "resume", "nightly")
    assert "paused" in terminal.done("schedules", "pause", "nightly")
    job = terminal.done("schedules", "run", "nightly").strip()
    assert ended(desk, job)["result"]["id"] == "nightly"
    (found,) = json.loads(terminal.done("schedules", "list", "--json", "--script", "works"))[-1:]
    assert found["missed"] == "once"
    assert terminal.done("schedules", "delete", "nightly") == "nightly: removed\n"
    assert terminal("schedules", "show", "nightly")[0] != 0


def test_metrics_tell_lateness_runs_and_what_was_missed(tmp_path: Path) -> None:
    port = free_port("127.0.0.1", socket.SOCK_STREAM)
    desk = PlatformDesk(tmp_path, metrics=f"127.0.0.1:{port}", more=SETTINGS)
    desk.script("works", WORKS, kind="app")
    put(desk, "late")
    desk.sql("update schedules set due = 1735689600000000 where id = 'late'")
    wait_until(lambda: get(desk, "late")["runs"] == 1, "it has a job")
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    for line in (
        'scriptforge_schedule_runs_total{made_up="no"} 0.0',
        'scriptforge_schedule_runs_total{made_up="yes"} 1.0',
        "scriptforge_schedule_missed_total 1.0",
        'scriptforge_schedule_lateness_seconds_bucket{le="1.0"} 0.0',
        "scriptforge_schedule_lateness_seconds_count 0.0",
    ):
        assert line in text, (line, text)
    desk.stop()
