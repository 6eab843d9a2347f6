"""An examination as messages between two processes: one for each text, so that none holds an event loop for long."""

import struct
from collections.abc import Iterator
from typing import Final

import msgspec

from sandbox.program import SourceFile
from sidecar.language.examination import Examination, Examined
from sidecar.language.prepared import Prepared
from sidecar.problem import Problem

MESSAGE_BYTES: Final = 32_000_000
"""Of one message: a text of the longest that a script may be, and what is wrong with it."""
LENGTH: Final = struct.Struct(">I")
"""Before each message: its bytes."""


class _Head(msgspec.Struct, frozen=True, array_like=True):
    asked: Examination
    files: int


class _Found(msgspec.Struct, frozen=True, array_like=True):
    problems: tuple[Problem, ...]
    prepared: Prepared | None
    files: int


_File = tuple[str, str]
_Source = tuple[str, SourceFile]


def asking(asked: Examination) -> Iterator[bytes]:
    """The messages that ask."""
    yield _message(_Head(msgspec.structs.replace(asked, files={}), len(asked.files)))
    for file in asked.files.items():
        yield _message(file)


class Asking:
    """What is asked, from its messages in their order."""

    def __init__(self) -> None:
        self._head: _Head | None = None
        self._files: dict[str, str] = {}

    def take(self, message: bytes) -> Examination | None:
        """The whole after its last message. Raises msgspec.MsgspecError for what is none."""
        if self._head is None:
            self._head = msgspec.msgpack.decode(message, type=_Head)
        else:
            path, text = msgspec.msgpack.decode(message, type=_File)
            self._files[path] = text
        if len(self._files) < self._head.files:
            return None
        return msgspec.structs.replace(self._head.asked, files=self._files)


def answering(found: Examined) -> Iterator[bytes]:
    """The messages that answer."""
    prepared, files = found.prepared, found.prepared.files if found.prepared is not None else {}
    yield _message(_Found(found.problems, prepared and prepared._replace(files={}), len(files)))
    for file in files.items():
        yield _message(file)


class Answering:
    """What was found, from its messages in their order."""

    def __init__(self) -> None:
        self._head: _Found | None = None
        self._files: dict[str, SourceFile] = {}

    def take(self, message: bytes) -> Examined | None:
        """The whole after its last message. Raises msgspec.MsgspecError for what is none."""
        if self._head is None:
            self._head = msgspec.msgpack.decode(message, type=_Found)
        else:
            path, file = msgspec.msgpack.decode(message, type=_Source)
            self._files[path] = file
        if len(self._files) < self._head.files:
            return None
        prepared = self._head.prepared
        return Examined(self._head.problems, prepared and prepared._replace(files=self._files))


def _message(value: object) -> bytes:
    body = msgspec.msgpack.encode(value)
    return LENGTH.pack(len(body)) + body
