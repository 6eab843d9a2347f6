"""A plugin of pytest for .ci/sanitize: workers that tests start are sanitized too, and have longer to begin."""

import os
import sys
from pathlib import Path

import sandbox.parent

# Starts what is sanitized. Of all else that a test starts, such as compilers, the leaks are no concern of ours.
sys.executable = str(Path("python").resolve())
os.environ.pop("LD_PRELOAD")
os.environ.pop("ASAN_OPTIONS")

sandbox.parent.START_SECONDS = 60.0  # type: ignore[misc]
sandbox.parent.FORK_SECONDS = 60.0  # type: ignore[misc]
