"""assignments.toml read table by table: the same as what tomllib makes of the whole, whatever is written."""

import contextlib
import tomllib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import structs

from sidecar.catalog.directory.document import Document
from sidecar.catalog.directory.entries import ASSIGNED, TABLES, TablePlace, read_table
from sidecar.catalog.directory.script_files import UnusableFileError
from sidecar.configuration.toml_source import TomlSyntaxError, parse_toml

PARTS = [
    "[[route]]\n", "[[did]]\n", "[[script]]\n", "  [[ route ]] # x\n", "[[\"route\"]]\n", "[[rout]]\n", "[route]\n",
    "[route.vars]\n", "[[route.vars.list]]\n", "[script.environment]\n", "customer = 'c'\n", "script = 's'\n",
    "did = '1'\n", "file = 'f.js'\n", "route = 'r'\n", "vars = \"\"\"\n", "\"\"\"\n", "vars = '''\n", "'''\n",
    "x = [\n", "]\n", "# [[route]]\n", "x = 1\n", "vars.y = 2\n", "\n",
    "[[destination]]\ndestination = '*'\nscript = 's'\n",
    "[[route]]\ncustomer = 'a'\nscript = 's'\n", "[[did]]\ndid = '2'\nscript = 's'\n", "bad\n",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PARTS), max_size=12).map("".join)


def place_of_error(text: str) -> tuple[str, int, int] | None:
    try:
        parse_toml(text)
    except TomlSyntaxError as error:
        return str(error), error.line, error.column
    return None


@settings(max_examples=400, deadline=None)
@example(before="", text="[[route]]\ncustomer = 'c'\nscript = 's'\nvars = '''\n[[route]]\n'''\n")
@example(before="", text="[[script]]\nfile = 'f'\n[[did]]\ndid = '1'\nscript = 's'\n[script.environment]\nA = 'b'\n")
@given(before=TEXTS, text=TEXTS)
def test_by_tables_it_is_what_it_is_as_a_whole(before: str, text: str) -> None:
    former = None
    with contextlib.suppress(TomlSyntaxError):
        former = Document("f", before.encode())
    wrong = place_of_error(text)
    if wrong is not None:
        with pytest.raises(TomlSyntaxError) as raised:
            Document("f", text.encode(), former)
        assert (str(raised.value), raised.value.line, raised.value.column) == wrong
        return
    source = parse_toml(text)
    document = Document("f", text.encode(), former)
    tables = {
        (name, number): table
        for name, content in tomllib.loads(text).items()
        if name in TABLES and isinstance(content, list)
        for number, table in enumerate(content)
        if all(isinstance(one, dict) for one in content)
    }
    sound = {path: read_table(path[0], table)[0] for path, table in tables.items()}
    entries = {entry.place: structs.asdict(entry) for entry in document.assignments.entries}
    scripts = {place.path: table for place, table, _ in document.scripts}
    for path, table in sound.items():
        if path[0] == "script":
            assert scripts.pop(path, None) == table
        elif path[0] in ASSIGNED:
            entry = entries.pop(TablePlace(*path), None)
            assert (entry is None) == (table is None)
            if table is not None:
                assert entry == {"place": TablePlace(*path), "wrong": ""} | structs.asdict(table)
    assert not entries
    assert not scripts
    document.close()
    document.reopen(text.encode)
    for path, given_table in tables.items():
        place = TablePlace(*path)
        assert document.line_and_column(place) == source.place(path)
        for key in given_table:
            assert document.line_and_column(place, (key,)) == source.place((*path, key))


def test_windows_line_ends_and_a_byte_order_mark_move_no_place() -> None:
    text = "# x\r\n[[did]]\r\ndid = '1'\r\nvars = '''\r\na = 1\r\n'''\r\nscript = 's'\r\n[[did]]\r\nscript = 's'\r\n"
    document = Document("f", b"\xef\xbb\xbf" + text.encode())
    assert [str(problem) for problem in document.problems] == ["f:8:1: error: [[did]] needs the key 'did'"]
    assert document.line_and_column(TablePlace("did", 0), ("vars", "a")) == (5, 1)
    (entry,) = document.assignments.entries
    assert entry.vars == {"a": 1}


def test_a_place_in_a_file_that_has_changed_meanwhile_is_the_file_as_a_whole() -> None:
    text = b"[[did]]\ndid = '1'\nscript = 's'\n"
    document = Document("f", text)
    document.close()
    document.reopen(lambda: text + b"\n")
    assert document.line_and_column(TablePlace("did", 0), ("did",)) == (0, 0)
    document.close()
    document.reopen(lambda: text)
    assert document.line_and_column(TablePlace("did", 0), ("did",)) == (2, 1)


def test_what_is_not_utf8_is_said_with_its_place() -> None:
    with pytest.raises(UnusableFileError) as raised:
        Document("f", b"[[did]]\ndid = '\xe9'\n")
    assert (raised.value.problem.line, raised.value.problem.column) == (2, 8)


@pytest.mark.timeout(60)
def test_a_mistake_in_each_of_many_tables_takes_time_in_line_with_their_number() -> None:
    document = Document("f", b"[[did]]\nscript = 's'\n" * 20_000)
    assert [problem.line for problem in document.problems] == list(range(1, 40_000, 2))
