"""What this process has used of the processors, for who asks several times in each turn of a run."""

import time
from typing import Final

READING_SECONDS: Final = 0.001
"""For so long a reading serves, and whatever has passed since counts as used, as the engine takes it for its limits: a
reading is a system call, of a confined process on a busy machine some 5 us, and a turn asks twice."""


class ProcessorTime:
    """The processor time of this process, at most `READING_SECONDS` more than it is."""

    __slots__ = ("_read", "_read_at")

    def __init__(self) -> None:
        self._read = self._read_at = 0.0

    def at(self, now: float) -> float:
        """Seconds used until now, which is of the monotonic clock."""
        since = now - self._read_at
        if since < READING_SECONDS:
            return self._read + since
        self._read_at = now
        self._read = time.process_time()
        return self._read
