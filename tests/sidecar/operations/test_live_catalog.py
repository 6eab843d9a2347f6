"""The catalog that runs: what is handed on, what is said of it, what a refused one leaves as it was."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sidecar.catalog.directory.loader import DirectoryLoader
from sidecar.catalog.directory.watch import DirectorySource
from sidecar.catalog.model import Snapshot
from sidecar.configuration.tree import CatalogSection, DecisionSection
from sidecar.errors import CatalogError, RefusedCatalogError
from sidecar.operations.live_catalog import LiveCatalog

GOOD = '[[route]]\ncustomer = "acme"\nscript = "a"\n'


class Site:
    """A catalog in a directory, and the snapshots that were handed on."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "scripts").mkdir()
        (directory / "scripts" / "a.js").write_text("function main(data) { return data }\n")
        self.assign(GOOD)
        self.used: list[Snapshot] = []
        section = CatalogSection(directory=directory, watch=False)
        self.catalog = LiveCatalog(DirectorySource(DirectoryLoader(section, DecisionSection())), self.used.append)

    def assign(self, text: str) -> None:
        (self.directory / "assignments.toml").write_text(text)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    made = Site(tmp_path)
    yield made
    await made.catalog.close()


async def test_what_is_loaded_is_handed_on_and_told(site: Site) -> None:
    catalog = site.catalog
    assert catalog.last_load() is None
    await catalog.start()
    [snapshot] = site.used
    assert catalog.snapshot is snapshot
    assert catalog.status == "deciding calls with 1 scripts"
    assert catalog.scripts() == {
        "version": snapshot.version,
        "scripts": [{"id": "a", "name": "a.js", "kind": "script", "version": snapshot.scripts["a"].version}],
    }
    state = catalog.last_load()
    assert state is not None
    assert (state.version, state.reload_succeeded, state.problems) == (snapshot.version, True, 0)


async def test_without_a_catalog_nothing_starts(site: Site) -> None:
    site.assign("[[route]]\n")
    with pytest.raises(CatalogError):
        await site.catalog.start()
    assert site.used == []


async def test_a_refused_catalog_leaves_what_runs(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    await site.catalog.start()
    site.assign('[[route]]\ncustomer = "acme"\nscript = "none"\n')
    with pytest.raises(RefusedCatalogError, match="there is no script 'none'"):
        await site.catalog.reload()
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == ["catalog_refused"]
    [snapshot] = site.used
    state = site.catalog.last_load()
    assert state is not None
    assert (state.version, state.reload_succeeded, state.problems) == (snapshot.version, False, 1)
    assert site.catalog.state().fault == ""
    site.assign("")
    assert await site.catalog.reload() == "deciding calls with 1 scripts"
    assert len(site.used) == 2
