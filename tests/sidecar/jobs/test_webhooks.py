"""Webhooks of a real platform: told, signed, told again after a failure, given up, and told again by hand."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.processes import free_port, wait_until
from tests.sidecar.cli.remote.terminal import Terminal
from tests.sidecar.http.platform_desk import ROOT, PlatformDesk
from tests.sidecar.jobs.receiver import Receiver, Told

ASYNC = {"Prefer": "respond-async"}
SETTINGS = """
[jobs]
poll_seconds = 0.05
lease_seconds = 1
[outgoing]
networks = ["127.0.0.1/32"]
[webhooks]
timeout_seconds = 1
attempts = 3
backoff_ms = 50
"""
TEXT = """
import { incr } from 'cxKV';
export const main = (data) => data;
export const refuses = () => { throw new Error('402 Pay first'); };
export const noted = async (event) => await incr('noted:' + event.data.job);
"""


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformDesk]:
    made = PlatformDesk(tmp_path_factory.mktemp("webhooks"), more=SETTINGS)
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def _none_left(desk: PlatformDesk) -> Iterator[None]:
    """A tenant has ten at most."""
    yield
    for one in desk.acme.get("/api/v1/webhooks").json():
        desk.acme.delete(f"/api/v1/webhooks/{one['name']}", headers={"If-Match": "*"}).raise_for_status()


@pytest.fixture(scope="module")
def secret(desk: PlatformDesk) -> str:
    made: str = desk.acme.post("/api/v1/webhook-secret/rotate").raise_for_status().json()["secret"]
    assert made.startswith("whsec_")
    return made


def webhook(desk: PlatformDesk, name: str, text: str = TEXT, **body: Any) -> str:
    """A script, and a webhook of its own that is told of its runs; the script's path."""
    path = f"/run/{desk.script(name, text, public=True, kind='app')['uuid']}"
    body = {"events": ["run.finished"], "only": name, **body}
    desk.acme.put(f"/api/v1/webhooks/{name}", json=body).raise_for_status()
    return path


def run(desk: PlatformDesk, path: str, **data: Any) -> str:
    """Begin a run; its address, of which the first 32 characters are its job's id."""
    answer = desk.anybody.post(path, headers=ASYNC, json=data)
    assert answer.status_code == 202, answer.text
    return answer.headers["location"].rpartition("/")[2]


def told(receiver: Receiver, path: str, number: int = 1) -> list[Told]:
    wait_until(lambda: len(receiver.at(path)) >= number, f"{path} is told {number} times")
    return receiver.at(path)


def deliveries(desk: PlatformDesk, name: str, **more: str) -> Any:
    return desk.acme.get("/api/v1/deliveries", params={"webhook": name, **more}).raise_for_status().json()["items"]


def in_state(desk: PlatformDesk, name: str, state: str) -> Any:
    wait_until(lambda: len(deliveries(desk, name, state=state)) > 0, f"a delivery to {name} is {state}")
    return deliveries(desk, name, state=state)[0]


def test_the_end_of_a_run_is_told_and_signed(desk: PlatformDesk, receiver: Receiver, secret: str) -> None:
    path = webhook(desk, "told", url=receiver.url("/told"))
    job = run(desk, path, n=1)[:32]
    (one,) = told(receiver, "/told")
    assert one.is_signed(secret)
    assert one.event["type"] == "run.finished"
    data = one.event["data"]
    assert (data["job"], data["script"], data["function"], data["state"]) == (job, "told", "main", "completed")
    assert (data["status"], data["result"]) == (200, {"n": 1})
    assert one.event["timestamp"] == data["finished"]
    run(desk, f"{path}/refuses")
    data = told(receiver, "/told", 2)[1].event["data"]
    assert (data["state"], data["status"], data["error"]) == ("failed", 402, "Pay first")


def test_the_receiver_that_docs_print_knows_what_is_ours(desk: PlatformDesk, receiver: Receiver, secret: str) -> None:
    page = (ROOT / "docs" / "webhooks.md").read_text()
    printed: dict[str, Any] = {}
    exec(page.partition("```python\n")[2].partition("```")[0], printed)  # noqa: S102 - our own page
    run(desk, webhook(desk, "printed", url=receiver.url("/printed")), n=1)
    (one,) = told(receiver, "/printed")
    is_ours, headers = printed["is_ours"], one.headers
    assert is_ours(secret, headers, one.body)
    assert not is_ours(secret, headers, one.body + b" ")
    assert not is_ours(secret, headers | {"webhook-id": "run_1"}, one.body)
    assert not is_ours(secret, headers | {"webhook-timestamp": str(int(one.timestamp) - 400)}, one.body)
    assert not is_ours("whsec_" + "A" * 44, headers, one.body)


def test_a_receiver_that_fails_is_told_again_the_same_with_a_new_time(
    desk: PlatformDesk, receiver: Receiver, secret: str
) -> None:
    receiver.answers["/fails"] = [500, 503, 200]
    run(desk, webhook(desk, "fails", url=receiver.url("/fails")))
    found = told(receiver, "/fails", 3)
    assert len({one.id for one in found}) == 1
    assert len({one.body for one in found}) == 1
    assert all(one.is_signed(secret) for one in found)
    assert in_state(desk, "fails", "completed")["attempt"] == 2


def test_one_that_never_takes_it_is_a_dead_letter_until_it_is_told_by_hand(
    desk: PlatformDesk, receiver: Receiver, secret: str
) -> None:
    del secret
    receiver.answers["/dead"] = 500
    run(desk, webhook(desk, "dead", url=receiver.url("/dead")), n=7)
    dead = in_state(desk, "dead", "failed")
    assert (dead["error"], dead["attempt"], dead["webhook"]) == ("it answers 500", 3, "dead")
    (event,) = desk.acme.get(f"/api/v1/deliveries/{dead['id']}").json()["events"]
    assert event["data"]["result"] == {"n": 7}
    assert dead["id"] not in desk.acme.get("/api/v1/jobs", params={"limit": 500}).text
    receiver.answers["/dead"] = 204
    desk.acme.post(f"/api/v1/deliveries/{dead['id']}/retry").raise_for_status()
    assert told(receiver, "/dead", 4)[3].event["data"]["result"] == {"n": 7}
    in_state(desk, "dead", "completed")


def test_one_that_wants_no_more_is_asked_once(desk: PlatformDesk, receiver: Receiver, secret: str) -> None:
    del secret
    receiver.answers["/gone"] = 410
    run(desk, webhook(desk, "gone", url=receiver.url("/gone")))
    assert in_state(desk, "gone", "failed")["attempt"] == 1


def test_a_redirect_is_not_followed(desk: PlatformDesk, receiver: Receiver, secret: str) -> None:
    del secret
    receiver.answers["/moved"] = 307
    run(desk, webhook(desk, "moved", url=receiver.url("/moved")))
    assert in_state(desk, "moved", "failed")["error"] == "it answers 307: redirects are not followed"
    assert receiver.at("/elsewhere") == []


def test_one_that_is_slow_or_not_there_fails(desk: PlatformDesk, receiver: Receiver, secret: str) -> None:
    del secret
    receiver.answers["/slow"] = 60.0
    run(desk, webhook(desk, "slow", url=receiver.url("/slow")))
    assert "took over 1 s" in in_state(desk, "slow", "failed")["error"]
    gone = Receiver()
    gone.close()
    run(desk, webhook(desk, "away", url=gone.url("/away")))
    assert "no connection" in in_state(desk, "away", "failed")["error"]


def test_where_scripts_may_not_connect_to_no_webhook_does(desk: PlatformDesk, secret: str) -> None:
    del secret
    for url in ("http://10.0.0.1/", "http://[::1]/", "file:///etc/passwd", "http://127.0.0.1:5060/", "x"):
        body = {"events": ["run.finished"], "url": url}
        answer = desk.acme.put("/api/v1/webhooks/private", json=body)
        assert (answer.status_code, answer.json()["type"]) == (422, "urn:scriptforge:wrong-values"), url
    # A name is asked for when it is told; what it turns out to be is not on the open internet.
    run(desk, webhook(desk, "named", url="http://localhost:8099/"))
    assert in_state(desk, "named", "failed")["error"]


def test_a_secret_is_made_first_and_the_one_before_is_good_for_a_while(desk: PlatformDesk, receiver: Receiver) -> None:
    body = {"events": ["run.finished"], "url": receiver.url("/rotated")}
    assert "no secret" in desk.beta.put("/api/v1/webhooks/rotated", json=body).text
    assert desk.beta.get("/api/v1/webhook-secret").status_code == 404
    first = desk.beta.post("/api/v1/webhook-secret/rotate").json()
    assert first["previous_until"] is None
    desk.beta.put("/api/v1/webhooks/rotated", json=body).raise_for_status()
    path = f"/run/{desk.script('rotated', client=desk.beta, public=True)['uuid']}"
    second = desk.beta.post("/api/v1/webhook-secret/rotate").json()
    assert second["previous_until"] is not None
    run(desk, path)
    (one,) = told(receiver, "/rotated")
    assert (one.is_signed(first["secret"]), one.is_signed(second["secret"])) == (True, True)
    third = desk.beta.post("/api/v1/webhook-secret/rotate").json()
    run(desk, path)
    one = told(receiver, "/rotated", 2)[1]
    signed = [one.is_signed(made["secret"]) for made in (first, second, third)]
    assert signed == [False, True, True]
    assert first["secret"] not in desk.operator.get("/api/v1/audit", params={"limit": 500}).text


def test_a_webhook_begins_a_function_of_a_script_with_the_event(desk: PlatformDesk) -> None:
    path = webhook(desk, "begins", script="begins", function="noted")
    job = run(desk, path)[:32]
    wait_until(lambda: desk.acme.get(f"/api/v1/kv/keys/noted:{job}").is_success, "the function was run")
    in_state(desk, "begins", "completed")


def test_nothing_is_lost_where_the_platform_is_killed_between_deliveries(
    desk: PlatformDesk, receiver: Receiver, secret: str
) -> None:
    receiver.answers["/killed"] = [0.3]
    path = webhook(desk, "killed", url=receiver.url("/killed"))
    jobs = set()
    for number in range(12):
        jobs.add(run(desk, path, n=number)[:32])
        if number % 4 == 3:
            told(receiver, "/killed", number // 2)
            desk.kill()
    wait_until(lambda: {one.event["data"]["job"] for one in receiver.at("/killed")} == jobs, "all are told")
    assert all(one.is_signed(secret) for one in receiver.at("/killed"))
    wait_until(lambda: len(deliveries(desk, "killed", state="completed")) == 12, "all are known to be")


def test_a_webhook_is_changed_with_what_was_seen_and_removed(desk: PlatformDesk, receiver: Receiver) -> None:
    webhook(desk, "changed", script="changed")
    there = desk.acme.get("/api/v1/webhooks/changed")
    body = {"events": ["call.finished"], "script": "changed"}
    assert desk.acme.put("/api/v1/webhooks/changed", json=body).status_code == 428
    headers = {"If-Match": there.headers["etag"]}
    assert desk.acme.put("/api/v1/webhooks/changed", json=body, headers=headers).json()["events"] == ["call.finished"]
    assert desk.acme.put("/api/v1/webhooks/changed", json=body, headers=headers).status_code == 412
    assert desk.acme.delete("/api/v1/webhooks/changed", headers={"If-Match": "*"}).status_code == 204
    assert desk.acme.get("/api/v1/webhooks/changed").status_code == 404
    for wrong in ({}, {"url": receiver.url("/"), "script": "changed"}, {"script": "nobody"}, {"script": "x\0"}):
        answer = desk.acme.put("/api/v1/webhooks/wrong", json={"events": ["run.finished"], **wrong})
        assert answer.status_code in (404, 422), wrong
    assert desk.acme.put("/api/v1/webhooks/wrong", json={"events": ["no"], "script": "changed"}).status_code == 422


def test_what_a_webhook_is_told_is_no_queue_that_scripts_or_people_can_name(desk: PlatformDesk) -> None:
    desk.script(
        "names",
        "import { add } from 'cxJob';\nexport const main = () => add('names', 'main', {}, { queue: 'webhook:' });",
        kind="app",
    )
    report = desk.acme.post("/api/v1/scripts/names/run", json={}).json()
    assert "a queue is named" in report["error"]
    assert desk.acme.post("/api/v1/jobs", json={"script": "names", "queue": "webhook:"}).status_code == 422
    assert desk.acme.put("/api/v1/queues/webhook:", json={}).status_code == 422


@pytest.fixture
def terminal(
    desk: PlatformDesk, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> Terminal:
    terminal = Terminal(monkeypatch, capfdbinary, tmp_path / "home")
    assert terminal("login", desk.url, typed=f"{desk.token('acme')}\n")[0] == 0
    return terminal


def test_by_the_command_line(desk: PlatformDesk, terminal: Terminal, receiver: Receiver) -> None:
    assert terminal.done("webhooks", "rotate").startswith("whsec_")
    path = f"/run/{desk.script('typed', TEXT, public=True, kind='app')['uuid']}"
    url = receiver.url("/typed")
    events = "run.finished,call.finished"
    for _ in range(2):
        made = terminal.done("webhooks", "set", "typed", "--events", events, "--url", url, "--only", "typed")
        assert url in made
    assert "call.finished,run.finished" in terminal.done("webhooks", "list")
    receiver.answers["/typed"] = 500
    run(desk, path)
    dead = in_state(desk, "typed", "failed")["id"]
    assert dead in terminal.done("webhooks", "deliveries", "--state", "failed", "--webhook", "typed")
    receiver.answers["/typed"] = 204
    assert json.loads(terminal.done("webhooks", "retry", dead, "--json"))[0]["id"] == dead
    in_state(desk, "typed", "completed")
    assert terminal.done("webhooks", "remove", "typed") == "typed: removed\n"
    status, _, complaint = terminal("webhooks", "set", "typed", "--events", "no", "--url", url)
    assert (status != 0, "events" in complaint) == (True, True)


def test_what_is_told_is_counted(tmp_path: Path, receiver: Receiver) -> None:
    port = free_port("127.0.0.1", socket.SOCK_STREAM)
    desk = PlatformDesk(tmp_path, metrics=f"127.0.0.1:{port}", more=SETTINGS)
    desk.acme.post("/api/v1/webhook-secret/rotate").raise_for_status()
    receiver.answers["/counted"] = [500, 204]
    run(desk, webhook(desk, "counted", url=receiver.url("/counted")))
    in_state(desk, "counted", "completed")
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    assert 'scriptforge_webhook_events_total{outcome="delivered"} 1.0' in text
    assert 'scriptforge_webhook_events_total{outcome="failed"} 1.0' in text
    desk.stop()
