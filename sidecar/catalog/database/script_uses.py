"""What of a tenant's needs a script: calls, a provider, schedules, messages. No save and no removal breaks it."""

from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import Select, delete, select

from sidecar.catalog.database.app_files import path_of
from sidecar.catalog.database.checks import CheckedText
from sidecar.catalog.database.errors import StillUsed, WrongValues
from sidecar.catalog.database.prepared import decode_prepared
from sidecar.catalog.database.work import Scope, Work
from sidecar.kind import RULES, Kind
from sidecar.language.prepared import Prepared, no_function
from sidecar.script_name import script_called
from sidecar.storage.tables import assignments, mailboxes, messages, providers, schedules, scripts, versions, webhooks


class CurrentScript(NamedTuple):
    """A script as it runs now."""

    called: str
    """What messages call it."""
    kind: Kind
    prepared: Prepared


async def current_script(scope: Scope, script_id: str) -> CurrentScript:
    """A tenant's script. Raises NotThere."""
    joined = scripts.join(versions, (versions.c.script_id == scripts.c.id) & (versions.c.number == scripts.c.version))
    columns = scripts.c.name, scripts.c.file, versions.c.kind, versions.c.text, versions.c.prepared
    query: Select[Any] = select(*columns).select_from(joined)
    query = query.where(scripts.c.id == script_id, scripts.c.tenant_id == scope.tenant_id)
    row = await scope.one(query, f"script {script_id!r}")
    kind = Kind(row.kind)
    prepared = decode_prepared(row.prepared, path_of(script_id, row.file), row.text, kind)
    return CurrentScript(script_called(script_id, row.name or script_id), kind, prepared)


def require_function(script: CurrentScript, function: str) -> None:
    """Raise WrongValues where a script has no such function for callers."""
    if function not in script.prepared.entries:
        why = no_function(function, script.prepared.entries)
        raise WrongValues([f"function: in the script {script.called} {why}"])


async def require_fit(
    work: Work, script_id: str, name: str, checked: CheckedText, besides: Collection[tuple[str, str]] = ()
) -> None:
    """Raise StillUsed where the script has calls that a text could not take, a provider that it could not ask, or
    schedules and webhooks of functions that it has not. ``besides``: ``schedule`` and its id, or ``webhook`` and its
    name, of those that change or go with it."""
    for what, called, function in await _runs_of(work, script_id):
        if (what, called) not in besides and function not in checked.prepared.entries:
            why = no_function(function, checked.prepared.entries)
            raise StillUsed(f"script {script_called(script_id, name)} is run by the {what} {called!r}: {why}")
    query = select(assignments.c.type, assignments.c.subject).where(assignments.c.script_id == script_id)
    rules = RULES[checked.kind]
    if checked.kind is not Kind.DRIVER:
        await require_no_provider(work, script_id, name)
    if rules.drives_calls and checked.prepared.takes_calls:
        return
    takes_calls = rules.has_assignments and checked.prepared.takes_calls
    if takes_calls:
        query = query.where(assignments.c.type == "destination")
    row = (await work.connection.execute(query.limit(1))).one_or_none()
    if row is None:
        return
    called = script_called(script_id, name)
    if takes_calls:
        raise StillUsed(f"script {called} answers calls to {row.subject!r}, which only an App can")
    if not rules.has_assignments:
        raise StillUsed(f"script {called} is assigned: {row.type} {row.subject!r}; no call runs {rules.called}")
    raise StillUsed(f"script {called} is assigned: {row.type} {row.subject!r}, which needs a `main`")


async def _runs_of(work: Work, script_id: str) -> list[tuple[str, str, str]]:
    """What runs a function of a script by itself, what it is called, and the function."""
    scheduled = select(schedules.c.id, schedules.c.function).where(schedules.c.script_id == script_id)
    told = select(webhooks.c.name, webhooks.c.function).where(webhooks.c.script == script_id)
    found = []
    for what, query in (
        ("schedule", scheduled.order_by(schedules.c.id)),
        ("webhook", told.where(webhooks.c.tenant_id == work.tenant_id).order_by(webhooks.c.name)),
    ):
        found += [(what, row[0], row[1]) for row in (await work.connection.execute(query)).all()]
    return found


async def require_no_provider(work: Work, script_id: str, name: str) -> None:
    """Raise StillUsed where a provider is asked by it."""
    query = select(providers.c.id).where(providers.c.script_id == script_id).limit(1)
    provider = (await work.connection.execute(query)).one_or_none()
    if provider is not None:
        called = script_called(script_id, name)
        raise StillUsed(f"script {called} is the Driver of the provider {provider.id!r}")


async def require_not_run(work: Work, script_id: str, name: str) -> None:
    """Raise StillUsed where a schedule or a webhook runs it, or a webhook is told of its events alone."""
    found = [(what, called, "run by") for what, called, _ in await _runs_of(work, script_id)]
    query = work.own(webhooks).where(webhooks.c.only == script_id).order_by(webhooks.c.name)
    found += [("webhook", row.name, "what is told to") for row in (await work.connection.execute(query)).all()]
    if found:
        what, called, words = found[0]
        raise StillUsed(f"script {script_called(script_id, name)} is {words} the {what} {called!r}")


async def remove_mailbox(work: Work, script_id: str, name: str) -> None:
    """Take a Worker's mailbox out, with its dead letters. Raises StillUsed while messages wait in it."""
    connection = work.connection
    # Locked first, as whoever sends does.
    await connection.execute(select(mailboxes.c.script).where(mailboxes.c.script == script_id).with_for_update())
    waiting = select(messages.c.id).where(messages.c.script == script_id, messages.c.state != "dead").limit(1)
    if (await connection.execute(waiting)).one_or_none() is not None:
        raise StillUsed(f"script {script_called(script_id, name)} has messages that wait in its mailbox")
    await connection.execute(delete(messages).where(messages.c.script == script_id))
    await connection.execute(delete(mailboxes).where(mailboxes.c.script == script_id))
