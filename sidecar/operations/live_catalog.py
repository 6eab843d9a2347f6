"""The catalog that the daemon runs by: loaded at the start, replaced as a whole whenever it changes."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from sidecar.catalog.model import Snapshot
from sidecar.catalog.source import Source
from sidecar.catalog.watcher import CatalogWatcher
from sidecar.errors import CatalogError, RefusedCatalogError
from sidecar.lifecycle import PartState
from sidecar.operations import memory
from sidecar.operations.part_metrics import CatalogState
from sidecar.problem import Problem


class LiveCatalog:
    """The part of the daemon that loads and watches. ``use`` is given each snapshot that is right, in the event loop.

    It is the first part to start: the others may be given a snapshot before they have started.
    """

    name = "catalog"
    drain_seconds = 0.0

    def __init__(self, source: Source, use: Callable[[Snapshot], None]) -> None:
        self._watcher = CatalogWatcher(source, accepted=self._accepted, refused=self._refused)
        self._use = use
        self._watching: asyncio.Task[None] | None = None
        self._last_load: CatalogState | None = None
        self.snapshot = Snapshot(scripts={}, routes={}, dids={})

    async def start(self) -> None:
        """Load, and begin to watch. Raises CatalogError where it is not right."""
        await self.reload()
        memory.keep()
        self._watching = asyncio.get_running_loop().create_task(self._watcher.run())

    async def reload(self) -> str:
        """Load now; gives the line of status. Raises RefusedCatalogError where it is not right; what runs stays."""
        try:
            (await self._watcher.load()).require()
        except CatalogError as error:
            raise RefusedCatalogError(str(error)) from None
        return self.status

    @property
    def status(self) -> str:
        """What runs, for ``systemctl status``."""
        return f"deciding calls with {len(self.snapshot.scripts)} scripts"

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
        """Stop the watch also where `stop_accepting` was never called, as after a failed start."""
        self.stop_accepting()

    def state(self) -> PartState:
        """A catalog that was refused is no fault: the one before goes on."""
        return PartState()

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

    def _accepted(self, snapshot: Snapshot, problems: Sequence[Problem]) -> None:
        self.snapshot = snapshot
        self._use(snapshot)
        self._loaded(problems, succeeded=True)

    def _refused(self, problems: Sequence[Problem]) -> None:
        self._loaded(problems, succeeded=False)

    def _loaded(self, problems: Sequence[Problem], *, succeeded: bool) -> None:
        self._last_load = CatalogState(
            version=self.snapshot.version, reload_succeeded=succeeded, reload_time=time.time(), problems=len(problems)
        )
