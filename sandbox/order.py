"""What the daemon asks of the workers' parent: one more worker. One packet, with three descriptors that go to the
worker: its end of the link, the shared page, and its store of images, in that order. Nothing is answered; the page and
the link say what came of it.
"""

import struct
from typing import Final, NamedTuple

_PACKED: Final = struct.Struct("=QQiB")
ORDER_BYTES: Final = _PACKED.size
DESCRIPTORS: Final = 3


class Order(NamedTuple):
    """How the worker is set up."""

    memory_bytes: int
    """Of the process; see WorkerSettings."""
    store_bytes: int
    """Of the file of its images."""
    niceness: int
    required: bool
    """Whether it ends where it cannot confine itself."""

    def packed(self) -> bytes:
        """The packet. Raises ValueError for numbers that none has room for."""
        try:
            return _PACKED.pack(*self)
        except struct.error as error:
            raise ValueError(f"no worker can be asked for with {self}: {error}") from error


def read_order(packet: bytes, descriptors: int) -> Order | None:
    """The order in a packet that came with so many descriptors; None where it is none."""
    if len(packet) != ORDER_BYTES or descriptors != DESCRIPTORS:
        return None
    memory_bytes, store_bytes, niceness, required = _PACKED.unpack(packet)
    return Order(memory_bytes, store_bytes, niceness, required == 1) if required in (0, 1) else None
