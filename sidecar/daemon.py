"""The daemon: every part made, joined, and led through its life in order. No call and no decision passes here."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sidecar import hosts
from sidecar.calls.service import CallService
from sidecar.catalog.compile import Rules
from sidecar.catalog.database.source import DatabaseSource
from sidecar.catalog.directory.last_good import LastGood
from sidecar.catalog.directory.loader import DirectoryLoader
from sidecar.catalog.directory.watch import DirectorySource
from sidecar.catalog.model import Snapshot
from sidecar.catalog.source import Source
from sidecar.configuration.tree import Configuration
from sidecar.decisions.service import DecisionService
from sidecar.errors import ConfigurationError
from sidecar.hosts.grants import Grants, installed_modules, shipped_grants
from sidecar.hosts.node.packages import Packages
from sidecar.hosts.placed.calls import PlacedCalls
from sidecar.hosts.placed.served import PlacedService
from sidecar.hosts.services import Services
from sidecar.lifecycle import (
    HandedOver,
    Part,
    close_all,
)
from sidecar.logs.logger import ActionLogger, open_output
from sidecar.operations import memory, part_metrics
from sidecar.operations.console_feed import ConsoleFeed
from sidecar.operations.hand_over import HandOver, Inherited
from sidecar.operations.live_catalog import LiveCatalog
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
from sidecar.runs.pool_settings import call_pool, decision_pool
from sidecar.runs.programs import key_of
from sidecar.runs.runner import PoolName, Runner
from sidecar.switches.kamailio import KamailioPart
from sidecar.switches.late import LatePart
from sidecar.switches.platform_socket import PlatformSocket
from sidecar.switches.socket import SocketPart
from sipio.call_control import CallHandler
from sipio.routing import Router

if TYPE_CHECKING:
    from sidecar.switches.freeswitch import FreeswitchPart
    from sidecar.switches.sip import SipPart

_log = ActionLogger(__name__)


class Daemon:
    """One daemon from its configuration to its exit code. To be made in its event loop."""

    def __init__(
        self,
        configuration: Configuration,
        source: Source | None = None,
        *,
        notifier: Notifier | None = None,
        inherited: Inherited | None = None,
    ) -> None:
        """``source`` is where the catalog comes from, by default what the configuration names.
        ``notifier`` tells the service manager, by default nobody, and ``inherited`` is what it has kept for us."""
        self._output = open_output(configuration.log)
        self._host_services = Services(configuration)
        self._modules = LiveModules(configuration.modules.directory, self._use_modules)
        self._grants = grants = shipped_grants(self._host_services)
        self._installed = installed_modules(configuration)
        self._runner = Runner(
            {PoolName.DECISIONS: decision_pool(configuration), PoolName.CALLS: call_pool(configuration)},
            trusted=(hosts.source("routing"), hosts.source("call"), *grants.javascript()),
        )
        self._notifier = notifier = notifier or Notifier()
        self._inherited = inherited or Inherited()
        source = source or self._source(configuration, grants)
        self._catalog = LiveCatalog(source, self._use, lambda _: self._tell_status())
        self._sharing = Sharing(self._host_services, "daemon", self._tell_status)
        self._presence = Presence(
            self._host_services,
            "daemon",
            configuration.shared.name,
            self._load,
            source if isinstance(source, DatabaseSource) else None,
        )
        console = ConsoleFeed(lambda: frozenset(self._catalog.snapshot.scripts))
        self._decisions = DecisionService(configuration, self._runner, grants, self._output, console)
        self._placed = placed = PlacedCalls(configuration.originate)
        self._calls = CallService(configuration, self._runner, grants, placed, console)

        router, handler = self._decisions.decisions, self._calls.calls
        taken = handler if self._calls.enabled else None
        placed.know_driven(handler.of_tenant)
        self._host_services.placed = placed
        socket = SocketPart(
            configuration,
            router,
            handler,
            stats=self._decisions.stats,
            scripts=self._catalog.scripts,
            more=console.methods,
        )
        platform = PlatformSocket(configuration, PlacedService(placed).methods)
        kamailio = KamailioPart(configuration.kamailio, router)
        placed.place_by("socket", socket)
        self._sip = sip = _sip_part(configuration, taken, self._calls, placed)
        self._freeswitch = freeswitch = _freeswitch_part(configuration, router, taken, self._calls)
        if freeswitch is not None:
            placed.place_by("freeswitch", freeswitch)
        self._calls.events.subscribe(socket.announce_call)

        metrics = registry(
            self._decisions.metrics,
            part_metrics.PoolMetrics(
                self._runner.states, self._decisions.script_runs, lambda: self._runner.parent.generation
            ),
            part_metrics.CallMetrics(self._calls.snapshot),
            ScriptMetrics(
                {
                    PoolName.DECISIONS: self._decisions.decisions.by_script.snapshot,
                    PoolName.CALLS: self._calls.by_script.snapshot,
                }
            ),
            part_metrics.RecordMetrics(
                {
                    "decision": lambda: self._decisions.events.failed,
                    "call": lambda: self._calls.events.failed,
                }
            ),
            part_metrics.RpcMetrics(socket.snapshot, socket.calls_snapshot),
            part_metrics.KamailioMetrics(kamailio.snapshots),
            part_metrics.SipMetrics(
                lambda: sip.part.snapshot() if sip.part is not None else None,
                lambda: sip.part.media_snapshot() if sip.part is not None else None,
            ),
            part_metrics.FreeswitchMetrics(lambda: freeswitch.snapshot() if freeswitch is not None else None),
            part_metrics.CatalogMetrics(self._catalog.last_load),
            TenantMetrics(self._host_services.usage, configuration.metrics.scripts),
            self._sharing.metrics(),
            part_metrics.LogMetrics(self._output),
        )
        page = MetricsServer(MetricsPage(metrics, self._health), configuration.metrics.listen)

        self._services: tuple[Part, ...] = (
            self._presence,
            self._modules,
            self._catalog,
            self._decisions,
            self._calls,
            self._sharing,
        )
        of_freeswitch = (freeswitch,) if freeswitch is not None else ()
        self._connections: tuple[Part, ...] = (socket, page, kamailio, *of_freeswitch, sip, platform)
        self._handed_over: tuple[HandedOver, ...] = (socket, kamailio, *of_freeswitch)
        self._parts: tuple[Part, ...] = (*self._services, *self._connections)
        self._hand_over: HandOver | None = None
        if configuration.shutdown.hand_over and notifier.connected:
            patience = configuration.shutdown.drain_seconds
            self._hand_over = HandOver(self._handed_over, notifier, patience_seconds=patience)
        service = Service(
            parts=self._parts,
            connections=self._connections,
            start=self._start,
            status=lambda: self._status,
            reload=self._reload,
            alive=self._alive,
            close=self._close,
            done=lambda: {"decisions": self._decisions.metrics.total},
            left_behind=lambda: self._catalog.loading,
            drain_calls=self._drain_calls,
            hand_over=self._give_sockets_away,
            drain_calls_seconds=self._calls.drain_seconds,
            hand_over_seconds=self._hand_over.longest_seconds if self._hand_over is not None else 0.0,
            drain_seconds=sum(part.drain_seconds for part in self._parts if part is not self._calls),
        )
        self._life = ServiceLife(service, self._runner, configuration.log, self._output, notifier)

    def _source(self, configuration: Configuration, grants: Grants) -> Source:
        """Where the configuration says that the catalog is."""
        catalog, installed = configuration.catalog, self._installed
        if catalog.url is not None:
            return DatabaseSource(
                catalog.url,
                Rules(configuration.decisions, grants.host_names(), installed=installed),
                poll_seconds=catalog.poll_seconds,
                copy_folder=catalog.last_good,
            )
        return DirectorySource(
            DirectoryLoader(
                catalog,
                configuration.decisions,
                modules=grants.host_names(),
                installed=installed,
                engine=lambda: engine(
                    configuration, lambda why: _log.error("scripts_not_compiled", error=why), self._runner.parent
                ),
                last_good=LastGood(catalog.last_good, catalog.directory),
            )
        )

    async def run(self) -> int:
        """Serve until told to stop; see `sidecar.operations.service_life.ServiceLife.run`."""
        return await self._life.run()

    def end(self, cause: str) -> None:
        """Have `run` end in order, as a signal does."""
        self._life.end(cause)

    def _health(self) -> Health:
        return self._life.health()

    async def _start(self) -> dict[str, Sequence[str]]:
        switches_wait = bool(self._inherited)
        for one in self._handed_over:
            one.take(self._inherited.take(one.name))
        self._inherited.discard()
        await self._start_parts(switches_wait=switches_wait)
        addresses = {part.name: found for part in self._parts if (found := part.state().addresses)}
        if not addresses:
            raise ConfigurationError("nobody could ask: socket.unix, socket.tcp and kamailio.peers are all empty")
        return addresses

    async def _start_parts(self, *, switches_wait: bool) -> None:
        """Start all parts, in an order in which switches that ask meanwhile wait the least: workers start while the
        catalog is loaded, and what decides waits for no script that drives calls.

        Where no switch waits yet all ways in are there at about the same time.
        """
        self._runner.parent.start()
        loop = asyncio.get_running_loop()
        starting = [loop.create_task(self._decisions.start())]
        try:
            if not switches_wait:
                await self._sip.load()
            await self._catalog.start()  # which says whether there is anything to drive a call with
            await self._modules.start()
            scripts = self._catalog.snapshot.scripts.values()
            asked = {module for script in scripts for module in self._grants.granted(script)}
            await self._sharing.start()
            await self._presence.start()
            await self._host_services.expect(asked)
            if asked or self._sharing.shares:
                memory.keep()  # with what that has imported
            starting.append(loop.create_task(self._calls.start()))
            await starting[0]
            for part in self._connections:
                if part is self._sip or part is self._freeswitch:
                    await starting[1]
                await part.start()
            await starting[1]
        except BaseException:
            await asyncio.gather(*starting, return_exceptions=True)  # what has begun to start is closed by the caller
            raise

    @property
    def _status(self) -> str:
        return f"{self._catalog.status}{self._sharing.words}"

    def _load(self) -> Load:
        runs = sum(state.outstanding for state in self._runner.states().values())
        calls = sum(self._calls.snapshot().up.values())
        return Load(self._catalog.snapshot.version, self._catalog.revision, runs, calls)

    def _tell_status(self) -> None:
        self._notifier.status(self._status)

    def _use(self, snapshot: Snapshot) -> None:
        self._grants.limit(snapshot.limits)
        self._decisions.decisions.use(snapshot)
        self._calls.use(snapshot)
        self._runner.retain({*map(key_of, snapshot.scripts.values()), *self._calls.calls.program_keys()})

    async def _use_modules(self, packages: Packages) -> None:
        """Scripts that name what is another one now are other versions of theirs."""
        self._grants.use_packages(packages)
        self._installed.use(packages.installed())
        await self._catalog.reload()

    async def _reload(self) -> str:
        """Load the catalog, what is installed of modules, and the accounts of the SIP agent anew; each is taken or
        refused for itself."""
        refused = ""
        try:
            if self._sip.part is not None:
                self._sip.part.reload()
        except ConfigurationError as error:
            refused = str(error)
            _log.error("sip_accounts_refused", error=refused)
        await self._modules.look_again()
        await self._catalog.reload()
        status = self._status
        return f"{status}; the former SIP accounts stay: {refused}" if refused else status

    # ---- the end ----

    async def _drain_calls(self) -> None:
        self._placed.refuse_new()
        await self._calls.drain()
        self._placed.end_all()

    async def _give_sockets_away(self) -> None:
        if self._hand_over is None:
            return
        # First what takes its time, so that the process ends as soon as nobody reads what switches ask.
        await close_all((self._sip,))
        await self._hand_over.run(self._decisions.cancel_rest)

    async def _close(self) -> None:
        await close_all(self._services)
        await self._host_services.close()

    def _alive(self) -> bool:
        # Decisions alone: to restart the service for want of a call's worker would end decisions that go well, and
        # start the worker no sooner than its pool does.
        return not self._decisions.state().fault


def _sip_part(
    configuration: Configuration, handler: CallHandler | None, calls: CallService, placed: PlacedCalls
) -> "LatePart[SipPart]":
    def load() -> None:
        import sidecar.switches.sip  # noqa: F401, PLC0415 - in a thread, while decisions are made

    def make() -> "SipPart":
        from sidecar.switches.sip import SipPart  # noqa: PLC0415 - as above

        part = SipPart(configuration, handler, calls.start_workers, calls.takes_calls)
        placed.place_by("sip", part)
        placed.know_registrations(part)
        return part

    there_is_one = bool(configuration.sip.listen) and handler is not None
    return LatePart("sip", make if there_is_one else None, load)


def _freeswitch_part(
    configuration: Configuration, router: Router, handler: CallHandler | None, calls: CallService
) -> "FreeswitchPart | None":
    if configuration.freeswitch.listen is None:
        return None
    # Half of what there is to import, which others need not wait for.
    from sidecar.switches.freeswitch import FreeswitchPart  # noqa: PLC0415

    return FreeswitchPart(configuration, router, handler, calls.start_workers)
