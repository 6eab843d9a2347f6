"""Messages cut out of a byte stream."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipio.errors import MalformedFrame, OversizedFrame
from sipio.sip.message import MESSAGE_BYTES
from sipio.sip.stream import FRAME_SECONDS, HEADER_BYTES, SipStream

OPTIONS = b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nContent-Length: 4\r\n\r\nbody"
COMPACT = b"OPTIONS sip:a@b SIP/2.0\r\nl : 0\r\n\r\n"
BARE = b"OPTIONS sip:a@b SIP/2.0\nContent-Length: 2\n\nhi"


@given(
    st.lists(st.sampled_from([OPTIONS, COMPACT, BARE]), max_size=6),
    st.lists(st.integers(1, 50), min_size=1, max_size=40),
)
def test_however_the_bytes_are_cut_the_messages_are_the_same(messages: list[bytes], cuts: list[int]) -> None:
    stream = SipStream()
    data = b"\r\n".join(messages)
    found: list[bytes] = []
    position = index = 0
    while position < len(data):
        size = cuts[index % len(cuts)]
        found += stream.receive(data[position : position + size], 0.0).messages
        position += size
        index += 1
    assert found == messages
    assert stream.next_deadline() is None


def test_keep_alives_are_swallowed_and_counted() -> None:
    stream = SipStream()
    assert stream.receive(b"\r\n\r\n", 0.0).pings == 1
    assert stream.receive(b"\r\n", 0.0).pings == 0
    assert stream.receive(b"\r\n", 0.0).pings == 1
    found = stream.receive(OPTIONS + b"\r\n\r\n" + COMPACT, 0.0)
    assert (found.messages, found.pings) == ([OPTIONS, COMPACT], 1)


def test_a_message_without_content_length_has_no_body() -> None:
    head = b"OPTIONS sip:a@b SIP/2.0\r\n\r\n"
    assert SipStream().receive(head + OPTIONS, 0.0).messages == [head, OPTIONS]


@pytest.mark.parametrize("length", [b"-1", b"four", b"", b"9999999999", b"4\r\nContent-Length: 5"])
def test_lengths_that_cannot_be_trusted_end_the_stream(length: bytes) -> None:
    with pytest.raises(MalformedFrame):
        SipStream().receive(OPTIONS.replace(b"4\r\n", length + b"\r\n"), 0.0)


def test_heads_and_messages_have_a_cap() -> None:
    with pytest.raises(OversizedFrame):
        SipStream().receive(b"X" * (HEADER_BYTES + 1), 0.0)
    with pytest.raises(OversizedFrame):
        SipStream().receive(b"A b SIP/2.0\r\nl: %d\r\n\r\n" % MESSAGE_BYTES, 0.0)


def test_a_message_begun_has_to_be_complete_in_time() -> None:
    stream = SipStream()
    stream.receive(OPTIONS + OPTIONS[:-1], 5.0)
    assert stream.next_deadline() == 5.0 + FRAME_SECONDS
    stream.receive(b"", 9.0)
    stream.handle_timer(5.0)
    with pytest.raises(MalformedFrame):
        stream.handle_timer(5.0 + FRAME_SECONDS)
