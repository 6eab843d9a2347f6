"""What scripts ask of the queue: options as they write them, and what the queue refuses as a module refuses it."""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from sidecar.catalog.model import Script
from sidecar.hosts.errors import HostError, HostFull, HostUnavailable
from sidecar.queue.errors import QueueError, QueueFull, WrongJob
from sidecar.queue.job import DEFAULT_QUEUE, Backoff, JobState, NewJob
from sidecar.queue.message import NewMessage
from sidecar.queue.queue import DatabaseFull, JobQueue, StorageError

logger = logging.getLogger(__name__)


class ScriptJobs:
    """The jobs of every tenant, as scripts of theirs ask for them. Lives on one event loop."""

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue

    async def add(self, asker: Script, script: str, function: str, data: str, options: Mapping[str, Any]) -> str:
        """Have a function run later; the job's id. Raises HostError."""
        with _translated():
            backoff, wait = _backoff(options.get("backoff", 0))
            new = NewJob(
                tenant=asker.tenant,
                script=script,
                function=function,
                data=data,
                attempts=_whole(options.get("attempts", 1), "attempts"),
                delay_ms=_whole(options.get("delay", 0), "delay"),
                backoff=backoff,
                backoff_ms=wait,
                priority=_whole(options.get("priority", 0), "priority"),
                queue=_text(options.get("queue", DEFAULT_QUEUE), "queue"),
                key=_text(options["key"], "key") if "key" in options else None,
                keep_seconds=_whole(options["keep"], "keep") if "keep" in options else None,
                source=f"script {asker.id}",
            )
            return (await self._queue.add(new)).id

    async def send(self, asker: Script, script: str, data: str) -> str:
        """Send a Worker a message; the message's id. Raises HostError."""
        with _translated():
            new = NewMessage(tenant=asker.tenant, script=script, data=data, source=f"script {asker.id}")
            return await self._queue.mailboxes.send(new)

    async def progress(self, tenant: str, job: str) -> str:
        """What a job has said of its progress, as JSON. Raises HostError."""
        with _translated():
            return (await self._queue.get(tenant, job)).progress

    async def result(self, tenant: str, job: str) -> str:
        """What a job gives, as JSON, once it is over. Raises HostError, the job's own where it has failed."""
        with _translated():
            end = await self._queue.end_of(tenant, job)
            result = (await self._queue.texts(tenant, job)).result
        if end.state is JobState.COMPLETED and result is not None:
            return result
        error = end.error
        raise HostError("the job has failed") if error is None else HostError(error.message, error.name)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (WrongJob, QueueFull) as error:
        raise HostError(str(error), "RangeError") from None
    except QueueError as error:
        raise HostError(str(error)) from None
    except StorageError as error:
        logger.warning("jobs_not_asked", extra={"error": str(error)})
        if isinstance(error, DatabaseFull):
            raise HostFull("there is no room left") from error
        raise HostUnavailable("the database does not answer") from error


def _backoff(value: Any) -> tuple[Backoff, int]:
    match value:
        case {"type": "fixed" | "exponential" as kind, "delay": wait, **rest} if not rest:
            return Backoff(kind), _whole(wait, "backoff.delay")
        case dict():
            raise HostError("backoff: milliseconds, or { type: 'fixed' or 'exponential', delay }", "TypeError")
    return Backoff.FIXED, _whole(value, "backoff")


def _whole(value: Any, name: str) -> int:
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**53:
        return round(value)
    raise HostError(f"{name} is a number", "TypeError")


def _text(value: Any, name: str) -> str:
    if isinstance(value, str):
        return value
    raise HostError(f"{name} is a text", "TypeError")
