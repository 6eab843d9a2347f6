"""``scriptforge limits``: what a tenant may use, with the database at hand."""

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

import msgspec

from sidecar.catalog.limits import NO_LIMITS, TenantLimits, given_limits
from sidecar.cli.database import actor, add_database_options, database_of
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.errors import ConfigurationError

if TYPE_CHECKING:
    from sidecar.catalog.database.work import Store

NAMES = TenantLimits.__struct_fields__


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``limits`` command."""
    parser = subparsers.add_parser(
        "limits",
        help="show or set what a tenant may use",
        description="Show what was set for a tenant, or set some of it: every process keeps to it within a second.",
    )
    parser.add_argument("tenant")
    parser.add_argument(
        "settings",
        nargs="*",
        metavar="NAME=NUMBER",
        help=f"one of {', '.join(NAMES)}; NAME= leaves it to the configuration",
    )
    parser.add_argument("--json", action="store_true", help="print them as JSON")
    add_database_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Prints what is set then."""
    given: dict[str, int | None] = {}
    for setting in arguments.settings:
        name, equals, text = setting.partition("=")
        if not equals or name not in NAMES:
            raise ConfigurationError(f"{setting!r}: expected NAME=NUMBER, where NAME is one of {', '.join(NAMES)}")
        if text and not (text.isascii() and text.isdigit()):
            raise ConfigurationError(f"{setting!r}: expected a number, or nothing")
        given[name] = int(text) if text else None
    _, url = database_of(arguments)
    limits = asyncio.run(_limits(arguments.tenant, url, given))
    if arguments.json:
        sys.stdout.write(msgspec.json.encode(given_limits(limits)).decode() + "\n")
        return 0
    for name in NAMES:
        value = getattr(limits, name)
        print(f"{name:<20} {value if value is not None else 'as configured'}")
    return 0


async def _limits(tenant: str, url: DatabaseUrl, given: dict[str, int | None]) -> TenantLimits:
    from sidecar.catalog.database.work import Store  # noqa: PLC0415 - other commands do without SQL
    from sidecar.storage.engine import Storage  # noqa: PLC0415

    store = Store(Storage(url))
    try:
        return await _set(store, tenant, given)
    finally:
        await store.close()


async def _set(store: "Store", tenant: str, given: dict[str, int | None]) -> TenantLimits:
    from sidecar.catalog.database.tenants import get_limits, put_limits  # noqa: PLC0415

    if not given:
        async with store.reading(tenant) as scope:
            return (await get_limits(scope)).limits
    async with store.working(actor(), tenant) as work:
        now = given_limits((await get_limits(work)).limits) | given
        try:
            limits = msgspec.convert({**msgspec.structs.asdict(NO_LIMITS), **now}, TenantLimits)
        except msgspec.ValidationError as error:
            raise ConfigurationError(str(error)) from None
        return (await put_limits(work, limits)).limits
