"""What a process that decides reads of the database: everything once, and then what each revision changed."""

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sidecar.catalog.database.app_files import path_of, prepared_anew
from sidecar.catalog.database.messages import Piece
from sidecar.catalog.database.prepared import is_current
from sidecar.catalog.database.rows import AssignmentRow, CustomerRow, GrantsRow, LimitsRow, ScriptRow, json_table
from sidecar.catalog.database.work import Scope
from sidecar.kind import Kind
from sidecar.storage.tables import (
    apps,
    assignments,
    changes,
    customers,
    module_grants,
    revision,
    scripts,
    tenant_limits,
    tenants,
    variables,
    versions,
)

ROWS: Final = 200
"""In one piece, which whoever takes it decodes in one go while an event loop waits: about half a millisecond."""
SCRIPTS: Final = 20
"""The same of scripts, whose texts may be long."""
_KEYS: Final = 500
"""Asked for in one query."""

_LIMITS: Final = select(tenants.c.name, tenant_limits.c.limits).join(tenants, tenants.c.id == tenant_limits.c.tenant_id)
_GRANTS: Final = select(tenants.c.name, module_grants.c.grants).join(tenants, tenants.c.id == module_grants.c.tenant_id)
_Row = TypeVar("_Row")


async def current_revision(connection: AsyncConnection) -> int:
    """The number of the last change."""
    number: int = (await connection.execute(select(revision.c.number))).scalar_one()
    return number


async def changed_since(connection: AsyncConnection, known: int) -> AsyncIterator[Piece] | None:
    """What is not as it was at a revision; None where everything has to be read anew."""
    row = (await connection.execute(select(revision))).one()
    if not row.complete_from <= known <= row.number:
        return None
    query = select(changes.c.kind, changes.c.key).where(changes.c.revision > known).distinct()
    said: dict[str, set[str]] = {}
    for kind, key in (await connection.execute(query)).all():
        said.setdefault(kind, set()).add(key)
    return _changed(connection, said)


async def scripts_since(connection: AsyncConnection, known: int | None) -> tuple[int, bool, AsyncIterator[Piece]]:
    """The number of the last change, whether everything is read anew, and the scripts that are not as they were at a
    revision: for who assigns none."""
    row = (await connection.execute(select(revision))).one()
    if known is None or not row.complete_from <= known <= row.number:
        return row.number, True, _scripts_and_limits(connection)
    query = select(changes.c.kind, changes.c.key).where(
        changes.c.revision > known, changes.c.kind.in_(("script", "app", "tenant"))
    )
    said: dict[str, set[str]] = {}
    for kind, key in (await connection.execute(query.distinct())).all():
        said.setdefault(kind, set()).add(key)
    return row.number, False, _changed(connection, said)


async def everything(connection: AsyncConnection) -> AsyncIterator[Piece]:
    """All of it, in pieces."""
    async for piece in _scripts_and_limits(connection):
        yield piece
    query = select(customers.c.name, customers.c.vars)
    async for rows in _streamed(connection, query, ROWS):
        yield Piece(customers=[CustomerRow(row.name, row.vars) for row in rows])
    async for rows in _streamed(connection, select(assignments), ROWS):
        yield Piece(assignments=[_assignment(row) for row in rows])


async def _scripts_and_limits(connection: AsyncConnection) -> AsyncIterator[Piece]:
    async for piece in _script_pieces(connection, None):
        yield piece
    async for rows in _streamed(connection, _LIMITS, ROWS):
        yield Piece(limits=[LimitsRow(row.name, row.limits) for row in rows])
    async for rows in _streamed(connection, _GRANTS, ROWS):
        yield Piece(grants=[GrantsRow(row.name, row.grants) for row in rows])


async def _changed(connection: AsyncConnection, said: dict[str, set[str]]) -> AsyncIterator[Piece]:
    ids = said.get("script", set())
    for keys in _pieces(said.get("app", ()), _KEYS):
        query = select(scripts.c.id).where(scripts.c.app_id.in_(keys))
        ids |= set((await connection.execute(query)).scalars())
    found: set[str] = set()
    async for piece in _script_pieces(connection, ids):
        found |= {row.id for row in piece.scripts}
        yield piece
    if ids - found:
        yield Piece(removed_scripts=sorted(ids - found))
    names = said.get("customer", set())
    numbers = {int(key) for key in said.get("assignment", ())}
    there: set[str] = set()
    for keys in _pieces(names, _KEYS):
        rows = (await connection.execute(select(customers).where(customers.c.name.in_(keys)))).all()
        there |= {row.name for row in rows}
        yield Piece(customers=[CustomerRow(row.name, row.vars) for row in rows])
        # Their vars are in each of their assignments.
        theirs = select(assignments.c.id).where(assignments.c.customer.in_(keys))
        numbers |= set((await connection.execute(theirs)).scalars())
    if names - there:
        yield Piece(removed_customers=sorted(names - there))
    for some in _pieces(numbers, ROWS):
        rows = (await connection.execute(select(assignments).where(assignments.c.id.in_(some)))).all()
        gone = set(some) - {row.id for row in rows}
        yield Piece(assignments=[_assignment(row) for row in rows], removed_assignments=sorted(gone))

    for keys in _pieces(said.get("tenant", ()), _KEYS):
        rows = (await connection.execute(_LIMITS.where(tenants.c.name.in_(keys)))).all()
        known = {row.name: row.limits for row in rows}
        yield Piece(limits=[LimitsRow(name, known.get(name, "{}")) for name in keys])
        rows = (await connection.execute(_GRANTS.where(tenants.c.name.in_(keys)))).all()
        known = {row.name: row.grants for row in rows}
        yield Piece(grants=[GrantsRow(name, known.get(name, "{}")) for name in keys])


async def _script_pieces(connection: AsyncConnection, ids: Collection[str] | None) -> AsyncIterator[Piece]:
    query = (
        select(scripts, tenants.c.name.label("tenant"), versions.c.kind, versions.c.text, versions.c.prepared)
        .join(tenants, tenants.c.id == scripts.c.tenant_id)
        .join(versions, (versions.c.script_id == scripts.c.id) & (versions.c.number == scripts.c.version))
    )
    environments: dict[str, dict[str, str]] = {}
    if ids is None:
        async for rows in _streamed(connection, select(variables.c.app_id, variables.c.name, variables.c.value), ROWS):
            _add(environments, rows)
        async for rows in _streamed(connection, query, SCRIPTS):
            yield Piece(scripts=[await _script(connection, row, environments) for row in rows])
        return
    for keys in _pieces(ids, SCRIPTS):
        rows = (await connection.execute(query.where(scripts.c.id.in_(keys)))).all()
        asked = {row.app_id for row in rows if row.app_id} - environments.keys()
        if asked:
            values = select(variables.c.app_id, variables.c.name, variables.c.value)
            values = values.join(apps, apps.c.id == variables.c.app_id).where(variables.c.app_id.in_(asked))
            _add(environments, (await connection.execute(values)).all())
        yield Piece(scripts=[await _script(connection, row, environments) for row in rows])


def _add(environments: dict[str, dict[str, str]], rows: Iterable[Any]) -> None:
    for row in rows:
        environments.setdefault(row.app_id, {})[row.name] = row.value


async def _script(connection: AsyncConnection, row: Any, environments: dict[str, dict[str, str]]) -> ScriptRow:
    prepared = row.prepared
    if not is_current(prepared, row.kind):
        prepared = await prepared_anew(
            Scope(connection, row.tenant_id, row.tenant), row.app_id or "", row.id, row.file, row.text, Kind(row.kind)
        )
    return ScriptRow(
        id=row.id,
        tenant=row.tenant,
        app=row.app_id or "",
        name=row.name,
        path=path_of(row.id, row.file),
        kind=row.kind,
        uuid=row.uuid,
        text=row.text,
        prepared=prepared,
        environment={**environments.get(row.app_id or "", {}), **json_table(row.environment)},
        memory_bytes=row.memory_bytes,
        modules=msgspec.json.decode(row.modules, type=tuple[str, ...]) if row.modules is not None else None,
        global_routing_priority=row.global_routing_priority,
        timeout_ms=row.timeout_ms,
        timeout_action=row.timeout_action,
        error_action=row.error_action,
        vars=row.vars,
        position=row.position,
        public=row.public,
    )


def _assignment(row: Any) -> AssignmentRow:
    return AssignmentRow(
        id=row.id,
        type=row.type,
        subject=row.subject,
        route=row.route,
        written=row.written,
        customer=row.customer,
        script=row.script_id,
        timeout_ms=row.timeout_ms,
        timeout_action=row.timeout_action,
        error_action=row.error_action,
        vars=row.vars,
    )


async def _streamed(connection: AsyncConnection, query: Select[Any], size: int) -> AsyncIterator[Sequence[Any]]:
    async with connection.stream(query.execution_options(yield_per=size)) as result:
        async for rows in result.partitions(size):
            yield rows


def _pieces(keys: Iterable[_Row], size: int) -> Iterable[list[_Row]]:
    every = list(keys)
    return (every[begin : begin + size] for begin in range(0, len(every), size))
