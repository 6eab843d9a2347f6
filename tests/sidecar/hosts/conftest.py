"""What scripts' hosts are tried with: web servers on loopback, and a clock that a test moves."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from tests.sidecar.hosts.moved_clock import MovedClock
from tests.sidecar.hosts.web_site import Site, serve

if TYPE_CHECKING:
    from tests.sidecar.hosts.authority import Authority


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
def authority(tmp_path_factory: pytest.TempPathFactory) -> "Authority":
    # What it is made with keeps memory to the process's end: .ci/sanitize would take that for a leak of ours.
    from tests.sidecar.hosts.authority import Authority  # noqa: PLC0415

    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()
