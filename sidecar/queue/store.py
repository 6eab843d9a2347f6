"""The jobs of every tenant in a database: each method is one transaction, which holds the rows that it changes."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Select, and_, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sidecar.configuration.database_url import Database
from sidecar.queue import life
from sidecar.queue.errors import LeaseLost, NoSuchJob, WrongState
from sidecar.queue.following import Delivering, follow
from sidecar.queue.job import UNFINISHED, Job, JobState, Texts
from sidecar.queue.life import AnyStep, Complete, Keeping, Note
from sidecar.queue.rows import JOB_COLUMNS, Spaces, found, keep, keep_text, locked
from sidecar.storage.engine import Storage
from sidecar.storage.errors import DatabaseBusy
from sidecar.storage.server_time import Clock, micros_now
from sidecar.storage.tables import job_spaces, jobs

TIDIED: Final = 500
"""Jobs of which something is due that are changed in one transaction."""

TOO_LONG: Final = 10
"""Leases: what is to last for longer was renewed by a clock that was set back since. Its process renews it anew, if
there is one still."""
TRIES: Final = 4
"""Of a transaction: those that change the same rows in another order end each other in MySQL and PostgreSQL."""
AGAIN_SECONDS: Final = 0.05
_Done = TypeVar("_Done")


class JobRows:
    """What all that is asked of the jobs has in common: the database, and its time."""

    def __init__(self, storage: Storage, clock: Clock = time.time) -> None:
        """``clock`` is SQLite's time: a server has its own."""
        self.storage = storage
        self._clock = clock

    @property
    def database(self) -> Database:
        """What keeps them."""
        return self.storage.url.database

    async def now(self, connection: AsyncConnection) -> int:
        """Microseconds since 1970."""
        return await micros_now(connection, self.storage, self._clock)

    async def tried_again(self, transaction: Callable[[], Awaitable[_Done]]) -> _Done:
        """Carry out a transaction, and again where the database has ended it in favour of another one."""
        for number in range(1, TRIES):
            try:
                return await transaction()
            except DatabaseBusy:
                await asyncio.sleep(random.uniform(0, AGAIN_SECONDS * number))  # noqa: S311 - it is no secret
        return await transaction()

    @contextlib.asynccontextmanager
    async def changing(self) -> AsyncIterator[tuple[AsyncConnection, int]]:
        """A transaction, and its time."""
        async with self.storage.writing() as connection:
            yield connection, await self.now(connection)


class JobStore:
    """What becomes of jobs that are there. Its methods raise StorageError."""

    def __init__(self, rows: JobRows, keeping: Keeping, delivering: Delivering) -> None:
        self._rows = rows
        self._keeping = keeping
        self._delivering = delivering

    async def step(self, steps: Sequence[AnyStep]) -> list[Job | Exception]:
        """Take steps of those who have jobs, in their order: each job as it is then, or LeaseLost."""
        return await self._rows.tried_again(lambda: self._step(steps))

    async def _step(self, steps: Sequence[AnyStep]) -> list[Job | Exception]:
        after: list[Job | Exception] = []
        data: dict[str, str] = {}
        results: dict[str, str] = {}
        spaces = Spaces()
        async with self._rows.changing() as (connection, now):
            known = await locked(connection, [step.job for step in steps])
            changed: dict[str, Job] = {}
            for step in steps:
                before = known.get(step.job)
                try:
                    job = life.apply(step, before, now, self._keeping)
                except LeaseLost as error:
                    after.append(error)
                    continue
                assert before is not None  # noqa: S101 - it has a lease
                spaces.add(job.tenant, 0, job.bytes - before.bytes)
                known[job.id] = changed[job.id] = job
                after.append(job)
                if isinstance(step, Complete):
                    results[job.id] = step.result
                elif isinstance(step, Note) and step.data is not None:
                    data[job.id] = step.data
            await keep(connection, list(changed.values()))
            await keep_text(connection, "data", data)
            await keep_text(connection, "result", results)
            await self._follow(connection, list(changed.values()), results, now, spaces)
            await spaces.keep(connection)
        return after

    async def _follow(
        self, connection: AsyncConnection, changed: Sequence[Job], results: Mapping[str, str], now: int, spaces: Spaces
    ) -> None:
        """Have whoever is to be told of the end of jobs told of those that are over."""
        ended = [(job, results.get(job.id)) for job in changed if job.is_over and job.webhooks]
        for made in await follow(connection, ended, now, self._delivering):
            spaces.add(made.tenant, 1, made.bytes)

    async def retry(self, tenant: str, job_id: str) -> Job:
        """Run a dead letter anew, or a delayed job now. Raises NoSuchJob, WrongState, which one is also for whose key
        another one has by now."""
        async with self._rows.changing() as (connection, now):
            before = await _own(connection, tenant, job_id)
            job = life.retried(before, now)
            if before.is_over and before.key is not None:
                await _require_key(connection, before)
            await keep(connection, [job])
        return job

    async def discard(self, tenant: str, job_id: str) -> Job:
        """Keep a job no more, whatever its state: whoever runs it has lost it. Raises NoSuchJob."""
        spaces = Spaces()
        async with self._rows.changing() as (connection, _):
            job = await _own(connection, tenant, job_id)
            await _remove(connection, [job], spaces)
            await spaces.keep(connection)
        return job

    async def tidy(self, lease_micros: int | None = None) -> dict[JobState, int]:
        """Do what is due: delayed jobs wait, leases that have ended are taken away, what is over for long is forgotten.
        How many there were of each state; `TIDIED` of one that may have more. ``lease_micros`` is how long leases are,
        for who would not wait for those that a clock has made longer."""
        counts = {}
        if lease_micros is not None:
            await self._shorten(lease_micros)
        for state in (JobState.DELAYED, JobState.ACTIVE, JobState.COMPLETED, JobState.FAILED):
            async with self._rows.storage.reading() as connection:
                query = _due(state, await self._rows.now(connection)).limit(1)
                is_due = (await connection.execute(query)).first() is not None
            if is_due:
                counts[state] = await self._rows.tried_again(partial(self._tidied, state))
        return counts

    async def _shorten(self, lease_micros: int) -> None:
        """Let no lease last longer than one that is renewed now."""

        def too_long(now: int) -> ColumnElement[bool]:
            return and_(jobs.c.state == JobState.ACTIVE.value, jobs.c.due > now + TOO_LONG * lease_micros)

        async with self._rows.storage.reading() as connection:
            query = select(jobs.c.id).where(too_long(await self._rows.now(connection))).limit(1)
            if (await connection.execute(query)).first() is None:
                return
        async with self._rows.changing() as (connection, now):
            await connection.execute(update(jobs).where(too_long(now)).values(due=now + lease_micros))

    async def _tidied(self, state: JobState) -> int:
        spaces = Spaces()
        async with self._rows.changing() as (connection, now):
            due = await found(connection, _due(state, now).limit(TIDIED).with_for_update(skip_locked=True))
            if state is JobState.DELAYED:
                await keep(connection, [life.ripe(job, now) for job in due])
            elif state is JobState.ACTIVE:
                expired = [life.expired(job, now, self._keeping) for job in due]
                await keep(connection, expired)
                await self._follow(connection, expired, {}, now, spaces)
            else:
                await _remove(connection, due, spaces)
            await spaces.keep(connection)
        return len(due)

    # ---- what is asked ----

    async def get(self, tenant: str, job_id: str) -> Job:
        """A tenant's job. Raises NoSuchJob."""
        async with self._rows.storage.reading() as connection:
            return await _own(connection, tenant, job_id, lock=False)

    async def texts(self, tenant: str, job_id: str) -> Texts:
        """What may be long of it. Raises NoSuchJob."""
        query = select(jobs.c.data, jobs.c.result).where(jobs.c.id == job_id, jobs.c.tenant == tenant)
        async with self._rows.storage.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise NoSuchJob(f"there is no job {job_id[:40]!r}")
        return Texts(row.data, row.result)

    async def over(self, ids: Sequence[str]) -> set[str]:
        """Those of these jobs that are over, or gone."""
        query = select(jobs.c.id).where(jobs.c.id.in_(ids), jobs.c.state.in_([state.value for state in UNFINISHED]))
        async with self._rows.storage.reading() as connection:
            return set(ids) - set((await connection.execute(query)).scalars())


def _due(state: JobState, now: int) -> Select[*tuple[Any, ...]]:
    return select(*JOB_COLUMNS).where(jobs.c.state == state.value, jobs.c.due <= now).order_by(jobs.c.due)


async def _own(connection: AsyncConnection, tenant: str, job_id: str, *, lock: bool = True) -> Job:
    query = select(*JOB_COLUMNS).where(jobs.c.id == job_id, jobs.c.tenant == tenant)
    rows = await found(connection, query.with_for_update() if lock else query)
    if not rows:
        raise NoSuchJob(f"there is no job {job_id[:40]!r}")
    return rows[0]


async def _require_key(connection: AsyncConnection, job: Job) -> None:
    """Raise WrongState where another job that is not over has its key. Nobody adds one in this transaction's time."""
    await connection.execute(select(job_spaces).where(job_spaces.c.tenant == job.tenant).with_for_update())
    states = [state.value for state in UNFINISHED]
    query = select(jobs.c.id).where(jobs.c.tenant == job.tenant, jobs.c.key == job.key, jobs.c.state.in_(states))
    other = (await connection.execute(query.limit(1))).scalar_one_or_none()
    if other is not None:
        raise WrongState(f"the job {other} has its key, and is not over")


async def _remove(connection: AsyncConnection, gone: Sequence[Job], spaces: Spaces) -> None:
    if gone:
        await connection.execute(delete(jobs).where(jobs.c.id.in_([job.id for job in gone])))
    for job in gone:
        spaces.add(job.tenant, -1, -job.bytes)


class Kept(msgspec.Struct, frozen=True):
    """How much a tenant keeps."""

    jobs: int = 0
    bytes: int = 0
