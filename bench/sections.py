"""The command line of a bench that has goals: which sections, how long, and the table of what was found."""

import argparse
import contextlib
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from bench.goals import Found, machine_load, table
from bench.precedence import first
from sidecar.bench import report

Section = Callable[[float], list[Found]]
"""Given the seconds of each case."""


def run(description: str | None, sections: Mapping[str, Section]) -> None:
    """Measure the sections that are asked for and print what was found."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(sections))
    parser.add_argument("--seconds", type=float, default=4.0, help="of each case (default: 4)")
    parser.add_argument("--first", action="store_true", help="before whatever else this machine does")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there as well")
    options = parser.parse_args()
    unknown = set(options.sections) - set(sections)
    if unknown:
        parser.error(f"there is no section {', '.join(sorted(unknown))}")
    # As Ctrl-C: the processes that are measured and their files go with it.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    rows: list[Found] = []
    with first() if options.first else contextlib.nullcontext():
        for name in options.sections or sections:
            print(f"-- {name}, load {machine_load():.1f}", flush=True)
            rows += sections[name](options.seconds)
    print(f"\n{report.machine()}\n\n{table(rows)}")
    if options.json is not None:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=2) + b"\n")
