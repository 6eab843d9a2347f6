"""A catalog goes from a directory into a database and back, and nothing of it is lost on the way."""

import asyncio
import base64
import re
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.catalog.app_variables import Variable
from sidecar.catalog.carriers import Mode, NumberState
from sidecar.catalog.compile import Rules
from sidecar.catalog.database import apps
from sidecar.catalog.database.checks import Checks
from sidecar.catalog.database.errors import AlreadyThere, ScriptRefused, StillUsed, WrongValues
from sidecar.catalog.database.rows import json_text
from sidecar.catalog.database.source import DatabaseSource
from sidecar.catalog.database.tenants import ensure_operator
from sidecar.catalog.database.work import Actor, Store
from sidecar.catalog.directory.entries import (
    AppTable,
    CustomerTable,
    DestinationTable,
    DidTable,
    NumberTable,
    ProviderTable,
    RouteTable,
    ScheduleTable,
    ScriptTable,
    VariableTable,
    WebhookTable,
)
from sidecar.catalog.directory.loader import DirectoryLoader
from sidecar.catalog.directory.mail_templates import TemplateTable
from sidecar.catalog.exchange.content import Content, TextOf, calls_of, differences, everywhere
from sidecar.catalog.exchange.database import Import, read_database
from sidecar.catalog.exchange.directory import directory_files, file_names, read_directory, write_directory, written_out
from sidecar.catalog.limits import TenantLimits
from sidecar.catalog.model import GlobalPriority
from sidecar.catalog.module_grants import ModuleGrants
from sidecar.catalog.webhook_secret import SECRET_PREFIX
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.configuration.tree import CatalogSection
from sidecar.event_name import EventName
from sidecar.kind import RULES as RULES_OF
from sidecar.kind import Kind
from sidecar.schedules.plan import Missed
from sidecar.storage.engine import Storage
from sidecar.storage.schema import upgrade
from sipio.number import number_of

RULES = Rules(modules=frozenset({"cxC5Server", "cxKV"}))
ROOT = Actor("root", "command line", operator=True)

_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=8)
_NAME = st.one_of(
    st.sampled_from(["a", "A", "a ", "ä", "x'y", 'q"', "\\n", "10%", "*", "é\u0301", "[[route]]\n"]), _TEXT
)
_SCALAR = st.one_of(
    st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), _TEXT, st.just("")
)
_JSON = st.recursive(_SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAME, inner, max_size=3))
_VARS = st.dictionaries(_NAME.filter(lambda name: name not in ("routing", "headers")), _JSON, max_size=3)
_TEXTS = st.builds(lambda text: f"// {text!r}\nfunction main(data) {{ return data }}\n", _TEXT)
_ACTION = st.sampled_from([None, "continue", '503 Über "x"', "500 No"])
LINKED = {
    "price.js": "import { tax } from './tax'\nimport r from './rates.json'\nexport const main = (n) => tax(n * r[0])\n",
    "tax.ts": "import { main } from './price'\nexport const tax = (n: number): number => n && main(n - 1)\n",
    "rates.json": "[0.2]\n",
    "old.js": "const { tax } = require('./tax')\nexports.main = tax\n",
}
"""Files of an app that import each other."""
FOR_OTHERS = (LINKED["tax.ts"], LINKED["rates.json"])
"""Those of them that take no calls."""
_TENANT = st.sampled_from(["operator", "acme", "b'eta \\"])


_GRANTED = st.dictionaries(st.sampled_from(["moment", "@s/a"]), st.sampled_from(["*", "1.0.0"]), min_size=1)
_GRANTS = st.builds(ModuleGrants, modules=_GRANTED, apps=st.dictionaries(st.sampled_from(["shop", "Ü x"]), _GRANTED))
_LIMITS = st.builds(
    TenantLimits,
    runs_at_once=st.integers(0, 2**53 - 1),
    keys=st.none() | st.integers(0, 9),
    rows=st.none() | st.just(0),
)


@st.composite
def contents(draw: st.DrawFn) -> Content:
    """A whole catalog that is right."""
    tenants = draw(st.frozensets(_NAME, max_size=2)) | {"operator"}
    app_tables = {
        name: AppTable(id=name, name=draw(_NAME), tenant=draw(_TENANT))
        for name in draw(st.lists(_NAME, unique=True, max_size=3))
    }
    variables = {}
    for app in app_tables:
        for name in draw(st.lists(st.sampled_from(["KEY", "a_b", "_", "Z9"]), unique=True, max_size=3)):
            flags = {flag: draw(st.booleans()) for flag in ("protected", "private", "locked", "default")}
            value = draw(st.one_of(st.just(""), _TEXT))
            variables[app, name] = VariableTable(app=app, name=name, value=value, **flags)
    found: dict[str, TextOf] = {}
    uuids: set[str | None] = set()
    for script_id in draw(st.lists(_NAME, unique=True, min_size=1, max_size=4)):
        tenant = draw(_TENANT)
        own = [None, *(app for app, table in app_tables.items() if table.tenant == tenant)]
        given = draw(st.one_of(st.none(), st.uuids().map(str).filter(lambda one: one not in uuids)))
        uuids.add(given)
        table = ScriptTable(
            file=draw(
                st.sampled_from(
                    [
                        "main.js",
                        "sub/main.js",
                        "main.js/x.js",
                        "../out.js",
                        "/abs.js",
                        ".hidden.js",
                        "x",
                        "MAIN.js",
                        ".git/hooks/a.js",
                        "a/.b/c.js",
                        "a\\b.js",
                        "a\x1b.js",
                    ]
                )
            ),
            id=script_id,
            name=draw(_NAME),
            kind=(kind := draw(st.sampled_from(Kind))),
            uuid=given,
            tenant=tenant,
            app=draw(st.sampled_from(own)) or "",
            memory_bytes=draw(st.sampled_from([None, 1_000_000, 2**63 - 1])),
            environment=draw(st.dictionaries(_NAME, _TEXT, max_size=2)),
            modules=draw(st.sampled_from([None, (), ("cxKV",)])),
            public=RULES_OF[kind].has_assignments and draw(st.booleans()),
            global_routing_priority=draw(st.sampled_from(GlobalPriority))
            if RULES_OF[kind].has_assignments
            else GlobalPriority.DISABLED,
            timeout_ms=draw(st.sampled_from([None, 1, 3_600_000])),
            timeout_action=draw(_ACTION),
            error_action=draw(_ACTION),
            vars=draw(_VARS),
        )
        found[script_id] = TextOf(written_out(table), draw(_TEXTS))
    for linked in range(draw(st.integers(0, 2))):
        app, tenant, where = f"linked {linked}", draw(_TENANT), draw(st.sampled_from(["", "sub/", "sub/lib/"]))
        app_tables[app] = AppTable(id=app, name=app, tenant=tenant)
        for name, text in draw(st.permutations(list(LINKED.items()))):
            table = ScriptTable(file=where + name, id=f"{linked} {name}", kind=Kind.APP, tenant=tenant, app=app)
            found[f"{linked} {name}"] = TextOf(written_out(table), text)
    # Their own names for the files are those that an export would give them.
    files = file_names(found)
    found = {key: one._replace(table=msgspec.structs.replace(one.table, file=files[key])) for key, one in found.items()}
    customers = {
        name: CustomerTable(customer=name, tenant=draw(_TENANT), vars=draw(_VARS))
        for name in draw(st.lists(_NAME, unique=True, max_size=2))
    }
    assigned: dict[Any, Any] = {}
    takes_calls = [
        key for key, one in found.items() if one.text not in FOR_OTHERS and RULES_OF[one.table.kind].has_assignments
    ]
    drives = [key for key in takes_calls if found[key].table.kind is Kind.APP]
    for _ in range(draw(st.integers(0, 4)) if takes_calls else 0):
        common: dict[str, Any] = {"script": draw(st.sampled_from(sorted(takes_calls))), "vars": draw(_VARS)}
        decision: dict[str, Any] = {"timeout_ms": draw(st.sampled_from([None, 7])), "error_action": draw(_ACTION)}
        number = draw(st.sampled_from(["*", "100", "+44-20", "tel:+4420", "sales"]))
        customer = draw(st.one_of(st.just(""), _NAME))
        made: Any = RouteTable(customer=draw(_NAME), route=draw(st.none() | _NAME), **common, **decision)
        match draw(st.integers(0, 2)):
            case 1:
                made = DidTable(did=number, customer=customer, **common, **decision)
            case 2 if drives:
                common["script"] = draw(st.sampled_from(drives))
                made = DestinationTable(destination=number, customer=customer, **common)
        assigned.setdefault(calls_of(made), made)
    tenants |= {one.tenant for one in app_tables.values()} | {one.tenant for one in customers.values()}
    tenants |= {one.table.tenant for one in found.values()}
    limits = {name: draw(_LIMITS) for name in draw(st.lists(st.sampled_from(sorted(tenants)), unique=True))}
    grants = {name: draw(_GRANTS) for name in draw(st.lists(st.sampled_from(sorted(tenants)), unique=True))}
    return Content(
        tenants=tenants,
        apps=app_tables,
        variables=variables,
        customers=customers,
        scripts=found,
        assignments=assigned,
        limits=limits,
        grants=grants,
    )


@st.composite
def with_numbers(draw: st.DrawFn) -> Content:
    """The same with carriers and their numbers."""
    content = draw(contents())
    drivers = {key: one.table.tenant for key, one in content.scripts.items() if one.table.kind is Kind.DRIVER}
    carriers = {}
    for name in draw(st.lists(_NAME, unique=True, max_size=2)) if drivers else []:
        script = draw(st.sampled_from(sorted(drivers)))
        mode = draw(st.sampled_from(Mode))
        carriers[drivers[script], name] = ProviderTable(
            id=name, script=script, tenant=drivers[script], mode=mode, company=draw(st.just("") | _NAME)
        )
    numbers = {}
    for did in (
        draw(st.lists(st.sampled_from(["100", "+44-20", "tel:+4421", "sales"]), unique=True)) if carriers else []
    ):
        tenant, provider = draw(st.sampled_from(sorted(carriers)))
        state = draw(st.sampled_from(NumberState))
        numbers[number_of(did).text] = NumberTable(
            did=did,
            provider=provider,
            tenant=tenant,
            customer=draw(st.none() | _NAME),
            state=state,
            fault="" if state is NumberState.HELD else draw(st.just("") | _TEXT),
            details=json_text(draw(st.dictionaries(_NAME, st.none() | _JSON, max_size=3))),
        )
    return msgspec.structs.replace(content, providers=carriers, numbers=numbers)


@st.composite
def with_runs(draw: st.DrawFn) -> Content:
    """The same with what runs functions by itself, and what is told of events."""
    content = draw(with_numbers())
    scripts = {
        key: one.table.tenant
        for key, one in content.scripts.items()
        if one.text not in FOR_OTHERS and RULES_OF[one.table.kind].has_assignments
    }
    names = _NAME.filter(lambda name: "/" not in name and "\n" not in name)
    schedules, webhooks = {}, {}
    for name in draw(st.lists(names, unique=True, max_size=2)) if scripts else []:
        script = draw(st.sampled_from(sorted(scripts)))
        schedules[scripts[script], name] = ScheduleTable(
            id=name,
            script=script,
            tenant=scripts[script],
            cron=draw(st.sampled_from(["@daily", "5 2 * * 1-5"])),
            data=json_text(draw(st.dictionaries(_NAME.filter(lambda key: key != "schedule"), _JSON, max_size=2))),
            missed=draw(st.sampled_from(Missed)),
            paused=draw(st.booleans()),
        )
    for name in draw(st.lists(names, unique=True, max_size=3)) if scripts else []:
        script = draw(st.sampled_from(sorted(scripts)))
        webhooks[scripts[script], name] = WebhookTable(
            name=name,
            tenant=scripts[script],
            events=tuple(sorted(draw(st.sets(st.sampled_from(EventName), min_size=1)))),
            **draw(st.sampled_from([{"script": script}, {"url": "https://crm.example.com/ä?b=%20"}])),
            only=draw(st.sampled_from([None, script])),
        )
    secrets = st.binary(min_size=24, max_size=48).map(lambda secret: SECRET_PREFIX + base64.b64encode(secret).decode())
    signed = draw(st.dictionaries(st.sampled_from(sorted(content.tenants)), secrets))
    texts = {field: st.just("") | _TEXT for field in ("subject", "text", "html")}
    called = st.tuples(st.sampled_from([*sorted(content.tenants), "only mail", "x" * 150]), _NAME | st.just("y/Z" * 80))
    templates = {
        key: TemplateTable(tenant=key[0], name=key[1], **draw(st.fixed_dictionaries(texts)))
        for key in draw(st.lists(called, unique=True, max_size=3))
    }
    return msgspec.structs.replace(
        content,
        tenants=content.tenants | {tenant for tenant, _ in templates},
        schedules=schedules,
        webhooks=webhooks,
        webhook_secrets=signed,
        templates=templates,
    )


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


@pytest.mark.parametrize("gone", [False, True])
async def test_a_script_whose_calls_go_elsewhere_may_become_what_takes_none(tmp_path: Path, gone: bool) -> None:
    def catalog(kind: Kind, text: str, *routes: RouteTable) -> Content:
        texts = {"a": (kind, text), "b": (Kind.SCRIPT, "function main() {}\n")}
        return Content(
            tenants=frozenset({"operator"}),
            apps={},
            variables={},
            customers={},
            scripts={
                key: TextOf(written_out(ScriptTable(file=f"{key}.js", id=key, kind=kind)), text)
                for key, (kind, text) in texts.items()
            },
            assignments={calls_of(one): one for one in routes},
        )

    before = catalog(Kind.SCRIPT, "function main() {}\n", RouteTable(customer="acme", script="a"))
    elsewhere = () if gone else (RouteTable(customer="acme", script="b"),)
    after = catalog(Kind.DRIVER, "export const list = () => [];\n", *elsewhere)
    _, found = await with_home(f"sqlite:///{tmp_path}/x.db", before, after, delete=gone)
    assert (found.scripts["a"].table.kind, found.assignments) == (Kind.DRIVER, after.assignments)


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


async def test_carriers_and_their_numbers_stay_where_a_directory_does_not_name_them(tmp_path: Path) -> None:
    script = TextOf(written_out(ScriptTable(file="d.js", kind=Kind.DRIVER)), "function list() {}\n")
    none = Content(
        tenants=frozenset({"operator"}), apps={}, variables={}, customers={}, scripts={"d": script}, assignments={}
    )
    bought = msgspec.structs.replace(
        none,
        providers={("operator", "c"): ProviderTable(id="c", script="d")},
        numbers={"1": NumberTable(did="1", provider="c", customer="x")},
    )
    found = await with_home(f"sqlite:///{tmp_path}/x.db", bought, none, delete=True)
    assert exact(found[1]) == exact(bought)
    changed = msgspec.structs.replace(bought, numbers={"1": NumberTable(did="1", provider="c")})
    assert [str(one) for one in differences(bought, changed)] == ["~ number '1': customer x -> None"]


async def test_schedules_are_those_that_the_directory_names(tmp_path: Path) -> None:
    script = TextOf(written_out(ScriptTable(file="d.js")), "function main() {}\n")
    none = Content(
        tenants=frozenset({"operator"}), apps={}, variables={}, customers={}, scripts={"d": script}, assignments={}
    )
    table = ScheduleTable(id="s", script="d", cron="@daily")
    scheduled = msgspec.structs.replace(none, schedules={("operator", "s"): table})
    later = msgspec.structs.replace(table, cron="@weekly")
    changed = msgspec.structs.replace(none, schedules={("operator", "s"): later})
    empty = msgspec.structs.replace(none, scripts={})
    found = await with_home(f"sqlite:///{tmp_path}/x.db", scheduled, changed, empty, delete=True)
    assert [exact(one) for one in found] == [exact(one) for one in (scheduled, changed, empty)]
    assert [str(one) for one in differences(scheduled, changed)] == ["~ schedule operator s: cron @daily -> @weekly"]


SECRET = SECRET_PREFIX + base64.b64encode(b"0" * 32).decode()


def told(*tables: WebhookTable, secret: str | None = None) -> Content:
    """An App, and who is told of its calls."""
    script = TextOf(written_out(ScriptTable(file="d.js", kind=Kind.APP)), "export const main = () => 1;\n")
    return Content(
        tenants=frozenset({"operator"}),
        apps={},
        variables={},
        customers={},
        scripts={"d": script},
        assignments={},
        webhooks={(one.tenant, one.name): one for one in tables},
        webhook_secrets={} if secret is None else {"operator": secret},
    )


async def test_webhooks_are_those_that_the_directory_names(tmp_path: Path) -> None:
    crm = WebhookTable(name="crm", url="https://crm.example.com", events=(EventName.CALL_FINISHED,))
    job = WebhookTable(name="job", script="d", events=(EventName.RUN_FINISHED,), only="d")
    first = told(crm, job, secret=SECRET)
    then = told(msgspec.structs.replace(crm, url="https://other.example.com"), secret=SECRET)
    gone = msgspec.structs.replace(told(secret=SECRET), scripts={})
    found = await with_home(f"sqlite:///{tmp_path}/x.db", first, then, gone, delete=True)
    assert [exact(one) for one in found] == [exact(one) for one in (first, then, gone)]
    assert [str(one) for one in differences(first, then)] == [
        "~ webhook operator crm: url https://crm.example.com -> https://other.example.com",
        "- webhook operator job",
    ]


async def test_the_secret_of_webhooks_is_told_where_that_was_asked_for_and_stays_where_it_is_not(
    tmp_path: Path,
) -> None:
    crm = WebhookTable(name="crm", url="https://crm.example.com", events=(EventName.CALL_FINISHED,))
    home = Home(f"sqlite:///{tmp_path}/x.db")
    await home.make()
    assert (await home.take(told(crm)))[-1] == "+ webhook operator crm, which has no secret to be signed with yet"
    assert await home.take(told(crm, secret=SECRET)) == ["+ webhook secret 'operator'"]
    assert SECRET in str((await home.content()).webhook_secrets)
    public = await home.content(secrets=False)
    write_directory(tmp_path / "out", public)
    assert SECRET[6:] not in "".join(one.read_text() for one in (tmp_path / "out").rglob("*") if one.is_file())
    assert await home.take(read(tmp_path / "out"), delete=True) == []
    assert (await home.content()).webhook_secrets == {"operator": SECRET}
    other = SECRET_PREFIX + base64.b64encode(b"1" * 32).decode()
    (changed,) = differences(await home.content(), told(crm, secret=other))
    assert str(changed) == "~ webhook secret 'operator'"
    await home.store.close()


async def test_a_script_that_a_webhook_needs_stays(tmp_path: Path) -> None:
    home = Home(f"sqlite:///{tmp_path}/x.db")
    await home.make()
    events = (EventName.RUN_FINISHED,)
    runs = told(WebhookTable(name="job", script="d", events=events))
    await home.take(runs)
    with pytest.raises(StillUsed, match="script 'd' is run by the webhook 'job'"):
        await home.take(msgspec.structs.replace(runs, scripts={}), delete=True)
    of_it = told(WebhookTable(name="job", url="https://crm.example.com", events=events, only="d"))
    await home.take(of_it)
    with pytest.raises(StillUsed, match="script 'd' is what is told to the webhook 'job'"):
        await home.take(msgspec.structs.replace(of_it, scripts={}), delete=True)
    with pytest.raises(WrongValues, match="there is no function 'no' for callers; there are main"):
        await home.take(told(WebhookTable(name="job", script="d", function="no", events=events)))
    await home.store.close()


async def test_a_schedule_and_the_function_that_it_runs_change_together(tmp_path: Path) -> None:
    def content(text: str, function: str | None = None) -> Content:
        script = TextOf(written_out(ScriptTable(file="d.js", kind=Kind.APP)), text)
        tables = {}
        if function is not None:
            tables["operator", "s"] = ScheduleTable(id="s", script="d", cron="@daily", function=function)
        return Content(
            tenants=frozenset({"operator"}),
            apps={},
            variables={},
            customers={},
            scripts={"d": script},
            assignments={},
            schedules=tables,
        )

    first, then = content("export const old = () => 1;\n", "old"), content("export const later = () => 1;\n", "later")
    gone = content("export const none = () => 1;\n")
    found = await with_home(f"sqlite:///{tmp_path}/x.db", first, then, gone, delete=True)
    assert [exact(one) for one in found] == [exact(one) for one in (first, then, gone)]
    home = Home(f"sqlite:///{tmp_path}/y.db")
    await home.make()
    with pytest.raises(WrongValues, match="there is no function 'old' for callers; there are later"):
        await home.take(content("export const later = () => 1;\n", "old"))
    await home.take(first)
    with pytest.raises(StillUsed, match="script 'd' is run by the schedule 's': there is no function 'old'"):
        await home.take(msgspec.structs.replace(first, scripts=then.scripts))
    await home.store.close()


async def test_limits_stay_where_a_directory_does_not_say_them(tmp_path: Path) -> None:
    content = Content(tenants=frozenset({"operator"}), apps={}, variables={}, customers={}, scripts={}, assignments={})
    suspended = {"acme": TenantLimits(runs_at_once=0)}
    home = Home(f"sqlite:///{tmp_path}/x.db")
    await home.make()
    await home.take(msgspec.structs.replace(content, tenants=frozenset({"operator", "acme"}), limits=suspended))
    assert await home.take(content) == []
    assert (await home.content()).limits == suspended, "nobody who was suspended runs again by an import"
    assert await home.take(content, delete=True) == ["- limits 'acme'"]
    assert (await home.content()).limits == {}
    await home.store.close()


def test_what_points_nowhere_is_told(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "a.js").write_text("function main() {}\n")
    (tmp_path / "assignments.toml").write_text(
        '[[provider]]\nid = "c"\nscript = "a"\n[[number]]\ndid = "1"\nprovider = "x"\n'
        '[[number]]\ndid = "1"\nprovider = "c"\ndetails = "[]"\n'
        '[[schedule]]\nid = "s"\nscript = "a"\ncron = "@daily"\nzone = "Berlin"\n'
        '[[schedule]]\nid = "s"\nscript = "a"\ncron = "* *"\n'
        '[[webhook]]\nname = "w"\nevents = []\n[[webhook]]\nname = "w"\nevents = ["call.finished"]\n'
        '[[tenant]]\ntenant = "t"\nwebhook_secret = "whsec_c2hvcnQ="\n'
    )
    with pytest.raises(ScriptRefused) as refused:
        read(tmp_path)
    assert [f"{one.line}: {one.message}" for one in refused.value.problems] == [
        "3: script: 'a' is a Script, and a provider is asked by a Driver",
        "6: there is no provider 'x' of the tenant 'operator'",
        "10: details: expected a JSON object: Expected `object`, got `array`",
        "15: zone: there is no time zone 'Berlin': it is called as `Europe/Berlin` or `UTC`",
        "17: the schedule 's' is there already",
        "19: cron: '* *' is no cron text: expected 5 fields: minute, hour, day of the month, month, day of the week",
        "22: events: expected a list of length >= 1, got []",
        "23: the webhook 'w' has either url or script",
        "28: webhook_secret: expected whsec_ and 24 to 48 bytes as base64",
    ]


async def test_many_assignments_are_imported_at_once(tmp_path: Path) -> None:
    script = TextOf(written_out(ScriptTable(file="a.js")), "function main() {}\n")
    routes = [RouteTable(customer=f"c{number}", script="a") for number in range(2_500)]
    content = Content(
        tenants=frozenset({"operator"}), apps={}, variables={}, customers={}, scripts={"a": script},
        assignments={calls_of(one): one for one in routes},
    )  # fmt: skip
    (found,) = await with_home(f"sqlite:///{tmp_path}/x.db", content)
    assert exact(found) == exact(content)


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


async def values(home: Home) -> dict[str, str]:
    async with home.store.reading() as scope:
        return {one.name: one.value for one in await apps.read_variables(scope, "shop")}


async def test_secrets_are_exported_only_where_it_is_said_and_an_import_leaves_them(tmp_path: Path) -> None:
    home = Home(f"sqlite:///{tmp_path}/x.db")
    await home.make()
    await home.take(two())
    async with home.store.working(ROOT, "operator") as work:
        for variable in (
            Variable(name="SECRET", value="s3cret", protected=True),
            Variable(name="LOCKED", value="here", locked=True),
            Variable(name="BOTH", value="both-s3cret", protected=True, private=True, locked=True),
            Variable(name="PLAIN", value="plain"),
        ):
            await apps.put_variable(work, "shop", variable)
    write_directory(tmp_path / "out", await home.content(secrets=False))
    text = (tmp_path / "out" / "assignments.toml").read_text()
    assert "s3cret" not in text
    assert "LOCKED" not in text
    assert 'name = "SECRET"\nprotected = true\n' in text
    before = await values(home)
    assert await home.take(read(tmp_path / "out"), delete=True) == []
    assert await values(home) == before
    write_directory(tmp_path / "all", await home.content())
    assert exact(read(tmp_path / "all")) == exact(await home.content())
    await home.store.close()


async def test_flags_say_what_an_import_does(tmp_path: Path) -> None:
    home = Home(f"sqlite:///{tmp_path}/x.db")
    await home.make()
    first = {"L": {"value": "1", "locked": True}, "D": {"value": "1", "default": True}, "P": {"value": "1"}}
    await home.take(two(variables=first))
    changed = {"L": {"value": "2"}, "D": {"value": "2", "default": True}, "P": {"value": "2"}, "N": {"protected": True}}
    told = await home.take(two(variables=changed))
    assert told == ["~ variable shop P: value", "+ variable shop N, without its value"]
    assert await values(home) == {"L": "1", "D": "1", "P": "2"}
    await home.store.close()


async def test_scripts_that_run_on_every_call_keep_the_order_of_the_directory(tmp_path: Path) -> None:
    def content(order: str) -> Content:
        return two(
            scripts={
                key: TextOf(
                    written_out(ScriptTable(file=f"{key}.js", global_routing_priority=GlobalPriority.FIRST)),
                    "function main() {}\n",
                )
                for key in order
            }
        )

    home = Home(f"sqlite:///{tmp_path}/x.db")
    await home.make()
    await home.take(content("xyz"))
    assert await home.take(content("zxy")) == ["~ order of the scripts that run on every call"]
    assert list((await home.content()).scripts) == ["a", "z", "x", "y"]
    assert await home.take(content("zxy")) == []
    await home.store.close()


async def test_what_is_refused_changes_nothing(tmp_path: Path) -> None:
    home = Home(f"sqlite:///{tmp_path}/x.db")
    await home.make()
    await home.take(two())
    before = exact(await home.content())
    table = written_out(ScriptTable(file="b.js", uuid=two().scripts["a"].table.uuid))
    with pytest.raises(AlreadyThere, match="is that of another script"):
        await home.take(
            two(
                scripts={
                    "0": TextOf(written_out(ScriptTable(file="0.js")), "main = 1"),
                    "b": TextOf(table, "function main() {}"),
                }
            )
        )
    assert exact(await home.content()) == before
    moved = two(scripts={"a": TextOf(written_out(ScriptTable(file="a.js", tenant="acme")), "function main() {}")})
    with pytest.raises(AlreadyThere, match="of the tenant 'operator' in the database, and of 'acme' here"):
        await home.take(msgspec.structs.replace(moved, tenants=frozenset({"operator", "acme"})))
    assert exact(await home.content()) == before
    with pytest.raises(ScriptRefused):
        await home.take(two(scripts={"b": TextOf(written_out(ScriptTable(file="b.js")), "function main( {}")}))
    await home.store.close()


def test_a_directory_with_something_wrong_in_it_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "assignments.toml").write_text("[[route]]\ncustomer = 'a'\nscript = 'none'\n")
    with pytest.raises(ScriptRefused, match="there is no script 'none'"):
        read(tmp_path)
    (tmp_path / "scripts" / "a.js").write_text("function main() {}")
    (tmp_path / "assignments.toml").write_text('[[route]]\ncustomer = "a\\u0000"\nscript = "a"\n')
    with pytest.raises(WrongValues, match="customer: has a NUL"):
        read(tmp_path)


def test_an_export_takes_away_what_is_gone_and_leaves_what_is_not_its_own(tmp_path: Path) -> None:
    script = TextOf(written_out(ScriptTable(file="b.js")), "function main() {}\n")
    template = TemplateTable(tenant="acme", name="porting", subject="x")
    before = msgspec.structs.replace(two(scripts={"b": script}), templates={("acme", "porting"): template})
    write_directory(tmp_path, before)
    assert (tmp_path / "templates" / "acme" / "porting.toml").read_text() == 'subject = "x"\n'
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / "scripts" / "notes.txt").write_text("mine")
    write_directory(tmp_path, two(), replaced=directory_files(before))
    there = sorted(str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*") if one.is_file())
    assert there == ["README.md", "assignments.toml", "scripts/a.js", "scripts/notes.txt"]


@pytest.mark.parametrize(
    ("files", "written"),
    [
        ([".git/hooks/post-checkout", "a/.git/config"], ["0.js", "1.js"]),
        (["../a.js", "/etc/cron.d/a.js", "a/../../b.js", "a//b.js"], ["0.js", "1.js", "2.js", "3.js"]),
        (["a\x1b[2Jb.js", "a\\b.js", "a\nb.js"], ["0.js", "1.js", "2.js"]),
        (["Main.js", "main.js", "MAIN.js/x.js", "lib/a.js", "LIB"], ["Main.js", "1.js", "2.js", "lib/a.js", "4.js"]),
        (["\u00e4.js", "a\u0308.js"], ["\u00e4.js", "1.js"]),
    ],
)
def test_no_name_leads_out_of_the_folder_hides_or_takes_another_ones_place(
    files: list[str], written: list[str]
) -> None:
    scripts = {
        str(number): TextOf(written_out(ScriptTable(file=file, id=str(number))), "function main() {}\n")
        for number, file in enumerate(files)
    }
    assert [*file_names(scripts).values()] == written


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("acme/Porting.toml", "", "is what no template's file is called"),
        (
            "acme/porting.toml",
            'name = "other"',
            "the template 'other' of 'acme' is looked for as templates/acme/other.toml",
        ),
        ("acme/porting.toml", "subject = 1", "Expected `str`"),
        ("acme/porting.toml", "x = 1", "unknown field `x`"),
    ],
)
def test_a_template_that_no_script_could_ask_for_is_refused_rather_than_left_out(
    tmp_path: Path, file: str, text: str, words: str
) -> None:
    write_directory(tmp_path, two())
    (tmp_path / "templates" / "acme").mkdir(parents=True)
    (tmp_path / "templates" / file).write_text(text)
    with pytest.raises(WrongValues, match=re.escape(words)):
        read(tmp_path)
