"""What one run may use, by what it is run for."""

from typing import Final

from sandbox.program import Limits
from sidecar.configuration.tree import Configuration

QUEUED_ACTIONS: Final = 1_000
"""Actions of one call asked for and not begun: a script that does not await is allowed as many and no more."""
TURN_SECONDS: Final = 2.0
"""Time of one turn of a script that drives a call, from one await to the next."""


WORKER_SECONDS: Final = 366 * 86_400.0
"""As long as a Worker may live at most."""
WORKER_CPU_SECONDS: Final = 1e6
"""Of its turns together: as much as in eleven days without a pause."""


def decision_limits(wall_seconds: float, configuration: Configuration) -> Limits:
    """The limits of a run that decides and may take so long."""
    sandbox = configuration.sandbox
    return Limits(
        wall_seconds=wall_seconds,
        cpu_seconds=min(wall_seconds, sandbox.cpu_ms / 1000),
        result_bytes=sandbox.result_bytes,
        log_bytes=sandbox.log_bytes,
    )


def request_limits(wall_seconds: float, configuration: Configuration) -> Limits:
    """The limits of a run over HTTP: it may wait as long as whoever asked does."""
    sandbox = configuration.sandbox
    return Limits(
        wall_seconds=wall_seconds,
        turn_seconds=min(wall_seconds, TURN_SECONDS),
        cpu_seconds=sandbox.cpu_ms / 1000,
        result_bytes=sandbox.result_bytes,
        log_bytes=sandbox.log_bytes,
    )


def job_limits(configuration: Configuration) -> Limits:
    """The limits of one attempt of a job."""
    return request_limits(configuration.jobs.run_seconds, configuration)


def worker_limits(configuration: Configuration) -> Limits:
    """The limits of a Worker's run, which goes on from message to message: what one of these may use is for whoever
    gives them to see to."""
    sandbox = configuration.sandbox
    return Limits(
        wall_seconds=WORKER_SECONDS,
        turn_seconds=min(configuration.mailboxes.message_seconds, TURN_SECONDS),
        cpu_seconds=WORKER_CPU_SECONDS,
        result_bytes=sandbox.result_bytes,
        log_bytes=sandbox.log_bytes,
    )


def driver_limits(configuration: Configuration) -> Limits:
    """The limits of a Driver's run: as those of a run over HTTP, as long as a carrier may take."""
    return request_limits(configuration.platform.driver_seconds, configuration)


def call_limits(configuration: Configuration) -> Limits:
    """The limits of a run that drives a call: each of its turns is short, and it may wait as long as a call lasts."""
    sandbox = configuration.sandbox
    return Limits(
        wall_seconds=configuration.voice.longest_call_seconds,
        turn_seconds=TURN_SECONDS,
        cpu_seconds=sandbox.cpu_ms / 1000,
        result_bytes=sandbox.result_bytes,
        log_bytes=sandbox.log_bytes,
        outbox_calls=2 * QUEUED_ACTIONS,
    )
