"""What ``export`` and ``import`` have in common: they say what they would change before they do it."""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from sidecar.configuration.tree import Configuration
from sidecar.hosts.grants import installed_modules, shipped_names
from sidecar.text import escaped

if TYPE_CHECKING:
    from sidecar.catalog.compile import Rules
    from sidecar.catalog.exchange.content import Difference

SHOWN: Final = 50
"""Differences of one sort; --verbose shows all."""


def add_exchange_options(parser: argparse.ArgumentParser) -> None:
    """The options of both."""
    parser.add_argument("--yes", action="store_true", help="do it without being asked")
    parser.add_argument("--verbose", action="store_true", help="show every difference")


def rules_of(configuration: Configuration) -> "Rules":
    """What a catalog is compiled by here."""
    from sidecar.catalog.compile import Rules  # noqa: PLC0415 - as its user

    return Rules(configuration.decisions, shipped_names(configuration), installed=installed_modules(configuration))


def differences_text(found: Sequence["Difference"], *, every: bool) -> str:
    """The differences, a line each; of many of one sort the first."""
    lines, counts = [], Counter[str]()
    for one in found:
        counts[f"{one.sign} {one.what}"] += 1
        if every or counts[f"{one.sign} {one.what}"] <= SHOWN:
            lines.append(escaped(str(one)))
    for sort, number in counts.items():
        if not every and number > SHOWN:
            lines.append(f"{sort}: {number - SHOWN:,} more, which --verbose shows")
    return "".join(f"{line}\n" for line in lines)


def agreed(arguments: argparse.Namespace, question: str) -> bool:
    """Whether it is to be done: asked for on a terminal, and said by --yes elsewhere."""
    if arguments.yes:
        return True
    if not sys.stdin.isatty():
        print("nothing is changed: --yes does it", file=sys.stderr)
        return False
    try:
        answer = input(f"{question} [y/N] ")
    except EOFError:
        answer = ""
    if answer.strip().lower() in ("y", "yes"):
        return True
    print("nothing is changed", file=sys.stderr)
    return False
