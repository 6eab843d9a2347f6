"""Schedules at their times: the job of what is due and what is due next are one transaction, which holds the schedule.

So each due time gives one job, whoever looks and however many do. One whose last job is not over has no other one: what
comes due meanwhile was missed, as what came due while nobody looked (`sidecar.schedules.plan`).
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Row, Select, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sidecar.queue.adding import Added, Adding
from sidecar.queue.errors import NoSuchSchedule, StillRunning
from sidecar.queue.job import MICROS, UNFINISHED, Job, NewJob
from sidecar.queue.store import JobRows
from sidecar.schedules.plan import Missed, Turn, turn
from sidecar.schedules.timetable import Timetable
from sidecar.storage.tables import jobs, schedules, tenants

LOOKED_AT: Final = 1_000
"""In one transaction, which takes some 100 us of processor time for each, and the event loop for 20 ms at a time."""

_UNFINISHED: Final = [state.value for state in UNFINISHED]
_IDLE: Final = (
    # Not as EXISTS, which PostgreSQL may answer by going through all jobs for each schedule.
    select(jobs.c.id)
    .where(jobs.c.id == schedules.c.job, jobs.c.state.in_(_UNFINISHED))
    .limit(1)
    .scalar_subquery()
    .is_(None)
)
_SCHEDULES: Final = select(schedules, tenants.c.name.label("tenant")).join(
    tenants, tenants.c.id == schedules.c.tenant_id
)
# Not as min(), which would go through all of them.
_NEXT: Final = select(schedules.c.due).where(schedules.c.due.is_not(None), _IDLE).order_by(schedules.c.due).limit(1)
_UPDATE: Final = (
    update(schedules)
    .where(schedules.c.tenant_id == bindparam("the_tenant"), schedules.c.id == bindparam("the_id"))
    .values({name: bindparam(f"the_{name}") for name in ("due", "last", "job", "runs", "left_out", "fault")})
)


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at what is due came to."""

    late_micros: Sequence[int] = ()
    """How long after its due time each job was added that was not missed."""
    made_up: int = 0
    """Jobs for due times that were missed."""
    left_out: int = 0
    """Due times without a job."""
    faults: Sequence[tuple[str, str, str]] = ()
    """Tenant and schedule of what could have no job, and why."""
    wait_micros: int | None = None
    """Until something is due next, 0 or below where something may be already; None where nothing is, or somebody else
    looks at it."""


class Scheduling:
    """Lives on one event loop. Its methods raise StorageError."""

    def __init__(self, rows: JobRows, adding: Adding, added: Callable[[], None]) -> None:
        """``added`` is told once there are jobs."""
        self._rows = rows
        self._adding = adding
        self._added = added

    async def look(self) -> Look:
        """Add the jobs of what is due, of `LOOKED_AT` schedules at most."""
        async with self._rows.storage.reading() as connection:
            now = await self._rows.now(connection)
            first = (await connection.execute(_NEXT)).scalar_one_or_none()
        if first is None or first > now:
            return Look(wait_micros=None if first is None else int(first) - now)
        found = await self._rows.tried_again(self._look)
        if found.late_micros or found.made_up:
            self._added()
        return found

    async def _look(self) -> Look:
        async with self._rows.changing() as (connection, now):
            rows = await self._locked(connection, now)
            turns = _turns_of(rows, now)
            asked = [_job_of(row, found.run, found.missed) for row, found in zip(rows, turns, strict=True) if found.run]
            added = await self._adding.add_in(connection, asked, now) if asked else None
            answers = iter(added.answers if added is not None else ())
            outcomes = [next(answers) if found.run else None for found in turns]
            after = [_after(row, found, one) for row, found, one in zip(rows, turns, outcomes, strict=True)]
            if after:
                await connection.execute(_UPDATE, after)
        if added is not None:
            self._adding.kept(added)
        return _told(rows, turns, outcomes, now)

    async def _locked(self, connection: AsyncConnection, now: int) -> Sequence[Row[Any]]:
        """What is due and has no job under way, which nobody else looks at."""
        query = _SCHEDULES.where(schedules.c.due <= now, _IDLE).order_by(schedules.c.due).limit(LOOKED_AT)
        rows = (await connection.execute(query.with_for_update(of=schedules, skip_locked=True))).all()
        # Anew, now that they are ours: a row that another one has just let go of has a job that the query before did
        # not see.
        running = await _unfinished(connection, [row.job for row in rows if row.job is not None])
        return [row for row in rows if row.job not in running]

    async def run_now(self, tenant: str, schedule: str) -> Job:
        """Add a job of a schedule, whatever is due and also where it is paused. Raises NoSuchSchedule, StillRunning
        while its last one is not over, QueueError."""
        job = await self._rows.tried_again(lambda: self._run_now(tenant, schedule))
        self._added()
        return job

    async def _run_now(self, tenant: str, schedule: str) -> Job:
        own: Select[Any] = _SCHEDULES.where(tenants.c.name == tenant, schedules.c.id == schedule)
        async with self._rows.changing() as (connection, now):
            row = (await connection.execute(own.with_for_update(of=schedules))).one_or_none()
            if row is None:
                raise NoSuchSchedule(f"there is no schedule {schedule[:128]!r}")
            if row.job is not None and await _unfinished(connection, [row.job]):
                raise StillRunning(f"the last run of the schedule {schedule!r} is not over: the job {row.job}")
            added: Added = await self._adding.add_in(connection, [_job_of(row, now, 0)], now)
            (job,) = added.answers
            if isinstance(job, Exception):
                raise job
            after = _after(row, Turn(run=now, missed=0, next=row.due), job)
            await connection.execute(_UPDATE, [after])
        self._adding.kept(added)
        return job


async def _unfinished(connection: AsyncConnection, ids: Sequence[str]) -> set[str]:
    if not ids:
        return set()
    query = select(jobs.c.id).where(jobs.c.id.in_(ids), jobs.c.state.in_(_UNFINISHED))
    return set((await connection.execute(query)).scalars())


def _turns_of(rows: Sequence[Row[Any]], now: int) -> list[Turn]:
    """Those of one timetable that are due at the same time have the same turn, which is worked out once."""
    known: dict[tuple[Any, ...], Turn] = {}
    turns = []
    for row in rows:
        key = row.cron, row.zone, row.missed, row.most, row.due
        if key not in known:
            timetable = Timetable(cron=row.cron, zone=row.zone)
            known[key] = turn(timetable, Missed(row.missed), row.most, int(row.due), now)
        turns.append(known[key])
    return turns


def _job_of(row: Row[Any], due: int, missed: int) -> NewJob:
    at = datetime.fromtimestamp(due / MICROS, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    data = {**msgspec.json.decode(row.data), "schedule": {"id": row.id, "due": at, "missed": missed}}
    return NewJob(
        tenant=row.tenant,
        script=row.script_id,
        function=row.function,
        data=msgspec.json.encode(data).decode(),
        attempts=row.attempts,
        source=f"schedule {row.id}",
    )


def _after(row: Row[Any], found: Turn, outcome: Job | Exception | None) -> dict[str, Any]:
    """The row once its turn is over."""
    is_job = isinstance(outcome, Job)
    return {
        "the_tenant": row.tenant_id,
        "the_id": row.id,
        "the_due": found.next,
        "the_last": found.run if is_job else row.last,
        "the_job": outcome.id if isinstance(outcome, Job) else row.job,
        "the_runs": row.runs + is_job,
        "the_left_out": row.left_out + found.missed + isinstance(outcome, Exception),
        "the_fault": str(outcome)[:300] if isinstance(outcome, Exception) else "",
    }


def _told(
    rows: Sequence[Row[Any]], turns: Sequence[Turn], outcomes: Sequence[Job | Exception | None], now: int
) -> Look:
    late, faults = [], []
    made_up = left_out = 0
    for row, found, outcome in zip(rows, turns, outcomes, strict=True):
        left_out += found.missed + isinstance(outcome, Exception)
        if isinstance(outcome, Exception):
            faults.append((row.tenant, row.id, str(outcome)))
        elif found.run is not None and found.was_missed:
            made_up += 1
        elif found.run is not None:
            late.append(now - found.run)
    return Look(late_micros=late, made_up=made_up, left_out=left_out, faults=faults, wait_micros=0 if rows else None)
