"""Jobs in each kind of database: added, taken, kept alive, lost, finished once, forgotten."""

import asyncio
import random
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import func, select

from sidecar.queue.adding import MayKeep
from sidecar.queue.errors import LeaseLost, NoSuchJob, NoSuchScript, QueueFull, WrongState
from sidecar.queue.fair import Queue
from sidecar.queue.job import Job, JobError, JobState, NewJob
from sidecar.queue.life import Complete, Fail, GiveBack, Keeping, Lose, Note, Renew
from sidecar.queue.looking import Wanted
from sidecar.queue.queue import JobQueue
from sidecar.queue.store import Kept
from sidecar.queue.taking import Limits, Taken
from sidecar.storage.engine import Storage
from sidecar.storage.tables import job_spaces, jobs
from tests.sidecar.queue.queue_desk import LEASE_SECONDS, QueueDesk, gathered, queue_desk, uuid_of

SOON = 0.3
"""Of a lease, in seconds, that a test waits out at a server, whose time it is."""


def complete(job: Job, result: str = "1") -> Complete:
    return Complete(job.id, job.lease, result)


async def test_a_job_is_added_taken_and_finished(desk: QueueDesk) -> None:
    added = await desk.add(data='{"a":"ä\\u0000"}', priority=3, source="a test", key="k", queue="mail")
    assert (added.state, added.app, added.script) == (JobState.WAITING, "shop", "calls")
    assert await desk.queue.get("acme", added.id) == added
    (taken,) = await desk.take(5)
    assert taken.data == '{"a":"ä\\u0000"}'
    assert (taken.job.id, taken.job.state, taken.job.lease, taken.job.owner) == (added.id, JobState.ACTIVE, 1, "one")
    assert await desk.take(5) == []
    await desk.queue.step(Note(added.id, 1, data='{"b":1}', progress="0.5"))
    done = await desk.queue.step(complete(taken.job, '{"c":2}'))
    assert await desk.queue.get("acme", added.id) == done
    assert (done.state, done.progress, done.error, done.owner) == (JobState.COMPLETED, "0.5", None, "")
    texts = await desk.queue.texts("acme", added.id)
    assert (texts.data, texts.result) == ('{"b":1}', '{"c":2}')
    assert await desk.queue.looking.kept("acme") == Kept(1, len('{"b":1}{"c":2}'))


async def test_a_script_is_named_by_its_id_or_its_uuid_and_a_strangers_is_none(desk: QueueDesk) -> None:
    assert (await desk.add(uuid_of(1))).script == "mail"
    assert (await desk.add("lonely")).app == ""
    for unknown in ("other", uuid_of(3), "nobody", "x" * 36):
        with pytest.raises(NoSuchScript, match="there is no script"):
            await desk.add(unknown)
    assert (await desk.add("other", "beta")).tenant == "beta"


async def test_what_is_asked_at_the_same_time_is_answered_each(desk: QueueDesk) -> None:
    asked = [desk.add(script) for script in ("calls", "nobody", "mail", "other", "lonely")]
    answers = await gathered(*asked)
    assert [type(one) for one in answers] == [Job, NoSuchScript, Job, NoSuchScript, Job]
    taken = await desk.take(10)
    steps = [complete(one.job) for one in taken]
    answers = await gathered(*(desk.queue.step(step) for step in (steps[0], steps[0], *steps[1:])))
    assert [type(one) for one in answers] == [Job, LeaseLost, Job, Job]


async def test_nothing_of_a_stranger_is_seen(desk: QueueDesk) -> None:
    added = await desk.add()
    for asked in (
        desk.queue.get("beta", added.id),
        desk.queue.texts("beta", added.id),
        desk.queue.retry("beta", added.id),
        desk.queue.discard("beta", added.id),
        desk.queue.end_of("beta", added.id),
    ):
        with pytest.raises(NoSuchJob):
            await asked
    assert await desk.queue.looking.page("beta", Wanted(), None, 10) == []
    assert await desk.queue.looking.queues("beta") == []
    assert await desk.queue.get("acme", added.id) == added


async def test_a_lease_that_has_ended_is_taken_by_another_who_alone_can_finish(desk: QueueDesk) -> None:
    added = await desk.add()
    (first,) = await desk.take(seconds=SOON)
    assert await desk.queue.tidy() == 0
    desk.clock.now += 1
    await asyncio.sleep(SOON)
    assert await desk.queue.tidy() == 1
    (second,) = await desk.take()
    assert (second.job.lease, second.job.losses, second.job.attempt) == (2, 1, 0)
    for late in (complete(first.job), Renew(added.id, 1, 1), Note(added.id, 1), Fail(added.id, 1, JobError("x"))):
        with pytest.raises(LeaseLost):
            await desk.queue.step(late)
    assert (await desk.queue.step(complete(second.job, '"second"'))).state is JobState.COMPLETED
    assert (await desk.queue.texts("acme", added.id)).result == '"second"'


async def test_a_lease_that_is_renewed_stays(desk: QueueDesk) -> None:
    await desk.add()
    (taken,) = await desk.take(seconds=SOON)
    renewed = await desk.queue.step(Renew(taken.job.id, 1, 60_000_000))
    assert renewed.due > taken.job.due + 50_000_000
    desk.clock.now += 1
    await asyncio.sleep(SOON)
    assert await desk.queue.tidy() == 0


async def test_a_failed_attempt_waits_and_the_last_is_a_dead_letter(desk: QueueDesk) -> None:
    added = await desk.add(attempts=2, backoff_ms=50)
    (taken,) = await desk.take()
    failed = await desk.queue.step(Fail(added.id, taken.job.lease, JobError("ä\0", "TypeError")))
    assert (failed.state, failed.attempt) == (JobState.DELAYED, 1)
    assert await desk.take() == []
    desk.clock.now += 1
    await asyncio.sleep(0.1)
    assert await desk.queue.tidy() == 1
    (taken,) = await desk.take()
    dead = await desk.queue.step(Fail(added.id, taken.job.lease, JobError("ä\0", "TypeError")))
    assert await desk.queue.get("acme", added.id) == dead
    assert (dead.state, dead.error) == (JobState.FAILED, JobError("ä\0", "TypeError"))
    again = await desk.queue.retry("acme", added.id)
    assert (again.state, again.attempt) == (JobState.WAITING, 0)
    with pytest.raises(WrongState):
        await desk.queue.retry("acme", added.id)


async def test_what_is_given_back_is_taken_again(desk: QueueDesk) -> None:
    added = await desk.add()
    (taken,) = await desk.take()
    given = await desk.queue.step(GiveBack(added.id, taken.job.lease))
    assert (given.state, given.attempt, given.losses) == (JobState.WAITING, 0, 0)
    (taken,) = await desk.take()
    lost = await desk.queue.step(Lose(added.id, taken.job.lease))
    assert (lost.state, lost.attempt, lost.losses) == (JobState.WAITING, 0, 1)


async def test_what_is_discarded_is_lost_to_whoever_runs_it(desk: QueueDesk) -> None:
    added = await desk.add(data="[1,2,3]")
    (taken,) = await desk.take()
    await desk.queue.discard("acme", added.id)
    with pytest.raises(LeaseLost):
        await desk.queue.step(complete(taken.job))
    with pytest.raises(NoSuchJob):
        await desk.queue.get("acme", added.id)
    assert await desk.queue.looking.kept("acme") == Kept(0, 0)


async def test_a_job_of_the_same_key_is_the_same_until_it_is_over(desk: QueueDesk) -> None:
    first = await desk.add(key="order 7", data="1")
    same = await gathered(desk.add(key="order 7", data="2"), desk.add(key="order 7"), desk.add("mail", key="order 7"))
    assert {one.id for one in same} == {first.id}
    assert (await desk.add("other", "beta", key="order 7")).id != first.id
    both = await gathered(desk.add(key="new"), desk.add(key="new"))
    assert both[0].id == both[1].id
    (taken,) = (one for one in await desk.take(9) if one.job.id == first.id)
    assert (await desk.add(key="order 7")).id == first.id
    await desk.queue.step(complete(taken.job))
    assert (await desk.add(key="order 7")).id != first.id


async def test_a_dead_letter_whose_key_another_job_has_is_not_tried_again_beside_it(desk: QueueDesk) -> None:
    dead = await desk.add(key="one")
    (taken,) = await desk.take()
    await desk.queue.step(Fail(taken.job.id, taken.job.lease, JobError("no")))
    other = await desk.add(key="one")
    assert other.id != dead.id
    with pytest.raises(WrongState, match=f"{other.id} has its key"):
        await desk.queue.retry("acme", dead.id)
    await desk.queue.discard("acme", other.id)
    assert (await desk.queue.retry("acme", dead.id)).state is JobState.WAITING
    assert (await desk.add(key="one")).id == dead.id


async def test_jobs_are_taken_in_their_order(desk: QueueDesk) -> None:
    added = [await desk.add(priority=priority) for priority in (5, 0, 1, 0)]
    order = [added[1], added[3], added[2], added[0]]
    assert [one.job.id for one in await desk.take(2)] == [one.id for one in order[:2]]
    assert [one.job.id for one in await desk.take(9)] == [one.id for one in order[2:]]


async def test_a_delayed_job_waits_for_its_time(desk: QueueDesk) -> None:
    added = await desk.add(delay_ms=200)
    assert added.state is JobState.DELAYED
    assert await desk.queue.tidy() == 0
    assert await desk.take() == []
    desk.clock.now += 1
    await asyncio.sleep(SOON)
    await desk.queue.tidy()
    assert [one.job.id for one in await desk.take()] == [added.id]


async def test_limits_of_tenant_queue_and_script_hold(desk: QueueDesk) -> None:
    for script, tenant, queue in (("calls", "acme", "a"), ("mail", "acme", "b"), ("other", "beta", "a")):
        for _ in range(6):
            await desk.add(script, tenant, queue=queue)
    await desk.queue.looking.set_queue(Queue("acme", "shop", "a"), paused=False, at_once=1)
    limits = Limits(tenant={"acme": 4, "beta": None}.get, script=5)
    taken = [one for _ in range(5) for one in await desk.take(3, limits)]
    counts = [sum(one.job.script == script for one in taken) for script in ("calls", "mail", "other")]
    assert counts == [1, 3, 5]


async def test_a_paused_queue_is_passed_over(desk: QueueDesk) -> None:
    paused, other = await desk.add(queue="a"), await desk.add(queue="b")
    await desk.queue.looking.set_queue(Queue("acme", "shop", "a"), paused=True, at_once=None)
    assert [one.job.id for one in await desk.take(5)] == [other.id]
    first, second = await desk.queue.looking.queues("acme")
    assert (first.queue.name, first.paused, first.counts["waiting"]) == ("a", True, 1)
    assert (second.queue.name, second.paused, second.counts["active"]) == ("b", False, 1)
    await desk.queue.looking.set_queue(Queue("acme", "shop", "a"), paused=False, at_once=None)
    assert [one.job.id for one in await desk.take(5)] == [paused.id]


async def test_tenants_have_their_share_whoever_has_queued_how_much(desk: QueueDesk) -> None:
    await asyncio.gather(*(desk.add() for _ in range(300)))
    for _ in range(3):
        await desk.add("other", "beta")
    taken = [one.job.tenant for one in await desk.take(6)]
    assert sorted(taken) == ["acme"] * 3 + ["beta"] * 3


async def test_a_tenant_keeps_as_many_as_it_may(database_address: str) -> None:
    async with queue_desk(database_address, MayKeep(jobs=3, bytes=100)) as desk:
        answers = await gathered(*(desk.add(data="[]") for _ in range(5)))
        assert [type(one) for one in answers] == [Job] * 3 + [QueueFull] * 2
        await desk.add("other", "beta", data="x" * 90)
        with pytest.raises(QueueFull, match="more than 100 bytes"):
            await desk.add("other", "beta", data="x" * 90)
        await desk.queue.discard("acme", answers[0].id)
        await desk.add()


async def test_what_is_over_is_forgotten_in_its_time(desk: QueueDesk) -> None:
    added = await desk.add(keep_seconds=0)
    kept = await desk.add()
    for taken in await desk.take(2):
        await desk.queue.step(complete(taken.job))
    assert await desk.queue.tidy() == 1
    assert [one.id for one in await desk.queue.looking.page("acme", Wanted(), None, 9)] == [kept.id]
    with pytest.raises(NoSuchJob):
        await desk.queue.get("acme", added.id)
    assert (await desk.queue.looking.kept("acme")).jobs == 1


async def test_who_waits_for_a_job_is_told_by_whichever_process_ends_it(desk: QueueDesk) -> None:
    here, there = await desk.add(), await desk.add()
    waiting = [asyncio.ensure_future(desk.queue.end_of("acme", one.id)) for one in (here, there, there)]
    taken = {one.job.id: one.job for one in await desk.take(2)}
    other = JobQueue(desk.url, Keeping(), clock=desk.clock)
    await other.step(complete(taken[there.id]))
    await desk.queue.step(Fail(here.id, taken[here.id].lease, JobError("no")))
    ends = await asyncio.wait_for(asyncio.gather(*waiting), 10)
    assert [one.state for one in ends] == [JobState.FAILED, JobState.COMPLETED, JobState.COMPLETED]
    await other.close()


async def test_pages_are_of_what_is_wanted(desk: QueueDesk) -> None:
    added = [(await desk.add(script, queue=queue)).id for script in ("calls", "mail") for queue in ("a", "b", "a")]
    looking = desk.queue.looking
    newest = sorted(added, reverse=True)
    assert [one.id for one in await looking.page("acme", Wanted(), None, 4)] == newest[:4]
    assert [one.id for one in await looking.page("acme", Wanted(), newest[3], 4)] == newest[4:]
    found = await looking.page("acme", Wanted(script="calls", queue="a", app="shop", state=JobState.WAITING), None, 9)
    assert {one.id for one in found} == {added[0], added[2]}
    depth = await looking.depth()
    assert depth.counts == {JobState.WAITING: 6}


async def test_those_who_take_at_the_same_time_take_each_job_once(desk: QueueDesk) -> None:
    """And what is added, taken, lost and finished meanwhile by several processes ends completed once each."""
    rng = random.Random(20_261_128)  # noqa: S311 - repeatable
    queues = [JobQueue(desk.url, Keeping(completed=600), clock=desk.clock) for _ in range(3)]
    names = ["calls", "mail", "lonely"]
    added: list[str] = []
    finished: list[str] = []

    async def add(queue: JobQueue) -> None:
        for _ in range(40):
            new = NewJob(tenant="acme", script=rng.choice(names), queue=rng.choice("ab"))
            added.append((await queue.add(new)).id)

    async def run(queue: JobQueue, name: str) -> None:
        taking = queue.taking(name, Limits(tenant=lambda _: 25))
        while len(finished) < 120:
            await queue.tidy()
            taken = await taking.take(rng.randint(1, 10), 10_000_000)
            await asyncio.gather(*(end(queue, one) for one in taken))
            await asyncio.sleep(0.01)

    async def end(queue: JobQueue, one: Taken) -> None:
        if rng.random() < 0.2:
            await queue.step(rng.choice((GiveBack, Lose))(one.job.id, one.job.lease))
            return
        await queue.step(complete(one.job))
        finished.append(one.job.id)

    asked = [add(queue) for queue in queues] + [run(queue, str(number)) for number, queue in enumerate(queues)]
    # Whoever is lost too often is a dead letter: seldom, and counted as finished here.
    async with asyncio.timeout(60):
        tasks = [asyncio.ensure_future(one) for one in asked]
        await asyncio.gather(*tasks[:3])
        while True:
            depth = await queues[0].looking.depth()
            if depth.counts.keys() <= {JobState.COMPLETED, JobState.FAILED}:
                break
            await asyncio.sleep(0.05)
    for task in tasks[3:]:
        task.cancel()
    await asyncio.wait(tasks[3:])
    assert len(finished) == len(set(finished)) == depth.counts[JobState.COMPLETED]
    assert sum(depth.counts.values()) == len(added) == 120
    for queue in queues:
        await queue.close()


async def test_what_is_kept_is_counted_rightly(sqlite: QueueDesk) -> None:
    rng = random.Random(7)  # noqa: S311 - repeatable
    for number in range(60):
        await sqlite.add(rng.choice(("calls", "mail")), data="x" * rng.randint(0, 50), attempts=rng.randint(1, 3))
        for taken in await sqlite.take(rng.randint(0, 3)):
            lease = taken.job.lease
            steps: list[Any] = [
                Note(taken.job.id, lease, data="y" * rng.randint(0, 90)),
                rng.choice((complete(taken.job, "z" * number), Fail(taken.job.id, lease, JobError("x")))),
            ]
            for step in steps:
                await sqlite.queue.step(step)
        sqlite.clock.now += 10
        await sqlite.queue.tidy()
    storage = Storage(sqlite.url)
    async with storage.reading() as connection:
        sums = select(func.count(), func.sum(func.length(jobs.c.data) + func.coalesce(func.length(jobs.c.result), 0)))
        found = (await connection.execute(sums)).one()
        kept = (await connection.execute(select(job_spaces.c.jobs, job_spaces.c.bytes))).one()
    assert tuple(found) == tuple(kept)
    await storage.close()


async def test_a_clock_that_steps_loses_leases_and_no_job(sqlite: QueueDesk) -> None:
    added = await sqlite.add()
    (first,) = await sqlite.take()
    sqlite.clock.now += 3_600
    await sqlite.queue.tidy()
    (second,) = await sqlite.take()
    sqlite.clock.now -= 7_200
    with pytest.raises(LeaseLost):
        await sqlite.queue.step(complete(first.job))
    assert (await sqlite.queue.step(complete(second.job))).id == added.id
    assert replace(first.job, lease=2).lease == second.job.lease


async def test_a_clock_that_is_set_back_leaves_no_job_with_who_has_died(sqlite: QueueDesk) -> None:
    lease = LEASE_SECONDS * 1_000_000
    added = [await sqlite.add(), await sqlite.add()]
    lives, _ = await sqlite.take(2)
    sqlite.clock.now -= 3_600
    await sqlite.queue.tidy(lease)
    assert await sqlite.take(2) == [], "their processes may have them still"
    for _ in range(4):
        sqlite.clock.now += LEASE_SECONDS / 3
        await sqlite.queue.step(Renew(lives.job.id, lives.job.lease, lease))
        await sqlite.queue.tidy(lease)
    assert [one.job.id for one in await sqlite.take(2)] == [one.id for one in added if one.id != lives.job.id]
    await sqlite.queue.step(complete(lives.job))
