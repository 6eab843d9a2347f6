"""Who changed what: entries, each of whose hashes is over the entry and the hash before it."""

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from sidecar.storage.tables import audit, audit_head

GENESIS: Final = ""
"""The hash before the first entry's."""
AT_ONCE: Final = 500
"""Entries that are read at once: each may hold texts of scripts."""


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One change."""

    number: int
    at: int
    """Microseconds since 1970, UTC."""
    who: str
    source: str
    """From where: an address, or ``command line``."""
    tenant: str
    action: str
    """Such as ``script.save``."""
    object: str
    before: str | None = None
    """As JSON; None where there was none."""
    after: str | None = None
    previous: str = GENESIS
    hash: str = ""

    def computed_hash(self) -> str:
        """The hash that the entry must have."""
        content = (
            *(self.number, self.at, self.who, self.source, self.tenant, self.action, self.object),
            *(self.before, self.after, self.previous),
        )
        return hashlib.sha256(msgspec.json.encode(content)).hexdigest()


class ChainBroken(msgspec.Struct, frozen=True, kw_only=True):
    """Where a chain is not what was written."""

    number: int
    why: str


class ChainState(msgspec.Struct, frozen=True, kw_only=True):
    """What a look through the whole chain has found."""

    entries: int
    head: str
    """The last hash. Kept elsewhere it says later that nothing before it was changed."""
    broken: ChainBroken | None = None


async def verify(connection: AsyncConnection, known: tuple[int, str] | None = None) -> ChainState:
    """Look through the chain. ``known``: the number and the hash of an entry as they were written down elsewhere."""
    previous, number, known_seen = GENESIS, 0, known is None or known == (0, GENESIS)
    while True:
        rows = await _after(connection, number)
        if not rows:
            break
        for entry in rows:
            why = ""
            if entry.number != number + 1:
                why = f"entries {number + 1} to {entry.number - 1} are missing"
            elif entry.previous != previous:
                why = "does not follow the entry before it"
            elif entry.hash != entry.computed_hash():
                why = "is not what was written"
            elif known is not None and entry.number == known[0]:
                known_seen = True
                if entry.hash != known[1]:
                    why = "has another hash than the one that is known of it"
            if why:
                return ChainState(entries=number, head=previous, broken=ChainBroken(number=entry.number, why=why))
            number, previous = entry.number, entry.hash
    head = (await connection.execute(select(audit_head))).one()
    broken: ChainBroken | None = None
    if (head.number, head.hash) != (number, previous):
        broken = ChainBroken(number=number + 1, why=f"entries up to {head.number} were written and are missing")
    elif not known_seen and known is not None:
        broken = ChainBroken(number=known[0], why="is known and not there")
    return ChainState(entries=number, head=previous, broken=broken)


async def entries(
    connection: AsyncConnection, tenant: str | None, *, before: int | None = None, limit: int = 100
) -> Sequence[AuditEntry]:
    """The newest entries of a tenant, or of all, newest first; ``before`` a number, for the page after."""
    query = select(audit).order_by(audit.c.number.desc()).limit(limit)
    if tenant is not None:
        query = query.where(audit.c.tenant == tenant)
    if before is not None:
        query = query.where(audit.c.number < before)
    return [_entry(row) for row in (await connection.execute(query)).all()]


async def _after(connection: AsyncConnection, number: int) -> Sequence[AuditEntry]:
    query = select(audit).where(audit.c.number > number).order_by(audit.c.number).limit(AT_ONCE)
    return [_entry(row) for row in (await connection.execute(query)).all()]


def _entry(row: Any) -> AuditEntry:
    return AuditEntry(**row._mapping)
