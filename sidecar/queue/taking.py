"""How jobs are taken: the tenants' rows are locked, what is active is counted, and the room is shared."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Select, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sidecar.configuration.database_url import Database
from sidecar.queue import life
from sidecar.queue.fair import Active, AtOnce, Head, Lane, Queue, order_of, picked, shares, with_room
from sidecar.queue.job import Job, JobState
from sidecar.queue.rows import JOB_COLUMNS, job_of, keep
from sidecar.queue.store import JobRows
from sidecar.storage.tables import job_lanes, job_queues, job_tenants, jobs

TENANTS: Final = 64
"""That are locked in one transaction: the others are another process's, or the next one's."""

_WAITS: Final = jobs.c.state == JobState.WAITING.value
_PAUSED: Final = select(job_queues.c.tenant, job_queues.c.app, job_queues.c.name).where(job_queues.c.paused)
_ACTIVE: Final = (
    select(jobs.c.tenant, jobs.c.app, jobs.c.queue, jobs.c.script, func.count().label("number"))
    .where(jobs.c.state == JobState.ACTIVE.value)
    .group_by(jobs.c.tenant, jobs.c.app, jobs.c.queue, jobs.c.script)
)
_LIMITED: Final = select(job_queues).where(job_queues.c.at_once.is_not(None))


class Taken(msgspec.Struct, frozen=True):
    """A job that is ours, and what its function is given, as JSON."""

    job: Job
    data: str


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How many jobs may be under way on all machines; None for as many as there is room for."""

    tenant: Callable[[str], int | None] = lambda _: None
    script: int | None = None


class Taking:
    """Takes jobs for one process."""

    def __init__(self, rows: JobRows, owner: str, limits: Limits) -> None:
        self._rows = rows
        self._owner = owner
        self._limits = limits

    async def take(self, room: int, lease_micros: int) -> list[Taken]:
        """So many jobs at most, each of which is ours until its lease ends. Raises StorageError."""
        async with self._rows.storage.reading() as connection:
            lanes = await _lanes(connection, self._rows.database)
            if not lanes:
                return []
            active = await _active(connection)
            lanes = with_room(lanes, active, await self._at_once(connection))
            if not lanes:
                return []
            served = await _served(connection, {lane.tenant for lane in lanes})
        return await self._rows.tried_again(lambda: self._take(room, lease_micros, lanes, active, served))

    async def _take(
        self, room: int, lease_micros: int, lanes: Sequence[Lane], active: Active, served: Mapping[str, int]
    ) -> list[Taken]:
        wanted = order_of({lane.tenant for lane in lanes}, active.tenants, served)[:TENANTS]
        async with self._rows.changing() as (connection, now):
            query = select(job_tenants).where(job_tenants.c.tenant.in_(wanted)).order_by(job_tenants.c.tenant)
            rows = (await connection.execute(query.with_for_update(skip_locked=True))).all()
            served = {row.tenant: row.served for row in rows}
            lanes = [lane for lane in lanes if lane.tenant in served]
            # Anew, now that nobody else takes of these tenants.
            active = await _active(connection)
            at_once = await self._at_once(connection)
            lanes = with_room(lanes, active, at_once)
            share = shares(room, lanes, active, at_once, served)
            heads: list[Head] = []
            for queue, number in share.items():
                own = await _first(connection, [lane for lane in lanes if lane.queue == queue], number)
                waiting = [head for lane in own for head in await _heads(connection, lane, number)]
                heads += picked(number, waiting, active.scripts, at_once.script)
            taken = await self._taken(connection, [head.id for head in heads], now, lease_micros)
            if taken:
                got = sorted({one.job.tenant for one in taken})
                marking = update(job_tenants).where(job_tenants.c.tenant.in_(got)).values(served=now)
                await connection.execute(marking)
        return taken

    async def _at_once(self, connection: AsyncConnection) -> AtOnce:
        return AtOnce(tenant=self._limits.tenant, queue=(await _limited(connection)).get, script=self._limits.script)

    async def _taken(self, connection: AsyncConnection, ids: Sequence[str], now: int, lease_micros: int) -> list[Taken]:
        if not ids:
            return []
        waiting = jobs.c.state == JobState.WAITING.value
        query = select(*JOB_COLUMNS, jobs.c.data).where(jobs.c.id.in_(sorted(ids)), waiting).order_by(jobs.c.id)
        rows = {row.id: row for row in (await connection.execute(query.with_for_update(skip_locked=True))).all()}
        taken = [
            Taken(life.taken(job_of(rows[one]), self._owner, now, lease_micros), rows[one].data)
            for one in ids
            if one in rows
        ]
        await keep(connection, [one.job for one in taken])
        return taken


def _waiting_lanes(database: Database) -> Select[Any]:
    """Lanes in which a job waits, from one to the next in the index, however long each is: a lane that is empty is not
    looked at, and there is one for each script and queue that ever had a job."""
    lane = jobs.c.lane_id
    if database is Database.MYSQL:
        # It goes so by itself, and has bounds for recursion.
        return select(job_lanes).where(job_lanes.c.id.in_(select(lane).where(_WAITS).distinct()))
    first = select(func.min(lane).label("id")).where(_WAITS).cte("waiting", recursive=True)
    following = select(func.min(lane)).where(_WAITS, lane > first.c.id).correlate(first).scalar_subquery()
    waiting = first.union_all(select(following).where(first.c.id.is_not(None)))
    return select(job_lanes).where(job_lanes.c.id.in_(select(waiting.c.id)))


_WAITING: Final = {database: _waiting_lanes(database) for database in Database}


async def _lanes(connection: AsyncConnection, database: Database) -> list[Lane]:
    """In which jobs wait that may be taken."""
    paused = {Queue(*row) for row in (await connection.execute(_PAUSED)).all()}
    lanes = [
        Lane(id=row.id, queue=Queue(row.tenant, row.app, row.queue), script=row.script)
        for row in (await connection.execute(_WAITING[database])).all()
    ]
    return [lane for lane in lanes if lane.queue not in paused]


async def _active(connection: AsyncConnection) -> Active:
    active = Active()
    for row in (await connection.execute(_ACTIVE)).all():
        active.tenants[row.tenant] += row.number
        active.queues[Queue(row.tenant, row.app, row.queue)] += row.number
        active.scripts[row.script] += row.number
    return active


async def _served(connection: AsyncConnection, names: set[str]) -> Mapping[str, int]:
    query = select(job_tenants).where(job_tenants.c.tenant.in_(sorted(names)))
    return {row.tenant: row.served for row in (await connection.execute(query)).all()}


async def _limited(connection: AsyncConnection) -> dict[Queue, int]:
    rows = (await connection.execute(_LIMITED)).all()
    return {Queue(row.tenant, row.app, row.name): row.at_once for row in rows}


async def _first(connection: AsyncConnection, lanes: Sequence[Lane], number: int) -> Sequence[Lane]:
    """So many of a queue's lanes, those whose heads come first: of the others none can be among so many jobs."""
    if len(lanes) <= number:
        return lanes
    own = select(jobs.c.id).where(jobs.c.lane_id == job_lanes.c.id, _WAITS)
    head = own.order_by(jobs.c.priority, jobs.c.due, jobs.c.id).limit(1).correlate(job_lanes).scalar_subquery()
    heads = select(job_lanes.c.id, head.label("head")).where(job_lanes.c.id.in_([lane.id for lane in lanes])).subquery()
    query = select(heads.c.id).join(jobs, jobs.c.id == heads.c.head)
    rows = await connection.execute(query.order_by(jobs.c.priority, jobs.c.due, jobs.c.id).limit(number))
    by_id = {lane.id: lane for lane in lanes}
    return [by_id[lane] for lane in rows.scalars()]


def _head_query(lane: Lane, number: int) -> Select[tuple[int, int, str]]:
    c = jobs.c
    own = select(c.priority, c.due, c.id).where(c.lane_id == lane.id, c.state == JobState.WAITING.value)
    return own.order_by(c.priority, c.due, c.id).limit(number)


async def _heads(connection: AsyncConnection, lane: Lane, number: int) -> list[Head]:
    rows = (await connection.execute(_head_query(lane, number))).all()
    return [Head(row.priority, row.due, row.id, lane.script) for row in rows]
