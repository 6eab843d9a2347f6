"""Values as a script is given them: what JSON has is what it was, what it has not becomes what it has."""

import math
from datetime import UTC, datetime
from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import values

TEXT = st.text(st.characters(codec="utf-8"))
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
)
ANY_TEXT = st.text(st.characters(codec=None))
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT | st.binary(max_size=20) | st.datetimes(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT | st.integers(), inner, max_size=4),
)


@given(PLAIN)
def test_what_json_has_is_the_same_to_both_libraries(value: Any) -> None:
    encoded = values.encode(value)
    assert msgspec.msgpack.decode(encoded) == value
    assert msgpack.unpackb(encoded) == value
    assert msgspec.json.decode(msgspec.json.encode(value)) == msgspec.msgpack.decode(encoded)


@given(ANY)
def test_whatever_it_is_it_is_sent_as_what_json_has(value: Any) -> None:
    _assert_of_json(msgpack.unpackb(values.encode(value), strict_map_key=True))


def _assert_of_json(value: Any) -> None:
    assert value is None or type(value) in (bool, int, float, str, list, dict)
    assert type(value) is not float or math.isfinite(value)
    if type(value) is dict:
        assert all(type(key) is str for key in value)
    for item in value.values() if type(value) is dict else value if type(value) is list else ():
        _assert_of_json(item)


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("\ud800", "?"),
        ("cut \ud83d", "cut ?"),
        ("whole \U0001f600", "whole \U0001f600"),
        ({"\udfff": ["\ud800"]}, {"?": ["?"]}),
        (2**53 + 1, 2**53 + 1),
        (2**64 - 1, 2**64 - 1),
        (2**64, "18446744073709551616"),
        (-(2**63) - 1, "-9223372036854775809"),
        (b"\xff\x00", "/wA="),
        (bytearray(b"a"), "YQ=="),
        (datetime(2024, 2, 29, tzinfo=UTC), "2024-02-29T00:00:00Z"),
        ({1: 2, 1.5: 3}, {"1": 2, "1.5": 3}),
        ((1, (2,)), [1, [2]]),
        ([math.nan, -math.nan, math.inf, {"least": -math.inf}], [None, None, None, {"least": None}]),
        # Texts in which the bytes of such a number stand: U+02FF and U+0CFF.
        (["\u02ff\u0cff" * 9, 1.5], ["\u02ff\u0cff" * 9, 1.5]),
    ],
)
def test_what_json_has_not(value: Any, sent: Any) -> None:
    assert msgspec.msgpack.decode(values.encode(value)) == sent


@pytest.mark.parametrize("value", [object(), {None: 1}, {True: 1}, {(1,): 1}, 1j, msgspec.msgpack.Ext(1, b"")])
def test_what_cannot_be_sent(value: Any) -> None:
    with pytest.raises(TypeError):
        values.encode({"deeper": [value]})


def test_an_integer_of_more_digits_than_python_writes() -> None:
    with pytest.raises(ValueError, match="digits"):
        values.encode(10**5000)
