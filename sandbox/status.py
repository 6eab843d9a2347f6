"""What a worker says became of a turn of a run. The daemon reads it, and has no engine in its own process."""

from enum import StrEnum
from typing import Final

OF_WORKER: Final = b"worker"
"""Payload of OUT_OF_MEMORY where it was the worker's address space that was full."""


class Tag(StrEnum):
    """What became of a turn; runtime/run.js says what the payload of each is."""

    RETURNED = "R"
    THREW = "E"
    OUT_OF_MEMORY = "M"
    EXCEEDED = "X"
    WAITING = "W"
    OUT_OF_TIME = "T"
    """Processor time ran out: said by native/engine, since an interrupted context says nothing more. The payload is the
    stack, or empty where nothing is known of it."""
    BROKEN = "B"
    """The runtime itself failed; the payload says how."""
