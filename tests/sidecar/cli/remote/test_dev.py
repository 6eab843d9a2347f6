"""`scriptforge dev` saves and runs a folder's scripts whenever a file changes, on a platform of its own."""

import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sidecar.cli.developing.local_app import entry_of
from tests.acceptance.processes import Program
from tests.sidecar.http.platform_desk import ROOT

SECONDS = 60.0
COUNTS = """import { incr } from 'cxKV';
export const main = async ({ who }) => {
  console.log('tariff', process.env.TARIFF);
  return `${who} ${await incr('count')}`;
};
export const fails = () => { throw new TypeError('not today') };
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "count.js").write_text(COUNTS)
    (tmp_path / "data.json").write_text('{"who": "me"}')
    (tmp_path / "variables").write_text("# of the test\nTARIFF='gold'\n")
    return folder


def start(folder: Path, *words: str) -> Program:
    command = [str(Path(sys.executable).with_name("scriptforge")), "dev", str(folder), *words]
    return Program(command, folder.parent / "dev.log", ROOT)


@pytest.fixture
def dev(folder: Path) -> Iterator[Program]:
    files = folder.parent
    program = start(folder, "--data", str(files / "data.json"), "--env", str(files / "variables"))
    yield program
    program.stop()


def test_a_folder_is_saved_run_and_served_until_ctrl_c(folder: Path, dev: Program) -> None:
    assert 'returned "me 1"' in dev.wait_for("returned", seconds=SECONDS)
    assert dev.lines("log tariff gold")
    address = dev.wait_for("/run/").split()[0]
    assert httpx.get(address, params={"who": "you"}, timeout=SECONDS).content == b"you 2"
    assert re.match(r"[0-9a-f]{8} main\(\) log tariff gold", dev.wait_for(r"main\(\) log", seconds=SECONDS))

    (folder / "count.js").write_text(COUNTS + "let = ;\n")
    assert dev.wait_for("error:", seconds=SECONDS).startswith("count.js:7:5: error: ")
    dev.wait_for("not saved; what was saved before goes on", seconds=SECONDS)
    assert httpx.get(address, params={"who": "you"}, timeout=SECONDS).content == b"you 3"

    (folder.parent / "data.json").write_text('{"who": "them"}')
    (folder / "count.js").write_text(COUNTS.replace("tariff'", "the tariff'"))
    dev.wait_for('returned "them 4"', seconds=SECONDS)
    (folder.parent / "variables").write_text("TARIFF=silver")
    dev.wait_for("log the tariff silver", seconds=SECONDS)

    dev.process.send_signal(signal.SIGINT)
    assert dev.process.wait(SECONDS) == 0
    assert dev.lines("^ended$")
    assert (folder / ".scriptforge" / ".gitignore").read_text() == "*\n"


def test_another_function_is_run_and_its_error_has_the_authors_line(folder: Path) -> None:
    program = start(folder, "--function", "fails")
    try:
        assert program.wait_for("TypeError", seconds=SECONDS).startswith("count.js:6:40: TypeError: not today")
        os.kill(program.process.pid, signal.SIGTERM)
        assert program.process.wait(SECONDS) == 0
    finally:
        program.stop()


def test_the_end_of_the_platform_is_told(folder: Path) -> None:
    program = start(folder)
    try:
        program.wait_for("returned", seconds=SECONDS)
        pid = program.process.pid
        (platform,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        os.kill(int(platform), signal.SIGKILL)
        assert program.process.wait(SECONDS) == 1
        assert program.lines("`scriptforge platform` has ended; see above")
    finally:
        program.stop()


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    program = start(tmp_path / "none")
    assert program.process.wait(SECONDS) == 1
    assert program.lines("there is no such folder")


def test_the_one_script_that_has_a_main_is_run() -> None:
    texts = {
        "calls.js": "import { count } from './lib/count'\nexport const main = () => count(1)",
        "lib/count.ts": "export function count(n: number) { return n }",
    }
    scripts = {path: {"kind": "app"} for path in texts}
    assert entry_of(scripts, None, texts) == "calls.js"
    assert entry_of(scripts, "lib/count.ts", texts) == "lib/count.ts"
    texts["more.js"] = "export const main = () => 1"
    assert entry_of({**scripts, "more.js": {"kind": "app"}}, None, texts) is None
