"""The page of counters that a worker and the daemon share: what each says in passing, without a message."""

import mmap
import os
from typing import Final

PAGE_BYTES: Final = mmap.PAGESIZE
RUNNING: Final = 0
"""Slot of the shared page: the id of the run that the worker is in, 0 between runs. Only the worker writes it."""
REVOKED: Final = 1
"""Slot of the shared page: a run with this id or a lower one that the worker has not begun is not its to begin any
more. Only the daemon writes it."""
BEGUN: Final = 2
"""Slot of the shared page: the latest run that the worker has begun. Ids go up, so those above have not. Only the
worker writes it."""
TURNS: Final = 3
"""Slot of the shared page: how many turns of runs the worker has begun. Only the worker writes it."""
PID: Final = 4
"""Slot of the shared page: the worker's process id, 0 before there is one. The kernel writes it as it forks the worker,
and the daemon reads it before a script is in there."""
SLOTS: Final = 5
"""How many there are."""


class SharedPage:
    """A page as the daemon has it. Before it is made, and once it is closed, every slot is 0."""

    __slots__ = ("_memory", "_revoked", "_slots", "descriptor")

    def __init__(self) -> None:
        self._memory: mmap.mmap | None = None
        self._slots = _NOTHING
        self._revoked = 0
        """As in the page, which the worker can write."""
        self.descriptor = -1
        """For the worker; -1 once it has it."""

    def make(self) -> None:
        """Raises OSError where there is no room for it."""
        self.descriptor = os.memfd_create("scriptforge-worker", os.MFD_CLOEXEC)
        os.ftruncate(self.descriptor, PAGE_BYTES)
        self._memory = mmap.mmap(self.descriptor, PAGE_BYTES)
        self._slots = memoryview(self._memory).cast("Q")

    def read(self, slot: int) -> int:
        """What stands in a slot."""
        return int(self._slots[slot])

    def revoke(self, up_to: int) -> None:
        """Let the worker begin no run with this id or a lower one."""
        self._slots[REVOKED] = self._revoked = up_to

    def is_revoked(self, run_id: int) -> bool:
        """Whether the worker had to let a run go that it had not begun."""
        return run_id <= self._revoked

    def close_descriptor(self) -> None:
        """The worker has it, or never will."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def close(self) -> None:
        """Let go of the page."""
        self.close_descriptor()
        if self._memory is not None:
            self._slots.release()
            self._memory.close()
            self._memory = None
        self._slots = _NOTHING


_NOTHING: Final = memoryview(bytes(SLOTS * 8)).cast("Q")
