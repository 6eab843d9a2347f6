"""``scriptforge usage``: what a tenant's scripts have used, by app."""

import argparse
import datetime
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from sidecar.cli.instant import instant
from sidecar.cli.remote.command import add_server_options, at_server
from sidecar.cli.remote.errors import EXIT_STATUS_TEXT
from sidecar.cli.remote.shown import Columns, print_list, when

if TYPE_CHECKING:
    from sidecar.cli.remote.client import Client

_COUNTS = ("runs", "cpu_us", "host_calls", "bytes")
_COLUMNS: Final[Columns] = {
    "APP": "app",
    "RUNS": "runs",
    "CPU S": lambda one: f"{one['cpu_us'] / 1e6:.3f}",
    "HOST CALLS": "host_calls",
    "BYTES": "bytes",
}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``usage`` command."""
    parser = subparsers.add_parser(
        "usage",
        help="what a tenant's scripts have used at a server, by app",
        description="Runs, processor time, questions to the host and their bytes, of at most 31 days.",
        epilog=EXIT_STATUS_TEXT,
    )
    parser.add_argument("--since", type=instant, metavar="TIME", help="default: an hour before --until")
    parser.add_argument("--until", type=instant, metavar="TIME", help="default: now")
    parser.add_argument("--minutes", action="store_true", help="minute by minute")
    add_server_options(parser)
    parser.set_defaults(run=at_server(_usage))


def _usage(arguments: argparse.Namespace, client: "Client") -> int:
    found = client.get("/usage", since=_text(arguments.since), until=_text(arguments.until)).value
    if arguments.minutes:
        print_list(found, {"MINUTE": lambda one: when(one["minute"])[:-3], **_COLUMNS}, json=arguments.json)
    else:
        print_list(_by_app(found), _COLUMNS, json=arguments.json)
    return 0


def _by_app(minutes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    sums: dict[str, Counter[str]] = {}
    for one in minutes:
        sums.setdefault(one["app"], Counter()).update({name: one[name] for name in _COUNTS})
    return [{"app": app, **{name: count[name] for name in _COUNTS}} for app, count in sorted(sums.items())]


def _text(moment: datetime.datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None
