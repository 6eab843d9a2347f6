"""``scriptforge export``: the catalog of a database as a directory."""

import argparse
import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from sidecar.cli.database import add_database_options, database_of
from sidecar.cli.exchange import add_exchange_options, agreed, differences_text
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.configuration.tree import Configuration
from sidecar.text import escaped

if TYPE_CHECKING:
    from sidecar.catalog.exchange.content import Content


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``export`` command."""
    parser = subparsers.add_parser(
        "export",
        help="write the catalog of the database of catalog.url to a directory",
        description="Says what it would change, and does it once it is told to. Without --secrets protected variables"
        " are written without their values, and locked ones not at all.",
    )
    parser.add_argument("directory", type=Path, metavar="DIR")
    parser.add_argument("--secrets", action="store_true", help="with the values of protected and locked variables")
    add_exchange_options(parser)
    add_database_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Exports. Exit status 1 where something is to be changed and it was not told to."""
    configuration, url = database_of(arguments)
    return asyncio.run(_export(arguments, configuration, url))


async def _export(arguments: argparse.Namespace, configuration: Configuration, url: DatabaseUrl) -> int:
    from sidecar.catalog.database.work import Store  # noqa: PLC0415 - other commands do without SQL
    from sidecar.catalog.exchange.content import differences  # noqa: PLC0415
    from sidecar.catalog.exchange.database import read_database  # noqa: PLC0415
    from sidecar.catalog.exchange.directory import (  # noqa: PLC0415
        directory_files,
        placed,
        write_directory,
    )
    from sidecar.storage.engine import Storage  # noqa: PLC0415

    directory: Path = arguments.directory
    store = Store(Storage(url))
    try:
        async with store.reading() as scope:
            wanted = placed(await read_database(scope.connection, secrets=arguments.secrets))
    finally:
        await store.close()
    now = _there(directory, configuration)
    found = list(differences(now, wanted))
    files = directory_files(wanted)
    if not found and all((directory / name).exists() for name in files):
        print(f"{escaped(str(directory))}: is as the database is")
        return 0
    print(differences_text(found, every=arguments.verbose), end="")
    if not agreed(arguments, f"Write {len(files)} files to {escaped(str(directory))}?"):
        return 1
    write_directory(directory, wanted, replaced=directory_files(now))
    print(f"{escaped(str(directory))}: {len(files)} files are written")
    return 0


def _there(directory: Path, configuration: Configuration) -> "Content":
    """What the directory has; a new one has nothing. Raises CatalogRefusal for one with something wrong in it, which is
    not written over."""
    import msgspec  # noqa: PLC0415 - as the others

    from sidecar.catalog.exchange.content import Content  # noqa: PLC0415
    from sidecar.catalog.exchange.directory import read_directory  # noqa: PLC0415
    from sidecar.cli.exchange import rules_of  # noqa: PLC0415

    if not directory.exists() or not any(directory.iterdir()):
        return Content(tenants=frozenset(), apps={}, variables={}, customers={}, scripts={}, assignments={})
    catalog = msgspec.structs.replace(configuration.catalog, directory=directory)
    return read_directory(catalog, rules_of(configuration))
