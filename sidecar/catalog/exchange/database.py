"""A catalog in a database as a whole: read into a content, and made what a content says."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sidecar.catalog.app_variables import Variable
from sidecar.catalog.carriers import Mode, NumberState
from sidecar.catalog.compile import Rules
from sidecar.catalog.database import apps, assignments, numbers, providers, schedules, scripts, webhooks
from sidecar.catalog.database.checks import CheckedText, Checks, TextToSave
from sidecar.catalog.database.errors import AlreadyThere, ScriptRefused
from sidecar.catalog.database.mail_templates import MailTemplateRecord, put_template, remove_template
from sidecar.catalog.database.module_grants import put_grants
from sidecar.catalog.database.rows import json_table
from sidecar.catalog.database.tenants import put_limits
from sidecar.catalog.database.work import Change, Scope, Store, Work, insert_all
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
from sidecar.catalog.exchange.content import (
    AssignmentTable,
    Calls,
    Content,
    Difference,
    TextOf,
    calls_of,
    everywhere,
)
from sidecar.catalog.limits import NO_LIMITS, decode_limits
from sidecar.catalog.model import GlobalPriority
from sidecar.catalog.module_grants import NO_GRANTS, decode_grants
from sidecar.catalog.webhook_secret import SECRET_PREFIX
from sidecar.event_name import EventName
from sidecar.kind import Kind
from sidecar.problem import Problem
from sidecar.schedules.plan import Missed
from sidecar.storage import tables

_REMOVE: Final = {
    "schedule": schedules.remove_schedule,
    "webhook": webhooks.remove_webhook,
    "template": remove_template,
}
"""What is called by its tenant and a name."""
ONE_BY_ONE: Final = 1_000
"""New assignments that are each put into the audit; of more there is an entry for so many."""


async def read_database(connection: AsyncConnection, *, secrets: bool) -> Content:
    """What is in a database. Without ``secrets`` protected variables have no value, and locked ones are not there; nor
    is what webhooks are signed with."""

    async def rows(query: Any) -> Sequence[Any]:
        return (await connection.execute(query)).all()

    tenants = {row.id: row.name for row in await rows(select(tables.tenants))}
    query = select(tables.scripts, tables.versions.c.kind, tables.versions.c.text).join(
        tables.versions,
        (tables.versions.c.script_id == tables.scripts.c.id) & (tables.versions.c.number == tables.scripts.c.version),
    )
    found = {}
    for row in await rows(query.order_by(tables.scripts.c.position)):
        found[row.id] = TextOf(_script(row, tenants[row.tenant_id]), row.text)
    variables = {}
    for row in await rows(select(tables.variables)):
        variables[row.app_id, row.name] = VariableTable(
            app=row.app_id,
            name=row.name,
            value=row.value if secrets or not row.protected else None,
            protected=row.protected,
            private=row.private,
            locked=row.locked,
            default=row.by_default,
        )
    assigned: dict[Calls, AssignmentTable] = {}
    for row in await rows(select(tables.assignments)):
        table = _assignment(row)
        assigned[calls_of(table)] = table
    return Content(
        tenants=frozenset(tenants.values()),
        apps={
            row.id: AppTable(id=row.id, name=row.name, tenant=tenants[row.tenant_id])
            for row in await rows(select(tables.apps))
        },
        variables={key: one for key, one in sorted(variables.items()) if secrets or not one.locked},
        customers={
            row.name: CustomerTable(customer=row.name, tenant=tenants[row.tenant_id], vars=dict(json_table(row.vars)))
            for row in await rows(select(tables.customers))
        },
        scripts=found,
        assignments=assigned,
        limits={tenants[row.tenant_id]: decode_limits(row.limits) for row in await rows(select(tables.tenant_limits))},
        grants={tenants[row.tenant_id]: decode_grants(row.grants) for row in await rows(select(tables.module_grants))},
        providers={
            (tenants[row.tenant_id], row.id): ProviderTable(
                id=row.id,
                script=row.script_id,
                tenant=tenants[row.tenant_id],
                mode=Mode(row.mode),
                company=row.company,
            )
            for row in await rows(select(tables.providers))
        },
        numbers={
            row.subject: NumberTable(
                did=row.did,
                provider=row.provider_id,
                tenant=tenants[row.tenant_id],
                customer=row.customer,
                state=NumberState(row.state),
                fault=row.fault,
                details=row.details,
            )
            for row in await rows(select(tables.numbers))
        },
        schedules={
            (tenants[row.tenant_id], row.id): ScheduleTable(
                id=row.id,
                script=row.script_id,
                tenant=tenants[row.tenant_id],
                cron=row.cron,
                zone=row.zone,
                function=row.function,
                data=row.data,
                missed=Missed(row.missed),
                most=row.most,
                attempts=row.attempts,
                paused=row.paused,
            )
            for row in await rows(select(tables.schedules))
        },
        webhooks={
            (tenants[row.tenant_id], row.name): WebhookTable(
                name=row.name,
                events=tuple(EventName(event) for event in row.events.split()),
                tenant=tenants[row.tenant_id],
                url=row.url,
                script=row.script,
                function=row.function,
                only=row.only,
            )
            for row in await rows(select(tables.webhooks))
        },
        webhook_secrets={
            tenants[row.tenant_id]: SECRET_PREFIX + row.secret
            for row in (await rows(select(tables.webhook_secrets)) if secrets else ())
        },
        templates={
            (tenants[row.tenant_id], row.name): TemplateTable(
                tenant=tenants[row.tenant_id], name=row.name, subject=row.subject, text=row.text, html=row.html
            )
            for row in await rows(select(tables.mail_templates))
        },
    )


class Import:
    """Makes a database what a content says, by the differences that were shown."""

    def __init__(self, wanted: Content, checks: Checks) -> None:
        self._wanted = wanted
        self._checks = checks
        self._checked: dict[str, CheckedText] = {}
        self._together: frozenset[str] = frozenset()
        """Ids of the scripts that are saved or go."""

    async def check(self, differences: Sequence[Difference], store: Store) -> None:
        """Look through the texts that will be saved, those of an app together, before any transaction begins. Raises
        ScriptRefused, StorageError."""
        self._together = frozenset(one.key for one in differences if one.what == "script")
        groups: dict[tuple[str, str], list[str]] = {}
        for one in differences:
            if one.what == "script" and one.sign != "-":
                table = self._wanted.scripts[one.key].table
                groups.setdefault((table.tenant, table.app), []).append(one.key)
        problems: list[Problem] = []
        for (tenant, app), keys in groups.items():
            wanted = [
                TextToSave(table.file, text, table.kind, key, table.modules)
                for key, (table, text) in ((key, self._wanted.scripts[key]) for key in keys)
            ]
            try:
                checked = await self._checks.check_files(_reading(store, tenant), app, wanted, self._together)
            except ScriptRefused as refused:
                problems += refused.problems
            else:
                self._checked.update(zip(keys, checked, strict=True))
        if problems:
            raise ScriptRefused(problems)

    async def run(self, change: Change, differences: Sequence[Difference], *, note: str) -> None:
        """Do it, all of it or, where it raises, nothing."""
        wanted, rules = self._wanted, self._checks.rules
        new: list[Calls] = []
        beside = [(one.what, *one.key) for one in differences if one.what in ("schedule", "webhook")]
        await self._let_go(change, differences)
        for what, key, _, sign in differences:
            if sign == "-":
                await self._remove(change, what, key)
            elif what == "tenant":
                await change.make_tenant(key)
            elif what == "limits":
                await put_limits(change.of(key), wanted.limits[key])
            elif what == "grants":
                await put_grants(change.of(key), wanted.grants[key])
            elif what == "app":
                await apps.put_app(await change.make_tenant(wanted.apps[key].tenant), wanted.apps[key])
            elif what == "variable":
                await self._variable(change, wanted.variables[key])
            elif what == "customer":
                customer = wanted.customers[key]
                await assignments.put_customer(change.of(customer.tenant), customer, rules.defaults)
            elif what == "script":
                table = wanted.scripts[key].table
                await self._require_owner(change, tables.scripts, key, table.tenant)
                besides = {(kind, called) for kind, tenant, called in beside if tenant == table.tenant}
                await scripts.put_script(
                    change.of(table.tenant), table, self._checked[key], rules, note=note, besides=besides
                )
            elif what == "number":
                await numbers.import_number(change.of(wanted.numbers[key].tenant), wanted.numbers[key])
            elif what == "webhook secret":
                await webhooks.put_secret(await change.make_tenant(key), wanted.webhook_secrets[key])
            elif what != "assignment":
                await self._put(change, what, key)
            elif sign == "+":
                new.append(key)
            else:
                await self._assign(change, key, rules)
        if len(new) > ONE_BY_ONE:
            await self._assign_many(change, new)
        else:
            for key in new:
                await self._assign(change, key, rules)
        if any(one.what == "order" for one in differences) or any(one.what == "script" for one in differences):
            await self._order(change)

    async def _put(self, change: Change, what: str, key: Any) -> None:
        """What is called by its tenant and a name."""
        wanted = self._wanted
        if what == "provider":
            provider = wanted.providers[key]
            record = providers.ProviderRecord(
                id=provider.id, script=provider.script, mode=provider.mode, company=provider.company
            )
            await providers.put_provider(await change.make_tenant(provider.tenant), record)
        elif what == "schedule":
            schedule = wanted.schedules[key]
            await schedules.put_schedule(change.of(schedule.tenant), _schedule_record(schedule))
        elif what == "webhook":
            webhook = wanted.webhooks[key]
            await webhooks.put_webhook(change.of(webhook.tenant), _webhook_record(webhook), unsigned=True)
        elif what == "template":
            template = wanted.templates[key]
            mail = MailTemplateRecord(
                name=template.name, subject=template.subject, text=template.text, html=template.html
            )
            await put_template(await change.make_tenant(template.tenant), mail)

    async def _let_go(self, change: Change, differences: Sequence[Difference]) -> None:
        """Take calls from scripts that are saved or go and have them no more: they may become what takes none."""
        for what, key, _, sign in differences:
            if what != "assignment" or sign == "+":
                continue
            row = await _assigned(change, key)
            wanted = self._wanted.assignments[key].script if sign == "~" else None
            if row is not None and row.script_id != wanted and row.script_id in self._together:
                await assignments.unassign(await _owner(change, row), row.id)

    async def _assign(self, change: Change, calls: Calls, rules: Rules) -> None:
        table = self._wanted.assignments[calls]
        owner = self._wanted.scripts[table.script].table.tenant
        row = await _assigned(change, calls)
        if row is not None and change.of(owner).tenant_id != row.tenant_id:
            # Its script is another tenant's from now on.
            await assignments.unassign(await _owner(change, row), row.id)
        await assignments.assign(change.of(owner), table, rules.defaults)

    async def _assign_many(self, change: Change, calls: Sequence[Calls]) -> None:
        rows = []
        for one in calls:
            table = self._wanted.assignments[one]
            owner = self._wanted.scripts[table.script].table.tenant
            rows.append({"tenant_id": change.of(owner).tenant_id, **assignments.columns_of(table)})
        await insert_all(change.connection, tables.assignments, rows)
        for begin in range(0, len(calls), ONE_BY_ONE):
            some = [
                {"calls": list(one), **msgspec.to_builtins(self._wanted.assignments[one])}
                for one in calls[begin : begin + ONE_BY_ONE]
            ]
            change.record("operator", "assignment.import", f"{len(some)} assignments", None, some)
        change.changed_everything()

    async def _variable(self, change: Change, table: VariableTable) -> None:
        app = self._wanted.apps[table.app]
        work = change.of(app.tenant)
        there = {one.name: one for one in await apps.read_variables(work, table.app)}
        value = table.value
        if value is None:
            if table.name not in there:
                return  # it has been said that it has none
            value = there[table.name].value
        variable = Variable(
            name=table.name,
            value=value,
            protected=table.protected,
            private=table.private,
            locked=table.locked,
            default=table.default,
        )
        await apps.put_variable(work, table.app, variable)

    async def _order(self, change: Change) -> None:
        """Scripts that run on every call in the order that is wanted, in the places that they have together."""
        order = everywhere(self._wanted.scripts)
        query = select(tables.scripts.c.id, tables.scripts.c.position).where(
            tables.scripts.c.global_routing_priority != GlobalPriority.DISABLED.value
        )
        places = {row.id: row.position for row in (await change.connection.execute(query)).all()}
        wanted = [one for one in order if one in places]
        for script_id, position in zip(wanted, sorted(places[one] for one in wanted), strict=True):
            if places[script_id] != position:
                await change.connection.execute(
                    update(tables.scripts).where(tables.scripts.c.id == script_id).values(position=position)
                )
                change.changed("script", script_id)
                change.record("operator", "script.order", script_id, places[script_id], position)

    async def _remove(self, change: Change, what: str, key: Any) -> None:
        if what == "assignment":
            row = await _assigned(change, key)
            if row is not None:
                await assignments.unassign(await _owner(change, row), row.id)
            return
        if what == "limits":
            await put_limits(change.of(key), NO_LIMITS)
            return
        if what == "grants":
            await put_grants(change.of(key), NO_GRANTS)
            return
        if what in _REMOVE:
            tenant, called = key
            await _REMOVE[what](change.of(tenant), called)
            return
        table, column = {
            "script": (tables.scripts, tables.scripts.c.id),
            "app": (tables.apps, tables.apps.c.id),
            "customer": (tables.customers, tables.customers.c.name),
            "variable": (tables.apps, tables.apps.c.id),
        }[what]
        name = key[0] if what == "variable" else key
        row = (await change.connection.execute(select(table.c.tenant_id).where(column == name))).one_or_none()
        if row is None:
            return
        work = await _owner(change, row)
        if what == "script":
            await scripts.remove_script(work, key, together=self._together)
        elif what == "app":
            await apps.remove_app(work, key)
        elif what == "customer":
            await assignments.remove_customer(work, key)
        else:
            await apps.remove_variable(work, *key)

    async def _require_owner(self, change: Change, table: Any, key: str, tenant: str) -> None:
        row = (await change.connection.execute(select(table.c.tenant_id).where(table.c.id == key))).one_or_none()
        if row is not None and row.tenant_id != change.of(tenant).tenant_id:
            owner = await _owner(change, row)
            raise AlreadyThere(
                f"script {key!r} is of the tenant {owner.tenant!r} in the database, and of {tenant!r} here"
            )


@contextlib.asynccontextmanager
async def _reading(store: Store, tenant: str) -> AsyncIterator[Scope]:
    """The part of a tenant who may not be there yet, and has nothing then."""
    async with store.reading() as scope:
        query = select(tables.tenants.c.id).where(tables.tenants.c.name == tenant)
        tenant_id = (await scope.connection.execute(query)).scalar_one_or_none()
        yield Scope(scope.connection, tenant_id or 0, tenant)


async def _assigned(change: Change, calls: Calls) -> Any:
    columns = tables.assignments.c
    query = select(tables.assignments).where(
        columns.type == calls.kind, columns.subject == calls.subject, columns.route == calls.route
    )
    return (await change.connection.execute(query)).one_or_none()


async def _owner(change: Change, row: Any) -> Work:
    query = select(tables.tenants.c.name).where(tables.tenants.c.id == row.tenant_id)
    return change.of((await change.connection.execute(query)).scalar_one())


def _script(row: Any, tenant: str) -> ScriptTable:
    return ScriptTable(
        file=row.file or f"{row.id}.js",
        id=row.id,
        name=row.name,
        kind=Kind(row.kind),
        uuid=row.uuid,
        tenant=tenant,
        app=row.app_id or "",
        memory_bytes=row.memory_bytes,
        environment=msgspec.json.decode(row.environment, type=dict[str, str]),
        modules=msgspec.json.decode(row.modules, type=tuple[str, ...]) if row.modules is not None else None,
        public=row.public,
        global_routing_priority=GlobalPriority(row.global_routing_priority),
        timeout_ms=row.timeout_ms,
        timeout_action=row.timeout_action,
        error_action=row.error_action,
        vars=dict(json_table(row.vars)),
    )


def _schedule_record(table: ScheduleTable) -> schedules.ScheduleRecord:
    values = {name: getattr(table, name) for name in table.__struct_fields__ if name not in ("tenant", "data")}
    return schedules.ScheduleRecord(data=msgspec.json.decode(table.data), **values)


def _webhook_record(table: WebhookTable) -> webhooks.WebhookRecord:
    return webhooks.WebhookRecord(
        **{name: getattr(table, name) for name in table.__struct_fields__ if name != "tenant"}
    )


def _assignment(row: Any) -> AssignmentTable:
    given = {
        "script": row.script_id,
        "vars": dict(json_table(row.vars)),
    }
    if row.type == "destination":
        return DestinationTable(destination=row.written, customer=row.customer, **given)
    given |= {name: getattr(row, name) for name in ("timeout_ms", "timeout_action", "error_action")}
    if row.type == "did":
        return DidTable(did=row.written, customer=row.customer, **given)
    return RouteTable(customer=row.subject, route=row.route or None, **given)
