"""Jobs: added by hand, looked at, run again, discarded; and the queues that they are in."""

from http import HTTPStatus
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Response

from sidecar.http.asking import Asking
from sidecar.http.incoming import without_reserved
from sidecar.http.job_shapes import (
    QUEUE,
    Job,
    JobBody,
    JobInPath,
    Queue,
    QueueBody,
    QueueInPath,
    WholeJob,
    job_shape,
    queue_shape,
    whole_job,
)
from sidecar.http.pages import page
from sidecar.http.shapes import Filter, Limit, Page
from sidecar.queue import fair
from sidecar.queue.job import JobState, NewJob
from sidecar.queue.looking import Wanted

AppOfQueue = Annotated[
    str, Query(max_length=256, pattern=r"^[^\x00]*$", description="Whose queue it is; none for scripts without an app.")
]

router = APIRouter(tags=["jobs"])


@router.get("/jobs")
async def list_jobs(
    asked: Asking,
    state: JobState | None = None,
    script: Filter = None,
    app: Filter = None,
    queue: Annotated[str | None, Query(pattern=QUEUE)] = None,
    before: Annotated[str | None, Query(pattern="^[0-9a-f]{32}$", description="``next`` of the page before.")] = None,
    limit: Limit = 100,
) -> Page[Job]:
    """A tenant's jobs, the newest first. Those that have failed for good are the dead letters."""
    tenant = await asked.require("read")
    looking = (await asked.platform.services.jobs()).looking
    wanted = Wanted(state=state, script=script, app=app, queue=queue)
    shown = page(await looking.page(tenant, wanted, before, limit + 1), limit, lambda job: job.id)
    shown.items = [job_shape(job) for job in shown.items]
    return shown


@router.post("/jobs", status_code=HTTPStatus.CREATED)
async def add_job(asked: Asking, body: JobBody, response: Response) -> Job:
    """Have a function run later. It is kept when this is answered, and its address is in ``Location``."""
    tenant = await asked.require("run")
    data = without_reserved(body.data) if isinstance(body.data, dict) else body.data
    new = NewJob(
        tenant=tenant,
        data=msgspec.json.encode(data).decode(),
        source=asked.caller.source,
        **body.model_dump(exclude={"data"}),
    )
    job = await (await asked.platform.services.jobs()).add(new)
    response.headers["Location"] = f"/api/v1/jobs/{job.id}"
    return job_shape(job)


@router.get("/jobs/{job}")
async def get_job(asked: Asking, job: JobInPath) -> WholeJob:
    """A job, with what it was given and what it gave."""
    tenant = await asked.require("read")
    queue = await asked.platform.services.jobs()
    return whole_job(await queue.get(tenant, job), await queue.texts(tenant, job))


@router.post("/jobs/{job}/retry")
async def retry_job(asked: Asking, job: JobInPath) -> Job:
    """Run a job that has failed once more, with all of its attempts; or one that is delayed now."""
    tenant = await asked.require("run")
    return job_shape(await (await asked.platform.services.jobs()).retry(tenant, job))


@router.delete("/jobs/{job}", status_code=HTTPStatus.NO_CONTENT)
async def discard_job(asked: Asking, job: JobInPath) -> None:
    """Keep a job no more. A run of it that is under way is ended within two seconds, whichever machine has it."""
    tenant = await asked.require("run")
    await (await asked.platform.services.jobs()).discard(tenant, job)


@router.get("/queues")
async def list_queues(asked: Asking) -> list[Queue]:
    """A tenant's queues, by app and name."""
    tenant = await asked.require("read")
    states = await (await asked.platform.services.jobs()).looking.queues(tenant)
    return [queue_shape(state) for state in states]


@router.put("/queues/{queue}")
async def put_queue(asked: Asking, queue: QueueInPath, body: QueueBody, app: AppOfQueue = "") -> QueueBody:
    """Say how a queue is worked on from now on, by every platform. There is no ETag: it is two settings."""
    tenant = await asked.require("write")
    looking = (await asked.platform.services.jobs()).looking
    await looking.set_queue(fair.Queue(tenant, app, queue), paused=body.paused, at_once=body.at_once)
    return body
