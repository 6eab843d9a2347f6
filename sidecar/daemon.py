"""The daemon: every part made, joined, served and ended in order. Nothing is decided here."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import msgspec

from sandbox.errors import SandboxError
from sandbox.pool import Pool
from sidecar.calls.record import CallRecord
from sidecar.calls.service import Voice
from sidecar.calls.store import CallStore
from sidecar.catalog.directory.loader import DirectoryLoader
from sidecar.catalog.directory.watch import CatalogWatcher
from sidecar.catalog.model import Snapshot
from sidecar.configuration.tree import Configuration, SocketSection
from sidecar.decisions.deciding import Decided
from sidecar.decisions.decisions import Decisions
from sidecar.errors import ConfigurationError, SidecarError
from sidecar.hosts.grants import shipped_grants
from sidecar.logs.logger import ActionLogger, open_output, setup
from sidecar.operations import memory
from sidecar.operations.events import DecisionEvents
from sidecar.operations.metrics import CatalogState, DecisionMetrics, Sources, registry
from sidecar.operations.metrics_page import Health, MetricsPage, MetricsServer
from sidecar.operations.notify import Notifier, Watchdog
from sidecar.operations.records import DecisionLog, record_of
from sidecar.operations.shutdown import Shutdown, ShutdownSteps
from sidecar.operations.signals import Reloads, Signals
from sidecar.problem import Problem
from sidecar.runs.outcomes import GOOD_CALL_ENDS
from sidecar.runs.pool_settings import decision_pool
from sidecar.runs.programs import key_of
from sipio.errors import LocalError
from sipio.kamailio.client import KamailioClient
from sipio.kamailio.limits import KamailioLimits
from sipio.kamailio.messages import CallEnded
from sipio.rpc.addresses import ListenAddress, TcpAddress, TlsFiles, UnixAddress
from sipio.rpc.limits import RpcLimits
from sipio.rpc.server import RpcServer
from sipio.rpc.switch import CALL_RECORD, SwitchMethods

_log = ActionLogger(__name__)

NAME = "ScriptForge Sidecar"
DISTRIBUTION = "scriptforge-sidecar"
FLUSH_SECONDS = 1.0
"""For the last log lines to be written."""
STOP_SECONDS = 10.0
"""What the steps after the drain may take, for the service manager."""


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
    if section.tcp is not None:
        tls = None
        if section.tls_certificate is not None:
            tls = TlsFiles(certificate=section.tls_certificate, key=section.tls_key, authority=section.tls_client_ca)
        addresses.append(TcpAddress(host=section.tcp.host, port=section.tcp.port, allow=section.allow, tls=tls))
    return addresses


class Daemon:
    """One daemon from its configuration to its exit code. To be made in its event loop."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._started = time.monotonic()
        self._output = open_output(configuration.log)
        self._events = DecisionEvents()
        self._metrics = DecisionMetrics()
        self._events.on_decided(DecisionLog(configuration.log, self._output).decided)
        self._events.on_decided(self._metrics.decided)
        self._runs: Counter[str] = Counter()
        self._calls: Counter[str] = Counter()
        self._catalog_state: CatalogState | None = None
        self._snapshot = Snapshot(scripts={}, routes={}, dids={})
        self._pool = Pool(decision_pool(configuration))
        grants = shipped_grants()
        self._decisions = Decisions(self._pool, configuration, self._snapshot, self._decided, grants)
        self._voice = Voice(configuration, self._snapshot, self._decisions, self._call_over, grants)
        records = configuration.voice.records
        self._call_store = CallStore(records, configuration.voice.records_days) if records is not None else None
        loader = DirectoryLoader(configuration.catalog, configuration.decisions, modules=grants.names())
        self._watcher = CatalogWatcher(loader, accepted=self._accepted, refused=self._refused)
        self._watching: asyncio.Task[None] | None = None
        self._switch = SwitchMethods(
            self._decisions,
            name=NAME,
            version=version(DISTRIBUTION),
            stats=self._stats,
            scripts=self._scripts,
            more=self._voice.rpc_calls.methods,
        )
        self._rpc = RpcServer(self._switch.methods, rpc_limits(configuration.socket))
        kamailio = configuration.kamailio
        self._evapi = KamailioClient(
            kamailio.peers,
            self._decisions,
            KamailioLimits(
                reconnect_min_seconds=kamailio.reconnect_min_seconds,
                reconnect_max_seconds=kamailio.reconnect_max_seconds,
                frame_bytes=kamailio.frame_bytes,
                in_flight=kamailio.in_flight,
            ),
            on_call_ended=self._call_ended,
        )
        self._metrics_server = MetricsServer(MetricsPage(registry(self._metrics, self._sources()), self._health))
        self._notifier = Notifier.from_environment(os.environ)
        self._watchdog = Watchdog(self._notifier, lambda: self._shutdown.requested or self._health().healthy)
        self._shutdown = Shutdown(drain_seconds=_drain_seconds(configuration))
        self._reloads = Reloads(self._reload, self._notifier)
        self._signals = Signals(self._shutdown, self._reloads)

    async def run(self) -> int:
        """Serve until told to stop; the process's exit code.

        Raises SidecarError, SandboxError or LocalError where it cannot start.
        """
        loop = asyncio.get_running_loop()
        self._output.attach(loop)
        setup(self._configuration.log, self._output)
        self._signals.install(loop)
        try:
            try:
                await self._start(loop)
            except BaseException as error:
                if isinstance(error, SidecarError | SandboxError | LocalError):
                    _log.error("start_failed", error=str(error))
                # Nothing was promised yet: end what was begun, without the ceremony.
                await self._close_sockets()
                await self._stop_workers()
                raise
            await self._shutdown.wait()
            return await self._stop()
        finally:
            self._signals.remove(loop)
            self._notifier.close()
            self._output.close(FLUSH_SECONDS)

    async def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        configuration = self._configuration
        (await self._watcher.load()).require()
        await self._pool.start()
        confined = self._pool.state().confined
        if not confined:
            _log.warning("workers_unconfined", setting="sandbox.require_confinement = false")
        bound = await self._rpc.start(listen_addresses(configuration.socket))
        if configuration.metrics.listen is not None:
            await self._metrics_server.start(configuration.metrics.listen)
        self._evapi.start()
        voice = await self._voice.start()
        if not (bound or configuration.kamailio.peers or voice):
            raise ConfigurationError("nobody could ask: socket.unix, socket.tcp and kamailio.peers are all empty")
        self._voice.serving()
        self._watching = loop.create_task(self._watcher.run())
        self._notifier.ready(self._status())
        self._watchdog.start(loop)
        _log.info(
            "serving",
            sockets=[_shown(address) for address in bound],
            kamailio=[str(peer) for peer in configuration.kamailio.peers],
            voice=voice,
            confined=confined,
        )

    async def _stop(self) -> int:
        report = await self._shutdown.run(
            ShutdownSteps(
                stop_accepting=self._stop_accepting,
                tell_stopping=self._tell_stopping,
                drain=self._drain,
                cancel_rest=self._fail_rest,
                close_sockets=self._close_sockets,
                stop_workers=self._stop_workers,
                flush_logs=self._say_stopped,
            )
        )
        if report.left_behind:
            self._output.close(FLUSH_SECONDS)
            os._exit(report.exit_code)
        return report.exit_code

    async def _stop_accepting(self) -> None:
        self._rpc.stop_accepting()
        self._rpc.refuse_requests()
        self._evapi.drain()
        self._voice.stop_accepting()
        if self._watching is not None:
            self._watching.cancel()
        await self._reloads.stop()

    async def _tell_stopping(self) -> None:
        seconds = _drain_seconds(self._configuration)
        self._notifier.stopping("draining", extend_seconds=seconds + STOP_SECONDS)

    async def _drain(self) -> None:
        # Decisions have their own time, whatever time the calls that are up have.
        seconds = self._configuration.shutdown.drain_seconds
        try:
            async with asyncio.timeout(seconds):
                await self._rpc.drain(seconds)
                await self._decisions.drained()
        except TimeoutError:
            _log.warning("decisions_cut", pending=self._decisions.pending)
            self._decisions.fail_pending()
        await self._voice.drain()

    async def _fail_rest(self) -> None:
        self._decisions.fail_pending()

    async def _close_sockets(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
        await self._rpc.close()
        await self._evapi.close()
        await self._metrics_server.close()
        await self._voice.close()

    async def _stop_workers(self) -> None:
        await self._pool.close()
        if self._call_store is not None:
            await self._call_store.close()

    async def _say_stopped(self) -> None:
        self._watchdog.stop()
        _log.info("stopped", decisions=sum(self._runs.values()))

    def _status(self) -> str:
        return f"deciding calls with {len(self._snapshot.scripts)} scripts"

    # ---- catalog ----

    def _accepted(self, snapshot: Snapshot, problems: Sequence[Problem]) -> None:
        self._snapshot = snapshot
        self._decisions.use(snapshot)
        self._pool.retain(map(key_of, snapshot.scripts.values()))
        self._voice.use(snapshot)
        self._catalog_state = CatalogState(
            version=snapshot.version, reload_succeeded=True, reload_time=time.time(), problems=len(problems)
        )
        memory.keep()

    def _refused(self, problems: Sequence[Problem]) -> None:
        self._catalog_state = CatalogState(
            version=self._snapshot.version, reload_succeeded=False, reload_time=time.time(), problems=len(problems)
        )

    async def _reload(self) -> str:
        (await self._watcher.load()).require()
        return self._status()

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
        for script, line in decided.console if _log.debugs else ():
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

    def _call_over(self, record: CallRecord) -> None:
        failed = record.error or record.outcome not in GOOD_CALL_ENDS
        (_log.warning if failed else _log.info)("call", **msgspec.to_builtins(record, str_keys=True))
        self._calls[record.outcome] += 1
        self._switch.announce(CALL_RECORD, record)
        if self._call_store is not None:
            self._call_store.add(record)

    # ---- what is asked ----

    def _health(self) -> Health:
        state = self._pool.state()
        if self._shutdown.requested:
            return Health(healthy=False, state="stopping")
        healthy = state.fast > 0
        return Health(
            healthy=healthy,
            state="serving" if healthy else "no worker",
            details={"confined": state.confined, "workers": state.fast + state.slow, "runs": state.outstanding},
        )

    def _sources(self) -> Sources:
        def workers() -> dict[str, int]:
            state = self._pool.state()
            return {"fast": state.fast, "held": state.held, "slow": state.slow, "spare": state.spare}

        def refused() -> dict[str, int]:
            snapshot = self._rpc.snapshot()
            connections = {f"connection_{reason}": n for reason, n in snapshot.refused_connections.items()}
            return snapshot.errors | connections

        def breaker() -> dict[str, str]:
            return {peer.peer: peer.breaker for peer in self._evapi.snapshot()}

        return Sources(
            queue_depth=lambda: {"all": self._pool.state().outstanding},
            workers=workers,
            worker_restarts=lambda: self._pool.state().deaths,
            script_runs=lambda: {name.value: count for name, count in self._decisions.runs.items()},
            evapi_connected=lambda: {peer.peer: peer.connected for peer in self._evapi.snapshot()},
            breaker=breaker,
            rpc_connections=lambda: {"all": self._rpc.snapshot().connections},
            rpc_requests=lambda: self._rpc.snapshot().requests,
            rpc_refused=refused,
            catalog=lambda: self._catalog_state,
            confined=lambda: self._pool.state().confined and self._voice.state().confined,
            calls_up=self._voice.calls.up_by_driver,
            calls=lambda: self._calls,
            call_workers=lambda: self._voice.state().fast,
            log_lines_dropped=lambda: self._output.dropped,
        )

    def _stats(self) -> dict[str, Any]:
        state = self._pool.state()
        return {
            "uptime_seconds": int(time.monotonic() - self._started),
            "decisions": dict(self._runs),
            "pending": self._decisions.pending,
            "workers": {"fast": state.fast, "held": state.held, "slow": state.slow, "spare": state.spare},
            "worker_deaths": state.deaths,
            "runs_refused": state.refused,
            "confined": state.confined,
        }

    def _scripts(self) -> dict[str, Any]:
        snapshot = self._snapshot
        return {
            "version": snapshot.version,
            "scripts": [
                {"id": script.id, "name": script.name, "kind": script.kind.value, "version": script.version}
                for script in snapshot.scripts.values()
            ],
        }


def _drain_seconds(configuration: Configuration) -> float:
    """Decisions and calls drain one after the other."""
    seconds = configuration.shutdown.drain_seconds
    return seconds + configuration.voice.drain_seconds + 1.0 if configuration.voice.call_workers else seconds


def _shown(address: ListenAddress) -> str:
    if isinstance(address, UnixAddress):
        return f"unix:{address.path}"
    return f"{'tls' if address.tls is not None else 'tcp'}:{address.host}:{address.port}"


async def _run(configuration: Configuration) -> int:
    return await Daemon(configuration).run()


def serve(configuration: Configuration) -> int:
    """Run a daemon in an event loop of its own, uvloop where there is one. The process's exit code."""
    try:
        import uvloop  # noqa: PLC0415 - absent on platforms that it does not support
    except ImportError:
        return asyncio.run(_run(configuration))
    return int(uvloop.run(_run(configuration)))
