"""What of a tenant's needs a script: calls, a provider, schedules, messages. No save and no removal breaks it."""

from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import Select, delete, select

from sidecar.catalog.database.app_files import path_of
from sidecar.catalog.database.checks import CheckedText
from sidecar.catalog.database.errors import StillUsed
from sidecar.catalog.database.prepared import decode_prepared
from sidecar.catalog.database.script_names import script_called
from sidecar.catalog.database.work import Scope, Work
from sidecar.kind import RULES, Kind
from sidecar.language.prepared import Prepared, no_function
from sidecar.storage.tables import assignments, mailboxes, messages, providers, schedules, scripts, versions


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


async def require_fit(
    work: Work, script_id: str, name: str, checked: CheckedText, rescheduled: Collection[str] = ()
) -> None:
    """Raise StillUsed where the script has calls that a text could not take, a provider that it could not ask, or
    schedules of functions that it has not. ``rescheduled``: ids of schedules that change or go with it."""
    await _require_scheduled(work, script_id, name, checked, rescheduled)
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


async def _require_scheduled(
    work: Work, script_id: str, name: str, checked: CheckedText, rescheduled: Collection[str]
) -> None:
    query = work.own(schedules).where(schedules.c.script_id == script_id).order_by(schedules.c.id)
    for row in (await work.connection.execute(query)).all():
        if row.id not in rescheduled and row.function not in checked.prepared.entries:
            called = script_called(script_id, name)
            why = no_function(row.function, checked.prepared.entries)
            raise StillUsed(f"script {called} is run by the schedule {row.id!r}: {why}")


async def require_no_provider(work: Work, script_id: str, name: str) -> None:
    """Raise StillUsed where a provider is asked by it."""
    query = select(providers.c.id).where(providers.c.script_id == script_id).limit(1)
    provider = (await work.connection.execute(query)).one_or_none()
    if provider is not None:
        called = script_called(script_id, name)
        raise StillUsed(f"script {called} is the Driver of the provider {provider.id!r}")


async def require_no_schedule(work: Work, script_id: str, name: str) -> None:
    """Raise StillUsed where a schedule runs it."""
    query = select(schedules.c.id).where(schedules.c.script_id == script_id).limit(1)
    schedule = (await work.connection.execute(query)).one_or_none()
    if schedule is not None:
        raise StillUsed(f"script {script_called(script_id, name)} is run by the schedule {schedule.id!r}")


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
