"""Whoever is to be told of the end of a job is told: in the transaction that ends it, in each kind of database."""

from typing import Any

import msgspec
import pytest

from sidecar.queue.errors import LeaseLost
from sidecar.queue.job import DELIVERIES, Job, JobError, NewJob
from sidecar.queue.life import Complete, Fail, Lose
from sidecar.queue.looking import Wanted
from sidecar.queue.store import Kept
from tests.sidecar.queue.queue_desk import QueueDesk

HOOKS = ("a" * 32, "b" * 32)


async def told(desk: QueueDesk) -> dict[str, Any]:
    """The event that each webhook is told of, by the webhook's id."""
    found = await desk.queue.looking.page("acme", Wanted(deliveries=True), None, 10)
    texts = [await desk.queue.texts("acme", one.id) for one in found]
    return {
        job.script: msgspec.json.decode(text.data)["events"][0]["data"] for job, text in zip(found, texts, strict=True)
    }


async def begun(desk: QueueDesk) -> Job:
    await desk.queue.add(NewJob(tenant="acme", script="calls", webhooks=HOOKS))
    return (await desk.take())[0].job


async def test_the_end_of_a_job_is_told_to_each_that_was_named(desk: QueueDesk) -> None:
    job = await begun(desk)
    assert await told(desk) == {}
    await desk.queue.step(Complete(job.id, job.lease, '{"a":1}'))
    found = await told(desk)
    assert set(found) == set(HOOKS)
    assert {one["result"]["a"] for one in found.values()} == {1}
    # Though the tenant keeps as many jobs as it may; and they are none of those that it asked for.
    assert [one.id for one in await desk.queue.looking.page("acme", Wanted(), None, 10)] == [job.id]
    deliveries = await desk.take(10)
    assert {(one.job.queue, one.job.tenant, one.job.script) for one in deliveries} == {
        (DELIVERIES, "acme", hook) for hook in HOOKS
    }
    kept = sum(one.job.bytes for one in deliveries) + (await desk.queue.get("acme", job.id)).bytes
    assert await desk.queue.looking.kept("acme") == Kept(3, kept)


async def test_what_is_tried_again_is_told_once_it_is_over(desk: QueueDesk) -> None:
    job = await begun(desk)
    for _ in range(3):
        await desk.queue.step(Lose(job.id, job.lease))
        assert await told(desk) == {}
        (taken,) = await desk.take()
        job = taken.job
    await desk.queue.step(Fail(job.id, job.lease, JobError("402 Pay", status=402)))
    assert {(one["state"], one["status"], one["error"]) for one in (await told(desk)).values()} == {
        ("failed", 402, "Pay")
    }


async def test_a_job_that_kills_its_processes_is_told_as_well(desk: QueueDesk) -> None:
    job = await begun(desk)
    for _ in range(3):
        await desk.queue.step(Lose(job.id, job.lease))
        (taken,) = await desk.take(seconds=0)
        job = taken.job
    # The last one's lease ends, and whoever looks first makes it a dead letter.
    desk.clock.now += 60
    await desk.queue.tidy()
    assert {one["state"] for one in (await told(desk)).values()} == {"failed"}


async def test_who_has_lost_a_job_tells_nobody(desk: QueueDesk) -> None:
    job = await begun(desk)
    await desk.queue.step(Lose(job.id, job.lease))
    await desk.take()
    with pytest.raises(LeaseLost):
        await desk.queue.step(Complete(job.id, job.lease, "1"))
    assert await told(desk) == {}
