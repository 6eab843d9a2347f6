"""Licences of packages, as SPDX expressions (spdx.github.io, annex D of 2.3), and those that are taken unasked."""

import re
from pathlib import Path
from typing import Any, Final

from sidecar.npm.errors import PackageRefused

PERMISSIVE: Final = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "Artistic-2.0",
        "BlueOak-1.0.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSL-1.0",
        "CC-BY-3.0",
        "CC-BY-4.0",
        "CC0-1.0",
        "ISC",
        "MIT",
        "MIT-0",
        "Python-2.0",
        "Unlicense",
        "WTFPL",
        "X11",
        "Zlib",
    }
)
"""What asks of who passes a text on no more than to pass on its notice."""
EXPRESSION_CHARACTERS: Final = 500
NOTICE_BYTES: Final = 200_000
"""Of one file with a licence's text; the longest of the usual ones has 35,000."""

_TOKEN: Final = re.compile(r"\s*([()]|[A-Za-z0-9.+:-]+)")
# What was written before SPDX, and is unmistakable.
_OLD_NAMES: Final = {"MIT/X11": "MIT", "Apache 2.0": "Apache-2.0", "BSD": "BSD-2-Clause", "Public Domain": "CC0-1.0"}
_NOTICE: Final = re.compile(r"(licen[cs]e|copying|notice|unlicense)([-._].*)?", re.IGNORECASE)


def licence_of(package_json: dict[str, Any]) -> str:
    """The licence that a package states, as an SPDX expression where it is one; empty for none."""
    stated = package_json.get("license", package_json.get("licence"))
    several = package_json.get("licenses")
    if stated is None and several is not None:
        # Of several, who uses it chooses: so npm's documentation had it.
        stated = several
    words = [word for word in map(_word, stated if isinstance(stated, list) else [stated]) if word]
    if len(words) == 1:
        return words[0]
    return f"({' OR '.join(words)})" if words else ""


def is_permissive(expression: str) -> bool:
    """Whether an expression is one that `PERMISSIVE` satisfies: one of OR, both of AND. What is none is not."""
    if len(expression) > EXPRESSION_CHARACTERS:
        return False
    tokens, place = [], 0
    text = expression.strip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            return False
        tokens.append(match[1])
        place = match.end()
    try:
        allowed, end = _either(tokens, 0)
    except (IndexError, RecursionError):
        return False
    return allowed and end == len(tokens)


def notices_of(folder: Path) -> str:
    """The texts of licences and notices that a package brings along. Raises PackageRefused for a file that is too
    large to be one."""
    texts = []
    for file in sorted(folder.iterdir()):
        if file.is_file() and _NOTICE.fullmatch(file.name) and file.suffix not in {".js", ".json", ".ts"}:
            content = file.read_bytes()
            if len(content) > NOTICE_BYTES:
                raise PackageRefused(f"{folder.name}: its {file.name} has more than {NOTICE_BYTES} bytes")
            texts.append(content.decode(errors="replace").replace("\r\n", "\n").strip())
    return "\n\n".join(texts)


def _word(stated: Any) -> str:
    if isinstance(stated, dict):
        stated = stated.get("type") or stated.get("name")
    if not isinstance(stated, str):
        return ""
    stated = stated.strip()
    return "" if stated.upper() in {"UNLICENSED", "NONE", "UNKNOWN"} else _OLD_NAMES.get(stated, stated)


def _either(tokens: list[str], place: int) -> tuple[bool, int]:
    allowed, place = _both(tokens, place)
    while place < len(tokens) and tokens[place].upper() == "OR":
        other, place = _both(tokens, place + 1)
        allowed = allowed or other
    return allowed, place


def _both(tokens: list[str], place: int) -> tuple[bool, int]:
    allowed, place = _one(tokens, place)
    while place < len(tokens) and tokens[place].upper() == "AND":
        other, place = _one(tokens, place + 1)
        allowed = allowed and other
    return allowed, place


def _one(tokens: list[str], place: int) -> tuple[bool, int]:
    if tokens[place] == "(":
        allowed, place = _either(tokens, place + 1)
        if tokens[place] != ")":
            raise IndexError
        return allowed, place + 1
    allowed = tokens[place] in PERMISSIVE
    if tokens[place] == ")" or tokens[place].upper() in {"AND", "OR", "WITH"}:
        raise IndexError
    if place + 1 < len(tokens) and tokens[place + 1].upper() == "WITH":
        # An exception takes away from what a licence asks for.
        tokens[place + 2]
        return allowed, place + 3
    return allowed, place + 1
