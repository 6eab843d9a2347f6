"""Rows as CSV (RFC 4180): a line with the names of the columns, and one for each row. A field without text is null."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from sidecar.hosts.errors import HostError
from sidecar.hosts.rows.model import VALUE_CHARACTERS, ColumnType, RowDatabase, check_row_key

_QUOTED: Final = ('"', ",", "\r", "\n")
PROBLEMS: Final = 20
"""Told of one text."""


class CsvRefused(ValueError):
    """A text of which no row is taken, with the line of each thing that is wrong."""

    def __init__(self, messages: Sequence[str]) -> None:
        super().__init__("; ".join(messages))
        self.messages = messages


def parse_rows(text: str, database: RowDatabase) -> list[tuple[str, dict[str, Any]]]:
    """The rows of a text with their keys. Raises CsvRefused."""
    csv.field_size_limit(VALUE_CHARACTERS)  # of the process; nothing else of ours reads CSV
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        names = next(reader, [])
    except csv.Error as error:
        raise CsvRefused([f"line 1: {error}"]) from None
    types = {"key": ColumnType.STRING} | {column.name: column.type for column in database.columns}
    unknown = [name for name in names if name not in types]
    if unknown:
        raise CsvRefused([f"line 1: {database.name} has no column {unknown[0][:60]!r}; it has {', '.join(types)}"])
    if "key" not in names or len(set(names)) < len(names):
        raise CsvRefused(["line 1: expected the names of the columns, each once, and key among them"])
    problems: list[str] = []
    rows: list[tuple[str, dict[str, Any]]] = []
    lines: dict[str, int] = {}
    try:
        for fields in reader:
            line = reader.line_num
            if not fields:
                continue
            try:
                key, row = _row(names, types, fields, database)
            except HostError as error:
                problems.append(f"line {line}: {error}")
            else:
                if key in lines:
                    problems.append(f"line {line}: the key {key[:60]!r} is that of line {lines[key]}")
                lines[key] = line
                rows.append((key, row))
            if len(problems) >= PROBLEMS:
                break
    except csv.Error as error:
        problems.append(f"line {reader.line_num}: {error}")
    if problems:
        raise CsvRefused(problems)
    return rows


def csv_line(fields: Iterable[Any]) -> str:
    """One line, of names or of values. Not by the module csv, which looks at each character for itself: of a row that
    has all it may it would be 40 ms, which are everybody's."""
    return ",".join(map(_written, fields)) + "\r\n"


def csv_lines(rows: Iterable[Mapping[str, Any]], database: RowDatabase) -> Iterator[str]:
    """The lines of rows, without that of the names."""
    names = column_names(database)
    for row in rows:
        yield csv_line(row[name] for name in names)


def column_names(database: RowDatabase) -> list[str]:
    """The columns in their order, the key first."""
    return ["key", *(column.name for column in database.columns)]


def _written(field: Any) -> str:
    text = "" if field is None else str(field)
    if any(mark in text for mark in _QUOTED):
        return '"' + text.replace('"', '""') + '"'
    return text


def _row(
    names: Sequence[str], types: Mapping[str, ColumnType], fields: Sequence[str], database: RowDatabase
) -> tuple[str, dict[str, Any]]:
    if len(fields) != len(names):
        raise HostError(f"it has {len(fields)} fields, where the first line has {len(names)}")
    given = dict(zip(names, fields, strict=True))
    key = check_row_key(given.pop("key"))
    return key, database.row({name: _value(types[name], field) for name, field in given.items()})


def _value(kind: ColumnType, field: str) -> Any:
    """What a field says; one that is no number where it must be is told by whoever takes it."""
    if not field:
        return None
    if kind in (ColumnType.INTEGER, ColumnType.DOUBLE):
        try:
            return int(field) if kind is ColumnType.INTEGER else float(field)
        except ValueError:
            return field
    return field
