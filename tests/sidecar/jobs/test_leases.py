"""What this process has until a lease ends, while the database is there and while it is not."""

import asyncio

import pytest

from sidecar.jobs import leases as leases_module
from sidecar.jobs.leases import Leased, Leases
from sidecar.queue.errors import LeaseLost
from sidecar.storage.errors import DatabaseUnreachable, StorageError


class Own(Leased):
    """One that notes that it was given up."""

    cancelled = 0

    def cancel(self) -> None:
        self.cancelled += 1


class Database:
    """Says what it is told to, one after the other, and then yes."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.asked = 0

    async def tell(self) -> str:
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        return "kept"


AWAY = DatabaseUnreachable("away")
LOST = LeaseLost("lost")


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases_module, "AGAIN_SECONDS", 0.0)


def taken(leases: Leases[Own]) -> Own:
    return leases.under_way.begin("one", Own("one", {"job": "one"}))


async def test_what_came_of_it_is_told_again_until_the_database_is_there() -> None:
    leases: Leases[Own] = Leases(30.0)
    own, database = taken(leases), Database(AWAY, AWAY)
    assert await leases.told(own, database.tell) == "kept"
    assert database.asked == 3
    leases.over(own)
    assert (leases.lost, len(leases.under_way)) == (0, 0)


async def test_what_somebody_else_has_is_given_up_and_counted_once() -> None:
    leases: Leases[Own] = Leases(30.0)
    own = taken(leases)
    with pytest.raises(LeaseLost):
        await leases.told(own, Database(AWAY, LOST).tell)
    leases.over(own)
    assert (own.cancelled, leases.lost, len(leases.under_way)) == (1, 1, 0)


async def test_nothing_is_told_of_what_is_lost() -> None:
    leases: Leases[Own] = Leases(30.0)
    own, database = taken(leases), Database()
    own.lose()
    with pytest.raises(LeaseLost):
        await leases.told(own, database.tell)
    assert database.asked == 0


async def test_at_the_end_of_the_process_nobody_waits_for_the_database() -> None:
    leases: Leases[Own] = Leases(30.0)
    own = taken(leases)
    await leases.close()
    with pytest.raises(StorageError):
        await leases.told(own, Database(AWAY).tell)


@pytest.mark.parametrize(("error", "lost"), [(None, False), (AWAY, False), (LOST, True)])
async def test_a_lease_is_kept_while_it_can_be(error: Exception | None, *, lost: bool) -> None:
    leases: Leases[Own] = Leases(30.0)
    own = taken(leases)
    await leases.renew(own, Database(*([error] if error else [])).tell)
    assert own.is_lost == lost


async def test_a_lease_that_could_not_be_renewed_in_its_time_is_lost() -> None:
    leases: Leases[Own] = Leases(0.0)
    own = taken(leases)
    await leases.renew(own, Database(AWAY).tell)
    assert own.is_lost
    assert own.cancelled == 1


async def test_a_lease_is_lost_at_its_end_also_where_the_database_says_nothing_at_all() -> None:
    leases: Leases[Own] = Leases(0.05)
    own, answers = taken(leases), asyncio.Event()

    async def tell() -> None:
        await answers.wait()
        raise LOST

    async with asyncio.timeout(60):
        await leases.renew(own, tell)
    assert (own.is_lost, own.cancelled) == (True, 1)
    answers.set()
    await leases.close()


async def test_one_whose_end_was_told_meanwhile_is_not_lost() -> None:
    leases: Leases[Own] = Leases(30.0)
    own = taken(leases)

    async def tell() -> None:
        leases.over(own)
        raise LOST

    await leases.renew(own, tell)
    assert not own.is_lost


async def test_what_is_being_told_has_time_at_the_end_and_what_goes_on_has_none() -> None:
    leases: Leases[Own] = Leases(30.0)
    told = []

    async def tell() -> None:
        await asyncio.sleep(0)
        told.append(1)

    async def go_on() -> None:
        await asyncio.Event().wait()

    leases.run(go_on())
    leases.say(tell())
    await leases.close()
    assert told == [1]
