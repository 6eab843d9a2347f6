"""Mailboxes in each kind of database: one has each, in order, and who has lost it changes nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from sidecar.queue.errors import LeaseLost, NoSuchMessage, NoSuchScript, QueueFull, WrongJob
from sidecar.queue.job import JobError
from sidecar.queue.mailboxes import Held, Mailboxes
from sidecar.queue.message import MessageState, NewMessage
from sidecar.queue.queue import JobQueue
from sidecar.storage.tables import mailboxes, messages, versions
from tests.sidecar.queue.queue_desk import QueueDesk, queue_desk

LEASE = 30_000_000
NO = JobError("no")


@pytest.fixture
async def desk(database_address: str) -> AsyncIterator[QueueDesk]:
    async with queue_desk(database_address) as made:
        await make_workers(made)
        yield made


@pytest.fixture
def boxes(desk: QueueDesk) -> Mailboxes:
    return desk.queue.mailboxes


async def make_workers(desk: QueueDesk) -> None:
    """``calls``, ``mail`` and beta's ``other`` are Workers, ``lonely`` is an App."""
    async with desk.queue._rows.storage.writing() as connection:
        workers = versions.c.script_id.in_(("calls", "mail", "other"))
        await connection.execute(update(versions).where(workers).values(kind="worker"))


async def send(boxes: Mailboxes, *said: int, script: str = "calls", tenant: str = "acme") -> list[str]:
    return [await boxes.send(NewMessage(tenant=tenant, script=script, data=str(one))) for one in said]


async def take(boxes: Mailboxes, owner: str = "one", room: int = 5, lease: int = LEASE) -> list[Held]:
    return await boxes.take(owner, room, lease)


async def end_leases(desk: QueueDesk) -> None:
    async with desk.queue._rows.storage.writing() as connection:
        await connection.execute(update(mailboxes).where(mailboxes.c.until.is_not(None)).values(until=1))


async def ripen(desk: QueueDesk) -> None:
    """What waits for its next attempt is due."""
    async with desk.queue._rows.storage.writing() as connection:
        await connection.execute(update(messages).values(due=1))
        await connection.execute(update(mailboxes).where(mailboxes.c.due.is_not(None)).values(due=1))


async def test_messages_are_given_in_the_order_in_which_they_were_sent(boxes: Mailboxes) -> None:
    ids = await send(boxes, 1, 2, 3)
    (held,) = await take(boxes)
    assert (held.script, held.tenant, held.lease) == ("calls", "acme", 1)
    seen: list[Any] = []
    done = None
    while (given := await boxes.next(held, done)).message is not None:
        seen.append((given.message.id, given.data, given.message.state))
        done = given.message.id
    assert seen == [(one, str(number), MessageState.ACTIVE) for number, one in enumerate(ids, start=1)]
    assert given.due is None
    (box,) = await boxes.looking.boxes("acme")
    assert (box.waiting, box.dead, box.done, box.owner) == (0, 0, 3, "one")


async def test_one_has_a_mailbox_and_nobody_else_while_it_does(boxes: Mailboxes) -> None:
    await send(boxes, 1)
    await send(boxes, 2, script="mail")
    first = await take(boxes, room=1)
    second = await take(boxes, "two")
    assert {one.script for one in first} | {one.script for one in second} == {"calls", "mail"}
    assert len(first) == len(second) == 1
    assert await take(boxes, "three") == []


async def test_many_who_take_at_once_have_each_mailbox_once(desk: QueueDesk, boxes: Mailboxes) -> None:
    await send(boxes, 1)
    await send(boxes, 1, script="mail")
    others = [JobQueue(desk.url, desk.queue._store._keeping, clock=desk.clock) for _ in range(3)]
    taken = await asyncio.gather(*(take(one.mailboxes, str(n)) for n, one in enumerate(others * 3)))
    assert sorted(held.script for one in taken for held in one) == ["calls", "mail"]
    for one in others:
        await one.close()


async def test_who_asks_once_more_is_given_the_same(boxes: Mailboxes) -> None:
    await send(boxes, 1, 2, 3)
    (held,) = await take(boxes)
    first = (await boxes.next(held)).message
    assert first is not None
    second = await boxes.next(held, first.id)
    assert await boxes.next(held, first.id) == second
    (box,) = await boxes.looking.boxes("acme")
    assert (box.done, box.waiting) == (1, 2)


async def test_a_message_that_failed_stays_first_until_it_is_dead(desk: QueueDesk, boxes: Mailboxes) -> None:
    first, second = await send(boxes, 1, 2)
    for attempt in (1, 2):
        (held,) = await take(boxes)
        given = (await boxes.next(held)).message
        assert given is not None
        assert (given.id, given.attempt_number) == (first, attempt)
        after = await boxes.fail(held, NO, 2)
        assert after is not None
        assert after.state is (MessageState.WAITING if attempt == 1 else MessageState.DEAD)
        if attempt == 1:
            assert await take(boxes) == [], "it waits for its next attempt, and all behind it do"
            await ripen(desk)
    (held,) = await take(boxes)
    given = (await boxes.next(held)).message
    assert given is not None
    assert given.id == second
    await boxes.next(held, second)
    await boxes.release(held)
    assert await take(boxes) == []
    assert (await boxes.retry("acme", "calls", first)).state is MessageState.WAITING
    (held,) = await take(boxes)
    assert held.lease == 4


async def test_a_mailbox_whose_lease_has_ended_is_anothers_and_its_message_first(
    desk: QueueDesk, boxes: Mailboxes
) -> None:
    first, _ = await send(boxes, 1, 2)
    (held,) = await take(boxes)
    await boxes.next(held)
    await end_leases(desk)
    (other,) = await take(boxes, "two")
    assert other.lease == 2
    given = (await boxes.next(other)).message
    assert given is not None
    assert (given.id, given.attempt, given.losses) == (first, 0, 1)
    steps: list[Awaitable[Any]] = [
        boxes.next(held, first),
        boxes.fail(held, NO, 5),
        boxes.lose(held),
        boxes.release(held),
        boxes.renew(held, LEASE),
    ]
    for step in steps:
        with pytest.raises(LeaseLost):
            await step
    await boxes.renew(other, LEASE)
    await boxes.next(other, first)
    (box,) = await boxes.looking.boxes("acme")
    assert (box.done, box.waiting) == (1, 1)


async def test_what_is_sent_at_once_keeps_the_order_of_each_sender(boxes: Mailboxes) -> None:
    async def sender(begin: int) -> None:
        for number in range(begin, begin + 8):
            await send(boxes, number)

    await asyncio.gather(*(sender(begin) for begin in (0, 100, 200)))
    (held,) = await take(boxes)
    seen = []
    done = None
    while (given := await boxes.next(held, done)).message is not None:
        seen.append(int(given.data))
        done = given.message.id
    for begin in (0, 100, 200):
        assert [one for one in seen if begin <= one < begin + 100] == list(range(begin, begin + 8))


async def test_what_is_no_mailbox_is_refused(boxes: Mailboxes) -> None:
    with pytest.raises(WrongJob, match="'lonely' is an App, and has no mailbox"):
        await send(boxes, 1, script="lonely")
    with pytest.raises(NoSuchScript):
        await send(boxes, 1, script="other")
    (sent,) = await send(boxes, 1)
    for asked in (boxes.looking.get("beta", "calls", sent), boxes.retry("beta", "calls", sent)):
        with pytest.raises(NoSuchMessage):
            await asked
    with pytest.raises(NoSuchMessage):
        await boxes.discard("beta", "calls", sent)
    await boxes.discard("acme", "calls", sent)
    assert await take(boxes) == []


async def test_a_tenant_keeps_so_many(database_address: str) -> None:
    async with queue_desk(database_address) as desk:
        await make_workers(desk)
        queue = JobQueue(desk.url, desk.queue._store._keeping, clock=desk.clock, may_send=lambda _: 2)
        await send(queue.mailboxes, 1)
        await send(queue.mailboxes, 1, script="mail")
        with pytest.raises(QueueFull, match="more than 2 messages"):
            await send(queue.mailboxes, 2)
        await send(queue.mailboxes, 1, script="other", tenant="beta")
        (held, *_) = await take(queue.mailboxes)
        given = (await queue.mailboxes.next(held)).message
        assert given is not None
        await queue.mailboxes.next(held, given.id)
        await send(queue.mailboxes, 2)
        await queue.close()


async def test_a_clock_that_is_set_back_stops_no_mailbox(tmp_path: Path) -> None:
    async with queue_desk(f"sqlite:///{tmp_path}/queue.db") as desk:
        await make_workers(desk)
        boxes = desk.queue.mailboxes
        ids = await send(boxes, 1, 2)
        (dead,) = await take(boxes)
        await boxes.next(dead)
        (other,) = await send(boxes, 3, script="mail")
        desk.clock.now -= 3_600
        (held,) = await take(boxes)
        assert held.script == "mail"
        given = await boxes.next(held)
        assert given.message is not None
        assert given.message.id == other
        for _ in range(4):
            assert await take(boxes) == [], "the process of the first may have it still"
            desk.clock.now += 9
            await boxes.renew(held, LEASE)
        (again,) = await take(boxes)
        assert again.script == dead.script
        for one in ids:
            given = await boxes.next(again)
            assert given.message is not None
            assert given.message.id == one
            await boxes.next(again, one, only_done=True)
