"""Listening sockets: each made safely, a connection accepted or refused before anything is read."""

import asyncio
import contextlib
import errno
import grp
import os
import socket
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from sipio.errors import LocalError
from sipio.held_socket import HeldSocket, duplicate
from sipio.rpc.addresses import TcpAddress, UnixAddress

BACKLOG: Final = 512
"""Connections that the kernel holds before we take them: every switch of a site reconnecting at once."""
ACCEPTS_AT_ONCE: Final = 64
"""Accepted in one turn of the loop, so that a flood of connections does not hold up those that are open."""
LISTENER: Final = "listener"
"""The role of a listening socket that is held."""
PATH: Final = "path"
INODE: Final = "inode"
"""Of a held unix socket: its file."""
RETRY_SECONDS: Final = 0.1
"""Wait after the system had no descriptor or memory for a connection."""

_OUT_OF_RESOURCES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Listener:
    """One listening socket. ``on_accept`` gets each connection, non-blocking, and owns it."""

    def __init__(self, listening: socket.socket, on_accept: Callable[[socket.socket], None]) -> None:
        self.socket = listening
        self._on_accept = on_accept
        self._loop = asyncio.get_running_loop()
        self._retry: asyncio.TimerHandle | None = None
        path = listening.getsockname() if listening.family == socket.AF_UNIX else None
        self._path = Path(path) if path else None
        self._inode = self._path.stat().st_ino if self._path else None
        self._loop.add_reader(listening.fileno(), self._accept)

    def hold(self) -> None:
        """Accept no more for now: who connects waits in the kernel, up to `BACKLOG` of them."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        self._loop.remove_reader(self.socket.fileno())

    def resume(self) -> None:
        """Accept again after `hold`."""
        self._loop.add_reader(self.socket.fileno(), self._accept)

    def hand_over(self) -> HeldSocket:
        """The socket as another process may go on with it."""
        details = {} if self._path is None else {PATH: os.fspath(self._path), INODE: self._inode}
        return HeldSocket(socket=duplicate(self.socket.fileno()), role=LISTENER, details=details)

    def let_go(self) -> None:
        """Close this process's descriptor of a socket that another one goes on with; its file stays."""
        self.hold()
        self.socket.close()

    def close(self) -> None:
        """Accept no more. A unix socket's file goes, unless another process has put its own there."""
        self.hold()
        self.socket.close()
        if self._path is not None:
            with contextlib.suppress(FileNotFoundError):
                if self._path.stat().st_ino == self._inode:
                    self._path.unlink()

    def _accept(self) -> None:
        for _ in range(ACCEPTS_AT_ONCE):
            try:
                connection, _address = self.socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _OUT_OF_RESOURCES:
                    raise
                # The socket stays readable: without a pause the loop would spin.
                self._loop.remove_reader(self.socket.fileno())
                self._retry = self._loop.call_later(RETRY_SECONDS, self._resume)
                return
            connection.setblocking(False)
            self._on_accept(connection)

    def _resume(self) -> None:
        self._retry = None
        self._loop.add_reader(self.socket.fileno(), self._accept)


def listen_unix(address: UnixAddress, held: Sequence[HeldSocket] = ()) -> socket.socket:
    """A unix socket with its permissions from the first moment on, or the one of this path that is held.

    A socket file that nobody listens on is replaced. Raises `LocalError` where somebody does, where the
    path is something else, and where the system refuses.
    """
    path = address.path
    for one in held:
        if one.details.get(PATH) == os.fspath(path):
            if _stands(path, one.details.get(INODE)):
                _permit(address)
                return one.socket
            one.discard()  # nobody can reach it: its file is gone, or is another's
    try:
        _remove_stale(path)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    except OSError as error:
        raise LocalError(f"{path}: {error.strerror}") from error
    try:
        # Between bind and chmod nobody but us may connect.
        old_umask = os.umask(0o777)
        try:
            listening.bind(os.fspath(path))
        finally:
            os.umask(old_umask)
        # Before the permissions: who may connect is not refused for a socket that does not listen yet.
        listening.listen(BACKLOG)
        _permit(address)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        reason = error.strerror
        if isinstance(error, FileNotFoundError):
            reason = f"there is no directory {path.parent}"
        raise LocalError(f"{path}: {reason or error}") from error
    except LocalError:
        listening.close()
        raise
    return listening


def _permit(address: UnixAddress) -> None:
    """Give a socket's file its group and its permissions. Raises `LocalError` or OSError."""
    if address.group:
        try:
            group = grp.getgrnam(address.group).gr_gid
        except KeyError as error:
            raise LocalError(f"{address.path}: no group {address.group!r}") from error
        os.chown(address.path, -1, group)
    address.path.chmod(address.mode)


def _stands(path: Path, inode: int | None) -> bool:
    try:
        return path.stat().st_ino == inode
    except OSError:
        return False


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise LocalError(f"{path}: exists and is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except BlockingIOError:
            pass  # its backlog is full: it lives
    raise LocalError(f"{path}: another process listens there")


async def listen_tcp(address: TcpAddress, held: Sequence[HeldSocket] = ()) -> list[socket.socket]:
    """A socket for each address that the host's name has, the held one where there is one. Raises `LocalError`."""
    loop = asyncio.get_running_loop()
    listening: list[socket.socket] = []
    try:
        found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _name, where in dict.fromkeys(found):
            kept = next((one for one in held if one.socket.family == family and _bound_to(one, where)), None)
            if kept is not None:
                listening.append(kept.socket)
                continue
            one = socket.socket(family, kind, protocol)
            listening.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(where)
            one.listen(BACKLOG)
            one.setblocking(False)
    except OSError as error:
        for one in listening:
            one.close()
        raise LocalError(f"{address.host}:{address.port}: {error.strerror or error}") from error
    return listening


def _bound_to(held: HeldSocket, where: tuple[object, ...]) -> bool:
    try:
        return bool(held.socket.getsockname()[:2] == where[:2])
    except OSError:
        return False
