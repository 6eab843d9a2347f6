"""Watching the catalog: when it loads, what it hands on, what it keeps."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.catalog.directory.loader import DirectoryLoader
from sidecar.catalog.directory.watch import DirectorySource, Fingerprint, Settling, look
from sidecar.catalog.model import Snapshot
from sidecar.catalog.source import Loaded
from sidecar.catalog.watcher import CatalogWatcher
from sidecar.configuration.tree import CatalogSection, DecisionSection
from sidecar.problem import Problem

MAIN = "function main(data) { return data }\n"


def fingerprint(number: int) -> Fingerprint:
    return frozenset({("a.js", number, 0, 0, 0)})


def test_files_are_loaded_once_two_looks_agree() -> None:
    settling = Settling(loaded=fingerprint(0))
    looks = [0, 0, 1, 2, 2]
    assert [settling.seen(fingerprint(number)) for number in looks] == [False, False, False, False, True]
    settling.loaded = fingerprint(2)
    assert not settling.seen(fingerprint(2))


@given(st.lists(st.integers(0, 3)))
def test_whatever_is_written_the_last_state_is_loaded_within_two_looks(looks: list[int]) -> None:
    settling = Settling(loaded=fingerprint(0))
    previous = None
    for number in [*looks, 9, 9]:
        if settling.seen(fingerprint(number)):
            assert number == previous
            settling.loaded = fingerprint(number)
        previous = number
    assert settling.loaded == fingerprint(9)


def test_a_look_sees_every_change_that_matters(tmp_path: Path) -> None:
    (tmp_path / "scripts" / "below").mkdir(parents=True)
    looks = [look(tmp_path)]

    def changed() -> bool:
        looks.append(look(tmp_path))
        return looks[-1] != looks[-2]

    (tmp_path / "assignments.toml").write_text("")
    assert changed()
    (tmp_path / "scripts" / "a.js").write_text("1")
    assert changed()
    (tmp_path / "scripts" / "below" / "b.js").write_text("1")
    assert changed()
    (tmp_path / "new").write_text("2")
    (tmp_path / "scripts" / ".a.js.swp").write_text("2")
    assert not changed()
    times = (tmp_path / "scripts" / "a.js").stat()
    os.utime(tmp_path / "new", ns=(times.st_atime_ns, times.st_mtime_ns))
    (tmp_path / "new").rename(tmp_path / "scripts" / "a.js")  # same size, same time, another file
    assert changed()
    (tmp_path / "scripts" / "a.js").unlink()
    assert changed()


class Watched:
    """A watcher over a directory, and all that it handed on."""

    def __init__(self, directory: Path, *, watch: bool = True, loader: DirectoryLoader | None = None) -> None:
        self.directory = directory
        (directory / "scripts").mkdir()
        self.write("assignments.toml", "")
        self.write("scripts/a.js", MAIN)
        catalog = CatalogSection(directory=directory, watch=watch, watch_seconds=0.01)
        self.snapshots: list[Snapshot] = []
        self.refusals: list[Sequence[Problem]] = []
        self.handed_on = asyncio.Event()
        self.thread_ids: set[int] = set()
        self.loader = loader or DirectoryLoader(catalog, DecisionSection())
        self.watcher = CatalogWatcher(DirectorySource(self.loader), accepted=self._accepted, refused=self._refused)

    def write(self, name: str, text: str) -> None:
        (self.directory / name).write_text(text)

    def _accepted(self, snapshot: Snapshot, _loaded: Loaded) -> None:
        self.thread_ids.add(threading.get_ident())
        self.snapshots.append(snapshot)
        self.handed_on.set()

    def _refused(self, problems: Sequence[Problem]) -> None:
        self.refusals.append(problems)
        self.handed_on.set()

    async def next(self) -> None:
        async with asyncio.timeout(60):
            await self.handed_on.wait()
        self.handed_on.clear()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        await self.watcher.load()
        self.handed_on.clear()
        task = asyncio.create_task(self.watcher.run())
        try:
            yield
        finally:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task


async def test_a_change_is_loaded_and_handed_on_in_the_event_loop(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    async with watched.running():
        watched.write("scripts/b.js", MAIN)
        await watched.next()
    assert [sorted(snapshot.scripts) for snapshot in watched.snapshots] == [["a"], ["a", "b"]]
    assert watched.thread_ids == {threading.get_ident()}


async def test_what_is_broken_is_refused_whole_and_said_until_it_is_mended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    watched = Watched(tmp_path)
    async with watched.running():
        watched.write("scripts/b.js", MAIN)
        watched.write("scripts/a.js", "function main( {")
        await watched.next()
        assert len(watched.snapshots) == 1
        (problems,) = watched.refusals
        assert [problem.message for problem in problems] == ["`{` is never closed"]
        assert caplog.text.count("catalog_refused") == 1
        watched.write("scripts/a.js", MAIN + "// mended\n")
        await watched.next()
    assert len(watched.refusals) == 1
    assert sorted(watched.snapshots[-1].scripts) == ["a", "b"]


async def test_a_reload_loads_though_nothing_changed_and_without_watching(tmp_path: Path) -> None:
    watched = Watched(tmp_path, watch=False)
    async with watched.running():
        await watched.watcher.load()
        assert len(watched.snapshots) == 2


async def test_the_event_loop_goes_on_while_files_are_read(tmp_path: Path) -> None:
    class SlowLoader(DirectoryLoader):
        begun = threading.Event()
        go_on = threading.Event()

        def load(self) -> Loaded:
            self.begun.set()
            assert self.go_on.wait(5)
            return super().load()

    catalog = CatalogSection(directory=tmp_path, watch_seconds=0.01)
    watched = Watched(tmp_path, loader=SlowLoader(catalog, DecisionSection()))
    load = asyncio.create_task(watched.watcher.load())
    assert await asyncio.to_thread(SlowLoader.begun.wait, 5)
    assert not load.done()
    SlowLoader.go_on.set()
    assert (await load).snapshot is not None


async def test_what_changed_while_it_was_read_is_not_handed_on(tmp_path: Path) -> None:
    class HalfWrittenLoader(DirectoryLoader):
        loads = 0

        def load(self) -> Loaded:
            self.loads += 1
            loaded = super().load()
            if self.loads == 2:  # the second half of a deployment arrives behind the reader's back
                (tmp_path / "scripts" / "c.js").write_text(MAIN)
            return loaded

        __slots__ = ("__dict__",)

    catalog = CatalogSection(directory=tmp_path, watch_seconds=0.01)
    watched = Watched(tmp_path, loader=HalfWrittenLoader(catalog, DecisionSection()))
    async with watched.running():
        watched.write("scripts/b.js", MAIN)
        await watched.next()
    assert [sorted(snapshot.scripts) for snapshot in watched.snapshots] == [["a"], ["a", "b", "c"]]
