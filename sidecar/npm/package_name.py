"""Names of npm packages, and what operators write to name one with a range."""

import re
from typing import Final

from sidecar.npm.errors import UnknownPackage

NAME_CHARACTERS: Final = 214
"""The longest name that npm takes."""
RANGE_CHARACTERS: Final = 256
"""The longest range; npm's own reader of them takes no longer one."""

_WORD: Final = r"[A-Za-z0-9~-][A-Za-z0-9._~-]*"
# Names of today have small letters alone; some of before 2015 have others, and are there for good.
NAME_PATTERN: Final = rf"^(?:@{_WORD}/)?{_WORD}$"
_NAME: Final = re.compile(NAME_PATTERN)


def is_package_name(text: str) -> bool:
    """Whether it may be a package's name: it is a part of addresses and of paths below ``node_modules``."""
    return len(text) <= NAME_CHARACTERS and _NAME.fullmatch(text) is not None and text != "node_modules"


def read_wanted(text: str) -> tuple[str, str]:
    """Name and range of ``NAME`` or ``NAME@RANGE``; ``latest`` where none is written. Raises UnknownPackage."""
    name, at, version_range = text[1:].partition("@")
    name = text[:1] + name
    if not is_package_name(name):
        raise UnknownPackage(f"{text!r}: expected the name of a package, NAME or NAME@RANGE")
    if len(version_range) > RANGE_CHARACTERS:
        raise UnknownPackage(f"{name}: its range has more than {RANGE_CHARACTERS} characters")
    return name, version_range if at and version_range.strip() else "latest"
