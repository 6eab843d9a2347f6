"""The process that workers are forked from: one thread, the engine and trusted JavaScript loaded, and no script ever.

Run by a clean interpreter as ``python -I -S -c``, never forked from the daemon. It reads orders of the daemon's and
forks; it reads nothing of any worker's. What its workers share with it is copied when one of them writes to it.
"""

import contextlib
import ctypes
import gc
import json
import mmap
import os
import resource
import signal
import socket
from pathlib import Path
from typing import Final

from sandbox import boot, confinement, engine, link, messages_up, web
from sandbox.clone import fork_sibling
from sandbox.engines import warm_up
from sandbox.errors import ConfinementRefused
from sandbox.intl import library
from sandbox.order import DESCRIPTORS, ORDER_BYTES, Order, read_order
from sandbox.shared_page import PAGE_BYTES, PID

NAME: Final = "worker-parent"
"""As `ps -o comm` shows it."""
_ORDERS: Final = 3
"""Where the daemon's orders come in: after standard input, output and error, so that nothing is printed to another."""
_SOONER: Final = 300
"""By how many thousandths of the machine's memory, or of the service's, the kernel takes a worker for larger than it is
when it looks for what to kill for want of memory: a worker's death costs its runs, the daemon's all calls."""
_OPEN_FILES: Final = 16
"""More than it ever has; few, so that a worker's closing of all of them takes no time where the kernel has no call for
it."""


def main(orders: int, daemon: int, intl: tuple[int, int], trusted: int) -> None:
    """Load what workers need, close this process in, and fork a worker for each order. Ends the process.

    ``trusted`` is the descriptor of a file: JavaScript that the workers' programs share, as a JSON list of texts.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    confinement.die_with_parent()
    if os.getppid() != daemon:
        os._exit(0)
    confinement.call_itself(NAME)
    _go_sooner_than_the_daemon()
    library.use(*intl)
    os.lseek(trusted, 0, os.SEEK_SET)
    with open(trusted, "rb") as file:
        for text in json.loads(file.read()):
            engine.compile_trusted(text)
    for parts in web.usual_parts():
        engine.compile_trusted(web.code(parts))
    warm_up()
    parent = _Parent(daemon)
    # The daemon's standard error was kept to tell of what fails up to here.
    os.dup2(1, 2)
    os.dup2(orders, _ORDERS)
    os.closerange(_ORDERS + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    source = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, _ORDERS)
    parent.close_in()
    # A collection in a child would write to, and so copy, every object's page.
    gc.collect()
    gc.freeze()
    while True:
        packet, descriptors, _, _ = socket.recv_fds(source, ORDER_BYTES + 1, DESCRIPTORS)
        if not packet:
            os._exit(0)
        order = read_order(packet, len(descriptors))
        if order is not None:
            parent.fork(order, *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _go_sooner_than_the_daemon() -> None:
    """For want of memory: this process, whose successor is soon there, and its workers, which inherit it."""
    score = Path("/proc/self/oom_score_adj")
    with contextlib.suppress(OSError):  # no /proc, or one that nothing may be written to
        score.write_text(str(min(1000, int(score.read_text(encoding="ascii")) + _SOONER)), encoding="ascii")


class _Parent:
    def __init__(self, daemon: int) -> None:
        self._daemon = daemon
        self._refused = ""
        self._own_filter: bytes | None = None
        self._worker_filter: bytes | None = None
        try:
            self._own_filter = confinement.parent_filter()
            self._worker_filter = confinement.worker_filter()
        except ConfinementRefused as error:
            self._refused = str(error)

    def close_in(self) -> None:
        """Confine this process to forking; its workers have the rest of what they give up before them."""
        try:
            confinement.limit_parent(_OPEN_FILES)
            confinement.drop_capabilities()
            confinement.forbid_privileges()
            if self._own_filter is not None:
                confinement.forbid_system_calls(self._own_filter)
        except (ConfinementRefused, OSError, ValueError) as error:
            self._refused = self._refused or str(error) or type(error).__name__

    def fork(self, order: Order, connection: int, page_descriptor: int, images: int) -> None:
        try:
            page = mmap.mmap(page_descriptor, PAGE_BYTES)
            view = memoryview(page)[8 * PID :]
            # It is there to be written to then, whatever happens to this process meanwhile.
            view[0] = 0
            address = ctypes.addressof(ctypes.c_char.from_buffer(view))
            child = fork_sibling(address)
        except (OSError, ValueError) as error:
            _tell(connection, f"no worker could be forked: {error}")
            return
        if child == 0:
            boot.main(order, connection, page, images, self._daemon, self._worker_filter, self._refused)
        # What is left of it here goes with its last reference.


def _tell(connection: int, reason: str) -> None:
    """Say on a worker's link, which the worker does not have yet, that there will be none."""
    message = link.pack(messages_up.failed(reason))
    with (
        contextlib.suppress(OSError),  # nobody waits for it any more
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, os.dup(connection)) as end,
    ):
        end.send(message, socket.MSG_DONTWAIT)
