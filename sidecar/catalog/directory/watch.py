"""A catalog directory as a source that is watched: what has settled is worth loading."""

import asyncio
import os
from dataclasses import dataclass, replace
from pathlib import Path

from sidecar.catalog.directory.loader import ASSIGNMENTS, DirectoryLoader
from sidecar.catalog.directory.scripts import SCRIPTS
from sidecar.catalog.source import Loaded
from sidecar.language.app_files import SUFFIXES

Fingerprint = frozenset[tuple[str, int, int, int, int]]
"""Path, inode, size, mtime and ctime in nanoseconds of every file that matters."""


def look(directory: Path) -> Fingerprint:
    """How the files are now. A file that cannot be looked at counts as not being there."""
    found: set[tuple[str, int, int, int, int]] = set()
    _add(found, directory / ASSIGNMENTS)
    for folder, _, names in os.walk(directory / SCRIPTS):
        for name in names:
            if name.endswith(SUFFIXES):
                _add(found, Path(folder, name))
    return frozenset(found)


def _add(found: set[tuple[str, int, int, int, int]], file: Path) -> None:
    try:
        status = file.stat()
    except OSError:
        return
    found.add((str(file), status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))


@dataclass(slots=True)
class Settling:
    """Decides from looks alone when to load: the files differ from those loaded and were the same twice."""

    loaded: Fingerprint | None = None
    """The files as they were at the last load, whether or not it succeeded; None where they changed meanwhile."""
    last: Fingerprint | None = None

    def seen(self, now: Fingerprint) -> bool:
        """Takes a look; whether to load. While files are still being written, no two looks agree."""
        settled = now == self.last
        self.last = now
        return settled and now != self.loaded


class DirectorySource:
    """A `sidecar.catalog.source.Source` over a directory. Everything is right, or nothing of it is taken."""

    def __init__(self, loader: DirectoryLoader) -> None:
        self._loader = loader
        self._settling = Settling()

    def load(self) -> Loaded:
        """Reads and checks everything, and whether files changed meanwhile."""
        directory = self._loader.catalog.directory
        before = look(directory)
        loaded = self._loader.load()
        settled = look(directory) == before
        self._settling.loaded = before if settled else None
        return loaded if settled else replace(loaded, settled=False)

    async def changed(self) -> None:
        """Looks every ``catalog.watch_seconds``; without ``catalog.watch`` never returns."""
        catalog = self._loader.catalog
        if not catalog.watch:
            await asyncio.Event().wait()
        while True:
            await asyncio.sleep(catalog.watch_seconds)
            if self._settling.seen(await asyncio.to_thread(look, catalog.directory)):
                return

    def close(self) -> None:
        """Do nothing: no file is held open."""
