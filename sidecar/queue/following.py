"""What follows from the end of a job: whoever is to be told is told, by jobs of the platform's own.

They are made in the transaction that ends the job, so that neither is without the other.
"""

import datetime
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from sidecar.event_name import EventName
from sidecar.queue import life
from sidecar.queue.job import DELIVERIES, MICROS, Backoff, Job, NewDelivery, make_id
from sidecar.queue.rows import insert_jobs, values_of
from sidecar.storage.tables import job_lanes

_NO_RESULT: Final = msgspec.Raw(b"null")


class Delivering(msgspec.Struct, frozen=True, kw_only=True):
    """How often webhooks are told."""

    attempts: int = 16
    backoff_ms: int = 5_000
    """After the first; each time twice as long, a day at most."""
    keep_seconds: int = 3_600
    """How long it is shown what was told."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One, as webhooks are told of it: the body has all but the id."""

    id: str
    """The same however often, and to however many, it is told."""
    type: EventName
    timestamp: str
    """When it came to be (RFC 3339)."""
    data: msgspec.Raw


class Events(msgspec.Struct, frozen=True):
    """What a delivery has to tell, in order."""

    events: list[Event]


def delivery(tenant: str, webhook: str, events: Sequence[Event], delivering: Delivering) -> NewDelivery:
    """What tells a webhook of events, one after the other."""
    return NewDelivery(
        tenant=tenant,
        script=webhook,
        data=msgspec.json.encode(Events(list(events))).decode(),
        attempts=delivering.attempts,
        backoff=Backoff.EXPONENTIAL,
        backoff_ms=delivering.backoff_ms,
        keep_seconds=delivering.keep_seconds,
    )


def end_of(job: Job, result: str | None) -> Event:
    """The event of a job's end."""
    data: dict[str, Any] = {
        "job": job.id,
        "script": job.script,
        "function": job.function,
        "state": job.state.value,
        "attempt": job.attempt,
        "created": rfc3339(job.created),
        "finished": rfc3339(job.finished or job.created),
    }
    if job.error is None:
        data |= {"status": 200, "result": _NO_RESULT if result is None else msgspec.Raw(result.encode())}
    else:
        status = job.error.status or 500
        data |= {"status": status, "error": job.error.message.removeprefix(f"{status} "), "name": job.error.name}
    return Event(
        # A job that is run again by hand has another end.
        id=f"run_{job.id}_{job.lease}",
        type=EventName.RUN_FINISHED,
        timestamp=rfc3339(job.finished or job.created),
        data=msgspec.Raw(msgspec.json.encode(data)),
    )


async def follow(
    connection: AsyncConnection, ended: Sequence[tuple[Job, str | None]], now: int, delivering: Delivering
) -> list[Job]:
    """Add what tells of the end of jobs, each with its result; the jobs that it is. Their lanes are there: they were
    made with the jobs."""
    made: list[tuple[Job, str]] = []
    for job, result in ended:
        for webhook in job.webhooks.split():
            new = delivery(job.tenant, webhook, [end_of(job, result)], delivering)
            made.append((life.added(new, make_id(), webhook, "", now), new.data))
    if not made:
        return []
    wanted = sorted({job.script for job, _ in made})
    query = select(job_lanes.c.id, job_lanes.c.script).where(
        job_lanes.c.script.in_(wanted), job_lanes.c.queue == DELIVERIES
    )
    lanes = {row.script: row.id for row in (await connection.execute(query)).all()}
    rows = [{**values_of(job), "data": data, "result": None, "lane_id": lanes[job.script]} for job, data in made]
    await insert_jobs(connection, rows)
    return [job for job, _ in made]


def rfc3339(micros: int) -> str:
    """A time as events have it."""
    return datetime.datetime.fromtimestamp(micros / MICROS, datetime.UTC).isoformat().replace("+00:00", "Z")
