"""Finished calls and recordings are told to webhooks: read from the records that the call daemon keeps.

The daemon does nothing for it. Its record of a call is on disk before anybody is told of it, and is read from there,
by the platform on the same machine, however long that, or the database, was away.
"""

import asyncio
import contextlib
import hashlib
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from sidecar.event_name import EventName
from sidecar.hosts.services import Services
from sidecar.lifecycle import PartState
from sidecar.logs.fault import Fault
from sidecar.logs.logger import ActionLogger
from sidecar.operations.call_record import CallRecord
from sidecar.queue.following import Delivering, Event, delivery, rfc3339
from sidecar.queue.job import MICROS, NewDelivery
from sidecar.queue.queue import JobQueue, StorageError
from sidecar.queue.webhooks import Webhook

_log = ActionLogger(__name__)

LOOK_SECONDS: Final = 1.0
STEP_BYTES: Final = 1_000_000
"""Of a file that are read at once, some hundred records, which are kept in one transaction."""
LINE_BYTES: Final = 64_000_000
"""The longest record that is read: what is longer is no record."""
EVENT_BYTES: Final = 200_000
"""The longest record that is told whole. Of a longer one its lists are left out, which the record has."""
LISTS: Final = ("actions", "legs", "warnings", "log")
CALL_EVENTS: Final = (EventName.RECORDING_FINISHED, EventName.CALL_FINISHED)


class CallEvents:
    """The part of the platform that reads call records. Where no webhook is told of calls it does nothing."""

    name = "call_events"
    drain_seconds = 0.0

    def __init__(self, services: Services, directory: Path | None) -> None:
        self._services = services
        self._directory = directory
        self._node = f"{platform.node()}:{directory}"[-256:]
        self._reading: asyncio.Task[None] | None = None
        self._fault = Fault(_log, "call_records_not_told", "call_records_told_again")
        self.told = 0
        """Records of which webhooks are told."""
        self.unreadable = 0

    async def start(self) -> None:
        """Begin to read."""
        if self._directory is not None:
            self._reading = asyncio.get_running_loop().create_task(self._read_all(self._directory))

    def refuse_calls(self) -> None:
        """Nothing: no call comes here."""

    def stop_accepting(self) -> None:
        """Nothing: what is not read now is read by the next process."""

    async def drain(self) -> None:
        """Nothing is under way that could not be broken off."""

    def cancel_rest(self) -> None:
        """Nothing: see `drain`."""

    async def close(self) -> None:
        """Read no more."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])

    def state(self) -> PartState:
        """Whether records are read."""
        return PartState(details={"call_events": self._fault.text or "read"})

    async def _read_all(self, directory: Path) -> None:
        queue = await self._services.jobs()
        positions: Mapping[str, int] | None = None
        while True:
            more = False
            try:
                webhooks = _of_calls(await queue.webhooks.all())
                if webhooks:
                    if positions is None:
                        positions = await queue.call_reading.positions(self._node)
                    before = positions
                    positions = await self._step(queue, directory, positions, webhooks)
                    more = positions != before
                self._fault.found("")
            except (StorageError, OSError) as error:
                # What has not been kept is read again.
                positions = None
                self._fault.found(str(error))
            except Exception:  # noqa: BLE001 - logged: the next look may go well
                positions = None
                self._fault.crashed("call records cannot be told, see the log")
            if not more:
                await asyncio.sleep(LOOK_SECONDS)

    async def _step(
        self, queue: JobQueue, directory: Path, positions: Mapping[str, int], webhooks: Mapping[str, Sequence[Webhook]]
    ) -> Mapping[str, int]:
        """Read on in each file; where all are read to then."""
        since = min(one.created for several in webhooks.values() for one in several) / MICROS
        files = await asyncio.to_thread(lambda: sorted(directory.glob("calls-*.jsonl")))
        for file in files:
            begin = positions.get(file.name, 0)
            end, lines = await asyncio.to_thread(_read, file, begin, since)
            if end == begin:
                continue
            told = await asyncio.to_thread(self._told, lines, webhooks, queue.delivering)
            positions = await queue.call_reading.take(self._node, file.name, begin, end, told, files[0].name)
        return positions

    def _told(
        self, lines: Sequence[bytes], webhooks: Mapping[str, Sequence[Webhook]], delivering: Delivering
    ) -> list[NewDelivery]:
        told = []
        for line in lines:
            record = _record(line)
            if record is None:
                self.unreadable += 1
                continue
            events = None
            for webhook in webhooks.get(record.tenant, ()):
                if webhook.only not in (None, record.script) or _ended(record) < webhook.created:
                    continue
                events = events or events_of(record)
                wanted = [event for event in events if event.type in webhook.events]
                if wanted:
                    told.append(delivery(record.tenant, webhook.id, wanted, delivering))
            self.told += events is not None
        return told


def events_of(record: CallRecord) -> list[Event]:
    """The events of a call, in their order: each of its recordings, then the call's own."""
    when = rfc3339(_ended(record))
    known = f"{record.tenant}\0{record.id}\0{record.arrived}".encode("utf-8", "replace")
    digest = hashlib.sha256(known).hexdigest()[:32]
    call = msgspec.to_builtins(record)
    data = msgspec.json.encode(call)
    short = {name: value for name, value in call.items() if name not in LISTS}
    if len(data) > EVENT_BYTES:
        data = msgspec.json.encode(short | {"left_out": list(LISTS)})
    events = [
        Event(
            id=f"recording_{digest}_{number}",
            type=EventName.RECORDING_FINISHED,
            timestamp=when,
            data=msgspec.Raw(msgspec.json.encode({"recording": name, "call": short})),
        )
        for number, name in enumerate(record.recordings, start=1)
    ]
    call_event = Event(id=f"call_{digest}", type=EventName.CALL_FINISHED, timestamp=when, data=msgspec.Raw(data))
    return [*events, call_event]


def _of_calls(webhooks: Mapping[str, Sequence[Webhook]]) -> dict[str, list[Webhook]]:
    found = {
        tenant: [one for one in several if not one.events.isdisjoint(CALL_EVENTS)]
        for tenant, several in webhooks.items()
    }
    return {tenant: several for tenant, several in found.items() if several}


def _ended(record: CallRecord) -> int:
    return int((record.arrived + record.ended) * MICROS)


def _read(file: Path, begin: int, since: float) -> tuple[int, list[bytes]]:
    """The whole lines of a file from a place on, so many as one step takes, and where they end. Nothing of a file that
    was written last before ``since`` is wanted, and its end is where it is read to."""
    with contextlib.suppress(FileNotFoundError), file.open("rb") as source:
        about = os.fstat(source.fileno())
        if begin > about.st_size:
            begin = 0  # it is another file of the same name
        if about.st_mtime < since:
            return about.st_size, []
        source.seek(begin)
        lines = list(_lines(source.read(STEP_BYTES)))
        if not lines and begin + STEP_BYTES < about.st_size:
            # One that is longer than a step.
            source.seek(begin)
            line = source.readline(LINE_BYTES)
            lines = [line] if line.endswith(b"\n") or len(line) == LINE_BYTES else []
        return begin + sum(map(len, lines)), lines
    return begin, []


def _lines(data: bytes) -> Iterator[bytes]:
    """Those that are whole: what comes behind the last line feed is being written."""
    for line in data.split(b"\n")[:-1]:
        yield line + b"\n"


def _record(line: bytes) -> CallRecord | None:
    """None for what is none, such as a line that a full disk has cut."""
    try:
        return msgspec.json.decode(line, type=CallRecord)
    except (msgspec.MsgspecError, RecursionError):
        return None
