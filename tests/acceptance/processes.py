"""Programs that a test starts: their output read as it comes, their end waited for, nothing left behind."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import ClassVar

INSTALL = ".ci/packages --tests"
START_SECONDS = 60.0


def require_program(name: str) -> str:
    """Path of a program that the acceptance tests drive. Without it they fail: a skip would hide it."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    assert path is not None, f"{name} is not installed: {INSTALL}"
    return path


def free_port(address: str, kind: socket.SocketKind = socket.SOCK_DGRAM) -> int:
    """A port that nobody has on this loopback address just now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
    """Return once the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.005)


def is_bound(address: str, port: int, table: str = "udp") -> bool:
    """Whether some socket is bound there, by the kernel's own table."""
    wanted = f"{int.from_bytes(socket.inet_aton(address), 'little'):08X}:{port:04X}"
    return any(line.split()[1] == wanted for line in Path("/proc/net", table).read_text().splitlines()[1:])


GUARD = """
import os, signal, sys
groups = set()
for line in sys.stdin:
    (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except OSError:
        pass
"""


class Guard:
    """A process that ends the programs of this one when this one is gone, however it went: no finally runs after
    SIGKILL. It hears of it by the end of its standard input."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", GUARD],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )

    def tell(self, what: str, group: int) -> None:
        """``+``: this process group runs; ``-``: it has ended."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}{group}\n".encode())
        self._process.stdin.flush()


@cache
def guard() -> Guard:
    """The one of this process."""
    return Guard()


class Program:
    """A running program, in a process group of its own."""

    running: ClassVar[list["Program"]] = []
    """Those that nobody has seen end."""

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        directory: Path,
        environment: Mapping[str, str] | None = None,
        descriptors: Sequence[int] = (),
    ) -> None:
        """``descriptors``: those that it inherits besides the standard ones."""
        self.command = command
        self._lines: list[str] = []
        self._grown = threading.Condition()
        self._log = log
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=directory,
            env=environment,
            text=True,
            errors="replace",
            start_new_session=True,
            pass_fds=descriptors,
        )
        guard().tell("+", self.process.pid)
        self.running.append(self)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self._log.open("a") as log, self.process.stdout as output:
            for line in output:
                log.write(line)
                log.flush()
                with self._grown:
                    self._lines.append(line)
                    self._grown.notify_all()

    @property
    def position(self) -> int:
        """Lines written so far."""
        with self._grown:
            return len(self._lines)

    def lines(self, pattern: str, since: int = 0) -> list[str]:
        """What it has written that matches."""
        with self._grown:
            return [line for line in self._lines[since:] if re.search(pattern, line)]

    def wait_for(self, pattern: str, since: int = 0, seconds: float = START_SECONDS) -> str:
        """The first line that matches, once it is written."""
        deadline = time.monotonic() + seconds
        with self._grown:
            while True:
                for line in self._lines[since:]:
                    if re.search(pattern, line):
                        return line
                remaining = deadline - time.monotonic()
                tail = "".join(self._lines[-20:])
                assert remaining > 0, f"{self.command[0]}: no line with {pattern!r} in {seconds} s\n{tail}"
                self._grown.wait(remaining)

    def finish(self, seconds: float = START_SECONDS) -> int:
        """Wait for its own end; its exit status."""
        status = self.process.wait(seconds)
        if self in self.running:
            self.running.remove(self)
            guard().tell("-", self.process.pid)
        self._reader.join(seconds)
        return status

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it and all that it started."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)

    def stop(self) -> None:
        """End it, whatever state it is in."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            self.finish(5.0)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self.finish(5.0)
