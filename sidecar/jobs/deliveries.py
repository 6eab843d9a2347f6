"""Webhooks are told: each delivery is a job that the platform itself does, signed as Standard Webhooks has it."""

import asyncio
import base64
import hashlib
import hmac
import time
from collections import Counter
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import msgspec

from sidecar.configuration.tree import Configuration
from sidecar.hosts.outgoing.exchange import OutgoingFailed, OutgoingRequest
from sidecar.hosts.outgoing.settings import outgoing_settings
from sidecar.logs.logger import ActionLogger
from sidecar.queue.errors import LeaseLost, NoSuchScript, QueueError
from sidecar.queue.following import Event, Events
from sidecar.queue.job import Job, JobError, NewJob
from sidecar.queue.life import AnyStep, Complete, Fail, GiveBack, Note, number_of
from sidecar.queue.queue import JobQueue, StorageError
from sidecar.queue.webhooks import Webhook

if TYPE_CHECKING:
    from sidecar.hosts.outgoing.client import OutgoingClient

_log = ActionLogger(__name__)

BODY_BYTES: Final = 2_000_000
"""The longest event: a run's result has 500,000 bytes, a call's record some thousands."""
OUTCOMES: Final = ("delivered", "failed", "given_up")
ERROR: Final = "DeliveryError"


class Undelivered(Exception):
    """A webhook could not be told; ``final`` where it wants to be told no more."""

    def __init__(self, why: str, *, final: bool = False) -> None:
        super().__init__(why)
        self.final = final


class Deliveries:
    """Tells webhooks. Lives on one event loop."""

    def __init__(self, configuration: Configuration) -> None:
        # Where a script may not connect to, no webhook of its author does either.
        self._settings = msgspec.structs.replace(
            outgoing_settings(configuration.outgoing),
            timeout_seconds=configuration.webhooks.timeout_seconds,
            request_bytes=BODY_BYTES,
        )
        self._client: OutgoingClient | None = None
        self.outcomes: Counter[str] = Counter()
        """Of events told, and of attempts that were not."""

    def begin(self, queue: JobQueue, job: Job, data: str, settle: Callable[[AnyStep], None]) -> "asyncio.Task[AnyStep]":
        """Begin to tell what a delivery has to tell. ``settle`` is given what became of it, also where it is
        cancelled."""

        async def told() -> AnyStep:
            try:
                return await self._deliver(queue, job, data)
            except (StorageError, LeaseLost):
                return GiveBack(job.id, job.lease)
            except Exception:  # noqa: BLE001 - logged: it is tried again, and not for ever
                _log.exception("webhook_failed", delivery=job.id)
                return Fail(job.id, job.lease, JobError("the platform failed; see its log", ERROR))

        def ended(task: "asyncio.Task[AnyStep]") -> None:
            settle(GiveBack(job.id, job.lease) if task.cancelled() else task.result())

        task = asyncio.get_running_loop().create_task(told())
        task.add_done_callback(ended)
        return task

    async def _deliver(self, queue: JobQueue, job: Job, data: str) -> AnyStep:
        left = msgspec.json.decode(data, type=Events).events
        webhook = await queue.webhooks.find(job.tenant, job.script)
        if webhook is None:
            return Fail(job.id, job.lease, JobError("there is no such webhook any more", ERROR), final=True)
        while left:
            began = time.monotonic()
            event = left[0]
            said: dict[str, Any] = {
                "tenant": job.tenant,
                "webhook": webhook.name,
                "event": event.id,
                "type": event.type.value,
                "delivery": job.id,
                "attempt": number_of(job),
            }
            try:
                status = await self._tell(queue, webhook, event)
            except Undelivered as error:
                final = error.final or number_of(job) >= job.attempts
                self.outcomes["given_up" if final else "failed"] += 1
                _log.warning("webhook_not_told", **said, error=str(error), given_up=final)
                return Fail(job.id, job.lease, JobError(str(error), ERROR), final=error.final)
            self.outcomes["delivered"] += 1
            took_ms = round((time.monotonic() - began) * 1000, 3)
            _log.info("webhook_told", **said, status=status, took_ms=took_ms)
            left = left[1:]
            if left:
                # The next attempt begins with what is left: the order is kept, and what is told is told no more.
                await queue.step(Note(job.id, job.lease, msgspec.json.encode(Events(left)).decode()))
        return Complete(job.id, job.lease, "null")

    async def close(self) -> None:
        """End what is under way."""
        if self._client is not None:
            await self._client.close()

    async def _tell(self, queue: JobQueue, webhook: Webhook, event: Event) -> int:
        body = msgspec.json.encode({"type": event.type.value, "timestamp": event.timestamp, "data": event.data})
        if webhook.url is None:
            await _begin_job(queue, webhook, event, body)
            return HTTPStatus.ACCEPTED
        secrets = await queue.webhooks.secrets(webhook.tenant)
        if not secrets:
            raise Undelivered("there is no secret to sign with")
        timestamp = str(int(time.time()))
        headers = [
            ("Content-Type", "application/json"),
            ("User-Agent", "ScriptForge-Webhooks"),
            ("webhook-id", event.id),
            ("webhook-timestamp", timestamp),
            ("webhook-signature", signatures(secrets, event.id, timestamp, body)),
        ]
        client = await self._connected()
        request = OutgoingRequest(url=webhook.url, method="POST", headers=headers, body=body, follows=False)
        try:
            answer = await client.request(webhook.tenant, request)
        except OutgoingFailed as error:
            raise Undelivered(str(error)) from error
        if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return answer.status
        if answer.status < HTTPStatus.BAD_REQUEST:
            raise Undelivered(f"it answers {answer.status}: redirects are not followed")
        raise Undelivered(f"it answers {answer.status}", final=answer.status == HTTPStatus.GONE)

    async def _connected(self) -> "OutgoingClient":
        if self._client is None:
            # In a thread: the HTTP client takes 0.2 s to be imported.
            module = await asyncio.to_thread(__import__, "sidecar.hosts.outgoing.client", fromlist=["OutgoingClient"])
            if self._client is None:
                self._client = module.OutgoingClient(self._settings)
        return self._client


async def _begin_job(queue: JobQueue, webhook: Webhook, event: Event, body: bytes) -> None:
    """Begin the function that an event is for. While that waits or runs, a second one of the same event is the same."""
    assert webhook.script is not None  # noqa: S101 - it has either
    try:
        new = NewJob(
            tenant=webhook.tenant,
            script=webhook.script,
            function=webhook.function,
            data=body.decode(),
            key=event.id,
            source=f"webhook {webhook.name}",
        )
        await queue.add(new)
    except NoSuchScript as error:
        raise Undelivered(str(error), final=True) from error
    except QueueError as error:
        raise Undelivered(str(error)) from error


def signatures(secrets: Sequence[bytes], event_id: str, timestamp: str, body: bytes) -> str:
    """The header ``webhook-signature``: one of each secret, so that who knows any of them is content."""
    signed = b".".join((event_id.encode(), timestamp.encode(), body))
    codes = [hmac.digest(secret, signed, hashlib.sha256) for secret in secrets]
    return " ".join("v1," + base64.b64encode(code).decode() for code in codes)
