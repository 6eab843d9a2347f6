"""Call records of the last days are written: one file a day, one JSON object a line."""

import asyncio
import datetime
import errno
import itertools
import os
from collections import deque
from pathlib import Path
from typing import Final

from sidecar.logs.logger import ActionLogger
from sidecar.operations.call_record import CallRecord
from sidecar.text import safe_json

_log = ActionLogger(__name__)

UNWRITTEN: Final = 10_000
"""Records kept while the disk is slow or full; the oldest goes first, counted, since calls must not wait for it."""

GATHERING_SECONDS: Final = 0.25
"""From one write to the next, and what comes meanwhile is one: a thread woken for each record took 0.15 ms of a call's
processor time. A record that comes alone is written at once."""


class CallStore:
    """Writes records off the event loop, in order. `close` writes what is left."""

    def __init__(self, directory: Path, days: int) -> None:
        self._directory = directory
        self._days = days
        self._unwritten: deque[CallRecord] = deque()
        self._gathering: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._next_write = 0.0
        """Not before this time of the loop."""
        self.dropped = 0
        self._said = False

    def add(self, record: CallRecord) -> None:
        """Keep a record."""
        if len(self._unwritten) >= UNWRITTEN:
            self._unwritten.popleft()
            self.dropped += 1
            if not self._said:
                self._said = True
                _log.error("call_records_not_written", error="the disk is too slow", dropped=self.dropped)
        self._unwritten.append(record)
        if self._gathering is None and self._writing is None:
            self._gather()

    async def close(self) -> None:
        """Write what is left."""
        if self._writing is not None:
            await self._writing
        if self._gathering is not None:
            self._gathering.cancel()
            await self._write()

    def _gather(self) -> None:
        self._gathering = asyncio.get_running_loop().call_at(self._next_write, self._gathered)

    def _gathered(self) -> None:
        loop = asyncio.get_running_loop()
        self._gathering = None
        self._next_write = loop.time() + GATHERING_SECONDS
        self._writing = loop.create_task(self._write())

    async def _write(self) -> None:
        records = deque(self._unwritten)
        self._unwritten.clear()
        lost: list[Exception] = []
        try:
            await asyncio.to_thread(self._append, records, lost)
        except Exception as error:  # noqa: BLE001 - told below: whatever it is costs these records, and none after them
            lost += [error] * len(records)
        finally:
            self._writing = None
            if self._unwritten:
                self._gather()
        self.dropped += len(lost)
        if lost and not self._said:
            reason = lost[0]
            shown = str(reason) if isinstance(reason, OSError) else f"{type(reason).__name__}: {reason}"
            _log.error("call_records_not_written", error=shown, dropped=self.dropped)
        self._said = bool(lost)

    def _append(self, records: deque[CallRecord], lost: list[Exception]) -> None:
        """Write the records, each taken out once it is written. Of one that cannot be encoded the reason is added to
        ``lost``: it costs no other."""
        # Whoever shares sounds and recordings with the daemon need not know who called whom.
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lines: deque[tuple[str, bytes]] = deque()
        for _ in range(len(records)):
            record = records.popleft()
            try:
                lines.append((day_of(record.arrived), safe_json(record)))
            except Exception as error:  # noqa: BLE001 - handed to the caller, who tells of it
                lost.append(error)
            else:
                records.append(record)
        while lines:
            day, same = next(itertools.groupby(lines, key=lambda line: line[0]))
            file = self._directory / f"calls-{day}.jsonl"
            new = not file.exists()
            for _ in range(_append_lines(file, [line for _, line in same])):
                lines.popleft()
                records.popleft()
            if new:
                self._prune()

    def _prune(self) -> None:
        for file in sorted(self._directory.glob("calls-*.jsonl"))[: -self._days]:
            file.unlink(missing_ok=True)


def _append_lines(file: Path, lines: list[bytes]) -> int:
    """Write whole lines; gives how many the disk had room for. Raises OSError where it has none for the first.

    A line begun and not finished is cut off again, or ended first where somebody died over it: the next would be lost
    with it.
    """
    with file.open("a+b", buffering=0) as output:
        size = output.seek(0, os.SEEK_END)
        if size:
            output.seek(size - 1)
            if output.read(1) != b"\n":
                size += output.write(b"\n") or 0
        data = b"".join(lines)
        written = output.write(data) or 0
        if written < len(data):
            whole = data.rfind(b"\n", 0, written) + 1
            output.truncate(size + whole)
            if not whole:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return data.count(b"\n", 0, whole)
    return len(lines)


def day_of(when: float) -> str:
    """The day, in UTC, in whose file a record is: that of the call's arrival."""
    return datetime.datetime.fromtimestamp(when, datetime.UTC).strftime("%Y-%m-%d")
