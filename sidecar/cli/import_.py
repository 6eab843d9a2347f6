"""``scriptforge import``: a catalog directory into a database."""

import argparse
import asyncio
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from sidecar.cli.database import actor, add_database_options, database_of
from sidecar.cli.exchange import add_exchange_options, agreed, differences_text, rules_of
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.configuration.tree import Configuration
from sidecar.runs.compilation import engine
from sidecar.text import escaped

if TYPE_CHECKING:
    from sidecar.catalog.exchange.content import Content


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``import`` command."""
    parser = subparsers.add_parser(
        "import",
        help="bring a catalog directory into the database of catalog.url",
        description="Says what it would change, and does it once it is told to: all of it, or nothing where something"
        " is refused. What the database has and the directory has not stays, unless --delete says otherwise.",
    )
    parser.add_argument("directory", type=Path, metavar="DIR", help="with assignments.toml and scripts/")
    parser.add_argument("--delete", action="store_true", help="remove what the directory has not")
    parser.add_argument("--note", default="", help="kept with each version that is saved; default: the directory")
    add_exchange_options(parser)
    add_database_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Imports. Exit status 1 where something is to be changed and it was not told to."""
    configuration, url = database_of(arguments)
    from sidecar.catalog.exchange.directory import read_directory  # noqa: PLC0415 - other commands do without SQL

    catalog = msgspec.structs.replace(configuration.catalog, directory=arguments.directory)
    with engine(configuration, _not_compiled) as confirm:
        wanted = read_directory(catalog, rules_of(configuration), lambda: contextlib.nullcontext(confirm))
    return asyncio.run(_import(arguments, configuration, url, wanted))


async def _import(
    arguments: argparse.Namespace, configuration: Configuration, url: DatabaseUrl, wanted: "Content"
) -> int:
    from sidecar.catalog.database.checks import Checks  # noqa: PLC0415 - other commands do without SQL
    from sidecar.catalog.database.work import Store  # noqa: PLC0415
    from sidecar.catalog.exchange.content import differences, unvalued  # noqa: PLC0415
    from sidecar.catalog.exchange.database import Import, read_database  # noqa: PLC0415
    from sidecar.storage.engine import Storage  # noqa: PLC0415

    directory: Path = arguments.directory
    store = Store(Storage(url))
    try:
        async with store.reading() as scope:
            now = await read_database(scope.connection, secrets=True)
        missing = unvalued(now, wanted)
        found = [one for one in differences(now, wanted) if one.what != "variable" or one.key not in missing]
        if not arguments.delete:
            kept = sum(one.sign == "-" for one in found)
            found = [one for one in found if one.sign != "-"]
            if kept:
                print(f"{kept} entries of the database are not in {escaped(str(directory))} and stay (--delete)")
        for app, name in missing:
            flag = " --protected" if wanted.variables[app, name].protected else ""
            set_it = f"scriptforge env set {app} {name}{flag}"
            print(escaped(f"variable {app} {name} has no value there or here, and is not made: `{set_it}` makes it"))
        if not found:
            print(f"{url}: has all of {escaped(str(directory))}")
            return 0
        print(differences_text(found, every=arguments.verbose), end="")
        work = Import(wanted, Checks(rules_of(configuration), configuration.catalog.script_bytes))
        await work.check(found, store)
        if not agreed(arguments, f"Make {len(found)} changes in {url}?"):
            return 1
        async with store.changing(actor()) as change:
            if list(differences(await read_database(change.connection, secrets=True), now)):
                print("scriptforge import: the database was changed meanwhile: look at it again", file=sys.stderr)
                return 1
            await work.run(change, found, note=arguments.note or f"import of {directory}")
        print(f"{url}: {len(found)} changes are made")
        return 0
    finally:
        await store.close()


def _not_compiled(why: str) -> None:
    print(f"scriptforge import: the engine could not be asked about the scripts: {escaped(why)}", file=sys.stderr)
