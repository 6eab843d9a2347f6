"""``scriptforge serve``: the daemon."""

import argparse
from pathlib import Path

from sidecar.configuration_source import load_configuration


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``serve`` command."""
    parser = subparsers.add_parser("serve", help="decide calls until told to stop")
    parser.add_argument("--config", type=Path, metavar="FILE", help="default: /etc/scriptforge/sidecar.toml")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serves. The exit status is 0 after an ordered end, 1 where the daemon could not start."""
    from sidecar.daemon import serve  # noqa: PLC0415 - the other commands start in half the time without it

    return serve(load_configuration(arguments.config).configuration)
