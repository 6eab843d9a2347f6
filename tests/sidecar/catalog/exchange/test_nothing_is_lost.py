"""A catalog goes from a directory into a database and back, and nothing of it is lost on the way."""

import asyncio
import tempfile
from pathlib import Path

import msgspec
from hypothesis import given, settings

from sidecar.catalog.carriers import Mode, NumberState
from sidecar.catalog.database.errors import AlreadyThere
from sidecar.catalog.database.source import DatabaseSource
from sidecar.catalog.directory.entries import (
    AppTable,
    CustomerTable,
    DidTable,
    NumberTable,
    ProviderTable,
    RouteTable,
    ScheduleTable,
    ScriptTable,
    VariableTable,
)
from sidecar.catalog.directory.loader import DirectoryLoader
from sidecar.catalog.exchange.content import Content, TextOf, calls_of, everywhere
from sidecar.catalog.exchange.directory import write_directory, written_out
from sidecar.catalog.limits import TenantLimits
from sidecar.catalog.module_grants import ModuleGrants
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.configuration.tree import CatalogSection
from sidecar.kind import Kind
from sidecar.schedules.plan import Missed
from tests.sidecar.catalog.exchange.content_grammar import contents, with_runs
from tests.sidecar.catalog.exchange.content_homes import RULES, Home, by_id, exact, read, with_home


@settings(max_examples=50)
@given(with_runs())
def test_by_a_directory_nothing_is_lost(content: Content) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_directory(Path(folder), content)
        assert exact(read(Path(folder))) == exact(content)


@settings(max_examples=10)
@given(with_runs())
def test_by_a_database_nothing_is_lost(content: Content) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (found,) = asyncio.run(with_home(f"sqlite:///{folder}/x.db", content))
        assert exact(found) == exact(content)
        # And what a daemon decides by is the same from both homes.
        write_directory(Path(folder), content)
        source = DatabaseSource(DatabaseUrl.parse(f"sqlite:///{folder}/x.db"), RULES)
        try:
            one = source.load().require()
        finally:
            source.close()
        other = DirectoryLoader(CatalogSection(directory=Path(folder)), RULES.defaults, modules=RULES.modules).load()
        assert one == other.require()


@settings(max_examples=10)
@given(contents(), contents())
def test_an_import_that_deletes_makes_it_the_directory(one: Content, other: Content) -> None:
    moved = any(
        getattr(one, what)[key].tenant != table.tenant
        for what in ("apps", "customers")
        for key, table in getattr(other, what).items()
        if key in getattr(one, what)
    )
    moved |= any(
        key in one.scripts and one.scripts[key].table.tenant != script.table.tenant
        for key, script in other.scripts.items()
    )
    uuids = {script.table.uuid: key for key, script in one.scripts.items()}
    moved |= any(uuids.get(script.table.uuid, key) != key for key, script in other.scripts.items())
    with tempfile.TemporaryDirectory() as folder:
        try:
            _, found = asyncio.run(with_home(f"sqlite:///{folder}/x.db", one, other, delete=True))
        except AlreadyThere:
            assert moved
            return
    kept = {
        key
        for key, table in one.variables.items()
        if table.locked or (key in other.variables and other.variables[key].default)
    }
    if kept or any(app in {key for key, _ in kept} for app in one.apps):
        return  # what is locked stays, which other tests say
    assert exact(by_id(msgspec.structs.replace(found, tenants=other.tenants))) == exact(by_id(other))
    assert everywhere(found.scripts) == everywhere(other.scripts)


async def test_of_every_database_the_export_is_the_import(database_address: str, tmp_path: Path) -> None:
    content = Content(
        tenants=frozenset({"operator", "acme", "ACME", "idle"}),
        apps={"shop": AppTable(id="shop", name="Shöp", tenant="acme")},
        variables={("shop", "KEY"): VariableTable(app="shop", name="KEY", value="s3cret \U0001f600", protected=True)},
        customers={"acme": CustomerTable(customer="acme", tenant="acme", vars={"x": {"y": [1, 1.0, True, 2**70]}})},
        scripts={
            key: TextOf(
                written_out(ScriptTable(file=f"{number}.js", id=key, name=key, tenant=tenant, app=app)),
                f"function main() {{}}\n// {key} \U0001f600\n",
            )
            for number, (key, tenant, app) in enumerate(
                [("a", "acme", "shop"), ("A", "ACME", ""), ("a ", "operator", "")]
            )
        }
        | {
            "d": TextOf(
                written_out(ScriptTable(file="d.js", tenant="acme", kind=Kind.DRIVER)),
                "export const list = () => [];\n",
            )
        },
        assignments={
            calls_of(one): one
            for one in (
                RouteTable(customer="acme", script="a"),
                RouteTable(customer="ACME", route="Ü", script="A", vars={"é": "e\u0301"}),
                DidTable(did="+44-20", script="a ", customer="acme"),
            )
        },
        grants={"acme": ModuleGrants(modules={"@s/a": "1.0.0-rc.1"}, apps={"Ü": {"moment": "*"}})},
        limits={"idle": TenantLimits(runs_at_once=0), "acme": TenantLimits(keys=7, log_bytes=2**53 - 1)},
        providers={("acme", "c"): ProviderTable(id="c", script="d", tenant="acme", mode=Mode.LIVE, company="Ü")},
        numbers={
            "4420": NumberTable(did="+44-20", provider="c", tenant="acme", details='{"a":null,"b":"\u00fc"}'),
            "7": NumberTable(
                did="7", provider="c", tenant="acme", state=NumberState.RELEASING, fault="gone \U0001f600"
            ),
        },
        schedules={
            ("acme", "nightly"): ScheduleTable(
                id="nightly",
                script="d",
                tenant="acme",
                cron="5 2 * * *",
                zone="Europe/Berlin",
                function="list",
                data='{"a":"\u00fc"}',
            ),
            ("acme", "Nightly"): ScheduleTable(
                id="Nightly",
                script="d",
                tenant="acme",
                cron="@daily",
                function="list",
                missed=Missed.ALL,
                most=3,
                paused=True,
            ),
        },
    )
    home = Home(database_address)
    await home.make()
    assert len(await home.take(content)) == 3 + 2 + 1 + 1 + 1 + 1 + 4 + 3 + 3 + 2
    assert await home.take(content) == []
    write_directory(tmp_path / "out", await home.content())
    assert exact(read(tmp_path / "out")) == exact(content)
    await home.store.close()


async def test_many_assignments_are_imported_at_once(tmp_path: Path) -> None:
    script = TextOf(written_out(ScriptTable(file="a.js")), "function main() {}\n")
    routes = [RouteTable(customer=f"c{number}", script="a") for number in range(2_500)]
    content = Content(
        tenants=frozenset({"operator"}), apps={}, variables={}, customers={}, scripts={"a": script},
        assignments={calls_of(one): one for one in routes},
    )  # fmt: skip
    (found,) = await with_home(f"sqlite:///{tmp_path}/x.db", content)
    assert exact(found) == exact(content)
