"""A pool for each test."""

from collections.abc import AsyncIterator

import pytest

from sandbox.pool import Pool
from tests.sandbox.support import running_pool


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    async with running_pool() as serving:
        yield serving
