"""What tests start ends with them, however they end."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.processes import Program, wait_until

ROOT = Path(__file__).parents[2]
STARTS = """
import os, signal, sys
from pathlib import Path
from tests.acceptance.processes import Program
folder = Path(sys.argv[1])
ended = Program(["true"], folder / "ended.log", folder)
ended.finish()
left = Program(["bash", "-c", "sleep 600 & wait"], folder / "left.log", folder)
print(left.process.pid, flush=True)
os.kill(os.getpid(), signal.Signals[sys.argv[2]])
"""


def group_lives(group: int) -> bool:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = stat.read_text(encoding="latin-1").rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(its_group) == group and state not in "ZX":
            return True
    return False


@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM", "SIGCONT"])
def test_programs_end_with_the_process_that_started_them(tmp_path: Path, how: str) -> None:
    command = [sys.executable, "-c", STARTS, str(tmp_path), how]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    group = int(done.stdout)
    try:
        wait_until(lambda: not group_lives(group), "the program's end")
    finally:
        if group_lives(group):
            os.killpg(group, signal.SIGKILL)


def test_a_program_is_known_until_its_end_is_seen(tmp_path: Path) -> None:
    program = Program(["sleep", "600"], tmp_path / "log", tmp_path)
    assert program in Program.running
    program.stop()
    assert program not in Program.running
