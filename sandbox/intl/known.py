"""Which locales and time zones a script may name."""

import re
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec

from sandbox.intl.time_zones import LOCAL_NAME, LOCAL_TIME, zone_files

_OFFSET: Final = re.compile(r"[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?")


def _line(key: str) -> dict[str, str]:
    text = (files(__package__) / "locales.tsv").read_text(encoding="ascii")
    (found,) = (line.partition("\t")[2] for line in text.splitlines() if line.startswith(f"{key}\t"))
    return msgspec.json.decode(found, type=dict[str, str])


@cache
def locale_names() -> tuple[str, ...]:
    """Those there are, each under its shortest name."""
    return tuple(sorted(_line("parents")))


@cache
def _all_locales() -> frozenset[str]:
    return frozenset(name.lower() for name in (*locale_names(), *_line("same")))


def has_locale(tag: str) -> bool:
    """Whether there is a locale of this name, whatever extensions it asks for."""
    return tag.lower().partition("-u-")[0] in _all_locales()


@cache
def _zones() -> frozenset[str]:
    return frozenset(name.lower() for name, _ in zone_files()) | {"utc"}


def has_time_zone(name: str) -> bool:
    """Whether this machine has a time zone of this name, in any case, or it is an offset such as ``+01:00``."""
    return name.lower() in _zones() or _OFFSET.fullmatch(name) is not None


@cache
def local_zone_name() -> str:
    """What this machine calls its own time zone: the file that its local time is a link to."""
    if not LOCAL_TIME.exists():
        return "UTC"
    return str(LOCAL_TIME.resolve()).partition("/zoneinfo/")[2] or LOCAL_NAME
