"""What systemd is told: ready, reloading, stopping, alive (sd_notify(3), sd_watchdog_enabled(3))."""

import asyncio
import os
import socket
import time
from array import array
from collections.abc import Callable, MutableMapping, Sequence
from typing import Final

from sidecar.errors import ConfigurationError
from sidecar.logs.logger import ActionLogger

_log = ActionLogger(__name__)

BARRIER_SECONDS: Final = 1.0
"""How long the service manager has to take the descriptors that it is to keep."""
DESCRIPTORS_AT_ONCE: Final = 200
"""In one message. The kernel passes at most 253 (SCM_MAX_FD)."""
STATUS_CHARACTERS: Final = 200
"""One line of ``systemctl status``."""


class Notifier:
    """Sends to the service manager, or nothing at all where there is none. Never blocks.

    Raises ConfigurationError for an address that is neither a path nor an abstract name.
    """

    def __init__(self, address: str | None = None, *, watchdog_seconds: float | None = None) -> None:
        self._address: str | bytes | None = None
        self._socket: socket.socket | None = None
        self._stopping = False
        self.watchdog_seconds = watchdog_seconds
        """The service manager wants a sign of life at least this often; None if it does not."""
        self.failed = 0
        """Messages that could not be delivered."""
        if address is None:
            return
        if address[:1] == "@":
            self._address = b"\0" + os.fsencode(address[1:])
        elif address[:1] == "/":
            self._address = address
        else:
            raise ConfigurationError(f'NOTIFY_SOCKET: "{address}" is neither a path nor an abstract name')
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str]) -> "Notifier":
        """Take the service manager's variables out of an environment, so that no child inherits them.

        A watchdog meant for another process (``WATCHDOG_PID``) is none. Raises ConfigurationError for a value
        that is not what sd_notify(3) defines.
        """
        address = environment.pop("NOTIFY_SOCKET", None)
        micros = environment.pop("WATCHDOG_USEC", None)
        pid = environment.pop("WATCHDOG_PID", None)
        seconds = None
        if address and micros is not None and (pid is None or pid == str(os.getpid())):
            if not (micros.isascii() and micros.isdigit() and int(micros) > 0):
                raise ConfigurationError(f'WATCHDOG_USEC: "{micros}" is not a number of microseconds')
            seconds = int(micros) / 1e6
        return cls(address or None, watchdog_seconds=seconds)

    def ready(self, status: str = "") -> None:
        """Started, or reloaded."""
        if not self._stopping:
            self._send("READY=1", _status(status))

    def reloading(self) -> None:
        """A reload begins; ``ready`` ends it. The time is what Type=notify-reload asks for."""
        if not self._stopping:
            self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, status: str = "", *, extend_seconds: float = 0.0) -> None:
        """Shutdown begins; it may take this long whatever TimeoutStopSec says. Nothing follows but status."""
        self._stopping = True
        extend = f"EXTEND_TIMEOUT_USEC={round(extend_seconds * 1e6)}" if extend_seconds > 0 else ""
        self._send("STOPPING=1", extend, _status(status))

    async def store(self, name: str, descriptors: Sequence[int]) -> bool:
        """Have the service manager keep these until the service starts again; whether it has taken them.

        What it does with them is the unit's to say (FileDescriptorStoreMax=, systemd.service(5)). Without a service
        manager nobody takes them.
        """
        if self._socket is None or self._address is None:
            return False
        text = f"FDSTORE=1\nFDNAME={name}".encode()
        reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            try:
                for begin in range(0, len(descriptors), DESCRIPTORS_AT_ONCE):
                    self._send_with(text, descriptors[begin : begin + DESCRIPTORS_AT_ONCE])
                # The process must not end before the service manager has read what it was sent, or it cannot tell whose
                # it was (sd_notify_barrier(3)). It closes its end of the pipe in its turn.
                self._send_with(b"BARRIER=1", [writer])
            finally:
                os.close(writer)
            return await _ended(reader, BARRIER_SECONDS)
        except OSError as error:
            self._not_delivered(error)
            return False
        finally:
            os.close(reader)

    def forget(self, name: str) -> None:
        """Have the service manager close what it keeps under this name."""
        self._send("FDSTOREREMOVE=1", f"FDNAME={name}")

    @property
    def connected(self) -> bool:
        """Whether there is a service manager."""
        return self._socket is not None

    def status(self, text: str) -> None:
        """One line for ``systemctl status``."""
        self._send(_status(text))

    def alive(self) -> None:
        """A sign of life for the watchdog."""
        self._send("WATCHDOG=1")

    def close(self) -> None:
        """Close the socket; later messages go nowhere."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, *assignments: str) -> None:
        if self._socket is None or self._address is None:
            return
        try:
            self._socket.sendto("\n".join(filter(None, assignments)).encode(), self._address)
        except OSError as error:
            self._not_delivered(error)

    def _send_with(self, text: bytes, descriptors: Sequence[int]) -> None:
        # socket.send_fds() would leave the address out.
        if self._socket is not None and self._address is not None:
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", descriptors))
            self._socket.sendmsg([text], [rights], 0, self._address)

    def _not_delivered(self, error: OSError) -> None:
        # The service manager re-executing or busy: said once, counted, and the daemon goes on.
        self.failed += 1
        if self.failed == 1:
            _log.warning("notify_failed", error=str(error))


class Watchdog:
    """Gives a sign of life at half the wanted interval, from the event loop, for as long as it is healthy.

    A loop that hangs gives none, and neither does a health that says no; systemd then restarts the service.
    """

    def __init__(self, notifier: Notifier, healthy: Callable[[], bool]) -> None:
        self._notifier = notifier
        self._healthy = healthy
        self._timer: asyncio.TimerHandle | None = None
        self._was_healthy = True

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give the first sign now. Does nothing where no watchdog is wanted."""
        if self._notifier.watchdog_seconds is not None and self._timer is None:
            self._tick(loop, self._notifier.watchdog_seconds / 2)

    def stop(self) -> None:
        """Give the service manager no more signs of life."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self, loop: asyncio.AbstractEventLoop, interval: float) -> None:
        self._timer = loop.call_later(interval, self._tick, loop, interval)
        healthy = self._healthy()
        if healthy:
            self._notifier.alive()
        elif self._was_healthy:
            _log.error("watchdog_withheld", seconds_left=self._notifier.watchdog_seconds)
        self._was_healthy = healthy


async def _ended(reader: int, seconds: float) -> bool:
    """Whether all other ends of a pipe are closed within this time."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(reader, ended.set)
    try:
        async with asyncio.timeout(seconds):
            await ended.wait()
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(reader)
    return True


def _status(text: str) -> str:
    # A line feed would begin another assignment: a script's error text must not become MAINPID=1.
    shown = "".join(c if c.isprintable() else " " for c in text[:STATUS_CHARACTERS])
    return f"STATUS={shown}" if shown else ""
