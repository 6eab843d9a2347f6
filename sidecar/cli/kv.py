"""``scriptforge kv``: what scripts keep by key at a server, as they have it in cxKV."""

import argparse
import sys
from typing import TYPE_CHECKING, Final

from sidecar.cli.remote.command import add_server_options, at_server
from sidecar.cli.remote.errors import EXIT_STATUS_TEXT
from sidecar.cli.remote.paths import segment
from sidecar.cli.remote.shown import Columns, print_json, print_list, when
from sidecar.text import escaped, escaped_lines

if TYPE_CHECKING:
    from sidecar.cli.remote.client import Client

_COLUMNS: Final[Columns] = {
    "KEY": "key",
    "BYTES": "bytes",
    "UPDATED": lambda one: when(one["updated"]),
    "EXPIRES": lambda one: when(one["expires"]),
}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``kv`` command."""
    parser = subparsers.add_parser(
        "kv", help="read and write at a server what scripts keep by key, for cxKV", epilog=EXIT_STATUS_TEXT
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="kv_command")
    listing = commands.add_parser("list", help="the keys, in an order that stays")
    listing.add_argument("-n", type=int, metavar="N", dest="most", help="so many; default: all")
    get = commands.add_parser("get", help="print what a key has, as it is")
    get.add_argument("key", metavar="KEY")
    make = commands.add_parser("set", help="have a key keep a text, whatever it had")
    make.add_argument("key", metavar="KEY")
    make.add_argument("value", metavar="VALUE", help="- for standard input")
    make.add_argument("--life", type=float, default=0, metavar="SECONDS", help="how long; default: for ever")
    remove = commands.add_parser("remove", help="keep a key no more")
    remove.add_argument("key", metavar="KEY")
    usage = commands.add_parser("usage", help="how much is kept, and may be")
    for command, asks in (
        (listing, _list_keys),
        (get, _get),
        (make, _set),
        (remove, _remove),
        (usage, _usage),
    ):
        add_server_options(command)
        command.set_defaults(run=at_server(asks))


def _list_keys(arguments: argparse.Namespace, client: "Client") -> int:
    print_list(client.pages("/kv/keys", most=arguments.most), _COLUMNS, json=arguments.json)
    return 0


def _get(arguments: argparse.Namespace, client: "Client") -> int:
    found = client.get(_path(arguments.key)).value
    if arguments.json:
        print_json(found)
    else:
        print(escaped_lines(found["value"]) if sys.stdout.isatty() else found["value"])
    return 0


def _set(arguments: argparse.Namespace, client: "Client") -> int:
    value = sys.stdin.read() if arguments.value == "-" else arguments.value
    made = client.put(_path(arguments.key), {"value": value, "life_seconds": arguments.life}).value
    if arguments.json:
        print_json(made)
    return 0


def _remove(arguments: argparse.Namespace, client: "Client") -> int:
    client.delete(_path(arguments.key))
    if not arguments.json:
        print(escaped(f"{arguments.key}: removed"))
    return 0


def _usage(arguments: argparse.Namespace, client: "Client") -> int:
    found = client.get("/kv").value
    if arguments.json:
        print_json(found)
    else:
        print(
            f"{found['keys']:,} keys of {found['limit_keys']:,}, {found['bytes']:,} bytes of {found['limit_bytes']:,}"
        )
    return 0


def _path(key: str) -> str:
    return f"/kv/keys/{segment(key)}"
