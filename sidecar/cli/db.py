"""``scriptforge db``: the database's tables brought up to date, looked at, and backed up."""

import argparse
import asyncio
from pathlib import Path

from sidecar.cli.database import actor, add_database_options, database_of
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.text import escaped

PROBLEMS_FOUND = 4
"""As of `scriptforge check`."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``db`` command."""
    parser = subparsers.add_parser("db", help="make, upgrade, check or back up the database of catalog.url")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="db_command")
    upgrade = commands.add_parser(
        "upgrade",
        help="make the tables, or bring them to this release; processes of the release before go on",
    )
    check = commands.add_parser(
        "check", help="say what is in the database and whether it is sound; exit status 4 where it is not"
    )
    backup = commands.add_parser("backup", help="write all of it to a file, while everything goes on")
    backup.add_argument("file", type=Path, metavar="FILE", help="must not be there yet")
    for command, run in ((upgrade, _upgrade), (check, _check), (backup, _backup)):
        add_database_options(command)
        command.set_defaults(run=run)


def _upgrade(arguments: argparse.Namespace) -> int:
    _, url = database_of(arguments)

    async def upgrade() -> int:
        from sidecar.catalog.database.tenants import ensure_operator  # noqa: PLC0415 - other commands do without SQL
        from sidecar.catalog.database.work import Store  # noqa: PLC0415
        from sidecar.storage.engine import Storage  # noqa: PLC0415
        from sidecar.storage.schema import NUMBER, upgrade  # noqa: PLC0415

        store = Store(Storage(url, create=True))
        try:
            before, after = await upgrade(store.storage)
            await ensure_operator(store, actor())
        finally:
            await store.close()
        if before.number == after.number:
            later = f", of a later release; this one has {NUMBER} and works on it" if after.number > NUMBER else ""
            print(f"{url}: has the schema {after.number} already{later}")
        else:
            print(f"{url}: schema {before.number or 'none'} -> {after.number}")
        return 0

    return asyncio.run(upgrade())


def _check(arguments: argparse.Namespace) -> int:
    _, url = database_of(arguments)

    async def check() -> int:
        from sidecar.storage.inspection import inspect_database  # noqa: PLC0415 - other commands do without SQL

        found = await inspect_database(url)
        print(f"{url}: {escaped(found.server)}, schema {found.schema}, revision {found.revision}")
        for name, number in found.rows.items():
            print(f"  {number:>9,} {name}")
        for problem in found.problems:
            print(f"problem: {escaped(problem)}")
        print("sound" if not found.problems else f"{len(found.problems)} problems")
        return PROBLEMS_FOUND if found.problems else 0

    return asyncio.run(check())


def _backup(arguments: argparse.Namespace) -> int:
    _, url = database_of(arguments)
    asyncio.run(_write_backup(url, arguments.file))
    size = arguments.file.stat().st_size
    print(f"{escaped(str(arguments.file))}: {size:,} bytes of {url}; it holds secrets")
    return 0


async def _write_backup(url: DatabaseUrl, file: Path) -> None:
    from sidecar.storage.backup import write_backup  # noqa: PLC0415 - other commands do without SQL

    await write_backup(url, file)
