"""The platform as a process: its start, its end, and what it is like without its database."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest

from tests.acceptance.processes import Program, wait_until
from tests.database_servers import Servers, new_database
from tests.sidecar.http.platform_desk import ROOT, SECONDS, PlatformDesk

SCRIPTFORGE = str(Path(sys.executable).with_name("scriptforge"))
SHORT = """
export async function main() {
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  return 'done';
}
"""
LONG = """
export async function main() {
  await new Promise((resolve) => setTimeout(resolve, 25_000));
}
"""


def platform(configuration: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPTFORGE, "platform", "--config", str(configuration)],
        env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT,
    )  # fmt: skip


def test_what_was_begun_is_answered_at_the_end_and_nothing_new_is(tmp_path: Path) -> None:
    desk = PlatformDesk(tmp_path, drain_seconds=5)
    short = f"/run/{desk.script('short', SHORT, public=True)['uuid']}"
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(desk.anybody.get(short)))
    asking.start()
    wait_until(lambda: len(desk.acme.get("/api/v1/runs").json()) == 1, "it runs")
    os.kill(desk.program.process.pid, signal.SIGTERM)
    desk.program.wait_for('"action":"accepting_stopped"')
    with pytest.raises(httpx.TransportError), desk.client(None) as late:
        late.get("/health")
    asking.join(SECONDS)
    assert answers[0].text == "done"
    assert desk.program.finish() == 0
    actions = [json.loads(line)["action"] for line in desk.program.lines('"action"')]
    order = ["serving", "shutdown_began", "accepting_stopped", "run", "stopped"]
    assert [one for one in actions if one in order] == order
    assert desk.program.lines("Traceback") == []
    desk.stop()


def test_what_takes_too_long_is_ended(tmp_path: Path) -> None:
    desk = PlatformDesk(tmp_path, drain_seconds=1)
    page = f"/run/{desk.script('long', LONG, public=True)['uuid']}"
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(desk.anybody.get(page)))
    asking.start()
    wait_until(lambda: len(desk.acme.get("/api/v1/runs").json()) == 1, "it runs")
    os.kill(desk.program.process.pid, signal.SIGTERM)
    asking.join(SECONDS)
    assert desk.program.finish() == 0
    assert answers[0].json() == {"error": "The run was cancelled", "name": "AbortError"}
    desk.stop()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("", "catalog.url: the platform needs a database"),
        ('[catalog]\nurl = "sqlite:///{folder}/none.db"\n', "there is no database; `scriptforge db upgrade` makes one"),
        ('[platform]\nlistens = "x"\n', "did you mean 'platform.listen'"),
        ('[platform]\ntls_certificate = "/nowhere.pem"\n[catalog]\nurl = "sqlite:///{folder}/none.db"\n', "tls_key"),
        ('[platform]\nlisten = "192.0.2.1:80"\n[catalog]\nurl = "sqlite:///{folder}/none.db"\n', "platform.listen"),
    ],
)
def test_why_it_does_not_start_is_said(tmp_path: Path, settings: str, said: str) -> None:
    configuration = tmp_path / "sidecar.toml"
    configuration.write_text(settings.replace("{folder}", str(tmp_path)))
    done = platform(configuration)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_an_address_that_is_taken(tmp_path: Path) -> None:
    desk = PlatformDesk(tmp_path)
    try:
        address = desk.url.removeprefix("http://")
        done = platform(desk.configuration, SCRIPTFORGE_PLATFORM__LISTEN=address)
        assert done.returncode == 1
        assert f"platform.listen: cannot listen on {address}" in done.stderr
    finally:
        desk.stop()


def test_a_platform_that_is_killed_has_lost_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    desk = PlatformDesk(tmp_path)
    acknowledged: list[str] = []

    def save() -> None:
        for number in range(10_000):
            try:
                answer = desk.acme.put(f"/api/v1/apps/app{number}", json={"name": "x"})
            except httpx.TransportError:
                return
            if answer.status_code == 201:
                acknowledged.append(f"app{number}")

    saving = threading.Thread(target=save)
    saving.start()
    wait_until(lambda: len(acknowledged) >= 20, "some are saved", SECONDS)
    desk.program.process.kill()
    desk.program.finish()
    saving.join(SECONDS)
    desk.start()
    with desk.client(desk.operator_token) as operator:
        found = operator.get("/api/v1/apps", params={"tenant": "acme", "limit": 500}).json()["items"]
        assert operator.get("/api/v1/audit/verify").json()["intact"]
    assert {one["id"] for one in found} >= set(acknowledged[:500])
    desk.stop()


def test_without_its_database_it_says_so_and_comes_back_by_itself(servers: type[Servers], tmp_path: Path) -> None:
    address = new_database("postgresql")
    server = servers.get("postgresql")
    desk = PlatformDesk(tmp_path, address)
    stopped = False
    try:
        page = f"/run/{desk.script('kept', public=True)['uuid']}"
        closed = f"/run/{desk.script('closed')['uuid']}"
        server.stop()
        stopped = True
        wait_until(lambda: desk.anybody.get("/health").status_code == 503, "it is told", SECONDS)
        # What needs no database goes on.
        assert desk.anybody.get(page, params={"a": "1"}).json() == {"a": "1"}
        for answer in (desk.acme.get("/api/v1/me"), desk.acme.put("/api/v1/apps/x", json={"name": "x"})):
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert answer.json()["type"] == "urn:scriptforge:database-unreachable"
            assert str(server.port) not in answer.text
        assert desk.acme.get(closed).status_code == 503
        # What could not be kept is not taken.
        not_waited_for = {"Prefer": "respond-async"}
        assert desk.anybody.post(page, headers=not_waited_for).status_code == 503
        server.start()
        stopped = False
        wait_until(lambda: desk.anybody.get("/health").status_code == 200, "it has come back", SECONDS)
        assert desk.acme.put("/api/v1/apps/x", json={"name": "x"}).status_code == 201
        assert desk.acme.get(closed, params={"a": "1"}).status_code == 200
        assert desk.anybody.post(page, headers=not_waited_for).status_code == 202
        assert desk.program.lines("Traceback") == []
    finally:
        if stopped:
            server.start()
        desk.stop()


# ---- scriptforge up ----


def test_both_are_started_on_one_file_and_end_in_order(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "SCRIPTFORGE_PLATFORM__LISTEN": "127.0.0.1:0",
        "SCRIPTFORGE_PLATFORM__METRICS": "",
        "SCRIPTFORGE_METRICS__LISTEN": "",
    }
    data = tmp_path / "d"
    command = [SCRIPTFORGE, "up", "--data", str(data)]
    up = Program(command, tmp_path / "up.log", ROOT, environment)
    up.wait_for("Ctrl-C ends both", seconds=SECONDS)
    url = up.lines("^HTTP API")[0].split()[-1].removesuffix("/api/v1/")
    token = up.lines("^token")[0].split()[-1]
    assert re.fullmatch(r"sf_[\w-]{43}", token)
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, trust_env=False) as client:
        body = {"name": "a.js", "text": "export function main(data) { data.routing.cli = '1'; return data }\n"}
        assert client.put("/api/v1/scripts/a", json=body).status_code == 201
        assert client.put("/api/v1/assignments", json={"customer": "acme", "script": "a"}).status_code == 201
    # The call daemon beside it decides by it within a second.
    up.wait_for('"action":"catalog_loaded","scripts":1,"assignments":1')
    asked = tmp_path / "call.json"
    asked.write_text(json.dumps({"customer": "acme", "routing": {"cli": "5", "egress_routing": []}}))
    route = [SCRIPTFORGE, "route", "--socket", f"unix:{data / 'scriptforge.sock'}", "--data", str(asked), "--json"]
    wait_until(
        lambda: (
            '"cli":"1"' in subprocess.run(route, capture_output=True, text=True, check=False).stdout.replace(" ", "")
        ),
        "the call is decided by it",
    )
    os.kill(up.process.pid, signal.SIGINT)
    assert up.finish() == 0
    stopped = up.lines('"action":"stopped"')
    assert len(stopped) == 2
    assert '"runs"' in stopped[0]
    assert '"decisions"' in stopped[1]
    assert not (data / "scriptforge.sock").exists()
    again = Program(command, tmp_path / "again.log", ROOT, environment)
    again.wait_for("Ctrl-C ends both", seconds=SECONDS)
    database = f"sqlite:///{data / 'platform.db'}"
    another = f"token       as before; `scriptforge tokens create NAME --url {database}` makes another"
    assert again.lines("^token") == [f"{another}\n"]
    os.kill(again.process.pid, signal.SIGHUP)  # the terminal is closed
    assert again.finish() == 0
    assert len(again.lines('"action":"stopped"')) == 2
    assert again.lines('"level":"warning"') == []


def test_where_it_is_killed_both_end(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "SCRIPTFORGE_PLATFORM__LISTEN": "127.0.0.1:0",
        "SCRIPTFORGE_PLATFORM__METRICS": "",
        "SCRIPTFORGE_METRICS__LISTEN": "",
    }
    up = Program([SCRIPTFORGE, "up", "--data", str(tmp_path / "d")], tmp_path / "up.log", ROOT, environment)
    up.wait_for("Ctrl-C ends both", seconds=SECONDS)
    up.process.kill()
    assert up.finish(SECONDS) == -signal.SIGKILL
    wait_until(lambda: len(up.lines('"action":"stopped"')) == 2, "both have ended", SECONDS)


def test_where_one_has_ended_so_does_the_other(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "SCRIPTFORGE_METRICS__LISTEN": "",
    }
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        environment["SCRIPTFORGE_PLATFORM__LISTEN"] = f"127.0.0.1:{taken.getsockname()[1]}"
        up = Program([SCRIPTFORGE, "up", "--data", str(tmp_path / "d")], tmp_path / "up.log", ROOT, environment)
        assert up.finish(60) == 1
    assert up.lines("`scriptforge platform` has not started; see above")
    assert up.lines('"action":"stopped"')


def test_a_first_token_is_told_though_the_start_before_has_failed(tmp_path: Path) -> None:
    command = [SCRIPTFORGE, "up", "--data", str(tmp_path / "d")]
    environment = {
        **os.environ,
        "SCRIPTFORGE_PLATFORM__LISTEN": "127.0.0.1:0",
        "SCRIPTFORGE_PLATFORM__METRICS": "",
        "SCRIPTFORGE_METRICS__LISTEN": "",
    }
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        there = {**environment, "SCRIPTFORGE_METRICS__LISTEN": f"127.0.0.1:{taken.getsockname()[1]}"}
        assert Program(command, tmp_path / "failed.log", ROOT, there).finish(60) == 1
    up = Program(command, tmp_path / "up.log", ROOT, environment)
    up.wait_for("Ctrl-C ends both", seconds=SECONDS)
    assert re.match(r"token       sf_[\w-]{43}$", up.lines("^token")[0])
    up.stop()


def test_scripts_in_a_directory_are_not_what_it_starts(tmp_path: Path) -> None:
    environment = {**os.environ, "SCRIPTFORGE_CATALOG__DIRECTORY": "examples"}
    up = Program([SCRIPTFORGE, "up", "--data", str(tmp_path / "d")], tmp_path / "up.log", ROOT, environment)
    assert up.finish(SECONDS) == 1
    said = "SCRIPTFORGE_CATALOG__DIRECTORY: `scriptforge up` has scripts in a database, and in no directory: unset it"
    assert up.lines("^scriptforge") == [f"scriptforge: {said}\n"]


def test_a_second_one_on_the_same_data_is_told_so(tmp_path: Path) -> None:
    command = [SCRIPTFORGE, "up", "--data", str(tmp_path / "d")]
    environment = {
        **os.environ,
        "SCRIPTFORGE_PLATFORM__LISTEN": "127.0.0.1:0",
        "SCRIPTFORGE_PLATFORM__METRICS": "",
        "SCRIPTFORGE_METRICS__LISTEN": "",
    }
    up = Program(command, tmp_path / "up.log", ROOT, environment)
    up.wait_for("Ctrl-C ends both", seconds=SECONDS)
    other = Program(command, tmp_path / "other.log", ROOT, environment)
    assert other.finish(SECONDS) == 1
    (said,) = other.lines("^scriptforge")
    assert said.endswith("/d is that of a `scriptforge up` which is running: end it, or name another folder\n")
    up.stop()
