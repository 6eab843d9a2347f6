"""The system's time zones, from its compiled tzdata (RFC 8536), else from the PyPI package ``tzdata``."""

import json
import os
import struct
import zoneinfo
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Final

LOCAL_TIME: Final = Path("/etc/localtime")
"""What the C library takes for the machine's zone where TZ is not set, as in a worker: Date goes by it."""
LOCAL_NAME: Final = "localtime"
"""Name of the machine's zone where nothing says which it is."""
MOST_BYTES: Final = 65_536
"""No zone has so much: the largest has less than 4 kB."""
_MAGIC: Final = b"TZif"
_HEADER: Final = struct.Struct(">4sc15x6L")
_TYPE: Final = struct.Struct(">lBB")
_NO_ZONES: Final = frozenset(["posixrules", "localtime", "Factory"])
_NO_FOLDERS: Final = frozenset(["posix", "right"])
"""The same zones once more, and once more with leap seconds."""
Zone = tuple[list[int], list[int], str]
"""When the offset changes, by Unix time; the offsets before, between and after; the rule for all time after (POSIX)."""


def parse_zone(data: bytes) -> Zone:
    """Read one file of tzdata. Raises ValueError for what is none."""
    try:
        magic, version, *counts = _HEADER.unpack_from(data)
        if magic != _MAGIC:
            raise ValueError("no TZif file")
        position, size = _HEADER.size, 4
        if version >= b"2":  # the first part is of 32 bits, for readers of old
            position += _body_bytes(counts, 4)
            _, _, *counts = _HEADER.unpack_from(data, position)
            position, size = position + _HEADER.size, 8
        times, types, offsets = _body(data, position, counts, size)
    except (struct.error, IndexError) as error:
        raise ValueError(f"a TZif file cut short: {error}") from error
    rule = ""
    if version >= b"2":
        rule = data[position + _body_bytes(counts, size) :].strip(b"\n").decode("ascii")
    return times, [offsets[0], *(offsets[each] for each in types)], rule


def _body_bytes(counts: list[int], size: int) -> int:
    is_utc, is_standard, leaps, times, types, characters = counts
    return times * (size + 1) + types * _TYPE.size + characters + leaps * (size + 4) + is_standard + is_utc


def _body(data: bytes, position: int, counts: list[int], size: int) -> tuple[list[int], bytes, list[int]]:
    _, _, _, times, types, _ = counts
    at = position
    instants = list(struct.unpack_from(f">{times}{'q' if size == 8 else 'l'}", data, at))
    at += times * size
    indexes = data[at : at + times]
    at += times
    offsets = [_TYPE.unpack_from(data, at + index * _TYPE.size)[0] for index in range(types)]
    return instants, indexes, offsets


def zone_files() -> Iterator[tuple[str, bytes]]:
    """Every zone by its name, from the first folder of ``zoneinfo.TZPATH`` that has any; nothing where there is no
    tzdata at all."""
    for root in map(Path, zoneinfo.TZPATH):
        if (root / "Europe").is_dir():
            yield from _in_folder(root)
            return
    try:
        packaged = resources.files("tzdata") / "zoneinfo"
    except ModuleNotFoundError:
        return
    with resources.as_file(packaged) as root:
        yield from _in_folder(root)


def _in_folder(root: Path) -> Iterator[tuple[str, bytes]]:
    for folder, folders, names in os.walk(root):
        if Path(folder) == root:
            folders[:] = [each for each in folders if each not in _NO_FOLDERS]
        for name in names:
            path = Path(folder, name)
            relative = path.relative_to(root).as_posix()
            if "." in name or relative in _NO_ZONES:
                continue
            try:
                with path.open("rb") as file:
                    data = file.read(MOST_BYTES)
            except OSError:
                continue  # a link to nowhere: the zone is not there
            if data.startswith(_MAGIC):
                yield relative, data


def local_zone(known: dict[str, bytes]) -> tuple[str, bytes] | None:
    """The machine's zone: its name and its file; None where it has none, which is UTC."""
    try:
        data = LOCAL_TIME.read_bytes()
    except OSError:
        return None
    named = str(LOCAL_TIME.resolve()).partition("/zoneinfo/")[2]
    if known.get(named) == data:
        return named, data
    name = next((name for name, other in sorted(known.items()) if other == data), LOCAL_NAME)
    return name, data


def zone_entries() -> Iterator[tuple[str, str]]:
    """What the library has of time zones: ``zone/europe/berlin`` gives a name and a number, ``tzdata/NUMBER`` the zone,
    ``local-zone`` the machine's name."""
    files = dict(zone_files())
    files.setdefault("UTC", _FIXED_UTC)
    local = local_zone(files)
    if local is not None:
        files.setdefault(*local)
        yield "local-zone", json.dumps(local[0])
    numbers: dict[bytes, int] = {}
    for name, data in files.items():
        number = numbers.get(data)
        if number is None:
            try:
                zone = parse_zone(data)
            except ValueError:
                continue  # not a zone that a script could be given: asking for it says that there is none
            number = numbers[data] = len(numbers)
            yield f"tzdata/{number}", json.dumps(zone, separators=(",", ":"))
        yield f"zone/{name.lower()}", json.dumps([name, number])


_FIXED_UTC: Final = _HEADER.pack(_MAGIC, b"1", 0, 0, 0, 0, 1, 4) + _TYPE.pack(0, 0, 0) + b"UTC\0"
