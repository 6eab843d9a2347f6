"""What scripts write is followed without a restart, and records are found by what a customer says on the telephone."""

import asyncio
import json
import re
import subprocess
from pathlib import Path

from tests.acceptance.processes import Program, require_program
from tests.acceptance.serving import ROOT, SCRIPTFORGE, Serving, request

SCRIPTS = {
    "tariff": "function main(data) { console.log('dialled ' + data.routing.dest_number); console.warn('\\u001b[2J') }",
    "broken": "function main() { console.log('before'); throw new Error('no tariff') }",
    "answers": "async function main(data, ctx) { ctx.log('hello ' + data.cli); await ctx.hangup(); }",
}
ASSIGNMENTS = """
[[route]]
customer = "tariff"
script = "tariff"
[[route]]
customer = "broken"
script = "broken"
[[script]]
file = "answers.js"
kind = "app"
[[destination]]
destination = "100"
script = "answers"
"""


def follow(daemon: Serving, name: str, *words: str) -> Program:
    """The command, once it follows."""
    command = [SCRIPTFORGE, "logs", "-f", "--socket", f"unix:{daemon.socket}", *words]
    program = Program(command, daemon.directory / name, ROOT)
    program.wait_for("following")
    return program


async def test_lines_of_two_instances_are_followed_apart_and_the_end_of_a_daemon_is_told(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    daemons = [Serving(tmp_path / name, SCRIPTS, ASSIGNMENTS) for name in ("one", "two")]
    followers: list[Program] = []
    try:
        for daemon in daemons:
            daemon.ready()
        one, two = daemons
        tariff, everything = follow(one, "tariff.log", "--script", "tariff.js"), follow(one, "all.log", "--json")
        other = follow(two, "other.log")
        followers += [tariff, everything, other]
        client = await one.client()
        await client.call("route", request("tariff", "call-1", routing={"dest_number": "4930"}))
        await client.call("route", request("broken", "call-2"))
        assert await client.call("call.start", {"id": "call-3", "from_user": "4420", "to_user": "100"}) == {
            "accepted": True
        }
        last = json.loads(everything.wait_for("hello 4420"))
        assert (last["call_id"], last["script"], last["level"]) == ("call-3", "answers", "log")
        failed = json.loads(everything.wait_for('"failed"'))
        assert failed["script"] == "broken"
        assert failed["text"].startswith("Error: no tariff (broken.js:1:")
        assert " call-1 tariff log dialled 4930" in tariff.wait_for("dialled")
        assert "\\x1b[2J" in tariff.wait_for("warn")
        assert not tariff.lines("broken")
        assert not other.lines("tariff")
        await client.close()
        one.stop()
        assert "the daemon has ended the connection" in tariff.wait_for("scriptforge:")
    finally:
        for program in followers:
            program.stop()
        for daemon in daemons:
            daemon.stop()


def test_a_daemon_that_is_not_there_and_a_script_that_is_not_there_are_said(tmp_path: Path) -> None:
    daemon = Serving(tmp_path, SCRIPTS, ASSIGNMENTS).ready()
    try:
        for address, script, said in (
            (f"unix:{daemon.socket}", "tarif", "there is no script 'tarif'; there are answers, broken, tariff"),
            (f"unix:{tmp_path}/nobody", "tariff", "is the daemon running"),
        ):
            ran = subprocess.run(
                [SCRIPTFORGE, "logs", "-f", "--socket", address, "--script", script],
                capture_output=True,
                text=True,
                check=False,
                timeout=30,
            )
            assert ran.returncode == 1
            assert said in ran.stderr
            assert "Traceback" not in ran.stderr
    finally:
        daemon.stop()


async def test_the_documented_commands_find_a_call_in_what_the_journal_prints(tmp_path: Path) -> None:
    require_program("jq")
    daemon = Serving(tmp_path, SCRIPTS, ASSIGNMENTS).ready()
    try:
        client = await daemon.client()
        routing = {"cli": "442079460123", "egress_routing": [{"gw": {"london": {}}}, {"gw": {"paris": {}}}]}
        await client.call("route", request("tariff", "a84b4c76e66710@pc33.example.com", routing=routing))
        await client.call("route", request("tariff", "another"))
        started = {"id": "driven", "from_user": "02079460123", "to_user": "100"}
        await client.call("call.start", started)
        client.notify("call.event", {"call_id": "driven", "event": "hungup"})
        daemon.program.wait_for('"action":"call"')
        daemon.record("another")
        await client.close()
    finally:
        daemon.stop()
    # As journalctl -o cat prints it, with what systemd says of the unit between the lines.
    written = (tmp_path / "daemon.log").read_text()
    journal = f"Starting scriptforge.service...\n{written}scriptforge.service: Deactivated successfully.\n"
    commands = re.findall(r"^    journalctl .* \| (jq .*)$", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    assert len(commands) == 3
    found = []
    for command in commands:
        ran = await asyncio.create_subprocess_shell(
            command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, errors = await ran.communicate(journal.encode())
        assert (ran.returncode, errors) == (0, b"")
        found.append([record.get("call_id") or record["id"] for record in map(json.loads, out.splitlines())])
    call = "a84b4c76e66710@pc33.example.com"
    assert found == [[call], [call, "driven"], [call]]
