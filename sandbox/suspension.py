"""What the daemon knows of a run that waits in a worker: all that another worker needs to go on with it.

A worker said it, which may be a script's after a breakout: numbers are held to what can be.
"""

import math
import struct
from collections import deque
from typing import Final, NamedTuple

from sandbox.image_file import ImageFile

IMAGE_BYTES: Final = 128 * 1024 * 1024
"""The largest image that is moved: what waits behind it for the same worker waits for as long, some 0.2 s."""
PIECE_BYTES: Final = 256 * 1024
"""What is read and sent of an image at once: all of it took the event loop some 230 ms, and this some 0.5."""

MOST: Final = 1 << 53
"""Turns of a run that are told apart."""


_STATE: Final = struct.Struct("=QQQdddd")


class WaitingState(NamedTuple):
    """Where and how a run waits, as its worker tells with each turn."""

    offset: int
    """Where in the worker's store its image begins."""
    size: int
    number: int
    """How many of its images were told of, with this one."""
    started: float
    """When it began, by the monotonic clock."""
    waited: float
    """Seconds between its turns before it waits now."""
    cpu_left: float
    """Processor seconds that it may use yet."""
    due: float | None
    """When its next timer is, by that clock."""

    def packed(self) -> bytes:
        """For a message."""
        return pack_state(*self)


def pack_state(
    offset: int, size: int, number: int, started: float, waited: float, cpu_left: float, due: float | None
) -> bytes:
    """A WaitingState for a message."""
    return _STATE.pack(offset, size, number, started, waited, cpu_left, math.nan if due is None else due)


def read_state(packed: bytes) -> WaitingState | None:
    """A WaitingState that came in a message; None where it is none."""
    if len(packed) != _STATE.size:
        return None
    offset, size, number, started, waited, cpu_left, due = _STATE.unpack(packed)
    return WaitingState(offset, size, number, started, waited, cpu_left, None if math.isnan(due) else due)


class Suspension:
    """A run that waits, or is in a turn of which nothing was told yet: it can go on from its last image."""

    __slots__ = (
        "_cpu_most", "_file", "_state", "_submitted", "answers", "clock", "generation", "origin", "settled",
        "since",
    )  # fmt: skip

    def __init__(self, origin: int, generation: int, clock: float, cpu_seconds: float, submitted: float) -> None:
        self.origin = origin
        """Its id where it began, which is in the seal of its image."""
        self.generation = generation
        """Of the workers in which its image is of use."""
        self.clock = clock
        """When it began, as it was told."""
        self.since = submitted
        """When the daemon was last told of it, by the monotonic clock."""
        self.settled = 0
        """How many answers it is known to have taken."""
        self.answers: deque[tuple[int, bool, bytes, float | None]] = deque()
        """Those that it was given and is not known to have taken, in their order."""
        self._submitted = submitted
        self._cpu_most = cpu_seconds
        """What its worker may say that it has left."""
        self._file: ImageFile | None = None
        self._state = b""

    def note(self, settled: int, state: bytes, file: ImageFile | None, now: float) -> None:
        """Take note of what its worker tells, whose images are in ``file``."""
        self._file = file
        self._state = state
        self.since = now
        answers = self.answers
        while answers and self.settled < settled:
            answers.popleft()
            self.settled += 1

    def state(self) -> WaitingState | None:
        """Where and how it waits, its numbers held to what can be; None where its worker told nonsense."""
        told = read_state(self._state)
        if told is None:
            return None
        started = _within(told.started, self._submitted, self.since)
        cpu_left = self._cpu_most = _within(told.cpu_left, 0.0, self._cpu_most)
        return told._replace(
            number=min(told.number, MOST),
            started=started,
            waited=_within(told.waited, 0.0, self.since - started),
            cpu_left=cpu_left,
        )

    def hold(self, file: ImageFile, offset: int) -> None:
        """Its image is in another file from now on: its worker, which goes on, may write over it."""
        told = read_state(self._state)
        if told is not None:
            self._file = file
            self._state = told._replace(offset=offset).packed()

    def piece(self, begin: int) -> bytes | None:
        """`PIECE_BYTES` of its last image, or what there is up to its end; None where it cannot be read."""
        told = read_state(self._state)
        if told is None or self._file is None or told.size > IMAGE_BYTES:
            return None
        return self._file.read(told.offset + begin, min(told.size - begin, PIECE_BYTES), PIECE_BYTES)


def _within(value: float, lowest: float, highest: float) -> float:
    """The value, or the nearer of these bounds; the lower one for what is no number."""
    if lowest <= value <= highest:
        return value
    return highest if value > highest else lowest
