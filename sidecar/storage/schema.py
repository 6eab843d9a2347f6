"""The tables' own version: whether this release works on a database, and what brings it there.

Changes are of the expand-then-contract sort: a release adds what the next one needs, and takes away only what the
release before does not use any more. So a database may be newer than a process: it says from which schema on one works.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sidecar.storage.engine import Storage
from sidecar.storage.errors import SchemaError
from sidecar.storage.tables import metadata, schema_state

NUMBER: Final = 9
"""Of the schema that this release works with."""
_UPGRADE: Final = "run `scriptforge db upgrade`, which processes of the release before go on working with"


@dataclass(frozen=True, slots=True)
class SchemaState:
    """A database's schema."""

    number: int
    """0 for a database without tables of ours."""
    serves_from: int
    """The oldest release's schema that works on it."""

    def require_tables(self, where: object) -> None:
        """Raise SchemaError where no release has made its tables in it."""
        if self.number == 0:
            raise SchemaError(f"{where}: has no tables of ScriptForge yet: run `scriptforge db upgrade`")

    def require(self, where: object) -> None:
        """Raise SchemaError where this release does not work on it."""
        self.require_tables(where)
        if self.number < NUMBER:
            raise SchemaError(f"{where}: has the schema {self.number}, this release needs {NUMBER}: {_UPGRADE}")
        if self.serves_from > NUMBER:
            raise SchemaError(
                f"{where}: has the schema {self.number} of a later release, which no release before schema"
                f" {self.serves_from} works on, and this one has {NUMBER}: install the release that upgraded it"
            )


async def read_state(connection: AsyncConnection) -> SchemaState:
    """A database's schema as it says itself."""
    if not await connection.run_sync(lambda one: inspect(one).has_table(schema_state.name)):
        return SchemaState(0, 0)
    row = (await connection.execute(select(schema_state.c.number, schema_state.c.serves_from))).one_or_none()
    return SchemaState(0, 0) if row is None else SchemaState(row.number, row.serves_from)


async def upgrade(storage: Storage) -> tuple[SchemaState, SchemaState]:
    """Bring a database to this release's schema; what it was and what it is. One that is newer stays as it is.

    Raises SchemaError where this release does not work on it.
    """
    async with storage.writing() as connection:
        before = await read_state(connection)
        if before.number > NUMBER:
            before.require(storage.url)
            return before, before
        await connection.run_sync(_run_migrations)
        return before, await read_state(connection)


async def differences(connection: AsyncConnection) -> Sequence[str]:
    """How the tables differ from what this release made them, in words; empty for those that do not."""

    def compare(one: Connection) -> list[Any]:
        context = MigrationContext.configure(one, opts={"compare_type": False})
        return list(compare_metadata(context, metadata))

    found = await connection.run_sync(compare)
    return [_words(one) for one in found if not _is_added(one)]


def _run_migrations(connection: Connection, to: str = "head") -> None:
    config = Config()
    config.set_main_option("script_location", "sidecar.storage:migrations")
    scripts = ScriptDirectory.from_config(config)

    def steps(revision: Any, _context: object) -> Any:
        return scripts._upgrade_revs(to, revision)

    with EnvironmentContext(config, scripts, fn=steps) as environment:
        environment.configure(connection=connection, target_metadata=metadata, version_table_pk=False)
        # The transaction is the caller's.
        environment.run_migrations()


def _is_added(difference: Any) -> bool:
    """Whether it is something that a later release has added, and no fault."""
    return isinstance(difference, tuple) and str(difference[0]).startswith("remove_")


def _words(difference: Any) -> str:
    if isinstance(difference, list):
        return "; ".join(map(_words, difference))
    action, *what = difference
    named = [str(getattr(one, "name", one)) for one in what if one is not None]
    return f"{str(action).replace('_', ' ')}: {' '.join(named)}"
