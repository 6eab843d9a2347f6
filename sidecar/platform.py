"""The platform process: the HTTP API over the catalog in a database, and runs over HTTP. No call needs it."""

import asyncio
import os
from typing import Final

from sandbox.errors import SandboxError
from sidecar import hosts
from sidecar.catalog.compile import Rules
from sidecar.catalog.database.checks import Checks
from sidecar.catalog.database.work import Store
from sidecar.catalog.model import Snapshot
from sidecar.configuration.tree import Configuration
from sidecar.errors import ConfigurationError, SidecarError
from sidecar.hosts.grants import shipped_grants
from sidecar.hosts.placed.remote import RemotePlacing
from sidecar.hosts.services import Services
from sidecar.hosts.tenant_limits import platform_limits
from sidecar.http.app import make_app
from sidecar.http.asking import Platform
from sidecar.http.call_records import CallRecords
from sidecar.http.callers import Tokens
from sidecar.http.live_scripts import LiveScripts
from sidecar.http.number_service import NumberService
from sidecar.http.rates import Rates
from sidecar.http.request_counts import PlatformMetrics, RequestCounts
from sidecar.http.run_service import RunService
from sidecar.http.script_log import ScriptLog
from sidecar.http.server import HttpServer
from sidecar.lifecycle import (
    Part,
    cancel_rest_of_all,
    close_all,
    drain_all,
    stop_accepting_all,
)
from sidecar.logs.logger import ActionLogger, open_output, setup
from sidecar.operations import part_metrics
from sidecar.operations.metrics import registry
from sidecar.operations.metrics_page import Health, MetricsPage, MetricsServer, health_of
from sidecar.operations.notify import Notifier, Watchdog
from sidecar.operations.orphans import Orphans
from sidecar.operations.script_metrics import ScriptMetrics
from sidecar.operations.sharing import Load, Sharing
from sidecar.operations.shutdown import Shutdown, ShutdownSteps
from sidecar.operations.signals import Reloads, Signals
from sidecar.operations.tenant_metrics import TenantMetrics
from sidecar.runs.compilation import engine
from sidecar.runs.pool_settings import request_pool
from sidecar.runs.programs import key_of
from sidecar.runs.runner import PoolName, Runner
from sidecar.storage.engine import Storage
from sipio.errors import LocalError

_log = ActionLogger(__name__)

FLUSH_SECONDS: Final = 1.0
"""How long the end waits for the last log lines to be written."""


class PlatformProcess:
    """One platform from its configuration to its exit code. To be made in its event loop."""

    def __init__(self, configuration: Configuration, *, notifier: Notifier | None = None) -> None:
        """``notifier`` tells the service manager, by default nobody. Raises ConfigurationError where no database is
        named."""
        catalog, section = configuration.catalog, configuration.platform
        if catalog.url is None:
            raise ConfigurationError("catalog.url: the platform needs a database, such as sqlite:////PATH")
        self._log_section = configuration.log
        self._output = open_output(configuration.log)
        self._notifier = notifier or Notifier()
        self._host_services = Services(configuration, limits=platform_limits(configuration))
        self._catalog_version = ""
        self._sharing = Sharing(
            self._host_services,
            "platform",
            configuration.shared.name,
            self._load,
            lambda: self._notifier.status(self._status),
        )
        self._placed: RemotePlacing | None = None
        if configuration.originate.socket is not None:
            self._host_services.placed = self._placed = RemotePlacing(configuration.originate.socket)
        self._grants = grants = shipped_grants(self._host_services)
        self._runner = Runner(
            {PoolName.REQUESTS: request_pool(configuration)},
            trusted=(hosts.source("request"), *grants.javascript()),
        )
        self._store = Store(Storage(catalog.url))
        rules = Rules(configuration.decisions, frozenset(grants.names()), configuration.limits.scripts)
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

        def unavailable(why: str) -> None:
            _log.error("scripts_not_compiled", error=why)

        self._numbers = NumberService(self._store, self._scripts, self._runs, rules.defaults, section.driver_seconds)
        checks = Checks(rules, catalog.script_bytes, lambda: engine(configuration, unavailable, self._runner.parent))
        platform = Platform(
            store=self._store,
            checks=checks,
            rules=rules,
            scripts=self._scripts,
            runs=self._runs,
            numbers=self._numbers,
            log=self._log_of_scripts,
            calls=CallRecords(configuration.voice.records),
            services=self._host_services,
            tokens=Tokens(self._store),
            rates=rates,
        )
        counts = RequestCounts()
        self._http = HttpServer(make_app(platform, section, self._health, counts), section)
        metrics = registry(
            PlatformMetrics(counts, self._runs, rates, self._log_of_scripts),
            part_metrics.PoolMetrics(self._runner.states, lambda: {}, lambda: self._runner.parent.generation),
            ScriptMetrics({PoolName.REQUESTS: self._runs.by_script.snapshot}),
            TenantMetrics(self._host_services.usage, configuration.metrics.scripts),
            self._sharing.metrics(),
            part_metrics.LogMetrics(self._output),
        )
        page = MetricsServer(MetricsPage(metrics, self._health), section.metrics)
        self._services: tuple[Part, ...] = (self._scripts, self._runs, self._log_of_scripts, self._sharing)
        self._connections: tuple[Part, ...] = (self._http, page)
        self._parts: tuple[Part, ...] = (*self._services, *self._connections)
        self._watchdog = Watchdog(self._notifier, self._alive)
        self._orphans = Orphans()
        self._shutdown = Shutdown(drain_seconds=sum(part.drain_seconds for part in self._parts))
        self._reloads = Reloads(self._reload, self._notifier)
        self._signals = Signals(self._shutdown, self._reloads)

    async def run(self) -> int:
        """Serve until told to stop; the process's exit code.

        Raises SidecarError, SandboxError or OSError where it cannot start.
        """
        loop = asyncio.get_running_loop()
        self._output.attach(loop)
        setup(self._log_section, self._output)
        self._signals.install(loop)
        try:
            try:
                await self._start(loop)
            except BaseException as error:
                if isinstance(error, SidecarError | SandboxError | LocalError):
                    _log.error("start_failed", error=str(error))
                for step in (self._cancel_rest, self._close_sockets, self._stop_workers):
                    try:
                        await step()
                    except Exception:  # noqa: BLE001 - logged with its traceback: why it did not start is what is raised
                        _log.exception("start_not_undone")
                raise
            await self._shutdown.wait()
            return await self._stop()
        finally:
            self._signals.remove(loop)
            self._notifier.close()
            self._output.close(FLUSH_SECONDS)

    async def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._runner.parent.start()
        # Who has runs needs scripts, and who is asked needs both.
        for part in self._parts:
            await part.start()
        scripts = (runnable.script for runnable in self._scripts.all())
        await self._host_services.expect({module for script in scripts for module in self._grants.granted(script)})
        self._notifier.ready(self._status)
        self._watchdog.start(loop)
        self._orphans.start(loop)
        confined = all(state.confined for state in self._runner.states().values())
        _log.info("serving", http=self._http.address, confined=confined)

    @property
    def _status(self) -> str:
        return f"serving {self._http.address}{self._sharing.words}"

    def _load(self) -> Load:
        runs = sum(state.outstanding for state in self._runner.states().values())
        return Load(self._catalog_version, runs, 0)

    async def _reload(self) -> str:
        """There is nothing that is read at a signal: a change of the database is live in any case."""
        await self._scripts.look()
        return self._status

    def _use(self, snapshot: Snapshot) -> None:
        scripts = snapshot.scripts
        self._catalog_version = snapshot.version
        self._host_services.usage.limit(snapshot.limits)
        self._runs.use(scripts)
        self._runner.retain({*map(key_of, scripts.values()), *self._runs.program_keys()})

    # ---- the end ----

    async def _stop(self) -> int:
        report = await self._shutdown.run(
            ShutdownSteps(
                refuse_calls=self._nothing,
                tell_stopping=self._tell_stopping,
                drain_calls=self._nothing,
                hand_over=self._nothing,
                stop_accepting=self._stop_accepting,
                drain=self._drain,
                cancel_rest=self._cancel_rest,
                close_sockets=self._close_sockets,
                stop_workers=self._stop_workers,
                flush_logs=self._say_stopped,
            )
        )
        if report.left_behind:
            self._output.close(FLUSH_SECONDS)
            os._exit(report.exit_code)
        return report.exit_code

    async def _nothing(self) -> None:
        """No call comes here."""

    async def _tell_stopping(self) -> None:
        self._notifier.stopping("draining", extend_seconds=self._shutdown.longest_seconds)

    async def _stop_accepting(self) -> None:
        try:
            await stop_accepting_all(self._parts)
            _log.info("accepting_stopped")
        finally:
            await self._reloads.stop()

    async def _drain(self) -> None:
        await drain_all(self._parts)

    async def _cancel_rest(self) -> None:
        await cancel_rest_of_all(self._parts)

    async def _close_sockets(self) -> None:
        await close_all(self._connections)

    async def _stop_workers(self) -> None:
        try:
            await self._runner.close()
        finally:
            await self._numbers.close()
            await close_all(self._services)
            await self._host_services.close()
            if self._placed is not None:
                await self._placed.close()
            await self._store.close()

    async def _say_stopped(self) -> None:
        self._watchdog.stop()
        self._orphans.stop()
        _log.info("stopped", runs=sum(self._runs.outcomes.values()))

    # ---- what is asked ----

    def _health(self) -> Health:
        if self._shutdown.requested:
            return Health(healthy=False, state="stopping")
        return health_of(part.state() for part in self._parts)

    def _alive(self) -> bool:
        # A database that is gone is not mended by a restart.
        return self._shutdown.requested or not self._runs.state().fault
