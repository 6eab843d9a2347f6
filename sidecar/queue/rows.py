"""Jobs as rows, and what every room of the queue does with them in SQL."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Row, Select, Table, bindparam, insert, select, update
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from sidecar.configuration.database_url import Database
from sidecar.queue.job import Job
from sidecar.storage.tables import job_spaces, jobs

JOB_COLUMNS: Final = [column for column in jobs.c if column.name not in ("lane_id", "data", "result")]
_NAMES: Final = [str(column.name) for column in JOB_COLUMNS]
_CHANGING: Final = (
    "state",
    "due",
    "started",
    "finished",
    "attempt",
    "losses",
    "lease",
    "owner",
    "progress",
    "error",
    "data_bytes",
    "result_bytes",
)
_UPDATE: Final = (
    update(jobs).where(jobs.c.id == bindparam("the_id")).values({name: bindparam(f"the_{name}") for name in _CHANGING})
)
_SPACE: Final = (
    update(job_spaces)
    .where(job_spaces.c.tenant == bindparam("the_tenant"))
    .values(jobs=job_spaces.c.jobs + bindparam("more"), bytes=job_spaces.c.bytes + bindparam("more_bytes"))
)


def job_of(row: Row[*tuple[Any, ...]]) -> Job:
    """A job of a row that begins with `JOB_COLUMNS`."""
    values = dict(zip(_NAMES, row, strict=False))
    values["error"] = None if row.error is None else msgspec.json.decode(row.error)
    return msgspec.convert(values, Job)


def values_of(job: Job) -> dict[str, Any]:
    """A job's columns, without its long texts and its lane."""
    return {**msgspec.to_builtins(job), "error": _error(job)}


async def locked(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, Job]:
    """Jobs that are ours until the transaction is over, by id."""
    query = select(*JOB_COLUMNS).where(jobs.c.id.in_(sorted(set(ids)))).order_by(jobs.c.id).with_for_update()
    return {row.id: job_of(row) for row in (await connection.execute(query)).all()}


async def found(connection: AsyncConnection, query: Select[*tuple[Any, ...]]) -> list[Job]:
    """The jobs of a query of `JOB_COLUMNS`."""
    return [job_of(row) for row in (await connection.execute(query)).all()]


async def keep(connection: AsyncConnection, changed: Sequence[Job]) -> None:
    """Write what has changed of jobs, without their long texts."""
    if not changed:
        return
    rows = []
    for job in changed:
        row: dict[str, Any] = {f"the_{name}": getattr(job, name) for name in _CHANGING}
        rows.append(row | {"the_id": job.id, "the_state": job.state.value, "the_error": _error(job)})
    await connection.execute(_UPDATE, rows)


async def keep_text(connection: AsyncConnection, column: str, texts: Mapping[str, str]) -> None:
    """Write one of the long texts of jobs, by id."""
    if texts:
        statement = update(jobs).where(jobs.c.id == bindparam("the_id")).values({column: bindparam("the_text")})
        rows = [{"the_id": job, "the_text": value} for job, value in texts.items()]
        await connection.execute(statement, rows)


class Spaces:
    """How much more tenants keep when a transaction is over."""

    def __init__(self) -> None:
        self._jobs: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()

    def add(self, tenant: str, number: int, size: int) -> None:
        """So many jobs and bytes more."""
        self._jobs[tenant] += number
        self._bytes[tenant] += size

    async def keep(self, connection: AsyncConnection) -> None:
        """Write it, as the last of a transaction's locks and in an order that all have."""
        rows = [
            {"the_tenant": tenant, "more": self._jobs[tenant], "more_bytes": self._bytes[tenant]}
            for tenant in sorted(self._jobs)
            if self._jobs[tenant] or self._bytes[tenant]
        ]
        if rows:
            await connection.execute(_SPACE, rows)


async def insert_new(
    connection: AsyncConnection, database: Database, table: Table, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Insert those rows that are not there yet."""
    if not rows:
        return
    if database is Database.MYSQL:
        await connection.execute(mysql.insert(table).prefix_with("IGNORE"), rows)
    elif database is Database.POSTGRESQL:
        await connection.execute(postgresql.insert(table).on_conflict_do_nothing(), rows)
    else:
        await connection.execute(sqlite.insert(table).on_conflict_do_nothing(), rows)


async def insert_jobs(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert jobs with all of their columns."""
    if rows:
        await connection.execute(insert(jobs), rows)


def _error(job: Job) -> str | None:
    return None if job.error is None else msgspec.json.encode(job.error).decode()
