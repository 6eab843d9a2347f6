"""A catalog in a database as a source that is followed: a process beside this one asks, and tells what has changed."""

import asyncio
import contextlib
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from sidecar.catalog.compile import Rules
from sidecar.catalog.database.gathered import Gathered
from sidecar.catalog.database.messages import (
    LENGTH,
    LONGEST,
    Begin,
    End,
    Follow,
    FromReader,
    Piece,
    Present,
    Reachable,
    Unreachable,
    encode_message,
    from_reader,
)
from sidecar.catalog.database.rows import RowPlace
from sidecar.catalog.source import Broken, Loaded, ServedBy
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.errors import CatalogError
from sidecar.nodes.node import BEAT_SECONDS, Node
from sidecar.problem import Problem, Severity

FIRST_SECONDS: Final = 300.0
"""For everything, at a start: 100,000 assignments are read in some seconds, in some more on a busy machine."""
MESSAGE_SECONDS: Final = 30.0
"""For the rest of what has begun: it was all read before."""
END_SECONDS: Final = 2.0
READ_BYTES: Final = 65_536
_COMMAND: Final = ("-I", "-m", "sidecar.catalog.database.reader")


class DatabaseSource:
    """A `sidecar.catalog.source.Source` over a database.

    What is saved there was right when it was saved. Something that is not any more, as by a hand in the database, gets
    its error action, and the rest is taken. While the database cannot be asked what was last read of it serves, also at
    a start, from its copy.
    """

    def __init__(
        self, url: DatabaseUrl, rules: Rules, *, poll_seconds: float = 0.5, copy_folder: Path | None = None
    ) -> None:
        """``copy_folder``: where the copy is kept; None for nowhere."""
        self._url = url
        self._follow = Follow(url.with_password(), poll_seconds, str(copy_folder) if copy_folder is not None else None)
        self._rules = rules
        self._gathered = Gathered(rules)
        self._reader: subprocess.Popen[bytes] | None = None
        self._loading = threading.Lock()
        self._held = bytearray()
        self._saying = threading.Lock()
        """Held by who writes to the reader, and by who ends it."""
        self._unreachable = ""
        self._revision: int | None = None
        self._complete = False
        """Whether everything was there once."""

    def load(self) -> Loaded:
        """Takes what the reader has told, at first everything; raises CatalogError where there is nothing at all, and
        where the reader has ended, for whom there is another one at the next call."""
        with self._loading:
            reader = self._running()
            changed = False
            try:
                for message in self._messages(reader):
                    changed |= isinstance(message, End)
                    self._take(message)
            except _Ended as error:
                self._end(reader)
                raise CatalogError(f"{self._url}: the process that reads it has ended: {error}") from None
            if not self._complete:
                why, self._unreachable = self._unreachable, ""
                self._end(reader)
                raise CatalogError(why)
            if changed or self._gathered.outdated:
                self._gathered.compile()
            return self._loaded()

    async def changed(self) -> None:
        """Returns once the reader has something to tell."""
        reader = self._reader
        if reader is None or reader.stdout is None or self._held:
            return
        loop = asyncio.get_running_loop()
        told = asyncio.Event()
        descriptor = reader.stdout.fileno()
        loop.add_reader(descriptor, told.set)
        try:
            await told.wait()
        finally:
            loop.remove_reader(descriptor)

    def close(self) -> None:
        """End the reader, and with it a load that waits for it."""
        reader = self._reader
        if reader is not None and reader.stdin is not None:
            # Then it lists this process no more, and ends.
            with self._saying, contextlib.suppress(OSError):
                reader.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                reader.wait(END_SECONDS)
            reader.kill()
        with self._loading:
            if self._reader is not None:
                self._end(self._reader)

    def _end(self, reader: "subprocess.Popen[bytes]") -> None:
        self._reader = None
        self._held.clear()
        with self._saying:
            for stream in (reader.stdin, reader.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
        try:
            reader.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            reader.kill()
            reader.wait()

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._reader is None:
            # What it tells first is everything.
            self._reader = subprocess.Popen(
                [sys.executable, *_COMMAND], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
            )
            assert self._reader.stdin is not None  # noqa: S101 - asked for above
            with contextlib.suppress(BrokenPipeError):
                self._reader.stdin.write(encode_message(self._follow))
            # From here on nobody waits for it: what it does not take is said anew later.
            os.set_blocking(self._reader.stdin.fileno(), False)
        return self._reader

    # ---- what it is told ----

    beat_seconds = BEAT_SECONDS

    async def tell(self, node: Node) -> None:
        """Have this process listed in the database: a `sidecar.nodes.node.Listing`."""
        message = encode_message(Present(node))
        reader = self._reader
        if reader is None or reader.stdin is None or len(message) > select.PIPE_BUF:  # past it, half of one may go out
            return
        with self._saying, contextlib.suppress(OSError, ValueError):  # one that has ended is told by who reads of it
            reader.stdin.write(message)

    async def leave(self, node_id: str) -> None:
        """Nothing: it is listed no more when its reader ends."""

    # ---- what it tells ----

    def _messages(self, reader: "subprocess.Popen[bytes]") -> Iterator[FromReader]:
        """What there is to be told now, and of what has begun the rest. At first, until there is something to run by or
        it is known why there is not."""
        began = time.monotonic()
        open_change = False
        while True:
            message = self._next_of_held()
            if message is None:
                first = not self._complete and not self._unreachable
                if first:
                    seconds = max(began + FIRST_SECONDS - time.monotonic(), 0.0)
                else:
                    seconds = MESSAGE_SECONDS if open_change or self._held else 0.0
                if not self._read(reader, seconds):
                    if first or open_change or self._held:
                        raise _Ended(f"it has said nothing for {seconds:g} s")
                    return
                continue
            open_change = isinstance(message, Begin) or (open_change and not isinstance(message, End))
            yield message
            time.sleep(0)

    def _next_of_held(self) -> FromReader | None:
        if len(self._held) < LENGTH.size:
            return None
        (length,) = LENGTH.unpack_from(self._held)
        if length > LONGEST:
            raise _Ended(f"a message of {length:_} bytes")
        end = LENGTH.size + length
        if len(self._held) < end:
            return None
        body = bytes(memoryview(self._held)[LENGTH.size : end])
        del self._held[:end]
        try:
            message: FromReader = from_reader.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise _Ended(f"a message that is none: {error}") from None
        return message

    def _read(self, reader: "subprocess.Popen[bytes]", seconds: float) -> bool:
        assert reader.stdout is not None  # noqa: S101 - asked for when it was started
        descriptor = reader.stdout.fileno()
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        if not poll.poll(seconds * 1000):
            return False
        found = os.read(descriptor, READ_BYTES)
        if not found:
            raise _Ended(f"exit status {reader.poll()}")
        self._held += found
        return True

    def _take(self, message: FromReader) -> None:
        if isinstance(message, Begin):
            self._gathered.begin(whole=message.whole)
        elif isinstance(message, Piece):
            self._gathered.add(message)
        elif isinstance(message, End):
            self._complete = True
            self._revision = message.revision
            self._unreachable = message.copied
        elif isinstance(message, Reachable):
            self._unreachable = ""
        else:
            assert isinstance(message, Unreachable)  # noqa: S101 - there is no other
            self._unreachable = message.why

    def _loaded(self) -> Loaded:
        compiled = self._gathered.compiled
        assert compiled is not None  # noqa: S101 - compiled by whoever asks
        problems = self._gathered.problems()
        broken = [
            Broken(f"script {compiled.called(one)}", ServedBy.ERROR_ACTION) for one in sorted(compiled.partial.unusable)
        ]
        broken += [
            Broken(str(place), ServedBy.ERROR_ACTION)
            for place in compiled.assignments.wrong
            if isinstance(place, RowPlace)
        ]
        if self._unreachable:
            problems = (
                Problem(str(self._url), 0, 0, Severity.ERROR, self._unreachable.removeprefix(f"{self._url}: ")),
                *problems,
            )
            broken = [Broken("the database", ServedBy.LAST_GOOD), *broken]
        return Loaded(compiled.snapshot or compiled.partial, problems, broken=tuple(broken), revision=self._revision)


class _Ended(Exception):
    """The reader has ended, or says nothing that makes sense."""
