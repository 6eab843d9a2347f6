"""``scriptforge`` with the modules of host_modules/ beside its own: ``python FILE scriptforge ARGUMENTS``."""

import sys
from pathlib import Path

from sidecar import cli
from sidecar.hosts import modules

FOLDER = Path(__file__).with_name("host_modules")
LAUNCHER = (sys.executable, __file__)
"""Goes before the command."""

if __name__ == "__main__":
    modules.__path__.append(str(FOLDER))
    sys.exit(cli.main(sys.argv[2:]))
