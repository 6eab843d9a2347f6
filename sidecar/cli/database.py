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
