"""Names that others chose, as names of files: each identifier has one of its own, on every file system."""

import hashlib
import re
from functools import lru_cache
from typing import Final

LONGEST: Final = 140
"""Characters of a name; eCryptfs takes 143 bytes, others 255."""
RESERVED: Final = frozenset({"ivr"})
"""Names of directories that are no customer's: the house's sounds are in ``ivr``."""

_AS_IT_IS: Final = re.compile(rb"[a-z0-9_\-]|(?<=.)\.(?=.)", re.DOTALL)
_WRITTEN: Final = re.compile(r"([^=+])|\+([a-z])|=([0-9a-f]{2})", re.DOTALL)
_WRITTEN_AS_GIVEN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,254}")
_DIGEST_CHARACTERS: Final = 64


def file_name_of(identifier: str) -> str:
    """The file name of an identifier, whatever is in it, and never that of another one.

    Small letters, digits, ``-``, ``_`` and a ``.`` within stand for themselves. A capital letter is ``+`` and the small
    one, since some file systems take the two for the same; every other byte of its UTF-8 is ``=`` and two hexadecimal
    digits (FreeSWITCH's events have no unmistakable ``%20``). What is then longer than `LONGEST` is cut and ends with
    ``=~`` and the SHA-256 of the identifier.
    """
    return _remembered(identifier) if len(identifier) <= LONGEST else _name_of(identifier)


def identifier_of(file_name: str) -> str | None:
    """The identifier whose file name this is; None where it is nobody's, or was cut."""
    raw = bytearray()
    for place in _WRITTEN.finditer(file_name):
        plain, capital, escaped = place.groups()
        raw += bytes.fromhex(escaped) if escaped else (plain or capital.upper()).encode("utf-8", "replace")
    try:
        identifier = "" if file_name == "=" else raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return None
    return identifier if file_name_of(identifier) == file_name else None


def _name_of(identifier: str) -> str:
    raw = identifier.encode("utf-8", "surrogatepass")
    if identifier in RESERVED:
        return f"={raw[0]:02x}{identifier[1:]}"
    name = "".join(_escaped(raw, place) for place in range(len(raw))) or "="
    if len(name) <= LONGEST:
        return name
    return f"{name[: LONGEST - _DIGEST_CHARACTERS - 2]}=~{hashlib.sha256(raw).hexdigest()}"


# The customers whose calls come are few, and each of their calls asks for theirs.
_remembered: Final = lru_cache(maxsize=1_024)(_name_of)


def written_as_given(identifier: str) -> bool:
    """Whether the identifier by itself could be the name of a file, beside the one that `file_name_of` gives it."""
    return identifier not in RESERVED and _WRITTEN_AS_GIVEN.fullmatch(identifier) is not None


def _escaped(raw: bytes, place: int) -> str:
    byte = raw[place : place + 1]
    if _AS_IT_IS.match(raw, place):
        return byte.decode()
    return f"+{byte.decode().lower()}" if b"A" <= byte <= b"Z" else f"={byte[0]:02x}"
