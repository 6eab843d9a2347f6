"""The database that a command is for, and whoever asks for it."""

import argparse
import getpass
import os
from pathlib import Path
from typing import TYPE_CHECKING

from sidecar.configuration.database_url import DatabaseUrl, InvalidDatabaseUrl
from sidecar.configuration.source import load_configuration
from sidecar.configuration.tree import Configuration
from sidecar.errors import ConfigurationError
from sidecar.switches.this_machine import missing_for_databases, require_usable

if TYPE_CHECKING:
    from sidecar.catalog.database.work import Actor


def add_database_options(parser: argparse.ArgumentParser) -> None:
    """The options of every command that asks a database."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="default: /etc/scriptforge/sidecar.toml")
    parser.add_argument(
        "--url",
        help="the database, in place of catalog.url; a password in it is seen by whoever lists processes",
    )


def add_direct_options(parser: argparse.ArgumentParser) -> None:
    """The options of a command that asks a server, and with one of these the database itself."""
    parser.add_argument(
        "--database",
        action="store_true",
        help="ask no server but the database itself, that of the configuration; --config and --url say so too",
    )
    add_database_options(parser)


def is_direct(arguments: argparse.Namespace) -> bool:
    """Whether it is to be the database itself. Exits where a server is named as well."""
    direct = arguments.database or arguments.config is not None or arguments.url is not None
    if direct and arguments.server is not None:
        arguments.usage_error("--server asks a server; --database, --config and --url the database itself")
    return bool(direct)


def database_of(arguments: argparse.Namespace) -> tuple[Configuration, DatabaseUrl]:
    """The configuration, and the database that it or the command names. Raises ConfigurationError."""
    loaded = load_configuration(arguments.config)
    url = loaded.configuration.catalog.url or loaded.configuration.storage.url
    if arguments.url is not None:
        try:
            url = DatabaseUrl.parse(arguments.url)
        except InvalidDatabaseUrl as error:
            raise ConfigurationError(f"--url: {error}") from None
        missing = missing_for_databases()
        if missing:
            raise ConfigurationError(missing)
    else:
        require_usable(loaded)
    if url is None:
        raise ConfigurationError("there is no database: set catalog.url or storage.url, or name one by --url")
    return loaded.configuration, url


def actor() -> "Actor":
    """Whoever has the database's address may do everything; the audit has their name."""
    from sidecar.catalog.database.work import Actor  # noqa: PLC0415 - other commands do without SQL

    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        name = f"user {os.getuid()}"
    return Actor(name, "command line", operator=True)
