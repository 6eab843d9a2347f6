"""What people and monitoring ask of the mailboxes."""

import msgspec
from sqlalchemy import func, select

from sidecar.queue.job import MICROS
from sidecar.queue.mailbox_rows import message_of, messages_of, no_such_message, one_message
from sidecar.queue.message import Message, MessageState
from sidecar.queue.store import JobRows
from sidecar.storage.tables import mailboxes, messages


class Mailbox(msgspec.Struct, frozen=True, kw_only=True):
    """A mailbox as people see it."""

    script: str
    waiting: int
    """The message under way among them."""
    dead: int
    oldest_seconds: float | None
    """How long the message waits that was sent first."""
    owner: str
    """The process whose Worker it is; empty where none is."""
    done: int
    """Messages since it was made."""


class MailboxDepth(msgspec.Struct, frozen=True, kw_only=True):
    """All mailboxes together, for monitoring."""

    waiting: int = 0
    dead: int = 0
    oldest_seconds: float = 0.0


class MailboxLooking:
    """Changes nothing. Its methods raise StorageError."""

    def __init__(self, rows: JobRows) -> None:
        self._rows = rows

    async def boxes(self, tenant: str) -> list[Mailbox]:
        """A tenant's mailboxes, by the ids of their Workers."""
        async with self._rows.storage.reading() as connection:
            now = await self._rows.now(connection)
            rows = (
                await connection.execute(
                    select(mailboxes).where(mailboxes.c.tenant == tenant).order_by(mailboxes.c.script)
                )
            ).all()
            is_dead = messages.c.state == MessageState.DEAD.value
            counted = (
                select(
                    messages.c.script,
                    is_dead.label("dead"),
                    func.count().label("n"),
                    func.min(messages.c.sent).label("first"),
                )
                .where(messages.c.tenant == tenant)
                .group_by(messages.c.script, is_dead)
            )
            counts = {(row.script, bool(row.dead)): row for row in (await connection.execute(counted)).all()}
        found = []
        for row in rows:
            waiting, dead = counts.get((row.script, False)), counts.get((row.script, True))
            found.append(
                Mailbox(
                    script=row.script,
                    waiting=0 if waiting is None else waiting.n,
                    dead=0 if dead is None else dead.n,
                    oldest_seconds=None if waiting is None else max(0, now - int(waiting.first)) / MICROS,
                    owner=row.owner if row.until is not None and row.until > now else "",
                    done=row.done,
                )
            )
        return found

    async def page(self, tenant: str, script: str, state: MessageState | None, after: int, limit: int) -> list[Message]:
        """A mailbox's messages, in their order, after a number."""
        query = messages_of(script).where(messages.c.tenant == tenant, messages.c.number > after).limit(limit)
        if state is not None:
            query = query.where(messages.c.state == state.value)
        async with self._rows.storage.reading() as connection:
            return [message_of(row) for row in (await connection.execute(query)).all()]

    async def get(self, tenant: str, script: str, message: str) -> tuple[Message, str]:
        """A message, and what it says as JSON. Raises NoSuchMessage."""
        query = one_message(tenant, script, message).add_columns(messages.c.data)
        async with self._rows.storage.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise no_such_message(message)
        return message_of(row), row.data

    async def depth(self) -> MailboxDepth:
        """Every tenant's messages together."""
        is_dead = messages.c.state == MessageState.DEAD.value
        counted = select(is_dead.label("dead"), func.count().label("n"), func.min(messages.c.sent).label("first"))
        async with self._rows.storage.reading() as connection:
            now = await self._rows.now(connection)
            rows = {bool(row.dead): row for row in (await connection.execute(counted.group_by(is_dead))).all()}
        waiting, dead = rows.get(False), rows.get(True)
        return MailboxDepth(
            waiting=0 if waiting is None else waiting.n,
            dead=0 if dead is None else dead.n,
            oldest_seconds=0.0 if waiting is None else max(0, now - int(waiting.first)) / MICROS,
        )
