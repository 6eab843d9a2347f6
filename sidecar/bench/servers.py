"""The servers under test: real processes, with the processor time that each of them has used."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sidecar.errors import SidecarError
from sipio.rpc.client import RpcClient
from sipio.rpc.errors import ConnectionLost

START_SECONDS: Final = 60.0
"""To load and check a catalog of thousands of scripts, on a machine that has other work."""
STOP_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.02
NODE: Final = "node"
"""The name of the Node server."""


@dataclass(frozen=True, slots=True)
class ProcessorTimes:
    """Seconds of processor time so far: of the process, and of each of those below it."""

    server: float
    children: Mapping[int, float]

    def since(self, earlier: "ProcessorTimes") -> tuple[float, float]:
        """Seconds used since then by the process and by all its children; a child that ended meanwhile is left out."""
        children = sum(now - earlier.children.get(child, 0.0) for child, now in self.children.items())
        return self.server - earlier.server, children


class Server:
    """A process that serves the socket. ``close`` ends it."""

    def __init__(self, name: str, workers: int, arguments: Sequence[str], directory: Path, socket: Path) -> None:
        self.name = name
        self.workers = workers
        """Processes that run scripts beside the server; 0 where it runs them itself."""
        self._socket = socket
        self._output = directory / f"{name}-{workers}.log"
        # Appended to, so that the log of one slice can be cut off before the next.
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=output
            )
        self._children: tuple[int, ...] = ()

    async def connect(self) -> RpcClient:
        """Wait until it serves. Raises SidecarError where it does not."""
        end = time.monotonic() + START_SECONDS
        while self._process.poll() is None and time.monotonic() < end:
            try:
                client = await RpcClient.connect(f"unix:{self._socket}")
            except ConnectionLost:
                await asyncio.sleep(POLL_SECONDS)
                continue
            await client.call("ping")
            self._children = descendants(self._process.pid)
            return client
        self.close()
        last = self._output.read_text(errors="replace").strip().splitlines()[-3:]
        raise SidecarError(f"{self.name} does not serve: {' '.join(last)[:1000]}")

    def processor_times(self) -> ProcessorTimes:
        """Processor seconds used so far by the process and by the workers last looked for."""
        return _times(self._process.pid, self._children)

    def between_slices(self) -> None:
        """Forget the log so far and look for workers that were started meanwhile; called while nothing is in flight."""
        os.truncate(self._output, 0)
        self._children = descendants(self._process.pid)

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def start_daemon(workers: int, directory: Path, catalog: Path) -> Server:
    """``scriptforge serve`` with the shipped settings, a socket of its own and so many workers."""
    home = directory / f"daemon-{workers}"
    home.mkdir()
    configuration = home / "sidecar.toml"
    configuration.write_text(
        f'[sandbox]\nworkers = {workers}\n[socket]\nunix = "{home}/socket"\n'
        f'[catalog]\ndirectory = "{catalog}"\n[metrics]\nlisten = ""\n',
        encoding="utf-8",
    )
    return Server("daemon", workers, serve_command(configuration), directory, home / "socket")


def serve_command(configuration: Path) -> list[str]:
    """``scriptforge serve`` of this very installation."""
    scriptforge = [sys.executable, "-c", "import sys; from sidecar.cli import main; sys.exit(main())"]
    return [*scriptforge, "serve", "--config", str(configuration)]


def start_node(program: Path, directory: Path, catalog: Path, adapter: Path) -> Server:
    """The server of ``bench/node``: the same scripts in V8, on the same protocol."""
    socket = directory / "node-socket"
    arguments = ["node", "--no-node-snapshot", str(program), str(socket), str(catalog / "scripts"), str(adapter)]
    return Server(NODE, 0, arguments, directory, socket)


def processor_times(process: int) -> ProcessorTimes:
    """Processor seconds used so far by any process and by those below it that there are now."""
    return _times(process, descendants(process))


def _times(process: int, children: Sequence[int]) -> ProcessorTimes:
    return ProcessorTimes(
        server=_processor_time(process), children={child: _processor_time(child) for child in children}
    )


def _processor_time(process: int) -> float:
    try:
        return time.clock_gettime((~process << 3) | 2)  # CPUCLOCK_SCHED of a process: clock_getcpuclockid(3)
    except OSError:
        return 0.0


def descendants(process: int) -> tuple[int, ...]:
    """The processes that a process has started, those that they have started, and so on."""
    found: list[int] = []
    waiting = [process]
    while waiting:
        # One that has ended meanwhile has none. Every task has a list of its own.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for task in Path(f"/proc/{waiting.pop()}/task").iterdir():
                started = [int(child) for child in (task / "children").read_text().split()]
                found += started
                waiting += started
    return tuple(found)
