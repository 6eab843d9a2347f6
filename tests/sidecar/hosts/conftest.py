"""What scripts' hosts are tried with: web servers on loopback, and a clock that a test moves."""

from collections.abc import AsyncIterator

import pytest

from tests.sidecar.hosts.authority import Authority
from tests.sidecar.hosts.moved_clock import MovedClock
from tests.sidecar.hosts.web_site import Site, serve


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = Site()
    runner = await serve(made)
    yield made
    await runner.cleanup()


@pytest.fixture
async def other_site() -> AsyncIterator[Site]:
    made = Site()
    runner = await serve(made)
    yield made
    await runner.cleanup()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()
