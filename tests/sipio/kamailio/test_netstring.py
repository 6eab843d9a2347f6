"""Netstring framing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipio.errors import MalformedFrame, OversizedFrame
from sipio.kamailio.netstring import NetstringDecoder, encode


@given(st.lists(st.binary(max_size=40), max_size=8), st.data())
def test_frames_survive_any_split(payloads: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(encode(payload) for payload in payloads)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    decoder = NetstringDecoder(100)
    received: list[bytes] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        received += decoder.feed(stream[start:end])
    assert received == payloads
    assert decoder.feed(encode(b"next")) == [b"next"], "nothing was left over"


def test_limit_is_the_last_accepted_length() -> None:
    assert NetstringDecoder(10).feed(b"10:0123456789,") == [b"0123456789"]
    with pytest.raises(OversizedFrame):
        NetstringDecoder(10).feed(b"11:")


@pytest.mark.parametrize("data", [b"a", b"3x:abc,", b"3:abc;", b":,", b"-1:", b"3:abcd", b"{}"])
def test_malformed(data: bytes) -> None:
    with pytest.raises(MalformedFrame):
        NetstringDecoder(100).feed(data)


def test_a_length_without_end_is_not_buffered_for_ever() -> None:
    with pytest.raises(OversizedFrame):
        NetstringDecoder(100).feed(b"0" * 50)


@given(st.lists(st.binary(max_size=30), max_size=6))
def test_any_bytes_are_read_or_refused_and_the_buffer_is_bounded(chunks: list[bytes]) -> None:
    decoder = NetstringDecoder(50)
    held = b""
    try:
        for chunk in chunks:
            held += chunk
            for payload in decoder.feed(chunk):
                held = held[held.index(b":") + 1 + len(payload) + 1 :]
            assert len(held) <= 50 + 4
    except (MalformedFrame, OversizedFrame):
        pass
