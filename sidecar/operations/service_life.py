"""The life of a service's process: its start, its signals, its watchdog, and its end in order. Both processes, the call
daemon and the platform, lead it; what each does in it is its own."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sandbox.errors import SandboxError
from sidecar.configuration.tree import LogSection
from sidecar.errors import SidecarError
from sidecar.lifecycle import (
    Part,
    cancel_rest_of_all,
    close_all,
    drain_all,
    refuse_calls_of_all,
    stop_accepting_all,
)
from sidecar.logs.logger import ActionLogger, setup
from sidecar.logs.output import LineOutput
from sidecar.operations.metrics_page import Health, health_of
from sidecar.operations.notify import Notifier, Watchdog
from sidecar.operations.orphans import Orphans
from sidecar.operations.shutdown import Shutdown, ShutdownSteps, Step
from sidecar.operations.signals import Reloads, Signals
from sidecar.runs.runner import Runner
from sipio.errors import LocalError

_log = ActionLogger(__name__)

FLUSH_SECONDS: Final = 1.0
"""How long the end waits for the last log lines to be written."""


async def _nothing() -> None:
    """There are no calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What a process does in the steps of its life."""

    parts: Sequence[Part]
    """In the order of their start."""
    connections: Sequence[Part]
    """Those of them that others connect to: they are closed before the workers end."""
    start: Callable[[], Awaitable[Mapping[str, Any]]]
    """Start the parts; where they are reached, for the log."""
    status: Callable[[], str]
    """What the service manager shows once it has started."""
    reload: Callable[[], Awaitable[str]]
    """Read anew what a signal has it read, and the status then."""
    alive: Callable[[], bool]
    """Whether a restart would do no good."""
    close: Callable[[], Awaitable[None]]
    """Once the workers have ended: what was still run is in the records that are written now, and all is let go of."""
    done: Callable[[], Mapping[str, Any]]
    """What it has done, for its last log line."""
    left_behind: Callable[[], bool] = lambda: False
    """Whether a thread works on that the interpreter would wait for at its exit."""
    drain_calls: Step = _nothing
    hand_over: Step = _nothing
    drain_calls_seconds: float = 0.0
    hand_over_seconds: float = 0.0
    drain_seconds: float = 0.0
    """The longest that each of these, and the parts' own drains, may take."""


class ServiceLife:
    """One process from its start to its exit code. To be made in its event loop."""

    def __init__(
        self, service: Service, runner: Runner, section: LogSection, output: LineOutput, notifier: Notifier
    ) -> None:
        """``notifier`` tells the service manager, and ``output`` is where log lines go."""
        self._service = service
        self._runner = runner
        self._section = section
        self._output = output
        self._notifier = notifier
        self._shutdown = Shutdown(
            drain_calls_seconds=service.drain_calls_seconds,
            hand_over_seconds=service.hand_over_seconds,
            drain_seconds=service.drain_seconds,
        )
        self._watchdog = Watchdog(notifier, lambda: self._shutdown.requested or service.alive())
        self._orphans = Orphans()
        self._reloads = Reloads(service.reload, notifier)
        self._reloads.hold()
        self._signals = Signals(self._shutdown, self._reloads)

    def health(self) -> Health:
        """What is to be said of it now."""
        if self._shutdown.requested:
            return Health(healthy=False, state="stopping")
        return health_of(part.state() for part in self._service.parts)

    async def run(self) -> int:
        """Serve until told to stop; the process's exit code, with which it ends here where something is left behind:
        the interpreter would wait for that.

        Raises SidecarError, SandboxError, LocalError or OSError where it cannot start.
        """
        loop = asyncio.get_running_loop()
        self._output.attach(loop)
        setup(self._section, self._output)
        self._signals.install(loop)
        try:
            try:
                started = await self._start_unless_stopped(loop)
            except BaseException as error:
                if isinstance(error, SidecarError | SandboxError | LocalError):
                    _log.error("start_failed", error=str(error))
                await self._undo_start()
                raise
            if not started:
                _log.info("start_given_up", cause=self._shutdown.cause)
                await self._undo_start()
                self._leave_unless_alone(0)
                return 0
            await self._shutdown.wait()
            return await self._stop()
        finally:
            self._signals.remove(loop)
            self._notifier.close()
            self._output.close(FLUSH_SECONDS)

    def end(self, cause: str) -> None:
        """Ask for the end, as a signal does."""
        self._shutdown.request(cause)

    # ---- the start ----

    async def _start_unless_stopped(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Start; False where the end was asked for before that was done."""
        starting = loop.create_task(self._start(loop))
        asked = loop.create_task(self._shutdown.wait())
        try:
            await asyncio.wait((starting, asked), return_when=asyncio.FIRST_COMPLETED)
        finally:
            asked.cancel()
            if not starting.done():
                starting.cancel()
                await asyncio.wait((starting,))
        if starting.cancelled():
            return False
        starting.result()
        return True

    async def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        reached = await self._service.start()
        self._notifier.ready(self._service.status())
        self._reloads.release()
        self._watchdog.start(loop)
        self._orphans.start(loop)
        confined = all(state.confined for state in self._runner.states().values())
        _log.info("serving", **reached, confined=confined)

    async def _undo_start(self) -> None:
        """Nothing was promised yet: end what was begun, without the ceremony."""
        for step in (self._cancel_rest, self._close_sockets, self._stop_workers):
            try:
                await step()
            except Exception:  # noqa: BLE001 - logged with its traceback: why it did not start is what is raised
                _log.exception("start_not_undone")

    # ---- the end ----

    async def _stop(self) -> int:
        report = await self._shutdown.run(
            ShutdownSteps(
                refuse_calls=self._refuse_calls,
                tell_stopping=self._tell_stopping,
                drain_calls=self._service.drain_calls,
                hand_over=self._service.hand_over,
                stop_accepting=self._stop_accepting,
                drain=self._drain,
                cancel_rest=self._cancel_rest,
                close_sockets=self._close_sockets,
                stop_workers=self._stop_workers,
                flush_logs=self._say_stopped,
            )
        )
        self._leave_unless_alone(report.exit_code, left_behind=report.left_behind)
        return report.exit_code

    def _leave_unless_alone(self, exit_code: int, *, left_behind: bool = False) -> None:
        """End the process at once where a step of the end, or a thread, is under way still."""
        if left_behind or self._service.left_behind():
            self._output.close(FLUSH_SECONDS)
            os._exit(exit_code)

    async def _refuse_calls(self) -> None:
        await refuse_calls_of_all(self._service.parts)

    async def _tell_stopping(self) -> None:
        self._notifier.stopping("draining", extend_seconds=self._shutdown.longest_seconds)

    async def _stop_accepting(self) -> None:
        try:
            await stop_accepting_all(self._service.parts)
            _log.info("accepting_stopped")
        finally:
            await self._reloads.stop()

    async def _drain(self) -> None:
        await drain_all(self._service.parts)

    async def _cancel_rest(self) -> None:
        await cancel_rest_of_all(self._service.parts)

    async def _close_sockets(self) -> None:
        await close_all(self._service.connections)

    async def _stop_workers(self) -> None:
        try:
            await self._runner.close()
        finally:
            await self._service.close()

    async def _say_stopped(self) -> None:
        self._watchdog.stop()
        self._orphans.stop()
        _log.info("stopped", **self._service.done())
