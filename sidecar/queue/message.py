"""A message in a Worker's mailbox, and its life, pure: each step is of a message as it is, and gives it as it is then.

    sent --> waiting --> active --> done (and gone)
                ^           |
                +-- failed, an attempt is left, or given back --> waiting, at its place
                            +--> dead
Times are microseconds since 1970.
"""

from enum import StrEnum
from typing import Final

import msgspec
from msgspec.structs import replace

from sidecar.queue.errors import WrongJob, WrongState
from sidecar.queue.job import DATA_BYTES, ERROR_CHARACTERS, LOSSES, MICROS, JobError, bytes_of

FIRST_WAIT_MICROS: Final = MICROS
"""After the first failure; twice as long each time."""
LONGEST_WAIT_MICROS: Final = 60 * MICROS


class MessageState(StrEnum):
    """Where a message is in its life."""

    WAITING = "waiting"
    ACTIVE = "active"
    """Its Worker has it."""
    DEAD = "dead"
    """It is given no more by itself: a dead letter."""


class NewMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be sent. Raises WrongJob where it is too long."""

    tenant: str
    script: str
    """The Worker's id or uuid."""
    data: str
    """JSON."""
    source: str = ""
    """Who sends it, for people."""

    def __post_init__(self) -> None:
        if bytes_of(self.data) > DATA_BYTES:
            raise WrongJob(f"the message has more than {DATA_BYTES} bytes as JSON")


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message, without what it says, which may be long."""

    number: int
    """Its place in the mailbox."""
    id: str
    script: str
    tenant: str
    state: MessageState = MessageState.WAITING
    due: int
    """Not to be given before."""
    sent: int
    attempt: int = 0
    """So many have failed."""
    losses: int = 0
    """So often its Worker's process has died with it."""
    error: JobError | None = None
    """Of the last attempt that failed."""
    source: str = ""

    @property
    def attempt_number(self) -> int:
        """Of the attempt under way, or else of the next one, from 1."""
        return self.attempt + 1


def is_due(due: int, now: int) -> bool:
    """Whether a message is to be given. None waits for longer than it may: such a time is of a clock that was set back
    since."""
    return due <= now or due > now + LONGEST_WAIT_MICROS


def begun(message: Message, now: int) -> Message:
    """A message that its Worker has from now on. Raises WrongState."""
    _require(message, message.state is MessageState.WAITING and is_due(message.due, now), "is not to be given")
    return replace(message, state=MessageState.ACTIVE)


def failed(message: Message, error: JobError, now: int, attempts: int, *, final: bool = False) -> Message:
    """A message on which its Worker has failed: it stays at its place, and dies after so many attempts, or where
    another one would do no better. Raises WrongState."""
    _require(message, message.state is MessageState.ACTIVE, "is not under way")
    cut = JobError(error.message[:ERROR_CHARACTERS], error.name[:ERROR_CHARACTERS])
    after = replace(message, attempt=message.attempt + 1, error=cut)
    if final or after.attempt >= attempts:
        return replace(after, state=MessageState.DEAD)
    wait = min(FIRST_WAIT_MICROS << min(message.attempt, 16), LONGEST_WAIT_MICROS)
    return replace(after, state=MessageState.WAITING, due=now + wait)


def given_back(message: Message, now: int) -> Message:
    """A message that was not done, for which its Worker does not answer. Raises WrongState."""
    _require(message, message.state is MessageState.ACTIVE, "is not under way")
    return replace(message, state=MessageState.WAITING, due=now)


def lost(message: Message, now: int) -> Message:
    """A message whose Worker's process has died, of it perhaps: so often and no more. Raises WrongState."""
    after = replace(given_back(message, now), losses=message.losses + 1)
    if after.losses <= LOSSES:
        return after
    error = JobError(f"its process has died or was cut off {after.losses} times with it")
    return replace(after, state=MessageState.DEAD, error=error)


def revived(message: Message, now: int) -> Message:
    """A dead letter that is to be given again, at its place and with all of its attempts. Raises WrongState."""
    _require(message, message.state is MessageState.DEAD, "is no dead letter")
    return replace(message, state=MessageState.WAITING, due=now, attempt=0, losses=0)


def _require(message: Message, holds: bool, words: str) -> None:
    if not holds:
        raise WrongState(f"the message {message.id} {words}: it is {message.state.value}")
