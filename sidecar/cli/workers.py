"""``scriptforge workers``: messages to Workers, at a server."""

import argparse
from typing import TYPE_CHECKING, Any, Final

import msgspec

from sidecar.cli.remote.app_scripts import find_script
from sidecar.cli.remote.command import add_server_options, at_server
from sidecar.cli.remote.errors import EXIT_STATUS_TEXT
from sidecar.cli.remote.paths import segment
from sidecar.cli.remote.shown import Columns, print_json, print_list, when
from sidecar.cli.scripts import read_json
from sidecar.text import escaped, escaped_lines

if TYPE_CHECKING:
    from sidecar.cli.remote.client import Client

STATES: Final = ("waiting", "active", "dead")
SHOWN: Final = 50
_WORKERS: Final[Columns] = {
    "WORKER": "script",
    "WAITING": "waiting",
    "DEAD": "dead",
    "DONE": "done",
    "OLDEST S": lambda one: "" if one["oldest_seconds"] is None else round(one["oldest_seconds"], 1),
    "LIVES IN": "owner",
}
_MESSAGES: Final[Columns] = {
    "ID": "id",
    "STATE": "state",
    "FAILED": "attempt",
    "SENT": lambda one: when(one["sent"]),
    "SOURCE": "source",
    "ERROR": lambda one: (one["error"] or "")[:60],
}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``scriptforge workers``."""
    parser = commands.add_parser(
        "workers",
        help="messages to Workers",
        description="Messages to Workers, each of which has them one by one.",
        epilog=EXIT_STATUS_TEXT,
    )
    own = parser.add_subparsers(required=True, metavar="COMMAND", dest="workers_command")
    listing = own.add_parser("list", help="Workers, with how many messages each has")
    send = own.add_parser("send", help="send a Worker a message; prints the message's id")
    messages = own.add_parser("messages", help="what is in a Worker's mailbox, in the order in which it is given")
    show = own.add_parser("show", help="one message: what it says, why the Worker failed on it")
    retry = own.add_parser("retry", help="give dead letters again, at their places")
    discard = own.add_parser("discard", help="keep messages no more")
    for one in (send, messages, show, retry, discard):
        one.add_argument("script", metavar="WORKER", help="an id, a uuid, or a name that no other script has")
    send.add_argument("--data", metavar="FILE", help="JSON of the message, null without it; - for standard input")
    messages.add_argument("--state", choices=STATES, help="dead: those that are given no more")
    messages.add_argument("-n", type=int, metavar="N", dest="most", default=SHOWN, help=f"so many; default: {SHOWN}")
    show.add_argument("message", metavar="MESSAGE")
    for several in (retry, discard):
        several.add_argument("messages", metavar="MESSAGE", nargs="+")
    for command, asks in (
        (listing, _list),
        (send, _send),
        (messages, _list_messages),
        (show, _show),
        (retry, _retry),
        (discard, _discard),
    ):
        add_server_options(command)
        command.set_defaults(run=at_server(asks))


def _list(arguments: argparse.Namespace, client: "Client") -> int:
    print_list(client.get("/workers").value, _WORKERS, json=arguments.json)
    return 0


def _send(arguments: argparse.Namespace, client: "Client") -> int:
    data = None if arguments.data is None else read_json(arguments.data)
    sent = client.post(_path(arguments, client), {"data": data}).value
    if arguments.json:
        print_json(sent)
    else:
        print(escaped(sent["id"]))
    return 0


def _list_messages(arguments: argparse.Namespace, client: "Client") -> int:
    query = {"state": arguments.state} if arguments.state else {}
    found = client.pages(_path(arguments, client), most=arguments.most, **query)
    print_list(found, _MESSAGES, json=arguments.json)
    return 0


def _show(arguments: argparse.Namespace, client: "Client") -> int:
    found = client.get(f"{_path(arguments, client)}/{segment(arguments.message)}").value
    if arguments.json:
        print_json(found)
        return 0
    for name, value in found.items():
        if value is None or value == "":
            continue
        print(f"{name:<12} {escaped_lines(when(value) if name in ('sent', 'due') else _text(value))}")
    return 0


def _retry(arguments: argparse.Namespace, client: "Client") -> int:
    path = _path(arguments, client)
    retried = [client.post(f"{path}/{segment(one)}/retry").value for one in arguments.messages]
    print_list(retried, _MESSAGES, json=arguments.json)
    return 0


def _discard(arguments: argparse.Namespace, client: "Client") -> int:
    path = _path(arguments, client)
    for one in arguments.messages:
        client.delete(f"{path}/{segment(one)}")
        if not arguments.json:
            print(escaped(f"{one}: discarded"))
    return 0


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _path(arguments: argparse.Namespace, client: "Client") -> str:
    script, _ = find_script(client, arguments.script)
    return f"/workers/{segment(script['id'])}/messages"
