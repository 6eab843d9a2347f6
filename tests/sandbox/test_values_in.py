"""Values in: MessagePack is read as JSON.parse would have it."""

import json
import math
from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sandbox import _engine
from sandbox.engine import ROOM_BYTES, STACK_BYTES
from tests.sandbox.crossing_values import (
    ECHO,
    EXACT,
    LATE,
    NAMES,
    NESTING_MOST,
    ORACLE,
    PARSED,
    SOURCE,
    STRINGIFIED,
    TREES,
    engine,
    new_engine,
    refused,
    said,
)
from tests.sandbox.support import packed, unpacked


@given(TREES)
@example({"__proto__": {"a": 1}, "é": 1, "Ã©": 2})
@example({"10": 1, "9": 2, "b": 3, "01": 4, "4294967295": 5, "4294967294": 6})
@example([-0.0, 1.5, 1e300, 5e-324, EXACT, -EXACT, 2**31, -(2**31) - 1])
@example(["x" * 31, "x" * 32, "x" * 255, "x" * 256, "\0", "\U0001f600", "\ufffd"])
@example([[0] * 15, [0] * 16, [[]] * 9, {str(n): n for n in range(16)}])
def test_what_is_read_is_what_json_is_parsed_to(value: Any) -> None:
    for message in (packed(value), msgspec.msgpack.encode(value)):
        assert said(STRINGIFIED, message) == said(PARSED, json.dumps(value))


def fitting(digits: str) -> int | float:
    """The number of these digits: MessagePack has no integer beyond 64 bits, and JavaScript has it rounded already."""
    number = int(digits)
    return number if -(2**63) <= number < 2**64 else float(digits)


@given(TREES)
@example([2.0**64, -(2.0**63), -(2.0**64), 1e20])
def test_what_goes_in_comes_out(value: Any) -> None:
    head, payload = engine().call(ECHO, packed(value))
    assert head[0] == "R"
    expected = json.loads(said(PARSED, json.dumps(value)), parse_int=fitting)
    assert unpacked(payload) == expected
    assert msgspec.msgpack.decode(payload) == expected


@given(st.integers(-(2**63), 2**64 - 1))
@example(EXACT)
@example(EXACT + 1)
@example(-EXACT - 1)
@example(2**64 - 1)
@example(-(2**63))
def test_an_integer_that_a_number_would_round_is_its_digits(number: int) -> None:
    assert json.loads(said(STRINGIFIED, packed(number))) == (number if abs(number) <= EXACT else str(number))


def test_keys_that_are_numbers_are_texts() -> None:
    message = packed({1: "a", -1: "b", 1.5: "c", 2.0: "d", 2**64 - 1: "e", 1e21: "f"})
    read = json.loads(said(STRINGIFIED, message))
    assert read == {"1": "a", "-1": "b", "1.5": "c", "2": "d", "18446744073709551615": "e", "1e+21": "f"}


def test_the_last_of_one_key_counts() -> None:
    assert said(STRINGIFIED, b"\x83\xa1a\x01\xa1b\x02\xa1a\x03") == '{"a":3,"b":2}'
    assert said(STRINGIFIED, b"\x82\x01\x01\xa11\x02") == '{"1":2}'


def test_a_key_is_not_anothers_whatever_their_bytes() -> None:
    """The engine compares UTF-8 with texts of Latin-1 when it looks for a name."""
    made = new_engine()
    assert said(STRINGIFIED, packed({"Ã©": 1}), at=made) == '{"Ã©":1}'
    assert said(STRINGIFIED, packed({"é": 1}), at=made) == '{"é":1}'
    assert said(STRINGIFIED, packed({"Ã©": 1, "é": 2}), at=made) == '{"Ã©":1,"é":2}'


def test_proto_is_a_key_like_others() -> None:
    assert said(STRINGIFIED, packed({"__proto__": {"x": 1}})) == '{"__proto__":{"x":1}}'
    made = new_engine()
    setter = "{ set() { throw 1 }, get() { return 2 }, configurable: true }"
    setters = f"defineProperty(Object.prototype, 'a', {setter}); defineProperty(Array.prototype, '0', {setter})"
    assert said(ORACLE, f"const {{ defineProperty }} = Object; {setters}; 1", at=made) == "1"
    assert made.call(ECHO, packed({"a": [1, 2, [3] * 20]})) == ("R0", packed({"a": [1, 2, [3] * 20]}))


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (packed(math.nan), "NaN is no value"),
        (packed(math.inf), "infinity is no value"),
        (packed([-math.inf]), "infinity is no value"),
        (packed(b"x"), "binary is no value"),
        (packed(msgpack.ExtType(5, b"x")), "an extension is no value"),
        (packed(msgpack.Timestamp(1)), "a timestamp is no value"),
        (packed({None: 1}), "a key of a map is nil"),
        (packed({True: 1}), "a key of a map is a truth value"),
        (b"\x81\x90\x01", "a key of a map is an array"),
        (b"\x81\x80\x01", "a key of a map is a map"),
        (b"\x81\xc4\x01a\x01", "a key of a map is binary"),
        (packed({math.nan: 1}), "a key of a map is no number"),
        (b"\xa1\xff", "a text is no UTF-8"),
        (b"\xa3\xed\xa0\x80", "a text is no UTF-8"),
        (b"\xa2\xc0\x80", "a text is no UTF-8"),
        (b"\xa4\xf4\x90\x80\x80", "a text is no UTF-8"),
        (b"\xa3\xe0\x80\x80", "a text is no UTF-8"),
        (b"\xa1\xc3", "a text is no UTF-8"),
        (b"\x81\xa1\xff\x01", "a key is no UTF-8"),
        (b"", "it ends too early"),
        (b"\xc1", "it ends too early"),
        (b"\x92\x01", "it ends too early"),
        (b"\x81\xa1a", "it ends too early"),
        (b"\xdd\xff\xff\xff\xff", "it ends too early"),
        (b"\xdf\xff\xff\xff\xff" + b"\xc0" * 100, "it ends too early"),
        (b"\xdb\x80\x00\x00\x00x", "it ends too early"),
        (b"\x01\x01", "something follows its end"),
        (b"\x91" * (NESTING_MOST + 1) + b"\xc0", "it is nested too deep"),
        (b"\x81\xa1a" * (NESTING_MOST + 1) + b"\xc0", "it is nested too deep"),
        (b"\x91" * 1_000_000, "it is nested too deep"),
    ],
)  # fmt: skip
def test_what_is_no_value_of_json_is_named(message: bytes, why: str) -> None:
    assert refused(message).startswith(f"MessagePack that cannot be read: {why}")


def test_as_deep_as_it_may_be() -> None:
    for message in (b"\x91" * NESTING_MOST + b"\xc0", b"\x81\xa1a" * NESTING_MOST + b"\xc0"):
        assert engine().call(ECHO, message) == ("R0", message)


@given(TREES, st.data())
def test_no_beginning_of_a_message_is_one(value: Any, data: st.DataObject) -> None:
    message = packed(value)
    cut = data.draw(st.integers(0, len(message) - 1))
    assert refused(message[:cut]).startswith("MessagePack that cannot be read")


@given(st.binary(max_size=40) | st.lists(st.sampled_from(list(range(0x80, 0xE0))), max_size=20).map(bytes))
@settings(max_examples=500)
def test_any_bytes_are_the_value_that_they_are_to_others_or_an_error(message: bytes) -> None:
    head, payload = engine().call(STRINGIFIED, message)
    assert head[0] in "XB"
    if head[0] == "X" and not payload.startswith(b"!"):
        other = msgpack.unpackb(message, strict_map_key=False)
        assert type(json.loads(payload)) is type(other) or isinstance(other, int | float)
    else:
        assert b"MessagePack that cannot be read" in payload


def test_input_is_read_once_and_in_its_call() -> None:
    made = new_engine()
    assert said(LATE, at=made) == "!TypeError: nothing to read"
    assert said(LATE, packed(1), at=made) == "1"
    assert said(LATE, at=made) == "!TypeError: nothing to read"


def test_many_keys_pass_through_the_cache() -> None:
    made = new_engine()
    for _ in range(2):
        value = {f"key {n} {'x' * (n % 60)}": n for n in range(5000)}
        assert made.call(ECHO, packed(value)) == ("R0", packed(value))


def test_no_memory_for_what_is_read() -> None:
    made = _engine.Engine(_engine.compile(SOURCE), NAMES, ROOM_BYTES, STACK_BYTES)
    made.limit_memory(made.memory + 100_000)
    assert made.call(ECHO, packed([[n] for n in range(50_000)])) == ("M0", b"")
    assert made.call(ECHO, packed(["x" * 200_000]))[0] == "M0"
