"""Runs that are to be ended, whichever platform has them: they are named in the database, where who has one looks."""

import asyncio
from typing import Final

from sidecar.http.run_service import RunService
from sidecar.lifecycle import PartState
from sidecar.logs.logger import ActionLogger
from sidecar.nodes.cancellations import Cancellations
from sidecar.storage.engine import Storage
from sidecar.storage.errors import StorageError

_log = ActionLogger(__name__)

LOOK_SECONDS: Final = 0.5
"""Between two looks of a platform that runs something."""
PATIENCE_SECONDS: Final = 2.0
"""After which nobody has the run: three looks of whoever could, and one more on a busy machine."""
ASK_SECONDS: Final = 0.2
RUN_ID_CHARACTERS: Final = 32


class Cancelling:
    """A `sidecar.lifecycle.Part`."""

    name = "cancelling"
    drain_seconds = 0.0

    def __init__(self, storage: Storage, runs: RunService) -> None:
        self._cancellations = Cancellations(storage)
        self._runs = runs
        self._looking: asyncio.Task[None] | None = None

    async def cancel(self, tenant: str, run_id: str) -> bool:
        """End a tenant's run, here or on another platform; False where none has it. Raises StorageError."""
        run = self._runs.find(run_id, tenant)
        if run is not None:
            run.cancel()
            return True
        if len(run_id) != RUN_ID_CHARACTERS:
            return False
        wish = await self._cancellations.ask(tenant, run_id)
        for _ in range(round(PATIENCE_SECONDS / ASK_SECONDS)):
            await asyncio.sleep(ASK_SECONDS)
            if not await self._cancellations.is_open(wish):
                return True
        return not await self._cancellations.take((wish,))

    # ---- its life ----

    async def start(self) -> None:
        """Begin to look for runs of ours that are to be ended."""
        self._looking = asyncio.get_running_loop().create_task(self._look_again())

    async def _look_again(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if not self._runs.is_idle:
                try:
                    await self._look()
                except StorageError as error:
                    _log.warning("cancellations_not_read", error=str(error))

    async def _look(self) -> None:
        done = []
        for wish in await self._cancellations.open():
            run = self._runs.find(wish.run, wish.tenant)
            if run is not None:
                run.cancel()
            if run is not None or wish.forgotten:
                done.append(wish.id)
        if done:
            await self._cancellations.take(done)

    def refuse_calls(self) -> None:
        """Nothing: no call comes here."""

    def stop_accepting(self) -> None:
        """Go on: what runs still may be ended."""

    async def drain(self) -> None:
        """Return at once."""

    def cancel_rest(self) -> None:
        """Nothing is held."""

    async def close(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])

    def state(self) -> PartState:
        """Nothing depends on it."""
        return PartState()
