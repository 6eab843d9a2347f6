"""A job as its row has it, and what may be asked for. Times are microseconds since 1970."""

import os
import re
import time
from enum import StrEnum
from typing import Final

import msgspec

from sidecar.kind import MAIN
from sidecar.queue.errors import WrongJob

MICROS: Final = 1_000_000
DATA_BYTES: Final = 500_000
"""Of what a job is given, and as many of what it gives, as JSON: rows of a megabyte make every batch a slow one."""
PROGRESS_BYTES: Final = 4_000
ERROR_CHARACTERS: Final = 2_000
MOST_ATTEMPTS: Final = 100
LOWEST_PRIORITY: Final = 2_097_152
LONGEST_DELAY_MS: Final = 366 * 86_400_000
LONGEST_BACKOFF_MS: Final = 86_400_000
"""However often a job has failed, it is tried again within a day."""
LONGEST_KEPT_SECONDS: Final = 366 * 86_400
LOSSES: Final = 3
"""So often a job's process may die of it, or of something else; the next one makes it a dead letter."""
DEFAULT_QUEUE: Final = "default"
DELIVERIES: Final = "webhook:"
"""The queue of what webhooks are told, which nobody else can name. In it a webhook's id stands for a script's."""
RUNS: Final = "runs"
"""The queue of runs that nobody waits for: it can be paused and limited as any other."""
_QUEUE_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_FUNCTION: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]{0,127}")
KEY_CHARACTERS: Final = 256


class JobState(StrEnum):
    """Where a job is in its life."""

    DELAYED = "delayed"
    """It waits for a time."""
    WAITING = "waiting"
    """It is taken when it is its turn."""
    ACTIVE = "active"
    COMPLETED = "completed"
    FAILED = "failed"
    """It is tried no more by itself: a dead letter."""


UNFINISHED: Final = (JobState.DELAYED, JobState.WAITING, JobState.ACTIVE)


class Backoff(StrEnum):
    """How long a job waits between its attempts."""

    FIXED = "fixed"
    EXPONENTIAL = "exponential"
    """Twice as long each time."""


class JobError(msgspec.Struct, frozen=True):
    """Why an attempt failed."""

    message: str
    name: str = "Error"
    status: int = 0
    """What HTTP would have answered; 0 where it would not have come so far."""


class NewJob(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for. Raises WrongJob where that is no job."""

    tenant: str
    script: str
    """Its id or its uuid."""
    function: str = MAIN
    data: str = "{}"
    """What the function is given, as JSON."""
    attempts: int = 1
    delay_ms: int = 0
    backoff: Backoff = Backoff.FIXED
    backoff_ms: int = 0
    priority: int = 0
    """0 first, then 1 and so on; among jobs of one queue."""
    queue: str = DEFAULT_QUEUE
    key: str | None = None
    """While a job with this key is not over, another one with it is the same."""
    keep_seconds: int | None = None
    """How long a result is kept; None for as long as the operator says."""
    source: str = ""
    """Who asked, for people."""
    webhooks: tuple[str, ...] = ()
    """The ids of those that are told of its end."""

    def __post_init__(self) -> None:
        _require(_FUNCTION.fullmatch(self.function) is not None, "a function is named as JavaScript names it")
        _require(_QUEUE_NAME.fullmatch(self.queue) is not None, "a queue is named by 1 to 64 of A-Z a-z 0-9 _ . -")
        _require(1 <= self.attempts <= MOST_ATTEMPTS, f"attempts are 1 to {MOST_ATTEMPTS}")
        _require(0 <= self.delay_ms <= LONGEST_DELAY_MS, f"a delay is 0 to {LONGEST_DELAY_MS} ms")
        _require(0 <= self.backoff_ms <= LONGEST_BACKOFF_MS, f"a backoff is 0 to {LONGEST_BACKOFF_MS} ms")
        _require(0 <= self.priority <= LOWEST_PRIORITY, f"a priority is 0 to {LOWEST_PRIORITY}, and 0 is first")
        _require(
            self.keep_seconds is None or 0 <= self.keep_seconds <= LONGEST_KEPT_SECONDS,
            f"a result is kept for 0 to {LONGEST_KEPT_SECONDS} s",
        )
        _require(bytes_of(self.data) <= DATA_BYTES, f"the data has more than {DATA_BYTES} bytes as JSON")
        if self.key is not None:
            is_sound = "\0" not in self.key and self.key.encode("utf-8", "ignore").decode() == self.key
            _require(
                is_sound and 1 <= len(self.key) <= KEY_CHARACTERS,
                f"a key is a text of 1 to {KEY_CHARACTERS} characters, without NUL",
            )


class NewDelivery(NewJob, frozen=True, kw_only=True):
    """What a webhook is to be told: the platform's own, of whatever length its events are."""

    queue: str = DELIVERIES

    def __post_init__(self) -> None:
        """There is nothing that somebody could have got wrong."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One job, without what it was given and what it gave, which may be long."""

    id: str
    tenant: str
    app: str
    """Its script's when it was added; empty for none."""
    queue: str
    script: str
    function: str
    state: JobState
    priority: int
    due: int
    """When something is next to be done about it: see the package."""
    created: int
    started: int | None = None
    """Its last attempt."""
    finished: int | None = None
    attempts: int
    """It may have so many."""
    attempt: int = 0
    """So many have failed."""
    losses: int = 0
    """So often its lease has ended before it did."""
    lease: int = 0
    """So often it was taken."""
    owner: str = ""
    """The process that has it, for people."""
    backoff: Backoff
    backoff_ms: int
    keep_seconds: int | None
    key: str | None
    source: str
    progress: str = "null"
    """JSON."""
    error: JobError | None = None
    """Of the last attempt that failed."""
    data_bytes: int
    result_bytes: int = 0
    webhooks: str = ""
    """The ids of those that are told of its end, with spaces between them."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens with it by itself."""
        return self.state not in UNFINISHED

    @property
    def bytes(self) -> int:
        """What it takes of what its tenant may keep."""
        return self.data_bytes + self.result_bytes


class Texts(msgspec.Struct, frozen=True):
    """What may be long of a job, as JSON."""

    data: str
    result: str | None


def bytes_of(text: str) -> int:
    """As UTF-8."""
    return len(text.encode("utf-8", "surrogatepass"))


def make_id() -> str:
    """An id that nobody guesses. One that is made later is higher, to the millisecond (as a UUID of version 7)."""
    return f"{time.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"


def _require(holds: bool, words: str) -> None:
    if not holds:
        raise WrongJob(words)
