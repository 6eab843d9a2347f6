"""The scanner that gives TOML its line numbers, against tomllib."""

import json
import tomllib
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.configuration.toml_source import KeyPath, TomlSyntaxError, parse_toml

BARE = st.text(alphabet="abcXYZ019_-", min_size=1, max_size=4)
ANY_KEY = st.one_of(BARE, st.text(alphabet="a.b \"'\\é#=[]", max_size=4))
LITERAL_TEXT = st.text(alphabet='ab"\\#[]={},\n', max_size=8)
TEXT = st.text(alphabet="ab'\"\\#[]={},\né", max_size=8)


def key_text(key: str) -> str:
    bare = key and all(character.isascii() and (character.isalnum() or character in "_-") for character in key)
    return key if bare else json.dumps(key)


@st.composite
def scalar_text(draw: st.DrawFn) -> str:
    choice = draw(st.integers(0, 6))
    if choice == 0:
        return str(draw(st.integers(-5, 1000)))
    if choice == 1:
        return json.dumps(draw(TEXT))
    if choice == 2:
        return f"'''{draw(LITERAL_TEXT)}'''"
    if choice == 3:
        text = draw(TEXT).replace("\\", "\\\\").replace('"""', '""\\"')
        return f'"""{text}"""' if not text.endswith('"') else f'"""{text}."""'
    if choice == 4:
        return draw(st.sampled_from(['""""two quotes before the end"""""', "'''a''''", '"""\\\n  b"""']))
    return draw(st.sampled_from(["true", "1979-05-27 07:32:00", "1979-05-27", "-1.5e3", "inf", "'x # y'"]))


@st.composite
def value_text(draw: st.DrawFn, depth: int = 2) -> str:
    choice = draw(st.integers(0, 3)) if depth else 0
    if choice == 2:
        elements = draw(st.lists(value_text(depth - 1), max_size=3))
        glue = draw(st.sampled_from([",", ", ", ",\n  ", " , # ]\n"]))
        trailing = draw(st.sampled_from(["", ",", "\n# [\n"])) if elements else ""
        return f"[{glue.join(elements)}{trailing}]"
    if choice == 3:
        keys = draw(st.lists(ANY_KEY, max_size=3, unique=True))
        return "{" + ", ".join(f"{key_text(key)} = {draw(value_text(depth - 1))}" for key in keys) + "}"
    return draw(scalar_text())


@st.composite
def documents(draw: st.DrawFn) -> str:
    lines: list[str] = []
    for _ in range(draw(st.integers(0, 6))):
        kind = draw(st.integers(0, 4))
        key = " . ".join(key_text(part) for part in draw(st.lists(ANY_KEY, min_size=1, max_size=3)))
        if kind == 0:
            lines.append(f"  [ {key} ] # [[x]]")
        elif kind == 1:
            lines.append(f"[[{key}]]")
        elif kind == 2:
            lines.append("# comment = 'x'")
        else:
            lines.append(f"{key}={draw(value_text())} # end")
    return draw(st.sampled_from(["\n", "\r\n", "\n\n"])).join(lines)


def every_path(value: Any, path: KeyPath = ()) -> list[KeyPath]:
    children: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    return [path, *(found for key, child in children for found in every_path(child, (*path, key)))]


@given(documents())
def test_every_path_that_tomllib_finds_has_a_place_and_no_other(text: str) -> None:
    try:
        expected = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        with pytest.raises(TomlSyntaxError):
            parse_toml(text)
        return
    source = parse_toml(text)
    assert repr(source.data) == repr(expected)  # repr: nan is not equal to itself
    assert {(), *source.keys} == set(every_path(expected))


@given(documents())
def test_what_stands_at_a_value_is_that_value(text: str) -> None:
    try:
        source = parse_toml(text)
    except TomlSyntaxError:
        return
    for path, offset in source.values.items():
        expected: Any = source.data
        for key in path:
            expected = expected[key]
        if isinstance(expected, (int, float, date)):
            shown = source.text[offset:].split("#")[0].split(",")[0].split("]")[0].split("}")[0].split("\n")[0]
            assert tomllib.loads(f"x = {shown}")["x"] == expected


def test_lines_of_tables_keys_and_elements() -> None:
    source = parse_toml("""\
top = 1
[[route]]
customer = "acme"
schedule.week = [1,
  2]
[route.vars]
a = { b = 1 }
[[route]]
  customer = 'x'
""")
    assert source.place(("top",)) == (1, 1)
    assert source.place(("route", 0)) == (2, 1)
    assert source.place(("route", 0, "customer")) == (3, 1)
    assert source.place(("route", 0, "schedule", "week", 1)) == (5, 3)
    assert source.place(("route", 0, "vars")) == (6, 1)
    assert source.place(("route", 0, "vars", "a", "b")) == (7, 7)
    assert source.place(("route", 1)) == (8, 1)
    assert source.place(("route", 1, "customer")) == (9, 3)


def test_a_path_that_is_not_written_has_the_place_of_its_table() -> None:
    source = parse_toml("\n[[route]]\n")
    assert source.place(("route", 0, "script")) == (2, 1)
    assert source.place(("nothing",)) == (1, 1)


@pytest.mark.parametrize(
    ("text", "message", "line", "column"),
    [
        ("a = 1\nb = \n", "Invalid value", 2, 5),
        ("a = 1\na = 2\n", "Cannot overwrite a value", 2, 6),
        ('a = "x', "Unterminated string at the end of the text", 1, 7),
    ],
)
def test_syntax_errors_have_their_place(text: str, message: str, line: int, column: int) -> None:
    with pytest.raises(TomlSyntaxError) as caught:
        parse_toml(text)
    assert (caught.value.message, caught.value.line, caught.value.column) == (message, line, column)


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = " + "9" * 10_000])
def test_hostile_text_is_an_error_and_no_crash(text: str) -> None:
    with pytest.raises(TomlSyntaxError):
        parse_toml(text)


def test_a_long_string_needs_no_long_time() -> None:
    source = parse_toml('a = """' + 'x"' * 500_000 + '."""\nb = 1\n')
    assert source.place(("b",)) == (2, 1)
