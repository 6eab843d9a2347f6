"""``scriptforge tokens``: a token for the HTTP API, made with the database at hand, as the first one is."""

import argparse
import asyncio
import sys
import time

from sidecar.cli.database import actor, add_database_options, database_of
from sidecar.configuration.database_url import DatabaseUrl

_DAY_US = 86_400 * 1_000_000


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``tokens`` command."""
    parser = subparsers.add_parser("tokens", help="make a token for the HTTP API")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="tokens_command")
    create = commands.add_parser("create", help="make one and print it: it is shown this once")
    create.add_argument("name", help="what it is for, as lists and the audit show it")
    create.add_argument("--tenant", default="operator", help="whose it is; default: operator")
    create.add_argument(
        "--scopes", default="admin,read,run,write", help="some of read, write, run and admin; default: all of them"
    )
    create.add_argument("--days", type=int, metavar="N", help="how long it is good; default: until it is revoked")
    add_database_options(create)
    create.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Makes it. The token alone goes to standard output."""
    _, url = database_of(arguments)
    return asyncio.run(_create(arguments, url))


async def _create(arguments: argparse.Namespace, url: DatabaseUrl) -> int:
    from sidecar.catalog.database.tokens import make_token  # noqa: PLC0415 - other commands do without SQL
    from sidecar.catalog.database.work import Store  # noqa: PLC0415
    from sidecar.storage.engine import Storage  # noqa: PLC0415

    expires = None
    if arguments.days is not None:
        expires = time.time_ns() // 1000 + arguments.days * _DAY_US
    scopes = [one.strip() for one in arguments.scopes.split(",") if one.strip()]
    store = Store(Storage(url))
    try:
        async with store.working(actor(), arguments.tenant) as work:
            record, text = await make_token(work, arguments.name, scopes, expires=expires)
    finally:
        await store.close()
    print(f"token {record.id} of {arguments.tenant}: {' '.join(record.scopes)}; it is not shown again", file=sys.stderr)
    print(text)
    return 0
