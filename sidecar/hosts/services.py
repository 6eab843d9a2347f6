"""What the modules of the host work with: one of each for the process."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Collection
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from sidecar.catalog.limits import HIGHEST, TenantLimits
from sidecar.configuration.host_sections import SharedSection
from sidecar.configuration.tree import Configuration
from sidecar.hosts.broker import Broker
from sidecar.hosts.desk_variables import DeskVariables
from sidecar.hosts.errors import HostError, HostUnavailable
from sidecar.hosts.key_values.batch import SpaceLimits
from sidecar.hosts.key_values.store import KeyValues, keeper_of
from sidecar.hosts.outgoing.settings import outgoing_settings
from sidecar.hosts.tenant_limits import usual_limits
from sidecar.hosts.usage import Usage

if TYPE_CHECKING:
    from sidecar.hosts.lookups import Lookups
    from sidecar.hosts.mail.sending import ScriptMail
    from sidecar.hosts.outgoing.client import OutgoingClient
    from sidecar.hosts.outgoing.connections import Connections
    from sidecar.hosts.placed.placing import CallPlacing
    from sidecar.hosts.rest_api import RestApi
    from sidecar.hosts.rows.store import RowDatabases
    from sidecar.hosts.script_catalog import HostCatalog
    from sidecar.hosts.script_jobs import ScriptJobs
    from sidecar.hosts.sms.gateway import SmsGateway
    from sidecar.queue.queue import JobQueue
    from sidecar.shared.connection import Shared

logger = logging.getLogger(__name__)

CONNECTIONS: Final = "connections"
"""The module that asks for connections of scripts' own."""
SWEEP_SECONDS: Final = 10.0
"""Key-values that have ended count among a tenant's for about as long."""


class Services:
    """The process's own. Lives on one event loop."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        at_desk: bool = False,
        clock: Callable[[], float] | None = None,
        limits: TenantLimits | None = None,
    ) -> None:
        """``at_desk``: a script is tried, and keeps what it keeps in memory. ``clock``, by default that of whoever
        keeps something. ``limits`` of tenants, by default those that the configuration has for all."""
        self._configuration = configuration
        self._at_desk = at_desk
        self._clock = clock or time.time
        self._given_clock = clock
        self._shared_section = SharedSection() if at_desk else configuration.shared
        self._shared: Shared | None = None
        self._url = None if at_desk else configuration.storage.url or configuration.catalog.url
        self._outgoing_settings = outgoing_settings(configuration.outgoing)
        self._outgoing: OutgoingClient | None = None
        self._connections: Connections | None = None
        self._key_values: KeyValues | None = None
        self._rows: RowDatabases | None = None
        self.desk_variables = DeskVariables() if at_desk else None
        """The variables of apps, where a script is tried."""
        self._catalog_url = None if at_desk else configuration.catalog.url
        self._catalog: HostCatalog | None = None
        self._mail: ScriptMail | None = None
        self._sms: SmsGateway | None = None
        self._jobs: JobQueue | None = None
        self._script_jobs: ScriptJobs | None = None
        self._rest: RestApi | None = None
        self._lookups: Lookups | None = None
        self._sweeping: asyncio.Task[None] | None = None
        self._imports = asyncio.Lock()
        self._sharing = asyncio.Lock()
        self.placed: CallPlacing | None = None
        """Calls that scripts place; None where this process carries none."""
        self.broker = Broker()
        self.usage = Usage(
            self._clock,
            limits if limits is not None else usual_limits(configuration),
            shared=self._shared_section.url is not None,
        )
        self._metering: asyncio.Task[None] | None = None
        self.directory = configuration.catalog.directory
        """Of a catalog in files."""
        self.modules_directory = configuration.modules.directory
        """Of the npm modules that are installed."""
        self.worker_hosts = tuple(host.rstrip(".").lower() for host in configuration.outgoing.worker_hosts)
        """What Workers may connect to."""

    async def outgoing(self) -> "OutgoingClient":
        """The HTTP client of scripts."""
        async with self._imports:
            if self._outgoing is None:
                client = await _loaded("sidecar.hosts.outgoing.client")
                self._outgoing = client.OutgoingClient(self._outgoing_settings)
        return self._outgoing

    async def connections(self) -> "Connections":
        """Connections that scripts make themselves."""
        async with self._imports:
            if self._connections is None:
                connections = await _loaded("sidecar.hosts.outgoing.connections")
                self._connections = connections.Connections(self._outgoing_settings)
        return self._connections

    async def shared(self) -> "Shared | None":
        """What several machines share; None where the operator has named nothing. Raises SharedError where its client
        is not installed."""
        url = self._shared_section.url
        if url is None:
            return None
        async with self._sharing:
            if self._shared is None:
                connection = await asyncio.to_thread(import_module, "sidecar.shared.connection")
                self._shared = await asyncio.to_thread(connection.Shared, url, self._shared_section.prefix)
        return self._shared

    async def key_values(self) -> KeyValues:
        """What scripts keep by key. Raises HostError where there is no database, and nothing shared."""
        if self._key_values is not None:
            return self._key_values
        shared = await self.shared()
        if shared is None and self._url is None and not self._at_desk:
            raise HostError("nothing can be kept here: the operator has named no database (storage.url)")
        async with self._imports:
            if self._key_values is None:
                limits = TenantSpaces(self.usage)
                # In a thread: that of a server imports SQLAlchemy.
                keeper = await asyncio.to_thread(keeper_of, self._url, limits, self._given_clock, shared)
                self._key_values = KeyValues(keeper, limits)
                self._sweeping = asyncio.get_running_loop().create_task(self._sweep(self._key_values))
        return self._key_values

    async def rows(self) -> "RowDatabases":
        """The databases of rows. Raises HostError where there is none to keep them in."""
        if self._url is None and not self._at_desk:
            raise HostError("there are no databases here: the operator has named none to keep them in (storage.url)")
        async with self._imports:
            if self._rows is None:
                if self._url is None:
                    desk = await _loaded("sidecar.hosts.rows.desk")
                    self._rows = await desk.DeskRows.made(self._clock)
                else:
                    store = await _loaded("sidecar.hosts.rows.store")
                    self._rows = store.RowDatabases(self._url, self._clock, self._rows_of)
        return self._rows

    def _rows_of(self, tenant: str) -> int | None:
        return self.usage.limits_of(tenant).rows

    async def catalog(self) -> "HostCatalog | None":
        """What scripts ask of the catalog; None where that is in files."""
        if self._catalog_url is None:
            return None
        async with self._imports:
            if self._catalog is None:
                catalog = await _loaded("sidecar.hosts.script_catalog")
                self._catalog = catalog.HostCatalog(self._catalog_url)
        return self._catalog

    async def mail(self) -> "ScriptMail":
        """Mail of scripts."""
        async with self._imports:
            if self._mail is None:
                mail = await _loaded("sidecar.hosts.mail.sending")
                self._mail = mail.ScriptMail(self._configuration.mail)
        return self._mail

    async def sms(self) -> "SmsGateway":
        """Short messages of scripts."""
        async with self._imports:
            if self._sms is None:
                gateway = await _loaded("sidecar.hosts.sms.gateway")
                self._sms = gateway.SmsGateway(self._configuration.sms)
        return self._sms

    async def jobs(self) -> "JobQueue":
        """The queue of jobs. Raises HostError where there is none."""
        if self._catalog_url is None:
            raise HostError("there are no jobs here: they are kept in the catalog's database (catalog.url)")
        async with self._imports:
            if self._jobs is None:
                queue = await _loaded("sidecar.queue.queue")
                section = self._configuration.jobs
                keeping = queue.Keeping(completed=section.keep_seconds, failed=section.keep_failed_seconds)
                webhooks = self._configuration.webhooks
                delivering = queue.Delivering(
                    attempts=webhooks.attempts, backoff_ms=webhooks.backoff_ms, keep_seconds=webhooks.keep_seconds
                )
                self._jobs = queue.JobQueue(
                    self._catalog_url, keeping, self._jobs_of, self._clock, self._messages_of, delivering
                )
        return self._jobs

    async def script_jobs(self) -> "ScriptJobs":
        """The same as scripts ask it."""
        queue = await self.jobs()
        async with self._imports:
            if self._script_jobs is None:
                jobs = await _loaded("sidecar.hosts.script_jobs")
                self._script_jobs = jobs.ScriptJobs(queue)
        return self._script_jobs

    def _jobs_of(self, tenant: str) -> tuple[int | None, int | None]:
        limits = self.usage.limits_of(tenant)
        return limits.jobs, limits.job_bytes

    def _messages_of(self, tenant: str) -> int | None:
        return self.usage.limits_of(tenant).messages

    async def rest(self) -> "RestApi":
        """The switch's REST API."""
        async with self._imports:
            if self._rest is None:
                api = await _loaded("sidecar.hosts.rest_api")
                self._rest = api.RestApi(self._configuration.rest)
        return self._rest

    async def lookups(self) -> "Lookups":
        """Services that numbers are looked up at."""
        async with self._imports:
            if self._lookups is None:
                lookups = await _loaded("sidecar.hosts.lookups")
                self._lookups = lookups.Lookups(self._configuration.lookup)
        return self._lookups

    def placed_calls(self) -> "CallPlacing":
        """Calls that scripts place. Raises HostError where this process carries none."""
        if self.placed is None:
            raise HostError("no calls are placed here: only the daemon that carries calls does")
        return self.placed

    async def expect(self, modules: Collection[str]) -> None:
        """Have ready what these modules work with: who asks first does not wait for it. From then on what is used is
        written, where the catalog is in a database."""
        if self._catalog_url is not None:
            writing = self.usage.write_each_minute(self._catalog_url)
            self._metering = asyncio.get_running_loop().create_task(writing)
        if "fetch" in modules or "cxRest" in modules:
            await self.outgoing()
        if CONNECTIONS in modules:
            await self.connections()
        if "cxKV" in modules:
            with contextlib.suppress(HostError):  # which whoever asks is told
                await self.key_values()
        if "cxJob" in modules or "cxWorker" in modules:
            with contextlib.suppress(HostError):
                await self.jobs()
        if "cxUserspace" in modules:
            with contextlib.suppress(HostError):
                await self.rows()

    async def close(self) -> None:
        """Let go of what was made. Nobody asks any more."""
        async with self.usage.writing:
            for task in (self._sweeping, self._metering):
                if task is not None:
                    task.cancel()
                    await asyncio.wait([task])
        if self._metering is not None and self._catalog_url is not None:
            await self.usage.write(self._catalog_url)
        if self._key_values is not None:
            await self._key_values.close()
        if self._shared is not None:
            await self._shared.close()
        if self._rows is not None:
            await self._rows.close()
        if self._catalog is not None:
            await self._catalog.close()
        if self._rest is not None:
            await self._rest.close()
        if self._lookups is not None:
            await self._lookups.close()
        if self._sms is not None:
            await self._sms.close()
        if self._jobs is not None:
            await self._jobs.close()
        if self._outgoing is not None:
            await self._outgoing.close()
        if self._connections is not None:
            await self._connections.close()

    async def _sweep(self, key_values: KeyValues) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            with contextlib.suppress(HostUnavailable):  # which has been logged
                await key_values.sweep()


class TenantSpaces:
    """How much each tenant may keep by key, as it is at the time."""

    def __init__(self, usage: Usage) -> None:
        self._usage = usage

    def of(self, tenant: str) -> SpaceLimits:
        """One tenant's limits."""
        limits = self._usage.limits_of(tenant)
        return SpaceLimits(
            keys=HIGHEST if limits.keys is None else limits.keys,
            bytes=HIGHEST if limits.key_bytes is None else limits.key_bytes,
        )


async def _loaded(name: str) -> Any:
    """A module of ours, imported in a thread: who decides without it does not wait for what it imports, which takes
    0.2 s. Raises HostError where packages are missing."""
    try:
        return await asyncio.to_thread(import_module, name)
    except ModuleNotFoundError as error:
        logger.error("packages_missing", extra={"error": str(error)})  # noqa: TRY400 - nothing of ours failed
        raise HostError("this is not installed here: the operator needs scriptforge-sidecar[platform]") from error
