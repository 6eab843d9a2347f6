"""The life of a job, pure: each step is of a job as it is and the time, and gives the job as it is then.

Who has a job names its lease; LeaseLost where that is not the job's any more, with nothing changed.
"""

from typing import Final

import msgspec
from msgspec.structs import replace

from sidecar.queue.errors import LeaseLost, WrongState
from sidecar.queue.job import (
    DATA_BYTES,
    ERROR_CHARACTERS,
    LONGEST_BACKOFF_MS,
    LOSSES,
    MICROS,
    PROGRESS_BYTES,
    Backoff,
    Job,
    JobError,
    JobState,
    NewJob,
    bytes_of,
)

_MILLIS: Final = 1_000
OUTAGE_WAIT_SECONDS: Final = (10, 600)
"""The least and the most before a job is tried again that has failed while what its script asked for did not answer.
In between as long as it is old, so twice as long each time."""
OUTAGE_SECONDS: Final = 86_400
"""A job that is older is failed by an outage as by anything else: nothing is tried for ever."""
FORGETFUL: Final = JobError("the result has more than can be kept: return less, or keep it elsewhere", "RangeError")


class Keeping(msgspec.Struct, frozen=True, kw_only=True):
    """How long what is over is kept, in seconds."""

    completed: int = 86_400
    """Where the job itself says nothing."""
    failed: int = 30 * 86_400


# ---- what is done with a lease ----


class Step(msgspec.Struct, frozen=True, tag=True):
    """Something that only who has the job may do."""

    job: str
    """Its id."""
    lease: int


class Renew(Step, frozen=True, tag=True):
    """Have it for longer."""

    until: int
    """Microseconds from now."""


class Note(Step, frozen=True, tag=True):
    """Keep what its function has said of it: None leaves what there is."""

    data: str | None = None
    """What the next attempt is given."""
    progress: str | None = None


class Complete(Step, frozen=True, tag=True):
    """Its function has come to its end."""

    result: str


class Fail(Step, frozen=True, tag=True):
    """Its function has thrown, or run out of what it may use."""

    error: JobError
    final: bool = False
    """Whether another attempt would do no better."""
    outage: bool = False
    """Whether something of ours that it asked for did not answer, which is no fault of the function's."""


class GiveBack(Step, frozen=True, tag=True):
    """It was not run to its end, and it is not for it to answer for: it waits again."""


class Lose(Step, frozen=True, tag=True):
    """Its run's process has died, of it perhaps."""


AnyStep = Renew | Note | Complete | Fail | GiveBack | Lose


def apply(step: AnyStep, job: Job | None, now: int, keeping: Keeping) -> Job:
    """The job after a step of who has it. Raises LeaseLost."""
    if job is None or job.state is not JobState.ACTIVE or job.lease != step.lease:
        raise LeaseLost(f"the job {step.job} is not yours any more")
    match step:
        case Renew():
            return replace(job, due=now + step.until)
        case Note():
            data_bytes = job.data_bytes if step.data is None else bytes_of(step.data)
            return replace(
                job, data_bytes=data_bytes, progress=job.progress if step.progress is None else step.progress
            )
        case Complete():
            return _completed(job, step.result, now, keeping)
        case Fail():
            if step.outage and not step.final and now < job.created + OUTAGE_SECONDS * MICROS:
                least, most = OUTAGE_WAIT_SECONDS
                wait = min(max(least * MICROS, now - job.created), most * MICROS)
                return _delayed(replace(job, error=step.error, owner=""), now + wait)
            return _failed(job, step.error, now, keeping, final=step.final)
        case GiveBack():
            return _waiting(job, now)
        case Lose():
            return _lost(job, now, keeping)


def check(step: AnyStep) -> AnyStep:
    """A step with nothing in it that is too long to be kept: a result that is makes it a failure. Raises ValueError for
    a note."""
    match step:
        case Complete() if bytes_of(step.result) > DATA_BYTES:
            return Fail(step.job, step.lease, FORGETFUL, final=True)
        case Fail():
            message, name = step.error.message[:ERROR_CHARACTERS], step.error.name[:ERROR_CHARACTERS]
            return replace(step, error=replace(step.error, message=message, name=name))
        case Note() if step.data is not None and bytes_of(step.data) > DATA_BYTES:
            raise ValueError(f"the data has more than {DATA_BYTES} bytes as JSON")
        case Note() if step.progress is not None and bytes_of(step.progress) > PROGRESS_BYTES:
            raise ValueError(f"the progress has more than {PROGRESS_BYTES} bytes as JSON")
    return step


# ---- what is done with a job that nobody has ----


def added(new: NewJob, job_id: str, script: str, app: str, now: int) -> Job:
    """A job as it begins."""
    return Job(
        id=job_id,
        tenant=new.tenant,
        app=app,
        queue=new.queue,
        script=script,
        function=new.function,
        state=JobState.DELAYED if new.delay_ms else JobState.WAITING,
        priority=new.priority,
        due=now + new.delay_ms * _MILLIS,
        created=now,
        attempts=new.attempts,
        backoff=new.backoff,
        backoff_ms=new.backoff_ms,
        keep_seconds=new.keep_seconds,
        key=new.key,
        source=new.source[:256],
        data_bytes=bytes_of(new.data),
        webhooks=" ".join(new.webhooks),
    )


def ripe(job: Job, now: int) -> Job:
    """A delayed job whose time has come. Raises WrongState."""
    _require(job, job.state is JobState.DELAYED and job.due <= now, "is not due")
    return replace(job, state=JobState.WAITING)


def taken(job: Job, owner: str, now: int, until: int) -> Job:
    """A job that somebody has from now on, for so many microseconds. Raises WrongState."""
    _require(job, job.state is JobState.WAITING, "does not wait")
    return replace(job, state=JobState.ACTIVE, lease=job.lease + 1, owner=owner[:256], started=now, due=now + until)


def expired(job: Job, now: int, keeping: Keeping) -> Job:
    """A job whose lease has ended. Raises WrongState."""
    _require(job, job.state is JobState.ACTIVE and job.due <= now, "is somebody's")
    return _lost(job, now, keeping)


def retried(job: Job, now: int) -> Job:
    """A dead letter, or a job that is delayed, which is to be run now: with all of its attempts. Raises WrongState."""
    _require(job, job.state in (JobState.FAILED, JobState.DELAYED), "is neither failed nor delayed")
    return replace(_waiting(job, now), attempt=0, losses=0, finished=None)


def forgotten(job: Job, now: int) -> bool:
    """Whether a job is over for so long that it is not kept any more."""
    return job.is_over and job.due <= now


def number_of(job: Job) -> int:
    """Of the attempt under way, or else of the next one, from 1: one that was lost has the number of the one before."""
    return job.attempt + 1


def _waiting(job: Job, now: int) -> Job:
    return replace(job, state=JobState.WAITING, due=now, owner="")


def _completed(job: Job, result: str, now: int, keeping: Keeping) -> Job:
    kept = keeping.completed if job.keep_seconds is None else job.keep_seconds
    return replace(
        job,
        state=JobState.COMPLETED,
        attempt=job.attempt,
        due=now + kept * MICROS,
        finished=now,
        owner="",
        error=None,
        result_bytes=bytes_of(result),
    )


def _failed(job: Job, error: JobError, now: int, keeping: Keeping, *, final: bool) -> Job:
    failed = replace(job, attempt=job.attempt + 1, error=error, owner="")
    if final or failed.attempt >= job.attempts:
        return _dead(failed, now, keeping)
    wait = backoff_of(failed)
    if not wait:
        return _waiting(failed, now)
    return _delayed(failed, now + wait * _MILLIS)


def _delayed(job: Job, due: int) -> Job:
    return replace(job, state=JobState.DELAYED, due=due)


def _lost(job: Job, now: int, keeping: Keeping) -> Job:
    lost = replace(job, losses=job.losses + 1, owner="")
    if lost.losses <= LOSSES:
        return _waiting(lost, now)
    error = JobError(f"its process has died or was cut off {lost.losses} times while it ran")
    return _dead(replace(lost, error=error), now, keeping)


def _dead(job: Job, now: int, keeping: Keeping) -> Job:
    return replace(job, state=JobState.FAILED, due=now + keeping.failed * MICROS, finished=now)


def backoff_of(job: Job) -> int:
    """Milliseconds that a job waits after as many failed attempts as it has."""
    if job.backoff is Backoff.FIXED or not job.backoff_ms:
        return job.backoff_ms
    doubled: int = job.backoff_ms << min(job.attempt - 1, 64)
    return min(doubled, LONGEST_BACKOFF_MS)


def _require(job: Job, holds: bool, words: str) -> None:
    if not holds:
        raise WrongState(f"the job {job.id} {words}: it is {job.state.value}")
