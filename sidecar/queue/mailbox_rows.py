"""Mailboxes and their messages as rows, and what every room of them does with those in SQL."""

from typing import Any, Final

import msgspec
from sqlalchemy import Row, Select, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sidecar.queue.errors import NoSuchMessage
from sidecar.queue.message import Message, MessageState
from sidecar.storage.tables import mailboxes, messages

_COLUMNS: Final = [column for column in messages.c if column.name != "data"]
_KEPT: Final = ("state", "due", "attempt", "losses")


def message_of(row: Row[Any]) -> Message:
    """A message of its row."""
    values = {name: getattr(row, name) for name in Message.__struct_fields__}
    values["error"] = None if row.error is None else msgspec.json.decode(row.error)
    return msgspec.convert(values, Message)


def messages_of(script: str) -> Select[Any]:
    """The messages of a mailbox in their order, without what they say."""
    return select(*_COLUMNS).where(messages.c.script == script).order_by(messages.c.number)


def one_message(tenant: str, script: str, message: str) -> Select[Any]:
    """A message of a tenant's mailbox."""
    return messages_of(script).where(messages.c.tenant == tenant, messages.c.id == message)


async def locked_mailbox(connection: AsyncConnection, script: str) -> Row[Any] | None:
    """A mailbox, which is ours until the transaction is over."""
    query = select(mailboxes).where(mailboxes.c.script == script).with_for_update()
    return (await connection.execute(query)).one_or_none()


async def message_in(connection: AsyncConnection, script: str, state: MessageState) -> Message | None:
    """The first message of a mailbox in a state."""
    query = messages_of(script).where(messages.c.state == state.value).limit(1)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else message_of(row)


async def head_due(connection: AsyncConnection, script: str) -> int | None:
    """When the head of a mailbox is to be given; None for an empty one."""
    query = (
        select(messages.c.due)
        .where(messages.c.script == script, messages.c.state != MessageState.DEAD.value)
        .order_by(messages.c.number)
        .limit(1)
    )
    due: int | None = (await connection.execute(query)).scalar_one_or_none()
    return due


async def set_due(connection: AsyncConnection, script: str, due: int | None) -> None:
    """Write when that is."""
    await connection.execute(update(mailboxes).where(mailboxes.c.script == script).values(due=due))


async def keep_message(connection: AsyncConnection, message: Message) -> None:
    """Write what has changed of a message."""
    error = None if message.error is None else msgspec.json.encode(message.error).decode()
    values = {name: getattr(message, name) for name in _KEPT} | {"state": message.state.value, "error": error}
    await connection.execute(update(messages).where(messages.c.number == message.number).values(values))


def no_such_message(message: str) -> NoSuchMessage:
    """What to raise where there is none."""
    return NoSuchMessage(f"there is no message {message[:40]!r}")
