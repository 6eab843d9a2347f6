"""``scriptforge limits``: what a tenant may use, asked of a server, or of the database itself."""

import argparse
import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import msgspec

from sidecar.catalog.limits import NO_LIMITS, TenantLimits, given_limits
from sidecar.cli.database import actor, add_direct_options, database_of, is_direct
from sidecar.cli.remote.command import add_server_options, client_of, told
from sidecar.cli.remote.errors import EXIT_STATUS_TEXT
from sidecar.cli.remote.shown import print_json
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.errors import ConfigurationError

if TYPE_CHECKING:
    from sidecar.catalog.database.work import Store
    from sidecar.cli.remote.client import Client

NAMES: Final = TenantLimits.__struct_fields__


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the ``limits`` command."""
    parser = subparsers.add_parser(
        "limits",
        help="show or set what a tenant may use",
        description="Without a tenant: what holds for the token's own. With one, for the operator: what was set for it,"
        " or set some of it, which holds in every process within a second.",
        epilog=EXIT_STATUS_TEXT,
    )
    parser.add_argument("of", nargs="?", metavar="TENANT")
    parser.add_argument(
        "settings",
        nargs="*",
        metavar="LIMIT=NUMBER",
        help=f"one of {', '.join(NAMES)}; LIMIT= leaves it to the configuration",
    )
    add_server_options(parser)
    add_direct_options(parser)
    parser.set_defaults(run=run, usage_error=parser.error)


def run(arguments: argparse.Namespace) -> int:
    """Prints what is set then."""
    given = _given(arguments)
    if is_direct(arguments):
        if arguments.of is None:
            arguments.usage_error("the database has no tenant of one's own: name one")
        _, url = database_of(arguments)
        _show(given_limits(asyncio.run(_limits(arguments.of, url, given))), json=arguments.json)
        return 0
    return told(lambda: _at_server(arguments, client_of(arguments), given))


def _given(arguments: argparse.Namespace) -> dict[str, int | None]:
    given: dict[str, int | None] = {}
    for setting in arguments.settings:
        name, equals, text = setting.partition("=")
        if not equals or name not in NAMES or (text and not (text.isascii() and text.isdigit())):
            arguments.usage_error(f"{setting!r}: expected LIMIT=NUMBER, where LIMIT is one of {', '.join(NAMES)}")
        given[name] = int(text) if text else None
    return given


def _at_server(arguments: argparse.Namespace, client: "Client", given: Mapping[str, int | None]) -> int:
    if arguments.of is None:
        _show(client.get("/limits").value["limits"], json=arguments.json, without="no limit")
        return 0
    path = f"/tenants/{quote(arguments.of, safe='')}/limits"
    answer = client.get(path)
    if given:
        answer = client.put(path, {**answer.value, **given}, match=answer.etag)
    _show(answer.value, json=arguments.json)
    return 0


def _show(limits: Mapping[str, Any], *, json: bool, without: str = "as configured") -> None:
    if json:
        print_json({name: limits[name] for name in NAMES if limits.get(name) is not None})
        return
    for name in NAMES:
        value = limits.get(name)
        print(f"{name:<20} {value if value is not None else without}")


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
