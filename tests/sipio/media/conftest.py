from collections.abc import AsyncIterator

import pytest

from tests.sipio.media.media_doubles import SETTINGS, House


@pytest.fixture
async def house() -> AsyncIterator[House]:
    made = House(SETTINGS, None)
    yield made
    await made.close()
