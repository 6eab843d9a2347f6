"""Workers: what they are sent, what waits for them, and the messages that they have failed on."""

from http import HTTPStatus

import msgspec
from fastapi import APIRouter, Response

from sidecar.catalog.database import scripts
from sidecar.http.asking import Asking
from sidecar.http.pages import page
from sidecar.http.shapes import AfterNumber, InPath, Limit, Page
from sidecar.http.worker_shapes import (
    Message,
    MessageBody,
    MessageInPath,
    Sent,
    WholeMessage,
    Worker,
    message_shape,
    whole_message,
)
from sidecar.queue.mailboxes import Mailboxes
from sidecar.queue.message import MessageState, NewMessage

router = APIRouter(tags=["workers"])


async def _mailboxes(asked: Asking) -> Mailboxes:
    return (await asked.platform.services.jobs()).mailboxes


@router.get("/workers")
async def list_workers(asked: Asking) -> list[Worker]:
    """A tenant's Workers that have, or have had, messages."""
    tenant = await asked.require("read")
    return [Worker.model_validate(one) for one in await (await _mailboxes(asked)).looking.boxes(tenant)]


@router.get("/workers/{script}/messages")
async def list_messages(
    asked: Asking, script: InPath, state: MessageState | None = None, after: AfterNumber = 0, limit: Limit = 100
) -> Page[Message]:
    """What is in a Worker's mailbox, in the order in which it is given; with the dead letters."""
    async with asked.reading() as scope:
        await scripts.get_script(scope, script)
    tenant = asked.caller.tenant
    found = await (await _mailboxes(asked)).looking.page(tenant, script, state, after, limit + 1)
    shown = page(found, limit, lambda one: one.number)
    shown.items = [message_shape(one) for one in shown.items]
    return shown


@router.post("/workers/{script}/messages", status_code=HTTPStatus.CREATED)
async def send_message(asked: Asking, script: InPath, body: MessageBody, response: Response) -> Sent:
    """Send a Worker a message. It is kept when this is answered, and given after all that were sent before."""
    tenant = await asked.require("run")
    new = NewMessage(
        tenant=tenant, script=script, data=msgspec.json.encode(body.data).decode(), source=asked.caller.source
    )
    sent = await (await _mailboxes(asked)).send(new)
    response.headers["Location"] = f"/api/v1/workers/{script}/messages/{sent}"
    return Sent(id=sent)


@router.get("/workers/{script}/messages/{message}")
async def get_message(asked: Asking, script: InPath, message: MessageInPath) -> WholeMessage:
    """A message that waits, is under way or is dead. One that is done is there no more."""
    tenant = await asked.require("read")
    return whole_message(*await (await _mailboxes(asked)).looking.get(tenant, script, message))


@router.post("/workers/{script}/messages/{message}/retry")
async def retry_message(asked: Asking, script: InPath, message: MessageInPath) -> Message:
    """Give a dead letter again: at its place, which is before all that were sent later."""
    tenant = await asked.require("run")
    return message_shape(await (await _mailboxes(asked)).retry(tenant, script, message))


@router.delete("/workers/{script}/messages/{message}", status_code=HTTPStatus.NO_CONTENT)
async def discard_message(asked: Asking, script: InPath, message: MessageInPath) -> None:
    """Keep a message no more. A Worker that is at it comes to its end."""
    tenant = await asked.require("run")
    await (await _mailboxes(asked)).discard(tenant, script, message)
