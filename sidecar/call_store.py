"""Call records of the last days: one file a day, one JSON object a line, for ``scriptforge calls``."""

import asyncio
import datetime
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from sidecar.call_record import CallRecord
from sidecar.errors import SidecarError
from sidecar.logs import ActionLogger

_log = ActionLogger(__name__)

UNWRITTEN: Final = 10_000
"""Records kept while the disk is slow or full; the oldest goes first, counted, since calls must not wait for it."""

GATHERING_SECONDS: Final = 0.25
"""Records of so long are one write: a thread woken for each took 0.15 ms of a call's processor time. The log has every
record at once; whoever asks ``scriptforge calls`` for one waits a moment."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(CallRecord).decode


class NoSuchCall(SidecarError):
    """No record of that call is kept."""


class CallStore:
    """Writes records off the event loop, in order. `close` writes what is left."""

    def __init__(self, directory: Path, days: int) -> None:
        self._directory = directory
        self._days = days
        self._unwritten: deque[CallRecord] = deque()
        self._gathering: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self.dropped = 0
        self._said = False

    def add(self, record: CallRecord) -> None:
        """Keep a record."""
        if len(self._unwritten) >= UNWRITTEN:
            self._unwritten.popleft()
            self.dropped += 1
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
        self._gathering = asyncio.get_running_loop().call_later(GATHERING_SECONDS, self._gathered)

    def _gathered(self) -> None:
        self._gathering = None
        self._writing = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        records = list(self._unwritten)
        self._unwritten.clear()
        try:
            await asyncio.to_thread(self._append, records)
            self._said = False
        except OSError as error:
            self.dropped += len(records)
            if not self._said:
                _log.error("call_records_not_written", error=str(error), dropped=self.dropped)
            self._said = True
        finally:
            self._writing = None
            if self._unwritten:
                self._gather()

    def _append(self, records: list[CallRecord]) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        by_day: dict[str, list[bytes]] = {}
        for record in records:
            by_day.setdefault(_day(record.arrived), []).append(_encode(record) + b"\n")
        for day, lines in by_day.items():
            file = self._directory / f"calls-{day}.jsonl"
            new = not file.exists()
            with file.open("ab") as output:
                output.write(b"".join(lines))
            if new:
                self._prune()

    def _prune(self) -> None:
        for file in sorted(self._directory.glob("calls-*.jsonl"))[: -self._days]:
            file.unlink(missing_ok=True)


def find(directory: Path, call_id: str) -> CallRecord:
    """The newest record of a call, by its id or the beginning of it. Raises NoSuchCall."""
    for record in newest(directory):
        if record.id == call_id or (call_id and record.id.startswith(call_id)):
            return record
    raise NoSuchCall(f"no record of the call {call_id} in {directory}")


def newest(directory: Path) -> Iterator[CallRecord]:
    """All records, the newest first. A line that cannot be read (a disk that was full) is passed over."""
    for file in sorted(directory.glob("calls-*.jsonl"), reverse=True):
        try:
            lines = file.read_bytes().splitlines()
        except OSError as error:
            raise SidecarError(f"{file}: {error}") from error
        for line in reversed(lines):
            try:
                yield _decode(line)
            except msgspec.MsgspecError:
                continue


def _day(when: float) -> str:
    return datetime.datetime.fromtimestamp(when, datetime.UTC).strftime("%Y-%m-%d")
