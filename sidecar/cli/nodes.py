"""``scriptforge nodes``: the processes that belong together, asked of a server, or of what keeps their list."""

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
from sidecar.configuration.source import load_configuration
from sidecar.configuration.tree import Configuration
from sidecar.errors import ConfigurationError
from sidecar.nodes import in_shared
from sidecar.nodes.node import Node
from sidecar.shared.connection import Shared
from sidecar.shared.errors import SharedUnavailable

if TYPE_CHECKING:
    from sidecar.cli.remote.client import Client

_COLUMNS: Final[Columns] = {
    "NAME": "name",
    "ROLE": "role",
    "PID": "pid",
    "VERSION": "version",
    "CATALOG": lambda one: one["catalog"][:12] if one["revision"] is None else one["revision"],
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
        help="list the daemons and platforms that share a Valkey or Redis, or a database",
        description="Each with the version of its program and of its catalog, and what it does now. CATALOG is the last"
        " change of the database that it runs by, the same in all once they have taken it over. One that has died is"
        " gone after twenty seconds. For the operator.",
        epilog=EXIT_STATUS_TEXT,
    )
    add_server_options(parser, tenant=False)
    parser.add_argument(
        "--shared",
        action="store_true",
        help="ask no server but what keeps the list, shared.url or catalog.url of the configuration; --config says so"
        " too",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="default: /etc/scriptforge/sidecar.toml")
    parser.set_defaults(run=run, usage_error=parser.error)


def run(arguments: argparse.Namespace) -> int:
    """Prints those that are there."""
    if arguments.shared or arguments.config is not None:
        if arguments.server is not None:
            arguments.usage_error("--server asks a server; --shared and --config what keeps the list")
        found = asyncio.run(_listed(load_configuration(arguments.config).configuration))
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


async def _listed(configuration: Configuration) -> Sequence[Node]:
    """Raises ConfigurationError where there is nothing to be listed in, SharedError, and StorageError."""
    section, url = configuration.shared, configuration.catalog.url
    if section.url is None:
        if url is None:
            raise ConfigurationError("nothing is shared: set shared.url, or catalog.url")
        # Of packages that a daemon on its own does without.
        from sidecar.nodes import in_database  # noqa: PLC0415
        from sidecar.storage.engine import Storage  # noqa: PLC0415

        storage = Storage(url)
        try:
            return await in_database.listed(storage)
        finally:
            await storage.close()
    # What has happened to the connection is told by the command, and by no line of a log.
    logging.getLogger("sidecar.shared").addHandler(logging.NullHandler())
    shared = Shared(section.url, section.prefix)
    try:
        return await in_shared.listed(shared)
    except SharedUnavailable as error:
        raise SharedUnavailable(f"{section.url}: {error}") from error
    finally:
        await shared.close()
