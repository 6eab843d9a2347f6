"""Machines of a test's own: network namespaces at one bridge, each of which may be cut off. For root."""

import ctypes
import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from tests.acceptance.processes import Program, require_program

SWITCH = "10.77.0.1"
"""The machine that the bridge is in."""
NETWORK = "10.77.0.0/24"
Found = TypeVar("Found")
CLONE_NEWNET = 0x40000000


class Network:
    """The machine ``switch`` and those that are added."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._programs: dict[str, Program] = {}
        self._ip = require_program("ip")
        self._start("switch")
        self._in("switch", "link", "add", "bridge", "type", "bridge")
        self._in("switch", "address", "add", f"{SWITCH}/24", "dev", "bridge")
        self._in("switch", "link", "set", "bridge", "up")
        self._inside = ThreadPoolExecutor(1, initializer=self._enter)

    def add(self, name: str, address: str) -> None:
        """One more machine."""
        self._start(name)
        there = str(self._programs[name].process.pid)
        self._in("switch", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", there)
        self._in("switch", "link", "set", name, "master", "bridge", "up")
        self._in(name, "address", "add", f"{address}/24", "dev", "eth0")
        self._in(name, "link", "set", "eth0", "up")

    def launcher(self, name: str) -> tuple[str, ...]:
        """What starts a program on a machine."""
        return (require_program("nsenter"), f"--net=/proc/{self._programs[name].process.pid}/ns/net", "--")

    def is_bound(self, name: str, address: str, port: int, table: str) -> bool:
        """Whether a socket is bound there."""
        wanted = f"{int.from_bytes(bytes(map(int, address.split('.'))), 'little'):08X}:{port:04X}"
        lines = Path(f"/proc/{self._programs[name].process.pid}/net/{table}").read_text().splitlines()[1:]
        return any(line.split()[1] == wanted for line in lines)

    def cut(self, name: str) -> None:
        """Cut a machine off: nobody is told that a connection has ended."""
        self._in("switch", "link", "set", name, "down")

    def mend(self, name: str) -> None:
        """Have it back."""
        self._in("switch", "link", "set", name, "up")

    def inside(self, what: Callable[[], Found]) -> Found:
        """Do something on the machine ``switch``, in a thread that is there; one thing at a time."""
        return self._inside.submit(what).result()

    def close(self) -> None:
        """Leave nothing of it."""
        self._inside.shutdown()
        for program in self._programs.values():
            program.stop()

    def _enter(self) -> None:
        descriptor = os.open(f"/proc/{self._programs['switch'].process.pid}/ns/net", os.O_RDONLY)
        found = ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET)
        os.close(descriptor)
        assert found == 0, os.strerror(ctypes.get_errno())

    def _start(self, name: str) -> None:
        command = [
            require_program("unshare"),
            "--net",
            "sh",
            "-c",
            '"$0" link set lo up && echo up && exec sleep infinity',
        ]
        program = self._programs[name] = Program([*command, self._ip], self._folder / f"{name}.log", Path("/"))
        program.wait_for("up")

    def _in(self, name: str, *words: str) -> None:
        subprocess.run([*self.launcher(name), self._ip, *words], check=True)
