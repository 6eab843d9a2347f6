"""Schedules, as the API takes and gives them."""

from itertools import islice
from typing import Annotated, Any, Final

from fastapi import Path
from msgspec import structs
from pydantic import BaseModel, Field, field_validator, model_validator

from sidecar.catalog.database.schedules import ScheduleRecord, ScheduleState
from sidecar.http.job_shapes import FUNCTION
from sidecar.http.json_values import JsonTable, sound_table
from sidecar.http.shapes import IN_PATH, Body, Name, Time
from sidecar.kind import MAIN
from sidecar.queue.job import MOST_ATTEMPTS
from sidecar.schedules.errors import WrongTimetable
from sidecar.schedules.plan import MOST_RUNS, Missed
from sidecar.schedules.timetable import CRON_CHARACTERS, ZONE_CHARACTERS, cron_of

SHOWN: Final = 5
"""Due times."""
ScheduleInPath = Annotated[str, Path(min_length=1, max_length=128, pattern=IN_PATH)]
PRINTABLE: Final = r"^[ -~]+$"


def _choice(lowest: int, highest: int) -> Any:
    return Annotated[list[Annotated[int, Field(ge=lowest, le=highest)]] | None, Field(max_length=highest - lowest + 1)]


class ScheduleBody(Body):
    """What is to be run when: by ``cron``, or by a choice of minutes, hours and days."""

    script: Name = Field(description="Its id.")
    cron: str | None = Field(
        None,
        max_length=CRON_CHARACTERS,
        pattern=PRINTABLE,
        description="Five fields: minute, hour, day of the month, month, day of the week; or ``@daily`` and its like.",
    )
    minutes: _choice(0, 59) = Field(None, description="In place of ``cron``.")  # type: ignore[valid-type]
    hours: _choice(0, 23) = Field(None, description="None for every one, as of days.")  # type: ignore[valid-type]
    days_of_month: _choice(1, 31) = None  # type: ignore[valid-type]
    days_of_week: _choice(0, 7) = Field(  # type: ignore[valid-type]
        None, description="0 and 7 are Sunday. Where both sorts of days are chosen either is due."
    )
    zone: str = Field("UTC", max_length=ZONE_CHARACTERS, pattern=PRINTABLE, description="As ``Europe/Berlin``.")
    function: str = Field(MAIN, pattern=FUNCTION)
    data: JsonTable = Field(
        default_factory=dict, description="The function's first argument, which has ``schedule`` beside it."
    )
    missed: Missed = Field(Missed.ONCE, description="What becomes of runs that were missed.")
    most: int = Field(10, ge=1, le=MOST_RUNS, description="Missed runs that are made up for, where all are.")
    attempts: int = Field(1, ge=1, le=MOST_ATTEMPTS, description="Of each run.")
    paused: bool = False

    @field_validator("data")
    @classmethod
    def _data_is_sound(cls, value: Any) -> Any:
        return sound_table(value)

    @model_validator(mode="after")
    def _has_times(self) -> "ScheduleBody":
        choices = (self.minutes, self.hours, self.days_of_month, self.days_of_week)
        if (self.cron is None) == all(one is None for one in choices):
            raise ValueError("cron, or minutes and with them hours and days: one of both")
        if self.cron is None and not self.minutes:
            raise ValueError("minutes: at least one is needed")
        return self

    def record(self, schedule: str) -> ScheduleRecord:
        """As it is kept."""
        cron = self.cron or cron_of(
            minutes=self.minutes or (),
            hours=self.hours or (),
            days_of_month=self.days_of_month or (),
            days_of_week=self.days_of_week or (),
        )
        names = ("script", "zone", "function", "data", "missed", "most", "attempts", "paused")
        return ScheduleRecord(id=schedule, cron=" ".join(cron.split()), **{name: getattr(self, name) for name in names})


class Schedule(BaseModel):
    """A schedule, and what has become of it."""

    id: str
    script: str
    cron: str
    zone: str
    function: str
    data: dict[str, Any]
    missed: Missed
    most: int
    attempts: int
    paused: bool
    due: Time | None = Field(description="Null while it is paused.")
    next: list[Time] = Field(description="The five next due times, where it is not paused.")
    last: Time | None = Field(description="The due time of its last job.")
    job: str | None = Field(description="Its last job.")
    runs: int
    left_out: int = Field(description="Due times that have no job.")
    fault: str = Field(description="Why the last due time has no job; empty where it has.")


def schedule_shape(record: ScheduleRecord, state: ScheduleState) -> Schedule:
    """A schedule as it is told."""
    coming: list[int] = []
    if state.due is not None:
        try:
            coming = [state.due, *islice(record.timetable.after(state.due), SHOWN - 1)]
        except WrongTimetable:  # of a zone that is not known any more
            coming = [state.due]
    return Schedule.model_validate({**structs.asdict(record), **structs.asdict(state), "next": coming})
