"""What people and monitoring ask of the queue, and what is set for a queue of an app."""

from collections.abc import Mapping
from typing import Final

import msgspec
from sqlalchemy import Select, and_, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sidecar.queue.errors import QueueFull
from sidecar.queue.fair import Queue
from sidecar.queue.job import DELIVERIES, MICROS, Job, JobState
from sidecar.queue.rows import JOB_COLUMNS, found
from sidecar.queue.store import JobRows, Kept
from sidecar.storage.tables import job_lanes, job_queues, job_spaces, jobs

PAGE_JOBS: Final = 1_000
COUNTED: Final = 100_000
"""Of one state and queue that are counted for people: past it a number is at least so high."""

SET_QUEUES: Final = 1_000
"""Of one tenant, for which something is set: whoever takes jobs reads them all."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which jobs of a tenant; None for whatever it is."""

    state: JobState | None = None
    script: str | None = None
    app: str | None = None
    queue: str | None = None
    deliveries: bool = False
    """Those of the platform's own that tell webhooks, which are none else's; ``script`` is then a webhook's id."""


class QueueState(msgspec.Struct, frozen=True, kw_only=True):
    """A queue of an app."""

    queue: Queue
    paused: bool = False
    at_once: int | None = None
    counts: Mapping[str, int] = {}
    """Jobs by state."""
    oldest_seconds: float | None = None
    """How long the job waits that has waited longest."""


class Depth(msgspec.Struct, frozen=True):
    """The whole queue at a time, for monitoring."""

    counts: Mapping[JobState, int] = {}
    oldest_seconds: float = 0.0
    """How long the job waits that has waited longest; 0 where none does."""


class Looking:
    """Its methods raise StorageError."""

    def __init__(self, rows: JobRows) -> None:
        self._rows = rows

    async def lost(self, leases: Mapping[str, int]) -> set[str]:
        """Which of these jobs are not held by these leases, by id: those that are discarded, over, or another's."""
        held = set()
        ids = list(leases)
        async with self._rows.storage.reading() as connection:
            for begin in range(0, len(ids), PAGE_JOBS):
                query = select(jobs.c.id, jobs.c.lease).where(
                    jobs.c.id.in_(ids[begin : begin + PAGE_JOBS]), jobs.c.state == JobState.ACTIVE.value
                )
                held |= {row.id for row in (await connection.execute(query)).all() if leases[row.id] == row.lease}
        return set(leases) - held

    async def page(self, tenant: str, wanted: Wanted, before: str | None, limit: int) -> list[Job]:
        """A tenant's jobs, those that were added last first, of those that were added before one."""
        query = select(*JOB_COLUMNS).where(jobs.c.tenant == tenant).order_by(jobs.c.id.desc())
        for column, value in (
            (jobs.c.state, wanted.state.value if wanted.state is not None else None),
            (jobs.c.script, wanted.script),
            (jobs.c.app, wanted.app),
            (jobs.c.queue, DELIVERIES if wanted.deliveries else wanted.queue),
        ):
            if value is not None:
                query = query.where(column == value)
        if not wanted.deliveries:
            query = query.where(jobs.c.queue != DELIVERIES)
        if before is not None:
            query = query.where(jobs.c.id < before)
        async with self._rows.storage.reading() as connection:
            return await found(connection, query.limit(min(limit, PAGE_JOBS + 1)))

    async def queues(self, tenant: str) -> list[QueueState]:
        """A tenant's queues, with how many jobs each has."""
        async with self._rows.storage.reading() as connection:
            now = await self._rows.now(connection)
            names = select(job_lanes.c.app, job_lanes.c.queue).where(job_lanes.c.tenant == tenant).distinct()
            known = {Queue(tenant, row.app, row.queue) for row in (await connection.execute(names)).all()}
            own = select(job_queues).where(job_queues.c.tenant == tenant)
            settings = {Queue(tenant, row.app, row.name): row for row in (await connection.execute(own)).all()}
            states = []
            for queue in sorted(known | settings.keys()):
                row = settings.get(queue)
                states.append(
                    QueueState(
                        queue=queue,
                        paused=row is not None and row.paused,
                        at_once=None if row is None else row.at_once,
                        counts=await _counts(connection, queue),
                        oldest_seconds=await _oldest(connection, queue, now),
                    )
                )
        return states

    async def set_queue(self, queue: Queue, *, paused: bool, at_once: int | None) -> None:
        """Say how a queue is worked on from now on. What of it is under way goes on. Raises QueueFull where a tenant
        has said so of too many."""
        place = and_(
            job_queues.c.tenant == queue.tenant, job_queues.c.app == queue.app, job_queues.c.name == queue.name
        )
        row = {"tenant": queue.tenant, "app": queue.app, "name": queue.name, "paused": paused, "at_once": at_once}
        async with self._rows.changing() as (connection, _):
            await connection.execute(delete(job_queues).where(place))
            if paused or at_once is not None:
                own = select(func.count()).select_from(job_queues).where(job_queues.c.tenant == queue.tenant)
                if (await connection.execute(own)).scalar_one() >= SET_QUEUES:
                    raise QueueFull(f"{SET_QUEUES:_} queues are paused or limited already")
                await connection.execute(insert(job_queues).values(row))

    async def kept(self, tenant: str) -> Kept:
        """How much a tenant keeps."""
        async with self._rows.storage.reading() as connection:
            query = select(job_spaces).where(job_spaces.c.tenant == tenant)
            row = (await connection.execute(query)).one_or_none()
        return Kept() if row is None else Kept(row.jobs, row.bytes)

    async def depth(self) -> Depth:
        """Every tenant's jobs together."""
        counted = select(jobs.c.state, func.count().label("number")).group_by(jobs.c.state)
        oldest = select(func.min(jobs.c.due)).where(jobs.c.state == JobState.WAITING.value)
        async with self._rows.storage.reading() as connection:
            now = await self._rows.now(connection)
            counts = {JobState(row.state): row.number for row in (await connection.execute(counted)).all()}
            first = (await connection.execute(oldest)).scalar_one()
        return Depth(counts, 0.0 if first is None else max(0, now - int(first)) / MICROS)


async def _counts(connection: AsyncConnection, queue: Queue) -> Mapping[str, int]:
    counts = {}
    for state in JobState:
        some = _of(queue, state).limit(COUNTED).subquery()
        counts[state.value] = (await connection.execute(select(func.count()).select_from(some))).scalar_one()
    return counts


async def _oldest(connection: AsyncConnection, queue: Queue, now: int) -> float | None:
    waiting = _of(queue, JobState.WAITING).with_only_columns(func.min(jobs.c.due))
    first = (await connection.execute(waiting)).scalar_one()
    return None if first is None else max(0, now - int(first)) / MICROS


def _of(queue: Queue, state: JobState) -> Select[tuple[str]]:
    own = select(job_lanes.c.id).where(
        job_lanes.c.tenant == queue.tenant, job_lanes.c.app == queue.app, job_lanes.c.queue == queue.name
    )
    return select(jobs.c.id).where(jobs.c.lane_id.in_(own), jobs.c.state == state.value)
