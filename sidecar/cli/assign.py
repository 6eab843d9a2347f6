"""``scriptforge assign``: which script runs on which calls, at a server."""

import argparse
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sidecar.cli.remote.app_scripts import find_script
from sidecar.cli.remote.command import add_server_options, at_server
from sidecar.cli.remote.errors import EXIT_STATUS_TEXT, Conflict, Refusal, ServerError
from sidecar.cli.remote.shown import Columns, print_json, print_list
from sidecar.text import escaped
from sipio.number import did_of, number_of

if TYPE_CHECKING:
    from sidecar.cli.remote.client import Client


def _calls(one: dict[str, Any]) -> str:
    """Which calls an assignment is of."""
    if one["type"] != "route":
        return f"{one['type']} {one['number']}"
    return f"customer {one['customer']}" + (f", route {one['route']}" if one["route"] is not None else "")


_OF_DECISIONS: Final = ("timeout_ms", "timeout_action", "error_action")
_COLUMNS: Final[Columns] = {
    "NUMBER": "id",
    "CALLS": _calls,
    "SCRIPT": "script",
    "TIMEOUT MS": "timeout_ms",
    "ON TIMEOUT": "timeout_action",
    "ON ERROR": "error_action",
    "VARS": lambda one: one["vars"] or "",
}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``assign`` command."""
    parser = subparsers.add_parser(
        "assign",
        help="say at a server which script runs on which calls",
        description="What is assigned is live in every call daemon within a second, for calls that come from then on.",
        epilog=EXIT_STATUS_TEXT,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="assign_command")
    make = commands.add_parser(
        "set",
        help="have a script run on the calls of a customer, of one of its routes, of a number",
        description="Where another script, or the same with other settings, is on these calls already, it stays unless"
        " --force is given.",
    )
    make.add_argument("script", metavar="SCRIPT", help="its id, its uuid, or its name where no other has it")
    calls = make.add_mutually_exclusive_group(required=True)
    calls.add_argument("--customer", metavar="NAME", help="all calls of this customer, or with --route those of one")
    calls.add_argument("--did", metavar="NUMBER", help="calls to this number of yours (origination)")
    calls.add_argument("--destination", metavar="NUMBER", help="calls that the script itself drives (Class 5)")
    make.add_argument("--route", metavar="NAME", help="with --customer")
    make.add_argument("--timeout-ms", type=int, metavar="N")
    make.add_argument("--timeout-action", metavar="ACTION", help="such as continue, or 503")
    make.add_argument("--error-action", metavar="ACTION")
    make.add_argument("--vars", type=Path, metavar="FILE", help="the assignment's vars as TOML")
    make.add_argument("--force", action="store_true", help="in place of what is assigned there")
    listing = commands.add_parser("list", help="those that there are")
    listing.add_argument("--script", metavar="SCRIPT", help="of this script alone")
    listing.add_argument("--type", choices=("route", "did", "destination"), help="of this sort alone")
    remove = commands.add_parser("remove", help="have no script run on these calls any more")
    remove.add_argument("number", type=int, metavar="NUMBER", help="as `assign list` has it")
    for command, asks in ((make, _set), (listing, _list_assignments), (remove, _remove)):
        add_server_options(command)
        command.set_defaults(run=at_server(asks), usage_error=command.error)


def _set(arguments: argparse.Namespace, client: "Client") -> int:
    if arguments.route is not None and arguments.customer is None:
        arguments.usage_error("--route goes with --customer")
    if arguments.destination is not None:
        given = [name for name in _OF_DECISIONS if getattr(arguments, name) is not None]
        if given:
            option = f"--{given[0].replace('_', '-')}"
            arguments.usage_error(
                f"{option} goes with --customer or --did, whose calls a script decides: with --destination it is the"
                " script that drives the call, as long as that lasts"
            )
    names = ("customer", "route", "did", "destination", *_OF_DECISIONS)
    script, _ = find_script(client, arguments.script)
    body = {name: value for name in names if (value := getattr(arguments, name)) is not None}
    body |= {"script": script["id"], "vars": _vars(arguments.vars)}
    headers = {"If-Match": "*"} if arguments.force else {}
    try:
        answer = client.ask("PUT", "/assignments", body=body, headers=headers)
    except Refusal as refusal:
        if arguments.force and refusal.status == 412 and refusal.kind == "not-there":
            answer = client.put("/assignments", body)
        elif refusal.changed:
            raise Conflict(_taken(client, body)) from None
        else:
            raise
    made = answer.value
    if arguments.json:
        print_json(made)
    else:
        print(escaped(f"{made['id']}: {_calls(made)}: {script['name']} ({made['script']})"))
    return 0


def _taken(client: "Client", body: dict[str, Any]) -> str:
    """What is on these calls, in words."""
    wanted = "did" if "did" in body else "destination" if "destination" in body else "route"
    for one in client.pages("/assignments", type=wanted):
        if _are_the_same(one, body):
            return f"{_calls(one)}: there is script {one['script']!r} (assignment {one['id']}); --force takes its place"
    return "another script is on these calls; --force takes its place"


def _are_the_same(one: dict[str, Any], body: dict[str, Any]) -> bool:
    """Whether an assignment is of the calls that are wanted."""
    if one["type"] == "did":
        return did_of(one["number"]) == did_of(body["did"])
    if one["type"] == "destination":
        return number_of(one["number"]).text == number_of(body["destination"]).text
    return (one["customer"], one["route"]) == (body["customer"], body.get("route"))


def _vars(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ServerError(f"{file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ServerError(f"{file}: {error}") from None


def _list_assignments(arguments: argparse.Namespace, client: "Client") -> int:
    script = find_script(client, arguments.script)[0]["id"] if arguments.script is not None else None
    print_list(client.pages("/assignments", type=arguments.type, script=script), _COLUMNS, json=arguments.json)
    return 0


def _remove(arguments: argparse.Namespace, client: "Client") -> int:
    path = f"/assignments/{arguments.number}"
    answer = client.get(path)
    client.delete(path, match=answer.etag)
    if not arguments.json:
        print(escaped(f"{_calls(answer.value)}: no script any more"))
    return 0
