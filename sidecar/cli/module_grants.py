"""``scriptforge modules grant``, ``revoke`` and ``grants``: who may require which npm module, asked of a server."""

import argparse
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from sidecar.catalog.module_grants import NEWEST, ModuleGrants
from sidecar.cli.remote.command import add_server_options, client_of, told
from sidecar.cli.remote.errors import EXIT_STATUS_TEXT
from sidecar.cli.remote.shown import print_json, table
from sidecar.npm.package_name import read_wanted

if TYPE_CHECKING:
    from sidecar.cli.remote.client import Client

NOT_THERE = 5
"""As of everything that is asked of a server."""


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds them to those of ``scriptforge modules``."""
    grant = commands.add_parser(
        "grant", help="let a tenant's scripts, or those of one app, require a module", epilog=EXIT_STATUS_TEXT
    )
    revoke = commands.add_parser("revoke", help="do so no more", epilog=EXIT_STATUS_TEXT)
    grants = commands.add_parser("grants", help="what was granted to a tenant", epilog=EXIT_STATUS_TEXT)
    grant.add_argument("to", metavar="TENANT[/APP]")
    grant.add_argument("module", metavar="NAME[@VERSION]", help="without a version the newest that is installed, as *")
    revoke.add_argument("to", metavar="TENANT[/APP]")
    revoke.add_argument("module", metavar="NAME")
    grants.add_argument("to", metavar="TENANT")
    for command, run in ((grant, _grant), (revoke, _revoke), (grants, _grants)):
        add_server_options(command)
        command.set_defaults(run=run, usage_error=command.error)


def _grant(arguments: argparse.Namespace) -> int:
    name, version = read_wanted(arguments.module)
    tenant, _, app = arguments.to.partition("/")

    def change(before: ModuleGrants) -> ModuleGrants:
        return before.with_grant(app, name, NEWEST if version == "latest" else version)

    return told(lambda: _changed(client_of(arguments), tenant, change, json=arguments.json))


def _revoke(arguments: argparse.Namespace) -> int:
    tenant, _, app = arguments.to.partition("/")

    def change(before: ModuleGrants) -> ModuleGrants:
        return before.without_grant(app, arguments.module)

    try:
        return told(lambda: _changed(client_of(arguments), tenant, change, json=arguments.json))
    except KeyError:
        print(f"scriptforge: {arguments.to!r} was not granted {arguments.module!r}", file=sys.stderr)
        return NOT_THERE


def _grants(arguments: argparse.Namespace) -> int:
    return told(lambda: _changed(client_of(arguments), arguments.to, lambda before: before, json=arguments.json))


def _changed(client: "Client", tenant: str, change: Any, *, json: bool) -> int:
    path = f"/tenants/{quote(tenant, safe='')}/modules"
    answer = client.get(path)
    before = msgspec.convert(answer.value, ModuleGrants)
    after = change(before)
    if after != before:
        answer = client.put(path, msgspec.to_builtins(after), match=answer.etag)
    _show(answer.value, json=json)
    return 0


def _show(grants: Any, *, json: bool) -> None:
    if json:
        print_json(grants)
        return
    given = [("", name, version) for name, version in sorted(grants["modules"].items())]
    for app, own in sorted(grants["apps"].items()):
        given += [(app, name, version) for name, version in sorted(own.items())]
    print(table(("app", "module", "version"), given), end="")
