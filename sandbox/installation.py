"""Whether this installation can run scripts at all."""

import sys
from importlib.util import find_spec

from sandbox.errors import EngineMissing


def require_engine() -> None:
    """Raises EngineMissing where the package is installed without the extension that runs scripts."""
    if find_spec("sandbox._engine") is not None:
        return
    if sys.platform == "linux":
        raise EngineMissing(
            "no script can be run: the extension sandbox._engine has not been built; install the package again"
            " (in a checkout: make demo), on x86-64 or aarch64"
        )
    raise EngineMissing("scripts run on Linux only, on x86-64 and aarch64")
