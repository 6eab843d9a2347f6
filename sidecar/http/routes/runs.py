"""Runs for scripts' authors: with given data, what they wrote, those under way."""

import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request
from fastapi.responses import StreamingResponse

from sidecar.catalog.database.errors import NotThere
from sidecar.catalog.model import Script
from sidecar.drivers.contract import CHANGING, check_result, place_of
from sidecar.drivers.shapes import WrongResult
from sidecar.http import event_stream
from sidecar.http.asking import Asked, Asking
from sidecar.http.incoming import without_reserved
from sidecar.http.json_values import JsonTable
from sidecar.http.live_scripts import Runnable
from sidecar.http.problems import ApiError
from sidecar.http.rates import too_many
from sidecar.http.run_pages import answered, said_of
from sidecar.http.run_service import BadData, NoSuchFunction, ScriptRun
from sidecar.http.shapes import ConsoleLine, Filter, InPath, Limit, LogEntry, Page, RunReport, RunUnderWay
from sidecar.kind import MAIN, RULES, Kind
from sidecar.language.prepared import no_function

router = APIRouter(tags=["runs"])

WRONG_RESULT = "wrong_result"
"""The outcome of a Driver that gave what it must not."""

_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {"content": {event_stream.MEDIA_TYPE: {"schema": {"type": "string"}}}, "description": "What came of it."}
}
Given = Annotated[
    JsonTable | None, Body(description="The function's first argument; keys that begin with _ are removed.")
]


@router.post("/scripts/{script}/run", responses=_EVENTS, response_model=RunReport)
async def run_main(asked: Asking, request: Request, script: InPath, data: Given = None) -> Any:
    """Run ``main`` in the version that was saved last. With ``Accept: text/event-stream`` it is told as it goes."""
    return await _run(asked, request, script, MAIN, data)


@router.post("/scripts/{script}/run/{function}", responses=_EVENTS, response_model=RunReport)
async def run_function(asked: Asking, request: Request, script: InPath, function: InPath, data: Given = None) -> Any:
    """Run a function by name."""
    return await _run(asked, request, script, function, data)


@router.get("/runs")
async def list_runs(asked: Asking) -> list[RunUnderWay]:
    """A tenant's runs over HTTP that are under way on this machine, the oldest first."""
    asked.caller.require("read")
    return [
        RunUnderWay(
            id=run.id,
            script=run.script.id,
            function=run.entry,
            began=datetime.datetime.fromtimestamp(run.began, datetime.UTC),
            source=run.source,
        )
        for run in asked.platform.runs.under_way(asked.caller.tenant)
    ]


@router.delete("/runs/{run}", status_code=HTTPStatus.NO_CONTENT)
async def cancel_run(asked: Asking, run: InPath) -> None:
    """Cancel a run that is under way, here or on another platform of the same database; where there is none, that is
    known after two seconds."""
    asked.caller.require("run")
    if not await asked.platform.cancelling.cancel(asked.caller.tenant, run):
        raise NotThere(f"there is no run {run!r} under way")


@router.get("/log", responses=_EVENTS, response_model=Page[LogEntry])
async def read_log(
    asked: Asking,
    request: Request,
    script: Filter = None,
    before: Annotated[float | None, Query(description="``next`` of the page before.")] = None,
    limit: Limit = 100,
) -> Any:
    """What a tenant's scripts wrote in runs over HTTP on this machine, the newest first; with ``Accept:
    text/event-stream`` what they write from now on."""
    asked.caller.require("read")
    log = asked.platform.log
    tenant = asked.caller.tenant
    if event_stream.wants_events(request.headers.get("accept", "")):
        if not log.has_room:
            raise too_many("too many follow already")
        return StreamingResponse(
            event_stream.log_events(log, tenant, script),
            media_type=event_stream.MEDIA_TYPE,
            headers=dict(event_stream.HEADERS),
        )
    found = await log.newest(tenant, script, before, limit + 1)
    return Page[LogEntry](
        items=[LogEntry.model_validate(one) for one in found[:limit]],
        next=repr(found[limit - 1].at) if len(found) > limit else None,
    )


async def _run(asked: Asked, request: Request, script: str, function: str, data: dict[str, Any] | None) -> Any:
    asked.caller.require("run")
    runnable = _runnable(asked, script)
    script_kind = runnable.script.kind
    given: Any = without_reserved(data or {})
    if RULES[script_kind].has_assignments:
        given |= said_of(asked.caller.bearer)
    if script_kind is Kind.DRIVER and function in CHANGING:
        # It may cost money, and nothing else is kept of it.
        async with asked.writing("run") as work:
            work.audit("driver.run", runnable.script.id, None, {"function": function, "data": given})
    try:
        run, _ = asked.platform.runs.begin(runnable.script, function, given, asked.caller.source)
    except NoSuchFunction:
        raise NotThere(no_function(function, runnable.script.entries)) from None
    except BadData as error:
        raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, str(error), kind="wrong-values") from None
    if event_stream.wants_events(request.headers.get("accept", "")):
        return StreamingResponse(
            event_stream.events_of(run, for_author=True),
            media_type=event_stream.MEDIA_TYPE,
            headers=dict(event_stream.HEADERS),
        )
    await answered(run, request.receive)
    return _checked(_report(run), run.script, function, given)


def _runnable(asked: Asked, script: str) -> Runnable:
    """The tenant's script of an id or a uuid."""
    scripts = asked.platform.scripts
    for found in (scripts.by_id(script), scripts.by_uuid(script)):
        if found is not None and found.script.tenant == asked.caller.tenant:
            return found
    raise NotThere(f"there is no script {script!r}")


def _checked(report: RunReport, script: Script, function: str, given: Any) -> RunReport:
    """The report, which says what is wrong with what a Driver gave."""
    if report.error is not None:
        return report
    try:
        check_result(script, function, given, report.result)
    except WrongResult as error:
        return report.model_copy(
            update={
                "outcome": WRONG_RESULT,
                "status": HTTPStatus.BAD_GATEWAY.value,
                "error": str(error),
                "name": "TypeError",
                "location": place_of(script, function),
            }
        )
    return report


def _report(run: ScriptRun) -> RunReport:
    answer = run.answer.result()
    return RunReport(
        id=run.id,
        script=run.script.id,
        version=run.script.version,
        function=run.entry,
        outcome=answer.outcome.value,
        status=answer.status,
        result=answer.value,
        error=answer.message if answer.failed else None,
        name=answer.name or None,
        location=answer.location or None,
        stack=list(answer.stack),
        console=[ConsoleLine(level=one.level, text=one.text) for one in run.lines],
        took_ms=answer.took_ms,
        run_ms=answer.run_ms,
    )
