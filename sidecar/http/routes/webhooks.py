"""Webhooks: what is told of events; what they are signed with; and what became of telling them."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Response

from sidecar.catalog.database import webhooks
from sidecar.catalog.database.errors import WrongValues
from sidecar.catalog.database.webhooks import WebhookRecord
from sidecar.http.asking import Asked, Asking
from sidecar.http.conditions import GivenCondition, etag, if_there
from sidecar.http.job_shapes import JOB_ID
from sidecar.http.pages import page
from sidecar.http.shapes import Filter, InPath, Limit, Page
from sidecar.http.webhook_shapes import (
    Delivery,
    DeliveryInPath,
    NewSecret,
    Secret,
    Webhook,
    WebhookBody,
    WholeDelivery,
    delivery_values,
    whole_delivery,
)
from sidecar.queue.errors import NoSuchJob
from sidecar.queue.job import DELIVERIES, Job, JobState
from sidecar.queue.looking import Wanted
from sidecar.queue.queue import JobQueue

router = APIRouter(tags=["webhooks"])


@router.get("/webhooks")
async def list_webhooks(asked: Asking) -> list[Webhook]:
    """A tenant's webhooks, by name."""
    async with asked.reading() as scope:
        return [Webhook.model_validate(one) for one in await webhooks.list_webhooks(scope)]


@router.get("/webhooks/{webhook}")
async def get_webhook(asked: Asking, webhook: InPath, response: Response) -> Webhook:
    """One webhook."""
    async with asked.reading() as scope:
        found = await webhooks.get_webhook(scope, webhook)
    response.headers.update(etag(found))
    return Webhook.model_validate(found)


@router.put("/webhooks/{webhook}", responses={201: {"model": Webhook}})
async def put_webhook(
    asked: Asking, webhook: InPath, body: WebhookBody, condition: GivenCondition, response: Response
) -> Webhook:
    """Make or change a webhook. Other machines know of it a second later."""
    if body.url is not None and (why := asked.platform.refuses_address(body.url)):
        raise WrongValues([f"url: {why}"])
    wanted = WebhookRecord(name=webhook, **body.model_dump())
    async with asked.writing() as work:
        before = await if_there(webhooks.get_webhook(work, webhook))
        condition.require(before)
        made = await webhooks.put_webhook(work, wanted, expected=condition.tag)
        condition.settle(before, work)
    (await asked.platform.services.jobs()).webhooks.forget()
    if before is None:
        response.status_code = HTTPStatus.CREATED
    response.headers.update(etag(made))
    return Webhook.model_validate(made)


@router.delete("/webhooks/{webhook}", status_code=HTTPStatus.NO_CONTENT)
async def remove_webhook(asked: Asking, webhook: InPath, condition: GivenCondition) -> None:
    """Remove a webhook. What it was to be told yet fails."""
    async with asked.writing() as work:
        before = await webhooks.get_webhook(work, webhook)
        await webhooks.remove_webhook(work, webhook, expected=condition.tag)
        condition.settle(before, work)
    (await asked.platform.services.jobs()).webhooks.forget()


@router.get("/webhook-secret")
async def get_secret(asked: Asking) -> Secret:
    """When the secret was made that webhooks are signed with. The secret itself is told once."""
    async with asked.reading("admin") as scope:
        return Secret.model_validate(await webhooks.get_secret(scope))


@router.post("/webhook-secret/rotate")
async def rotate_secret(asked: Asking) -> NewSecret:
    """Make a secret, which is told this once. What is sent is signed with the one before as well, for
    `webhooks.previous_secret_seconds`."""
    async with asked.writing("admin") as work:
        secret, state = await webhooks.rotate_secret(work, asked.platform.previous_secret_seconds)
    return NewSecret.model_validate(
        {"created": state.created, "previous_until": state.previous_until, "secret": secret}
    )


@router.get("/deliveries")
async def list_deliveries(
    asked: Asking,
    webhook: Filter = None,
    state: JobState | None = None,
    before: Annotated[str | None, Query(pattern=JOB_ID, description="``next`` of the page before.")] = None,
    limit: Limit = 100,
) -> Page[Delivery]:
    """What webhooks are to be told, and what they were told lately, the newest first. Those that have failed are dead
    letters."""
    tenant = await asked.require("read")
    queue = await asked.platform.services.jobs()
    names = await _names(queue, tenant)
    ids = {name: one for one, name in names.items()}
    script = None if webhook is None else ids.get(webhook, webhook)
    wanted = Wanted(state=state, script=script, deliveries=True)
    shown = page(await queue.looking.page(tenant, wanted, before, limit + 1), limit, lambda job: job.id)
    return Page(items=[Delivery(**delivery_values(job, names)) for job in shown.items], next=shown.next)


@router.get("/deliveries/{delivery}")
async def get_delivery(asked: Asking, delivery: DeliveryInPath) -> WholeDelivery:
    """One of them, with its events."""
    queue, job = await _delivery(asked, "read", delivery)
    return whole_delivery(job, await _names(queue, job.tenant), await queue.texts(job.tenant, job.id))


@router.post("/deliveries/{delivery}/retry")
async def retry_delivery(asked: Asking, delivery: DeliveryInPath) -> Delivery:
    """Tell it once more, with all of its attempts; or one that waits for its next attempt now."""
    queue, job = await _delivery(asked, "write", delivery)
    retried = await queue.retry(job.tenant, job.id)
    return Delivery(**delivery_values(retried, await _names(queue, job.tenant)))


async def _delivery(asked: Asked, scope: str, delivery: str) -> tuple[JobQueue, Job]:
    tenant = await asked.require(scope)
    queue = await asked.platform.services.jobs()
    job = await queue.get(tenant, delivery)
    if job.queue != DELIVERIES:
        raise NoSuchJob(f"there is no delivery {delivery!r}")
    return queue, job


async def _names(queue: JobQueue, tenant: str) -> dict[str, str]:
    return {one.id: one.name for one in (await queue.webhooks.all()).get(tenant, ())}
