"""The sizes of each pool of workers as the operator configured them."""

from typing import Final

from msgspec import structs

from sandbox.pool import PoolSettings
from sandbox.process import WorkerSettings
from sidecar.configuration.tree import Configuration

CALL_INPUT_BYTES: Final = 500_000
"""More than twice what any call's script is given at its beginning, a SIP message of 64 KB at worst."""


def decision_pool(configuration: Configuration) -> PoolSettings:
    """For scripts that decide: many runs, each over in less than a millisecond of programs that stay loaded."""
    sandbox = configuration.sandbox
    return PoolSettings(
        workers=sandbox.workers,
        most_workers=sandbox.most_workers,
        idle_seconds=sandbox.idle_seconds,
        slow_workers=sandbox.slow_workers,
        worker=WorkerSettings(
            memory_bytes=sandbox.worker_memory_bytes,
            require_confinement=sandbox.require_confinement,
        ),
        stall_seconds=sandbox.stall_ms / 1000,
        queue_bytes=sandbox.queue_bytes,
    )


def call_pool(configuration: Configuration) -> PoolSettings:
    """For scripts that drive calls: runs that wait between their turns, for as long as a call lasts."""
    voice, sandbox = configuration.voice, configuration.sandbox
    return PoolSettings(
        workers=max(1, voice.call_workers),
        idle_seconds=sandbox.idle_seconds,
        by_customer=True,
        # A call has its place for as long as it lasts: there is nothing to move aside.
        slow_workers=0,
        worker=WorkerSettings(
            memory_bytes=voice.call_worker_memory_bytes,
            require_confinement=sandbox.require_confinement,
        ),
        stall_seconds=sandbox.stall_ms / 1000,
        # Calls are bounded by their number, whatever they come with.
        queue_bytes=voice.calls * CALL_INPUT_BYTES,
    )


def request_pool(configuration: Configuration) -> PoolSettings:
    """For runs over HTTP: short ones, and some that wait beside a web socket for hours."""
    platform, sandbox = configuration.platform, configuration.sandbox
    return PoolSettings(
        workers=platform.workers,
        most_workers=platform.most_workers,
        idle_seconds=sandbox.idle_seconds,
        # A turn is short, or costs its own tenant: who waits holds no place.
        slow_workers=sandbox.slow_workers,
        worker=WorkerSettings(
            memory_bytes=platform.worker_memory_bytes,
            require_confinement=sandbox.require_confinement,
        ),
        stall_seconds=sandbox.stall_ms / 1000,
        queue_bytes=sandbox.queue_bytes,
    )


def job_pool(configuration: Configuration) -> PoolSettings:
    """For jobs: runs that may wait long, and that nobody waits for."""
    jobs, sandbox = configuration.jobs, configuration.sandbox
    return PoolSettings(
        workers=max(1, jobs.job_workers),
        most_workers=jobs.most_job_workers,
        idle_seconds=sandbox.idle_seconds,
        slow_workers=0,
        worker=WorkerSettings(
            memory_bytes=jobs.worker_memory_bytes,
            require_confinement=sandbox.require_confinement,
        ),
        stall_seconds=sandbox.stall_ms / 1000,
        queue_bytes=sandbox.queue_bytes,
    )


def one_worker(settings: PoolSettings) -> PoolSettings:
    """As these, for a command that runs one script."""
    return structs.replace(settings, workers=1, most_workers=0, slow_workers=0)
