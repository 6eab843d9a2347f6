"""``scriptforge rows``: databases of rows, as scripts have them in cxUserspace."""

import argparse
import asyncio

from sidecar.cli.database import add_database_options, database_of
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.errors import SidecarError
from sidecar.hosts.rows.model import ColumnType, RowColumn


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``rows`` command."""
    parser = subparsers.add_parser("rows", help="make, list or remove databases of rows, for cxUserspace")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="rows_command")
    make = commands.add_parser("make", help="make one: it has the columns key and value, and those named")
    make.add_argument("name", help="what scripts and SQL call it: small letters, digits and underscores")
    make.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="NAME:TYPE[:indexed]",
        help="TYPE is string, text, integer or double; several are given one by one",
    )
    listing = commands.add_parser("list", help="those of a tenant, with their columns")
    remove = commands.add_parser("remove", help="remove one with all its rows")
    remove.add_argument("name")
    for command in (make, listing, remove):
        command.add_argument("--tenant", default="operator", help="whose it is; default: operator")
        add_database_options(command)
        command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Does what the command names. Raises SidecarError."""
    _, url = database_of(arguments)
    return asyncio.run(_run(arguments, url))


async def _run(arguments: argparse.Namespace, url: DatabaseUrl) -> int:
    from sidecar.hosts.rows.store import RowDatabases  # noqa: PLC0415 - other commands do without SQL

    rows = RowDatabases(url)
    try:
        if arguments.rows_command == "make":
            made = await rows.make(arguments.tenant, arguments.name, _columns(arguments.column))
            print(f"{made.name}: key, {', '.join(column.name for column in made.columns)}")
        elif arguments.rows_command == "remove":
            await rows.remove(arguments.tenant, arguments.name)
            print(f"{arguments.name}: removed")
        else:
            for name, database in sorted((await rows.databases(arguments.tenant)).items()):
                columns = (f"{one.name}:{one.type}{':indexed' * one.indexed}" for one in database.columns)
                print(f"{name}: key {' '.join(columns)}")
    except ValueError as error:
        raise SidecarError(str(error)) from None
    finally:
        await rows.close()
    return 0


def _columns(texts: list[str]) -> list[RowColumn]:
    columns = []
    for text in texts:
        name, *rest = text.split(":")
        if len(rest) not in (1, 2) or rest[0] not in list(ColumnType) or rest[1:] not in ([], ["indexed"]):
            raise SidecarError(f"--column {text!r}: expected NAME:TYPE or NAME:TYPE:indexed, {'/'.join(ColumnType)}")
        columns.append(RowColumn(name=name, type=ColumnType(rest[0]), indexed=len(rest) > 1))
    return columns
