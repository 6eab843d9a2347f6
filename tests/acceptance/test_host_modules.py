"""A new module of the host is one Python file and one JavaScript file: asked by everything that runs scripts.

On a call through Kamailio it is asked in test_kamailio_calls.
"""

import json
from contextlib import ExitStack
from pathlib import Path

import pytest

from sidecar.cli import main
from sidecar.hosts import modules
from tests.acceptance.raw_sip import raw_caller
from tests.acceptance.serving import Serving, request
from tests.acceptance.voice_daemon import VoiceDaemon
from tests.acceptance.with_host_modules import FOLDER, LAUNCHER

DECIDES = """import credit from "credit";

async function main(data) {
  try {
    const { balance } = await credit.balance(data.routing.account_id);
    data.headers.push({ key: "X-Credit", value: balance });
  } catch (error) {
    throw new Error(`402 ${error.name} ${error.message}`);
  }
}
"""
SPEAKS = """const credit = require("credit");
await ctx.answer();
const { balance, asker } = await credit.balance(42);
await ctx.tts(`${asker} has ${balance}`);
"""


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modules, "__path__", [*modules.__path__, str(FOLDER)])


@pytest.mark.usefixtures("shipped")
@pytest.mark.parametrize(
    ("account", "status", "printed"),
    [(42, 0, "X-Credit: 7.5"), (7, 3, "REJECT 402 Error there is no account 7")],
)
def test_run_asks_it(
    account: int, status: int, printed: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "app.js").write_text(DECIDES)
    call = {"routing": {"account_id": account, "egress_routing": [{"gw": {"a": {}}}]}}
    (tmp_path / "call.json").write_text(json.dumps(call))
    command = ["run", str(tmp_path / "app.js"), "--kind", "app", "--data", str(tmp_path / "call.json")]
    assert main(command) == status
    assert printed in capsys.readouterr().out


@pytest.mark.usefixtures("shipped")
def test_the_terminal_phone_asks_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "app.js").write_text(f"async function main(data, ctx) {{\n{SPEAKS}\n}}")
    assert main(["call", str(tmp_path / "app.js"), "--keys", "wait 1", "--expect", "app.js has 7.5"]) == 0
    assert "app.js has 7.5" in capsys.readouterr().out


def test_without_it_the_check_says_that_there_is_no_such_module(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "app.js").write_text(DECIDES)
    assert main(["check", "--kind", "app", str(tmp_path / "app.js")]) == 4
    assert "there is no module 'credit'" in capsys.readouterr().out


def test_a_script_that_drives_a_call_asks_it(tmp_path: Path) -> None:
    daemon = VoiceDaemon(tmp_path, {"balance": SPEAKS}, launcher=LAUNCHER).ready()
    with ExitStack() as stack:
        stack.callback(daemon.stop)
        caller = stack.enter_context(raw_caller((daemon.host, daemon.port), "balance"))
        caller.up()
        caller.answer(caller.request("BYE"))
        record = daemon.record(caller.call_id)
    assert [action["action"] for action in record["actions"]] == ["answer", "tts balance has 7.5"]
    assert record["outcome"] == "returned"


async def test_a_script_that_is_granted_it_no_more_is_not_run_on_it_any_more(tmp_path: Path) -> None:
    entry = '[[script]]\nfile = "decides.js"\nkind = "app"\n{}[[route]]\ncustomer = "granted"\nscript = "decides"\n'
    granted, denied = entry.format('modules = ["credit"]\n'), entry.format("modules = []\n")
    serving = Serving(tmp_path, {"decides": DECIDES}, granted, launcher=LAUNCHER).ready()
    try:
        serving.assign(denied)
        serving.program.wait_for('"action":"catalog_loaded".*"scripts":0')
        problems = serving.records("catalog_broken")[0]["problems"]
        client = await serving.client()
        decision = await client.call("route", request("granted"))
        await client.close()
    finally:
        serving.stop()
    assert "there is no module 'credit'" in problems[0]
    assert decision["outcome"] == "script_error", "its last good version was right for another grant"
    assert decision["headers"]["add"] == []
