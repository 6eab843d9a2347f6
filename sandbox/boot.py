"""The start of a worker process: what it will need is made ready, then it is confined, then it serves.

Run by a clean interpreter as ``python -I -S -c``, never forked from the daemon.
"""

import contextlib
import mmap
import os
import signal
import socket

from sandbox import confinement
from sandbox.errors import ConfinementRefused
from sandbox.intl import library
from sandbox.link import FAILED_STATUS, OUT_OF_MEMORY_STATUS, PAGE_BYTES
from sandbox.worker import Worker


def main(
    descriptor: int,
    page_descriptor: int,
    parent: int,
    memory_bytes: int,
    warm_contexts: int,
    required: bool,
    niceness: int,
    intl: tuple[int, int],
) -> None:
    """Confine this process and serve the link on ``descriptor``. Ends the process."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    confinement.die_with_parent()
    if os.getppid() != parent:
        os._exit(0)
    if niceness:
        os.nice(niceness)
    # A worker that is woken does not stop the daemon that wakes it, which has more to hand out (docs/performance.md).
    # Where the system forbids it, the worker serves all the same.
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    page = mmap.mmap(page_descriptor, PAGE_BYTES)
    library.use(*intl)
    refused = ""
    system_calls = None
    try:
        system_calls = confinement.system_call_filter()
    except ConfinementRefused as error:
        refused = str(error)
    worker = Worker(socket.socket(fileno=confinement.keep_only(descriptor)), page, warm_contexts, memory_bytes)
    worker.warm_up()
    try:
        confinement.drop_capabilities()
        confinement.limit_resources(memory_bytes)
        if system_calls is not None:
            confinement.forbid_system_calls(system_calls)
    except (ConfinementRefused, OSError, ValueError) as error:
        refused = str(error) or type(error).__name__
    worker.ready(not refused, refused)
    if refused and required:
        os._exit(1)
    try:
        worker.serve()
    except MemoryError:
        os._exit(OUT_OF_MEMORY_STATUS)
    except OSError:
        # The daemon is gone; there is nobody to tell.
        os._exit(1)
    except Exception as error:  # noqa: BLE001 - told to the daemon; printing it would take a forbidden system call
        worker.last_words(error)
        os._exit(FAILED_STATUS)
    os._exit(0)
