"""The memory that a worker keeps its waiting runs in, as the daemon has it: made here, and only ever read; and that of
the daemon's own in which it holds such images.

It is read and written by calls to the kernel, never through a mapping: nothing that a worker does to it can harm who
reads.
"""

import fcntl
import os
import resource
import threading
import weakref
from typing import Final

STORE_SHARE: Final = 8
"""What part of a limit of the process's addresses a store has: a worker has two engines of a quarter each, and the
interpreter."""


def store_bytes(memory_bytes: int) -> int:
    """Of the images of a worker that may have so much memory: fewer where whoever started the daemon allows it few
    addresses (ulimit -v)."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return memory_bytes if limit == resource.RLIM_INFINITY else min(memory_bytes, limit // STORE_SHARE)


class ImageFile:
    """A file in memory of a fixed size, which takes as much of it as is written. It is closed with the last who refers
    to it: a worker that has gone, and its runs that have not gone on yet."""

    __slots__ = ("__weakref__", "descriptor", "size")

    def __init__(self, size: int) -> None:
        """Raises OSError where there is no room for it."""
        self.size = size
        self.descriptor = os.memfd_create("scriptforge-images", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        # At the end of the process the kernel does it.
        weakref.finalize(self, _close, self.descriptor).atexit = False
        os.ftruncate(self.descriptor, size)
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, seals)

    def read(self, offset: int, size: int, most: int) -> bytes | None:
        """So many bytes; None where they are more than ``most``, or not there."""
        if not (offset >= 0 and 0 < size <= most and offset + size <= self.size):
            return None
        try:
            found = os.pread(self.descriptor, size, offset)
        except (OSError, OverflowError, MemoryError):
            return None
        return found if len(found) == size else None

    def write(self, offset: int, data: bytes) -> bool:
        """Put these bytes there; False where there is no memory for them."""
        try:
            return os.pwrite(self.descriptor, data, offset) == len(data)
        except OSError:
            return False


def _close(descriptor: int) -> None:
    """In a thread of its own: the kernel lets go of 128 MB for some 15 ms."""
    try:
        threading.Thread(target=os.close, args=(descriptor,), name="closing-images").start()
    except RuntimeError:
        os.close(descriptor)  # the machine has no thread to spare, or the process is at its end
