"""A process of ours that another command of ours starts, and its word that it is ready."""

import asyncio
import contextlib
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
_MAIN: Final = "import sys; from sidecar.cli import main; sys.exit(main())"


class ServiceProcess:
    """One of them. Its word that it is ready comes as to a service manager (sd_notify(3))."""

    def __init__(self, command: str, folder: Path) -> None:
        self.command = command
        self._folder = folder
        self.process: asyncio.subprocess.Process | None = None
        self.status = ""
        self._told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._path = str(folder / command)
        self._told.bind(self._path)

    async def start(self, config: Path | None, environment: Mapping[str, str]) -> None:
        """Start it, and return once it is ready. Raises SidecarError."""
        options = ["--config", str(config)] if config is not None else []
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _MAIN, self.command, *options),
            env={**environment, "NOTIFY_SOCKET": self._path},
            # Ctrl-C is told to the group of the terminal: it is ended by us, in its turn.
            start_new_session=True,
        )
        ready = asyncio.ensure_future(self._ready())
        ended = asyncio.ensure_future(self.process.wait())
        try:
            await asyncio.wait((ready, ended), timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                raise SidecarError(f"`scriptforge {self.command}` has not started; see above")
        finally:
            ready.cancel()
            ended.cancel()
            self._told.close()

    async def _ready(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            said = dict(
                line.partition("=")[::2] for line in (await loop.sock_recv(self._told, 65_536)).decode().splitlines()
            )
            if said.get("READY") == "1":
                self.status = said.get("STATUS", "")
                return

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)

    async def end(self) -> None:
        """Have it end in order, and return once it has."""
        if self.process is None:
            return
        self.tell(signal.SIGTERM)
        try:
            async with asyncio.timeout(END_SECONDS):
                await self.process.wait()
        except TimeoutError:
            self.tell(signal.SIGKILL)
            await self.process.wait()
