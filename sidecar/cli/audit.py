"""``scriptforge audit``: whether anything was taken out of the audit, or written over in it."""

import argparse
import asyncio

from sidecar.cli.database import add_database_options, database_of
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.errors import ConfigurationError

PROBLEMS_FOUND = 4
"""As of `scriptforge check`."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``audit`` command."""
    parser = subparsers.add_parser("audit", help="verify the audit of the database of catalog.url")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="audit_command")
    verify = commands.add_parser(
        "verify",
        help="look through the whole chain; exit status 4 where it is not what was written",
        description="Prints the number and the hash of the last entry. Kept where the database's administrator does not"
        " reach, they say later by --known that nothing up to there was changed.",
    )
    verify.add_argument("--known", metavar="NUMBER:HASH", help="what an earlier run printed")
    add_database_options(verify)
    verify.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Verifies."""
    _, url = database_of(arguments)
    known = None
    if arguments.known is not None:
        number, _, hashed = arguments.known.partition(":")
        if not number.isdecimal() or len(hashed) != 64:
            raise ConfigurationError("--known: expected NUMBER:HASH, as an earlier run printed it")
        known = int(number), hashed
    return asyncio.run(_verify(url, known))


async def _verify(url: DatabaseUrl, known: tuple[int, str] | None) -> int:
    from sidecar.catalog.database.audit import verify  # noqa: PLC0415 - other commands do without SQL
    from sidecar.catalog.database.work import Store  # noqa: PLC0415
    from sidecar.storage.engine import Storage  # noqa: PLC0415

    store = Store(Storage(url))
    try:
        async with store.reading() as scope:
            found = await verify(scope.connection, known)
    finally:
        await store.close()
    if found.broken is not None:
        print(f"{found.entries} entries are as they were written; entry {found.broken.number}: {found.broken.why}")
        return PROBLEMS_FOUND
    print(f"{found.entries} entries are as they were written, the last of them {found.entries}:{found.head}")
    return 0
