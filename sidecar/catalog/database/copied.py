"""A copy of the last catalog in a file, for a start at which the database cannot be asked.

It is what was sent to the deciding process: everything, and behind it what changed since. It holds what scripts have in
``process.env``, and is nobody else's to read.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from sidecar.catalog.database.messages import (
    LENGTH,
    LONGEST,
    Begin,
    End,
    FromReader,
    Piece,
    encode_message,
    from_reader,
)

GROWN_BYTES: Final = 1_000_000
"""A copy is written afresh once what changed is longer than everything was, and than this."""


class CatalogCopy:
    """One file. What goes wrong with it raises OSError, and hinders nobody but a later start."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._whole_bytes = 0
        self._added_bytes = 0

    @property
    def is_grown(self) -> bool:
        """Whether it is worth to write everything afresh."""
        return self._added_bytes > max(GROWN_BYTES, self._whole_bytes)

    def replace(self, messages: Iterable[bytes]) -> None:
        """Everything anew."""
        self._file.parent.mkdir(mode=0o700, exist_ok=True)
        draft = self._file.with_name(f"{self._file.name}.new")
        try:
            descriptor = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as opened:
                opened.writelines(messages)
                opened.flush()
                os.fsync(descriptor)
                self._whole_bytes = opened.tell()
            draft.replace(self._file)
        except OSError:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
            raise
        self._added_bytes = 0

    def add(self, messages: Iterable[bytes]) -> None:
        """What has changed since."""
        with self._file.open("ab") as opened:
            for message in messages:
                self._added_bytes += opened.write(message)

    def read(self) -> Iterator[FromReader]:
        """What is in it, as far as it is whole. Raises OSError."""
        held: list[FromReader] = []
        with self._file.open("rb") as opened:
            while len(head := opened.read(LENGTH.size)) == LENGTH.size:
                (length,) = LENGTH.unpack(head)
                body = opened.read(length) if length <= LONGEST else b""
                if len(body) < length or not body:
                    return  # written when the process was killed
                try:
                    message = from_reader.decode(body)
                except (msgspec.MsgspecError, UnicodeDecodeError):
                    return  # of another release, or damaged
                held.append(message)
                if isinstance(message, End):
                    yield from held
                    held = []


def of_copy(messages: Iterable[FromReader], why: str) -> Iterator[bytes]:
    """The messages of a copy as they are sent, with why they are."""
    for message in messages:
        if isinstance(message, Begin | Piece):
            yield encode_message(message)
        elif isinstance(message, End):
            yield encode_message(End(message.revision, copied=why))
