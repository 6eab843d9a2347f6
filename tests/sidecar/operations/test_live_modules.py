"""What is installed while a process runs: taken over once, and what cannot be read or used leaves what there was."""

import asyncio
from pathlib import Path

import pytest

from sidecar.errors import SidecarError
from sidecar.hosts.node.packages import Packages
from sidecar.lifecycle import PartState
from sidecar.npm.manifest import FILE_NAME
from sidecar.npm.writing import add_modules, remove_module
from sidecar.operations.live_modules import LiveModules
from tests.acceptance.processes import wait_until
from tests.sidecar.npm.test_writing import built, told


class Site:
    """A folder of modules, and what was handed on of it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.used: list[list[str]] = []
        self.refuses = ""
        self.modules = LiveModules(directory, self.use)

    async def use(self, packages: Packages) -> None:
        if self.refuses:
            raise SidecarError(self.refuses)
        self.used.append([f"{name} {' '.join(versions)}" for name, versions in packages.installed().items()])


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "modules")


async def test_what_is_installed_or_removed_is_handed_on_once(site: Site) -> None:
    await site.modules.look_again()
    assert site.used == []
    add_modules(site.directory, [built("a"), built("a", "2.0.0", "2")], told)
    await site.modules.look_again()
    await site.modules.look_again()
    assert site.used == [["a 1.0.0 2.0.0"]]
    remove_module(site.directory, "a", "2.0.0", told)
    await site.modules.look_again()
    assert site.used[1:] == [["a 1.0.0"]]


async def test_what_was_there_before_is_not_handed_on(tmp_path: Path) -> None:
    add_modules(tmp_path, [built("a")], told)
    site = Site(tmp_path)
    await site.modules.look_again()
    assert site.used == []


async def test_what_cannot_be_read_leaves_what_there_was(site: Site) -> None:
    add_modules(site.directory, [built("a")], told)
    good = (site.directory / FILE_NAME).read_bytes()
    (site.directory / FILE_NAME).write_bytes(b"{")
    await site.modules.look_again()
    assert site.used == []
    assert "manifest.json" in str(site.modules.state().details["modules_problem"])
    (site.directory / FILE_NAME).write_bytes(good)
    await site.modules.look_again()
    assert site.used == [["a 1.0.0"]]
    assert site.modules.state() == PartState()


async def test_what_cannot_be_used_is_handed_on_again(site: Site) -> None:
    add_modules(site.directory, [built("a")], told)
    site.refuses = "the database is gone"
    await site.modules.look_again()
    assert site.modules.state().details == {"modules_problem": "the database is gone"}
    site.refuses = ""
    await site.modules.look_again()
    assert site.used == [["a 1.0.0"]]


async def test_it_looks_by_itself_until_its_end(site: Site) -> None:
    await site.modules.start()
    add_modules(site.directory, [built("a")], told)
    await asyncio.to_thread(wait_until, lambda: site.used == [["a 1.0.0"]], "what was installed is handed on")
    await site.modules.close()
