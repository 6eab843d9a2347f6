"""What a process shares, led through its life: what is told of it, and what is left of it."""

import asyncio

from sidecar.configuration.host_sections import SharedSection
from sidecar.configuration.shared_url import SharedUrl
from sidecar.configuration.tree import Configuration
from sidecar.hosts.services import Services
from sidecar.operations.sharing import Load, Sharing
from sidecar.shared.nodes import listed
from tests.database_fixtures import servers
from tests.database_servers import Servers
from tests.shared_connection import new_prefix, new_shared, shared_address

__all__ = ["servers"]


def load() -> Load:
    return Load("v", 3, 2)


async def test_who_shares_nothing_says_nothing_of_it() -> None:
    services = Services(Configuration())
    sharing = Sharing(services, "daemon", "", load, lambda: None)
    await sharing.start()
    assert (sharing.words, sharing.state().details) == ("", {})
    samples = {one.name: one.value for family in sharing.metrics().collect() for one in family.samples}
    assert samples["scriptforge_shared_available"] == 1
    await sharing.close()
    await services.close()
    assert services.usage.used_levels is None, "nobody is told of what is used"


async def test_a_loss_is_told_in_the_status_and_health_and_nothing_is_left(servers: type[Servers]) -> None:
    tasks = len(asyncio.all_tasks())
    prefix = new_prefix()
    section = SharedSection(url=SharedUrl.parse(shared_address()), prefix=prefix)
    services = Services(Configuration(shared=section))
    told: list[str] = []
    sharing = Sharing(services, "daemon", "east", load, lambda: told.append(sharing.words))
    await sharing.start()
    other = new_shared(prefix=prefix)
    async with asyncio.timeout(60):
        while not (nodes := await listed(other)):
            pass
    assert [(one.name, one.role, one.catalog, one.runs, one.calls) for one in nodes] == [("east", "daemon", "v", 3, 2)]
    assert (sharing.words, dict(sharing.state().details)) == ("", {"shared": True})
    shared = await services.shared()
    assert shared is not None
    shared.lose(ConnectionError("it is cut"))
    assert sharing.words == f", WITHOUT {shared_address()}: it is cut"
    assert dict(sharing.state().details) == {"shared": False, "shared_lost": f"{shared_address()}: it is cut"}
    assert sharing.state().fault == "", "calls are decided"
    await shared.present()
    assert told == [f", WITHOUT {shared_address()}: it is cut", ""]
    await sharing.close()
    await services.close()
    assert await listed(other) == [], "who ends is not waited for"
    await other.close()
    assert len(asyncio.all_tasks()) == tasks
