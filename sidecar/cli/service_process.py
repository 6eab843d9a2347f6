"""A process of ours that another command of ours starts, and its word that it is ready."""

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sidecar.errors import SidecarError

START_SECONDS: Final = 60.0
END_SECONDS: Final = 90.0
"""More than calls that are up have by default, and the closing after them."""
_MAIN: Final = (
    "import sys; from sidecar.cli.service_process import end_with; end_with(int(sys.argv.pop(1)));"
    " from sidecar.cli import main; sys.exit(main())"
)
_PR_SET_PDEATHSIG: Final = 1


def ending_signals() -> tuple[signal.Signals, ...]:
    """What ends us, and with us what we have started: Ctrl-C, SIGTERM, and SIGHUP when the terminal is closed, unless
    nohup(1) has said that it is to be ignored. Unhandled it would leave them behind."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return (signal.SIGINT, signal.SIGTERM)
    return (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def end_with(parent: int) -> None:
    """Have the kernel tell this process to end (SIGTERM) once the one that has started it is gone, also where that was
    killed and could end nobody (PR_SET_PDEATHSIG of prctl(2)). Raises SystemExit where it is gone already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGTERM))
    if os.getppid() != parent:
        raise SystemExit(1)


class ServiceProcess:
    """One of them. Its word that it is ready comes as to a service manager (sd_notify(3))."""

    def __init__(self, command: str, folder: Path) -> None:
        self.command = command
        self._folder = folder
        self.process: asyncio.subprocess.Process | None = None
        self.status = ""
        self._ready = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None
        self._told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._path = str(folder / command)
        self._told.bind(self._path)

    async def start(self, config: Path | None, environment: Mapping[str, str]) -> None:
        """Start it, and return once it is ready. Raises SidecarError."""
        options = ["--config", str(config)] if config is not None else []
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _MAIN, str(os.getpid()), self.command, *options),
            env={**environment, "NOTIFY_SOCKET": self._path},
            # Ctrl-C is told to the group of the terminal: it is ended by us, in its turn.
            start_new_session=True,
        )
        self._listening = asyncio.ensure_future(self._listen())
        ready = asyncio.ensure_future(self._ready.wait())
        ended = asyncio.ensure_future(self.process.wait())
        try:
            await asyncio.wait((ready, ended), timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                raise SidecarError(f"`scriptforge {self.command}` has not started; see above")
        finally:
            ready.cancel()
            ended.cancel()

    async def _listen(self) -> None:
        # To the end, though only the first word is waited for: it logs what nobody takes from it.
        loop = asyncio.get_running_loop()
        while True:
            said = dict(
                line.partition("=")[::2] for line in (await loop.sock_recv(self._told, 65_536)).decode().splitlines()
            )
            if said.get("READY") == "1" and not self._ready.is_set():
                self.status = said.get("STATUS", "")
                self._ready.set()

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)

    async def end(self) -> None:
        """Have it end in order, and return once it has."""
        try:
            if self.process is not None:
                await self._end(self.process)
        finally:
            if self._listening is not None:
                self._listening.cancel()
                await asyncio.wait((self._listening,))
            self._told.close()

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        self.tell(signal.SIGTERM)
        try:
            async with asyncio.timeout(END_SECONDS):
                await process.wait()
        except TimeoutError:
            self.tell(signal.SIGKILL)
            await process.wait()
