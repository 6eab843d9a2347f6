"""``scriptforge serve``: the daemon."""

import argparse
import os
from pathlib import Path

from sidecar.configuration.source import load_configuration


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``serve`` command."""
    parser = subparsers.add_parser("serve", help="decide calls until told to stop")
    parser.add_argument("--config", type=Path, metavar="FILE", help="default: /etc/scriptforge/sidecar.toml")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serves. The exit status is 0 after an ordered end, 1 where the daemon could not start."""
    open_standard_descriptors()
    from sidecar.daemon import serve  # noqa: PLC0415 - the other commands start in half the time without it

    return serve(load_configuration(arguments.config).configuration)


def open_standard_descriptors() -> None:
    """Put /dev/null where standard input, output or error is closed.

    The event loop's own descriptor would else be number 2, and the log lines written to it would end the process.
    """
    while (opened := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(opened, True)
    os.close(opened)
