"""``scriptforge webhooks``: what a server tells of events, what that is signed with, and what became of it."""

import argparse
from typing import TYPE_CHECKING, Final

from sidecar.cli.remote.command import add_server_options, at_server
from sidecar.cli.remote.errors import EXIT_STATUS_TEXT
from sidecar.cli.remote.paths import segment
from sidecar.cli.remote.shown import Columns, print_json, print_list, when
from sidecar.event_name import EventName
from sidecar.kind import MAIN
from sidecar.text import escaped

if TYPE_CHECKING:
    from sidecar.cli.remote.client import Client

STATES: Final = ("delayed", "waiting", "active", "completed", "failed")
SHOWN: Final = 50
_WEBHOOKS: Final[Columns] = {
    "NAME": "name",
    "EVENTS": lambda one: ",".join(one["events"]),
    "TELLS": lambda one: one["url"] or f"{one['script']} {one['function']}",
    "ONLY": lambda one: one["only"] or "",
}
_DELIVERIES: Final[Columns] = {
    "ID": "id",
    "WEBHOOK": "webhook",
    "STATE": "state",
    "FAILED": lambda one: f"{one['attempt']}/{one['attempts']}",
    "ADDED": lambda one: when(one["created"]),
    "NEXT": lambda one: when(one["due"]) if one["state"] == "delayed" else "",
    "ERROR": lambda one: (one["error"] or "")[:60],
}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``webhooks`` command."""
    parser = subparsers.add_parser(
        "webhooks", help="have events told to others, and look at what was told", epilog=EXIT_STATUS_TEXT
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="webhooks_command")
    listing = commands.add_parser("list", help="webhooks, by name")
    setting = commands.add_parser("set", help="make a webhook, or change it")
    setting.add_argument("name", metavar="NAME")
    setting.add_argument("--events", required=True, metavar="EVENT,...", help=", ".join(EventName))
    to = setting.add_mutually_exclusive_group(required=True)
    to.add_argument("--url", metavar="URL", help="it is told by POST, signed")
    to.add_argument("--script", metavar="ID", help="its function is begun as a job")
    setting.add_argument("--function", default=MAIN, metavar="NAME", help=f"of the script; default: {MAIN}")
    setting.add_argument("--only", metavar="ID", help="events of this script alone")
    removing = commands.add_parser("remove", help="tell it no more; what it was to be told yet fails")
    removing.add_argument("name", metavar="NAME")
    rotating = commands.add_parser(
        "rotate", help="make a secret to sign with, which is shown this once; the one before is good for a while yet"
    )
    deliveries = commands.add_parser("deliveries", help="what is to be told, and what was lately, the newest first")
    deliveries.add_argument("--state", choices=STATES, help="failed: what is tried no more")
    deliveries.add_argument("--webhook", metavar="NAME")
    deliveries.add_argument("-n", type=int, metavar="N", dest="most", default=SHOWN, help=f"so many; default: {SHOWN}")
    retrying = commands.add_parser("retry", help="tell it once more, or now what waits for its next attempt")
    retrying.add_argument("deliveries", metavar="DELIVERY", nargs="+")
    for command, asks in (
        (listing, _list),
        (setting, _set),
        (removing, _remove),
        (rotating, _rotate),
        (deliveries, _list_deliveries),
        (retrying, _retry),
    ):
        add_server_options(command)
        command.set_defaults(run=at_server(asks))


def _list(arguments: argparse.Namespace, client: "Client") -> int:
    print_list(client.get("/webhooks").value, _WEBHOOKS, json=arguments.json)
    return 0


def _set(arguments: argparse.Namespace, client: "Client") -> int:
    body = {
        "events": [event.strip() for event in arguments.events.split(",") if event.strip()],
        **{name: getattr(arguments, name) for name in ("url", "script", "function", "only")},
    }
    there = any(one["name"] == arguments.name for one in client.get("/webhooks").value)
    made = client.put(_path(arguments.name), body, match="*" if there else "").value
    print_list([made], _WEBHOOKS, json=arguments.json)
    return 0


def _remove(arguments: argparse.Namespace, client: "Client") -> int:
    client.delete(_path(arguments.name), match="*")
    if not arguments.json:
        print(escaped(f"{arguments.name}: removed"))
    return 0


def _rotate(arguments: argparse.Namespace, client: "Client") -> int:
    made = client.post("/webhook-secret/rotate").value
    if arguments.json:
        print_json(made)
        return 0
    print(escaped(made["secret"]))
    return 0


def _list_deliveries(arguments: argparse.Namespace, client: "Client") -> int:
    wanted = {name: value for name in ("state", "webhook") if (value := getattr(arguments, name))}
    found = client.pages("/deliveries", cursor="before", most=arguments.most, **wanted)
    print_list(found, _DELIVERIES, json=arguments.json)
    return 0


def _retry(arguments: argparse.Namespace, client: "Client") -> int:
    retried = [client.post(f"/deliveries/{segment(one)}/retry").value for one in arguments.deliveries]
    print_list(retried, _DELIVERIES, json=arguments.json)
    return 0


def _path(name: str) -> str:
    return f"/webhooks/{segment(name)}"
