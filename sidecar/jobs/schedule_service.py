"""The part of the platform that looks after schedules: at its time each has a job."""

import asyncio
from typing import Final

from sidecar.configuration.tree import Configuration
from sidecar.hosts.services import Services
from sidecar.lifecycle import PartState
from sidecar.logs.fault import Fault
from sidecar.logs.logger import ActionLogger
from sidecar.queue.job import MICROS
from sidecar.queue.queue import JobQueue, StorageError
from sidecar.queue.scheduling import Look

_log = ActionLogger(__name__)

LATENESS_SECONDS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the buckets of how late jobs are."""


class ScheduleService:
    """Looks at what is due until it is told to stop."""

    name = "schedules"
    drain_seconds = 0.0

    def __init__(self, configuration: Configuration, services: Services) -> None:
        self._poll_seconds = configuration.schedules.poll_seconds
        self._services = services
        self._task: asyncio.Task[None] | None = None
        self._refusing = False
        self._fault = Fault(_log, "schedules_not_looked_at", "schedules_looked_at_again")
        self.late_counts = [0] * (len(LATENESS_SECONDS) + 1)
        """Jobs that were not missed, by how late they were: the last one is of those past every bound."""
        self.late_seconds = 0.0
        self.made_up = 0
        """Jobs for due times that were missed."""
        self.left_out = 0
        """Due times without a job."""

    async def start(self) -> None:
        """Begin to look. Raises HostError where there is no queue."""
        queue = await self._services.jobs()
        self._task = asyncio.get_running_loop().create_task(self._look_all(queue))

    def refuse_calls(self) -> None:
        """Nothing: no call comes here."""

    def stop_accepting(self) -> None:
        """Add no more jobs."""
        self._refusing = True

    async def drain(self) -> None:
        """Nothing: what was added is the jobs' to end."""

    def cancel_rest(self) -> None:
        """Nothing."""

    async def close(self) -> None:
        """Look no more. What a look was about to add is added, or is found by whoever looks next."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def state(self) -> PartState:
        """Whether there is a database to look at."""
        return PartState(fault=self._fault.text)

    async def _look_all(self, queue: JobQueue) -> None:
        while True:
            wait = self._poll_seconds
            try:
                if not self._refusing:
                    found = await queue.scheduling.look()
                    self._count(found)
                    if found.wait_micros is not None:
                        wait = min(wait, max(0, found.wait_micros) / MICROS)
                self._fault.found("")
            except StorageError as error:
                self._fault.found(str(error))
            except Exception:  # noqa: BLE001 - logged: the next look may go well
                self._fault.crashed("schedules cannot be looked at, see the log")
            await asyncio.sleep(wait)

    def _count(self, found: Look) -> None:
        for micros in found.late_micros:
            seconds = micros / MICROS
            self.late_seconds += seconds
            bucket = next((at for at, most in enumerate(LATENESS_SECONDS) if seconds <= most), len(LATENESS_SECONDS))
            self.late_counts[bucket] += 1
        self.made_up += found.made_up
        self.left_out += found.left_out
        for tenant, schedule, why in found.faults:
            _log.warning("schedule_without_job", tenant=tenant, schedule=schedule, error=why)
