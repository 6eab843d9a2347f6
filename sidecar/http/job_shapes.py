"""Jobs and their queues, as the API takes and gives them."""

from typing import Annotated, Any, Final

import msgspec
from fastapi import Path
from pydantic import BaseModel, Field, field_validator

from sidecar.http.json_values import sound_table
from sidecar.http.shapes import NO_NUL, Body, Name, Time
from sidecar.kind import MAIN
from sidecar.queue.job import (
    DEFAULT_QUEUE,
    KEY_CHARACTERS,
    LONGEST_BACKOFF_MS,
    LONGEST_DELAY_MS,
    LONGEST_KEPT_SECONDS,
    LOWEST_PRIORITY,
    MOST_ATTEMPTS,
    Backoff,
    JobState,
    Texts,
)
from sidecar.queue.job import Job as JobRecord
from sidecar.queue.looking import QueueState

QUEUE: Final = r"^[A-Za-z0-9_.-]{1,64}$"
QueueName = Annotated[str, Field(pattern=QUEUE)]
QueueInPath = Annotated[str, Path(pattern=QUEUE)]
JOB_ID: Final = r"^[0-9a-f]{32}$"
JobInPath = Annotated[str, Path(pattern=JOB_ID)]
FUNCTION: Final = r"^[A-Za-z_$][A-Za-z0-9_$]{0,127}$"


class JobBody(Body):
    """A function that is to be run later."""

    script: Name = Field(description="Its id or its uuid.")
    function: str = Field(MAIN, pattern=FUNCTION)
    data: Any = Field(
        default_factory=dict, description="The function's first argument; without keys that begin with _."
    )
    attempts: int = Field(1, ge=1, le=MOST_ATTEMPTS)
    delay_ms: int = Field(0, ge=0, le=LONGEST_DELAY_MS)
    backoff: Backoff = Backoff.FIXED
    backoff_ms: int = Field(0, ge=0, le=LONGEST_BACKOFF_MS, description="Between attempts.")
    priority: int = Field(0, ge=0, le=LOWEST_PRIORITY, description="0 is first.")
    queue: QueueName = DEFAULT_QUEUE
    key: str | None = Field(
        None,
        min_length=1,
        max_length=KEY_CHARACTERS,
        pattern=NO_NUL,
        description="While a job with this key is not over, another one with it is the same.",
    )
    keep_seconds: int | None = Field(None, ge=0, le=LONGEST_KEPT_SECONDS, description="How long its result is kept.")

    @field_validator("data")
    @classmethod
    def _data_is_sound(cls, value: Any) -> Any:
        return sound_table({"data": value})["data"]


class Job(BaseModel):
    """A job."""

    id: str
    script: str
    function: str
    app: str
    queue: str
    state: JobState
    priority: int
    attempts: int = Field(description="That it may have.")
    attempt: int = Field(description="Attempts that have failed.")
    losses: int = Field(description="So often the process that ran it has died.")
    created: Time
    due: Time | None = Field(description="When it is run, where it is delayed; until when it is kept, once it is over.")
    started: Time | None
    finished: Time | None
    waited_ms: float | None = Field(description="From when it was added until its last attempt began.")
    run_ms: float | None = Field(description="Of its last attempt.")
    progress: Any
    error: str | None
    name: str | None
    key: str | None
    source: str
    owner: str = Field(description="The process that runs it.")


class WholeJob(Job):
    """A job with what it was given and what it gave."""

    data: Any
    result: Any


class Queue(BaseModel):
    """A queue of an app."""

    name: str
    app: str
    paused: bool
    at_once: int | None
    counts: dict[str, int] = Field(description="Jobs by state, counted to 100,000 of each.")
    oldest_seconds: float | None = Field(description="How long the job waits that has waited longest.")


class QueueBody(Body):
    """How a queue is worked on."""

    paused: bool = Field(False, description="No job of it is begun; those under way go on.")
    at_once: int | None = Field(None, ge=1, le=1_000_000, description="Under way on all machines; null for no limit.")


def job_values(job: JobRecord) -> dict[str, Any]:
    """A job's record as `Job` has it."""
    started, finished = job.started, job.finished
    return {
        **{name: getattr(job, name) for name in Job.model_fields if hasattr(job, name)},
        "due": job.due if job.state is JobState.DELAYED or job.is_over else None,
        "waited_ms": None if started is None else max(0, started - job.created) / 1000,
        "run_ms": None if started is None or finished is None else max(0, finished - started) / 1000,
        "progress": msgspec.json.decode(job.progress),
        "error": job.error.message if job.error is not None else None,
        "name": job.error.name if job.error is not None else None,
    }


def job_shape(job: JobRecord) -> Job:
    """A job as it is told in lists."""
    return Job(**job_values(job))


def whole_job(job: JobRecord, texts: Texts) -> WholeJob:
    """A job with its texts."""
    result = None if texts.result is None else msgspec.json.decode(texts.result)
    return WholeJob(**job_values(job), data=msgspec.json.decode(texts.data), result=result)


def queue_shape(state: QueueState) -> Queue:
    """A queue as it is told."""
    return Queue(
        name=state.queue.name,
        app=state.queue.app,
        paused=state.paused,
        at_once=state.at_once,
        counts=dict(state.counts),
        oldest_seconds=state.oldest_seconds,
    )
