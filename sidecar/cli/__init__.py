"""The command ``scriptforge``: one file per command, each with ``add_parser`` and ``run``."""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

from sandbox.errors import SandboxError
from sidecar.cli import bench, call, calls, check, config, route, run, serve, types
from sidecar.errors import SidecarError
from sipio.errors import SipioError

COMMANDS = (run, check, serve, route, call, calls, types, config, bench)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the process's exit status."""
    parser = argparse.ArgumentParser(
        prog="scriptforge", description="Runs a carrier's customers' JavaScript on every call, beside the switch."
    )
    parser.add_argument("--version", action="version", version=f"scriptforge {version('scriptforge-sidecar')}")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(subparsers)
    given = parser.parse_args(arguments)
    try:
        return int(given.run(given))
    except (SidecarError, SandboxError, SipioError) as error:
        print(f"scriptforge: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output has what it wanted, as ``head`` does.
        sys.stderr.close()
        return 141
