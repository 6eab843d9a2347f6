"""A tenant's scripts and all of their versions."""

import difflib
import hashlib
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, cast

import msgspec
from sqlalchemy import Row, Select, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sidecar.catalog.compile import Rules, compile_catalog
from sidecar.catalog.database import app_files, script_uses
from sidecar.catalog.database.app_files import Beside
from sidecar.catalog.database.checks import CheckedText
from sidecar.catalog.database.errors import AlreadyThere, LimitReached, NotAllowed, NotThere, StillUsed, WrongValues
from sidecar.catalog.database.prepared import encode_prepared
from sidecar.catalog.database.rows import json_table, json_text
from sidecar.catalog.database.tenants import get_limits
from sidecar.catalog.database.values import require_right, require_storable
from sidecar.catalog.database.work import Scope, Tagged, Work, count, require_tag
from sidecar.catalog.directory.entries import ScriptTable
from sidecar.catalog.entries import Assignments, Entries, ScriptEntry
from sidecar.catalog.limits import HIGHEST
from sidecar.catalog.model import GlobalPriority
from sidecar.kind import RULES, Kind
from sidecar.script_name import script_called
from sidecar.storage.tables import (
    apps,
    assignments,
    scripts,
    tenants,
    versions,
)

DIFFERENCE_LINES: Final = 20_000
"""Lines of two texts together: to compare them takes longer than in proportion."""


class ScriptRecord(Tagged, frozen=True, kw_only=True):
    """A script as whoever may read it sees it. Of its text there is the hash."""

    id: str
    name: str
    file: str | None
    kind: Kind
    uuid: str
    app: str
    version: int
    hash: str
    environment: Mapping[str, str]
    memory_bytes: int | None
    modules: tuple[str, ...] | None
    public: bool
    global_routing_priority: GlobalPriority
    timeout_ms: int | None
    timeout_action: str | None
    error_action: str | None
    vars: Mapping[str, Any]


class VersionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One saved text."""

    number: int
    hash: str
    """SHA-256 of the text as UTF-8."""
    who: str
    at: int
    """Microseconds since 1970, UTC."""
    note: str
    kind: Kind


async def list_scripts(
    scope: Scope, *, app: str | None = None, after: str = "", limit: int = 100
) -> Sequence[ScriptRecord]:
    """A tenant's scripts, or those of one app, by their ids; ``after`` the last of the page before."""
    query = _scripts(scope).order_by(scripts.c.id).limit(limit)
    if after:
        query = query.where(scripts.c.id > after)
    if app is not None:
        query = query.where(scripts.c.app_id == (app or None))
    return [_record(row) for row in (await scope.connection.execute(query)).all()]


async def get_script(scope: Scope, script_id: str) -> ScriptRecord:
    """One script. Raises NotThere."""
    return _record(await scope.one(_scripts(scope).where(scripts.c.id == script_id), f"script {script_id!r}"))


async def find_by_uuid(connection: AsyncConnection, script_uuid: str) -> tuple[str, str]:
    """The tenant and the id of the script with a uuid: whoever knows that need not say whose it is. Raises NotThere."""
    query = select(tenants.c.name, scripts.c.id).join(tenants, tenants.c.id == scripts.c.tenant_id)
    row = (await connection.execute(query.where(scripts.c.uuid == script_uuid))).one_or_none()
    if row is None:
        raise NotThere("there is no such script")
    return row.name, row.id


async def list_versions(
    scope: Scope, script_id: str, *, before: int | None = None, limit: int = 100
) -> Sequence[VersionRecord]:
    """Its versions, the newest first. Raises NotThere."""
    await get_script(scope, script_id)
    query = _versions(scope, script_id).order_by(versions.c.number.desc()).limit(limit)
    if before is not None:
        query = query.where(versions.c.number < before)
    return [_version(row) for row in (await scope.connection.execute(query)).all()]


async def get_text(scope: Scope, script_id: str, number: int | None = None) -> tuple[VersionRecord, str]:
    """A version with its text, by default the one that runs. Raises NotThere."""
    script = await get_script(scope, script_id)
    number = script.version if number is None else number
    query = _versions(scope, script_id, versions.c.text).where(versions.c.number == number)
    row = await scope.one(query, f"version {number} of script {script_called(script_id, script.name)}")
    return _version(row), row.text


def difference(one: str, other: str, names: tuple[str, str]) -> str:
    """The unified diff of two texts. For as long as that takes: in a thread. Raises WrongValues for texts too long."""
    before, after = one.splitlines(keepends=True), other.splitlines(keepends=True)
    if len(before) + len(after) > DIFFERENCE_LINES:
        raise WrongValues([f"the texts have more than {DIFFERENCE_LINES:_} lines together"])
    lines = [line if line.endswith("\n") else f"{line}\n" for line in difflib.unified_diff(before, after, *names)]
    return "".join(lines)


async def put_script(
    work: Work,
    table: ScriptTable,
    checked: CheckedText,
    rules: Rules,
    *,
    expected: str | None = None,
    note: str = "",
    besides: Collection[tuple[str, str]] = (),
) -> ScriptRecord:
    """Make a script, or make the one with this id what the table and the text say; the same once more changes nothing.
    ``besides``: as `script_uses.require_fit` has it, of what changes or goes in the same change.

    A table without an id makes a new one. Where others of its app import it, their programs are made anew. Raises
    ChangedMeanwhile where the script there has another tag than is expected, or the app's files are not what the text
    was looked at with; AlreadyThere for another tenant's id or uuid, or a name that another file of the app has;
    StillUsed for a text that takes no calls where there are assignments, that is without a function that a schedule
    or a webhook runs, or where others import the file under its name of before; WrongValues, NotAllowed, NotThere for
    an app.
    """
    require_storable(table)
    _require_right(table, checked, rules)
    before = None
    if table.id is not None:
        row = (await work.connection.execute(_scripts(work).where(scripts.c.id == table.id))).one_or_none()
        before = _record(row) if row is not None else None
    if before is not None:
        require_tag(f"script {script_called(before.id, before.name)}", before, expected)
    elif expected is not None:
        raise NotThere(f"there is no script {table.id!r}")
    was_global = before is not None and before.global_routing_priority is not GlobalPriority.DISABLED
    if (was_global or table.global_routing_priority is not GlobalPriority.DISABLED) and not work.actor.operator:
        raise NotAllowed("only the operator may have a script run on every call, or change one that does")
    script_id = table.id if table.id is not None else await _new_id(work)
    if table.app:
        await _require_app(work, table.app)
    values = _columns(table, before)
    if before is None and not work.actor.operator:
        await _require_room(work, rules.scripts)
    await _require_free(work, script_id, values["uuid"], new=before is None)
    await script_uses.require_fit(work, script_id, values["name"], checked, besides)
    await _settle_beside(work, script_id, table.app, values["file"], checked, before)
    await _store(work, script_id, values, checked, before, note)
    after = await get_script(work, script_id)
    if before is None or before != after:
        work.audit("script.make" if before is None else "script.change", script_id, before, after)
        work.changed("script", script_id)
    return after


async def _require_room(work: Work, usual: int) -> None:
    own = (await get_limits(work)).limits.scripts
    most = own if own is not None else usual or HIGHEST
    if await count(work.connection, work.own(scripts).with_only_columns(scripts.c.id)) >= most:
        raise LimitReached(f"the tenant may have {most:_} scripts, and has them")


async def save_text(
    work: Work, script_id: str, checked: CheckedText, *, expected: str | None = None, note: str = ""
) -> ScriptRecord:
    """Save a text as the script's next version, which runs from then on; the text that runs already makes none.

    Raises NotThere, ChangedMeanwhile, NotAllowed, StillUsed.
    """
    before = await get_script(work, script_id)
    require_tag(f"script {script_called(script_id, before.name)}", before, expected)
    if before.global_routing_priority is not GlobalPriority.DISABLED and not work.actor.operator:
        raise NotAllowed("only the operator may change a script that runs on every call")
    await script_uses.require_fit(work, script_id, before.name, checked)
    await _settle_beside(work, script_id, before.app, before.file, checked, before)
    number = await _store_version(work, script_id, checked, before, note)
    if number != before.version:
        own = scripts.c.id == script_id, scripts.c.tenant_id == work.tenant_id
        await work.connection.execute(update(scripts).where(*own).values(version=number))
        after = await get_script(work, script_id)
        work.audit("script.save", script_id, before, after)
        work.changed("script", script_id)
        return after
    return before


async def remove_script(
    work: Work, script_id: str, *, expected: str | None = None, together: Collection[str] = ()
) -> None:
    """Take a script out, with its versions; the audit keeps the text that ran. ``together``: ids of scripts that go or
    are saved in the same change. Raises NotThere, ChangedMeanwhile, StillUsed while it is assigned or another script
    imports it, a schedule or a webhook needs it or messages wait for it, NotAllowed."""
    before = await get_script(work, script_id)
    require_tag(f"script {script_called(script_id, before.name)}", before, expected)
    if before.global_routing_priority is not GlobalPriority.DISABLED and not work.actor.operator:
        raise NotAllowed("only the operator may change a script that runs on every call")
    query = select(assignments.c.type, assignments.c.subject).where(assignments.c.script_id == script_id).limit(1)
    assigned = (await work.connection.execute(query)).one_or_none()
    if assigned is not None:
        called = script_called(script_id, before.name)
        raise StillUsed(f"script {called} is assigned: {assigned.type} {assigned.subject!r}")
    path = app_files.path_of(script_id, before.file)
    await app_files.require_not_imported(work, script_id, before.app, path, together)
    await script_uses.require_no_provider(work, script_id, before.name)
    await script_uses.require_not_run(work, script_id, before.name)
    await script_uses.remove_mailbox(work, script_id, before.name)
    _, text = await get_text(work, script_id)
    await work.connection.execute(delete(versions).where(versions.c.script_id == script_id))
    await work.connection.execute(
        delete(scripts).where(scripts.c.id == script_id, scripts.c.tenant_id == work.tenant_id)
    )
    work.audit("script.remove", script_id, {**msgspec.to_builtins(before), "text": text}, None)
    work.changed("script", script_id)


# ---- what is asked of the tables ----


def _scripts(scope: Scope) -> Select[Any]:
    joined = scripts.join(versions, (versions.c.script_id == scripts.c.id) & (versions.c.number == scripts.c.version))
    query = select(scripts, versions.c.kind, versions.c.hash).select_from(joined)
    return query.where(scripts.c.tenant_id == scope.tenant_id)


def _versions(scope: Scope, script_id: str, *more: Any) -> Select[Any]:
    columns = (versions.c[name] for name in ("number", "hash", "who", "at", "note", "kind"))
    query = select(*columns, *more).join(scripts, scripts.c.id == versions.c.script_id)
    return query.where(versions.c.script_id == script_id, scripts.c.tenant_id == scope.tenant_id)


def _record(row: Row[Any]) -> ScriptRecord:
    modules = msgspec.json.decode(row.modules, type=tuple[str, ...]) if row.modules is not None else None
    return ScriptRecord(
        id=row.id,
        name=row.name,
        file=row.file,
        kind=Kind(row.kind),
        uuid=row.uuid,
        app=row.app_id or "",
        version=row.version,
        hash=row.hash,
        environment=json_table(row.environment),
        memory_bytes=row.memory_bytes,
        modules=modules,
        public=row.public,
        global_routing_priority=GlobalPriority(row.global_routing_priority),
        timeout_ms=row.timeout_ms,
        timeout_action=row.timeout_action,
        error_action=row.error_action,
        vars=json_table(row.vars),
    )


def _version(row: Row[Any]) -> VersionRecord:
    return VersionRecord(number=row.number, hash=row.hash, who=row.who, at=row.at, note=row.note, kind=Kind(row.kind))


def _columns(table: ScriptTable, before: ScriptRecord | None) -> dict[str, Any]:
    # Who knows it may run the script where that is public: it is not to be guessed from the id.
    made = before.uuid if before is not None else str(uuid.uuid4())
    return {
        "app_id": table.app or None,
        "name": table.name or table.file,
        "file": table.file,
        "uuid": str(uuid.UUID(table.uuid)) if table.uuid else made,
        "environment": json_text(table.environment),
        "memory_bytes": table.memory_bytes,
        "modules": json_text(table.modules) if table.modules is not None else None,
        "public": table.public,
        "global_routing_priority": table.global_routing_priority.value,
        "timeout_ms": table.timeout_ms,
        "timeout_action": table.timeout_action,
        "error_action": table.error_action,
        "vars": json_text(table.vars),
    }


def _require_right(table: ScriptTable, checked: CheckedText, rules: Rules) -> None:
    if table.public and not RULES[checked.kind].has_assignments:
        raise WrongValues([f"public: {RULES[checked.kind].called} is not run by its uuid"])
    entry = ScriptEntry(
        place="script",
        id=table.id or "new",
        name=table.name or table.file,
        kind=checked.kind,
        text=checked.text,
        prepared=checked.prepared,
        uuid=table.uuid,
        environment=table.environment,
        memory_bytes=table.memory_bytes,
        modules=table.modules,
        global_routing_priority=table.global_routing_priority,
        timeout_ms=table.timeout_ms,
        timeout_action=table.timeout_action,
        error_action=table.error_action,
        vars=cast(Mapping[str, Any], table.vars),
    )
    require_right(compile_catalog(Entries((entry,), Assignments()), rules).findings)


async def _new_id(work: Work) -> str:
    while True:
        made = work.change.make_id()
        if (await work.connection.execute(select(scripts.c.id).where(scripts.c.id == made))).one_or_none() is None:
            return made


async def _require_app(work: Work, app: str) -> None:
    query = select(apps.c.id).where(apps.c.id == app, apps.c.tenant_id == work.tenant_id)
    await work.one(query, f"app {app!r}")


async def _require_free(work: Work, script_id: str, script_uuid: str, *, new: bool) -> None:
    taken = select(scripts.c.id)
    if new and (await work.connection.execute(taken.where(scripts.c.id == script_id))).one_or_none() is not None:
        raise AlreadyThere(f"the script id {script_id!r} is taken")
    query = taken.where(scripts.c.uuid == script_uuid, scripts.c.id != script_id)
    if (await work.connection.execute(query)).one_or_none() is not None:
        raise AlreadyThere(f"the uuid {script_uuid} is that of another script")


async def _settle_beside(
    work: Work, script_id: str, app: str, file: str | None, checked: CheckedText, before: ScriptRecord | None
) -> None:
    """Have what is beside a file that is to be saved go on with it, where it is as it was looked at."""
    path = app_files.path_of(script_id, file)
    beside = checked.beside or Beside(app=app, saved=frozenset({path}))
    if before is None or (before.app, before.file) != (app, file):
        await app_files.require_free_path(work, script_id, app, path)
    if before is not None and before.app != app:
        former = app_files.path_of(script_id, before.file)
        await app_files.require_not_imported(work, script_id, before.app, former, beside.together)
    if work.change.is_new(beside):
        await app_files.require_as_seen(work, script_id, beside)
        await app_files.prepare_importers(work, beside)


async def _store(
    work: Work,
    script_id: str,
    values: dict[str, Any],
    checked: CheckedText,
    before: ScriptRecord | None,
    note: str,
) -> None:
    connection = work.connection
    if before is None:
        position = (await connection.execute(select(func.max(scripts.c.position)))).scalar_one() or 0
        row = {"id": script_id, "tenant_id": work.tenant_id, "version": 1, "position": position + 1}
        await connection.execute(insert(scripts).values(**row, **values))
        await _store_version(work, script_id, checked, None, note)
        return
    number = await _store_version(work, script_id, checked, before, note)
    own = scripts.c.id == script_id, scripts.c.tenant_id == work.tenant_id
    await connection.execute(update(scripts).where(*own).values(version=number, **values))


async def _store_version(
    work: Work, script_id: str, checked: CheckedText, before: ScriptRecord | None, note: str
) -> int:
    digest = hashlib.sha256(checked.text.encode()).hexdigest()
    if before is not None and (before.hash, before.kind) == (digest, checked.kind):
        await app_files.keep_prepared(work, script_id, before.version, checked.prepared, checked.text)
        return before.version
    query = select(func.max(versions.c.number)).where(versions.c.script_id == script_id)
    number = ((await work.connection.execute(query)).scalar_one() or 0) + 1
    await work.connection.execute(
        insert(versions).values(
            script_id=script_id,
            number=number,
            hash=digest,
            who=work.actor.who[:256],
            at=work.now,
            note=note,
            kind=checked.kind.value,
            text=checked.text,
            prepared=encode_prepared(checked.prepared, checked.text),
        )
    )
    return number
