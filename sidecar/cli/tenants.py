"""``scriptforge tenants``: the operator's tenants at a server, or made in the database itself."""

import argparse
import asyncio
from typing import TYPE_CHECKING, Final

from sidecar.cli.database import actor, add_direct_options, database_of, is_direct
from sidecar.cli.remote.command import add_server_options, client_of, told
from sidecar.cli.remote.errors import EXIT_STATUS_TEXT
from sidecar.cli.remote.paths import segment
from sidecar.cli.remote.shown import Columns, print_json, print_list, when
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.text import escaped

if TYPE_CHECKING:
    from sidecar.cli.remote.client import Client

_COLUMNS: Final[Columns] = {"NAME": "name", "MADE": lambda one: when(one["created"])}
_CREATED: Final = 201


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``tenants`` command."""
    parser = subparsers.add_parser(
        "tenants",
        help="list, make or show tenants, for the operator",
        description="A tenant is whose scripts, apps and tokens these are. `tokens create NAME --tenant TENANT` makes"
        " it a token of its own, `limits TENANT` says what it may use.",
        epilog=EXIT_STATUS_TEXT,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="tenants_command")
    listing = commands.add_parser("list", help="those that there are")
    make = commands.add_parser("make", help="make one; one that is there stays as it is")
    show = commands.add_parser("show", help="one of them")
    for command in (make, show):
        command.add_argument("name", metavar="TENANT", help="its name")
    for command in (listing, make, show):
        # Of these commands the tenant is what is named, and no other one is asked for.
        add_server_options(command, tenant=False)
        command.set_defaults(run=run, usage_error=command.error)
    add_direct_options(make)


def run(arguments: argparse.Namespace) -> int:
    """Does what the command names."""
    if arguments.tenants_command == "make" and is_direct(arguments):
        _, url = database_of(arguments)
        _tell_made(arguments, is_new=asyncio.run(_make_in_database(arguments.name, url)))
        return 0
    asks = {"list": _list_tenants, "make": _make, "show": _show}[arguments.tenants_command]
    return told(lambda: asks(arguments, client_of(arguments)))


def _list_tenants(arguments: argparse.Namespace, client: "Client") -> int:
    print_list(client.pages("/tenants"), _COLUMNS, json=arguments.json)
    return 0


def _make(arguments: argparse.Namespace, client: "Client") -> int:
    answer = client.put(f"/tenants/{segment(arguments.name)}", None)
    _tell_made(arguments, is_new=answer.status == _CREATED)
    return 0


def _show(arguments: argparse.Namespace, client: "Client") -> int:
    tenant = client.get(f"/tenants/{segment(arguments.name)}").value
    if arguments.json:
        print_json(tenant)
    else:
        print(escaped(f"{tenant['name']}: made {when(tenant['created'])}"))
    return 0


def _tell_made(arguments: argparse.Namespace, *, is_new: bool) -> None:
    if arguments.json:
        print_json({"name": arguments.name, "made": is_new})
    else:
        print(escaped(f"{arguments.name}: {'made' if is_new else 'is there already'}"))


async def _make_in_database(name: str, url: DatabaseUrl) -> bool:
    from sidecar.catalog.database.tenants import make_tenant  # noqa: PLC0415 - other commands do without SQL
    from sidecar.catalog.database.work import Store  # noqa: PLC0415
    from sidecar.storage.engine import Storage  # noqa: PLC0415

    store = Store(Storage(url))
    try:
        async with store.changing(actor()) as change:
            await make_tenant(change, name)
            return change.has_steps
    finally:
        await store.close()
