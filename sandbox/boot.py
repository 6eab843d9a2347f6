"""The start of a worker: just forked from its parent, it gives up what that has, is confined, and serves."""

import contextlib
import mmap
import os
import socket
from typing import Final

from sandbox import confinement, exit_status
from sandbox.engine import ADDRESSES
from sandbox.errors import ConfinementRefused
from sandbox.image_store import ImageStore
from sandbox.order import Order
from sandbox.worker import Worker

NAME: Final = "script-worker"
"""As `ps -o comm` shows it."""


def main(
    order: Order, link: int, page: mmap.mmap, images: int, daemon: int, system_calls: bytes | None, refused: str
) -> None:
    """Confine this process and serve. Ends the process.

    ``link`` and ``images`` are the descriptors of the link and of the file of its store. ``refused`` says what of the
    confinement its parent could not have already.
    """
    try:
        confinement.die_with_parent()
        if os.getppid() != daemon:
            os._exit(0)
        confinement.call_itself(NAME)
        if order.niceness:
            os.nice(order.niceness)
        # A worker that is woken does not stop the daemon that wakes it, which has more to hand out
        # (docs/performance.md). Where the system forbids it, the worker serves all the same.
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        store = ImageStore(images, order.store_bytes)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, confinement.keep_only(link))
        worker = Worker(connection, page, store, order.memory_bytes)
        try:
            confinement.limit_resources(order.memory_bytes + ADDRESSES + order.store_bytes)
            if system_calls is not None:
                confinement.forbid_system_calls(system_calls)
        except (ConfinementRefused, OSError, ValueError) as error:
            refused = refused or str(error) or type(error).__name__
        worker.ready(not refused, refused)
        if refused and order.required:
            os._exit(1)
    except BaseException:  # noqa: BLE001 - nothing of it goes on in what is its parent's code
        os._exit(exit_status.FAILED)
    try:
        worker.serve()
    except MemoryError:
        os._exit(exit_status.OUT_OF_MEMORY)
    except OSError:
        # The daemon is gone; there is nobody to tell.
        os._exit(1)
    except Exception as error:  # noqa: BLE001 - told to the daemon; printing it would take a forbidden system call
        worker.last_words(error)
        os._exit(exit_status.FAILED)
    os._exit(0)
