"""Runs that are to be ended, whichever platform has them: they are named in the database, where who has one looks."""

import asyncio
import os
from collections.abc import Sequence
from typing import Final

from sqlalchemy import delete, insert, select

from sidecar.http.run_service import RunService
from sidecar.lifecycle import PartState
from sidecar.logs.logger import ActionLogger
from sidecar.storage.engine import Storage
from sidecar.storage.errors import StorageError
from sidecar.storage.server_time import micros_now
from sidecar.storage.tables import cancellations

_log = ActionLogger(__name__)

LOOK_SECONDS: Final = 0.5
"""Between two looks of a platform that runs something."""
PATIENCE_SECONDS: Final = 2.0
"""After which nobody has the run: three looks of whoever could, and one more on a busy machine."""
ASK_SECONDS: Final = 0.1
FORGOTTEN_MICROS: Final = 60 * 1_000_000
"""What is older was asked for by a platform that has died since."""
RUN_ID_CHARACTERS: Final = 32


class Cancelling:
    """A `sidecar.lifecycle.Part`."""

    name = "cancelling"
    drain_seconds = 0.0

    def __init__(self, storage: Storage, runs: RunService) -> None:
        self._storage = storage
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
        asked = os.urandom(8).hex()
        async with self._storage.writing() as connection:
            now = await micros_now(connection, self._storage)
            await connection.execute(delete(cancellations).where(cancellations.c.asked < now - FORGOTTEN_MICROS))
            row = {"id": asked, "tenant": tenant, "run": run_id, "asked": now}
            await connection.execute(insert(cancellations).values(row))
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while await self._is_there(asked):  # noqa: ASYNC110 - another process takes it away
                    await asyncio.sleep(ASK_SECONDS)
        except TimeoutError:
            return not await self._take((asked,))
        return True

    async def _is_there(self, asked: str) -> bool:
        async with self._storage.reading() as connection:
            query = select(cancellations.c.id).where(cancellations.c.id == asked)
            return (await connection.execute(query)).first() is not None

    async def _take(self, asked: Sequence[str]) -> bool:
        """Whether they were there to be taken away."""
        async with self._storage.writing() as connection:
            return (await connection.execute(delete(cancellations).where(cancellations.c.id.in_(asked)))).rowcount > 0

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
        async with self._storage.reading() as connection:
            now = await micros_now(connection, self._storage)
            query = select(cancellations).where(cancellations.c.asked > now - FORGOTTEN_MICROS)
            rows = (await connection.execute(query)).all()
        ours = []
        for row in rows:
            run = self._runs.find(row.run, row.tenant)
            if run is not None:
                run.cancel()
                ours.append(row.id)
        if ours:
            await self._take(ours)

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
