"""A process is listed as long as it lives: in what is shared, or else in its database."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from sidecar.configuration.database_url import DatabaseUrl
from sidecar.configuration.host_sections import SharedSection
from sidecar.configuration.shared_url import SharedUrl
from sidecar.configuration.tree import Configuration
from sidecar.hosts.services import Services
from sidecar.nodes import in_database, in_shared
from sidecar.nodes.in_database import DatabaseListing
from sidecar.nodes.node import Node
from sidecar.operations.presence import Load, Presence
from sidecar.storage.engine import Storage
from sidecar.storage.schema import upgrade
from tests.database_fixtures import servers
from tests.database_servers import Servers
from tests.shared_connection import new_prefix, new_shared, shared_address

__all__ = ["servers"]


def load() -> Load:
    return Load("v", 4, 3, 2)


async def seen(listed: Callable[[], Awaitable[Sequence[Node]]]) -> Sequence[Node]:
    async with asyncio.timeout(20):
        while not (found := await listed()):
            pass
    return found


async def test_who_has_nothing_in_common_is_listed_nowhere() -> None:
    services = Services(Configuration())
    presence = Presence(services, "daemon", "", load, None)
    await presence.start()
    await presence.close()
    await services.close()


async def test_one_that_shares_is_listed_there_and_not_in_the_database(servers: type[Servers], tmp_path: Path) -> None:
    storage = Storage(DatabaseUrl.parse(f"sqlite:///{tmp_path / 'a.db'}"), create=True)
    await upgrade(storage)
    prefix = new_prefix()
    section = SharedSection(url=SharedUrl.parse(shared_address()), prefix=prefix)
    services = Services(Configuration(shared=section))
    other = new_shared(prefix=prefix)
    presence = Presence(services, "daemon", "east", load, DatabaseListing(storage))
    await presence.start()
    (found,) = await seen(lambda: in_shared.listed(other))
    assert (found.name, found.role, found.catalog, found.revision) == ("east", "daemon", "v", 4)
    assert (found.runs, found.calls) == (3, 2)
    await presence.close()
    assert await in_shared.listed(other) == []
    assert await in_database.listed(storage) == []
    await services.close()
    await other.close()
    await storage.close()


async def test_one_that_shares_nothing_is_listed_in_the_database(tmp_path: Path) -> None:
    storage = Storage(DatabaseUrl.parse(f"sqlite:///{tmp_path / 'a.db'}"), create=True)
    await upgrade(storage)
    services = Services(Configuration())
    presence = Presence(services, "platform", "east", load, DatabaseListing(storage))
    await presence.start()
    (found,) = await seen(lambda: in_database.listed(storage))
    assert (found.name, found.role, found.revision) == ("east", "platform", 4)
    await presence.close()
    assert await in_database.listed(storage) == []
    await services.close()
    await storage.close()
