"""A stranger's text breaks neither a line nor a terminal."""

from hypothesis import given
from hypothesis import strategies as st

from sidecar.text import PRINTABLE_CHARACTERS, escaped, printable


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
