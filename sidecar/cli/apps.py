"""``scriptforge apps``: the apps at a server."""

import argparse
from typing import TYPE_CHECKING, Any, Final

from sidecar.cli.remote.command import add_server_options, at_server
from sidecar.cli.remote.errors import EXIT_STATUS_TEXT, Refusal
from sidecar.cli.remote.paths import segment
from sidecar.cli.remote.shown import Columns, print_json, print_list
from sidecar.text import escaped

if TYPE_CHECKING:
    from sidecar.cli.remote.client import Client

_COLUMNS: Final[Columns] = {"ID": "id", "NAME": "name"}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``apps`` command."""
    parser = subparsers.add_parser("apps", help="list, make, name or remove apps at a server", epilog=EXIT_STATUS_TEXT)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="apps_command")
    listing = commands.add_parser("list", help="those that there are")
    make = commands.add_parser("make", help="make one, or name one that is there anew")
    make.add_argument("app", metavar="APP", help="its id")
    make.add_argument("--name", help="what people call it; default: its id")
    remove = commands.add_parser("remove", help="remove one that has no scripts and no variables")
    remove.add_argument("app", metavar="APP")
    for command, asks in ((listing, _list_apps), (make, _make), (remove, _remove)):
        add_server_options(command)
        command.set_defaults(run=at_server(asks))


def _list_apps(arguments: argparse.Namespace, client: "Client") -> int:
    print_list(client.pages("/apps"), _COLUMNS, json=arguments.json)
    return 0


def _make(arguments: argparse.Namespace, client: "Client") -> int:
    path = f"/apps/{segment(arguments.app)}"
    body = {"name": arguments.name or arguments.app}
    try:
        made: Any = client.put(path, body).value
    except Refusal as refusal:
        # It has another name. Whoever names it anew says so.
        if not refusal.changed or arguments.name is None:
            raise
        made = client.put(path, body, match="*").value
    if arguments.json:
        print_json(made)
    else:
        print(escaped(f"{made['id']}: {made['name']}"))
    return 0


def _remove(arguments: argparse.Namespace, client: "Client") -> int:
    path = f"/apps/{segment(arguments.app)}"
    client.delete(path, match=client.get(path).etag)
    if not arguments.json:
        print(escaped(f"{arguments.app}: removed"))
    return 0
