"""``scriptforge rows``: databases of rows, as scripts have them in cxUserspace; at a server, or with --database."""

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from sidecar.cli.database import add_direct_options, database_of, is_direct
from sidecar.cli.remote.command import add_server_options, client_of, told
from sidecar.cli.remote.errors import EXIT_STATUS_TEXT, Refusal, ServerError
from sidecar.cli.remote.paths import segment
from sidecar.cli.remote.shown import print_json, print_list
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.errors import SidecarError
from sidecar.hosts.rows.model import VALUE, ColumnType, RowColumn, RowDatabase
from sidecar.text import escaped, escaped_lines

if TYPE_CHECKING:
    from sidecar.cli.remote.client import Client

_OPERATOR = "operator"
_DIRECT = ("make", "list", "remove")
"""Commands that work on a database at hand too."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``rows`` command."""
    parser = subparsers.add_parser(
        "rows",
        help="make, fill, read or remove databases of rows, for cxUserspace",
        description="Asks the server that was logged in to. Where there is none, make, list and remove work on the"
        " database itself with --database.",
        epilog=EXIT_STATUS_TEXT,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="rows_command")

    def command(name: str, help_text: str, *words: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = commands.add_parser(name, help=help_text)
        for word in words:
            made.add_argument(word, metavar=word.upper())
        return made

    make = command("make", "make one: it has the columns key and value, and those named")
    make.add_argument("name", metavar="NAME", help="what scripts and SQL call it: small letters, digits, underscores")
    make.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="NAME:TYPE[:indexed]",
        help="TYPE is string, text, integer or double; several are given one by one",
    )
    listing = command("list", "those of a tenant, with their columns")
    remove = command("remove", "remove one with all its rows", "name")
    show = command("show", "rows by their keys", "name")
    show.add_argument("-n", type=int, default=100, metavar="N", dest="most", help="so many; default: 100")
    get = command("get", "one row", "name", "key")
    put = command("put", "make a row, or put it in the place of the one that is there", "name", "key")
    put.add_argument("columns", nargs="*", metavar="COLUMN=VALUE", help="those that are not given are null")
    delete = command("delete", "remove a row", "name", "key")
    import_ = command("import", "take rows in from CSV, with the columns' names in the first line", "name")
    import_.add_argument("file", metavar="FILE", help="- for standard input")
    export = command("export", "print all rows as CSV, as an import takes them", "name")
    for one in (make, listing, remove, show, get, put, delete, import_, export):
        add_server_options(one)
        one.set_defaults(run=run, usage_error=one.error)
    for one in (make, listing, remove):
        add_direct_options(one)


def run(arguments: argparse.Namespace) -> int:
    """Does what the command names. Raises SidecarError."""
    if arguments.rows_command in _DIRECT and is_direct(arguments):
        _, url = database_of(arguments)
        return asyncio.run(_run_in_database(arguments, url))
    return told(lambda: _ASKS[arguments.rows_command](arguments, client_of(arguments)))


# ---- at a server ----


def _make(arguments: argparse.Namespace, client: "Client") -> int:
    columns = [msgspec.to_builtins(column) for column in _columns(arguments.column)]
    return _print_made(client.put(_path(arguments.name), {"columns": columns}).value, arguments.json)


def _list_databases(arguments: argparse.Namespace, client: "Client") -> int:
    return _print_databases(list(client.pages("/databases")), arguments.json)


def _remove(arguments: argparse.Namespace, client: "Client") -> int:
    client.delete(_path(arguments.name))
    return _print_removed(arguments.name, arguments.json)


def _show(arguments: argparse.Namespace, client: "Client") -> int:
    names = ["key", "value", *(one["name"] for one in client.get(_path(arguments.name)).value["columns"])]
    rows = client.pages(f"{_path(arguments.name)}/rows", most=max(1, arguments.most))
    print_list(rows, {name.upper(): name for name in names}, json=arguments.json)
    return 0


def _get(arguments: argparse.Namespace, client: "Client") -> int:
    return _print_row(client.get(_row(arguments)).value, arguments.json)


def _put(arguments: argparse.Namespace, client: "Client") -> int:
    types = {"value": "text"} | {one["name"]: one["type"] for one in client.get(_path(arguments.name)).value["columns"]}
    given = dict(_given(one, types) for one in arguments.columns)
    return _print_row(client.put(_row(arguments), given).value, arguments.json)


def _given(text: str, types: dict[str, str]) -> tuple[str, object]:
    name, sign, value = text.partition("=")
    if not sign:
        raise ServerError(f"{text!r}: expected COLUMN=VALUE")
    try:
        if types.get(name) == ColumnType.INTEGER:
            return name, int(value)
        if types.get(name) == ColumnType.DOUBLE:
            return name, float(value)
    except ValueError:
        raise ServerError(f"{name}: {value!r} is no {types[name]}") from None
    return name, value


def _print_row(row: dict[str, Any], json: bool) -> int:
    if json:
        print_json(row)
    else:
        for name, value in row.items():
            print(escaped_lines(f"{name}: {'' if value is None else value}"))
    return 0


def _delete(arguments: argparse.Namespace, client: "Client") -> int:
    client.delete(_row(arguments))
    return _print_removed(arguments.key, arguments.json)


def _import(arguments: argparse.Namespace, client: "Client") -> int:
    try:
        content = sys.stdin.buffer.read() if arguments.file == "-" else Path(arguments.file).read_bytes()
    except OSError as error:
        raise ServerError(f"{arguments.file}: {error.strerror}") from error
    path = f"{_path(arguments.name)}/import"
    try:
        done = client.ask("POST", path, content=content, headers={"Content-Type": "text/csv"}).value
    except Refusal as refusal:
        for message in refusal.messages:
            print(escaped(f"{arguments.file}: {message}"), file=sys.stderr)
        if not refusal.messages:
            raise
        return refusal.exit_status
    if arguments.json:
        print_json(done)
    else:
        print(f"{done['rows']:,} rows, of them {done['made']:,} new")
    return 0


def _export(arguments: argparse.Namespace, client: "Client") -> int:
    if arguments.json:
        print_json(list(client.pages(f"{_path(arguments.name)}/rows")))
        return 0
    content = client.get(f"{_path(arguments.name)}/export").body
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    return 0


def _path(name: str) -> str:
    return f"/databases/{segment(name)}"


def _row(arguments: argparse.Namespace) -> str:
    return f"{_path(arguments.name)}/rows/{segment(arguments.key)}"


_ASKS = {
    "make": _make,
    "list": _list_databases,
    "remove": _remove,
    "show": _show,
    "get": _get,
    "put": _put,
    "delete": _delete,
    "import": _import,
    "export": _export,
}

# ---- in a database at hand ----


async def _run_in_database(arguments: argparse.Namespace, url: DatabaseUrl) -> int:
    from sidecar.hosts.rows.store import RowDatabases  # noqa: PLC0415 - other commands do without SQL

    rows = RowDatabases(url)
    tenant = arguments.tenant or _OPERATOR
    try:
        if arguments.rows_command == "make":
            made = await rows.inventory.make(tenant, arguments.name, _columns(arguments.column))
            return _print_made(_shape(made), arguments.json)
        if arguments.rows_command == "remove":
            await rows.inventory.remove(tenant, arguments.name)
            return _print_removed(arguments.name, arguments.json)
        found = await rows.inventory.databases(tenant)
        return _print_databases([_shape(found[name]) for name in sorted(found)], arguments.json)
    except ValueError as error:
        raise SidecarError(str(error)) from None
    finally:
        await rows.close()


def _shape(database: RowDatabase) -> dict[str, Any]:
    """As the API tells it."""
    columns = [msgspec.to_builtins(column) for column in database.columns if column != VALUE]
    return {"name": database.name, "columns": columns}


# ---- both ----


def _print_made(made: dict[str, Any], json: bool) -> int:
    if json:
        print_json(made)
    else:
        print(escaped(f"{made['name']}: key, {', '.join(['value', *(one['name'] for one in made['columns'])])}"))
    return 0


def _print_databases(found: list[dict[str, Any]], json: bool) -> int:
    if json:
        print_json(found)
        return 0
    for database in found:
        columns = [msgspec.to_builtins(VALUE), *database["columns"]]
        shown = (f"{one['name']}:{one['type']}{':indexed' * one['indexed']}" for one in columns)
        print(escaped(f"{database['name']}: key {' '.join(shown)}"))
    return 0


def _print_removed(name: str, json: bool) -> int:
    if not json:
        print(escaped(f"{name}: removed"))
    return 0


def _columns(texts: list[str]) -> list[RowColumn]:
    columns = []
    for text in texts:
        name, *rest = text.split(":")
        if len(rest) not in (1, 2) or rest[0] not in list(ColumnType) or rest[1:] not in ([], ["indexed"]):
            raise SidecarError(f"--column {text!r}: expected NAME:TYPE or NAME:TYPE:indexed, {'/'.join(ColumnType)}")
        columns.append(RowColumn(name=name, type=ColumnType(rest[0]), indexed=len(rest) > 1))
    return columns
