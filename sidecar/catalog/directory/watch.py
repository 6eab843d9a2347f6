"""Watches the catalog's files: loads what has settled, hands on what is right, keeps what runs when it is not."""

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sidecar.catalog.directory.loader import ASSIGNMENTS, SCRIPTS, DirectoryLoader, Loaded
from sidecar.catalog.model import Snapshot
from sidecar.logs.logger import ActionLogger
from sidecar.problem import Problem

_log = ActionLogger(__name__)

PROBLEMS_LOGGED = 20
"""Of one load; `scriptforge check` prints all of them."""

Fingerprint = frozenset[tuple[str, int, int, int, int]]
"""Path, inode, size, mtime and ctime in nanoseconds of every file that matters."""


def look(directory: Path) -> Fingerprint:
    """How the files are now. A file that cannot be looked at counts as not being there."""
    found: set[tuple[str, int, int, int, int]] = set()
    _add(found, directory / ASSIGNMENTS)
    for folder, _, names in os.walk(directory / SCRIPTS):
        for name in names:
            if name.endswith(".js"):
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
    """The files as they were at the last load, whether or not it succeeded."""
    last: Fingerprint | None = None

    def seen(self, now: Fingerprint) -> bool:
        """Takes a look; whether to load. While files are still being written, no two looks agree."""
        settled = now == self.last
        self.last = now
        return settled and now != self.loaded


class CatalogWatcher:
    """Loads in a thread, so that no call waits, and hands the result on in the event loop.

    ``accepted`` gets each snapshot that is right, with its warnings, and ``refused`` the problems of one that is not;
    the snapshot that runs is then kept, and ``problems`` is what is wrong until it has been mended.
    """

    def __init__(
        self,
        loader: DirectoryLoader,
        *,
        accepted: Callable[[Snapshot, Sequence[Problem]], None],
        refused: Callable[[Sequence[Problem]], None],
    ) -> None:
        self._loader = loader
        self._accepted = accepted
        self._refused = refused
        self._settling = Settling()
        self._asked = asyncio.Event()
        self._loading = asyncio.Lock()
        self._running = False
        self.problems: tuple[Problem, ...] = ()
        """Of the last load if it was refused; empty once all is well."""

    async def load(self) -> Loaded:
        """Loads now, settled or not, and hands the result on."""
        async with self._loading:
            before, loaded, _ = await asyncio.to_thread(self._load)
            self._hand_on(before, loaded)
            return loaded

    def reload(self) -> None:
        """Asks ``run`` to load now, as SIGHUP does. To be called in the event loop."""
        self._asked.set()

    async def run(self) -> None:
        """Watches until cancelled; without ``catalog.watch`` waits for ``reload`` alone."""
        catalog = self._loader.catalog
        while True:
            await self._wait(catalog.watch_seconds if catalog.watch else None)
            if self._asked.is_set():
                self._asked.clear()
                await self.load()
            elif self._settling.seen(await asyncio.to_thread(look, catalog.directory)):
                await self._load_if_settled()

    async def _wait(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._asked.wait()
        except TimeoutError:
            return

    async def _load_if_settled(self) -> None:
        async with self._loading:
            before, loaded, after = await asyncio.to_thread(self._load)
            if before == after:
                self._hand_on(before, loaded)
            # Else files changed while they were read, and what was read may be half of it: the next looks decide.

    def _load(self) -> tuple[Fingerprint, Loaded, Fingerprint]:
        directory = self._loader.catalog.directory
        before = look(directory)
        loaded = self._loader.load()
        return before, loaded, look(directory)

    def _hand_on(self, files: Fingerprint, loaded: Loaded) -> None:
        self._settling.loaded = files
        if loaded.snapshot is None:
            self.problems = loaded.problems
            _log.error(
                "catalog_refused",
                count=len(loaded.problems),
                problems=[str(problem) for problem in loaded.problems[:PROBLEMS_LOGGED]],
                kept="the running catalog" if self._running else "none, there was no other",
            )
            self._refused(loaded.problems)
            return
        self.problems = ()
        self._running = True
        for problem in loaded.problems[:PROBLEMS_LOGGED]:
            _log.warning("catalog_warning", problem=str(problem))
        snapshot = loaded.snapshot
        assignments = len(snapshot.routes) + len(snapshot.dids) + len(snapshot.first) + len(snapshot.last)
        _log.info("catalog_loaded", scripts=len(snapshot.scripts), assignments=assignments)
        self._accepted(loaded.snapshot, loaded.problems)
