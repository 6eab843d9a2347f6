"""A database as it is asked."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import select

from sidecar.configuration.database_url import DatabaseUrl
from sidecar.storage import engine
from sidecar.storage.engine import Storage
from sidecar.storage.errors import DatabaseUnreachable
from sidecar.storage.schema import upgrade
from sidecar.storage.tables import schema_state
from tests.database_servers import Servers, new_database


async def test_on_sqlite_those_who_write_have_their_turn_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    storage = Storage(DatabaseUrl.parse(f"sqlite:///{tmp_path / 'turns.db'}"), create=True)
    turns: list[int] = []
    asked, may_end = asyncio.Semaphore(0), asyncio.Event()

    async def write(number: int) -> None:
        asked.release()
        async with storage.writing():
            turns.append(number)
            await may_end.wait()

    # More than there are connections: who waits has none.
    tasks = []
    for number in range(15):
        tasks.append(asyncio.create_task(write(number)))
        await asked.acquire()
    may_end.set()
    async with asyncio.timeout(60):
        await asyncio.gather(*tasks)
    assert turns == list(range(15))
    await storage.close()


@pytest.mark.parametrize("name", ["postgresql", "mysql"])
async def test_a_transaction_of_who_is_gone_holds_its_rows_for_a_while_and_no_longer(
    servers: type[Servers], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    del servers
    url = DatabaseUrl.parse(new_database(name))
    monkeypatch.setattr(engine, "IDLE_SECONDS", 1)
    gone, other = Storage(url), Storage(url)
    await upgrade(other)
    query = select(schema_state).with_for_update(skip_locked=True)

    async def hold_on() -> None:
        async with gone.writing() as connection:
            assert (await connection.execute(query)).all()
            async with asyncio.timeout(60):
                while True:
                    async with other.writing() as beside:
                        if (await beside.execute(query)).all():
                            break
                    await asyncio.sleep(0.1)
            await connection.execute(query)

    with pytest.raises(DatabaseUnreachable):
        await hold_on()
    async with gone.writing() as connection:
        assert (await connection.execute(query)).all(), "it is back"
    for storage in (gone, other):
        await storage.close()
