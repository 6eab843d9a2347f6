"""A tenant's schedules as people set them; what becomes of them at their times is `sidecar.queue.scheduling`'s."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Row, Select, delete, insert, update

from sidecar.catalog.database.errors import LimitReached, NotThere, WrongValues
from sidecar.catalog.database.rows import json_text
from sidecar.catalog.database.script_uses import current_script, require_function
from sidecar.catalog.database.work import Scope, Tagged, Work, count, require_tag
from sidecar.catalog.limits import NO_LIMITS, TenantLimits
from sidecar.kind import MAIN
from sidecar.schedules.errors import WrongTimetable
from sidecar.schedules.plan import MOST_RUNS, Missed
from sidecar.schedules.timetable import MICROS, Timetable
from sidecar.storage.tables import schedules

DATA_BYTES: Final = 100_000
"""Of what each run is given beside its time, as JSON."""


class ScheduleRecord(Tagged, frozen=True, kw_only=True):
    """What is run when."""

    id: str
    script: str
    cron: str
    zone: str = "UTC"
    function: str = MAIN
    data: Mapping[str, Any] = {}
    """What the function is given, beside ``schedule``."""
    missed: Missed = Missed.ONCE
    most: int = 10
    """Missed runs that are made up for, where all are."""
    attempts: int = 1
    paused: bool = False

    @property
    def timetable(self) -> Timetable:
        """When it is due. Raises WrongTimetable."""
        return Timetable(cron=self.cron, zone=self.zone)


class ScheduleState(msgspec.Struct, frozen=True, kw_only=True):
    """What has become of a schedule."""

    due: int | None
    """What is due next; None while it is paused, and where nothing is."""
    last: int | None
    """The due time of its last job."""
    job: str | None
    runs: int
    left_out: int
    """Due times without a job."""
    fault: str
    """Why the last due time has no job; empty where it has."""


async def list_schedules(
    scope: Scope, *, script: str | None = None, after: str = "", limit: int = 100
) -> Sequence[tuple[ScheduleRecord, ScheduleState]]:
    """A tenant's schedules by their ids; ``after`` the last of the page before."""
    query = scope.own(schedules).where(schedules.c.id > after).order_by(schedules.c.id).limit(limit)
    if script is not None:
        query = query.where(schedules.c.script_id == script)
    return [_both(row) for row in (await scope.connection.execute(query)).all()]


async def get_schedule(scope: Scope, schedule: str) -> tuple[ScheduleRecord, ScheduleState]:
    """One schedule. Raises NotThere."""
    return _both(await scope.one(_one(scope, schedule), f"schedule {schedule!r}"))


async def put_schedule(
    work: Work, wanted: ScheduleRecord, *, limits: TenantLimits = NO_LIMITS, expected: str | None = None
) -> tuple[ScheduleRecord, ScheduleState]:
    """Make or change a schedule; the same once more changes nothing. One whose times are others, or that goes on after
    a pause, is due from now on: what came due before is not made up for. One that is made or is given another script or
    function is of a function that there is.

    Raises NotThere, ChangedMeanwhile, LimitReached, WrongValues.
    """
    row = (await work.connection.execute(_one(work, wanted.id).with_for_update())).one_or_none()
    before = _both(row) if row is not None else None
    if before is not None:
        require_tag(f"schedule {wanted.id!r}", before[0], expected)
        if before[0] == wanted:
            return before
    elif expected is not None:
        raise NotThere(f"there is no schedule {wanted.id!r}")
    timetable = _timetable(wanted, work.now, limits)
    if before is None or (before[0].script, before[0].function) != (wanted.script, wanted.function):
        require_function(await current_script(work, wanted.script), wanted.function)
    values: dict[str, Any] = {
        "script_id": wanted.script,
        "function": wanted.function,
        "data": json_text(wanted.data),
        "cron": wanted.cron,
        "zone": wanted.zone,
        "missed": wanted.missed.value,
        "most": wanted.most,
        "attempts": wanted.attempts,
        "paused": wanted.paused,
    }
    if before is None or _times(before[0]) != _times(wanted):
        values["due"] = None if wanted.paused else next(timetable.after(work.now), None)
    if before is not None:
        await work.connection.execute(update(schedules).where(*_own(work, wanted.id)).values(**values))
    else:
        if limits.schedules is not None and await count(work.connection, work.own(schedules)) >= limits.schedules:
            raise LimitReached(f"the tenant may have {limits.schedules:_} schedules, and has them")
        fresh = {"tenant_id": work.tenant_id, "id": wanted.id, "runs": 0, "left_out": 0, "fault": ""}
        await work.connection.execute(insert(schedules).values(**fresh, **values))
    work.audit("schedule.make" if before is None else "schedule.change", wanted.id, before and before[0], wanted)
    return await get_schedule(work, wanted.id)


async def pause_schedule(work: Work, schedule: str, *, paused: bool) -> tuple[ScheduleRecord, ScheduleState]:
    """Have a schedule run no more, or again; what is under way goes on. Raises NotThere."""
    record, _ = await get_schedule(work, schedule)
    return await put_schedule(work, msgspec.structs.replace(record, paused=paused))


async def remove_schedule(work: Work, schedule: str, *, expected: str | None = None) -> None:
    """Take a schedule out; a job of it that is there goes on. Raises NotThere, ChangedMeanwhile."""
    before, _ = await get_schedule(work, schedule)
    require_tag(f"schedule {schedule!r}", before, expected)
    await work.connection.execute(delete(schedules).where(*_own(work, schedule)))
    work.audit("schedule.remove", schedule, before, None)


def record_of(row: Any) -> ScheduleRecord:
    """A row as its record."""
    return ScheduleRecord(
        id=row.id,
        script=row.script_id,
        cron=row.cron,
        zone=row.zone,
        function=row.function,
        data=msgspec.json.decode(row.data),
        missed=Missed(row.missed),
        most=row.most,
        attempts=row.attempts,
        paused=row.paused,
    )


def _both(row: Row[Any]) -> tuple[ScheduleRecord, ScheduleState]:
    state = ScheduleState(
        due=row.due, last=row.last, job=row.job, runs=row.runs, left_out=row.left_out, fault=row.fault
    )
    return record_of(row), state


def _own(scope: Scope, schedule: str) -> tuple[Any, Any]:
    return schedules.c.tenant_id == scope.tenant_id, schedules.c.id == schedule


def _one(scope: Scope, schedule: str) -> Select[Any]:
    return scope.own(schedules).where(schedules.c.id == schedule)


def _times(record: ScheduleRecord) -> tuple[str, str, bool]:
    return record.cron, record.zone, record.paused


def _timetable(wanted: ScheduleRecord, now: int, limits: TenantLimits) -> Timetable:
    wrong = []
    if not 1 <= wanted.most <= MOST_RUNS:
        wrong.append(f"most: 1 to {MOST_RUNS}")
    if "schedule" in wanted.data:
        wrong.append("data: `schedule` is what the run is told of its time")
    if len(msgspec.json.encode(wanted.data)) > DATA_BYTES:
        wrong.append(f"data: more than {DATA_BYTES:_} bytes as JSON")
    if wrong:
        raise WrongValues(wrong)
    try:
        timetable = wanted.timetable
    except WrongTimetable as error:
        raise WrongValues([str(error)]) from None
    if next(timetable.after(now), None) is None:
        raise WrongValues([f"cron: {wanted.cron!r} is never due"])
    if limits.schedule_seconds:
        least = timetable.least_interval(now)
        if least is not None and least < limits.schedule_seconds * MICROS:
            raise LimitReached(
                f"the tenant's schedules are {limits.schedule_seconds:_} s apart at least,"
                f" and {wanted.cron!r} is due after {least // MICROS:_} s"
            )
    return timetable
