"""Workers in a real platform: one message at a time, in order, loaded once, begun anew after a failure."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.processes import free_port, wait_until
from tests.sidecar.cli.remote.terminal import Terminal
from tests.sidecar.http.platform_desk import PlatformDesk

SETTINGS = "[jobs]\npoll_seconds = 0.05\n[mailboxes]\npoll_seconds = 0.05\nlease_seconds = 2\nattempts = 2\n"
WORKER = """
import { kv, ko, incr } from 'cxKV';
const seen = [];
export async function main(message, { id, attempt }) {
  if (message.fails > attempt - 1) throw new RangeError('attempt ' + attempt);
  if (message.loop) for (;;);
  if (message.wait) await new Promise((resolve) => setTimeout(resolve, message.wait));
  if (message.exit) exit();
  console.log('at', message.n);
  seen.push(message.n);
  await ko.set('seen', seen);
  await kv.set('last:' + message.n, id + ' ' + attempt);
}
"""
SENDS = """
import { send } from 'cxWorker';
export const main = async ({ to, messages }) => {
  const ids = [];
  for (const one of messages) ids.push(await send(to, one));
  return ids;
};
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformDesk]:
    made = PlatformDesk(tmp_path_factory.mktemp("workers"), more=SETTINGS)
    made.script("sends", SENDS, kind="app")
    yield made
    assert made.program.lines("Traceback") == []
    made.stop()


@pytest.fixture
def worker(desk: PlatformDesk, request: pytest.FixtureRequest) -> str:
    """A Worker of the test's own."""
    name = f"w{abs(hash(request.node.name))}"
    desk.script(name, WORKER, kind="worker")
    for key in ("seen", *(f"last:{number}" for number in range(10))):
        desk.acme.delete(f"/api/v1/kv/keys/{key}")
    return name


def send(desk: PlatformDesk, worker: str, **message: Any) -> str:
    answer = desk.acme.post(f"/api/v1/workers/{worker}/messages", json={"data": message})
    assert answer.status_code == 201, answer.text
    sent: str = answer.json()["id"]
    assert answer.headers["location"].endswith(sent)
    return sent


def box(desk: PlatformDesk, worker: str) -> Any:
    (found,) = [one for one in desk.acme.get("/api/v1/workers").json() if one["script"] == worker]
    return found


def seen(desk: PlatformDesk) -> Any:
    answer = desk.acme.get("/api/v1/kv/keys/seen")
    return json.loads(answer.json()["value"]) if answer.is_success else []


def until_seen(desk: PlatformDesk, expected: list[int]) -> None:
    wait_until(lambda: seen(desk) == expected, f"{expected} were seen")


def test_messages_come_one_by_one_in_their_order_and_state_lives_on(desk: PlatformDesk, worker: str) -> None:
    ids = [send(desk, worker, n=number, wait=5) for number in range(10)]
    until_seen(desk, list(range(10)))
    for number, one in enumerate(ids):
        assert desk.acme.get(f"/api/v1/kv/keys/last:{number}").json()["value"] == f"{one} 1"
    wait_until(lambda: box(desk, worker)["done"] == 10, "the last one is acknowledged")
    found = box(desk, worker)
    assert (found["waiting"], found["dead"], found["oldest_seconds"]) == (0, 0, None)
    assert found["owner"]
    lines = [line for line in desk.log_lines("message_done") if line["script"] == worker]
    assert {line["lease"] for line in lines} == {1}
    expected = sorted((one, f"at {number}") for number, one in enumerate(ids))

    def log() -> list[Any]:
        return desk.acme.get("/api/v1/log", params={"script": worker}).json()["items"]  # type: ignore[no-any-return]

    wait_until(lambda: sorted((one["run"], one["text"]) for one in log()) == expected, "each message has its line")


def test_after_a_failure_it_begins_anew_with_the_message_still_first(desk: PlatformDesk, worker: str) -> None:
    send(desk, worker, n=0)
    until_seen(desk, [0])
    failing = send(desk, worker, n=1, fails=1)
    send(desk, worker, n=2)
    until_seen(desk, [1, 2])
    assert desk.acme.get("/api/v1/kv/keys/last:1").json()["value"] == f"{failing} 2"


def test_a_message_that_it_always_fails_on_is_a_dead_letter_and_the_next_goes_on(
    desk: PlatformDesk, worker: str
) -> None:
    dead = send(desk, worker, n=1, fails=9)
    send(desk, worker, n=2)
    until_seen(desk, [2])
    path = f"/api/v1/workers/{worker}/messages"
    (found,) = desk.acme.get(path, params={"state": "dead"}).json()["items"]
    assert (found["id"], found["attempt"], found["error"], found["name"]) == (dead, 2, "attempt 2", "RangeError")
    assert desk.acme.get(f"{path}/{dead}").json()["data"] == {"n": 1, "fails": 9}
    assert desk.acme.post(f"{path}/{dead}/retry").json()["attempt"] == 0
    wait_until(lambda: box(desk, worker)["dead"] == 1, "it is dead again")
    assert desk.acme.delete(f"{path}/{dead}").status_code == 204
    assert (box(desk, worker)["dead"], desk.acme.get(f"{path}/{dead}").status_code) == (0, 404)


def test_an_endless_loop_fails_and_a_message_that_takes_too_long_does(tmp_path: Path) -> None:
    desk = PlatformDesk(tmp_path, more=SETTINGS.replace("attempts = 2", "attempts = 1\nmessage_seconds = 1"))
    desk.script("w", WORKER, kind="worker")
    loop, slow = send(desk, "w", loop=True), send(desk, "w", n=1, wait=60_000)
    send(desk, "w", n=2)
    until_seen(desk, [2])
    dead = desk.acme.get("/api/v1/workers/w/messages", params={"state": "dead"}).json()["items"]
    assert [(one["id"], one["name"], one["error"]) for one in dead] == [
        (loop, "TimeoutError", "Script Timeout"),
        (slow, "TimeoutError", "Script Timeout"),
    ]
    desk.stop()


def test_each_message_has_a_log_of_its_own(desk: PlatformDesk) -> None:
    desk.script("talks", "export const main = (text) => console.log(text + 'x'.repeat(16_000));\n", kind="worker")
    for number in range(4):
        desk.acme.post("/api/v1/workers/talks/messages", json={"data": str(number)}).raise_for_status()
    wait_until(lambda: box(desk, "talks")["done"] == 4, "all are done")

    def lines() -> list[Any]:
        found = desk.acme.get("/api/v1/log", params={"script": "talks"}).json()["items"]
        return sorted((line["text"][0], len(line["text"])) for line in found)

    wait_until(lambda: len(lines()) == 4, "all are written")
    assert lines() == [(str(number), 16_001) for number in range(4)]


def test_a_script_whose_messages_wait_is_not_taken_out(desk: PlatformDesk, worker: str) -> None:
    dead = send(desk, worker, fails=9)
    send(desk, worker, n=1, wait=1_000)
    path = f"/api/v1/scripts/{worker}"
    answer = desk.acme.delete(path, headers={"If-Match": "*"})
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:scriptforge:still-used")
    until_seen(desk, [1])
    wait_until(lambda: box(desk, worker)["waiting"] == 0, "nothing waits")
    assert desk.acme.delete(path, headers={"If-Match": "*"}).status_code == 204
    assert desk.acme.get(f"/api/v1/workers/{worker}/messages/{dead}").status_code == 404
    assert worker not in [one["script"] for one in desk.acme.get("/api/v1/workers").json()]


def test_one_that_exits_is_done_with_its_message(desk: PlatformDesk, worker: str) -> None:
    send(desk, worker, n=1, exit=True)
    send(desk, worker, n=2)
    until_seen(desk, [2])
    assert box(desk, worker)["dead"] == 0


def test_a_new_version_takes_over_between_two_messages(desk: PlatformDesk, worker: str) -> None:
    send(desk, worker, n=1)
    until_seen(desk, [1])
    desk.script(worker, WORKER.replace("seen = []", "seen = ['new']"), kind="worker")
    send(desk, worker, n=2)
    wait_until(lambda: seen(desk) in (["new", 2], [1, 2]), "it was seen")
    send(desk, worker, n=3)
    wait_until(lambda: 3 in seen(desk), "it was seen")
    assert seen(desk) in (["new", 2, 3], ["new", 3])


def test_one_without_messages_ends_and_begins_anew(tmp_path: Path) -> None:
    desk = PlatformDesk(tmp_path, more=SETTINGS + "idle_seconds = 0.5\n")
    desk.script("w", WORKER, kind="worker")
    send(desk, "w", n=1)
    until_seen(desk, [1])
    wait_until(lambda: not box(desk, "w")["owner"], "it has ended")
    send(desk, "w", n=2)
    until_seen(desk, [2])
    desk.stop()


def test_a_script_sends_and_is_told_what_has_no_mailbox(desk: PlatformDesk, worker: str) -> None:
    def sends(to: Any, *messages: Any) -> Any:
        return desk.acme.post("/api/v1/scripts/sends/run/main", json={"to": to, "messages": messages}).json()

    assert len(sends(worker, {"n": 1}, {"n": 2})["result"]) == 2
    until_seen(desk, [1, 2])
    assert sends("nobody", 1)["error"] == "Error: there is no script 'nobody'"
    assert sends("sends", 1)["error"] == "RangeError: the script 'sends' is an App, and has no mailbox"
    assert sends(None, 1)["error"].startswith("TypeError: send(script, message)")
    assert sends(worker, "x" * 600_000)["error"] == "RangeError: the message has more than 500000 bytes as JSON"


def test_a_tenant_keeps_as_many_messages_as_it_may(desk: PlatformDesk) -> None:
    desk.script("own", "export const main = () => { throw new Error('no'); };\n", kind="worker", client=desk.beta)
    path = "/api/v1/tenants/beta/limits"
    desk.operator.put(path, json={"messages": 1}, headers={"If-Match": "*"}).raise_for_status()
    assert desk.beta.post("/api/v1/workers/own/messages", json={}).status_code == 201
    answer = desk.beta.post("/api/v1/workers/own/messages", json={})
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:scriptforge:limit-reached")


def test_by_the_command_line(
    desk: PlatformDesk,
    worker: str,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    tmp_path: Path,
) -> None:
    terminal = Terminal(monkeypatch, capfdbinary, tmp_path / "home")
    assert terminal("login", desk.url, typed=f"{desk.token('acme')}\n")[0] == 0
    terminal.done("workers", "send", worker, "--data", "-", typed='{"n": 7}')
    until_seen(desk, [7])
    dead = terminal.done("workers", "send", f"{worker}.js", "--data", "-", typed='{"fails": 9}').strip()
    wait_until(lambda: dead in terminal.done("workers", "messages", worker, "--state", "dead"), "it is dead")
    shown = terminal.done("workers", "show", worker, dead)
    assert '{"fails":9}' in shown
    assert "attempt 2" in shown
    assert "waiting" in terminal.done("workers", "retry", worker, dead)
    wait_until(lambda: dead in terminal.done("workers", "messages", worker, "--state", "dead"), "it is dead again")
    assert terminal.done("workers", "discard", worker, dead) == f"{dead}: discarded\n"
    (found,) = [one for one in json.loads(terminal.done("workers", "list", "--json")) if one["script"] == worker]
    assert found["dead"] == 0
    assert worker in terminal.done("workers", "list")


def test_what_is_under_way_at_the_end_is_given_back(tmp_path: Path) -> None:
    desk = PlatformDesk(tmp_path, more=SETTINGS + "drain_seconds = 1.5\n")
    desk.script("w", WORKER, kind="worker")
    first = send(desk, "w", n=1, wait=3_000)
    send(desk, "w", n=2)
    messages = "/api/v1/workers/w/messages"
    wait_until(lambda: desk.acme.get(f"{messages}/{first}").json()["state"] == "active", "it is at it")
    desk.program.stop()
    desk.start()
    token = desk.acme.headers["authorization"].split()[1]
    desk.acme.close()
    desk.acme = desk.client(token)
    until_seen(desk, [1, 2])
    assert desk.acme.get("/api/v1/kv/keys/last:1").json()["value"] == f"{first} 1"
    assert desk.program.lines("Traceback") == []
    desk.stop()


def test_metrics_tell_messages_and_workers(tmp_path: Path) -> None:
    port = free_port("127.0.0.1", socket.SOCK_STREAM)
    desk = PlatformDesk(tmp_path, metrics=f"127.0.0.1:{port}", more=SETTINGS)
    desk.script("w", WORKER, kind="worker")
    send(desk, "w", n=1, fails=9)
    send(desk, "w", n=2)
    until_seen(desk, [2])

    def page() -> str:
        return httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text

    wait_until(lambda: 'scriptforge_messages_given_total{outcome="returned"} 1.0' in page(), "it is acknowledged")
    for line in (
        'scriptforge_messages_given_total{outcome="script_error"} 2.0',
        "scriptforge_messages_dead_total 1.0",
        "scriptforge_workers_alive 1.0",
        "scriptforge_workers_begun_total 3.0",
        "scriptforge_mailboxes_lost_total 0.0",
        'scriptforge_messages{state="waiting"}',
        "scriptforge_messages_oldest_seconds",
    ):
        assert line in page(), (line, page())
    desk.stop()
