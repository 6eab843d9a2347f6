"""TOML with the place of every key: tomllib gives values without lines, and a complaint needs its line.

tomllib decides what is TOML. The scanner here only runs over text that tomllib has accepted, so it looks for
where things are and never for whether they are right.
"""

import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

KeyPath = tuple[str | int, ...]
"""Keys from the root; a number is an index into an array or an array of tables."""

_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_STRING: Final = re.compile(
    r'"""[^\\"]*(?:(?:\\.|"{1,2}(?!"))[^\\"]*)*"""(?:"{0,2})'  # up to two quotes may stand before the closing three
    r"|'''[^']*(?:'{1,2}(?!')[^']*)*'''(?:'{0,2})"
    r'|"[^\\"\n]*(?:\\.[^\\"\n]*)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
"""Loops unrolled, so that none of them can go back on itself. Possessive quantifiers say it better, and the Python
3.11.2 of Debian 12 gets them wrong (CPython issue 106052)."""
_SPACE: Final = re.compile(r"[ \t]*")
_BLANK: Final = re.compile(r"[ \t\r\n]*(?:#[^\n]*[ \t\r\n]*)*")
_SCALAR: Final = re.compile(r"[^,\]}#\n]+")
_ERROR_PLACE: Final = re.compile(r"^(.*) \(at (?:line (\d+), column (\d+)|end of document)\)$", re.DOTALL)


class TomlSyntaxError(ValueError):
    """The text is not TOML. ``line`` and ``column`` count from 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class TomlSource:
    """A TOML document and where its keys and values stand."""

    data: dict[str, Any]
    text: str
    keys: Mapping[KeyPath, int]
    """Offset of the key or table header that first names a path; of the element, for one in an array."""
    values: Mapping[KeyPath, int]
    """Offset at which the value of a path begins; tables made by a header have none."""
    line_starts: list[int]

    def place(self, path: KeyPath) -> tuple[int, int]:
        """Line and column of the key, or of the nearest table around it that is written in the text."""
        while path and path not in self.keys:
            path = path[:-1]
        return self.place_of_offset(self.keys.get(path, 0))

    def place_of_offset(self, offset: int) -> tuple[int, int]:
        """Line and column, both from 1, of a character."""
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1


def parse_toml(text: str) -> TomlSource:
    """Parses a document. Raises TomlSyntaxError with the place of what is wrong."""
    text = text.replace("\r\n", "\n")  # as tomllib does, so that offsets agree with its own
    try:
        data = tomllib.loads(text)
        scanner = _Scanner(text)
        scanner.document()
    except tomllib.TOMLDecodeError as error:
        raise _with_place(error, text) from error
    except ValueError as error:  # an integer of more digits than Python converts
        raise TomlSyntaxError(str(error), 1, 1) from error
    except RecursionError as error:
        raise TomlSyntaxError("arrays or tables are nested too deeply", 1, 1) from error
    line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
    return TomlSource(data, text, scanner.keys, scanner.values, line_starts)


def _with_place(error: tomllib.TOMLDecodeError, text: str) -> TomlSyntaxError:
    match = _ERROR_PLACE.match(str(error))
    if match is None:
        return TomlSyntaxError(str(error), 1, 1)
    if match[2] is None:
        line, column = text.count("\n") + 1, len(text) - text.rfind("\n")
        return TomlSyntaxError(f"{match[1]} at the end of the text", line, column)
    return TomlSyntaxError(match[1], int(match[2]), int(match[3]))


class _Scanner:
    """Walks a valid document once and notes where each path stands."""

    __slots__ = ("at", "keys", "tables", "text", "values")

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.keys: dict[KeyPath, int] = {}
        self.values: dict[KeyPath, int] = {}
        self.tables: dict[KeyPath, int] = {}
        """How many tables each array of tables has so far."""

    def document(self) -> None:
        current: KeyPath = ()
        while self._blank():
            if self.text.startswith("[", self.at):
                current = self._header()
            else:
                self._assignment(current)

    def _header(self) -> KeyPath:
        start = self.at
        is_array = self.text.startswith("[[", start)
        self.at += 2 if is_array else 1
        parts = self._key()
        self.at += 2 if is_array else 1
        path: KeyPath = ()
        for number, part in enumerate(parts):
            path = (*path, part)
            self.keys.setdefault(path, start)
            if is_array and number == len(parts) - 1:
                self.tables[path] = self.tables.get(path, 0) + 1
            if path in self.tables:
                path = (*path, self.tables[path] - 1)
                self.keys.setdefault(path, start)
        return path

    def _assignment(self, table: KeyPath) -> None:
        start = self.at
        path = table
        for part in self._key():
            path = (*path, part)
            self.keys.setdefault(path, start)
        self.at += 1  # the equals sign
        self._space()
        self._value(path)

    def _key(self) -> list[str]:
        """A dotted key; leaves the position after it and the blanks that follow."""
        parts: list[str] = []
        while True:
            self._space()
            match = _BARE_KEY.match(self.text, self.at)
            if match is not None:
                parts.append(match[0])
            else:
                match = _STRING.match(self.text, self.at)
                if match is None:  # pragma: no cover - tomllib has accepted the text
                    raise TomlSyntaxError("a key was expected", 1, 1)
                parts.append(tomllib.loads(f"k={match[0]}")["k"])
            self.at = match.end()
            self._space()
            if not self.text.startswith(".", self.at):
                return parts
            self.at += 1

    def _value(self, path: KeyPath) -> None:
        self.values.setdefault(path, self.at)
        match = _STRING.match(self.text, self.at)
        if match is not None:
            self.at = match.end()
        elif self.text.startswith("[", self.at):
            self._array(path)
        elif self.text.startswith("{", self.at):
            self._inline_table(path)
        else:
            match = _SCALAR.match(self.text, self.at)
            self.at = match.end() if match is not None else self.at + 1

    def _array(self, path: KeyPath) -> None:
        self.at += 1
        index = 0
        while self._blank() and self.text[self.at] != "]":
            if self.text[self.at] == ",":
                self.at += 1
                continue
            self.keys[*path, index] = self.at
            self._value((*path, index))
            index += 1
        self.at += 1

    def _inline_table(self, path: KeyPath) -> None:
        self.at += 1
        while self._blank() and self.text[self.at] != "}":
            if self.text[self.at] == ",":
                self.at += 1
                continue
            self._assignment(path)
        self.at += 1

    def _space(self) -> None:
        match = _SPACE.match(self.text, self.at)
        if match is not None:
            self.at = match.end()

    def _blank(self) -> bool:
        """Skips blanks, line ends and comments; whether anything is left."""
        match = _BLANK.match(self.text, self.at)
        if match is not None:
            self.at = match.end()
        return self.at < len(self.text)
