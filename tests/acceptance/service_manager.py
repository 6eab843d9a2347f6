"""What systemd does for a service with ``Type=notify`` and ``FileDescriptorStoreMax=``: reads what it says, keeps the
descriptors that it sends, and gives them to the process that it starts next (sd_notify(3), sd_listen_fds(3))."""

import fcntl
import os
import socket
import threading
from pathlib import Path

from tests.acceptance.processes import wait_until

HIGH = 200
"""Kept descriptors are numbered from here on, out of the way of those that a process begins with."""


class ServiceManager:
    """The one of one service."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self._path))
        self._kept: list[tuple[str, int]] = []
        self.messages: list[str] = []
        """Everything that was said, in order."""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def environment(self) -> dict[str, str]:
        """What the service is told of it, and the key of the shipped unit."""
        return {"NOTIFY_SOCKET": str(self._path), "SCRIPTFORGE_SHUTDOWN__HAND_OVER": "true"}

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Those that are kept now."""
        return tuple(descriptor for _, descriptor in self._kept)

    def launcher(self) -> tuple[str, ...]:
        """What to put before the command of the next process: it finds the kept descriptors from 3 on."""
        if not self._kept:
            return ()
        moves = " ".join(f"{3 + place}<&{kept} {kept}<&-" for place, kept in enumerate(self.descriptors))
        names = ":".join(name for name, _ in self._kept)
        listen = f"LISTEN_PID=$$ LISTEN_FDS={len(self._kept)} LISTEN_FDNAMES={names}"
        return ("bash", "-c", f'exec {moves}; {listen} exec "$@"', "bash")

    def said(self, text: str) -> bool:
        """Whether a message has this line."""
        return any(text in message.split("\n") for message in list(self.messages))

    def stopped(self) -> None:
        """The service has ended and is not started again: what is kept is closed."""
        for _, descriptor in self._kept:
            os.close(descriptor)
        self._kept.clear()

    def close(self) -> None:
        """End it, with all that it keeps."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()
        self.stopped()

    def wait_until_kept(self, count: int) -> None:
        """Return once it keeps so many descriptors."""
        wait_until(lambda: len(self._kept) == count, f"{count} descriptors kept")

    def _read(self) -> None:
        while True:
            data, received, _, _ = socket.recv_fds(self._socket, 65_536, 253)
            if not data:
                return
            text = data.decode()
            lines = dict(line.partition("=")[::2] for line in text.split("\n"))
            name = lines.get("FDNAME", "stored")
            if "FDSTORE" in lines:
                # Named first: whoever sees a number of them sees all of one message.
                moved = [(name, fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, HIGH)) for one in received]
                self._kept += moved
            elif "FDSTOREREMOVE" in lines:
                gone = [one for one in self._kept if one[0] == name]
                self._kept = [one for one in self._kept if one[0] != name]
                for _, descriptor in gone:
                    os.close(descriptor)
            self.messages.append(text)
            for one in received:  # of a barrier too, which is passed by that
                os.close(one)
