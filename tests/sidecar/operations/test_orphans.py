"""Where the daemon is process 1 it waits for what others left behind, and takes no child from whoever started it."""

import subprocess
import sys
from pathlib import Path

import pytest

SUBREAPER = """
import ctypes, subprocess, sys, time
from sidecar.operations.orphans import Orphans, _ended_children
assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER: orphans come to us, as to process 1
ours = subprocess.Popen(["true"])
subprocess.run(["sh", "-c", "true & true & exit 0"], check=True)
until = time.monotonic() + 10
while len(set(_ended_children())) < 3:
    assert time.monotonic() < until
    time.sleep(0.01)
orphans = Orphans(wanted=True)
assert orphans.look() == 0, "whoever started it has some time"
assert ours.wait() == 0
assert orphans.look() == 2
assert set(_ended_children()) == set()
assert orphans.look() == 0
"""


@pytest.mark.skipif(sys.platform != "linux", reason="orphans come to a subreaper on Linux alone")
def test_what_others_left_behind_is_waited_for() -> None:
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", SUBREAPER], check=True, timeout=60, cwd=root)
