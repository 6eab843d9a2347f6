"""``scriptforge calls``: the records of calls that scripts drove."""

import argparse
import datetime
import itertools
from pathlib import Path

from sidecar.cli.call_timeline import timeline
from sidecar.configuration.source import load_configuration
from sidecar.errors import ConfigurationError
from sidecar.operations.call_record import CallRecord
from sidecar.operations.call_search import CallSearch, find, newest
from sidecar.text import escaped, safe_json


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``calls`` command."""
    parser = subparsers.add_parser("calls", help="what became of the calls that scripts drove or placed")
    parser.add_argument("--config", type=Path, metavar="FILE", help="default: /etc/scriptforge/sidecar.toml")
    parser.add_argument("--directory", type=Path, help="where the records are; default: as configured")
    below = parser.add_subparsers(required=True, metavar="list|show")
    listing = below.add_parser("list", help="the newest calls, a line each")
    listing.add_argument("--most", type=int, default=20, metavar="N", help="default: 20")
    listing.add_argument(
        "--number",
        metavar="DIGITS",
        help="only calls from, to or bridged to a number with these digits in it, however they are set apart",
    )
    listing.set_defaults(run=run_list)
    showing = below.add_parser("show", help="one call as a timeline")
    showing.add_argument("id", metavar="ID", help="the call's id, or its beginning")
    showing.add_argument("--json", action="store_true", help="the record itself")
    showing.set_defaults(run=run_show)


def run_list(arguments: argparse.Namespace) -> int:
    """Prints a line for each call."""
    wanted = CallSearch(number=arguments.number)
    found = (record for record in newest(_directory(arguments)) if wanted.wants(record))
    for record in itertools.islice(found, max(0, arguments.most)):
        print(escaped(_line(record)))
    return 0


def run_show(arguments: argparse.Namespace) -> int:
    """Prints one call. Raises NoSuchCall."""
    record = find(_directory(arguments), arguments.id)
    print(safe_json(record).decode() if arguments.json else timeline(record), end="")
    return 0


def _directory(arguments: argparse.Namespace) -> Path:
    if arguments.directory is not None:
        return Path(arguments.directory)
    configured = load_configuration(arguments.config).configuration.voice.records
    if configured is None:
        raise ConfigurationError("voice.records is empty: no call records are kept")
    return configured


def _line(record: CallRecord) -> str:
    arrived = datetime.datetime.fromtimestamp(record.arrived, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S")
    talked = f"{record.ended - record.answered:.0f} s" if record.answered is not None else "not answered"
    return f"{arrived}  {record.id}  {record.cli} -> {record.dest_number}  {record.script}  {talked}  {record.outcome}"
