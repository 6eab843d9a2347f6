"""A queue in a database with scripts of two tenants, and short words for what is done with it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import insert

from sidecar.configuration.database_url import DatabaseUrl
from sidecar.queue.adding import MayKeep
from sidecar.queue.job import Job, NewJob
from sidecar.queue.life import Keeping
from sidecar.queue.queue import JobQueue
from sidecar.queue.taking import Limits, Taken
from sidecar.storage.engine import Storage
from sidecar.storage.schema import upgrade
from sidecar.storage.tables import apps, scripts, tenants, versions

LEASE_SECONDS = 30
TEXT = "export function main() {}\nexport function work() {}\n"
SCRIPTS = {"calls": ("acme", "shop"), "mail": ("acme", "shop"), "lonely": ("acme", None), "other": ("beta", None)}


class Clock:
    """SQLite's time."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class QueueDesk:
    """A queue under test."""

    def __init__(self, url: DatabaseUrl, may_keep: MayKeep) -> None:
        self.url = url
        self.clock = Clock()
        self.queue = JobQueue(url, Keeping(completed=60, failed=600), lambda _: may_keep, self.clock)

    async def add(self, script: str = "calls", tenant: str = "acme", **more: Any) -> Job:
        return await self.queue.add(NewJob(tenant=tenant, script=script, **more))

    async def take(self, room: int = 1, limits: Limits | None = None, seconds: float = LEASE_SECONDS) -> list[Taken]:
        return await self.queue.taking("one", limits or Limits()).take(room, int(seconds * 1_000_000))


@asynccontextmanager
async def queue_desk(address: str, may_keep: MayKeep | None = None) -> AsyncIterator[QueueDesk]:
    """A queue in an empty database."""
    url = DatabaseUrl.parse(address)
    await prepare(url)
    desk = QueueDesk(url, may_keep or MayKeep())
    yield desk
    await desk.queue.close()


async def prepare(url: DatabaseUrl) -> None:
    """Tables, and scripts of two tenants."""
    storage = Storage(url, create=True)
    await upgrade(storage)
    async with storage.writing() as connection:
        for number, name in enumerate(("acme", "beta"), start=10):
            await connection.execute(insert(tenants).values(id=number, name=name, created=0))
        await connection.execute(insert(apps).values(id="shop", tenant_id=10, name="shop", created=0))
        for number, (script, (tenant, app)) in enumerate(SCRIPTS.items()):
            row = {
                "id": script,
                "tenant_id": 10 if tenant == "acme" else 11,
                "app_id": app,
                "name": f"{script}.js",
                "uuid": uuid_of(number),
                "version": 1,
                "environment": "{}",
                "public": False,
                "global_routing_priority": "disabled",
                "vars": "{}",
                "position": number,
            }
            await connection.execute(insert(scripts).values(row))
            version = {"script_id": script, "number": 1, "hash": "", "who": "", "at": 0, "note": "", "kind": "app"}
            await connection.execute(insert(versions).values(**version, text=TEXT, prepared=""))
    await storage.close()


def uuid_of(number: int) -> str:
    """Of the script of this number."""
    return f"00000000-0000-4000-8000-{number:012}"


async def gathered(*asked: Any) -> list[Any]:
    """What comes of each."""
    return await asyncio.gather(*asked, return_exceptions=True)
