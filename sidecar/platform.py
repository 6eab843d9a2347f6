"""The platform process: the HTTP API over the catalog in a database, and runs over HTTP. No call needs it."""

from functools import partial

from sidecar import hosts
from sidecar.catalog.compile import Rules
from sidecar.catalog.database.checks import Checks
from sidecar.catalog.database.work import Store
from sidecar.catalog.model import Script, Snapshot
from sidecar.configuration.tree import Configuration
from sidecar.errors import ConfigurationError
from sidecar.hosts.grants import installed_modules, shipped_grants
from sidecar.hosts.node.packages import Packages
from sidecar.hosts.outgoing.address import refusal
from sidecar.hosts.outgoing.settings import outgoing_settings
from sidecar.hosts.placed.remote import RemotePlacing
from sidecar.hosts.services import Services
from sidecar.hosts.tenant_limits import platform_limits
from sidecar.http.app import make_api, make_app, warm
from sidecar.http.asking import Platform
from sidecar.http.async_runs import AsyncRunRules
from sidecar.http.call_records import CallRecords
from sidecar.http.callers import Tokens
from sidecar.http.cancelling import Cancelling
from sidecar.http.live_scripts import LiveScripts
from sidecar.http.number_service import NumberService
from sidecar.http.rates import Rates
from sidecar.http.request_counts import PlatformMetrics, RequestCounts
from sidecar.http.run_service import RunService
from sidecar.http.script_log import ScriptLog
from sidecar.http.server import HttpServer
from sidecar.jobs.call_events import CallEvents
from sidecar.jobs.metrics import CallEventMetrics, JobMetrics
from sidecar.jobs.schedule_metrics import ScheduleMetrics
from sidecar.jobs.schedule_service import ScheduleService
from sidecar.jobs.service import JobService
from sidecar.jobs.worker_metrics import WorkerMetrics
from sidecar.jobs.worker_service import WorkerService
from sidecar.language.examiner import Examiner
from sidecar.lifecycle import (
    Part,
    close_all,
)
from sidecar.logs.logger import ActionLogger, open_output
from sidecar.nodes.in_database import DatabaseListing
from sidecar.operations import memory, part_metrics
from sidecar.operations.live_modules import LiveModules
from sidecar.operations.metrics import registry
from sidecar.operations.metrics_page import Health, MetricsPage, MetricsServer
from sidecar.operations.notify import Notifier
from sidecar.operations.presence import Load, Presence
from sidecar.operations.script_metrics import ScriptMetrics
from sidecar.operations.service_life import Service, ServiceLife
from sidecar.operations.sharing import Sharing
from sidecar.operations.tenant_metrics import TenantMetrics
from sidecar.runs.compilation import engine
from sidecar.runs.pool_settings import job_pool, request_pool
from sidecar.runs.programs import key_of
from sidecar.runs.runner import PoolName, Runner
from sidecar.storage.engine import Storage

_log = ActionLogger(__name__)


class PlatformProcess:
    """One platform from its configuration to its exit code. To be made in its event loop."""

    def __init__(self, configuration: Configuration, *, notifier: Notifier | None = None) -> None:
        """``notifier`` tells the service manager, by default nobody. Raises ConfigurationError where no database is
        named."""
        catalog, section = configuration.catalog, configuration.platform
        if catalog.url is None:
            raise ConfigurationError("catalog.url: the platform needs a database, such as sqlite:////PATH")
        self._output = open_output(configuration.log)
        self._notifier = notifier or Notifier()
        self._host_services = Services(configuration, limits=platform_limits(configuration))
        self._catalog_version = ""
        self._sharing = Sharing(self._host_services, "platform", lambda: self._notifier.status(self._status))
        self._placed: RemotePlacing | None = None
        if configuration.originate.socket is not None:
            self._host_services.placed = self._placed = RemotePlacing(configuration.originate.socket)
        self._modules = LiveModules(configuration.modules.directory, self._use_modules)
        self._grants = grants = shipped_grants(self._host_services)
        self._installed = installed_modules(configuration)
        self._runner = Runner(
            {PoolName.REQUESTS: request_pool(configuration), PoolName.JOBS: job_pool(configuration)},
            trusted=(hosts.source("request"), hosts.source("worker"), *grants.javascript()),
        )
        self._store = Store(Storage(catalog.url))
        self._presence = Presence(
            self._host_services,
            "platform",
            configuration.shared.name,
            self._load,
            DatabaseListing(self._store.storage),
        )
        rules = Rules(
            configuration.decisions,
            grants.host_names(),
            configuration.limits.scripts,
            self._installed,
        )
        rates = Rates(
            requests=section.requests_a_second,
            public_runs=section.public_runs_a_second,
        )
        self._log_of_scripts = ScriptLog(
            section.logs,
            section.log_bytes,
            section.log_days,
            lambda tenant: self._host_services.usage.limits_of(tenant).log_bytes,
        )
        self._runs = RunService(configuration, self._runner, grants, self._log_of_scripts)
        self._scripts = LiveScripts(self._store.storage, rules, catalog.poll_seconds, self._use)

        self._jobs = JobService(
            configuration,
            self._runner,
            grants,
            self._host_services,
            self._script,
            self._scripts.look_again,
            self._log_of_scripts.watch,
        )
        self._call_events = CallEvents(self._host_services, configuration.voice.records)
        self._schedules = ScheduleService(configuration, self._host_services)
        self._workers = WorkerService(
            configuration,
            self._runner,
            grants,
            self._host_services,
            self._script,
            self._scripts.look_again,
            self._log_of_scripts.add,
        )

        def unavailable(why: str) -> None:
            _log.error("scripts_not_compiled", error=why)

        self._numbers = NumberService(self._store, self._scripts, self._runs, rules.defaults, section.driver_seconds)
        self._examiner = Examiner()
        checks = Checks(
            rules,
            catalog.script_bytes,
            lambda: engine(configuration, unavailable, self._runner.parent),
            self._examiner,
        )
        cancelling = Cancelling(self._store.storage, self._runs)
        platform = Platform(
            store=self._store,
            checks=checks,
            rules=rules,
            scripts=self._scripts,
            runs=self._runs,
            cancelling=cancelling,
            numbers=self._numbers,
            log=self._log_of_scripts,
            calls=CallRecords(configuration.voice.records),
            services=self._host_services,
            tokens=Tokens(self._store),
            rates=rates,
            refuses_address=partial(refusal, outgoing_settings(configuration.outgoing).policy),
            previous_secret_seconds=configuration.webhooks.previous_secret_seconds,
            async_runs=AsyncRunRules(
                longest_wait=section.run_seconds,
                attempts=configuration.jobs.run_attempts,
                backoff_ms=configuration.jobs.run_backoff_ms,
            ),
        )
        counts = RequestCounts()
        self._api = make_api()
        self._http = HttpServer(make_app(self._api, platform, section, self._health, counts), section)
        metrics = registry(
            PlatformMetrics(counts, self._runs, rates, self._log_of_scripts),
            part_metrics.PoolMetrics(self._runner.states, lambda: {}, lambda: self._runner.parent.generation),
            ScriptMetrics(
                {
                    PoolName.REQUESTS: self._runs.by_script.snapshot,
                    PoolName.JOBS: self._jobs.by_script.snapshot,
                }
            ),
            JobMetrics(self._jobs, configuration.jobs.at_once),
            CallEventMetrics(self._call_events),
            ScheduleMetrics(self._schedules),
            WorkerMetrics(self._workers),
            TenantMetrics(self._host_services.usage, configuration.metrics.scripts),
            self._sharing.metrics(),
            part_metrics.LogMetrics(self._output),
        )
        page = MetricsServer(MetricsPage(metrics, self._health), section.metrics)
        self._services: tuple[Part, ...] = (
            self._scripts,
            self._modules,
            self._runs,
            cancelling,
            self._log_of_scripts,
            self._jobs,
            self._schedules,
            self._workers,
            self._call_events,
            self._sharing,
            self._presence,
        )
        self._parts: tuple[Part, ...] = (*self._services, self._http, page)
        service = Service(
            parts=self._parts,
            connections=(self._http, page),
            start=self._start,
            status=lambda: self._status,
            reload=self._reload,
            # A database that is gone is not mended by a restart.
            alive=lambda: not self._runs.state().fault,
            close=self._close,
            done=lambda: {"runs": sum(self._runs.outcomes.values())},
            drain_seconds=sum(part.drain_seconds for part in self._parts),
        )
        self._life = ServiceLife(service, self._runner, configuration.log, self._output, self._notifier)

    async def run(self) -> int:
        """Serve until told to stop; see `sidecar.operations.service_life.ServiceLife.run`."""
        return await self._life.run()

    def _health(self) -> Health:
        return self._life.health()

    async def _start(self) -> dict[str, str]:
        self._runner.parent.start()
        await self._examiner.start()
        await warm(self._api)
        # Who has runs needs scripts, and who is asked needs both.
        for part in self._parts:
            await part.start()
        scripts = (runnable.script for runnable in self._scripts.all())
        await self._host_services.expect({module for script in scripts for module in self._grants.granted(script)})
        memory.keep()
        return {"http": self._http.address}

    @property
    def _status(self) -> str:
        return f"serving {self._http.address}{self._sharing.words}"

    def _load(self) -> Load:
        runs = sum(state.outstanding for state in self._runner.states().values())
        return Load(self._catalog_version, self._scripts.revision, runs, 0)

    async def _reload(self) -> str:
        """Nothing is read at a signal alone: a change of the database, or of what is installed, is live in any
        case."""
        await self._modules.look_again()
        await self._scripts.look()
        return self._status

    async def _use_modules(self, packages: Packages) -> None:
        """Scripts that name what is another one now are other versions of theirs."""
        self._grants.use_packages(packages)
        self._installed.use(packages.installed())
        await self._scripts.look()

    def _use(self, snapshot: Snapshot) -> None:
        scripts = snapshot.scripts
        self._catalog_version = snapshot.version
        self._grants.limit(snapshot.limits)
        self._runs.use(scripts)
        self._jobs.use(scripts)
        self._workers.use(scripts)
        under_way = self._runs.program_keys() | self._jobs.program_keys() | self._workers.program_keys()
        self._runner.retain({*map(key_of, scripts.values()), *under_way})

    def _script(self, script_id: str) -> Script | None:
        found = self._scripts.by_id(script_id)
        return found.script if found is not None else None

    async def _close(self) -> None:
        await self._examiner.close()
        await self._numbers.close()
        await close_all(self._services)
        await self._host_services.close()
        if self._placed is not None:
            await self._placed.close()
        await self._store.close()
