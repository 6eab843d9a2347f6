"""The daemon: every part made, joined, served and ended in order. Nothing is decided here."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from sandbox.errors import SandboxError
from sandbox.pool import Pool, PoolSettings
from sandbox.process import WorkerSettings
from sidecar.catalog.directory import DirectoryLoader
from sidecar.catalog.model import Snapshot
from sidecar.catalog.watch import CatalogWatcher
from sidecar.configuration import Configuration, SocketSection
from sidecar.decisions import Decided, Decisions
from sidecar.errors import CatalogError, SidecarError
from sidecar.events import DecisionEvents
from sidecar.logs import ActionLogger, open_output, setup
from sidecar.metrics import CatalogState, DecisionMetrics, Sources, registry
from sidecar.metrics_page import Health, MetricsPage, MetricsServer
from sidecar.notify import Notifier, Watchdog
from sidecar.problem import Problem
from sidecar.records import DecisionLog, record_of
from sidecar.shutdown import Shutdown, ShutdownSteps
from sidecar.signals import Reloads, Signals
from sipio.errors import LocalError
from sipio.evapi.client import EvapiClient
from sipio.evapi.messages import CallEnded
from sipio.evapi.peer import EvapiLimits
from sipio.rpc.addresses import ListenAddress, TcpAddress, TlsFiles, UnixAddress
from sipio.rpc.limits import RpcLimits
from sipio.rpc.server import RpcServer
from sipio.rpc.switch import SwitchMethods

_log = ActionLogger(__name__)

NAME = "ScriptForge Sidecar"
DISTRIBUTION = "scriptforge-sidecar"
DRAIN_POLL_SECONDS = 0.01


def pool_settings(configuration: Configuration) -> PoolSettings:
    """The sandbox's sizes as the operator configured them."""
    sandbox = configuration.sandbox
    return PoolSettings(
        workers=sandbox.workers,
        slow_workers=sandbox.slow_workers,
        worker=WorkerSettings(
            memory_bytes=sandbox.worker_memory_bytes,
            warm_contexts=sandbox.warm_contexts,
            require_confinement=sandbox.require_confinement,
        ),
        stall_seconds=sandbox.stall_ms / 1000,
        queue=sandbox.queue,
        queue_per_program=sandbox.queue_per_script,
    )


def rpc_limits(section: SocketSection) -> RpcLimits:
    """The sockets' caps as the operator configured them."""
    return RpcLimits(
        frame_bytes=section.frame_bytes,
        connections=section.connections,
        in_flight_per_connection=section.in_flight_per_connection,
        in_flight=section.in_flight,
        idle_seconds=section.idle_seconds,
        partial_frame_seconds=section.partial_frame_seconds,
        output_bytes=section.output_bytes,
    )


def listen_addresses(section: SocketSection) -> list[ListenAddress]:
    """Where to listen."""
    addresses: list[ListenAddress] = []
    if section.unix is not None:
        addresses.append(UnixAddress(path=section.unix, mode=int(section.unix_mode, 8), group=section.unix_group))
    if section.tcp:
        host, _, port = section.tcp.rpartition(":")
        tls = None
        if section.tls_certificate is not None:
            tls = TlsFiles(certificate=section.tls_certificate, key=section.tls_key, authority=section.tls_client_ca)
        addresses.append(TcpAddress(host=host.strip("[]"), port=int(port), allow=section.allow, tls=tls))
    return addresses


class Daemon:
    """One daemon from its configuration to its exit code."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._events = DecisionEvents()
        self._metrics = DecisionMetrics()
        self._runs: Counter[str] = Counter()
        self._catalog_state: CatalogState | None = None
        self._snapshot: Snapshot | None = None
        self._decisions: Decisions | None = None
        self._started = time.monotonic()

    async def run(self) -> int:
        """Serve until told to stop; the process's exit code.

        Raises SidecarError, SandboxError or LocalError where it cannot start.
        """
        configuration = self._configuration
        loop = asyncio.get_running_loop()
        output = open_output(configuration.log)
        output.attach(loop)
        setup(configuration.log, output)
        self._output = output
        notifier = Notifier.from_environment(os.environ)
        try:
            return await self._serve(notifier, loop)
        except (SidecarError, SandboxError, LocalError) as error:
            _log.error("start_failed", error=str(error))
            raise
        finally:
            notifier.close()
            output.close(1.0)

    async def _serve(self, notifier: Notifier, loop: asyncio.AbstractEventLoop) -> int:
        configuration = self._configuration
        shutdown = Shutdown(drain_seconds=configuration.shutdown.drain_seconds)
        self._shutdown = shutdown
        decision_log = DecisionLog(configuration.log, self._output)
        self._events.on_decided(decision_log.decided)
        self._events.on_decided(self._metrics.decided)
        loader = DirectoryLoader(configuration.catalog, configuration.decisions)
        watcher = CatalogWatcher(loader, accepted=self._accepted, refused=self._refused)
        reloads = Reloads(lambda: self._reload(watcher), notifier)
        signals = Signals(shutdown, reloads)
        signals.install(loop)
        self._pool = pool = Pool(pool_settings(configuration))
        metrics_server = MetricsServer(MetricsPage(registry(self._metrics, self._sources()), self._health))
        self._rpc: RpcServer | None = None
        self._evapi: EvapiClient | None = None
        watchdog = Watchdog(notifier, lambda: self._health().healthy)
        watching: asyncio.Task[None] | None = None
        try:
            loaded = await watcher.load()
            loaded.require()
            await pool.start()
            if not pool.state().confined:
                _log.warning("workers_unconfined", setting="sandbox.require_confinement = false")
            decisions = self._decisions
            if decisions is None:
                raise CatalogError("the catalog could not be loaded")
            switch = SwitchMethods(
                decisions, name=NAME, version=version(DISTRIBUTION), stats=self._stats, scripts=self._scripts
            )
            self._rpc = RpcServer(switch.methods, rpc_limits(configuration.socket))
            bound = await self._rpc.start(listen_addresses(configuration.socket))
            if configuration.metrics.listen:
                await metrics_server.start(configuration.metrics.listen)
            kamailio = configuration.kamailio
            self._evapi = EvapiClient(
                kamailio.peers,
                decisions,
                EvapiLimits(
                    reconnect_min_seconds=kamailio.reconnect_min_seconds,
                    reconnect_max_seconds=kamailio.reconnect_max_seconds,
                    frame_bytes=kamailio.frame_bytes,
                    in_flight=kamailio.in_flight,
                ),
                on_call_ended=self._call_ended,
            )
            self._evapi.start()
            watching = loop.create_task(watcher.run())
            notifier.ready(f"deciding calls with {len(decisions.program_keys())} scripts")
            watchdog.start(loop)
            _log.info(
                "serving",
                sockets=[_shown(address) for address in bound],
                kamailio=list(kamailio.peers),
                confined=pool.state().confined,
            )
            await shutdown.wait()
        except BaseException:
            # Nothing was promised yet: end what was begun, without the ceremony.
            if watching is not None:
                watching.cancel()
            await reloads.stop()
            if self._evapi is not None:
                await self._evapi.close()
            if self._rpc is not None:
                await self._rpc.close()
            await metrics_server.close()
            await pool.close()
            raise
        watching.cancel()
        rpc, evapi = self._rpc, self._evapi

        async def stop_accepting() -> None:
            rpc.stop_accepting()
            evapi.drain()
            await reloads.stop()

        async def tell_stopping() -> None:
            notifier.stopping("draining", extend_seconds=configuration.shutdown.drain_seconds + 10.0)

        async def drain() -> None:
            await rpc.drain(configuration.shutdown.drain_seconds)
            while decisions.pending:
                await asyncio.sleep(DRAIN_POLL_SECONDS)

        async def cancel_rest() -> None:
            decisions.fail_pending()

        async def close_sockets() -> None:
            await rpc.close()
            await evapi.close()
            await metrics_server.close()

        async def flush_logs() -> None:
            signals.remove(loop)

        report = await shutdown.run(
            ShutdownSteps(
                stop_accepting=stop_accepting,
                tell_stopping=tell_stopping,
                drain=drain,
                cancel_rest=cancel_rest,
                close_sockets=close_sockets,
                stop_workers=pool.close,
                flush_logs=flush_logs,
            )
        )
        watchdog.stop()
        _log.info("stopped", drained=report.drained, failed=[phase.value for phase in report.failed])
        if report.left_behind:
            self._output.close(1.0)
            os._exit(report.exit_code)
        return report.exit_code

    # ---- catalog ----

    def _accepted(self, snapshot: Snapshot, problems: Sequence[Problem]) -> None:
        self._snapshot = snapshot
        if self._decisions is None:
            self._decisions = Decisions(self._pool, self._configuration, snapshot, self._decided)
        else:
            self._decisions.use(snapshot)
            self._pool.retain(self._decisions.program_keys())
        self._catalog_state = CatalogState(
            version=snapshot.version, reload_succeeded=True, reload_time=time.time(), problems=len(problems)
        )

    def _refused(self, problems: Sequence[Problem]) -> None:
        running = self._snapshot.version if self._snapshot is not None else ""
        self._catalog_state = CatalogState(
            version=running, reload_succeeded=False, reload_time=time.time(), problems=len(problems)
        )

    async def _reload(self, watcher: CatalogWatcher) -> str:
        snapshot = (await watcher.load()).require()
        return f"deciding calls with {len(snapshot.scripts)} scripts"

    # ---- what happened ----

    def _decided(self, decided: Decided) -> None:
        failure = decided.failure
        if failure is None:
            record = record_of(decided.request, decided.decision, console_lines=len(decided.console))
        else:
            record = record_of(
                decided.request,
                decided.decision,
                error=failure.message,
                error_location=failure.location,
                console_lines=len(decided.console),
            )
        self._runs[record.outcome] += 1
        self._events.decided(record)
        for script, line in decided.console:
            _log.debug("console", call_id=decided.request.call_id, script=script, console=line.level, text=line.text)

    def _call_ended(self, peer: str, ended: CallEnded) -> None:
        _log.info(
            "call_ended",
            kamailio=peer,
            call_id=ended.call_id,
            customer=ended.customer,
            answered=ended.answered,
            started=ended.started,
            seconds=ended.seconds,
        )

    # ---- what is asked ----

    def _health(self) -> Health:
        state = self._pool.state()
        if self._shutdown.requested:
            return Health(healthy=True, state="stopping")
        healthy = self._decisions is not None and state.fast > 0
        return Health(
            healthy=healthy,
            state="serving" if healthy else "no worker",
            details={"confined": state.confined, "workers": state.fast + state.slow, "runs": state.outstanding},
        )

    def _sources(self) -> Sources:
        def workers() -> dict[str, int]:
            state = self._pool.state()
            return {"fast": state.fast, "held": state.held, "slow": state.slow, "spare": state.spare}

        def connections() -> dict[str, int]:
            return {"all": self._rpc.snapshot().connections} if self._rpc is not None else {}

        def requests() -> dict[str, int]:
            return self._rpc.snapshot().requests if self._rpc is not None else {}

        def refused() -> dict[str, int]:
            if self._rpc is None:
                return {}
            snapshot = self._rpc.snapshot()
            return {**snapshot.errors, **{f"connection_{k}": n for k, n in snapshot.refused_connections.items()}}

        def connected() -> dict[str, bool]:
            return {peer.peer: peer.connected for peer in self._evapi.snapshot()} if self._evapi is not None else {}

        def breaker() -> dict[str, str]:
            if self._evapi is None:
                return {}
            return {peer.peer: "open" if peer.breaker_open else "closed" for peer in self._evapi.snapshot()}

        return Sources(
            queue_depth=lambda: {"all": self._pool.state().outstanding},
            workers=workers,
            worker_restarts=lambda: self._pool.state().deaths,
            script_runs=lambda: self._runs,
            evapi_connected=connected,
            breaker=breaker,
            rpc_connections=connections,
            rpc_requests=requests,
            rpc_refused=refused,
            catalog=lambda: self._catalog_state,
            confined=lambda: self._pool.state().confined,
            log_lines_dropped=lambda: self._output.dropped,
        )

    def _stats(self) -> dict[str, Any]:
        state = self._pool.state()
        return {
            "uptime_seconds": int(time.monotonic() - self._started),
            "decisions": dict(self._runs),
            "pending": self._decisions.pending if self._decisions is not None else 0,
            "workers": {"fast": state.fast, "held": state.held, "slow": state.slow, "spare": state.spare},
            "worker_deaths": state.deaths,
            "runs_refused": state.refused,
            "confined": state.confined,
        }

    def _scripts(self) -> dict[str, Any]:
        snapshot = self._snapshot
        if snapshot is None:
            return {"version": "", "scripts": []}
        return {
            "version": snapshot.version,
            "scripts": [
                {"id": script.id, "name": script.name, "kind": script.kind.value, "version": script.version}
                for script in snapshot.scripts.values()
            ],
        }


def _shown(address: ListenAddress) -> str:
    if isinstance(address, UnixAddress):
        return f"unix:{address.path}"
    return f"{'tls' if address.tls is not None else 'tcp'}:{address.host}:{address.port}"


def serve(configuration: Configuration) -> int:
    """Run a daemon in an event loop of its own, uvloop where there is one. The process's exit code."""
    try:
        import uvloop  # noqa: PLC0415 - absent on platforms that it does not support
    except ImportError:
        return asyncio.run(Daemon(configuration).run())
    return int(uvloop.run(Daemon(configuration).run()))
