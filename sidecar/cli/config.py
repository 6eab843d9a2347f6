"""``scriptforge config``: what is in effect, what each key means, and where its value came from."""

import argparse
import sys
from pathlib import Path

from sidecar.catalog.directory.reference import reference
from sidecar.configuration.source import load_configuration
from sidecar.configuration.text import effective_configuration, shipped_configuration
from sidecar.errors import ConfigurationError
from sidecar.problem import Severity
from sidecar.switches.this_machine import unusable
from sidecar.text import escaped_lines


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``config`` command."""
    parser = subparsers.add_parser("config", help="print the configuration in effect, each key explained")
    parser.add_argument("--config", type=Path, metavar="FILE", help="default: /etc/scriptforge/sidecar.toml")
    parser.add_argument("--defaults", action="store_true", help="print the configuration file as shipped")
    parser.add_argument(
        "--assignments", action="store_true", help="print every table and key of assignments.toml instead, as Markdown"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints it, and what of it cannot be used here. Exit status 1 where the configuration cannot be used."""
    if arguments.assignments:
        print(reference(), end="")
        return 0
    if arguments.defaults:
        print(shipped_configuration(), end="")
        return 0
    try:
        loaded = load_configuration(arguments.config)
    except ConfigurationError as error:
        print(escaped_lines(str(error)), file=sys.stderr)
        return 1
    print(effective_configuration(loaded), end="")
    problems = unusable(loaded)
    for problem in problems:
        print(escaped_lines(str(problem)), file=sys.stderr)
    return 1 if any(problem.severity is Severity.ERROR for problem in problems) else 0
