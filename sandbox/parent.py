"""The workers' parent as the daemon sees it: started, asked for workers, replaced when it dies or is stuck."""

import asyncio
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from sandbox import exit_status
from sandbox.errors import WorkerFailed
from sandbox.intl import library
from sandbox.order import Order

logger = logging.getLogger(__name__)

START_SECONDS: Final = 30.0
"""Time for the first worker of a parent to become ready; some 0.2 s on a quiet machine, for the parent's own start, and
more than 10 s on one with a load of 25."""
FORK_SECONDS: Final = 2.0
"""Time for each further one, which takes some 3 ms: past it the parent or the worker is stuck."""
RESTART_SECONDS: Final = 0.5
"""From one start of a parent to the next at the least: neither is a full machine made fuller, nor does a script that
crashes each worker that it gets, for which the parent is replaced each time, keep a processor busy with that."""
IGNORED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that are for the daemon alone, which ends its workers and their parent itself."""

_BOOT: Final = (
    "import sys;sys.path[:]={path!r};from sandbox.parent_process import main;main({orders},{daemon},{intl},{trusted})"
)


class Parent:
    """One process, or the one after it, that forks the workers of any number of pools.

    It is the daemon's child, and so are the workers that it forks: its death is not theirs. Orders that it had not
    taken, and the one that it was at, end with it; whoever gave them gives them again, to its successor.
    """

    def __init__(self, trusted: Iterable[str] = ()) -> None:
        """``trusted`` is JavaScript that workers find compiled: the adapters and modules of their programs."""
        self._trusted = json.dumps(list(trusted)).encode()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._orders: socket.socket | None = None
        """Where orders are sent, by any thread."""
        self._taken: socket.socket | None = None
        """The other end, kept open here until the process is gone: what it has not taken is not lost before."""
        self._process: subprocess.Popen[bytes] | None = None
        self._pidfd = -1
        self._started_at = 0.0
        self._restart: asyncio.TimerHandle | None = None
        self._has_served = False
        self.generation = 0
        """Which process it is: workers of one generation have the same layout of memory."""
        self.suspected: set[int] = set()
        """Generations of which a worker died as one may that was broken into."""
        self.ended = ""
        """What the last one that died of itself died of."""
        self.deaths = 0
        """How many did."""

    @property
    def pid(self) -> int:
        """Id of the process; 0 between two of them."""
        return self._process.pid if self._process is not None else 0

    def start(self) -> None:
        """Start the process, where there is none yet. On the event loop of the main thread: the kernel takes the end
        of the thread that starts it for the end of the daemon. Raises WorkerFailed where the machine or the container
        does not allow it."""
        if self._loop is not None:
            return
        if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
            # Inherited from whoever started the daemon. The kernel then keeps nobody's exit status.
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._loop = asyncio.get_running_loop()
        try:
            self._renew_orders()
            self._spawn()
        except OSError as error:
            self.close()
            raise WorkerFailed(f"the process that forks workers cannot be started: {error}") from error
        except BaseException:
            self.close()
            raise

    def order(self, order: Order, connection: socket.socket, page: int, images: int) -> int:
        """Have a worker forked that gets these three descriptors; from any thread. The generation that is asked.

        Nothing is answered: see `sandbox.order`. Raises OSError where it takes no more, WorkerFailed where it was
        closed.
        """
        with self._lock:
            if self._orders is None:
                raise WorkerFailed("there is no process to fork a worker")
            socket.send_fds(self._orders, [order.packed()], [connection.fileno(), page, images])
            return self.generation

    @property
    def patience(self) -> float:
        """Seconds in which a worker that is ordered now should be ready."""
        return FORK_SECONDS if self._has_served else START_SECONDS

    def served(self, generation: int) -> None:
        """Take note that a worker of this generation became ready."""
        if generation == self.generation:
            self._has_served = True

    def replace(self, generation: int) -> None:
        """End the process and start another, where that generation is the current one; from any thread."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._replace, generation)

    def close(self) -> None:
        """End the process and start none again. Its workers are the pools' to end."""
        if self._restart is not None:
            self._restart.cancel()
            self._restart = None
        self._end()
        self._loop = None
        with self._lock:
            self._drop_orders()

    # ---- one process after another ----

    def _replace(self, generation: int) -> None:
        if generation == self.generation and self._loop is not None and self._process is not None:
            self._end()
            self._follow()

    def _spawn(self) -> None:
        assert self._loop is not None  # noqa: S101 - it is not closed
        assert self._taken is not None  # noqa: S101 - nor are these
        self._restart = None
        self._started_at = time.monotonic()
        intl = library.shared_file()
        trusted = os.memfd_create("scriptforge-trusted", os.MFD_CLOEXEC)
        try:
            with open(trusted, "wb", closefd=False) as file:
                file.write(self._trusted)
            boot = _BOOT.format(
                path=_import_path(), orders=self._taken.fileno(), daemon=os.getpid(), intl=intl, trusted=trusted
            )
            # -I: no environment, no user site, no current directory; -S: no site hooks. A clean interpreter.
            # It keeps the daemon's standard error until it is confined, so that a failing import is seen.
            # A process group of its own: Ctrl-C in a terminal is for the daemon, which ends its workers. Before it has
            # that, it is held back by what is blocked here, and inherited.
            unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, IGNORED)
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", "-c", boot],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=None,
                    env={},
                    cwd="/",
                    pass_fds=(self._taken.fileno(), trusted, intl[0]),
                    process_group=0,
                )
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
        finally:
            os.close(trusted)
        self._pidfd = os.pidfd_open(self._process.pid)
        self._loop.add_reader(self._pidfd, self._died)

    def _renew_orders(self) -> None:
        """Let orders be given to the next process; those that the last one has not taken are lost, and given again.
        Raises OSError, and none can be given until it is called again."""
        with self._lock:
            self._drop_orders()
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            ours.setblocking(False)
            self._orders, self._taken = ours, theirs
            self.generation += 1
            self._has_served = False

    def _drop_orders(self) -> None:
        for end in (self._orders, self._taken):
            if end is not None:
                end.close()
        self._orders = self._taken = None

    def _died(self) -> None:
        self.deaths += 1
        self._end()
        logger.warning("worker_parent_died", extra={"cause": self.ended})
        self._follow()

    def _end(self) -> None:
        """Wait for the process, which is killed if it has not ended, and let go of what there was of it."""
        process, self._process = self._process, None
        if process is None:
            return
        if self._pidfd >= 0:
            if self._loop is not None:
                self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        process.kill()
        self.ended = exit_status.cause(process.wait())

    def _follow(self) -> None:
        """Start another process, no sooner than that long after the last. Orders can be given meanwhile: they wait for
        it."""
        try:
            self._renew_orders()
        except OSError as error:
            self._start_failed(error)
            return
        self._start_later(self._started_at + RESTART_SECONDS)

    def _start_later(self, when: float) -> None:
        loop = self._loop
        assert loop is not None  # noqa: S101 - it is not closed
        self._restart = loop.call_later(max(0.0, when - time.monotonic()), self._start_again)

    def _start_again(self) -> None:
        try:
            if self._orders is None:
                self._renew_orders()
            self._spawn()
        except OSError as error:
            self._end()
            self._start_failed(error)

    def _start_failed(self, error: OSError) -> None:
        logger.error("worker_parent_start_failed", extra={"reason": str(error)})
        # Whoever waits for a worker is told that there is none.
        with self._lock:
            self._drop_orders()
        self._start_later(time.monotonic() + RESTART_SECONDS)


def _import_path() -> list[str]:
    """Where workers import from: this package, its dependencies and the standard library."""
    package = str(Path(__file__).resolve().parent.parent)
    # Absolute, since the current directory there is the root.
    entries = [str(Path(entry).absolute()) for entry in sys.path if entry]
    return [package, *(entry for entry in entries if entry != package)]
