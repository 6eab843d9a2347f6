"""One platform for the tests of a file."""

from collections.abc import Iterator

import pytest

from tests.database_fixtures import servers
from tests.sidecar.http.platform_desk import PlatformDesk

__all__ = ["servers"]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformDesk]:
    """A platform that the tests of a file share: each uses names of its own."""
    desk = PlatformDesk(tmp_path_factory.mktemp("platform"))
    yield desk
    desk.stop()
