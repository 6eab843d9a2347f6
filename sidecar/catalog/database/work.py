"""A change of the catalog: one transaction, in which every query is by tenant and each step is in the audit.

Whoever changes something locks the head of the audit first. So changes come one after the other, revisions are
committed in their order, and who follows them misses none.
"""

import contextlib
import hashlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import Row, Select, Table, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sidecar.catalog.database.audit import AuditEntry
from sidecar.catalog.database.errors import ChangedMeanwhile, NotThere
from sidecar.catalog.model import OPERATOR
from sidecar.storage.engine import Storage
from sidecar.storage.schema import read_state
from sidecar.storage.tables import audit, audit_head, changes, revision, tenants

KEPT_REVISIONS: Final = 10_000
"""Who has not followed for so many reads everything anew."""
SAID_ONE_BY_ONE: Final = 10_000
"""Changes of one transaction; those who follow more read everything anew, which takes no longer."""
ROWS_AT_ONCE: Final = 500
"""In one statement: SQLite takes 32,766 values, MySQL 16 MB."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks for a change."""

    who: str
    source: str
    """From where, for the audit."""
    operator: bool = False
    """Whether what only the operator may is allowed."""


@dataclass(frozen=True, slots=True)
class Scope:
    """One tenant's part of the database."""

    connection: AsyncConnection
    tenant_id: int
    tenant: str

    def own(self, table: Table) -> Select[Any]:
        """The tenant's rows of a table."""
        return select(table).where(table.c.tenant_id == self.tenant_id)

    async def one(self, query: Select[Any], what: str) -> Row[Any]:
        """The row that a query is for. Raises NotThere."""
        row: Row[Any] | None = (await self.connection.execute(query)).one_or_none()
        if row is None:
            raise NotThere(f"there is no {what}")
        return row


class Change:
    """A transaction that changes something."""

    def __init__(
        self, connection: AsyncConnection, actor: Actor, head: tuple[int, str], tenant_ids: dict[str, int]
    ) -> None:
        self.connection = connection
        self.actor = actor
        self.now = time.time_ns() // 1000
        self._number, self._hash = head
        self._tenant_ids = tenant_ids
        self._audit: list[AuditEntry] = []
        self._changed: dict[tuple[str, str], None] = {}
        self._everything = False
        self._steps: list[object] = []
        self._last_made = head[0]

    def of(self, tenant: str) -> "Work":
        """The part of it that is a tenant's. Raises NotThere."""
        tenant_id = self._tenant_ids.get(tenant)
        if tenant_id is None:
            raise NotThere(f"there is no tenant {tenant!r}")
        return Work(self.connection, tenant_id, tenant, self)

    async def make_tenant(self, name: str) -> "Work":
        """A tenant, who may be there already."""
        if name not in self._tenant_ids:
            made = await self.connection.execute(insert(tenants).values(name=name, created=self.now))
            assert made.inserted_primary_key is not None  # noqa: S101 - a row has one
            self._tenant_ids[name] = made.inserted_primary_key[0]
            self.of(name).audit("tenant.make", name, None, {"tenant": name})
        return self.of(name)

    def make_id(self) -> str:
        """A number that nothing has had as its id."""
        self._last_made = max(self._last_made, self._number) + 1
        return str(self._last_made)

    def record(self, tenant: str, action: str, what: str, before: object, after: object) -> None:
        """Put a step into the audit."""
        self._number += 1
        entry = AuditEntry(
            number=self._number,
            at=self.now,
            who=self.actor.who[:256],
            source=self.actor.source[:256],
            tenant=tenant,
            action=action,
            object=what[:1024],
            before=_json(before),
            after=_json(after),
            previous=self._hash,
        )
        self._hash = entry.computed_hash()
        self._audit.append(msgspec.structs.replace(entry, hash=self._hash))

    def is_new(self, step: object) -> bool:
        """Whether something that several steps have in common was not asked about before."""
        if any(one is step for one in self._steps):
            return False
        self._steps.append(step)
        return True

    def changed(self, kind: str, key: str) -> None:
        """Say to those who follow what has changed."""
        self._changed[kind, key] = None

    def changed_everything(self) -> None:
        """Have those who follow read everything anew."""
        self._everything = True

    @property
    def has_steps(self) -> bool:
        """Whether anything was put into the audit: what is as it was is not."""
        return bool(self._audit)

    async def finish(self) -> None:
        """Write what was said, as the transaction's last statements."""
        connection = self.connection
        if self._audit:
            await insert_all(connection, audit, [msgspec.structs.asdict(entry) for entry in self._audit])
            await connection.execute(update(audit_head).values(number=self._number, hash=self._hash))
        if not self._changed and not self._everything:
            return
        row = (await connection.execute(select(revision.c.number, revision.c.complete_from).with_for_update())).one()
        number = row.number + 1
        complete_from = row.complete_from
        if self._everything or len(self._changed) > SAID_ONE_BY_ONE:
            complete_from = number
            await connection.execute(delete(changes))
        else:
            said = [{"revision": number, "kind": kind, "key": key} for kind, key in self._changed]
            await insert_all(connection, changes, said)
        if number - complete_from > KEPT_REVISIONS * 2:
            complete_from = number - KEPT_REVISIONS
            await connection.execute(delete(changes).where(changes.c.revision <= complete_from))
        await connection.execute(update(revision).values(number=number, complete_from=complete_from))


@dataclass(frozen=True, slots=True)
class Work(Scope):
    """One tenant's part of a change."""

    change: Change

    @property
    def actor(self) -> Actor:
        """Who asks for it."""
        return self.change.actor

    @property
    def now(self) -> int:
        """When it is made, in microseconds."""
        return self.change.now

    def audit(self, action: str, what: str, before: object, after: object) -> None:
        """Put a step into the audit."""
        self.change.record(self.tenant, action, what, before, after)

    def changed(self, kind: str, key: str) -> None:
        """Say to those who follow what has changed."""
        self.change.changed(kind, key)


class Store:
    """A catalog in a database, for whoever looks at it and changes it."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self._looked_at = False

    @contextlib.asynccontextmanager
    async def reading(self, tenant: str = OPERATOR) -> AsyncIterator[Scope]:
        """A tenant's part as it is now. Raises NotThere, StorageError."""
        async with self.storage.reading() as connection:
            await self._require_schema(connection)
            row = (await connection.execute(select(tenants).where(tenants.c.name == tenant))).one_or_none()
            if row is None:
                raise NotThere(f"there is no tenant {tenant!r}")
            yield Scope(connection, row.id, tenant)

    @contextlib.asynccontextmanager
    async def changing(self, actor: Actor) -> AsyncIterator[Change]:
        """A change, which is kept as a whole once the block has ended, or not at all where it raised. Raises
        StorageError."""
        async with self.storage.writing() as connection:
            await self._require_schema(connection)
            head = (await connection.execute(select(audit_head).with_for_update())).one()
            rows = (await connection.execute(select(tenants.c.name, tenants.c.id))).all()
            change = Change(connection, actor, (head.number, head.hash), {row.name: row.id for row in rows})
            yield change
            await change.finish()

    @contextlib.asynccontextmanager
    async def working(self, actor: Actor, tenant: str) -> AsyncIterator[Work]:
        """A change of one tenant's part. Raises NotThere, StorageError."""
        async with self.changing(actor) as change:
            yield change.of(tenant)

    async def close(self) -> None:
        """Close its connections."""
        await self.storage.close()

    async def _require_schema(self, connection: AsyncConnection) -> None:
        if not self._looked_at:
            (await read_state(connection)).require(self.storage.url)
            self._looked_at = True


async def insert_all(connection: AsyncConnection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Insert many rows."""
    for begin in range(0, len(rows), ROWS_AT_ONCE):
        await connection.execute(insert(table), rows[begin : begin + ROWS_AT_ONCE])


async def count(connection: AsyncConnection, query: Select[Any]) -> int:
    """How many rows a query has."""
    return (await connection.execute(select(func.count()).select_from(query.subquery()))).scalar_one()


def require_tag(what: str, record: "Tagged", expected: str | None) -> None:
    """Raise ChangedMeanwhile where a record is not the one that is expected; None expects any."""
    if expected is not None and expected != record.tag:
        raise ChangedMeanwhile(what, record.tag)


class Tagged(msgspec.Struct, frozen=True, kw_only=True):
    """A record, and by its tag whether it is still the same."""

    @property
    def tag(self) -> str:
        """Another one whenever anything of the record is."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()[:16]


def _json(value: object) -> str | None:
    return None if value is None else msgspec.json.encode(value, order="deterministic").decode()
