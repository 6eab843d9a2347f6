"""Schedules in each kind of database: each due time has one job, whoever looks and whatever the clock does."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert, select, update

from sidecar.catalog.database import schedules as catalog
from sidecar.catalog.database.schedules import ScheduleRecord
from sidecar.catalog.database.tenants import ensure_operator
from sidecar.catalog.database.work import Actor, Store
from sidecar.queue import scheduling
from sidecar.queue.adding import MayKeep
from sidecar.queue.errors import NoSuchSchedule, StillRunning
from sidecar.queue.job import JobError, JobState
from sidecar.queue.life import Complete, Fail
from sidecar.queue.looking import Wanted
from sidecar.queue.queue import JobQueue
from sidecar.schedules.plan import Missed
from sidecar.schedules.timetable import MICROS
from sidecar.storage.engine import Storage
from sidecar.storage.tables import schedules
from tests.sidecar.queue.queue_desk import QueueDesk, queue_desk

HOUR = 3_600
OPERATOR = Actor("root", "a test", operator=True)


async def now_of(desk: QueueDesk) -> int:
    async with desk.queue._rows.storage.reading() as connection:
        return await desk.queue._rows.now(connection)


async def make(desk: QueueDesk, name: str = "nightly", ago: float | None = 1, **more: Any) -> None:
    """A schedule that was due so many seconds ago; None for one that waits for its time."""
    storage = Storage(desk.url)
    store = Store(storage)
    await ensure_operator(store, OPERATOR)
    async with store.working(OPERATOR, "acme") as work:
        record = ScheduleRecord(id=name, script="calls", **{"cron": "0 0 1 1 *", **more})
        await catalog.put_schedule(work, record)
        if ago is not None:
            due = await now_of(desk) - int(ago * MICROS)
            await work.connection.execute(update(schedules).where(schedules.c.id == name).values(due=due))
    await storage.close()


async def row(desk: QueueDesk, name: str = "nightly") -> Any:
    async with desk.queue._rows.storage.reading() as connection:
        return (await connection.execute(select(schedules).where(schedules.c.id == name))).one()


async def jobs(desk: QueueDesk) -> list[Any]:
    found = await desk.queue.looking.page("acme", Wanted(), None, 1_000)
    return [(job, msgspec.json.decode((await desk.queue.texts("acme", job.id)).data)) for job in reversed(found)]


async def finish(desk: QueueDesk, *, fails: bool = False) -> None:
    (taken,) = await desk.take()
    job = taken.job
    step = Fail(job.id, job.lease, JobError("no")) if fails else Complete(job.id, job.lease, "1")
    await desk.queue.step(step)


async def test_what_is_due_has_a_job_and_a_next_time_at_once(desk: QueueDesk) -> None:
    await make(desk, data={"of": 3}, attempts=2, function="work")
    before = await row(desk)
    look = await desk.queue.scheduling.look()
    assert (len(look.late_micros), look.made_up, look.left_out, look.faults) == (1, 0, 0, [])
    assert look.late_micros[0] >= MICROS
    ((job, data),) = await jobs(desk)
    at = datetime.fromtimestamp(before.due / MICROS, UTC)
    due = datetime.fromisoformat(data["schedule"].pop("due"))
    assert abs((due - at).total_seconds()) < 0.001
    assert data == {"of": 3, "schedule": {"id": "nightly", "missed": 0}}
    assert (job.script, job.function, job.attempts, job.source) == ("calls", "work", 2, "schedule nightly")
    after = await row(desk)
    assert (after.last, after.job, after.runs, after.left_out) == (before.due, job.id, 1, 0)
    assert after.due > await now_of(desk)
    assert await jobs(desk) == [(job, {**data, "schedule": {**data["schedule"], "due": due_text(due)}})]


def due_text(due: datetime) -> str:
    return due.isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def test_nothing_is_due_before_its_time(desk: QueueDesk) -> None:
    await make(desk, ago=-300)
    look = await desk.queue.scheduling.look()
    assert look.wait_micros is not None
    assert 0 < look.wait_micros <= 300 * MICROS
    assert await jobs(desk) == []


async def test_many_who_look_at_once_add_one_job_for_each(desk: QueueDesk) -> None:
    for number in range(20):
        await make(desk, f"s{number}")
    others = [JobQueue(desk.url, desk.queue._store._keeping, clock=desk.clock) for _ in range(3)]
    looks = [one.scheduling.look() for one in (desk.queue, *others) for _ in range(3)]
    found = await asyncio.gather(*looks)
    assert sum(len(look.late_micros) for look in found) == 20
    sources = [job.source for job, _ in await jobs(desk)]
    assert sorted(sources) == sorted(f"schedule s{number}" for number in range(20))
    for one in others:
        await one.close()


async def test_a_schedule_never_runs_twice_at_once(desk: QueueDesk) -> None:
    await make(desk)
    await desk.queue.scheduling.look()
    async with desk.queue._rows.storage.writing() as connection:
        await connection.execute(update(schedules).values(due=await now_of(desk) - 3 * MICROS))
    assert (await desk.queue.scheduling.look()).late_micros == ()
    await finish(desk, fails=True)
    assert len((await desk.queue.scheduling.look()).late_micros) == 1
    assert len(await jobs(desk)) == 2


async def test_all_that_were_missed_run_one_after_the_other(desk: QueueDesk) -> None:
    await make(desk, ago=2 * HOUR, cron="*/10 * * * *", missed=Missed.ALL, most=3)
    seen = []
    for number in range(3):
        look = await desk.queue.scheduling.look()
        assert (look.made_up, len(look.late_micros)) in ((1, 0), (0, 1)), number
        assert (await desk.queue.scheduling.look()).made_up == 0
        seen.append((await jobs(desk))[-1][1]["schedule"])
        await finish(desk)
    assert [one["missed"] > 0 for one in seen] == [True, False, False]
    assert sorted(one["due"] for one in seen) == [one["due"] for one in seen]
    assert (await row(desk)).due > await now_of(desk)
    assert (await desk.queue.scheduling.look()).made_up == 0


async def test_none_that_were_missed_run(desk: QueueDesk) -> None:
    await make(desk, ago=2 * HOUR, missed=Missed.NONE)
    look = await desk.queue.scheduling.look()
    assert (look.made_up, look.left_out, await jobs(desk)) == (0, 1, [])
    after = await row(desk)
    assert (after.left_out, after.runs, after.job) == (1, 0, None)
    assert after.due > await now_of(desk)


async def test_a_tenant_without_room_for_jobs_is_told_why_there_is_none(database_address: str) -> None:
    async with queue_desk(database_address, MayKeep(jobs=1)) as desk:
        await desk.add()
        await make(desk)
        look = await desk.queue.scheduling.look()
        assert look.faults == [("acme", "nightly", "more than 1 jobs are kept already, with those that are over")]
        after = await row(desk)
        assert (after.left_out, after.runs, after.fault) == (1, 0, look.faults[0][2])
        assert after.due > await now_of(desk)


async def test_it_runs_now_also_while_it_is_paused_but_not_twice_at_once(desk: QueueDesk) -> None:
    await make(desk, ago=None, paused=True)
    assert (await desk.queue.scheduling.look()).wait_micros is None
    job = await desk.queue.scheduling.run_now("acme", "nightly")
    assert (job.state, (await row(desk)).job) == (JobState.WAITING, job.id)
    with pytest.raises(StillRunning, match=job.id):
        await desk.queue.scheduling.run_now("acme", "nightly")
    await finish(desk)
    await desk.queue.scheduling.run_now("acme", "nightly")
    with pytest.raises(NoSuchSchedule):
        await desk.queue.scheduling.run_now("beta", "nightly")
    after = await row(desk)
    assert (after.runs, after.due) == (2, None)


async def test_more_than_one_look_takes_are_looked_at_in_the_order_of_their_times(
    desk: QueueDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduling, "LOOKED_AT", 20)
    await make(desk, "first", ago=300)
    async with desk.queue._rows.storage.writing() as connection:
        one = dict((await connection.execute(select(schedules))).one()._mapping)
        rest = [{**one, "id": f"s{number}", "due": one["due"] + number * 1_000} for number in range(1, 25)]
        await connection.execute(insert(schedules), rest)
    await desk.queue.scheduling.look()
    sources = {job.source for job, _ in await jobs(desk)}
    assert len(sources) == 20
    assert "schedule first" in sources
    assert "schedule s24" not in sources
    await desk.queue.scheduling.look()
    assert len(await jobs(desk)) == 25


async def test_a_clock_that_steps_runs_no_due_time_twice(tmp_path: Any) -> None:
    """The tests' own clock, which is SQLite's time: a server has its own."""
    async with queue_desk(f"sqlite:///{tmp_path / 'jobs.db'}") as desk:
        await make(desk, ago=0, cron="*/10 * * * *", missed=Missed.ALL, most=100)
        began = desk.clock.now
        for step in (0, HOUR, -HOUR, 300, 900, -2 * HOUR, 4 * HOUR):
            desk.clock.now += step
            for _ in range(100):
                look = await desk.queue.scheduling.look()
                if not (look.late_micros or look.made_up):
                    break
                await finish(desk)
        times = [data["schedule"]["due"] for _, data in await jobs(desk)]
        assert times == sorted(set(times))
        # From the first to the last one each, the first by the time at which it was made.
        assert len(times) == 1 + int((desk.clock.now) // 600 - began // 600)
