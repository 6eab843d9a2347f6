"""One worker process as the daemon sees it: started, spoken to, watched, killed."""

import asyncio
import contextlib
import mmap
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

import msgpack
import msgspec

from sandbox.intl import library
from sandbox.link import BEGUN, PAGE_BYTES, REVOKED, RUNNING, SLOTS, TURNS, MessageUp, packer, read_up, unpacker

SLOW_NICENESS: Final = 5
"""Of the workers of slow programs."""
STUCK_NICENESS: Final = 15
"""Of those of programs that are stuck: a tenth of a slow one's share, so that loops do not starve whoever takes their
place."""
LAST_WORDS_SECONDS: Final = 0.2
"""Time for the end of the link to be read once the process is gone: what it answered before counts."""
LEAVING_SECONDS: Final = 5.0
"""Time for a process whose link is closed to end by itself."""


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How each worker is set up."""

    memory_bytes: int = 2_000_000_000
    """Address space of the process."""
    warm_contexts: int = 2_000
    """Contexts kept ready, about 0.2 MB each."""
    require_confinement: bool = True
    """A worker that cannot confine itself ends instead of serving."""


_BOOT: Final = (
    "import sys;"
    "sys.path[:]={path!r};"
    "from sandbox.boot import main;"
    "main({link},{page},{parent},{memory},{contexts},{required},{niceness},{intl})"
)


class WorkerProcess(asyncio.Protocol):
    """A worker and the link to it. Callbacks say what it sends and when it has died; both on the event loop."""

    def __init__(
        self,
        on_message: Callable[["WorkerProcess", MessageUp], None],
        on_exit: Callable[["WorkerProcess"], None],
    ) -> None:
        self._on_message = on_message
        self._on_exit = on_exit
        self._input = unpacker()
        self._packer = packer()
        self._unsent: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._linked = False
        self.leaving = False
        """The link was closed by ``close``: the process is to end by itself."""
        self._loop = asyncio.get_running_loop()
        self._gone = self._loop.create_future()
        self.spawned = False
        """There is a process to wait for."""
        self.exit_code: int | None = None
        """What ``Popen.returncode`` would be: negative for a signal; None until it has ended."""
        self.broken = False
        """It sent something that is not the link's protocol."""

    async def start(self, settings: WorkerSettings, niceness: int) -> None:
        """Start the process. Its READY message says when it can serve. Raises OSError where it cannot be started."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._spawn(theirs, settings, niceness)
        except BaseException:
            ours.close()
            raise
        self._pidfd = os.pidfd_open(self.pid)
        self._loop.add_reader(self._pidfd, self._exited)
        ours.setblocking(False)
        try:
            await self._loop.create_connection(lambda: self, sock=ours)
        except BaseException:
            if self._transport is None:
                ours.close()
            self.kill()
            raise

    def _spawn(self, theirs: socket.socket, settings: WorkerSettings, niceness: int) -> None:
        page = os.memfd_create("scriptforge-worker", os.MFD_CLOEXEC)
        try:
            os.ftruncate(page, PAGE_BYTES)
            self._page = mmap.mmap(page, PAGE_BYTES)
            self._slots = memoryview(self._page).cast("Q")
            intl = library.shared_file()
            boot = _BOOT.format(
                path=_import_path(),
                link=theirs.fileno(),
                page=page,
                parent=os.getpid(),
                memory=settings.memory_bytes,
                contexts=settings.warm_contexts,
                required=settings.require_confinement,
                niceness=niceness,
                intl=intl,
            )
            # -I: no environment, no user site, no current directory; -S: no site hooks. A clean interpreter.
            # It keeps the daemon's standard error until it is confined, so that a failing import is seen.
            # A process group of its own: Ctrl-C in a terminal is for the daemon, which ends its workers.
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", boot],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=None,
                env={},
                cwd="/",
                pass_fds=(theirs.fileno(), page, intl[0]),
                process_group=0,
            )
        finally:
            os.close(page)
        self.pid = self._process.pid
        self.spawned = True

    @property
    def running(self) -> int:
        """Id of the run that the worker is in, 0 between runs. Still there to read after its death."""
        return int(self._slots[RUNNING])

    @property
    def begun(self) -> int:
        """Id of the latest run that the worker has begun; 0 before the first."""
        return int(self._slots[BEGUN])

    @property
    def turns(self) -> int:
        """How many turns of runs the worker has begun."""
        return int(self._slots[TURNS])

    def revoke(self, up_to: int) -> None:
        """Runs with this id or a lower one that have not begun will not begin, but be let go."""
        self._slots[REVOKED] = up_to

    def cpu_seconds(self) -> float:
        """Processor time of the process so far; 0.0 once it is gone."""
        try:
            return time.clock_gettime((~self.pid << 3) | 2)  # CPUCLOCK_SCHED of a process: clock_getcpuclockid(3)
        except OSError:
            return 0.0

    def send(self, message: list[Any]) -> None:
        """Send at the end of this turn of the event loop, with whatever else is sent in it."""
        packed = self._packer.pack(message)
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(packed)

    def lower_priority(self, niceness: int) -> None:
        """Let the process have what processors others leave, for the rest of its life: only root could raise it."""
        with contextlib.suppress(OSError):  # it is gone, and its end follows
            os.setpriority(os.PRIO_PROCESS, self.pid, niceness)

    def kill(self) -> None:
        """End the process at once. ``on_exit`` follows."""
        if self.exit_code is None:
            self._process.kill()

    def close(self) -> None:
        """Let the process end after what it has been sent: it sees the end of the link."""
        if self.leaving:
            return
        self.leaving = True
        self._flush()
        if self._transport is not None:
            self._transport.close()
        self._loop.call_later(LEAVING_SECONDS, self.kill)

    async def wait_gone(self) -> None:
        """Return once the process has ended and nothing of it is left in this one."""
        await asyncio.shield(self._gone)

    def _flush(self) -> None:
        if self._unsent and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # By cast: uvloop's transports are no asyncio.Transport by isinstance.
        self._transport = cast(asyncio.Transport, transport)
        self._linked = True

    def data_received(self, data: bytes) -> None:
        if self.broken:
            return
        try:
            self._input.feed(data)
            messages = [read_up(message) for message in self._input]
        except (ValueError, RecursionError, msgpack.exceptions.UnpackException):
            messages = [None]
        for message in messages:
            if message is None:
                # After a breakout the worker's end is a script's: nothing that it says is believed any more.
                self.broken = True
                self.kill()
                return
            self._on_message(self, message)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._linked = False
        if self.exit_code is not None:
            self._ended()
        elif not self.leaving:
            # A worker without its link is of no use, whatever it is doing.
            self.kill()

    def _exited(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self.exit_code = self._process.wait()
        if self._transport is not None and self._linked:
            # What it sent before its end is still to be read; the end of the link comes after it.
            self._loop.call_later(LAST_WORDS_SECONDS, self._transport.abort)
        else:
            self._ended()

    def _ended(self) -> None:
        self._on_exit(self)
        self._slots.release()
        self._page.close()
        self._slots = _NOTHING
        if not self._gone.done():
            self._gone.set_result(None)


_NOTHING: Final = memoryview(bytes(SLOTS * 8)).cast("Q")


def _import_path() -> list[str]:
    """Where the worker imports from: this package, its dependencies and the standard library."""
    package = str(Path(__file__).resolve().parent.parent)
    # Absolute, since the worker's current directory is the root.
    entries = [str(Path(entry).absolute()) for entry in sys.path if entry]
    return [package, *(entry for entry in entries if entry != package)]


def exit_cause(exit_code: int) -> str:
    """``SIGSEGV`` or ``exit 1``."""
    if exit_code < 0:
        try:
            return signal.Signals(-exit_code).name
        except ValueError:
            return f"signal {-exit_code}"
    return f"exit {exit_code}"
