"""A database as it is asked."""

import asyncio
from pathlib import Path

from sidecar.configuration.database_url import DatabaseUrl
from sidecar.storage.engine import Storage


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
