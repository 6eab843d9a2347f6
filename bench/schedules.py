"""How late schedules are: from when each is due until its job is added, and until that job is begun.

python -m bench.schedules [SCHEDULES] [SPREAD] [URL]

Default: 10000 60 and a SQLite file of its own. URL is an empty database of a server. SCHEDULES are due within SPREAD
seconds, at moments that are evenly spread; then as many again all at the same moment, which is the worst that cron can
do. One process looks after them as a platform does and another task takes and
acknowledges their jobs. Lateness is by the database's clock.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import bindparam, delete, insert, select, update

from bench.goals import machine_load
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.queue.life import Complete, Keeping
from sidecar.queue.queue import JobQueue
from sidecar.queue.taking import Limits
from sidecar.schedules.timetable import MICROS
from sidecar.storage.engine import Storage
from sidecar.storage.schema import upgrade
from sidecar.storage.tables import jobs, schedules, scripts, tenants

POLL_SECONDS: Final = 0.5
"""As a platform does by default."""
AHEAD_SECONDS: Final = 10.0
"""Before the first is due."""
TAKEN: Final = 200
LEASE: Final = 60_000_000
ROWS: Final = 500
TENANTS: Final = 20


async def main(number: int, spread: float, address: str | None) -> None:
    """Print what was found."""
    with tempfile.TemporaryDirectory() as folder:
        url = DatabaseUrl.parse(address or f"sqlite:///{folder}/jobs.db")
        storage = Storage(url, create=True)
        await upgrade(storage)
        await _prepare(storage, number)
        print(f"{url.database.value}, load {machine_load():.1f}, {number:,} schedules")
        for words, seconds in ((f"due within {spread:g} s", spread), ("all due at the same moment", 0.0)):
            added, begun, cpu = await late(url, storage, number, seconds)
            print(f"{words}: {cpu / number * 1e6:.0f} us of processor time each")
            print(f"  job added  {_of(added)}")
            print(f"  job begun  {_of(begun)}")
        await storage.close()


async def late(
    url: DatabaseUrl, storage: Storage, number: int, spread: float
) -> tuple[Sequence[float], Sequence[float], float]:
    """Seconds from due to added, and from due to taken, of each; and processor seconds of all."""
    queue = JobQueue(url, Keeping())
    async with storage.writing() as connection:
        await connection.execute(delete(jobs))
        now = await _now(queue)
        first = now + int(AHEAD_SECONDS * MICROS)
        due = {f"s{one}": first + int(one * spread / number * MICROS) for one in range(number)}
        ids = list(due)
        setting = (
            update(schedules)
            .where(schedules.c.tenant_id == bindparam("the_tenant"), schedules.c.id == bindparam("the_id"))
            .values(due=bindparam("the_due"))
        )
        await connection.execute(update(schedules).values(job=None))
        await connection.execute(
            setting,
            [
                {"the_tenant": number % TENANTS + 1, "the_id": one, "the_due": due[one]}
                for number, one in enumerate(ids)
            ],
        )
    if await _now(queue) > first:
        raise RuntimeError("setting their times took longer than there was until the first: raise AHEAD_SECONDS")
    begun: dict[str, int] = {}
    done = asyncio.Event()
    began = time.process_time()

    async def look() -> None:
        while not done.is_set():
            found = await queue.scheduling.look()
            wait = POLL_SECONDS if found.wait_micros is None else min(POLL_SECONDS, found.wait_micros / MICROS)
            await asyncio.sleep(max(0.0, wait))

    async def work() -> None:
        taking = queue.taking("bench", Limits())
        while len(begun) < number:
            queue.added.clear()
            taken = await taking.take(TAKEN, LEASE)
            for one in taken:
                begun[one.job.source.removeprefix("schedule ")] = one.job.started or 0
            await asyncio.gather(*(queue.step(Complete(one.job.id, one.job.lease, "1")) for one in taken))
            if not taken:
                try:
                    async with asyncio.timeout(POLL_SECONDS):
                        await queue.added.wait()
                except TimeoutError:
                    continue
        done.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(look())
        group.create_task(work())
    cpu = time.process_time() - began
    async with storage.reading() as connection:
        rows = (await connection.execute(select(jobs.c.source, jobs.c.created))).all()
    await queue.close()
    created = {row.source.removeprefix("schedule "): row.created for row in rows}
    return [(created[one] - due[one]) / MICROS for one in ids], [(begun[one] - due[one]) / MICROS for one in ids], cpu


async def _now(queue: JobQueue) -> int:
    async with queue._rows.storage.reading() as connection:
        return await queue._rows.now(connection)


async def _prepare(storage: Storage, number: int) -> None:
    async with storage.writing() as connection:
        for tenant in range(1, TENANTS + 1):
            await connection.execute(insert(tenants).values(id=tenant, name=f"t{tenant}", created=0))
            script: dict[str, Any] = {
                "id": f"t{tenant}",
                "tenant_id": tenant,
                "name": "x.js",
                "uuid": f"00000000-0000-4000-8000-{tenant:012}",
                "version": 1,
                "environment": "{}",
                "public": False,
                "global_routing_priority": "disabled",
                "vars": "{}",
                "position": tenant,
            }
            await connection.execute(insert(scripts).values(script))
        rows = [
            {
                "tenant_id": one % TENANTS + 1,
                "id": f"s{one}",
                "script_id": f"t{one % TENANTS + 1}",
                "function": "main",
                "data": "{}",
                "cron": "5 2 * * *",
                "zone": "Europe/Berlin",
                "missed": "once",
                "most": 10,
                "attempts": 1,
                "paused": False,
                "due": None,
                "runs": 0,
                "left_out": 0,
                "fault": "",
            }
            for one in range(number)
        ]
        for begin in range(0, number, ROWS):
            await connection.execute(insert(schedules), rows[begin : begin + ROWS])


def _of(seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    return "p50 {:7.3f} s, p99 {:7.3f} s, last {:7.3f} s".format(
        *(ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.99, 1.0))
    )


if __name__ == "__main__":
    given = sys.argv[1:]
    asyncio.run(
        main(
            int(given[0]) if given else 10_000,
            float(given[1]) if len(given) > 1 else 60.0,
            given[2] if len(given) > 2 else None,
        )
    )
