"""``python -m sidecar.catalog.database.reader``: the process that asks the database, and tells the deciding one.

SQLAlchemy and the drivers are here and not there: their objects would be the deciding process's garbage collector's to
walk, their queries would hold its interpreter twice a second, and a driver that hangs would be its own. It ends with
the process that started it.
"""

import asyncio
import contextlib
import hashlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from sidecar.catalog.database.copied import CatalogCopy, of_copy
from sidecar.catalog.database.following import changed_since, current_revision, everything
from sidecar.catalog.database.messages import (
    LENGTH,
    Begin,
    End,
    Follow,
    Present,
    Reachable,
    ToReader,
    Unreachable,
    encode_message,
    to_reader,
)
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.nodes.in_database import LEAVE_SECONDS, DatabaseListing
from sidecar.nodes.node import Node
from sidecar.storage.engine import Storage
from sidecar.storage.errors import StorageError
from sidecar.storage.schema import read_state

END_SECONDS: Final = 0.5
"""After which it ends whatever it is doing."""

Send = Callable[[bytes], None]


class Following:
    """What is known of the database, and what of that was told."""

    def __init__(self, storage: Storage, copy: CatalogCopy | None, send: Send) -> None:
        self._storage = storage
        self._copy = copy
        self._send = send
        self._known: int | None = None
        self._opened = 0
        self._told = ""
        """Why it could not be asked, as it was told last; empty where it could."""
        self._copy_told = False
        self._copy_is_behind = False

    async def look(self) -> None:
        """Ask once, and tell what is not as it was."""
        try:
            async with self._storage.reading() as connection:
                (await read_state(connection)).require(self._storage.url)
                await self._tell_changes(connection)
        except StorageError as error:
            await self._storage.close()
            self._tell_unreachable(str(error))

    async def _tell_changes(self, connection: AsyncConnection) -> None:
        if self._opened != self._storage.opened:
            # Connected anew, as to a backup that was restored: what was read before may be of another history.
            self._opened, self._known = self._storage.opened, None
        number = await current_revision(connection)
        if number == self._known:
            if self._told:
                self._told = ""
                self._send(encode_message(Reachable()))
            if self._copy is not None and self._copy.is_grown and not self._copy_is_behind:
                pieces = [encode_message(piece) async for piece in everything(connection)]
                self._keep([encode_message(Begin(whole=True)), *pieces, encode_message(End(number))], whole=True)
            return
        changed = await changed_since(connection, self._known) if self._known is not None else None
        whole = changed is None
        # Read to its end before the first of it is sent: who takes it waits for no database.
        pieces = [encode_message(piece) async for piece in changed or everything(connection)]
        messages = [encode_message(Begin(whole=whole)), *pieces, encode_message(End(number))]
        for message in messages:
            self._send(message)
        self._known, self._told = number, ""
        self._keep(messages, whole=whole)

    def _keep(self, messages: list[bytes], *, whole: bool) -> None:
        if self._copy is None or (self._copy_is_behind and not whole):
            return
        try:
            if whole:
                self._copy.replace(messages)
            else:
                self._copy.add(messages)
        except OSError as error:
            # It is written afresh at the next start: what it has is not to be taken for what is.
            self._copy_is_behind = True
            print(f"scriptforge: the catalog's copy is not written: {error}", file=sys.stderr)  # noqa: T201 - its log
        else:
            self._copy_is_behind = False

    def _tell_unreachable(self, why: str) -> None:
        if self._known is None and self._copy is not None and not self._copy_told:
            self._copy_told = True
            try:
                for message in of_copy(self._copy.read(), why):
                    self._send(message)
                    self._told = why
            except FileNotFoundError:
                pass
            except OSError as error:
                why = f"{why}; its copy cannot be read: {error.strerror}"
        if why != self._told:
            self._told = why
            self._send(encode_message(Unreachable(why)))


class Presence:
    """Has the process that reads are made for be listed, for as long as it is there."""

    def __init__(self, listing: DatabaseListing) -> None:
        self._listing = listing
        self._node: Node | None = None
        self._told = asyncio.Event()
        self._over = asyncio.Event()

    def take(self, node: Node | None) -> None:
        """What it tells of itself; None for its end."""
        if node is None:
            self._over.set()
        else:
            self._node = node
            self._told.set()

    async def list(self) -> None:
        """List what is told, again and again."""
        while True:
            await self._told.wait()
            self._told.clear()
            assert self._node is not None  # noqa: S101 - it was told
            await self._listing.tell(self._node)

    async def end(self) -> None:
        """Wait for its end, and list it no more."""
        await self._over.wait()
        if self._node is not None:
            await self._listing.leave(self._node.id)


async def follow(settings: Follow, orders: "Orders", send: Send) -> None:
    """Look again and again, until the orders end."""
    url = DatabaseUrl.parse(settings.url)
    copy = CatalogCopy(copy_file(Path(settings.copy), url)) if settings.copy is not None else None
    following = Following(Storage(url), copy, send)
    presence = Presence(DatabaseListing(Storage(url)))
    loop = asyncio.get_running_loop()
    orders.hear(lambda node: loop.call_soon_threadsafe(presence.take, node))

    async def look() -> None:
        while True:
            await following.look()
            await asyncio.sleep(settings.poll_seconds)

    looking, listing = loop.create_task(look()), loop.create_task(presence.list())
    ending = loop.create_task(presence.end())
    done, _ = await asyncio.wait({looking, listing, ending}, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


def copy_file(folder: Path, url: DatabaseUrl) -> Path:
    """The file of a database's copy: another one's would be for other calls."""
    return folder / f"database-{hashlib.sha256(str(url).encode()).hexdigest()[:16]}.copy"


class Orders:
    """What is said on standard input."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def next(self) -> ToReader | None:
        """The next message, for which it waits; None at the end, or where it is no message."""
        head = self._stream.read(LENGTH.size)
        if len(head) < LENGTH.size:
            return None
        try:
            message: ToReader = to_reader.decode(self._stream.read(*LENGTH.unpack(head)))
        except msgspec.MsgspecError:
            return None
        return message

    def hear(self, take: Callable[[Node | None], object]) -> None:
        """Hear the rest in a thread, which ends the process where nothing else does when it is over."""
        threading.Thread(target=self._hear, args=(take,), daemon=True).start()

    def _hear(self, take: Callable[[Node | None], object]) -> None:
        while isinstance(message := self.next(), Present):
            take(message.node)
        take(None)
        time.sleep(LEAVE_SECONDS + END_SECONDS)
        os._exit(0)


def main() -> None:
    """Follow what standard input says until that ends."""
    # Ctrl-C and a service manager tell the whole group: the process that started this one says when it is over.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    orders = Orders(sys.stdin.buffer)
    settings = orders.next()
    if not isinstance(settings, Follow):
        return
    output = sys.stdout.buffer

    def send(message: bytes) -> None:
        output.write(message)
        output.flush()

    with contextlib.suppress(BrokenPipeError):
        asyncio.run(follow(settings, orders, send))
    # What drivers and the database do meanwhile is nobody's any more.
    os._exit(0)


if __name__ == "__main__":
    main()
