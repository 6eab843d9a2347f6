"""The command where its output is closed, full or narrow, and where it is interrupted: a word or none, no traceback."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandbox.boot import NAME as WORKER_NAME

COMMAND = str(Path(sys.executable).with_name("scriptforge"))
SCRIPT = "function main() { console.log('\u00e4\u20ac'); throw new Error('404 \u00e4') }"
DISK_FULL = "scriptforge: No space left on device\n"


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    (tmp_path / "a.js").write_text(SCRIPT, encoding="utf-8")
    (tmp_path / "endless.js").write_text("function main() { while (true); }")
    (tmp_path / "call.json").write_text('{"routing":{}}')
    (tmp_path / "sidecar.toml").write_text("")
    return tmp_path


def shell(desk: Path, line: str) -> tuple[int, str, str]:
    """Exit status, output and errors of a line for bash; $0 is the command."""
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line, COMMAND], cwd=desk, capture_output=True, timeout=30, check=False
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


RUN = '"$0" run a.js --data call.json --config sidecar.toml'
CONFIG = '"$0" config --config sidecar.toml'


@pytest.mark.parametrize(
    ("line", "status", "errors"),
    [
        (f"{RUN} >&-", 3, ""),
        (f"{RUN} >&- 2>&-", 3, ""),
        (f"{RUN} >/dev/full", 1, DISK_FULL),
        (f"{CONFIG} >/dev/full", 1, DISK_FULL),
        (f"{CONFIG} >/dev/full 2>/dev/full", 1, ""),
        (f"{CONFIG} | true", 141, ""),
        (f"{CONFIG} 2>&1 | head -n 1", 0, ""),
        # Less than a worker's memory as configured.
        (f"ulimit -v 1500000; {RUN} >/dev/null", 3, ""),
    ],
)
def test_output_that_is_not_read(desk: Path, line: str, status: int, errors: str) -> None:
    ended, _, said = shell(desk, line)
    assert said == errors
    # A reader that leaves early is a race: what was written before it left was taken.
    assert ended in ({0, 141} if "|" in line else {status})


def test_a_terminal_without_the_characters(desk: Path) -> None:
    status, output, errors = shell(desk, f"LC_ALL=C PYTHONIOENCODING=ascii {RUN}")
    assert (status, errors) == (3, "")
    assert output.startswith("REJECT 404 \\xe4  (a.js refused the call)\nconsole\n  log  \\xe4\\u20ac\n")


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()


ENDLESS = ["run", "endless.js", "--data", "call.json", "--config", "sidecar.toml", "--timeout-ms", "20000"]


@pytest.mark.parametrize(
    ("arguments", "when"),
    [
        (ENDLESS, "starting"),
        (ENDLESS, "running"),
        (["check", "--kind", "script", "endless.js", "--config", "sidecar.toml"], "starting"),
    ],
)
def test_interrupted_as_from_a_terminal(desk: Path, arguments: list[str], when: str) -> None:
    """Ctrl-C goes to the whole process group."""
    command = [COMMAND, *arguments]
    with subprocess.Popen(
        command, cwd=desk, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        deadline = time.monotonic() + 20
        while not children(process.pid):
            assert time.monotonic() < deadline
            time.sleep(0.001)
        # The kernel's own count of the worker's time says when it is in the script.
        while when == "running" and not any(ticks(child) >= 50 for child in children(process.pid)):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=20)
    assert (process.returncode, output, errors) == (130, b"", b"")


def test_interrupted_while_it_is_read_in(desk: Path) -> None:
    """From the moment that our own code is the first to be imported on, whenever that is."""
    waiting = (
        "import os, sys, sidecar.cli\n"
        "class Interrupts:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == sys.argv[1]: os.kill(os.getpid(), 2)\n"
        "sys.meta_path.insert(0, Interrupts())\n"
        "sys.exit(sidecar.cli.main(['config']))"
    )
    for module in ("sidecar.cli.command_line", "tree_sitter", "sidecar.cli.serve"):
        done = subprocess.run(
            [sys.executable, "-c", waiting, module], cwd=desk, capture_output=True, timeout=20, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (130, b"", b""), module


def ticks(pid: str) -> int:
    """Hundredths of a second of processor time of a worker; 0 of any other process, and of one that has gone."""
    try:
        before, _, after = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")
    except FileNotFoundError:
        return 0
    return int(after.split()[11]) if before.endswith(f"({WORKER_NAME}") else 0


def test_what_no_command_expected_names_the_file(desk: Path) -> None:
    name = "x" * 300
    assert shell(desk, f'"$0" check {name}/a.js') == (1, "", f"scriptforge: {name}/a.js: File name too long\n")
