"""``python -m sidecar.catalog.database.reader``: the process that asks the database, and tells the deciding one.

SQLAlchemy and the drivers are here and not there: their objects would be the deciding process's garbage collector's to
walk, their queries would hold its interpreter twice a second, and a driver that hangs would be its own. It ends with
the process that started it.
"""

import asyncio
import hashlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from sqlalchemy.ext.asyncio import AsyncConnection

from sidecar.catalog.database.copied import CatalogCopy, of_copy
from sidecar.catalog.database.following import changed_since, current_revision, everything
from sidecar.catalog.database.messages import (
    LENGTH,
    Begin,
    End,
    Follow,
    Reachable,
    Unreachable,
    encode_message,
    to_reader,
)
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.storage.engine import Storage
from sidecar.storage.errors import StorageError
from sidecar.storage.schema import read_state

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


async def follow(settings: Follow, send: Send) -> None:
    """Look again and again."""
    url = DatabaseUrl.parse(settings.url)
    copy = CatalogCopy(copy_file(Path(settings.copy), url)) if settings.copy is not None else None
    following = Following(Storage(url), copy, send)
    while True:
        await following.look()
        await asyncio.sleep(settings.poll_seconds)


def copy_file(folder: Path, url: DatabaseUrl) -> Path:
    """The file of a database's copy: another one's would be for other calls."""
    return folder / f"database-{hashlib.sha256(str(url).encode()).hexdigest()[:16]}.copy"


def main() -> None:
    """Follow what standard input says until that ends."""
    # Ctrl-C and a service manager tell the whole group: the process that started this one says when it is over.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    settings = _settings(sys.stdin.buffer)
    if settings is None:
        return
    threading.Thread(target=_end_with, args=(sys.stdin.buffer,), daemon=True).start()
    output = sys.stdout.buffer

    def send(message: bytes) -> None:
        output.write(message)
        output.flush()

    try:
        asyncio.run(follow(settings, send))
    except BrokenPipeError:
        os._exit(0)


def _settings(stream: BinaryIO) -> Follow | None:
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    return to_reader.decode(stream.read(*LENGTH.unpack(head)))


def _end_with(stream: BinaryIO) -> None:
    stream.read()
    os._exit(0)


if __name__ == "__main__":
    main()
