"""A whole catalog as neither a directory nor a database has it, and how two of them differ."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from sidecar.catalog.database.assignments import columns_of
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
from sidecar.catalog.limits import NO_LIMITS, TenantLimits
from sidecar.catalog.module_grants import NO_GRANTS, ModuleGrants

AssignmentTable = RouteTable | DidTable | DestinationTable


class Calls(NamedTuple):
    """What an assignment is for. No two are for the same."""

    kind: str
    subject: str
    route: str

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}" + (f" {self.route}" if self.route else "")


class TextOf(NamedTuple):
    """A script: its table with all that it says by default written out, and its text."""

    table: ScriptTable
    text: str


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of a catalog by what it is called."""

    tenants: frozenset[str]
    apps: Mapping[str, AppTable]
    variables: Mapping[tuple[str, str], VariableTable]
    """By app and name. One without a value is not told here."""
    customers: Mapping[str, CustomerTable]
    scripts: Mapping[str, TextOf]
    """In the order in which those run that run on every call."""
    assignments: Mapping[Calls, AssignmentTable]
    limits: Mapping[str, TenantLimits] = {}
    """Of the tenants for whom something is set."""
    grants: Mapping[str, ModuleGrants] = {}
    """Of the tenants who are granted npm modules."""
    providers: Mapping[tuple[str, str], ProviderTable] = {}
    """By tenant and id."""
    numbers: Mapping[str, NumberTable] = {}
    """By the number without what does not tell numbers apart."""
    schedules: Mapping[tuple[str, str], ScheduleTable] = {}
    """By tenant and id."""
    webhooks: Mapping[tuple[str, str], WebhookTable] = {}
    """By tenant and name."""
    webhook_secrets: Mapping[str, str] = {}
    """Of the tenants whose is told here."""
    templates: Mapping[tuple[str, str], TemplateTable] = {}
    """Of mail, by tenant and name."""


class Difference(NamedTuple):
    """One thing that one catalog has and another has not, or not so."""

    what: str
    """``tenant``, ``limits``, ``grants``, ``app``, ``variable``, ``customer``, ``script``, ``provider``, ``number``,
    ``assignment``, ``schedule``, ``webhook secret``, ``webhook``, ``template`` or ``order``."""
    key: Any
    words: str
    """What it is called, and what of it differs. Nothing secret."""
    sign: str
    """``+`` for something new, ``~`` for a change, ``-`` for what is gone."""

    def __str__(self) -> str:
        return f"{self.sign} {self.what} {self.words}"


def calls_of(table: AssignmentTable) -> Calls:
    """What calls an assignment is for."""
    values = columns_of(table)
    return Calls(values["type"], values["subject"], values["route"])


def differences(now: Content, wanted: Content) -> Iterator[Difference]:
    """What makes the one into the other. Locked variables that are there stay, and so do those that only have a default
    where there is one; and carriers and their numbers, which cost whether anybody has written them down or not; and
    secrets that are not told."""
    for name in sorted(wanted.tenants - now.tenants):
        yield Difference("tenant", name, repr(name), "+")
    for name in sorted(wanted.limits):
        before, after = (one.limits.get(name, NO_LIMITS) for one in (now, wanted))
        if before != after:
            yield Difference("limits", name, f"{name!r}: {', '.join(_changed(before, after))}", "~")
    for name in sorted(wanted.grants):
        if now.grants.get(name, NO_GRANTS) != wanted.grants[name]:
            yield Difference("grants", name, repr(name), "~")
    yield from _tables("app", now.apps, wanted.apps)
    yield from _variables(now.variables, wanted.variables)
    yield from _tables("customer", now.customers, wanted.customers)
    yield from _scripts(now.scripts, wanted.scripts)
    yield from _tables("provider", now.providers, wanted.providers)
    yield from _tables("number", now.numbers, wanted.numbers)
    yield from _tables("assignment", now.assignments, wanted.assignments)
    yield from _tables("schedule", now.schedules, wanted.schedules)
    yield from _webhooks(now, wanted)
    yield from _tables("template", now.templates, wanted.templates)
    if _everywhere(now, wanted.scripts) != _everywhere(wanted, now.scripts):
        yield Difference("order", None, "of the scripts that run on every call", "~")
    # What needs another goes before it. An app with a locked variable stays with it.
    locked = {app for (app, _), variable in now.variables.items() if variable.locked}
    for what in ("assignments", "schedules", "webhooks", "templates", "scripts", "variables", "customers", "apps"):
        gone = [key for key in getattr(now, what) if key not in getattr(wanted, what)]
        for key in gone:
            if (what == "variables" and now.variables[key].locked) or (what == "apps" and key in locked):
                continue
            yield Difference(what.removesuffix("s"), key, _name(key), "-")
    for name in sorted(now.limits.keys() - wanted.limits.keys()):
        if now.limits[name] != NO_LIMITS:
            yield Difference("limits", name, repr(name), "-")
    for name in sorted(now.grants.keys() - wanted.grants.keys()):
        if now.grants[name] != NO_GRANTS:
            yield Difference("grants", name, repr(name), "-")


def unvalued(now: Content, wanted: Content) -> list[tuple[str, str]]:
    """App and name of each variable that has a value in neither: nobody can make it but who knows the value."""
    return [key for key, one in wanted.variables.items() if one.value is None and key not in now.variables]


def everywhere(scripts: Mapping[str, TextOf]) -> list[str]:
    """Ids of the scripts that run on every call, in their order."""
    return [key for key, one in scripts.items() if one.table.global_routing_priority != "disabled"]


def _everywhere(of: Content, others: Mapping[str, TextOf]) -> list[str]:
    both = everywhere(of.scripts)
    return [key for key in both if key in others and others[key].table.global_routing_priority != "disabled"]


def _tables(what: str, now: Mapping[Any, Any], wanted: Mapping[Any, Any]) -> Iterator[Difference]:
    for key, table in wanted.items():
        former = now.get(key)
        if former is None:
            yield Difference(what, key, _name(key), "+")
        else:
            changed = list(_changed(former, table))
            if changed:
                yield Difference(what, key, f"{_name(key)}: {', '.join(changed)}", "~")


def _scripts(now: Mapping[str, TextOf], wanted: Mapping[str, TextOf]) -> Iterator[Difference]:
    for key, one in wanted.items():
        former = now.get(key)
        if former is None:
            yield Difference("script", key, repr(key), "+")
            continue
        changed = [*(["text"] if former.text != one.text else []), *_changed(former.table, one.table)]
        if changed:
            yield Difference("script", key, f"{key!r}: {', '.join(changed)}", "~")


def _variables(
    now: Mapping[tuple[str, str], VariableTable], wanted: Mapping[tuple[str, str], VariableTable]
) -> Iterator[Difference]:
    for key, table in wanted.items():
        former = now.get(key)
        if former is not None and (former.locked or table.default):
            continue
        words = " ".join(key)
        if former is None:
            yield Difference("variable", key, words + (", without its value" if table.value is None else ""), "+")
            continue
        if table.value is None:
            table = msgspec.structs.replace(table, value=former.value)  # noqa: PLW2901 - what is stored stays
        names = [name for name in table.__struct_fields__ if getattr(former, name) != getattr(table, name)]
        if names:
            yield Difference("variable", key, f"{words}: {', '.join(names)}", "~")


def _webhooks(now: Content, wanted: Content) -> Iterator[Difference]:
    for tenant, secret in wanted.webhook_secrets.items():
        if now.webhook_secrets.get(tenant) != secret:
            yield Difference("webhook secret", tenant, repr(tenant), "~" if tenant in now.webhook_secrets else "+")
    secrets = now.webhook_secrets.keys() | wanted.webhook_secrets.keys()
    for one in _tables("webhook", now.webhooks, wanted.webhooks):
        unsigned = wanted.webhooks[one.key].url is not None and one.key[0] not in secrets
        yield one._replace(words=f"{one.words}, which has no secret to be signed with yet") if unsigned else one


def _changed(one: msgspec.Struct, other: msgspec.Struct) -> Iterable[str]:
    for name in one.__struct_fields__:
        before, after = getattr(one, name), getattr(other, name)
        if name in ("vars", "environment", "modules"):
            if json_text(before) != json_text(after):
                yield name
        elif before != after:
            yield name if len(f"{before}{after}") > 80 else f"{name} {before} -> {after}"


def _name(key: Any) -> str:
    if isinstance(key, Calls):
        return str(key)
    return " ".join(key) if isinstance(key, tuple) else repr(key)
