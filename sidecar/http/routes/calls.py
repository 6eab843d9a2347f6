"""What became of calls: those that scripts drove, and those that they placed."""

import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query

from sidecar.http.asking import Asked, Asking
from sidecar.http.call_shapes import Call, CallInList
from sidecar.http.shapes import NO_NUL, Filter, Limit, Page
from sidecar.operations.call_search import CURSOR, CallSearch

router = APIRouter(tags=["calls"])

CallInPath = Annotated[str, Path(min_length=1, max_length=512, pattern=NO_NUL)]
Everyone = Annotated[bool, Query(description="Every tenant's. For the operator.")]


@router.get("/calls")
async def list_calls(
    asked: Asking,
    number: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=64,
            pattern=r"[0-9A-Za-z]",
            description="Digits of one that called, was called or was connected to.",
        ),
    ] = None,
    script: Filter = None,
    since: Annotated[datetime.datetime | None, Query(description="Calls that began then or later.")] = None,
    until: Annotated[datetime.datetime | None, Query(description="Calls that began before.")] = None,
    after: Annotated[str | None, Query(pattern=f"^{CURSOR}$", description="``next`` of the page before.")] = None,
    limit: Limit = 100,
    everyone: Everyone = False,
) -> Page[CallInList]:
    """The calls on this machine that a tenant's scripts drove or placed, those that ended last first. A page may be
    short, or empty, before the last one, which alone has no ``next``."""
    wanted = CallSearch(
        tenant=await _tenant(asked, everyone=everyone),
        number=number,
        script=script,
        since=_unix(since),
        until=_unix(until),
    )
    found = await asked.platform.calls.search(wanted, after, limit)
    return Page[CallInList](items=[CallInList.of(one) for one in found.records], next=found.next)


@router.get("/calls/{call:path}")
async def get_call(asked: Asking, call: CallInPath, everyone: Everyone = False) -> Call:
    """The whole record of one call."""
    return Call.of(await asked.platform.calls.find(call, await _tenant(asked, everyone=everyone)))


async def _tenant(asked: Asked, *, everyone: bool) -> str | None:
    if everyone:
        asked.caller.require_operator()
        return None
    return await asked.require("read")


def _unix(when: datetime.datetime | None) -> float | None:
    """A time without a zone is UTC."""
    if when is None:
        return None
    return (when if when.tzinfo is not None else when.replace(tzinfo=datetime.UTC)).timestamp()
