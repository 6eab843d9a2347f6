"""``scriptforge env``: the variables of an app at a server, which its scripts have in ``process.env``."""

import argparse
import getpass
import sys
from typing import TYPE_CHECKING, Any, Final

from sidecar.cli.remote.command import add_server_options, at_server
from sidecar.cli.remote.errors import EXIT_STATUS_TEXT, Refusal, ServerError
from sidecar.cli.remote.paths import segment
from sidecar.cli.remote.shown import Columns, print_json, print_list
from sidecar.text import escaped

if TYPE_CHECKING:
    from sidecar.cli.remote.client import Client

FLAGS: Final = {
    "protected": "nobody reads it back; scripts have it",
    "private": "scripts alone get it, and no page or template",
    "locked": "an export leaves it out, an import leaves it alone",
    "default": "an import sets it only where there is none",
}
_COLUMNS: Final[Columns] = {
    "NAME": "name",
    "VALUE": "value",
    "FLAGS": lambda one: [flag for flag in FLAGS if one[flag]],
}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``env`` command."""
    parser = subparsers.add_parser(
        "env", help="list, set or remove the variables of an app at a server", epilog=EXIT_STATUS_TEXT
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="env_command")
    listing = commands.add_parser("list", help="an app's; of a protected one the value is not told")
    listing.add_argument("app", metavar="APP")
    make = commands.add_parser(
        "set",
        help="set some",
        description="Of one that is there the flags stay that are not named. Without =VALUE it is asked for, or read as"
        " a line from standard input, so that no secret is in the shell's history.",
    )
    make.add_argument("app", metavar="APP")
    make.add_argument("variables", nargs="+", metavar="NAME[=VALUE]")
    for flag, words in FLAGS.items():
        make.add_argument(f"--{flag}", action=argparse.BooleanOptionalAction, help=words)
    remove = commands.add_parser("remove", help="remove some")
    remove.add_argument("app", metavar="APP")
    remove.add_argument("names", nargs="+", metavar="NAME")
    for command, asks in ((listing, _list_variables), (make, _set), (remove, _remove)):
        add_server_options(command)
        command.set_defaults(run=at_server(asks))


def _list_variables(arguments: argparse.Namespace, client: "Client") -> int:
    found = client.get(f"/apps/{segment(arguments.app)}/variables").value["items"]
    print_list(found, _COLUMNS, json=arguments.json)
    return 0


def _set(arguments: argparse.Namespace, client: "Client") -> int:
    given = [_value(one) for one in arguments.variables]
    made = []
    for name, value in given:
        path = _path(arguments.app, name)
        flags, match = dict.fromkeys(FLAGS, False), ""
        try:
            answer = client.get(path)
        except Refusal as refusal:
            if refusal.status != 404:
                raise
        else:
            flags, match = {flag: answer.value[flag] for flag in FLAGS}, answer.etag
        flags |= {flag: said for flag in FLAGS if (said := getattr(arguments, flag)) is not None}
        made.append(client.put(path, {"value": value, **flags}, match=match, new=not match).value)
    if arguments.json:
        print_json(made)
    else:
        for one in made:
            print(escaped(f"{one['name']}={one['value']}"))
    return 0


def _value(given: str) -> tuple[str, str]:
    name, sign, value = given.partition("=")
    if sign:
        return name, value
    if sys.stdin.isatty():
        return name, getpass.getpass(f"{name}: ")
    line = sys.stdin.readline()
    if not line:
        raise ServerError(f"{name}: standard input has no line for it")
    return name, line.rstrip("\r\n")


def _remove(arguments: argparse.Namespace, client: "Client") -> int:
    for name in arguments.names:
        path = _path(arguments.app, name)
        answer: Any = client.get(path)
        client.delete(path, match=answer.etag)
        if not arguments.json:
            print(escaped(f"{name}: removed"))
    return 0


def _path(app: str, name: str) -> str:
    return f"/apps/{segment(app)}/variables/{segment(name)}"
