"""A restart that no switch notices: open sockets go to the service manager, and from there to the next process.

systemd keeps them in the unit's file descriptor store for as long as a restart takes (sd_pid_notify_with_fds(3),
systemd.service(5), FileDescriptorStoreMax=). With them goes one file in memory that says what each of them is. A socket
is known there by its inode number, which every descriptor of it has.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Iterable, MutableMapping, Sequence
from typing import Any, Final

import msgspec

from sidecar.lifecycle import HandedOver
from sidecar.logs.logger import ActionLogger
from sidecar.operations.notify import BARRIER_SECONDS, Notifier
from sipio.held_socket import HeldSocket

_log = ActionLogger(__name__)

NAME: Final = "scriptforge"
"""Of all our descriptors in the service manager's store."""
FIRST_DESCRIPTOR: Final = 3
"""SD_LISTEN_FDS_START of sd_listen_fds(3)."""
FORMAT: Final = 1
"""Of the file in memory. A process that finds another one closes what it was given and begins anew."""
DOCUMENT_BYTES: Final = 67_108_864
"""The most that is read of it: 256 connections with the beginning of a message of 262,144 bytes each."""
ATTEMPT_SECONDS: Final = 0.1
"""How long reading pauses in the hope that what was read is answered; most decisions take a few milliseconds."""
PAUSE_SECONDS: Final = 0.3
"""Between two attempts, in which everything goes on."""
LAST_ATTEMPT_SECONDS: Final = 1.0
"""How long the last one waits. With the time of a start it is less than a Kamailio's patience of 3 s."""
LOOK_SECONDS: Final = 0.002


class _Entry(msgspec.Struct, frozen=True, array_like=True):
    inode: int
    part: str
    role: str
    unread: bytes
    details: dict[str, Any]


class _Document(msgspec.Struct, frozen=True, array_like=True):
    format: int
    entries: list[_Entry] = []


class HandOver:
    """Gives the sockets of these parts away at the end, at a moment in which nobody waits for an answer."""

    def __init__(self, parts: Sequence[HandedOver], notifier: Notifier, *, patience_seconds: float) -> None:
        """``patience_seconds``: how long to look for such a moment; what is being decided after that is cut."""
        self._parts = parts
        self._notifier = notifier
        self._patience = patience_seconds

    @property
    def longest_seconds(self) -> float:
        """What `run` may take."""
        return self._patience + ATTEMPT_SECONDS + PAUSE_SECONDS + 2 * LAST_ATTEMPT_SECONDS + BARRIER_SECONDS

    async def run(self, cut: Callable[[], None]) -> bool:
        """Hand over; whether it was done. If not, everything goes on as before.

        ``cut`` gives what is still being decided in the end the answer that its failure has.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + self._patience
        try:
            while not await self._at_rest(ATTEMPT_SECONDS):
                if loop.time() >= end:
                    if not await self._at_rest(LAST_ATTEMPT_SECONDS):
                        cut()
                        await self._at_rest(LAST_ATTEMPT_SECONDS)
                    break
                self._resume()
                await asyncio.sleep(PAUSE_SECONDS)
            if await self._store():
                for part in self._parts:
                    part.let_go()
                return True
        except BaseException:
            self._resume()
            raise
        self._resume()
        return False

    async def _at_rest(self, seconds: float) -> bool:
        """Hold all parts; whether all are at rest within this time. They stay held."""
        for part in self._parts:
            part.hold()
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while True:
            # Twice round the loop: what was read before is handled, and what was answered is written.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            if all(part.at_rest for part in self._parts):
                return True
            if loop.time() >= end:
                return False
            await asyncio.sleep(LOOK_SECONDS)

    def _resume(self) -> None:
        for part in self._parts:
            part.resume()

    async def _store(self) -> bool:
        held = [(part.name, one) for part in self._parts for one in part.hand_over()]
        try:
            document = _written([_entry(part, one) for part, one in held])
            try:
                descriptors = [document, *(one.socket.fileno() for _, one in held)]
                if not await self._notifier.store(NAME, descriptors):
                    _log.error("hand_over_failed", sockets=len(held))
                    self._notifier.forget(NAME)
                    return False
            finally:
                os.close(document)
        finally:
            for _, one in held:
                one.socket.close()
        _log.info("handed_over", sockets=len(held))
        return True


class Inherited:
    """What the process before handed over: for each part its sockets, until it takes them."""

    def __init__(self, held: Iterable[tuple[str, HeldSocket]] = ()) -> None:
        self._held = list(held)

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str]) -> "Inherited":
        """Take the service manager's descriptors, and its variables out of the environment (sd_listen_fds(3)).

        Whatever cannot be understood is closed, and its peers connect anew.
        """
        pid = environment.pop("LISTEN_PID", "")
        count = environment.pop("LISTEN_FDS", "")
        names = environment.pop("LISTEN_FDNAMES", "").split(":")
        if pid != str(os.getpid()) or not (count.isascii() and count.isdigit()):
            return cls()
        sockets: dict[int, socket.socket] = {}
        content = b""
        for descriptor in range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + int(count)):
            os.set_inheritable(descriptor, False)
            name = names[descriptor - FIRST_DESCRIPTOR] if descriptor - FIRST_DESCRIPTOR < len(names) else ""
            if name != NAME:
                _log.warning("descriptor_not_ours", name=name)
                os.close(descriptor)
                continue
            try:
                one = socket.socket(fileno=descriptor)
            except OSError:  # no socket, and so the file that says what they are
                content = _read(descriptor)
                continue
            one.setblocking(False)
            sockets[os.fstat(descriptor).st_ino] = one
        return cls(_assigned(content, sockets))

    def __bool__(self) -> bool:
        return bool(self._held)

    def take(self, part: str) -> list[HeldSocket]:
        """The sockets of one part, which owns them from now on."""
        taken = [one for name, one in self._held if name == part]
        self._held = [(name, one) for name, one in self._held if name != part]
        return taken

    def discard(self) -> None:
        """Close what nobody has taken."""
        for _, one in self._held:
            one.discard()
        self._held = []


def _entry(part: str, held: HeldSocket) -> _Entry:
    return _Entry(os.fstat(held.socket.fileno()).st_ino, part, held.role, held.unread, dict(held.details))


def _written(entries: list[_Entry]) -> int:
    document = os.memfd_create(NAME, os.MFD_CLOEXEC)
    with os.fdopen(os.dup(document), "wb") as file:
        file.write(msgspec.msgpack.encode(_Document(FORMAT, entries)))
    os.lseek(document, 0, os.SEEK_SET)
    return document


def _read(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as file:
        file.seek(0)
        return file.read(DOCUMENT_BYTES)


def _assigned(content: bytes, sockets: dict[int, socket.socket]) -> list[tuple[str, HeldSocket]]:
    try:
        document = msgspec.msgpack.decode(content, type=_Document)
        error = "" if document.format == FORMAT else f"it is of format {document.format}"
    except (msgspec.MsgspecError, ValueError) as malformed:
        document, error = _Document(FORMAT), str(malformed)
    if error and sockets:
        _log.warning("hand_over_not_understood", sockets=len(sockets), error=error)
    held = [
        (
            entry.part,
            HeldSocket(socket=sockets.pop(entry.inode), role=entry.role, unread=entry.unread, details=entry.details),
        )
        for entry in document.entries
        if not error and entry.inode in sockets
    ]
    for one in sockets.values():
        HeldSocket(socket=one, role="").discard()
    return held
