"""Keeps a catalog up to date: loads what has changed, hands on what is right, keeps what runs when it is not."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from sidecar.catalog.model import Snapshot
from sidecar.catalog.source import Loaded, Source
from sidecar.logs.logger import ActionLogger
from sidecar.problem import Problem, Severity

_log = ActionLogger(__name__)

PROBLEMS_LOGGED: Final = 20
"""Of one load; `scriptforge check` prints all of them."""
AGAIN_SECONDS: Final = 5.0
"""Wait after a source that could not be asked, such as a database that is gone, before it is asked again."""


class CatalogWatcher:
    """Loads in a thread, so that no call waits, and hands the result on in the event loop.

    ``accepted`` gets each snapshot that there is, with what was found wrong, and ``refused`` the problems where there
    is none; the snapshot that runs is then kept. What is wrong has been logged.
    """

    def __init__(
        self,
        source: Source,
        *,
        accepted: Callable[[Snapshot, Loaded], None],
        refused: Callable[[Sequence[Problem]], None],
    ) -> None:
        self._source = source
        self._accepted = accepted
        self._refused = refused
        self._lock = asyncio.Lock()
        self._threads = 0
        self._running = False

    @property
    def loading(self) -> bool:
        """Whether a thread is in the source. It goes on there where its load is cancelled."""
        return self._threads > 0

    async def load(self) -> Loaded:
        """Loads now, settled or not, and hands the result on."""
        async with self._lock:
            loaded = await asyncio.to_thread(self._load)
            self._hand_on(loaded)
            return loaded

    async def run(self) -> None:
        """Watches until cancelled. A source that raises is asked again after a while, and what runs goes on."""
        while True:
            try:
                await self._source.changed()
                async with self._lock:
                    loaded = await asyncio.to_thread(self._load)
                    if loaded.settled:
                        self._hand_on(loaded)
                    # Else the source sees another change, and the next load decides.
            except Exception as error:  # noqa: BLE001 - whatever a source raises, calls go on by what runs
                _log.exception("catalog_load_failed", again_after=AGAIN_SECONDS)
                self._refused((Problem("", 0, 0, Severity.ERROR, f"cannot be loaded: {error}"),))
                await asyncio.sleep(AGAIN_SECONDS)

    def _load(self) -> Loaded:
        self._threads += 1
        try:
            return self._source.load()
        finally:
            self._threads -= 1

    def _hand_on(self, loaded: Loaded) -> None:
        snapshot, problems = loaded.snapshot, loaded.problems
        if snapshot is None:
            _log.error(
                "catalog_refused",
                count=len(problems),
                problems=[str(problem) for problem in problems[:PROBLEMS_LOGGED]],
                kept="the running catalog" if self._running else "none, there was no other",
            )
            self._refused(problems)
            return
        self._running = True
        errors = [str(problem) for problem in problems if problem.severity is Severity.ERROR]
        if errors:
            _log.error(
                "catalog_broken",
                count=len(errors),
                problems=errors[:PROBLEMS_LOGGED],
                instead=[str(one) for one in loaded.broken[:PROBLEMS_LOGGED]],
            )
        warnings = [problem for problem in problems if problem.severity is not Severity.ERROR]
        for problem in warnings[:PROBLEMS_LOGGED]:
            _log.warning("catalog_warning", problem=str(problem))
        assignments = len(snapshot.routes) + len(snapshot.dids) + len(snapshot.destinations)
        assignments += len(snapshot.first) + len(snapshot.last)
        _log.info("catalog_loaded", scripts=len(snapshot.scripts), assignments=assignments)
        self._accepted(snapshot, loaded)
