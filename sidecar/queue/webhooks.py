"""Webhooks as the queue knows them: who is told of an event, where, and what it is signed with."""

import asyncio
import base64
import time
from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import select

from sidecar.event_name import EventName
from sidecar.queue.job import MICROS
from sidecar.queue.store import JobRows
from sidecar.storage.tables import tenants, webhook_secrets, webhooks

KNOWN_SECONDS: Final = 1.0
"""A webhook that was made or changed is known after so long, and not asked for at every event."""


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """One of a tenant's."""

    id: str
    tenant: str
    name: str
    url: str | None
    script: str | None
    function: str
    only: str | None
    events: frozenset[str]
    created: int
    """Microseconds since 1970: it is told of nothing that was before."""

    def is_told(self, event: EventName, script: str) -> bool:
        """Whether of an event of a script."""
        return event in self.events and self.only in (None, script)


class Webhooks:
    """Its methods raise StorageError."""

    def __init__(self, rows: JobRows) -> None:
        self._rows = rows
        self._known: dict[str, list[Webhook]] = {}
        self._known_until = 0.0
        self._reading = asyncio.Lock()

    async def all(self) -> dict[str, list[Webhook]]:
        """All of them by tenant, as they were at most a second ago."""
        async with self._reading:
            if time.monotonic() >= self._known_until:
                query = select(webhooks, tenants.c.name.label("tenant")).join(
                    tenants, tenants.c.id == webhooks.c.tenant_id
                )
                known: dict[str, list[Webhook]] = {}
                async with self._rows.storage.reading() as connection:
                    rows = (await connection.execute(query)).all()
                for row in rows:
                    names = ("id", "tenant", "name", "url", "script", "function", "only", "created")
                    fields = {name: getattr(row, name) for name in names}
                    known.setdefault(row.tenant, []).append(Webhook(**fields, events=frozenset(row.events.split())))
                self._known, self._known_until = known, time.monotonic() + KNOWN_SECONDS
        return self._known

    def forget(self) -> None:
        """Something was changed here: have it known at once."""
        self._known_until = 0.0

    async def told(self, tenant: str, event: EventName, script: str) -> list[Webhook]:
        """Those of a tenant that are told of an event of a script."""
        return [one for one in (await self.all()).get(tenant, ()) if one.is_told(event, script)]

    async def find(self, tenant: str, webhook_id: str) -> Webhook | None:
        """One by its id."""
        for _ in range(2):
            found = next((one for one in (await self.all()).get(tenant, ()) if one.id == webhook_id), None)
            if found is not None:
                return found
            self.forget()  # it may be new
        return None

    async def secrets(self, tenant: str) -> Sequence[bytes]:
        """What is signed with now: the newest first, and the one before while it is good still."""
        query = (
            select(webhook_secrets)
            .join(tenants, tenants.c.id == webhook_secrets.c.tenant_id)
            .where(tenants.c.name == tenant)
        )
        async with self._rows.storage.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            return ()
        found = [row.secret]
        if row.previous is not None and row.previous_until > time.time() * MICROS:
            found.append(row.previous)
        return [base64.b64decode(one) for one in found]
