"""Runs that are not waited for: kept as jobs before they are answered, and what became of them at an address."""

import asyncio
import datetime
import math
import time
from http import HTTPStatus
from typing import Any, Final

import msgspec

from sidecar.catalog.model import Script
from sidecar.event_name import EventName
from sidecar.hosts.services import Services
from sidecar.http.preferences import Preferences
from sidecar.http.problems import ApiError, of_storage
from sidecar.http.rates import too_many
from sidecar.queue.errors import NoSuchJob, NoSuchScript, QueueFull, WrongJob
from sidecar.queue.job import LONGEST_BACKOFF_MS, MICROS, MOST_ATTEMPTS, RUNS, Backoff, Job, JobState, NewJob
from sidecar.runs.answers import NOT_FOUND, Answer
from sidecar.runs.outcomes import OutcomeName
from sidecar.storage.errors import StorageError

AGAIN_SECONDS: Final = 1
LONGEST_AGAIN_SECONDS: Final = 60
FULL_AGAIN_SECONDS: Final = 60
"""Whoever is refused since a tenant keeps as many jobs as it may: they go as their time is over."""


class AsyncRunRules(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for such runs."""

    longest_wait: float
    """For how many seconds a request may wait for the end of its run."""
    attempts: int
    """Of a run, where whoever asks prefers no other number."""
    backoff_ms: int
    """After the first attempt that has failed; after each further one twice as long."""

    def applied(self, preferred: Preferences, *, is_known: bool) -> Preferences:
        """What is preferred, as far as it may be. ``is_known`` is whether whoever asks has a token: a stranger has a
        public script tried no more often than the operator says."""
        most = MOST_ATTEMPTS if is_known else self.attempts
        attempts, backoff = preferred.attempts, preferred.backoff_seconds
        return msgspec.structs.replace(
            preferred,
            attempts=None if attempts is None else min(max(1, attempts), most),
            backoff_seconds=None if backoff is None else min(backoff, LONGEST_BACKOFF_MS // 1_000),
        )


class AsyncRuns:
    """Its methods raise ApiError."""

    def __init__(self, services: Services, rules: AsyncRunRules) -> None:
        self._services = services
        self._rules = rules

    async def add(
        self, script: Script, function: str, data: dict[str, Any], source: str, preferred: Preferences
    ) -> tuple[Job, str]:
        """Keep a run; its job, and the address that what becomes of it is at. It is kept when this returns.
        ``preferred`` is what may be (`AsyncRunRules.applied`)."""
        try:
            text = msgspec.json.encode(data).decode()
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise ApiError(HTTPStatus.BAD_REQUEST, str(error)) from None
        try:
            queue = await self._services.jobs()
            told = await queue.webhooks.told(script.tenant, EventName.RUN_FINISHED, script.id)
            new = NewJob(
                tenant=script.tenant,
                script=script.id,
                function=function,
                data=text,
                queue=RUNS,
                attempts=self._rules.attempts if preferred.attempts is None else preferred.attempts,
                backoff=Backoff.EXPONENTIAL,
                backoff_ms=(
                    self._rules.backoff_ms if preferred.backoff_seconds is None else preferred.backoff_seconds * 1_000
                ),
                source=source,
                webhooks=tuple(one.id for one in told),
            )
            job = await queue.add(new)
            return job, await queue.addresses.of(job.id)
        except WrongJob as error:
            raise ApiError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error)) from None
        except QueueFull as error:
            raise too_many(str(error), FULL_AGAIN_SECONDS) from None
        except NoSuchScript:
            raise _not_there() from None
        except StorageError as error:
            raise of_storage(error) from None

    async def waited(self, job: Job, seconds: float) -> Job:
        """A job once it is over, or as it is after some seconds."""
        queue = await self._services.jobs()
        try:
            async with asyncio.timeout(min(seconds, self._rules.longest_wait)):
                return await queue.end_of(job.tenant, job.id)
        except (TimeoutError, StorageError):
            # It is kept all the same, and its address says what became of it.
            return job
        except NoSuchJob:
            raise _not_there() from None

    async def find(self, script: Script, address: str) -> Job:
        """The job that is at an address below a script."""
        try:
            queue = await self._services.jobs()
            job_id = await queue.addresses.job(address)
            if job_id is None:
                raise _not_there()
            job = await queue.get(script.tenant, job_id)
        except NoSuchJob:
            raise _not_there() from None
        except StorageError as error:
            raise of_storage(error) from None
        if job.script != script.id:
            raise _not_there()
        return job

    async def answer(self, job: Job) -> Answer:
        """What came of a job that is over, as its run would have answered."""
        if job.error is not None:
            status = job.error.status or HTTPStatus.INTERNAL_SERVER_ERROR
            text = job.error.message.removeprefix(f"{status} ")
            return Answer(status=status, outcome=OutcomeName.SCRIPT_ERROR, error=text, name=job.error.name)
        try:
            result = (await (await self._services.jobs()).texts(job.tenant, job.id)).result
        except NoSuchJob:
            raise _not_there() from None
        except StorageError as error:
            raise of_storage(error) from None
        value = None if result is None else msgspec.json.decode(result)
        return Answer(status=HTTPStatus.OK, outcome=OutcomeName.RETURNED, value=value)

    async def shown(self, job: Job) -> bytes:
        """A job as its address tells it."""
        told: dict[str, Any] = {
            "state": job.state.value,
            "progress": msgspec.json.decode(job.progress),
            "attempt": job.attempt,
            "attempts": job.attempts,
            "created": _time(job.created),
            "started": _time(job.started),
            "finished": _time(job.finished),
        }
        if job.is_over:
            answer = await self.answer(job)
            told["status"] = answer.status
            told |= {"error": answer.error, "name": answer.name} if answer.failed else {"result": answer.value}
        return msgspec.json.encode(told)

    async def cancel(self, job: Job) -> None:
        """Keep a run no more, whatever its state."""
        try:
            await (await self._services.jobs()).discard(job.tenant, job.id)
        except NoSuchJob:
            raise _not_there() from None
        except StorageError as error:
            raise of_storage(error) from None


def again_seconds(job: Job) -> int:
    """After which it is worth asking for a job again that is not over."""
    if job.state is not JobState.DELAYED:
        return AGAIN_SECONDS
    return min(max(AGAIN_SECONDS, math.ceil(job.due / MICROS - time.time())), LONGEST_AGAIN_SECONDS)


def _not_there() -> ApiError:
    return ApiError(HTTPStatus.NOT_FOUND, NOT_FOUND["error"])


def _time(micros: int | None) -> str | None:
    if micros is None:
        return None
    return datetime.datetime.fromtimestamp(micros / MICROS, datetime.UTC).isoformat().replace("+00:00", "Z")
