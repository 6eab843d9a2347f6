"""A tenant's apps and the variables that their scripts find in ``process.env``."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Row, Select, delete, insert, select, update

from sidecar.catalog.app_variables import MASK, VARIABLES, Variable, parse_variable_name, parse_variable_value
from sidecar.catalog.database.errors import AlreadyThere, NotThere, StillUsed, WrongValues
from sidecar.catalog.database.values import require_storable
from sidecar.catalog.database.work import Scope, Tagged, Work, count, require_tag
from sidecar.catalog.directory.entries import AppTable
from sidecar.storage.tables import apps, scripts, variables


class AppRecord(Tagged, frozen=True, kw_only=True):
    """An app."""

    id: str
    name: str


class VariableRecord(Tagged, frozen=True, kw_only=True):
    """A variable as whoever may read it sees it: of a protected one ``****`` in place of the value."""

    name: str
    value: str
    protected: bool
    private: bool
    locked: bool
    default: bool
    changed: int
    """When it was set last, in microseconds since 1970, UTC: of a protected one the tag knows no more of the value."""


async def list_apps(scope: Scope, *, after: str = "", limit: int = 100) -> Sequence[AppRecord]:
    """A tenant's apps by their ids; ``after`` the last of the page before."""
    query = scope.own(apps).order_by(apps.c.id).limit(limit)
    if after:
        query = query.where(apps.c.id > after)
    return [AppRecord(id=row.id, name=row.name) for row in (await scope.connection.execute(query)).all()]


async def get_app(scope: Scope, app: str) -> AppRecord:
    """One app. Raises NotThere."""
    row = await scope.one(scope.own(apps).where(apps.c.id == app), f"app {app!r}")
    return AppRecord(id=row.id, name=row.name)


async def put_app(work: Work, table: AppTable, *, expected: str | None = None) -> AppRecord:
    """Make an app, or name the one with this id; the same once more changes nothing. Raises AlreadyThere for another
    tenant's id, ChangedMeanwhile, WrongValues."""
    require_storable(table)
    name = table.name or table.id
    row = (await work.connection.execute(select(apps).where(apps.c.id == table.id))).one_or_none()
    if row is not None and row.tenant_id != work.tenant_id:
        raise AlreadyThere(f"the app id {table.id!r} is taken")
    after = AppRecord(id=table.id, name=name)
    if row is None:
        if expected is not None:
            raise NotThere(f"there is no app {table.id!r}")
        await work.connection.execute(
            insert(apps).values(id=table.id, tenant_id=work.tenant_id, name=name, created=work.now)
        )
        work.audit("app.make", table.id, None, after)
        return after
    before = AppRecord(id=row.id, name=row.name)
    require_tag(f"app {table.id!r}", before, expected)
    if before != after:
        await work.connection.execute(update(apps).where(apps.c.id == table.id).values(name=name))
        work.audit("app.change", table.id, before, after)
    return after


async def make_app(work: Work, name: str) -> AppRecord:
    """An app whose id is a new number."""
    while True:
        made = work.change.make_id()
        if (await work.connection.execute(select(apps.c.id).where(apps.c.id == made))).one_or_none() is None:
            return await put_app(work, AppTable(id=made, name=name))


async def remove_app(work: Work, app: str, *, expected: str | None = None) -> None:
    """Take an app out. Raises NotThere, ChangedMeanwhile, StillUsed while it has scripts or variables."""
    before = await get_app(work, app)
    require_tag(f"app {app!r}", before, expected)
    for table, words in ((scripts, "scripts"), (variables, "variables")):
        number = await count(work.connection, select(table.c.app_id).where(table.c.app_id == app))
        if number:
            raise StillUsed(f"app {app!r} has {number} {words}")
    await work.connection.execute(delete(apps).where(apps.c.id == app, apps.c.tenant_id == work.tenant_id))
    work.audit("app.remove", app, before, None)


# ---- variables ----


async def list_variables(scope: Scope, app: str) -> Sequence[VariableRecord]:
    """An app's variables by their names, protected values masked. Raises NotThere."""
    await get_app(scope, app)
    return [_record(*one) for one in await _variables(scope, app)]


async def get_variable(scope: Scope, app: str, name: str) -> VariableRecord:
    """One of them. Raises NotThere."""
    await get_app(scope, app)
    row = await scope.one(_own(scope, app).where(variables.c.name == name), f"variable {name!r}")
    return _record(_variable(row), row.changed)


async def read_variables(scope: Scope, app: str) -> Sequence[Variable]:
    """The same with their values, for scripts and for an export that was told to have them. Raises NotThere."""
    await get_app(scope, app)
    return [variable for variable, _ in await _variables(scope, app)]


async def put_variable(work: Work, app: str, variable: Variable, *, expected: str | None = None) -> VariableRecord:
    """Set a variable with its flags. Raises NotThere, ChangedMeanwhile, WrongValues."""
    try:
        parse_variable_name(variable.name)
        parse_variable_value(variable.value)
    except ValueError as error:
        raise WrongValues([str(error)]) from None
    await get_app(work, app)
    there = {one.name: (one, changed) for one, changed in await _variables(work, app)}
    before, changed = there.get(variable.name, (None, 0))
    if before is None:
        if expected is not None:
            raise NotThere(f"there is no variable {variable.name!r}")
        if len(there) >= VARIABLES:
            raise WrongValues([f"an app has no more than {VARIABLES:_} variables"])
    else:
        require_tag(f"variable {variable.name!r}", _record(before, changed), expected)
        if before == variable:
            return _record(before, changed)
    set_at = max(work.now, changed + 1)  # later than before, whatever the clock says: that is how the tag knows
    values = {
        "value": variable.value,
        "protected": variable.protected,
        "private": variable.private,
        "locked": variable.locked,
        "by_default": variable.default,
        "changed": set_at,
    }
    if before is None:
        await work.connection.execute(insert(variables).values(app_id=app, name=variable.name, **values))
    else:
        own = variables.c.app_id == app, variables.c.name == variable.name
        await work.connection.execute(update(variables).where(*own).values(**values))
    # A value that is protected, or was, is in no audit.
    hidden = variable.protected or (before is not None and before.protected)
    work.audit(
        "variable.set",
        f"{app} {variable.name}",
        _shown(before, hidden=hidden) if before is not None else None,
        _shown(variable, hidden=hidden),
    )
    work.changed("app", app)
    return _record(variable, set_at)


async def set_value(work: Work, app: str, name: str, value: str) -> VariableRecord:
    """Set the value as a script of the app does: flags stay as they are. Raises as `put_variable`."""
    there = {one.name: one for one in await read_variables(work, app)}
    before = there.get(name, Variable(name=name, value=""))
    return await put_variable(work, app, msgspec.structs.replace(before, value=value))


async def remove_variable(work: Work, app: str, name: str, *, expected: str | None = None) -> None:
    """Take a variable out. Raises NotThere, ChangedMeanwhile."""
    await get_app(work, app)
    there = {one.name: (one, changed) for one, changed in await _variables(work, app)}
    before, changed = there.get(name, (None, 0))
    if before is None:
        raise NotThere(f"there is no variable {name!r}")
    require_tag(f"variable {name!r}", _record(before, changed), expected)
    await work.connection.execute(delete(variables).where(variables.c.app_id == app, variables.c.name == name))
    work.audit("variable.remove", f"{app} {name}", _shown(before, hidden=before.protected), None)
    work.changed("app", app)


def _own(scope: Scope, app: str) -> Select[Any]:
    query = select(variables).join(apps, apps.c.id == variables.c.app_id)
    return query.where(apps.c.tenant_id == scope.tenant_id, variables.c.app_id == app)


async def _variables(scope: Scope, app: str) -> list[tuple[Variable, int]]:
    """Each with when it was set last."""
    rows = (await scope.connection.execute(_own(scope, app).order_by(variables.c.name))).all()
    return [(_variable(row), row.changed) for row in rows]


def _variable(row: Row[Any]) -> Variable:
    return Variable(
        name=row.name,
        value=row.value,
        protected=row.protected,
        private=row.private,
        locked=row.locked,
        default=row.by_default,
    )


def _record(variable: Variable, changed: int) -> VariableRecord:
    return VariableRecord(**_shown(variable, hidden=variable.protected), changed=changed)


def _shown(variable: Variable, *, hidden: bool) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.structs.asdict(variable)
    return shown | {"value": MASK} if hidden else shown
