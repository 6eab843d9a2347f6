"""The messages between the daemon and a worker: MessagePack arrays on a stream socket, an operation first.

Both ends are ours, but after a breakout the worker's may be a script's: what comes up from it is checked.
"""

import mmap
from enum import IntEnum
from typing import Any

import msgpack

MESSAGE_BYTES = 256 * 1024 * 1024
"""The longest message either end accepts; a result, an input and a log all have lower caps of their own."""


class Down(IntEnum):
    """To the worker."""

    LOAD = 1
    """key, name, suspends, text, adapter, modules, entries, environment, memory_bytes, shared_memory"""
    RUN = 2
    """run id, program key, entry, input, correlation id, deadline (monotonic), seconds of processor time in all, of
    processor time in a turn, of wall time in a turn, bounds of result, log,
    outbox calls and characters, jobs"""
    SETTLE = 3
    """run id, call id, succeeded, JSON"""
    CANCEL = 4
    """run id"""
    FORGET = 5
    """program key"""


class Up(IntEnum):
    """From the worker."""

    READY = 1
    """confined, refused"""
    DONE = 2
    """run id, tag, payload, log JSON or None, run micros"""
    CALLS = 3
    """run id, JSON of host calls, log JSON or None"""
    SPENT = 4
    """Nothing. The worker's memory has grown: it wants to be replaced once what it holds is done."""
    LET_GO = 5
    """run id: revoked, past its deadline or cancelled. Nothing more comes of it here."""
    FAILED = 6
    """The worker's last words: what its own code raised."""


OUT_OF_MEMORY_STATUS = 77
"""Exit status of a worker whose interpreter, not a script's own heap, ran out of memory."""
FAILED_STATUS = 70
"""Exit status of a worker whose own code raised; its last words say what."""

PAGE_BYTES = mmap.PAGESIZE
RUNNING = 0
"""Slot of the shared page: the id of the run that the worker is in, 0 between runs. Only the worker writes it."""
REVOKED = 1
"""Slot of the shared page: a run with this id or a lower one that the worker has not begun is not its to begin any
more. Only the daemon writes it."""
BEGUN = 2
"""Slot of the shared page: the latest run that the worker has begun. Ids go up, so those above have not. Only the
worker writes it."""


def unpacker() -> Any:
    """A streaming decoder for one end of a link."""
    return msgpack.Unpacker(max_buffer_size=MESSAGE_BYTES, raw=False, strict_map_key=False, use_list=True)
