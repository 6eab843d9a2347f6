"""How large a pool is, and what it is doing."""

import msgspec

from sandbox.process import WorkerSettings


class PoolSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes of the pool."""

    workers: int = 2
    """For runs that are over soon; where each customer is to have its own, the most of them."""
    most_workers: int = 0
    """The same for when there is more to do than they can: one is started as soon as three quarters of them are busy,
    and stopped again once it was too many for ``idle_seconds``. 0, or what is no more than ``workers``, for as many as
    these at all times. Of no effect where each customer is to have its own."""
    idle_seconds: float = 60.0
    by_customer: bool = False
    """Whether a worker has runs of one customer only, for as long as there are as many workers as customers. One is
    started at first, others as customers come; each is stopped again once it was too many for ``idle_seconds``."""
    slow_workers: int = 1
    """For programs that hold a worker for long, and as many for those that hold it for far longer."""
    worker: WorkerSettings = WorkerSettings()
    stall_seconds: float = 0.02
    """Processor time in one run after which a worker counts as held."""
    queue_bytes: int = 256_000_000
    """Runs without an answer in all, by their inputs and RUN_BYTES each. Those of one program for one customer have
    half of what others leave free, so that however much one of them asks, the next finds room."""


class PoolState(msgspec.Struct, frozen=True, kw_only=True):
    """What the pool is doing, for metrics."""

    fast: int
    slow: int
    grown: int
    """Fast workers that were added for load since the start."""
    shrunk: int
    """Fast workers that were taken away again."""
    stuck: int
    """Workers of programs that held one for far longer than slow ones, or killed it."""
    spare: int
    held: int
    """Fast workers in a run that has gone on too long."""
    outstanding: int
    """Runs waiting or running."""
    slow_programs: int
    confined: bool
    started: int
    deaths: dict[str, int]
    """Workers that died, by cause."""
    moved: int
    """Runs moved away from a held or dead worker."""
    begun_again: int
    """Those of them that had begun, had not waited yet, and of which nothing had been seen outside."""
    resumed: int
    """Those of them that went on in another worker from where they waited."""
    shared: int
    """Workers that are to have runs of one customer only and have those of several."""
    refused: int
