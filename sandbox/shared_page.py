"""The page of counters that a worker and the daemon share: what each says in passing, without a message."""

import mmap
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
