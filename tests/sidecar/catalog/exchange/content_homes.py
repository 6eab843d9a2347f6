"""Where a catalog is: a database, or a directory; and when two are the same."""

from pathlib import Path
from typing import Any

import msgspec

from sidecar.catalog.compile import Rules
from sidecar.catalog.database.checks import Checks
from sidecar.catalog.database.tenants import ensure_operator
from sidecar.catalog.database.work import Actor, Store
from sidecar.catalog.directory.entries import (
    AppTable,
    ScriptTable,
    VariableTable,
)
from sidecar.catalog.exchange.content import Content, TextOf, differences
from sidecar.catalog.exchange.database import Import, read_database
from sidecar.catalog.exchange.directory import read_directory, written_out
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.configuration.tree import CatalogSection
from sidecar.storage.engine import Storage
from sidecar.storage.schema import upgrade

RULES = Rules(modules=frozenset({"cxC5Server", "cxKV"}))
ROOT = Actor("root", "command line", operator=True)


def exact(content: Content) -> object:
    """All of it so that 1, 1.0 and true are three things, and what has no order has none."""

    def tables(held: Any) -> list[bytes]:
        return sorted(msgspec.json.encode(one) for one in held.values())

    scripts = [msgspec.json.encode(one) for one in content.scripts.values()]
    parts = [
        tables(getattr(content, name))
        for name in (
            "apps",
            "variables",
            "customers",
            "assignments",
            "providers",
            "numbers",
            "schedules",
            "webhooks",
            "templates",
        )
    ]
    limits, grants = (sorted(one.items(), key=lambda pair: pair[0]) for one in (content.limits, content.grants))
    return sorted(content.tenants), scripts, parts, limits, grants, sorted(content.webhook_secrets.items())


def by_id(content: Content) -> Content:
    """The same without the order of its scripts, which has a meaning for those alone that run on every call."""
    return msgspec.structs.replace(content, scripts=dict(sorted(content.scripts.items())))


def read(directory: Path) -> Content:
    return read_directory(CatalogSection(directory=directory), RULES)


class Home:
    """A database."""

    def __init__(self, address: str) -> None:
        self.store = Store(Storage(DatabaseUrl.parse(address), create=True))

    async def make(self) -> None:
        await upgrade(self.store.storage)
        await ensure_operator(self.store, ROOT)

    async def take(self, wanted: Content, *, delete: bool = False) -> list[str]:
        found = [one for one in differences(await self.content(), wanted) if delete or one.sign != "-"]
        work = Import(wanted, Checks(RULES, 1_000_000))
        await work.check(found, self.store)
        async with self.store.changing(ROOT) as change:
            await work.run(change, found, note="test")
        return [str(one) for one in found]

    async def content(self, *, secrets: bool = True) -> Content:
        async with self.store.reading() as scope:
            return await read_database(scope.connection, secrets=secrets)


async def with_home(address: str, *wanted: Content, delete: bool = False) -> list[Content]:
    home = Home(address)
    await home.make()
    found = []
    try:
        for one in wanted:
            await home.take(one, delete=delete)
            found.append(await home.content())
    finally:
        await home.store.close()
    return found


def two(**more: Any) -> Content:
    script = TextOf(written_out(ScriptTable(file="a.js", app="shop")), "function main() {}\n")
    variables = {
        ("shop", name): VariableTable(app="shop", name=name, **flags)
        for name, flags in more.pop("variables", {}).items()
    }
    return Content(
        tenants=frozenset({"operator"}), apps={"shop": AppTable(id="shop", name="shop")}, variables=variables,
        customers={}, scripts={"a": script, **more.pop("scripts", {})}, assignments={},
    )  # fmt: skip
