"""A platform, and terminals of people who ask it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sidecar.cli.remote.terminal import Terminal
from tests.sidecar.http.platform_desk import PlatformDesk


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformDesk]:
    """A platform that the tests of this folder share: each uses names of its own."""
    desk = PlatformDesk(tmp_path_factory.mktemp("platform"))
    yield desk
    desk.stop()


@pytest.fixture
def terminal(
    desk: PlatformDesk, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> Terminal:
    """That of somebody of acme's, who has logged in."""
    for name in ("SCRIPTFORGE_API", "SCRIPTFORGE_TOKEN", "SCRIPTFORGE_SERVER", "SCRIPTFORGE_TENANT"):
        monkeypatch.delenv(name, raising=False)
    terminal = Terminal(monkeypatch, capfdbinary, tmp_path / "home")
    assert terminal("login", desk.url, typed=f"{desk.token('acme')}\n")[0] == 0
    return terminal


@pytest.fixture
def other(
    desk: PlatformDesk,
    terminal: Terminal,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    tmp_path: Path,
) -> Terminal:
    """That of somebody else of acme's."""
    other = Terminal(monkeypatch, capfdbinary, tmp_path / "other-home")
    assert other("login", desk.url, typed=f"{desk.token('acme')}\n")[0] == 0
    return other
