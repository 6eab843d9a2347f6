"""What a database of rows is, and what a row of it may have."""

import math
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec

from sidecar.hosts.errors import HostError

COLUMNS: Final = 50
KEY_CHARACTERS: Final = 512
STRING_CHARACTERS: Final = 256
"""Of a string of a column of one's own: every server indexes as much."""
ANSWER_CHARACTERS: Final = 1_000_000
"""Of one answer to a script, which gets no larger one (`sidecar.hosts.run_host.ANSWER_BYTES`)."""
VALUE_CHARACTERS: Final = 200_000
"""Of the column ``value``, and of a column of text."""
_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_INTEGERS: Final = range(-(2**53) + 1, 2**53)


class ColumnType(StrEnum):
    """What a column holds; each may be null."""

    STRING = "string"
    TEXT = "text"
    INTEGER = "integer"
    DOUBLE = "double"


class RowColumn(msgspec.Struct, frozen=True, kw_only=True):
    """A column beside ``key``."""

    name: str
    type: ColumnType
    indexed: bool = False


VALUE: Final = RowColumn(name="value", type=ColumnType.TEXT)
"""Every database has it, beside its key."""


class RowDatabase(msgspec.Struct, frozen=True, kw_only=True):
    """A database of rows."""

    id: int
    name: str
    columns: tuple[RowColumn, ...]
    """Without the key."""

    @property
    def table(self) -> str:
        """The name of its table."""
        return f"rows_{self.id}"

    def row(self, given: Any) -> dict[str, Any]:
        """The columns of what a script gives: an object, or a bare value for ``value``. Raises HostError."""
        if not isinstance(given, dict):
            given = {"value": given}
        known = {column.name: column for column in self.columns}
        row = {}
        for name, value in given.items():
            column = known.get(name)
            if column is None:
                raise HostError(f"{self.name} has no column {name[:60]!r}; it has key, {', '.join(known)}", "TypeError")
            row[name] = _fitting(column, value)
        return row


def parse_database_name(name: str) -> str:
    """A name that a database may have, which SQL says without quotes. Raises ValueError."""
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"expected 1 to 63 small letters, digits and underscores, got {name[:70]!r}")
    return name


def check_columns(columns: Sequence[RowColumn]) -> None:
    """Raises ValueError for what are no columns of one's own."""
    if len(columns) > COLUMNS:
        raise ValueError(f"more than {COLUMNS} columns")
    names = [parse_database_name(column.name) for column in columns]
    for name in names:
        if name in ("key", "value"):
            raise ValueError(f"every database has the column {name} already")
        if names.count(name) > 1:
            raise ValueError(f"two columns are called {name}")
    for column in columns:
        if column.indexed and column.type is ColumnType.TEXT:
            raise ValueError(f"{column.name}: a column of text cannot be indexed; one of strings can")


def check_row_key(key: Any) -> str:
    """A key of a row. Raises HostError."""
    if not isinstance(key, str) or not 0 < len(key) <= KEY_CHARACTERS or not _is_sound(key):
        raise HostError(f"a key is a text of 1 to {KEY_CHARACTERS} characters", "TypeError")
    return key


def _fitting(column: RowColumn, value: Any) -> Any:
    if value is None:
        return None
    if column.type in (ColumnType.STRING, ColumnType.TEXT):
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(int(value)) if float(value).is_integer() else str(value)
        longest = STRING_CHARACTERS if column.type is ColumnType.STRING else VALUE_CHARACTERS
        if not isinstance(value, str) or len(value) > longest or not _is_sound(value):
            raise HostError(f"{column.name} is a text of at most {longest:_} characters", "TypeError")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise HostError(f"{column.name} is a number", "TypeError")
    if column.type is ColumnType.DOUBLE:
        return float(value)
    if not float(value).is_integer() or int(value) not in _INTEGERS:
        raise HostError(f"{column.name} is a whole number", "TypeError")
    return int(value)


def _is_sound(text: str) -> bool:
    return "\x00" not in text and text.encode("utf-8", "ignore").decode() == text


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as a script is given it: bytes are the text that MySQL has kept exactly, decimals are numbers."""
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "replace")
    if value is None or isinstance(value, str | int | float):
        return value
    return int(value) if value == int(value) else float(value)
