"""Limits of tenants over HTTP: who sets them, what they refuse, and that nobody else notices."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.processes import free_port, wait_until
from tests.sidecar.http.platform_desk import SECONDS, PlatformDesk
from tests.sidecar.http.test_api_catalog import kind_of

SCRIPTFORGE = str(Path(sys.executable).with_name("scriptforge"))
WAITS = """
export async function main() {
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  return 'done';
}
"""
LOOPS = """
export function main(data) {
  const end = Date.now() + 100;
  while (Date.now() < end);
  return 'done';
}
"""
ASKS = """
import { kv } from 'cxKV';
export async function main() {
  for (let round = 0; round < 10; round++) await kv.set('a', 'b');
  return 'done';
}
"""


@pytest.fixture
def limited(desk: PlatformDesk) -> Iterator[PlatformDesk]:
    """The platform, on which acme has no limits of its own afterwards."""
    yield desk
    put(desk)


def put(desk: PlatformDesk, **limits: int) -> httpx.Response:
    """Set acme's, all of them."""
    answer = desk.operator.put("/api/v1/tenants/acme/limits", json=limits, headers={"If-Match": "*"})
    assert answer.is_success, answer.text
    return answer


def run(desk: PlatformDesk, script: str) -> httpx.Response:
    return desk.acme.post(f"/api/v1/scripts/{script}/run")


def test_the_operator_sets_them_and_a_tenant_reads_them(limited: PlatformDesk) -> None:
    desk = limited
    path = "/api/v1/tenants/acme/limits"
    assert set(desk.operator.get(path).json().values()) == {None}
    before = desk.acme.get("/api/v1/limits").json()
    assert before["limits"]["runs_at_once"] == 200, "as configured"
    made = put(desk, runs_at_once=3, keys=10)
    assert made.json()["runs_at_once"] == 3
    found = desk.acme.get("/api/v1/limits").json()["limits"]
    assert (found["runs_at_once"], found["keys"], found["log_bytes"]) == (3, 10, before["limits"]["log_bytes"])
    assert desk.beta.get("/api/v1/limits").json()["limits"] == before["limits"]
    assert kind_of(desk.acme.put(path, json={"runs_at_once": 1_000})) == (403, "not-allowed")
    assert desk.acme.get(path).status_code == 403
    assert kind_of(desk.operator.put("/api/v1/tenants/nobody/limits", json={})) == (404, "not-there")
    last = desk.operator.get("/api/v1/audit", params={"tenant": "acme", "limit": 1}).json()["items"][0]
    assert (last["action"], last["before"], last["after"]) == ("tenant.limits", {}, {"keys": 10, "runs_at_once": 3})


def test_two_operators_do_not_overwrite_each_other(limited: PlatformDesk) -> None:
    path = "/api/v1/tenants/acme/limits"
    seen = limited.operator.get(path).headers["etag"]
    put(limited, runs_at_once=3)
    late = limited.operator.put(path, json={"keys": 1}, headers={"If-Match": seen})
    assert kind_of(late) == (412, "changed-meanwhile")
    blind = limited.operator.put(path, json={"keys": 1})
    assert kind_of(blind) == (428, "precondition-required")
    assert limited.operator.put(path, json={"runs_at_once": 3}).status_code == 200, "the same once more"


@pytest.mark.parametrize("body", [{"runs_at_once": -1}, {"runs_at_once": 2**53}, {"runs_at_once": "x"}, {"more": 1}])
def test_what_is_no_limit(limited: PlatformDesk, body: dict[str, Any]) -> None:
    answer = limited.operator.put("/api/v1/tenants/acme/limits", json=body, headers={"If-Match": "*"})
    assert kind_of(answer) == (422, "wrong-values")


def test_runs_at_once_past_the_limit_are_told_when_to_come_again(limited: PlatformDesk) -> None:
    desk = limited
    desk.script("waits", WAITS)
    page = f"/run/{desk.script('waits-public', WAITS, public=True)['uuid']}"
    other = f"/run/{desk.script('others', client=desk.beta, public=True)['uuid']}"
    put(desk, runs_at_once=2)
    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(run, desk, "waits") for _ in range(2)]
        wait_until(lambda: desk.acme.get("/api/v1/limits").json()["runs"] == 2, "both run", SECONDS)
        refused = run(desk, "waits")
        assert kind_of(refused) == (429, "too-many")
        assert (refused.headers["retry-after"], refused.json()["detail"]) == ("1", "more than 2 runs at once")
        assert desk.anybody.get(page).status_code == 429
        assert desk.anybody.get(other, params={"a": "1"}).json() == {"a": "1"}, "another tenant's"
        assert [one.result().json()["result"] for one in asked] == ["done", "done"]
    assert run(desk, "waits").status_code == 200
    assert desk.acme.get("/api/v1/limits").json()["refused"]["runs_at_once"] == 2


def test_processor_time_is_counted_over_runs(limited: PlatformDesk) -> None:
    limited.script("loops", LOOPS)
    put(limited, cpu_ms_a_minute=150)
    found = [run(limited, "loops")]
    # On a machine that does much else a run has a part of the processor alone, and none of it is used to the end.
    while found[-1].status_code == 200 and len(found) < 30:
        found.append(run(limited, "loops"))
    assert [one.status_code for one in found] == [200] * (len(found) - 1) + [429]
    assert len(found) > 1
    assert found[-1].json()["detail"] == "more than 150 ms of processor time a minute"
    assert 1 <= int(found[-1].headers["retry-after"]) <= 60


def test_questions_past_the_limit_are_errors_of_the_script(limited: PlatformDesk) -> None:
    limited.script("asks", ASKS)
    put(limited, host_calls_a_minute=12)
    assert run(limited, "asks").json()["result"] == "done"
    failed = run(limited, "asks").json()
    assert failed["outcome"] == "script_error"
    assert "RangeError: cxKV: more than 12 questions to the host a minute; ask again in " in failed["error"]
    assert failed["location"].startswith("asks.js:4:")


def test_what_is_kept_has_limits_of_the_tenants_own(limited: PlatformDesk) -> None:
    desk = limited
    desk.acme.put("/api/v1/databases/limited", json={}).raise_for_status()
    for number in range(3):
        desk.acme.put(f"/api/v1/kv/keys/limited{number}", json={"value": "x"}).raise_for_status()
        desk.acme.put(f"/api/v1/databases/limited/rows/{number}", json={"value": "x"}).raise_for_status()
    space = desk.acme.get("/api/v1/kv").json()
    own = len(desk.acme.get("/api/v1/scripts", params={"limit": 500}).json()["items"])
    put(desk, keys=space["keys"], rows=3, scripts=own)
    assert desk.acme.get("/api/v1/kv").json()["limit_keys"] == space["keys"]
    assert desk.acme.put("/api/v1/kv/keys/limited9", json={"value": "x"}).status_code == 422
    assert desk.acme.put("/api/v1/kv/keys/limited0", json={"value": "y"}).is_success, "what is there may change"
    row = desk.acme.put("/api/v1/databases/limited/rows/9", json={"value": "x"})
    assert (row.status_code, row.json()["detail"]) == (422, "3 rows are kept already, and no more than 3 may be")
    assert desk.acme.put("/api/v1/databases/limited/rows/0", json={"value": "y"}).is_success
    assert desk.acme.delete("/api/v1/databases/limited/rows/0").is_success
    assert desk.acme.put("/api/v1/databases/limited/rows/9", json={"value": "x"}).is_success
    script = desk.acme.post("/api/v1/scripts", json={"name": "one-more.js", "text": "export const main = () => 1\n"})
    assert kind_of(script) == (403, "limit-reached")
    assert desk.beta.put("/api/v1/kv/keys/limited9", json={"value": "x"}).is_success


def test_the_command_line_sets_one_at_a_time(limited: PlatformDesk) -> None:
    def limits(*given: str) -> subprocess.CompletedProcess[str]:
        command = [SCRIPTFORGE, "limits", "acme", *given, "--config", str(limited.configuration)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    def asked(token: str, *given: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "SCRIPTFORGE_API": limited.url, "SCRIPTFORGE_TOKEN": token}
        command = [SCRIPTFORGE, "limits", *given, "--json"]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)

    assert limits("runs_at_once=0", "keys=7", "--json").stdout == '{"runs_at_once":0,"keys":7}\n'
    limited.script("echo")
    wait_until(lambda: run(limited, "echo").status_code == 429, "the platform follows", SECONDS)
    assert json.loads(asked(limited.token("acme")).stdout)["keys"] == 7
    assert asked(limited.token("acme"), "acme", "keys=1000").returncode == 6
    assert json.loads(asked(limited.operator_token, "acme", "rows=5").stdout) == {
        "runs_at_once": 0,
        "keys": 7,
        "rows": 5,
    }
    shown = limits("runs_at_once=").stdout.splitlines()
    assert {" ".join(line.split()) for line in shown} >= {"runs_at_once as configured", "keys 7"}
    wait_until(lambda: run(limited, "echo").status_code == 200, "the platform follows", SECONDS)
    for wrong in ("runs=1", "keys", "keys=x", "keys=-1", f"keys={2**60}"):
        found = limits(wrong)
        assert found.returncode in (1, 2), wrong
        assert found.stdout == "", wrong
        assert "Traceback" not in found.stderr


def test_metrics_have_tenants_and_apps(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port('127.0.0.1', socket.SOCK_STREAM)}"
    desk = PlatformDesk(tmp_path, metrics=address)
    try:
        desk.acme.put("/api/v1/apps/9", json={"name": "x"}).raise_for_status()
        desk.script("echo", app="9")
        put(desk, runs_at_once=0)
        assert run(desk, "echo").status_code == 429
        put(desk)
        assert run(desk, "echo").status_code == 200
        text = httpx.get(f"http://{address}/metrics", trust_env=False).text
        assert 'scriptforge_tenant_runs_total{app="9",tenant="acme"} 1.0' in text
        assert 'scriptforge_tenant_refused_total{limit="runs_at_once",tenant="acme"} 1.0' in text
    finally:
        desk.stop()
