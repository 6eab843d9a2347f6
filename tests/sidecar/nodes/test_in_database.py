"""Processes that have nothing in common but a database list themselves there."""

from collections.abc import AsyncIterator

import pytest
from msgspec import structs
from sqlalchemy import insert, select

from sidecar.configuration.database_url import DatabaseUrl
from sidecar.nodes import in_database
from sidecar.nodes.in_database import DatabaseListing, listed
from sidecar.nodes.node import Node
from sidecar.storage.engine import Storage
from sidecar.storage.schema import upgrade
from sidecar.storage.tables import nodes

NODE = Node(
    id="1",
    name="b",
    role="daemon",
    pid=7,
    version="1",
    catalog="x",
    revision=12,
    since=5,
    runs=1,
    calls=2,
    runs_a_second=3.5,
)


@pytest.fixture
async def storage(database_address: str) -> AsyncIterator[Storage]:
    storage = Storage(DatabaseUrl.parse(database_address), create=True)
    await upgrade(storage)
    yield storage
    await storage.close()


async def test_each_is_listed_as_it_told_last(storage: Storage) -> None:
    listing = DatabaseListing(storage)
    assert await listed(storage) == []
    for node in (NODE, structs.replace(NODE, id="2", name="a"), structs.replace(NODE, runs=9), NODE):
        await listing.tell(node)
    found = await listed(storage)
    assert [(node.id, node.name, node.runs) for node in found] == [("2", "a", 1), ("1", "b", 1)]
    assert 0 <= found[0].seen_seconds < 10
    assert structs.replace(found[1], seen_seconds=0.0) == NODE


async def test_who_has_left_or_is_silent_is_listed_no_more(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = DatabaseListing(storage)
    for node in (NODE, structs.replace(NODE, id="2")):
        await listing.tell(node)
    await listing.leave("1")
    assert [node.id for node in await listed(storage)] == ["2"]
    monkeypatch.setattr(in_database, "GONE_SECONDS", 0.0)
    assert await listed(storage) == []
    await listing.tell(structs.replace(NODE, id="3"))
    async with storage.reading() as connection:
        kept = (await connection.execute(select(nodes.c.id))).scalars().all()
    assert kept == ["3"], "who comes takes the dead from the table"


async def test_one_of_another_release_hides_nobody(storage: Storage) -> None:
    await DatabaseListing(storage).tell(NODE)
    async with storage.writing() as connection:
        await connection.execute(insert(nodes).values(id="2", seen=2**62, told="[]"))
    assert [node.id for node in await listed(storage)] == ["1"]


async def test_nothing_is_raised_where_there_is_no_database() -> None:
    listing = DatabaseListing(Storage(DatabaseUrl.parse("postgresql://nobody@127.0.0.1:1/nothing")))
    await listing.tell(NODE)
    await listing.leave("1")
