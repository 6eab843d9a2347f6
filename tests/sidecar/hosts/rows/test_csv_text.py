"""Rows as CSV: what is written is read again, and whatever is read is rows or a refusal with its lines."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sidecar.hosts.rows.csv_text import CsvRefused, column_names, csv_line, csv_lines, parse_rows
from sidecar.hosts.rows.model import VALUE, ColumnType, RowColumn, RowDatabase

DATABASE = RowDatabase(
    id=1,
    name="all",
    columns=(VALUE, *(RowColumn(name=one.value, type=one) for one in ColumnType)),
)
TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=256)
ROWS = st.dictionaries(
    TEXTS,
    st.fixed_dictionaries(
        {
            "value": st.none() | TEXTS,
            "string": st.none() | TEXTS,
            "text": st.none() | TEXTS,
            "integer": st.none() | st.integers(-(2**53) + 1, 2**53 - 1),
            "double": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        }
    ),
)


@given(ROWS)
def test_what_is_written_is_read_again(rows: dict[str, Any]) -> None:
    lines = csv_lines(({"key": key, **row} for key, row in rows.items()), DATABASE)
    text = csv_line(column_names(DATABASE)) + "".join(lines)
    assert dict(parse_rows(text, DATABASE)) == rows


@given(st.text())
def test_any_text_is_rows_or_refused(text: str) -> None:
    for written in (text, "key,value\n" + text, "key,integer\n" + text):
        refused: tuple[str, ...] = ()
        try:
            rows = parse_rows(written, DATABASE)
        except CsvRefused as error:
            refused, rows = tuple(error.messages), []
        assert all(one.startswith("line ") for one in refused)
        assert len(dict(rows)) == len(rows)
