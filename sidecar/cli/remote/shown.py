"""What a server told, as people and as programs read it."""

import datetime
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sidecar.text import escaped, safe_json

Columns = Mapping[str, str | Callable[[Any], object]]
"""By its heading what a column shows: a key of each item, or what is made of the item."""


def print_json(value: object) -> None:
    """One line of JSON."""
    print(safe_json(value).decode(), end="")


def print_list(items: Iterable[Any], columns: Columns, *, json: bool) -> None:
    """A list: a table for people, one JSON list for programs."""
    if json:
        print_json(list(items))
        return
    print(table(list(columns), [[_cell(item, what) for what in columns.values()] for item in items]), end="")


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lines with columns below each other."""
    lines = [list(headings), *([escaped(cell) for cell in row] for row in rows)]
    widths = [max(_width(line[column]) for line in lines) for column in range(len(headings))]
    return "".join(
        "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n"
        for line in lines
    )


def when(text: str | None) -> str:
    """A time of the API in the time zone here; empty for none."""
    if text is None:
        return ""
    return datetime.datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _cell(item: Any, what: str | Callable[[Any], object]) -> str:
    value = item.get(what) if isinstance(what, str) else what(item)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, list):
        return " ".join(map(str, value))
    return str(value) if isinstance(value, str | int | float) else safe_json(value).decode().rstrip("\n")


def _width(text: str) -> int:
    """Columns of a terminal."""
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text
    )
