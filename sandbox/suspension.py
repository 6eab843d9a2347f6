"""What the daemon knows of a run that waits in a worker: all that another worker needs to go on with it.

A worker said it, which may be a script's after a breakout: numbers are held to what can be.
"""

from collections import deque
from typing import TYPE_CHECKING, Final

from sandbox.image_file import ImageFile

if TYPE_CHECKING:
    from sandbox.link import CallsMessage

IMAGE_BYTES: Final = 128 * 1024 * 1024
"""The largest image that is moved: the daemon holds one as it does, and a message may be twice as long."""

MOST: Final = 1 << 53
"""Turns of a run that are told apart."""


class Suspension:
    """A run that waits, or is in a turn of which nothing was told yet: it can go on from its last image."""

    __slots__ = (
        "_file", "_held", "_offset", "_size", "answers", "clock", "cpu_left", "due", "generation", "number", "origin",
        "settled", "since", "started", "waited",
    )  # fmt: skip

    def __init__(self, origin: int, generation: int, clock: float, cpu_seconds: float, submitted: float) -> None:
        self.origin = origin
        """Its id where it began, which is in the seal of its image."""
        self.generation = generation
        """Of the workers in which its image is of use."""
        self.clock = clock
        """When it began, as it was told."""
        self.cpu_left = cpu_seconds
        self.started = submitted
        self.waited = 0.0
        self.since = submitted
        """When the daemon was last told of it, by the monotonic clock."""
        self.due: float | None = None
        self.number = 0
        """How many of its images there were."""
        self.settled = 0
        """How many answers it is known to have taken."""
        self.answers: deque[tuple[int, bool, bytes]] = deque()
        """Those that it was given and is not known to have taken, in their order."""
        self._file: ImageFile | None = None
        self._offset = 0
        self._size = 0
        self._held: bytes | None = None

    def note(self, told: "CallsMessage", file: ImageFile | None, now: float) -> None:
        """Take note of what its worker tells, whose images are in ``file``."""
        _, _, _, _, self._offset, self._size, number, due, started, waited, cpu_left, settled = told
        self._file = file
        self._held = None
        self.number = min(number, MOST)
        self.due = due if due is None or due == due else now  # noqa: PLR0124 - not a number
        self.started = started = _within(started, self.started, now)
        self.waited = _within(waited, 0.0, now - started)
        self.cpu_left = _within(cpu_left, 0.0, self.cpu_left)
        self.since = now
        answers = self.answers
        while answers and self.settled < settled:
            answers.popleft()
            self.settled += 1

    def hold(self, image: bytes) -> None:
        """Keep the image here: its worker, which goes on, may write over it."""
        self._held = image
        self._file = None

    def image(self) -> bytes | None:
        """Its last image; None where it cannot be read."""
        if self._held is not None:
            return self._held
        return self._file.read(self._offset, self._size, IMAGE_BYTES) if self._file is not None else None

    @property
    def size(self) -> int:
        """Of the image, as its worker says."""
        return self._size


def _within(value: float, lowest: float, highest: float) -> float:
    """The value, or the nearer of these bounds; the lower one for what is no number."""
    if lowest <= value <= highest:
        return value
    return highest if value > highest else lowest
