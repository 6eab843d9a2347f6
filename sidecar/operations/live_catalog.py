"""The catalog that the daemon runs by: loaded at the start, replaced as a whole whenever it changes."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

from sidecar.catalog.model import Snapshot
from sidecar.catalog.source import Broken, Loaded, Source
from sidecar.catalog.watcher import CatalogWatcher
from sidecar.errors import CatalogError, RefusedCatalogError
from sidecar.lifecycle import PartState
from sidecar.operations import memory
from sidecar.operations.part_metrics import CatalogState
from sidecar.problem import Problem, Severity

BROKEN_SAID: Final = 20
"""In ``/health`` and the status; the log and `scriptforge check` have the problems."""


class LiveCatalog:
    """The part of the daemon that loads and watches. ``use`` is given each snapshot that is right, in the event loop.

    It is the first part to start: the others may be given a snapshot before they have started.
    """

    name = "catalog"
    drain_seconds = 0.0

    def __init__(
        self, source: Source, use: Callable[[Snapshot], None], tell: Callable[[str], None] = lambda _: None
    ) -> None:
        """``tell`` is given the line of status after each load."""
        self._source = source
        self._watcher = CatalogWatcher(source, accepted=self._accepted, refused=self._refused)
        self._use = use
        self._tell = tell
        self._watching: asyncio.Task[None] | None = None
        self._last_load: CatalogState | None = None
        self.snapshot = Snapshot(scripts={}, routes={}, dids={})
        self.revision: int | None = None
        """The last change of the database that is in it; None where it is of no database."""

    async def start(self) -> None:
        """Load, and begin to watch. Raises CatalogError where there is nothing to run by."""
        await self.reload()
        memory.keep()
        self._watching = asyncio.get_running_loop().create_task(self._watcher.run())

    async def reload(self) -> str:
        """Load now; gives the line of status, which names what is broken. Raises RefusedCatalogError where nothing of
        it can be taken; what runs stays."""
        try:
            (await self._watcher.load()).require()
        except CatalogError as error:
            raise RefusedCatalogError(str(error)) from None
        return self.status

    @property
    def loading(self) -> bool:
        """Whether a load is under way, or goes on though it was given up."""
        return self._watcher.loading

    @property
    def status(self) -> str:
        """What runs, for ``systemctl status``."""
        text = f"deciding calls with {len(self.snapshot.scripts)} scripts"
        last = self._last_load
        if last is None or last.reload_succeeded:
            return text
        if not last.taken:
            return f"{text}, NOT those deployed: {last.first_problem}"
        return f"{text}, NOT all as deployed: {'; '.join([*map(str, last.broken), last.first_problem])}"

    def refuse_calls(self) -> None:
        """Nothing: a change is loaded for as long as there are decisions."""

    def stop_accepting(self) -> None:
        """Stop the watch: a change from now on is not loaded."""
        if self._watching is not None:
            self._watching.cancel()

    async def drain(self) -> None:
        """Return at once: no caller waits for a load."""

    def cancel_rest(self) -> None:
        """Do nothing: `stop_accepting` has ended the watch, and a load has no caller to be answered."""

    async def close(self) -> None:
        """Stop the watch also where `stop_accepting` was never called, as after a failed start; close the source."""
        self.stop_accepting()
        await asyncio.to_thread(self._source.close)

    def state(self) -> PartState:
        """Something broken is no fault of the daemon's, which goes on by what was right: it is said in the details."""
        last = self._last_load
        if last is None or last.reload_succeeded:
            return PartState()
        details: dict[str, str | int] = {"catalog_problems": last.problems, "catalog_problem": last.first_problem}
        if last.broken:
            details["catalog_broken"] = "; ".join(map(str, last.broken))
        return PartState(details=details)

    def last_load(self) -> CatalogState | None:
        """What runs, and what became of the last load; None before the first."""
        return self._last_load

    def scripts(self) -> dict[str, Any]:
        """What runs, for whoever asks over the socket."""
        snapshot = self.snapshot
        return {
            "version": snapshot.version,
            "scripts": [
                {"id": script.id, "name": script.name, "kind": script.kind.value, "version": script.version}
                for script in snapshot.scripts.values()
            ],
        }

    def _accepted(self, snapshot: Snapshot, loaded: Loaded) -> None:
        self.snapshot = snapshot
        self.revision = loaded.revision
        self._use(snapshot)
        self._loaded(loaded.problems, loaded.broken, taken=True)

    def _refused(self, problems: Sequence[Problem]) -> None:
        self._loaded(problems, (), taken=False)

    def _loaded(self, problems: Sequence[Problem], broken: Sequence[Broken], *, taken: bool) -> None:
        errors = [problem for problem in problems if problem.severity is Severity.ERROR]
        self._last_load = CatalogState(
            version=self.snapshot.version,
            reload_succeeded=taken and not errors,
            taken=taken,
            reload_time=time.time(),
            problems=len(problems),
            broken=tuple(broken[:BROKEN_SAID]),
            broken_by=Counter(one.served_by.value for one in broken),
            first_problem=str(errors[0]) if errors else "",
        )
        self._tell(self.status)
