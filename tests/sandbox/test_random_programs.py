"""What random programs say in one worker, their turns interleaved and hostile ones in between, each says alone too."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

SECONDS: Final = 20
"""Some 1,500 programs on two cores that are free. More by hand: see random_runs."""


@pytest.mark.timeout(20 * SECONDS)
def test_each_of_many_programs_in_one_worker_says_what_it_says_in_a_process_of_its_own() -> None:
    command = [sys.executable, "-m", "tests.sandbox.random_runs", "--seconds", str(SECONDS)]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)
    print(ended.stdout)  # noqa: T201 - says how many, and from which on
    assert (ended.returncode, ended.stderr) == (0, "")
    assert not ended.stdout.startswith("0 programs")
