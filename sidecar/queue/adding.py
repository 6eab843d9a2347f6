"""How jobs come into the queue: many in one transaction, each of a script that its tenant has."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import bindparam, delete, func, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sidecar.queue import life
from sidecar.queue.errors import NoSuchScript, QueueError, QueueFull
from sidecar.queue.job import DELIVERIES, UNFINISHED, Job, JobState, NewDelivery, NewJob, make_id
from sidecar.queue.rows import JOB_COLUMNS, found, insert_jobs, insert_new, values_of
from sidecar.queue.store import JobRows, Kept
from sidecar.storage.tables import job_lanes, job_spaces, job_tenants, jobs, scripts, tenants

LANES: Final = 5_000
"""In which one tenant keeps jobs: whoever takes jobs looks at each in which one waits. A lane is a script and a queue,
and a queue's name is whatever a script says."""

_SPACE: Final = (
    update(job_spaces)
    .where(job_spaces.c.tenant == bindparam("the_tenant"))
    .values(jobs=bindparam("the_jobs"), bytes=bindparam("the_bytes"))
)

LanePlace = tuple[str, str, str]
"""A script, its app, and the name of a queue: a lane's, as long as its script is of that app."""


class MayKeep(NamedTuple):
    """How many jobs a tenant may keep, those that are over among them, and bytes of them; None for no limit."""

    jobs: int | None = None
    bytes: int | None = None


class Added(NamedTuple):
    """What was added in a transaction, which is not over yet."""

    answers: list[Job | Exception]
    tenants: Sequence[str]


class Adding:
    """Lives on one event loop."""

    def __init__(
        self, rows: JobRows, may_keep: Callable[[str], tuple[int | None, int | None]] = lambda _: MayKeep()
    ) -> None:
        self._rows = rows
        self._may_keep = may_keep
        self._tenants: set[str] = set()

    async def add(self, asked: Sequence[NewJob]) -> list[Job | Exception]:
        """The job of each, which is there when this returns; one that was there already where its key says so. Or
        why there is none: NoSuchScript, QueueFull. Raises StorageError, with nothing added."""
        return await self._rows.tried_again(lambda: self._add(asked))

    async def _add(self, asked: Sequence[NewJob]) -> list[Job | Exception]:
        async with self._rows.changing() as (connection, now):
            added = await self.add_in(connection, asked, now)
        self.kept(added)
        return added.answers

    async def add_in(self, connection: AsyncConnection, asked: Sequence[NewJob], now: int) -> Added:
        """The same in a transaction of whoever asks, who says once it is over that it is `kept`."""
        names = sorted({new.tenant for new in asked})
        spaces = await self._locked_spaces(connection, names)
        places = await _scripts(connection, asked)
        same = await _same(connection, asked)
        lanes = await self._lanes_for(connection, asked, places)
        answers: list[Job | Exception] = []
        made: list[tuple[Job, str]] = []
        for new in asked:
            try:
                job = self._made(new, places, same, lanes, spaces, now)
            except QueueError as error:
                answers.append(error)
                continue
            answers.append(job)
            if new.key is None or (new.tenant, new.key) not in same:
                made.append((job, new.data))
                if new.key is not None:
                    same[new.tenant, new.key] = job
        rows: list[dict[str, Any]] = [
            {**values_of(job), "data": data, "result": None, "lane_id": lanes[job.script, job.app, job.queue]}
            for job, data in made
        ]
        await insert_jobs(connection, rows)
        if made:
            kept = [
                {"the_tenant": tenant, "the_jobs": spaces[tenant].jobs, "the_bytes": spaces[tenant].bytes}
                for tenant in sorted({job.tenant for job, _ in made})
            ]
            await connection.execute(_SPACE, kept)
        return Added(answers, names)

    def kept(self, added: Added) -> None:
        """What was made in a transaction that is over is there for all, and is not asked for again."""
        self._tenants.update(added.tenants)

    def _made(
        self,
        new: NewJob,
        places: Mapping[tuple[str, str], tuple[str, str]],
        same: Mapping[tuple[str, str], Job],
        lanes: Mapping[LanePlace, int],
        spaces: dict[str, Kept],
        now: int,
    ) -> Job:
        if new.key is not None and (new.tenant, new.key) in same:
            return same[new.tenant, new.key]
        if isinstance(new, NewDelivery):
            # It is not refused, however much the tenant keeps: it has happened, and nobody is there to ask again.
            job, most = life.added(new, make_id(), new.script, "", now), MayKeep()
        else:
            place = places.get((new.tenant, new.script))
            if place is None:
                raise NoSuchScript(f"there is no script {new.script[:60]!r}")
            job, most = life.added(new, make_id(), *place, now), MayKeep(*self._may_keep(new.tenant))
        if (job.script, job.app, job.queue) not in lanes:
            raise QueueFull(f"jobs are kept in {LANES:_} queues of scripts already")
        space = spaces[new.tenant]
        if most.jobs is not None and space.jobs >= most.jobs:
            raise QueueFull(f"more than {most.jobs:_} jobs are kept already, with those that are over")
        if most.bytes is not None and space.bytes + job.bytes > most.bytes:
            raise QueueFull(f"the jobs that are kept would have more than {most.bytes:_} bytes")
        spaces[new.tenant] = Kept(space.jobs + 1, space.bytes + job.bytes)
        return job

    async def _locked_spaces(self, connection: AsyncConnection, names: Sequence[str]) -> dict[str, Kept]:
        """How much tenants keep: until the transaction is over nobody else adds jobs of theirs."""
        unknown = [name for name in names if name not in self._tenants]
        if unknown:
            await self._make_tenants(connection, unknown)
        query = select(job_spaces).where(job_spaces.c.tenant.in_(names)).order_by(job_spaces.c.tenant)
        rows = (await connection.execute(query.with_for_update())).all()
        return {row.tenant: Kept(row.jobs, row.bytes) for row in rows}

    async def _make_tenants(self, connection: AsyncConnection, names: Sequence[str]) -> None:
        # Asked first: an insertion of what is there locks it, and MySQL warns of it.
        known = select(job_spaces.c.tenant).where(job_spaces.c.tenant.in_(names))
        there = set((await connection.execute(known)).scalars())
        new = [name for name in names if name not in there]
        database = self._rows.database
        await insert_new(connection, database, job_tenants, [{"tenant": name, "served": 0} for name in new])
        await insert_new(connection, database, job_spaces, [{"tenant": name, "jobs": 0, "bytes": 0} for name in new])

    async def _lanes_for(
        self,
        connection: AsyncConnection,
        asked: Sequence[NewJob],
        places: Mapping[tuple[str, str], tuple[str, str]],
    ) -> dict[LanePlace, int]:
        """The lanes of what is asked for by their places, without those that a tenant may not have any more. Nobody
        else makes or removes any of these tenants' now."""
        wanted: dict[LanePlace, str] = {}
        for new in asked:
            if isinstance(new, NewDelivery):
                wanted[new.script, "", new.queue] = new.tenant
            elif (new.tenant, new.script) in places:
                wanted[*places[new.tenant, new.script], new.queue] = new.tenant
            # In which it will be told of the job's end, by whoever ends it.
            wanted |= {(webhook, "", DELIVERIES): new.tenant for webhook in new.webhooks}
        known = await _lane_ids(connection, sorted(wanted))
        made: dict[str, list[LanePlace]] = {}
        for place in sorted(wanted.keys() - known.keys()):
            made.setdefault(wanted[place], []).append(place)
        rows = []
        for tenant, new_places in made.items():
            room = await _room_for_lanes(connection, tenant, len(new_places))
            own = [place for place in new_places if place[2] == DELIVERIES]
            others = [place for place in new_places if place[2] != DELIVERIES]
            for script, app, queue in [*own, *others[: max(0, room)]]:
                rows.append({"tenant": tenant, "script": script, "app": app, "queue": queue})
        if rows:
            await insert_new(connection, self._rows.database, job_lanes, rows)
            known |= await _lane_ids(connection, [(row["script"], row["app"], row["queue"]) for row in rows])
        return known


async def _room_for_lanes(connection: AsyncConnection, tenant: str, wanted: int) -> int:
    """How many lanes more a tenant may have, once those without a job are gone where it has too many."""
    own = job_lanes.c.tenant == tenant, job_lanes.c.queue != DELIVERIES
    count = select(func.count()).select_from(job_lanes).where(*own)
    room = LANES - (await connection.execute(count)).scalar_one()
    if room >= wanted:
        return int(room)
    # The states are what the index begins with.
    states = [state.value for state in JobState]
    has_job = select(jobs.c.id).where(jobs.c.state.in_(states), jobs.c.lane_id == job_lanes.c.id).exists()
    await connection.execute(delete(job_lanes).where(*own, ~has_job))
    return LANES - int((await connection.execute(count)).scalar_one())


async def _lane_ids(connection: AsyncConnection, places: Sequence[LanePlace]) -> dict[LanePlace, int]:
    c = job_lanes.c
    query = select(c.id, c.script, c.app, c.queue).where(tuple_(c.script, c.app, c.queue).in_(places))
    return {(row.script, row.app, row.queue): row.id for row in (await connection.execute(query)).all()}


async def _scripts(connection: AsyncConnection, asked: Sequence[NewJob]) -> dict[tuple[str, str], tuple[str, str]]:
    """The id and the app of what is asked for by id or uuid, by the tenant and what it was asked for by."""
    names = sorted({new.script for new in asked})
    query = (
        select(scripts.c.id, scripts.c.uuid, scripts.c.app_id, tenants.c.name)
        .join(tenants, tenants.c.id == scripts.c.tenant_id)
        .where(or_(scripts.c.id.in_(names), scripts.c.uuid.in_([name for name in names if len(name) == 36])))
    )
    found_scripts: dict[tuple[str, str], tuple[str, str]] = {}
    for row in (await connection.execute(query)).all():
        place = row.id, row.app_id or ""
        found_scripts.setdefault((row.name, row.uuid), place)
        found_scripts[row.name, row.id] = place
    return found_scripts


async def _same(connection: AsyncConnection, asked: Sequence[NewJob]) -> dict[tuple[str, str], Job]:
    """Jobs that are not over, by tenant and key, of the keys that are asked for."""
    keys = sorted({(new.tenant, new.key) for new in asked if new.key is not None})
    if not keys:
        return {}
    query = select(*JOB_COLUMNS).where(
        tuple_(jobs.c.tenant, jobs.c.key).in_(keys), jobs.c.state.in_([state.value for state in UNFINISHED])
    )
    return {(job.tenant, job.key or ""): job for job in await found(connection, query)}
