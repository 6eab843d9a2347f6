"""What runs over HTTP use, by tenant, app and minute: counted in memory, now and then added to the database."""

import asyncio
import time
from typing import Final

from sidecar.catalog.database.usage import Used, add_usage
from sidecar.catalog.model import Script
from sidecar.lifecycle import PartState
from sidecar.logs.logger import ActionLogger
from sidecar.storage.engine import Storage
from sidecar.storage.errors import StorageError

_log = ActionLogger(__name__)

WRITE_SECONDS: Final = 30.0
"""From one write to the next. A process that is killed loses what it counted since."""
MOST: Final = 50_000
"""Minutes of apps kept while the database is gone; then no new ones are counted, and that is said."""


class _Count:
    __slots__ = ("cpu_us", "runs")

    def __init__(self) -> None:
        self.runs = 0
        self.cpu_us = 0


class Metering:
    """The part of the platform that counts."""

    name = "metering"
    drain_seconds = 0.0

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._counts: dict[tuple[str, str, int], _Count] = {}
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self.lost = 0
        """Runs that were not counted."""
        self._said = False

    def add(self, script: Script, cpu_us: int) -> None:
        """Count a run that has ended."""
        key = script.tenant, script.app, int(time.time() // 60)
        count = self._counts.get(key)
        if count is None:
            if len(self._counts) >= MOST:
                self.lost += 1
                return
            count = self._counts[key] = _Count()
        count.runs += 1
        count.cpu_us += cpu_us

    async def write(self) -> None:
        """Add what was counted to the database; while that cannot be asked it is kept."""
        async with self._writing:
            counts, self._counts = self._counts, {}
            if not counts:
                return
            used = [
                Used(tenant=tenant, app=app, minute=minute, runs=one.runs, cpu_us=one.cpu_us)
                for (tenant, app, minute), one in counts.items()
            ]
            try:
                await add_usage(self._storage, used)
            except StorageError as error:
                self._put_back(counts)
                if not self._said:
                    _log.error("usage_not_written", error=str(error))
                self._said = True
            else:
                self._said = False

    def _put_back(self, counts: dict[tuple[str, str, int], _Count]) -> None:
        for key, one in counts.items():
            now = self._counts.setdefault(key, _Count())
            now.runs += one.runs
            now.cpu_us += one.cpu_us

    async def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.get_running_loop().create_task(self._write_again_and_again())

    async def _write_again_and_again(self) -> None:
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            try:
                await self.write()
            except Exception:  # noqa: BLE001 - logged: runs go on, and the next write may go well
                _log.exception("usage_not_written")

    def refuse_calls(self) -> None:
        """Nothing: no call comes here."""

    def stop_accepting(self) -> None:
        """Go on counting what is under way; `close` writes it."""
        if self._task is not None:
            self._task.cancel()

    async def drain(self) -> None:
        """Return at once."""

    def cancel_rest(self) -> None:
        """Nothing is being done for anybody."""

    async def close(self) -> None:
        """Write what is left. To be called once the workers have ended."""
        self.stop_accepting()
        await self.write()

    def state(self) -> PartState:
        """Never a fault: no run depends on it."""
        return PartState()
