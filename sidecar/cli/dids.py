"""``scriptforge dids``: numbers of carriers at a server, and the carriers that they are bought of."""

import argparse
import sys
from typing import TYPE_CHECKING, Any, Final

from sidecar.cli.remote.command import add_server_options, at_server, tell
from sidecar.cli.remote.errors import CHANGED, EXIT_STATUS_TEXT, Refusal, ServerError
from sidecar.cli.remote.paths import segment
from sidecar.cli.remote.shown import Columns, print_json, print_list, when
from sidecar.text import escaped

if TYPE_CHECKING:
    from sidecar.cli.remote.client import Client

_NUMBERS: Final[Columns] = {
    "NUMBER": "did",
    "PROVIDER": "provider",
    "CUSTOMER": "customer",
    "SCRIPT": "script",
    "STATE": "state",
    "SINCE": lambda one: when(one["changed"]),
    "WHY": "fault",
}
_PROVIDERS: Final[Columns] = {"PROVIDER": "id", "SCRIPT": "script", "MODE": "mode", "COMPANY": "company"}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``dids`` command."""
    parser = subparsers.add_parser(
        "dids",
        help="buy numbers of carriers by their Drivers at a server, give them to scripts, and give them back",
        epilog=EXIT_STATUS_TEXT,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="dids_command")
    listing = commands.add_parser("list", help="the numbers that there are")
    listing.add_argument("--number", metavar="PART", help="those that this is a part of")
    listing.add_argument("--provider", metavar="ID", help="those of this carrier")
    listing.add_argument("--customer", metavar="NAME", help="those of this customer")
    listing.add_argument("--inventory", action="store_true", help="those that nobody has yet")
    listing.add_argument(
        "--state", choices=("held", "allocating", "releasing"), help="allocating and releasing are not settled yet"
    )
    search = commands.add_parser("search", help="ask a carrier for numbers that can be had")
    search.add_argument("provider", metavar="PROVIDER")
    search.add_argument("number", metavar="PART", help="a part of the number")
    _add_changes(commands)
    compare = commands.add_parser(
        "compare",
        help="ask a carrier for all that it has for us, and compare that with what is known here",
        description="Exit status 3 where the two differ.",
    )
    compare.add_argument("provider", metavar="PROVIDER")
    providers = commands.add_parser("providers", help="the carriers that there are")
    for command, asks in (
        (listing, _list_numbers),
        (search, _search),
        (compare, _compare),
        (providers, _list_providers),
    ):
        add_server_options(command)
        command.set_defaults(run=at_server(asks))


def _add_changes(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    allocate = commands.add_parser(
        "allocate",
        help="buy a number, or say whose one is that is held",
        description="A number that is held already is not bought again: its customer and its script are what is said.",
    )
    allocate.add_argument("provider", metavar="PROVIDER")
    allocate.add_argument("number", metavar="NUMBER")
    allocate.add_argument("--customer", metavar="NAME", help="whose it is; an empty text for nobody's yet")
    allocate.add_argument("--script", metavar="ID", help="the script that its calls run")
    allocate.add_argument(
        "--adopt", action="store_true", help="the carrier has it for us already: look for it, and do not buy it"
    )
    allocate.add_argument("--force", action="store_true", help="whatever is said of it already")
    release = commands.add_parser("release", help="give a number back")
    release.add_argument("number", metavar="NUMBER")
    release.add_argument("--unassign", action="store_true", help="its calls run no script any more")
    settle = commands.add_parser("settle", help="ask the carrier what became of a number that is not settled")
    settle.add_argument("number", metavar="NUMBER")
    said = settle.add_mutually_exclusive_group()
    said.add_argument("--held", action="store_const", const=True, dest="held", help="the operator says: it is ours")
    said.add_argument("--gone", action="store_const", const=False, dest="held", help="the operator says: it is not")
    provider = commands.add_parser("provider", help="make or change a carrier")
    provider.add_argument("provider", metavar="PROVIDER")
    provider.add_argument("script", metavar="SCRIPT", help="the id of its Driver")
    provider.add_argument("--live", action="store_true", help="what the Driver says is kept; the operator alone may")
    provider.add_argument("--company", default="", metavar="NAME", help="who it is, for people")
    provider.add_argument("--force", action="store_true", help="in place of what is there")
    for command, asks in (
        (allocate, _allocate),
        (release, _release),
        (settle, _settle),
        (provider, _put_provider),
    ):
        add_server_options(command)
        command.set_defaults(run=at_server(asks))


def _list_numbers(arguments: argparse.Namespace, client: "Client") -> int:
    query = {name: getattr(arguments, name) for name in ("number", "provider", "customer", "state")}
    inventory = "true" if arguments.inventory else None
    print_list(client.pages("/dids", **query, inventory=inventory), _NUMBERS, json=arguments.json)
    return 0


def _list_providers(arguments: argparse.Namespace, client: "Client") -> int:
    print_list(client.pages("/providers"), _PROVIDERS, json=arguments.json)
    return 0


def _search(arguments: argparse.Namespace, client: "Client") -> int:
    found = client.post(f"/providers/{segment(arguments.provider)}/search", {"number": arguments.number}).value["items"]
    print_list(found, _columns(found), json=arguments.json)
    return 0


def _compare(arguments: argparse.Namespace, client: "Client") -> int:
    found = client.post(f"/providers/{segment(arguments.provider)}/list").value
    if arguments.json:
        print_json(found)
    else:
        print(f"{len(found['items']):,} numbers at the carrier")
        for key, words in (("unknown", "at the carrier, and not known here"), ("missing", "held here, and not there")):
            for did in found[key]:
                print(escaped(f"{did}: {words}"))
    return CHANGED if found["unknown"] or found["missing"] else 0


def _allocate(arguments: argparse.Namespace, client: "Client") -> int:
    body: dict[str, Any] = {"provider": arguments.provider, "adopt": arguments.adopt}
    if arguments.customer is not None:
        body["customer"] = arguments.customer or None
    if arguments.script is not None:
        body["assignment"] = {"script": arguments.script}
    path = f"/dids/{segment(arguments.number)}"
    match = "*" if arguments.force and _is_there(client, path) else ""
    try:
        made = client.put(path, body, match=match).value
    except Refusal as refusal:
        return _not_done(client, arguments.number, refusal)
    if arguments.json:
        print_json(made)
    else:
        owner = made["customer"] or "nobody yet"
        runs = f", runs {made['script']}" if made["script"] is not None else ""
        kept = " (its provider is in mode test: nothing was kept)" if made["state"] == "test" else ""
        print(escaped(f"{made['did']}: of {made['provider']}, for {owner}{runs}{kept}"))
    return 0


def _not_done(client: "Client", number: str, refusal: Refusal) -> int:
    """Tell why, and how to find out what the carrier has done where it is not known; the exit status."""
    tell(refusal)
    try:
        state = client.get(f"/dids/{segment(number)}").value["state"]
    except ServerError:
        state = ""
    if state in ("allocating", "releasing"):
        words = f"{number} is {state}: `scriptforge dids settle {number}` finds out what the carrier has done"
        print(escaped(f"scriptforge: {words}"), file=sys.stderr)
    return refusal.exit_status


def _is_there(client: "Client", path: str) -> bool:
    try:
        client.get(path)
    except Refusal as refusal:
        if refusal.kind == "not-there":
            return False
        raise
    return True


def _release(arguments: argparse.Namespace, client: "Client") -> int:
    path = f"/dids/{segment(arguments.number)}"
    seen = client.get(path)
    query = {"unassign": "true"} if arguments.unassign else {}
    try:
        gone = client.ask("DELETE", path, query=query, headers={"If-Match": seen.etag}).value
    except Refusal as refusal:
        return _not_done(client, arguments.number, refusal)
    if arguments.json:
        print_json(gone)
    else:
        what = "the carrier took it back, and it is kept here: mode test" if gone["test"] else "given back"
        print(escaped(f"{arguments.number}: {what}"))
    return 0


def _settle(arguments: argparse.Namespace, client: "Client") -> int:
    settled = client.post(f"/dids/{segment(arguments.number)}/settle", {"held": arguments.held}).value
    if arguments.json:
        print_json(settled)
    else:
        print(escaped(f"{settled['did']}: {'held' if settled['held'] else 'not ours'}"))
    return 0


def _put_provider(arguments: argparse.Namespace, client: "Client") -> int:
    body = {
        "script": arguments.script,
        "mode": "live" if arguments.live else "test",
        "company": arguments.company,
    }
    path = f"/providers/{segment(arguments.provider)}"
    match = "*" if arguments.force and _is_there(client, path) else ""
    made = client.put(path, body, match=match).value
    if arguments.json:
        print_json(made)
    else:
        print(escaped(f"{made['id']}: asked by {made['script']}, {made['mode']}"))
    return 0


def _columns(rows: list[dict[str, Any]]) -> Columns:
    """The number, and what else the Driver says."""
    names = dict.fromkeys(name for row in rows for name in row if name != "did")
    return {"NUMBER": "did", **{name.upper(): name for name in names}}
