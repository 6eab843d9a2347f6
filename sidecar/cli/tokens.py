"""``scriptforge tokens``: tokens for the HTTP API, of a server, or of a database at hand as the first one is."""

import argparse
import asyncio
import datetime
import sys
import time
from typing import TYPE_CHECKING, Final

from sidecar.cli.database import actor, add_direct_options, database_of, is_direct
from sidecar.cli.remote.command import add_server_options, client_of, told
from sidecar.cli.remote.errors import EXIT_STATUS_TEXT
from sidecar.cli.remote.shown import Columns, print_json, print_list, when
from sidecar.cli.whole_number import whole_number
from sidecar.configuration.database_url import DatabaseUrl

if TYPE_CHECKING:
    from sidecar.cli.remote.client import Client

_DAY_SECONDS = 86_400
_MOST_DAYS: Final = 36_500
"""A hundred years: what has no end is asked for by leaving it out."""
_OPERATOR = "operator"
_COLUMNS: Final[Columns] = {
    "NUMBER": "id",
    "NAME": "name",
    "SCOPES": "scopes",
    "MADE": lambda one: when(one["created"]),
    "BY": "made_by",
    "EXPIRES": lambda one: when(one["expires"]),
    "LAST USED": lambda one: when(one["last_used"]),
    "REVOKED": lambda one: when(one["revoked"]),
}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``tokens`` command."""
    parser = subparsers.add_parser(
        "tokens",
        help="make, list or revoke tokens for the HTTP API",
        description="Asks the server that was logged in to. The first token is made where the database is at hand, by"
        " `tokens create NAME --database`.",
        epilog=EXIT_STATUS_TEXT,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="tokens_command")
    create = commands.add_parser("create", help="make one and print it: it is shown this once")
    create.add_argument("name", metavar="NAME", help="what it is for, as lists and the audit show it")
    create.add_argument(
        "--scopes", default="admin,read,run,write", help="some of read, write, run and admin; default: all of them"
    )
    create.add_argument(
        "--days",
        type=whole_number("days", _MOST_DAYS),
        metavar="N",
        help="how long it is good; default: until it is revoked",
    )
    add_server_options(create)
    add_direct_options(create)
    listing = commands.add_parser("list", help="those that there are, the revoked among them")
    add_server_options(listing)
    revoke = commands.add_parser("revoke", help="have one be good for nothing, within a second")
    revoke.add_argument("number", type=int, metavar="NUMBER", help="as `tokens list` has it")
    add_server_options(revoke)
    for command in (create, listing, revoke):
        command.set_defaults(run=run, usage_error=command.error)


def run(arguments: argparse.Namespace) -> int:
    """Does what the command names. Of a token that is made the text alone goes to standard output."""
    if arguments.tokens_command == "create" and is_direct(arguments):
        _, url = database_of(arguments)
        return asyncio.run(_create_in_database(arguments, url))
    asks = {"create": _create, "list": _list_tokens, "revoke": _revoke}[arguments.tokens_command]
    return told(lambda: asks(arguments, client_of(arguments)))


def _create(arguments: argparse.Namespace, client: "Client") -> int:
    body: dict[str, object] = {"name": arguments.name, "scopes": _scopes(arguments)}
    if arguments.days is not None:
        body["expires"] = datetime.datetime.fromtimestamp(_expires(arguments.days), datetime.UTC).isoformat()
    made = client.post("/tokens", body).value
    if arguments.json:
        print_json(made)
        return 0
    _print_token(made["id"], arguments.tenant or client.get("/me").value["tenant"], made["scopes"], made["token"])
    return 0


def _list_tokens(arguments: argparse.Namespace, client: "Client") -> int:
    print_list(client.pages("/tokens"), _COLUMNS, json=arguments.json)
    return 0


def _revoke(arguments: argparse.Namespace, client: "Client") -> int:
    client.delete(f"/tokens/{arguments.number}")
    if not arguments.json:
        print(f"token {arguments.number}: revoked")
    return 0


async def _create_in_database(arguments: argparse.Namespace, url: DatabaseUrl) -> int:
    from sidecar.catalog.database.tokens import make_token  # noqa: PLC0415 - other commands do without SQL
    from sidecar.catalog.database.work import Store  # noqa: PLC0415
    from sidecar.storage.engine import Storage  # noqa: PLC0415

    expires = _expires(arguments.days) * 1_000_000 if arguments.days is not None else None
    tenant = arguments.tenant or _OPERATOR
    store = Store(Storage(url))
    try:
        async with store.working(actor(), tenant) as work:
            record, text = await make_token(work, arguments.name, _scopes(arguments), expires=expires)
    finally:
        await store.close()
    if arguments.json:
        print_json({"id": record.id, "name": record.name, "scopes": record.scopes, "token": text})
    else:
        _print_token(record.id, tenant, list(record.scopes), text)
    return 0


def _print_token(number: int, tenant: str, scopes: list[str], text: str) -> None:
    print(f"token {number} of {tenant}: {' '.join(scopes)}; it is not shown again", file=sys.stderr)
    print(text)


def _scopes(arguments: argparse.Namespace) -> list[str]:
    return [one.strip() for one in arguments.scopes.split(",") if one.strip()]


def _expires(days: int) -> int:
    """Seconds since 1970."""
    return int(time.time()) + days * _DAY_SECONDS
