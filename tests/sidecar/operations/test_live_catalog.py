"""The catalog that runs: what is handed on, what is said of it, what a refused one leaves as it was."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sidecar.catalog.directory.last_good import LastGood
from sidecar.catalog.directory.loader import DirectoryLoader
from sidecar.catalog.directory.watch import DirectorySource
from sidecar.catalog.model import Snapshot
from sidecar.configuration.tree import CatalogSection, DecisionSection
from sidecar.errors import CatalogError, RefusedCatalogError
from sidecar.lifecycle import PartState
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


async def test_what_is_broken_is_said_everywhere_and_the_rest_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site(tmp_path)
    told: list[str] = []
    section = CatalogSection(directory=tmp_path, watch=False)
    loader = DirectoryLoader(section, DecisionSection(), last_good=LastGood(None, tmp_path))
    catalog = LiveCatalog(DirectorySource(loader), site.used.append, told.append)
    await catalog.start()
    assert catalog.state() == PartState()
    (tmp_path / "scripts" / "a.js").write_text("function main(data) {")
    status = await catalog.reload()
    assert status.startswith(
        "deciding calls with 1 scripts, NOT all as deployed: scripts/a.js: its last good version serves; "
    )
    assert status.endswith(str(catalog.state().details["catalog_problem"]))
    assert f"{tmp_path}/scripts/a.js:1:" in status
    assert told == ["deciding calls with 1 scripts", status]
    assert catalog.state().fault == ""
    assert catalog.state().details["catalog_problems"] == 1
    assert catalog.state().details["catalog_broken"] == "scripts/a.js: its last good version serves"
    state = catalog.last_load()
    assert state is not None
    assert (state.reload_succeeded, state.broken_by) == (False, {"last_good": 1})
    [line] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert line.message == "catalog_broken"
    (tmp_path / "scripts" / "a.js").write_text("function main(data) { return data }")
    assert await catalog.reload() == "deciding calls with 1 scripts"
    assert catalog.state() == PartState()
    await catalog.close()
