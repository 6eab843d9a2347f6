"""``scriptforge nodes``: the processes that share, asked of a server, or of the Valkey or Redis itself."""

import argparse
import asyncio
import datetime
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from sidecar.cli.remote.command import add_server_options, client_of, told
from sidecar.cli.remote.errors import EXIT_STATUS_TEXT
from sidecar.cli.remote.shown import Columns, print_list, when
from sidecar.configuration.host_sections import SharedSection
from sidecar.configuration.source import load_configuration
from sidecar.errors import ConfigurationError
from sidecar.shared.connection import Shared
from sidecar.shared.errors import SharedUnavailable
from sidecar.shared.nodes import Node, listed

if TYPE_CHECKING:
    from sidecar.cli.remote.client import Client

_COLUMNS: Final[Columns] = {
    "NAME": "name",
    "ROLE": "role",
    "PID": "pid",
    "VERSION": "version",
    "CATALOG": lambda one: one["catalog"][:12],
    "RUNS": "runs",
    "CALLS": "calls",
    "RUNS/S": "runs_a_second",
    "SINCE": lambda one: when(one["since"]),
    "SEEN": lambda one: f"{one['seen_seconds']:.0f} s ago",
}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``nodes`` command."""
    parser = subparsers.add_parser(
        "nodes",
        help="list the daemons and platforms that share a Valkey or Redis",
        description="Each with the version of its program and of its scripts, and what it does now. One that has died"
        " is gone after ten seconds. For the operator.",
        epilog=EXIT_STATUS_TEXT,
    )
    add_server_options(parser, tenant=False)
    parser.add_argument(
        "--shared",
        action="store_true",
        help="ask no server but the Valkey or Redis itself, shared.url of the configuration; --config says so too",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="default: /etc/scriptforge/sidecar.toml")
    parser.set_defaults(run=run, usage_error=parser.error)


def run(arguments: argparse.Namespace) -> int:
    """Prints those that are there."""
    if arguments.shared or arguments.config is not None:
        if arguments.server is not None:
            arguments.usage_error("--server asks a server; --shared and --config the Valkey or Redis itself")
        found = asyncio.run(_listed(load_configuration(arguments.config).configuration.shared))
        print_list([_told(node) for node in found], _COLUMNS, json=arguments.json)
        return 0
    return told(lambda: _at_server(arguments, client_of(arguments)))


def _at_server(arguments: argparse.Namespace, client: "Client") -> int:
    print_list(client.get("/nodes").value, _COLUMNS, json=arguments.json)
    return 0


def _told(node: Node) -> dict[str, Any]:
    since = datetime.datetime.fromtimestamp(node.since / 1e6, datetime.UTC)
    told: dict[str, Any] = {**msgspec.structs.asdict(node), "since": since.isoformat().replace("+00:00", "Z")}
    del told["id"]
    return told


async def _listed(section: SharedSection) -> Sequence[Node]:
    """Raises ConfigurationError where nothing is shared, and SharedError."""
    if section.url is None:
        raise ConfigurationError("nothing is shared: set shared.url")
    # What has happened to the connection is told by the command, and by no line of a log.
    logging.getLogger("sidecar.shared").addHandler(logging.NullHandler())
    shared = Shared(section.url, section.prefix)
    try:
        return await listed(shared)
    except SharedUnavailable as error:
        raise SharedUnavailable(f"{section.url}: {error}") from error
    finally:
        await shared.close()
