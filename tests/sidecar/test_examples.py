"""The examples are a catalog, each does what the demo shows, and the demo shows it."""

import io
import re
import subprocess
import sys
import tomllib
import wave
from pathlib import Path

import pytest

from sidecar.catalog.directory.loader import DirectoryLoader
from sidecar.cli import main
from sidecar.configuration.tree import CatalogSection, DecisionSection
from tests.acceptance.processes import require_program

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
EXPECTED = {
    "header-add": (
        0,
        "ROUTE to london, then frankfurt, madrid  (header-add.js returned)\n"
        "  + X-Account: 1207  (all destinations)\n"
        "  ~ X-Tariff: gold  (all destinations, replaces the call's own)\n"
        "    1  london\n"
        "       + X-Priority: 1\n"
        "    2  frankfurt\n"
        "    3  madrid\n",
    ),
    "do-not-call": (3, "REJECT 603 Do Not Call  (do-not-call.js refused the call)\n"),
    "time-of-day": (
        0,
        "ROUTE to frankfurt  (time-of-day.js returned)\n"
        "    1  frankfurt\n"
        "  - 1  london  (dropped)\n"
        "  - 3  madrid  (dropped)\n",
    ),
    "cheapest-first": (
        0,
        "ROUTE to frankfurt, then london  (cheapest-first.js returned)\n"
        "  ~ 1  frankfurt  (was 2)\n"
        "  ~ 2  london  (was 1)\n"
        "  - 3  madrid  (dropped)\n",
    ),
    "too-slow": (5, "REJECT 503 Script Timeout  (too-slow.js timed out)\n"),
}


def test_the_examples_are_a_catalog() -> None:
    loaded = DirectoryLoader(CatalogSection(directory=EXAMPLES), DecisionSection()).load()
    assert loaded.problems == ()
    snapshot = loaded.require()
    assert set(snapshot.scripts) == {*EXPECTED, "menu"}
    for name in EXPECTED:
        assigned = snapshot.routes["acme", name]
        assert assigned.script_id == name
        file = EXAMPLES / "vars" / f"{name}.toml"
        assert assigned.variables == (tomllib.loads(file.read_text()) if file.exists() else {})
    menu = snapshot.destinations["100"]
    assert menu.script_id == "menu"
    assert menu.variables == tomllib.loads((EXAMPLES / "vars" / "menu.toml").read_text())


@pytest.mark.parametrize("name", EXPECTED)
def test_on_the_desk(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    variables = EXAMPLES / "vars" / f"{name}.toml"
    options = ["--vars", str(variables)] if variables.exists() else []
    script, call = EXAMPLES / "scripts" / f"{name}.js", EXAMPLES / "calls" / f"{name}.json"
    status = main(["run", str(script), "--data", str(call), "--timeout-ms", "200", *options])
    expected, text = EXPECTED[name]
    assert status == expected
    assert text in capsys.readouterr().out


@pytest.mark.parametrize(
    ("keys", "heard"), [("1", "From eight to six"), ("2,wait 3,hangup", "echoes"), ("wait 60", "Goodbye")]
)
def test_the_menu_in_the_terminal(keys: str, heard: str) -> None:
    script, variables = EXAMPLES / "scripts" / "menu.js", EXAMPLES / "vars" / "menu.toml"
    assert main(["call", str(script), "--vars", str(variables), "--keys", keys, "--expect", heard]) == 0


def test_their_own_tests_pass(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["test", "examples"]) == 0
    assert "13 passed in 4 files" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "one two three"])
def test_tones_stand_for_speech(text: str) -> None:
    command = [sys.executable, str(EXAMPLES / "tones.py")]
    done = subprocess.run(command, input=text.encode(), capture_output=True, timeout=30, check=True)
    with wave.open(io.BytesIO(done.stdout)) as file:
        assert file.getnframes() == len(text.split()) * 1_600


@pytest.mark.timeout(240)
def test_the_demo() -> None:
    require_program("kamailio")
    require_program("sipp")
    done = subprocess.run(
        [sys.executable, "-m", "examples.demo"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) <= 80, "two screens, and a third that is saved over HTTP"
    assert max(map(len, lines)) <= 120
    for _, text in EXPECTED.values():
        for line in text.splitlines():
            assert line in done.stdout
    assert re.search(r"/run/[0-9a-f-]{36}\?number=442079460123\n  Call 1 of 442079460123\n", done.stdout)
    for wanted in ("+ X-Calls: 2  (all", "+ X-Calls: 3  (all", "told X-Calls: 4\n"):
        assert wanted in done.stdout
    assert re.search(r"sip:100@127\.0\.0\.1:\d+", done.stdout)
    for wanted in ("X-Tariff: silver                  X-Tariff: gold", "200 OK", "603 Do Not Call", "success 1"):
        assert wanted in done.stdout
    assert "UNCONFINED" not in done.stdout
