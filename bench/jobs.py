"""Jobs a second: added, taken and acknowledged; and what a tenant that queues many costs another.

python -m bench.jobs [JOBS] [MANY] [URL]

Default: 5000 1000000 and a SQLite file of its own. URL is an empty database of a server. First the queue alone: JOBS
are added by 256 who ask at a time, then taken 200 at a time and acknowledged, with the processor time of this process,
which says more than the rate where others are busy. Then one tenant has MANY jobs waiting and another adds one after
the other: how long each waits to be taken by a process that has room for 20, beside the same with nothing else waiting.
MANY are put into the table as they are, which is quicker than asking for each.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from statistics import median
from typing import Any, Final, NamedTuple

from msgspec.structs import replace
from sqlalchemy import delete, insert, select, update

from bench.goals import machine_load
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.queue.job import Job, NewJob, make_id
from sidecar.queue.life import Complete, Keeping
from sidecar.queue.queue import JobQueue
from sidecar.queue.rows import insert_jobs, values_of
from sidecar.queue.taking import Limits, Taken
from sidecar.storage.engine import Storage
from sidecar.storage.schema import upgrade
from sidecar.storage.tables import job_lanes, job_spaces, jobs, scripts, tenants

AT_ONCE: Final = 256
"""Who add at the same time."""
TAKEN: Final = 200
ROOM: Final = 20
ROUNDS: Final = 100
LEASE: Final = 60_000_000
TENANTS: Final = ("loud", "quiet")
ROWS: Final = 500


async def main(number: int, many: int, address: str | None) -> None:
    """Print what was found."""
    with tempfile.TemporaryDirectory() as folder:
        url = DatabaseUrl.parse(address or f"sqlite:///{folder}/jobs.db")
        storage = Storage(url, create=True)
        await upgrade(storage)
        await _prepare(storage)
        queue = JobQueue(url, Keeping())
        print(f"{url.database.value}, load {machine_load():.1f}, {number:,} jobs")
        added, taken = await through(queue, number)
        print(f"added, by {AT_ONCE} at a time               {added}")
        print(f"taken and acknowledged, {TAKEN} at a time {taken}")
        alone = await waits(queue)
        await _fill(storage, queue, many)
        beside = await waits(queue)
        print(f"the next job of a tenant waits, p50 and p99 of {ROUNDS}:")
        print(f"  alone                     {_of(alone)}")
        print(f"  beside {many:>9,} of another {_of(beside)}")
        await queue.close()
        await storage.close()


class Rate(NamedTuple):
    """How quickly a number of jobs went through."""

    number: int
    seconds: float
    cpu: float

    def __str__(self) -> str:
        micros = self.cpu / self.number * 1e6
        return f"{self.number / self.seconds:10,.0f} a second, {micros:6.0f} us of processor time each"


class Watch:
    """From when it is made."""

    def __init__(self) -> None:
        self._began = time.perf_counter(), time.process_time()

    def rate(self, number: int) -> Rate:
        """Of what was done since."""
        return Rate(number, time.perf_counter() - self._began[0], time.process_time() - self._began[1])


async def through(queue: JobQueue, number: int) -> tuple[Rate, Rate]:
    """Jobs added, and taken and acknowledged."""
    left = iter(range(number))

    async def add() -> None:
        for _ in left:
            await queue.add(NewJob(tenant="loud", script="loud", data='{"number": 7}'))

    watch = Watch()
    await asyncio.gather(*(add() for _ in range(AT_ONCE)))
    added = watch.rate(number)
    taking = queue.taking("bench", Limits())
    watch = Watch()
    done = 0
    acknowledging: asyncio.Task[Any] | None = None
    # The next ones are taken while those before are acknowledged, as by a platform whose jobs end one by one.
    while taken := await taking.take(TAKEN, LEASE):
        if acknowledging is not None:
            await acknowledging
        acknowledging = asyncio.ensure_future(acknowledge(queue, taken))
        done += len(taken)
    if acknowledging is not None:
        await acknowledging
    if done != number:
        raise RuntimeError(f"{done} of {number} were taken")
    return added, watch.rate(done)


async def acknowledge(queue: JobQueue, taken: Sequence[Taken]) -> None:
    """Say that all of these have come to their end."""
    await asyncio.gather(*(queue.step(Complete(one.job.id, one.job.lease, '{"number": 7}')) for one in taken))


async def waits(queue: JobQueue) -> list[float]:
    """From when the quiet tenant has added a job until it is taken, by a process that is always busy with the loud
    one's as long as there are any: one job ends, one is taken."""
    taking = queue.taking("bench", Limits())
    running = list(await taking.take(ROOM, LEASE))
    found = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        wanted = (await queue.add(NewJob(tenant="quiet", script="quiet"))).id
        while True:
            if running:
                await acknowledge(queue, [running.pop(0)])
            taken = await taking.take(ROOM - len(running), LEASE)
            running += taken
            if any(one.job.id == wanted for one in taken):
                break
        found.append(time.perf_counter() - began)
    await acknowledge(queue, running)
    return found


async def _fill(storage: Storage, queue: JobQueue, many: int) -> None:
    """Have so many jobs of the loud tenant wait."""
    first = await queue.add(NewJob(tenant="loud", script="loud"))
    async with storage.reading() as connection:
        lane = (await connection.execute(select(job_lanes.c.id).where(job_lanes.c.script == "loud"))).scalar_one()
    for begin in range(0, many, 100 * ROWS):
        async with storage.writing() as connection:
            for start in range(begin, min(many, begin + 100 * ROWS), ROWS):
                rows = [_row(first, lane) for _ in range(min(ROWS, many - start))]
                await insert_jobs(connection, rows)
    async with storage.writing() as connection:
        own = update(job_spaces).where(job_spaces.c.tenant == "loud")
        await connection.execute(own.values(jobs=job_spaces.c.jobs + many))


def _row(first: Job, lane: int) -> dict[str, Any]:
    return {**values_of(replace(first, id=make_id())), "data": "{}", "result": None, "lane_id": lane}


async def _prepare(storage: Storage) -> None:
    async with storage.writing() as connection:
        await connection.execute(delete(jobs))
        for number, name in enumerate(TENANTS, start=100):
            await connection.execute(insert(tenants).values(id=number, name=name, created=0))
            row = {
                "id": name,
                "tenant_id": number,
                "app_id": None,
                "name": f"{name}.js",
                "uuid": f"00000000-0000-4000-8000-{number:012}",
                "version": 1,
                "environment": "{}",
                "public": False,
                "global_routing_priority": "disabled",
                "vars": "{}",
                "position": number,
            }
            await connection.execute(insert(scripts).values(row))


def _of(times: Sequence[float]) -> str:
    ordered = sorted(times)
    return f"{median(ordered) * 1000:8.1f} ms {ordered[int(len(ordered) * 0.99)] * 1000:8.1f} ms"


if __name__ == "__main__":
    given = sys.argv[1:]
    asyncio.run(
        main(
            int(given[0]) if given else 5_000,
            int(given[1]) if len(given) > 1 else 1_000_000,
            given[2] if len(given) > 2 else None,
        )
    )
