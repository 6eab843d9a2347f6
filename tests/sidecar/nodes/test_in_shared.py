"""Processes that share a Valkey or Redis list themselves there."""

from collections.abc import AsyncIterator

import pytest
from msgspec import structs

from sidecar.nodes import in_shared
from sidecar.nodes.in_shared import SharedListing, listed
from sidecar.nodes.node import Node
from sidecar.shared.connection import Shared
from tests.database_servers import Servers
from tests.shared_connection import new_shared

NODE = Node(
    id="1", name="b", role="daemon", pid=7, version="1", catalog="x", since=5, runs=1, calls=2, runs_a_second=3.5
)


@pytest.fixture
async def shared(servers: type[Servers]) -> AsyncIterator[Shared]:
    connection = new_shared()
    yield connection
    await connection.close()


async def test_each_is_listed_as_it_told_last(shared: Shared) -> None:
    assert await listed(shared) == []
    for node in (NODE, structs.replace(NODE, id="2", name="a"), structs.replace(NODE, runs=9)):
        await SharedListing(shared).tell(node)
    found = await listed(shared)
    assert [(node.id, node.name, node.runs) for node in found] == [("2", "a", 1), ("1", "b", 9)]
    assert 0 <= found[0].seen_seconds < 10
    assert structs.replace(found[1], seen_seconds=0.0) == structs.replace(NODE, runs=9)


async def test_who_has_left_or_is_silent_is_listed_no_more(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    for node in (NODE, structs.replace(NODE, id="2")):
        await SharedListing(shared).tell(node)
    await SharedListing(shared).leave("1")
    assert [node.id for node in await listed(shared)] == ["2"]
    monkeypatch.setattr(in_shared, "GONE_SECONDS", 0.0)
    assert await listed(shared) == []
    monkeypatch.undo()
    assert await listed(shared) == [], "nothing is left of it"


async def test_one_of_another_release_hides_nobody(shared: Shared) -> None:
    await SharedListing(shared).tell(NODE)
    await shared.ask("HSET", f"{shared.prefix}:nodes", "2", b"99999999999999999:\xc1\xff")
    assert [node.id for node in await listed(shared)] == ["1"]
