"""Whole catalogs, drawn at random."""

import base64
from typing import Any

import msgspec
from hypothesis import strategies as st

from sidecar.catalog.carriers import Mode, NumberState
from sidecar.catalog.database.rows import json_text
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
from sidecar.catalog.directory.mail_templates import TemplateTable
from sidecar.catalog.exchange.content import Content, TextOf, calls_of
from sidecar.catalog.exchange.directory import file_names, written_out
from sidecar.catalog.limits import TenantLimits
from sidecar.catalog.model import GlobalPriority
from sidecar.catalog.module_grants import ModuleGrants
from sidecar.catalog.webhook_secret import SECRET_PREFIX
from sidecar.event_name import EventName
from sidecar.kind import RULES as RULES_OF
from sidecar.kind import Kind
from sidecar.schedules.plan import Missed
from sipio.number import number_of

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
