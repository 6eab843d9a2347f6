"""Which jobs are taken, whatever else waits: of whom there is room, in their order, at a cost that does not grow."""

import asyncio
import uuid

import pytest
from sqlalchemy import insert

from sidecar.configuration.database_url import Database
from sidecar.queue import adding
from sidecar.queue.errors import QueueFull
from sidecar.queue.life import Complete
from sidecar.queue.looking import Wanted
from sidecar.queue.taking import TENANTS, Limits, _lanes
from sidecar.storage.tables import scripts, tenants
from tests.sidecar.queue.queue_desk import QueueDesk


async def test_tenants_that_may_begin_nothing_keep_no_place_from_others(desk: QueueDesk) -> None:
    """However many they are, and however long ago each of them was served."""
    blocked = TENANTS + 6
    await tenants_with_jobs(desk, blocked)
    await desk.add("other", "beta")

    def room(tenant: str) -> int | None:
        return None if tenant == "beta" else 0

    assert [one.job.tenant for one in await desk.take(5, Limits(tenant=room))] == ["beta"]


async def test_of_many_lanes_of_a_queue_the_first_jobs_are_taken(desk: QueueDesk) -> None:
    await tenants_with_jobs(desk, 1, scripts_each=30)
    first = [(await desk.add(f"alpha0-{number}", "alpha0", priority=0)).id for number in (17, 3, 17, 29)]
    assert [one.job.id for one in await desk.take(4)] == first
    assert len(await desk.take(50)) == 30


async def test_queues_that_had_jobs_cost_nothing_once_they_are_empty(sqlite: QueueDesk) -> None:
    """What is read of the database to take one job does not grow with them."""

    async def steps() -> int:
        await sqlite.add("other", "beta")
        async with sqlite.queue._storage.writing() as connection:
            raw = await connection.get_raw_connection()
            driver = raw.driver_connection
            assert driver is not None
            count = 0

            def step() -> int:
                nonlocal count
                count += 1
                return 0

            await driver.set_progress_handler(step, 100)
            await _lanes(connection, Database.SQLITE)
            await driver.set_progress_handler(None, 100)
        return count

    before = await steps()
    await asyncio.gather(*(sqlite.add(queue=f"q{number}") for number in range(1_000)))
    while taken := await sqlite.take(3_000):
        steps_of = (Complete(one.job.id, one.job.lease, "1") for one in taken)
        await asyncio.gather(*map(sqlite.queue.step, steps_of))
    assert await steps() <= before + 5


async def test_a_tenant_has_so_many_queues_and_those_that_are_empty_make_room(
    desk: QueueDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adding, "LANES", 3)
    one, *_ = [await desk.add(queue=queue) for queue in ("a", "b", "c")]
    with pytest.raises(QueueFull, match="3 queues of scripts already"):
        await desk.add(queue="d")
    await desk.add("other", "beta", queue="d")
    assert (await desk.add(queue="c")).queue == "c"
    await desk.queue.discard("acme", one.id)
    await desk.add(queue="d")
    # Its lane is gone, which no process goes on with.
    with pytest.raises(QueueFull):
        await desk.add(queue="a")
    taken = {one.job.id for _ in range(6) for one in await desk.take(9)}
    assert len(taken) == 5
    for queue in ("b", "c", "d"):
        (own, *_) = await desk.queue.looking.page("acme", Wanted(queue=queue), None, 9)
        await desk.queue.discard("acme", own.id)
    again = await desk.add(queue="a")
    assert [one.job.id for one in await desk.take(9)] == [again.id]


async def tenants_with_jobs(desk: QueueDesk, number: int, scripts_each: int = 1) -> None:
    """Tenants ``alpha0`` and so on, each with scripts ``alpha0-0`` and so on, of each of which a job waits behind all
    others."""
    async with desk.queue._storage.writing() as connection:
        for one in range(number):
            await connection.execute(insert(tenants).values(id=100 + one, name=f"alpha{one}", created=0))
            for script in range(scripts_each):
                await connection.execute(
                    insert(scripts).values(
                        id=f"alpha{one}-{script}",
                        tenant_id=100 + one,
                        name="x.js",
                        uuid=str(uuid.uuid4()),
                        version=1,
                        environment="{}",
                        public=False,
                        global_routing_priority="disabled",
                        vars="{}",
                        position=1000 + one * scripts_each + script,
                    )
                )
    await asyncio.gather(
        *(
            desk.add(f"alpha{one}-{script}", f"alpha{one}", priority=9)
            for one in range(number)
            for script in range(scripts_each)
        )
    )
