"""What half of a surrogate pair is in can be sent all the same."""

from datetime import UTC, datetime

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from sipio.rpc.messages import encode_notification, encode_request, encode_response
from sipio.sound_text import with_sound_text

ANY_TEXT = st.text(st.characters(codec=None))
decode = msgspec.msgpack.decode


class Told(msgspec.Struct):
    text: str
    inner: dict[str, list[str]] = {}


def test_a_struct_becomes_a_map_and_what_is_no_text_stays() -> None:
    when = datetime(2026, 1, 31, tzinfo=UTC)
    value = {"\ud800": [Told("a\udfff", {"x": ["\ud83d"]}), b"\xff", when, 1.5, None]}
    assert with_sound_text(value) == {
        "\\ud800": [{"text": "a\\udfff", "inner": {"x": ["\\ud83d"]}}, b"\xff", when, 1.5, None]
    }


@given(ANY_TEXT)
def test_messages_of_any_text_are_sent(text: str) -> None:
    sound = with_sound_text(text)
    assert decode(encode_notification("call.record", (Told(text),))) == [
        2,
        "call.record",
        [{"text": sound, "inner": {}}],
    ]
    assert decode(encode_request(1, "call.play", ({"text": text},))) == [0, 1, "call.play", [{"text": sound}]]
    assert decode(encode_response(1, None, {text: [text]})) == [1, 1, None, {sound: [sound]}]
