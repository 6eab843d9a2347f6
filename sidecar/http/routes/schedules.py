"""Schedules: what is run when, by whom, and what is due next."""

from http import HTTPStatus

from fastapi import APIRouter, Response

from sidecar.catalog.database import schedules
from sidecar.catalog.database.errors import NotThere
from sidecar.http.asking import Asking
from sidecar.http.conditions import GivenCondition, etag
from sidecar.http.job_shapes import Job, job_shape
from sidecar.http.pages import page
from sidecar.http.schedule_shapes import Schedule, ScheduleBody, ScheduleInPath, schedule_shape
from sidecar.http.shapes import AfterText, Filter, Limit, Page

router = APIRouter(tags=["schedules"])


@router.get("/schedules")
async def list_schedules(
    asked: Asking, script: Filter = None, after: AfterText = "", limit: Limit = 100
) -> Page[Schedule]:
    """A tenant's schedules, by their ids."""
    async with asked.reading() as scope:
        found = await schedules.list_schedules(scope, script=script, after=after, limit=limit + 1)
    shown = page(found, limit, lambda one: one[0].id)
    shown.items = [schedule_shape(*one) for one in shown.items]
    return shown


@router.get("/schedules/{schedule}")
async def get_schedule(asked: Asking, schedule: ScheduleInPath, response: Response) -> Schedule:
    """One schedule, with the five next due times."""
    async with asked.reading() as scope:
        found = await schedules.get_schedule(scope, schedule)
    response.headers.update(etag(found[0]))
    return schedule_shape(*found)


@router.put("/schedules/{schedule}", responses={201: {"model": Schedule}})
async def put_schedule(
    asked: Asking, schedule: ScheduleInPath, body: ScheduleBody, condition: GivenCondition, response: Response
) -> Schedule:
    """Make or change a schedule. The ETag is of what is set, and not of what has become of it."""
    wanted = body.record(schedule)
    limits = asked.platform.services.usage.limits_of(asked.caller.tenant)
    async with asked.writing() as work:
        try:
            before, _ = await schedules.get_schedule(work, schedule)
        except NotThere:
            before = None
        condition.require(before)
        made = await schedules.put_schedule(work, wanted, limits=limits, expected=condition.tag)
        condition.settle(before, work)
    if before is None:
        response.status_code = HTTPStatus.CREATED
    response.headers.update(etag(made[0]))
    return schedule_shape(*made)


@router.post("/schedules/{schedule}/pause")
async def pause_schedule(asked: Asking, schedule: ScheduleInPath) -> Schedule:
    """Run it no more until it is resumed; a run that is under way goes on."""
    async with asked.writing() as work:
        return schedule_shape(*await schedules.pause_schedule(work, schedule, paused=True))


@router.post("/schedules/{schedule}/resume")
async def resume_schedule(asked: Asking, schedule: ScheduleInPath) -> Schedule:
    """Run it again, from now on: what came due meanwhile is not made up for."""
    async with asked.writing() as work:
        return schedule_shape(*await schedules.pause_schedule(work, schedule, paused=False))


@router.post("/schedules/{schedule}/run", status_code=HTTPStatus.CREATED)
async def run_schedule(asked: Asking, schedule: ScheduleInPath, response: Response) -> Job:
    """Run it now, also where it is paused; 409 while its last run is not over."""
    tenant = await asked.require("run")
    job = await (await asked.platform.services.jobs()).scheduling.run_now(tenant, schedule)
    response.headers["Location"] = f"/api/v1/jobs/{job.id}"
    return job_shape(job)


@router.delete("/schedules/{schedule}", status_code=HTTPStatus.NO_CONTENT)
async def remove_schedule(asked: Asking, schedule: ScheduleInPath, condition: GivenCondition) -> None:
    """Remove a schedule; a run of it that is under way goes on."""
    async with asked.writing() as work:
        before, _ = await schedules.get_schedule(work, schedule)
        await schedules.remove_schedule(work, schedule, expected=condition.tag)
        condition.settle(before, work)
