"""What is kept of decisions and calls, a file each: written off the event loop, so many and no more.

A file is a line that says what it has, and MessagePack behind it, compressed.
"""

import asyncio
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from sidecar.configuration.tree import KeptSection
from sidecar.errors import SidecarError
from sidecar.file_name import file_name_of
from sidecar.logs.logger import ActionLogger

SUFFIX: Final = ".kept"
APART_SECONDS: Final = 1.0
"""From one file of a script to the next of it: one that fails on every call does not fill the disk in a minute, nor are
all others' files gone for it."""
UNWRITTEN: Final = 32
"""Files that wait for the disk, each with its scripts' texts."""
SCRIPTS: Final = 10_000
"""Scripts of which it is known when they were last kept."""
FILE_BYTES: Final = 64_000_000
"""Of one that is read, without compression: some scripts of the largest size, with what they asked."""
NAME_CHARACTERS: Final = 100
"""Of a call's id in the name of its file."""

_log = ActionLogger(__name__)
_encode: Final = msgspec.msgpack.Encoder().encode
_Kept = TypeVar("_Kept")


class NotKeptError(SidecarError):
    """A file that has nothing that was kept, or what this version cannot read."""


def packed(head: bytes, kept: msgspec.Struct) -> bytes:
    """The content of a file."""
    return head + zlib.compress(_encode(kept), level=6)


def unpacked(head: bytes, content: bytes, kind: type[_Kept]) -> _Kept:
    """What a file has. Raises NotKeptError."""
    if not content.startswith(head):
        raise NotKeptError(f"does not begin with {head.decode().strip()!r}, as this version has it")
    try:
        decompressor = zlib.decompressobj()
        plain = decompressor.decompress(content[len(head) :], FILE_BYTES)
        if decompressor.unconsumed_tail:
            raise NotKeptError(f"has more than {FILE_BYTES} bytes")
        return msgspec.msgpack.decode(plain, type=kind)
    except (zlib.error, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise NotKeptError(f"cannot be read: {error}") from error


class KeptFiles:
    """Keeps files in the directory that is configured. `close` waits for what is being written."""

    def __init__(self, section: KeptSection, clock: Callable[[], float] = time.time) -> None:
        assert section.directory is not None  # noqa: S101 - else nothing is kept
        self._directory: Path = section.directory
        self.always = frozenset(section.scripts)
        """Ids of scripts of which all is kept."""
        self._files = section.files
        self._clock = clock
        self._last: dict[str, float] = {}
        self._writing: set[asyncio.Task[None]] = set()
        self._in_turn = asyncio.Lock()
        self._said = False
        self.dropped = 0
        """Files that could not be written."""

    def add(self, script: str, call_id: str, content: Callable[[], Any]) -> str:
        """Keep what ``content`` gives, in a thread, on account of a script; the name of the file, empty where it is too
        soon after another of that script."""
        now = self._clock()
        if now - self._last.get(script, 0.0) < APART_SECONDS:
            return ""
        if len(self._writing) >= UNWRITTEN:
            self._lost("the disk is too slow")
            return ""
        if len(self._last) >= SCRIPTS:
            self._last.clear()
        self._last[script] = now
        at = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03}Z"
        name = f"{at}-{file_name_of(call_id)[:NAME_CHARACTERS]}{SUFFIX}"
        task = asyncio.get_running_loop().create_task(self._write(name, content))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        return name

    async def close(self) -> None:
        """Return once nothing is being written."""
        while self._writing:
            await asyncio.gather(*self._writing)

    async def _write(self, name: str, content: Callable[[], bytes]) -> None:
        async with self._in_turn:
            try:
                await asyncio.to_thread(self._write_file, name, content)
            except Exception as error:  # noqa: BLE001 - told here: whatever it is costs this file, and no call
                self._lost(str(error) or type(error).__name__)
            else:
                self._said = False

    def _write_file(self, name: str, content: Callable[[], bytes]) -> None:
        # Whoever shares other things with the daemon need not know who called whom.
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = self._directory / f".{name}"
        try:
            unfinished.touch(mode=0o600)
            unfinished.write_bytes(content())
            unfinished.rename(self._directory / name)
        finally:
            unfinished.unlink(missing_ok=True)
        # Their names begin with the time.
        for file in sorted(self._directory.glob(f"[0-9]*{SUFFIX}"))[: -self._files]:
            file.unlink(missing_ok=True)

    def _lost(self, why: str) -> None:
        self.dropped += 1
        if not self._said:
            self._said = True
            _log.error("not_kept", error=why, dropped=self.dropped)
