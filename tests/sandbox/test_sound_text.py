"""Whatever a script throws can be written, sent and printed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.sound_text import sound
from sandbox.stack import threw

ANY_TEXT = st.text(st.characters(codec=None))


@given(ANY_TEXT)
def test_sound_text_can_be_encoded_and_says_what_was_there(text: str) -> None:
    assert sound(text).encode().decode() == sound(text)
    assert sound(text) == "".join(f"\\u{ord(one):04x}" if "\ud800" <= one <= "\udfff" else one for one in text)


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT)
def test_every_text_of_an_error_can_be_encoded(name: str, message: str, function: str) -> None:
    stack = f"    at {function} (<input>:100000:1)"
    error = threw("a.js", json.dumps({"name": name, "message": message, "stack": stack}).encode())
    for text in (error.name, error.message, *error.stack, str(error)):
        text.encode()


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\0\x1b[31m\x9b"])
def test_an_error_says_what_was_thrown(text: str) -> None:
    assert threw("a.js", json.dumps({"name": "Error", "message": text}).encode()).message == sound(text)
