"""A pool for each test, or what the workers of one are forked from."""

from collections.abc import AsyncIterator

import pytest

from sandbox.parent import Parent
from sandbox.pool import Pool
from tests.sandbox.support import running_pool


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    async with running_pool() as serving:
        yield serving


@pytest.fixture
async def forks() -> AsyncIterator[Parent]:
    started = Parent()
    started.start()
    yield started
    started.close()
