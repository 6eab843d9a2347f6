"""A stranger's text breaks neither a line nor a terminal."""

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.text import PRINTABLE_CHARACTERS, escaped, escaped_lines, printable, safe_json

ANY_TEXT = st.text(st.characters(codec=None))


def test_what_does_not_print_is_blank_or_an_escape() -> None:
    assert printable(" one\r\ntwo\x1b[2J\u2028 ") == "one  two [2J"
    assert escaped("one\ttwo\r\n\x1b[2J\u2028\u202e") == "one\ttwo\\r\\n\\x1b[2J\\u2028\\u202e"


def test_what_prints_stays() -> None:
    assert printable("Größe 日本 𝄞") == escaped("Größe 日本 𝄞") == "Größe 日本 𝄞"


@given(st.text())
def test_any_text_is_one_line(text: str) -> None:
    assert printable(text).isprintable()
    assert len(printable(text)) <= PRINTABLE_CHARACTERS
    assert len(escaped(text).splitlines()) <= 1


@given(ANY_TEXT)
def test_any_text_can_be_printed(text: str) -> None:
    for shown in (printable(text), escaped(text), escaped_lines(text)):
        shown.encode()
        assert not any(
            unicodedata.category(character) in ("Cc", "Cf", "Cs") for character in shown if character not in "\t\n"
        )


@given(st.recursive(ANY_TEXT, lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner), max_leaves=5))
def test_any_value_is_one_line_of_json_that_a_terminal_only_shows(value: Any) -> None:
    line = safe_json(value)
    assert line.endswith(b"\n")
    text = line[:-1].decode()
    assert not any(unicodedata.category(character) in ("Cc", "Cs") for character in text)
    json.loads(text)


@pytest.mark.parametrize("text", ["\x00" * 1_000_000, "\ud800" * 1_000_000, "\x1b]0;title\x07\x9b31m"])
def test_hostile_texts_are_written_whole(text: str) -> None:
    read = json.loads(safe_json({"error": text}))["error"]
    assert read == text.encode("utf-8", "backslashreplace").decode()
