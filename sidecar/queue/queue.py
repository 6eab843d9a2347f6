"""The queue as one process has it: what is asked at the same time is done together, and who waits for a job is told."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from sidecar.configuration.database_url import DatabaseUrl
from sidecar.queue.adding import Adding, MayKeep
from sidecar.queue.addresses import Addresses
from sidecar.queue.call_reading import CallReading
from sidecar.queue.following import Delivering
from sidecar.queue.job import Job, JobState, NewJob, Texts
from sidecar.queue.life import AnyStep, Keeping, check
from sidecar.queue.looking import Looking
from sidecar.queue.mailboxes import Mailboxes
from sidecar.queue.scheduling import Scheduling
from sidecar.queue.store import JobRows, JobStore
from sidecar.queue.taking import Limits, Taking
from sidecar.queue.webhooks import Webhooks
from sidecar.storage.batches import Batches
from sidecar.storage.engine import Storage
from sidecar.storage.errors import DatabaseFull, StorageError
from sidecar.storage.server_time import Clock

__all__ = ["DatabaseFull", "Delivering", "JobQueue", "Keeping", "StorageError"]

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 0.2
"""Who waits for a job that another process runs hears so long after its end at most."""
ASKED_AT_ONCE: Final = 500


class JobQueue:
    """Lives on one event loop."""

    def __init__(
        self,
        url: DatabaseUrl,
        keeping: Keeping,
        may_keep: Callable[[str], tuple[int | None, int | None]] = lambda _: MayKeep(),
        clock: Clock = time.time,
        may_send: Callable[[str], int | None] = lambda _: None,
        delivering: Delivering | None = None,
    ) -> None:
        self.delivering = delivering or Delivering()
        self._storage = Storage(url)
        self._rows = JobRows(self._storage, clock)
        self._store = JobStore(self._rows, keeping, self.delivering)
        adding = Adding(self._rows, may_keep)
        self._adding: Batches[NewJob, Job] = Batches(adding.add)
        # One transaction at a time: what is said of one job is done in its order.
        self._stepping: Batches[AnyStep, Job] = Batches(self._store.step)
        self.looking = Looking(self._rows)
        self.addresses = Addresses(self._rows)
        self.webhooks = Webhooks(self._rows)
        self.added = asyncio.Event()
        """Set whenever this process has added something, or made something wait again."""
        self.scheduling = Scheduling(self._rows, adding, self.added.set)
        self.sent = asyncio.Event()
        """Set whenever this process has sent something to a Worker, or let go of a mailbox."""
        self.mailboxes = Mailboxes(self._rows, self.sent.set, may_send)
        self.call_reading = CallReading(self._rows, adding, self.added.set)
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._watching: asyncio.Task[None] | None = None

    async def add(self, new: NewJob) -> Job:
        """Have a job done: it is kept when this returns. Raises QueueError, StorageError."""
        job = await self._adding.do(new)
        self.added.set()
        return job

    def taking(self, owner: str, limits: Limits) -> Taking:
        """Whoever takes jobs under a name."""
        return Taking(self._rows, owner, limits)

    async def step(self, step: AnyStep) -> Job:
        """Take a step of who has a job. Raises LeaseLost, ValueError for a note that is too long, StorageError."""
        job = await self._stepping.do(check(step))
        if job.is_over:
            self._tell(job.id)
        elif job.state is not JobState.ACTIVE:
            self.added.set()
        return job

    async def tidy(self, lease_micros: int | None = None) -> int:
        """Do what is due; how many jobs there were of which something was. ``lease_micros`` is how long leases are."""
        counts = await self._store.tidy(lease_micros)
        return sum(counts.values())

    async def get(self, tenant: str, job_id: str) -> Job:
        """A tenant's job as it is now. Raises NoSuchJob, StorageError."""
        return await self._store.get(tenant, job_id)

    async def texts(self, tenant: str, job_id: str) -> Texts:
        """What it was given and what it gave. Raises NoSuchJob, StorageError."""
        return await self._store.texts(tenant, job_id)

    async def retry(self, tenant: str, job_id: str) -> Job:
        """Run a dead letter, or a delayed job, now. Raises NoSuchJob, WrongState, StorageError."""
        job = await self._store.retry(tenant, job_id)
        self.added.set()
        return job

    async def discard(self, tenant: str, job_id: str) -> None:
        """Keep a job no more. Raises NoSuchJob, StorageError."""
        await self._store.discard(tenant, job_id)
        self._tell(job_id)

    async def end_of(self, tenant: str, job_id: str) -> Job:
        """A job once it is over. Raises NoSuchJob for one that is gone, StorageError."""
        while True:
            # Looked at once somebody watches, or its end could be missed.
            end = self._watched(job_id)
            job = await self._store.get(tenant, job_id)
            if job.is_over:
                self._tell(job_id)
                return job
            await asyncio.shield(end)

    async def close(self) -> None:
        """Finish what is under way, and close the connections."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        await self._adding.finish()
        await self._stepping.finish()
        await self._storage.close()

    # ---- who waits for the end of jobs ----

    def _watched(self, job_id: str) -> "asyncio.Future[None]":
        loop = asyncio.get_running_loop()
        if self._watching is None or self._watching.done():
            self._watching = loop.create_task(self._watch())
        return self._waiting.setdefault(job_id, loop.create_future())

    def _tell(self, job_id: str) -> None:
        end = self._waiting.pop(job_id, None)
        if end is not None and not end.done():
            end.set_result(None)

    async def _watch(self) -> None:
        while self._waiting:
            await asyncio.sleep(LOOK_SECONDS)
            ids = list(self._waiting)
            try:
                for begin in range(0, len(ids), ASKED_AT_ONCE):
                    for job_id in await self._store.over(ids[begin : begin + ASKED_AT_ONCE]):
                        self._tell(job_id)
            except StorageError as error:
                logger.warning("jobs_not_watched", extra={"error": str(error)})
