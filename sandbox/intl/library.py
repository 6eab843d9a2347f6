"""The text in which a script's context finds what ``Intl`` needs, all of it ASCII: how long the index is, in
``INDEX_DIGITS``; the index, lines of ``key<TAB>begin,end`` in the order of their keys; and what these places hold.

A context reads the index by bisection when a script first asks; none has a copy. The process that starts workers makes
it once, and its workers map that file, since they can open none.
"""

import ctypes
import fcntl
import json
import mmap
import os
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

from sandbox.intl.time_zones import zone_entries

_PARTS: Final = ("locales.js", "zones.js", "dates.js", "numbers.js", "collation.js", "entry.js")
"""All are one scope, in this order."""
INDEX_DIGITS: Final = 12
_COMMENT_OR_INDENT: Final = re.compile(r"^\s*//.*\n|^[ ]+", re.MULTILINE)


class Library(NamedTuple):
    """Where the text lies in this process's memory, for as long as that lives."""

    address: int
    size: int


@cache
def code() -> str:
    """The JavaScript of ``Intl``: a function of ``library``, which looks up a line, and of ``now``."""
    lines = "".join((files(__package__) / part).read_text(encoding="utf-8") for part in _PARTS)
    # It is compiled in each context that asks for it, from its text: what only people read is left out.
    return f'((library, now) => {{"use strict";\n{_COMMENT_OR_INDENT.sub("", lines)}}})'


def _entries() -> Iterator[tuple[str, str]]:
    for line in (files(__package__) / "locales.tsv").read_text(encoding="ascii").splitlines():
        key, _, value = line.partition("\t")
        yield key, value
    yield "code", json.dumps(code())
    yield from zone_entries()


@cache
def text() -> bytes:
    """The whole library. Takes some 100 ms, once in a process."""
    entries = sorted(_entries())
    width = len(f"{sum(len(value) for _, value in entries) + len(entries) * 100}")
    index_size = sum(len(key) + 2 * width + 3 for key, _ in entries)
    place = INDEX_DIGITS + index_size
    index = []
    for key, value in entries:
        index.append(f"{key}\t{place:0{width}},{place + len(value):0{width}}\n")
        place += len(value)
    return "".join((f"{index_size:0{INDEX_DIGITS}}", *index, *(value for _, value in entries))).encode("ascii")


@cache
def shared_file() -> tuple[int, int]:
    """A descriptor of the library as a file that nobody can change, and its size; open to the process's end."""
    content = text()
    descriptor = os.memfd_create("scriptforge-intl", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
    seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor, len(content)


class _Mapped:
    """What this process has mapped."""

    library: Library | None = None


def current() -> Library:
    """The library of this process: what it was given, or else what it makes for itself."""
    if _Mapped.library is None:
        use(*shared_file())
    assert _Mapped.library is not None  # noqa: S101 - use() has set it
    return _Mapped.library


def use(descriptor: int, size: int) -> None:
    """Map the library in that file, where this process can read it and nothing can write. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *(ctypes.c_int,) * 3, ctypes.c_long)
    address = libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, descriptor, 0)
    if address in (None, ctypes.c_void_p(-1).value):
        error = ctypes.get_errno()
        raise OSError(error, f"the library of Intl cannot be mapped: {os.strerror(error)}")
    _Mapped.library = Library(address, size)
