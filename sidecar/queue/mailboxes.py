"""The mailboxes of Workers in a database.

A mailbox is a row with a lease: whoever has it runs its Worker, alone on all machines. Each taking counts up the
``lease``, and each step names it: who has lost it changes nothing. Whoever sends or takes a step locks the row first,
so that messages have their numbers in the order in which they are kept, and one is under way at most. ``due`` is when
the head is to be given, null for an empty mailbox.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, Select, and_, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sidecar.kind import RULES, Kind
from sidecar.queue import message as life
from sidecar.queue.errors import LeaseLost, NoSuchScript, QueueFull, WrongJob
from sidecar.queue.job import JobError, make_id
from sidecar.queue.mailbox_looking import MailboxLooking
from sidecar.queue.mailbox_rows import (
    head_due,
    keep_message,
    locked_mailbox,
    message_in,
    message_of,
    messages_of,
    no_such_message,
    one_message,
    set_due,
)
from sidecar.queue.message import Message, MessageState, NewMessage
from sidecar.queue.rows import insert_new
from sidecar.queue.store import TOO_LONG, JobRows
from sidecar.script_name import script_called
from sidecar.storage.tables import mailboxes, messages, scripts, tenants, versions


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A mailbox that somebody has."""

    script: str
    tenant: str
    lease: int


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What whoever has a mailbox is given."""

    message: Message | None
    """None where none is to be given now."""
    data: str = ""
    due: int | None = None
    """Microseconds until one is, where there is none; None where the mailbox is empty."""


class Mailboxes:
    """Its methods raise StorageError."""

    def __init__(self, rows: JobRows, sent: Callable[[], None], may_keep: Callable[[str], int | None]) -> None:
        """``sent`` is told of each message that is there; ``may_keep`` gives how many messages a tenant may have."""
        self._rows = rows
        self._sent = sent
        self._may_keep = may_keep
        self.looking = MailboxLooking(rows)

    # ---- who sends ----

    async def send(self, new: NewMessage) -> str:
        """Put a message at the end of a Worker's mailbox: it is kept when this returns. Its id. Raises NoSuchScript,
        WrongJob where the script is no Worker, QueueFull."""
        sent = await self._rows.tried_again(lambda: self._send(new))
        self._sent()
        return sent

    async def _send(self, new: NewMessage) -> str:
        async with self._rows.changing() as (connection, now):
            script = await _worker(connection, new)
            row = await locked_mailbox(connection, script)
            if row is None:
                fresh = {"script": script, "tenant": new.tenant, "lease": 0, "owner": "", "done": 0, "kept": 0}
                await insert_new(connection, self._rows.database, mailboxes, [fresh])
                row = await locked_mailbox(connection, script)
            most = self._may_keep(new.tenant)
            if most is not None and await _kept(connection, new.tenant) >= most:
                raise QueueFull(f"more than {most:_} messages are kept already, with the dead ones")
            made = {
                "id": make_id(),
                "script": script,
                "tenant": new.tenant,
                "state": MessageState.WAITING.value,
                "due": now,
                "sent": now,
                "attempt": 0,
                "losses": 0,
                "error": None,
                "source": new.source[:256],
                "data": new.data,
            }
            await connection.execute(insert(messages).values(made))
            assert row is not None  # noqa: S101 - it was made
            values = {"kept": row.kept + 1, "due": now if row.due is None else row.due}
            await connection.execute(update(mailboxes).where(mailboxes.c.script == script).values(values))
        return str(made["id"])

    # ---- who has a mailbox ----

    async def take(self, owner: str, room: int, lease_micros: int) -> list[Held]:
        """So many mailboxes at most that have something to give and are nobody's, or whose lease has ended."""
        async with self._rows.storage.reading() as connection:
            now = await self._rows.now(connection)
            set_back = select(mailboxes.c.script).where(mailboxes.c.until > now + TOO_LONG * lease_micros)
            is_set_back = (await connection.execute(set_back.limit(1))).first() is not None
            if not is_set_back and (await connection.execute(_free(now).limit(1))).first() is None:
                return []
        if is_set_back:
            await self._shorten(lease_micros)
        return await self._rows.tried_again(lambda: self._take(owner, room, lease_micros))

    async def _take(self, owner: str, room: int, lease_micros: int) -> list[Held]:
        held = []
        async with self._rows.changing() as (connection, now):
            query = _free(now).order_by(mailboxes.c.due).limit(room).with_for_update(skip_locked=True)
            for row in (await connection.execute(query)).all():
                # One that was under way has lost its process.
                active = await message_in(connection, row.script, MessageState.ACTIVE)
                due: int | None = row.due
                if active is not None:
                    await keep_message(connection, life.lost(active, now))
                    due = await head_due(connection, row.script)
                lease = row.lease + 1
                values = {"lease": lease, "owner": owner[:256], "until": now + lease_micros, "due": due}
                await connection.execute(update(mailboxes).where(mailboxes.c.script == row.script).values(values))
                held.append(Held(script=row.script, tenant=row.tenant, lease=lease))
        return held

    async def _shorten(self, lease_micros: int) -> None:
        """Let no lease last longer than one that is renewed now."""
        async with self._rows.changing() as (connection, now):
            own = mailboxes.c.until > now + TOO_LONG * lease_micros
            await connection.execute(update(mailboxes).where(own).values(until=now + lease_micros))

    async def renew(self, held: Held, lease_micros: int) -> None:
        """Have a mailbox for longer. Raises LeaseLost."""
        async with self._rows.changing() as (connection, now):
            own = and_(
                mailboxes.c.script == held.script, mailboxes.c.lease == held.lease, mailboxes.c.until.is_not(None)
            )
            changed = await connection.execute(update(mailboxes).where(own).values(until=now + lease_micros))
            if not changed.rowcount:
                raise _lost(held)

    async def next(self, held: Held, done: str | None = None, *, only_done: bool = False) -> Given:
        """The head of a mailbox, which is under way from now on; ``done`` is the message that was before, and
        ``only_done`` is for who wants no other one. Who asks once more, not having heard, is given the same. Raises
        LeaseLost."""
        return await self._rows.tried_again(lambda: self._next(held, done, only_done))

    async def _next(self, held: Held, done: str | None, only_done: bool) -> Given:
        async with self._rows.changing() as (connection, now):
            row = await _own(connection, held)
            if done is not None:
                await self._finish(connection, held, row, done)
            if only_done:
                await set_due(connection, held.script, await head_due(connection, held.script))
                return Given(message=None)
            active = await message_in(connection, held.script, MessageState.ACTIVE)
            if active is not None:
                text = select(messages.c.data).where(messages.c.number == active.number)
                return Given(message=active, data=(await connection.execute(text)).scalar_one())
            query = messages_of(held.script).where(messages.c.state == MessageState.WAITING.value)
            head = (await connection.execute(query.add_columns(messages.c.data).limit(1))).one_or_none()
            if head is None or not life.is_due(head.due, now):
                due = None if head is None else int(head.due)
                await set_due(connection, held.script, due)
                return Given(message=None, due=None if due is None else due - now)
            message = life.begun(message_of(head), now)
            await keep_message(connection, message)
            await set_due(connection, held.script, message.due)
        return Given(message=message, data=head.data)

    async def _finish(self, connection: AsyncConnection, held: Held, row: Row[Any], done: str) -> None:
        own = and_(
            messages.c.id == done, messages.c.script == held.script, messages.c.state == MessageState.ACTIVE.value
        )
        # Gone it may be since somebody has discarded it.
        if (await connection.execute(delete(messages).where(own))).rowcount:
            values = {"done": row.done + 1, "kept": row.kept - 1}
            await connection.execute(update(mailboxes).where(mailboxes.c.script == held.script).values(values))

    async def fail(self, held: Held, error: JobError, attempts: int, *, final: bool = False) -> Message | None:
        """Let go of a mailbox whose Worker has failed on the message under way: it as it is then; None where there is
        none. Raises LeaseLost."""
        return await self._let_go(held, lambda message, now: life.failed(message, error, now, attempts, final=final))

    async def lose(self, held: Held) -> Message | None:
        """The same for one whose process has died."""
        return await self._let_go(held, life.lost)

    async def release(self, held: Held) -> Message | None:
        """The same for one that has ended of itself, or was ended: what was under way is given back."""
        return await self._let_go(held, life.given_back)

    async def _let_go(self, held: Held, step: Callable[[Message, int], Message]) -> Message | None:
        async def transaction() -> Message | None:
            async with self._rows.changing() as (connection, now):
                await _own(connection, held)
                active = await message_in(connection, held.script, MessageState.ACTIVE)
                after = None if active is None else step(active, now)
                if after is not None:
                    await keep_message(connection, after)
                values = {"until": None, "owner": "", "due": await head_due(connection, held.script)}
                await connection.execute(update(mailboxes).where(mailboxes.c.script == held.script).values(values))
            return after

        after = await self._rows.tried_again(transaction)
        self._sent()
        return after

    async def ready(self, names: Sequence[str]) -> set[str]:
        """Those of these Workers' mailboxes that have something to give."""
        async with self._rows.storage.reading() as connection:
            now = await self._rows.now(connection)
            query = select(mailboxes.c.script).where(mailboxes.c.script.in_(names), _is_due(now))
            return set((await connection.execute(query)).scalars())

    # ---- what people do ----

    async def retry(self, tenant: str, script: str, message: str) -> Message:
        """Have a dead letter given again, at its place. Raises NoSuchMessage, WrongState."""
        async with self._rows.changing() as (connection, now):
            await locked_mailbox(connection, script)
            row = (await connection.execute(one_message(tenant, script, message))).one_or_none()
            if row is None:
                raise no_such_message(message)
            after = life.revived(message_of(row), now)
            await keep_message(connection, after)
            await set_due(connection, script, await head_due(connection, script))
        self._sent()
        return after

    async def discard(self, tenant: str, script: str, message: str) -> None:
        """Keep a message no more. One that is under way goes on to its end. Raises NoSuchMessage."""
        async with self._rows.changing() as (connection, _):
            await locked_mailbox(connection, script)
            row = (await connection.execute(one_message(tenant, script, message))).one_or_none()
            if row is None:
                raise no_such_message(message)
            await connection.execute(delete(messages).where(messages.c.id == message))
            fewer = update(mailboxes).where(mailboxes.c.script == script).values(kept=mailboxes.c.kept - 1)
            await connection.execute(fewer)
            await set_due(connection, script, await head_due(connection, script))


def _free(now: int) -> Select[Any]:
    c = mailboxes.c
    return select(mailboxes).where(_is_due(now), or_(c.until.is_(None), c.until <= now))


def _is_due(now: int) -> ColumnElement[bool]:
    """As `sidecar.queue.message.is_due`."""
    return or_(mailboxes.c.due <= now, mailboxes.c.due > now + life.LONGEST_WAIT_MICROS)


async def _worker(connection: AsyncConnection, new: NewMessage) -> str:
    """The id of the Worker that a message is for."""
    current = and_(versions.c.script_id == scripts.c.id, versions.c.number == scripts.c.version)
    query = (
        select(scripts.c.id, scripts.c.name, versions.c.kind)
        .select_from(scripts.join(tenants, tenants.c.id == scripts.c.tenant_id).join(versions, current))
        .where(tenants.c.name == new.tenant, or_(scripts.c.id == new.script, scripts.c.uuid == new.script))
    )
    row = (await connection.execute(query.limit(1))).one_or_none()
    if row is None:
        raise NoSuchScript(f"there is no script {new.script[:60]!r}")
    if row.kind != Kind.WORKER.value:
        called = script_called(row.id, row.name or row.id)
        raise WrongJob(f"the script {called} is {RULES[Kind(row.kind)].called}, and has no mailbox")
    return str(row.id)


async def _own(connection: AsyncConnection, held: Held) -> Row[Any]:
    row = await locked_mailbox(connection, held.script)
    if row is None or row.lease != held.lease or row.until is None:
        raise _lost(held)
    return row


async def _kept(connection: AsyncConnection, tenant: str) -> int:
    query = select(func.sum(mailboxes.c.kept)).where(mailboxes.c.tenant == tenant)
    return int((await connection.execute(query)).scalar_one() or 0)


def _lost(held: Held) -> LeaseLost:
    return LeaseLost(f"the mailbox of {held.script} is not yours any more")
