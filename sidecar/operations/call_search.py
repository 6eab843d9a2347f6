"""Call records of the last days are found, for ``scriptforge calls`` and the API: the newest first."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from sidecar.errors import SidecarError
from sidecar.operations.call_record import CallRecord
from sidecar.operations.call_store import day_of

BLOCK_BYTES: Final = 1 << 20
"""Read at once, from the end of a file: one of a busy day has hundreds of megabytes."""
LOOKED_AT: Final = 20_000
"""Records that one step of a search looks at, some 0.1 s of a core where none of them is wanted."""
CURSOR: Final = r"\d{4}-\d\d-\d\d\.\d{1,15}"
"""Where a search goes on: a day, and a place in its file, which lines are only added to."""

_SET_APART: Final = str.maketrans("", "", " -.()/")
"""RFC 3966's visual separators, and what people write as well."""
_decode = msgspec.json.Decoder(CallRecord).decode


class NoSuchCall(SidecarError):
    """No record of that call is kept."""


class CallSearch(msgspec.Struct, frozen=True, kw_only=True):
    """Which records are wanted; what is None does not matter."""

    tenant: str | None = None
    number: str | None = None
    """Digits in one that called, was called or was connected to, however they are set apart."""
    script: str | None = None
    since: float | None = None
    """Unix time, as ``until``."""
    until: float | None = None

    def wants(self, record: CallRecord) -> bool:
        """Whether a record is one of them."""
        return (
            (self.tenant is None or record.tenant == self.tenant)
            and (self.script is None or record.script == self.script)
            and (self.since is None or record.arrived >= self.since)
            and (self.until is None or record.arrived < self.until)
            and (self.number is None or _is_of(record, self.number))
        )

    def looks_at(self, day: str) -> bool:
        """Whether the file of a day can have any."""
        return not (
            (self.since is not None and day < day_of(self.since))
            or (self.until is not None and day > day_of(self.until))
        )


class FoundCalls(msgspec.Struct, frozen=True, kw_only=True):
    """What one step of a search found."""

    records: list[CallRecord]
    next: str | None
    """Where the next step begins; None where all has been looked at."""


def search(directory: Path, wanted: CallSearch, after: str | None, most: int) -> FoundCalls:
    """At most so many records, from where the step before ended. It may find fewer, or none, before the last step.

    Raises SidecarError where they cannot be read.
    """
    found: list[CallRecord] = []
    cursor: str | None = None
    for looked_at, (day, place, record) in enumerate(_read(directory, after, wanted)):
        if len(found) >= most or looked_at >= LOOKED_AT:
            return FoundCalls(records=found, next=cursor)
        cursor = f"{day}.{place}"
        if record is not None and wanted.wants(record):
            found.append(record)
    return FoundCalls(records=found, next=None)


def newest(directory: Path) -> Iterator[CallRecord]:
    """All records, the newest first. A line that cannot be read (a disk that was full) is passed over."""
    for _, _, record in _read(directory, None, CallSearch()):
        if record is not None:
            yield record


def find(directory: Path, call_id: str) -> CallRecord:
    """The newest record of a call, by its id or the beginning of it. Raises NoSuchCall."""
    for record in newest(directory):
        if record.id == call_id or (call_id and record.id.startswith(call_id)):
            return record
    raise NoSuchCall(f"no record of the call {call_id} in {directory}")


def exactly(directory: Path, call_id: str) -> Iterator[CallRecord]:
    """The records of a call of just this id, the newest first: lines without it are not decoded."""
    quoted = msgspec.json.encode(call_id)
    for file in _files(directory):
        for _, line in _lines(file, None):
            if quoted in line and (record := _decoded(line)) is not None and record.id == call_id:
                yield record


def _read(directory: Path, after: str | None, wanted: CallSearch) -> Iterator[tuple[str, int, CallRecord | None]]:
    day_after, _, place = (after or "").partition(".")
    for file in _files(directory):
        day = file.stem.removeprefix("calls-")
        if (after and day > day_after) or not wanted.looks_at(day):
            continue
        end = int(place) if after and day == day_after else None
        for begin, line in _lines(file, end):
            yield day, begin, _decoded(line)


def _files(directory: Path) -> list[Path]:
    return sorted(directory.glob("calls-*.jsonl"), reverse=True)


def _decoded(line: bytes) -> CallRecord | None:
    try:
        return _decode(line)
    except msgspec.MsgspecError:
        return None


def _lines(file: Path, end: int | None) -> Iterator[tuple[int, bytes]]:
    """The lines before a place, the last one first, each with its own. Raises SidecarError."""
    try:
        with file.open("rb") as source:
            position = source.seek(0, 2)
            if end is not None:
                position = min(end, position)
            rest = b""
            while position > 0:
                size = min(BLOCK_BYTES, position)
                position -= size
                source.seek(position)
                data = source.read(size) + rest
                first = data.find(b"\n") + 1 if position > 0 else 0
                if position > 0 and first in (0, len(data)):
                    rest = data  # of a line that is longer than what has been read
                    continue
                rest, stop = data[:first], len(data)
                while stop > first:
                    begin = max(first, data.rfind(b"\n", first, stop - 1) + 1)
                    yield position + begin, data[begin:stop]
                    stop = begin
    except OSError as error:
        raise SidecarError(f"{file}: {error}") from error


def _is_of(record: CallRecord, number: str) -> bool:
    wanted = _together(number)
    return any(
        wanted in _together(text)
        for text in (record.cli, record.dest_number, record.extension, *(leg.destination for leg in record.legs))
    )


def _together(number: str) -> str:
    return number.translate(_SET_APART)
