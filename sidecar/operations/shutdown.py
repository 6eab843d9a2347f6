"""The ordered end: nothing new is taken, what was taken is answered, then everything closes in its turn."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sidecar.logs.logger import ActionLogger

_log = ActionLogger(__name__)

HASTY_SECONDS: Final = 0.5
"""What each step has left once a second signal came; eight of them fit well into a terminal user's patience."""

GRACE_SECONDS: Final = 0.1
"""How long a step that was cancelled may take to end itself before it is left behind."""

Step = Callable[[], Awaitable[None]]


class Phase(StrEnum):
    """Where the daemon is in its life; the steps of the end in their order."""

    RUNNING = "running"
    REFUSE_CALLS = "refuse_calls"
    TELL_STOPPING = "tell_stopping"
    DRAIN_CALLS = "drain_calls"
    HAND_OVER = "hand_over"
    STOP_ACCEPTING = "stop_accepting"
    DRAIN = "drain"
    CANCEL_REST = "cancel_rest"
    CLOSE_SOCKETS = "close_sockets"
    STOP_WORKERS = "stop_workers"
    FLUSH_LOGS = "flush_logs"
    STOPPED = "stopped"


STEP_SECONDS: Final = {
    Phase.REFUSE_CALLS: 1.0,
    Phase.TELL_STOPPING: 0.5,
    Phase.STOP_ACCEPTING: 1.0,
    Phase.CANCEL_REST: 1.0,
    Phase.CLOSE_SOCKETS: 2.0,
    Phase.STOP_WORKERS: 8.0,  # at whose end usage is written, by a process that takes 0.6 s to start, at load 4 s
    Phase.FLUSH_LOGS: 1.0,
}
"""The most each step may take, in seconds; draining and handing over have their own from the configuration."""

DRAINS: Final = frozenset((Phase.DRAIN_CALLS, Phase.DRAIN))
"""Steps that wait for others, and end at once when the end is hastened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShutdownSteps:
    """What each step does. Each is called once, in this order, whatever became of the one before it."""

    refuse_calls: Step
    """Take no new call that a script would drive. Decisions go on."""
    tell_stopping: Step
    """Tell the service manager."""
    drain_calls: Step
    """Returns once no call is up. Decisions go on."""
    hand_over: Step
    """Give the sockets to the next process, where there is a way; else they are closed below."""
    stop_accepting: Step
    """Close listeners; a request on a connection that is open is refused with a typed error."""
    drain: Step
    """Returns once nothing is being worked on."""
    cancel_rest: Step
    """Give every request still being worked on its failure action's answer. No caller is left without one."""
    close_sockets: Step
    """Write out what was answered, then close."""
    stop_workers: Step
    flush_logs: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class ShutdownReport:
    """What the end was like."""

    exit_code: int
    drained: bool
    """All requests were answered in the drain's time; otherwise the rest got their failure action."""
    failed: tuple[Phase, ...]
    """Steps that raised or ran out of time."""
    left_behind: bool
    """A step would not end even when cancelled: leave by ``os._exit``, since a loop waits for its tasks."""


class Shutdown:
    """Waits to be asked, then runs the steps, each within its time."""

    def __init__(
        self, *, drain_calls_seconds: float = 0.0, hand_over_seconds: float = 0.0, drain_seconds: float = 0.0
    ) -> None:
        self._limits = STEP_SECONDS | {
            Phase.DRAIN_CALLS: max(drain_calls_seconds, GRACE_SECONDS),
            Phase.HAND_OVER: max(hand_over_seconds, GRACE_SECONDS),
            Phase.DRAIN: max(drain_seconds, GRACE_SECONDS),
        }
        self._requested = asyncio.Event()
        self._hastened = asyncio.Event()
        self._exit_code = 0
        self.phase = Phase.RUNNING
        self.cause = ""
        """What was asked first: a signal's name or a failure."""

    @property
    def longest_seconds(self) -> float:
        """What all steps may take, one that has to be cancelled included."""
        return sum(self._limits.values()) + GRACE_SECONDS * len(self._limits)

    @property
    def requested(self) -> bool:
        """Whether the end has been asked for."""
        return self._requested.is_set()

    def request(self, cause: str, *, exit_code: int = 0) -> None:
        """Ask for the end; asked again, hasten it. ``exit_code`` is for an end by a failure of our own."""
        if not self._requested.is_set():
            self.cause = cause
            self._exit_code = exit_code
            self._requested.set()
        elif not self._hastened.is_set():
            _log.warning("shutdown_hastened", cause=cause, step=self.phase.value)
            self._hastened.set()

    async def wait(self) -> None:
        """Return once the end is asked for."""
        await self._requested.wait()

    async def run(self, steps: ShutdownSteps) -> ShutdownReport:
        """Run the steps. To be called once, after ``wait``."""
        self._requested.set()
        _log.info("shutdown_began", cause=self.cause)
        ordered = (
            (Phase.REFUSE_CALLS, steps.refuse_calls),
            (Phase.TELL_STOPPING, steps.tell_stopping),
            (Phase.DRAIN_CALLS, steps.drain_calls),
            (Phase.HAND_OVER, steps.hand_over),
            (Phase.STOP_ACCEPTING, steps.stop_accepting),
            (Phase.DRAIN, steps.drain),
            (Phase.CANCEL_REST, steps.cancel_rest),
            (Phase.CLOSE_SOCKETS, steps.close_sockets),
            (Phase.STOP_WORKERS, steps.stop_workers),
            (Phase.FLUSH_LOGS, steps.flush_logs),
        )
        failed: list[Phase] = []
        drained = True
        left_behind = False
        for phase, step in ordered:
            self.phase = phase
            task = asyncio.create_task(_begun(step))
            await self._bounded(phase, task)
            if not task.done():
                task.cancel()
                await asyncio.wait((task,), timeout=GRACE_SECONDS)
                left_behind = left_behind or not task.done()
                if phase in DRAINS:
                    drained = False
                    _log.warning("drain_cut", step=phase.value, hastened=self._hastened.is_set())
                else:
                    failed.append(phase)
                    _log.error("shutdown_step_overran", step=phase.value)
            elif task.cancelled() or task.exception() is not None:
                failed.append(phase)
                drained = drained and phase not in DRAINS
                _log.error("shutdown_step_failed", step=phase.value, error=_error_of(task))
        self.phase = Phase.STOPPED
        exit_code = self._exit_code or int(bool(failed))
        return ShutdownReport(exit_code=exit_code, drained=drained, failed=tuple(failed), left_behind=left_behind)

    async def _bounded(self, phase: Phase, task: asyncio.Task[None]) -> None:
        """Wait for a step until its time is up, which a second request shortens: to nothing for a drain."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._limits[phase]
        if not self._hastened.is_set():
            hastened = asyncio.ensure_future(self._hastened.wait())
            await asyncio.wait((task, hastened), timeout=self._limits[phase], return_when=asyncio.FIRST_COMPLETED)
            hastened.cancel()
        if self._hastened.is_set() and not task.done():
            end = min(end, loop.time() + (0.0 if phase in DRAINS else HASTY_SECONDS))
            await asyncio.wait((task,), timeout=max(0.0, end - loop.time()))


async def _begun(step: Step) -> None:
    await step()


def _error_of(task: asyncio.Task[None]) -> str:
    if task.cancelled():
        return "cancelled"
    error = task.exception()
    return f"{type(error).__name__}: {error}"
