"""Data of requests: whatever came, no key of it is one of the platform's, and a script can be given it."""

import contextlib
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from sidecar.hosts.request import pack_input
from sidecar.http.incoming import FIELDS, BadRequest, data_of, data_of_query

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


def request(body: bytes, content_type: str = "application/json", method: str = "POST", query: bytes = b"") -> Request:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"content-type", content_type.encode("latin-1", "replace"))]
    return Request({"type": "http", "method": method, "headers": headers, "query_string": query}, receive)


@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=10))
def test_a_query_is_a_table_of_its_keys(pairs: list[tuple[str, str]]) -> None:
    kept = [(key, value) for key, value in pairs if not key.startswith("_")]
    expected: dict[str, Any] = {}
    for key in dict.fromkeys(key for key, _ in kept):
        values = [value for name, value in kept if name == key]
        expected[key] = values[0] if len(values) == 1 else values
    found = data_of_query(urlencode(pairs))
    assert found == expected
    pack_input(found)


@given(st.binary(max_size=200))
def test_a_query_of_any_bytes_is_read_or_refused(query: bytes) -> None:
    pack_input(data_of_query(query))


@given(st.dictionaries(st.text(max_size=5), JSON_VALUES, max_size=5))
async def test_a_json_object_comes_as_it_is(data: dict[str, Any]) -> None:
    found = await data_of(request(msgspec.json.encode(data) if sound(data) else b"{}"))
    assert found == {key: value for key, value in (data if sound(data) else {}).items() if not key.startswith("_")}
    pack_input(found)


def sound(data: object) -> bool:
    """Whether our encoder has it: no integer of more than 64 bits."""
    try:
        msgspec.json.encode(data)
    except (OverflowError, UnicodeEncodeError):
        return False
    return True


@given(
    st.binary(max_size=300),
    st.sampled_from(["application/json", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "é"]),
)
async def test_any_body_is_read_or_refused(body: bytes, content_type: str) -> None:
    with contextlib.suppress(BadRequest):
        found = await data_of(request(body, content_type))
        pack_input(found)
        assert not any(key.startswith("_") for key in found)


def test_a_query_with_too_many_fields() -> None:
    with pytest.raises(BadRequest, match=str(FIELDS)):
        data_of_query("&".join(["a=1"] * (FIELDS + 1)))


async def test_a_get_has_its_query_alone() -> None:
    assert await data_of(request(b'{"a": 1}', method="GET", query=b"b=2")) == {"b": "2"}
    assert await data_of(request(b'{"a": 1}', query=b"b=2")) == {"a": 1}
