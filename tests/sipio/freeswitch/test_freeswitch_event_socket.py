"""The event socket's framing and what is sent, by exact bytes."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipio.errors import MalformedFrame, OversizedFrame, PeerError
from sipio.freeswitch import commands
from sipio.freeswitch.commands import UnsafeText
from sipio.freeswitch.event_socket import (
    ApiResponse,
    ChannelData,
    CommandReply,
    DisconnectNotice,
    Event,
    Frame,
    FrameReader,
    Ignored,
    understand,
)

CHANNEL_DATA = (
    b"Event-Name: CHANNEL_DATA\nUnique-ID: c4993b89\nCaller-Caller-ID-Number: %2B15551234\n"
    b"variable_sip_h_X-Foo: bar%20baz%3D1%3Bq\nContent-Type: command/reply\nReply-Text: %2BOK%0A\n"
    b"Socket-Mode: async\nControl: full\n\n"
)
REPLY = b"Content-Type: command/reply\nReply-Text: +OK will linger 3 seconds\n\n"
EVENT_BODY = b"Event-Name: BACKGROUND_JOB\nJob-UUID: j%2F1\nContent-Length: 4\n\n+OK\n"
EVENT = b"Content-Length: %d\nContent-Type: text/event-plain\n\n" % len(EVENT_BODY) + EVENT_BODY
API = b"Content-Type: api/response\nContent-Length: 4\n\n+OK\n"
NOTICE = (
    b"Content-Type: text/disconnect-notice\nControlled-Session-UUID: c4\nContent-Disposition: linger\n"
    b"Channel-Name: sofia/internal/x\nLinger-Time: -1\nContent-Length: 0\n\n"
)
GOODBYE = b"Content-Type: text/disconnect-notice\nContent-Disposition: disconnect\nContent-Length: 4\n\nbye\n"
STREAM = CHANNEL_DATA + REPLY + EVENT + API + NOTICE + GOODBYE


def read(data: bytes) -> list[object]:
    return [understand(frame) for frame in FrameReader().receive(data)]


def test_every_kind_of_frame() -> None:
    data, reply, event, api, notice, goodbye = read(STREAM)
    assert isinstance(data, ChannelData)
    assert data.event.get("Caller-Caller-ID-Number") == "+15551234"
    assert data.event.variable("sip_h_X-Foo") == "bar baz=1;q"
    assert data.event.variables() == {"sip_h_X-Foo": "bar baz=1;q"}
    assert reply == CommandReply("+OK will linger 3 seconds")
    assert isinstance(event, Event)
    assert (event.name, event.get("Job-UUID"), event.body) == ("BACKGROUND_JOB", "j/1", b"+OK\n")
    assert api == ApiResponse("+OK\n")
    assert notice == DisconnectNotice()
    assert goodbye == DisconnectNotice()
    dispositions = [frame.headers["Content-Disposition"] for frame in FrameReader().receive(NOTICE + GOODBYE)]
    assert dispositions == ["linger", "disconnect"]
    assert read(b"Content-Type: auth/request\n\n") == [Ignored("auth/request")]


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_any_split_gives_the_same(cuts: list[int]) -> None:
    reader = FrameReader()
    edges = [0, *sorted(cuts), len(STREAM)]
    frames = [frame for a, b in pairwise(edges) for frame in reader.receive(STREAM[a:b])]
    assert frames == FrameReader().receive(STREAM)
    assert not reader.partial


def test_byte_by_byte_with_crlf_gives_the_same() -> None:
    whole = (CHANNEL_DATA + REPLY).replace(b"\n", b"\r\n")
    reader = FrameReader()
    frames = [frame for at in range(len(whole)) for frame in reader.receive(whole[at : at + 1])]
    assert frames == FrameReader().receive(CHANNEL_DATA + REPLY)


@given(
    st.lists(st.binary(max_size=60) | st.sampled_from([STREAM, EVENT, b"\n\n", b"Content-Length: 9\n\n"]), max_size=8)
)
def test_garbage_raises_typed_errors_only(pieces: list[bytes]) -> None:
    reader = FrameReader(header_bytes=400, body_bytes=2_000)
    try:
        for piece in pieces:
            for frame in reader.receive(piece):
                understand(frame)
    except PeerError:
        return


@pytest.mark.parametrize("length", ["x", "-1", "1.5", "٣", "1" * 20, ""])
def test_a_bad_length_is_malformed(length: str) -> None:
    with pytest.raises(MalformedFrame):
        FrameReader().receive(f"Content-Length: {length}\n\n".encode())


def test_a_line_without_a_colon_is_malformed() -> None:
    with pytest.raises(MalformedFrame, match="without a colon"):
        FrameReader().receive(b"GET / HTTP/1.1\nHost: x\n\n")


def test_too_much_is_refused_before_it_is_kept() -> None:
    with pytest.raises(OversizedFrame):
        FrameReader(header_bytes=100).receive(b"a: " + b"x" * 101)
    with pytest.raises(OversizedFrame):
        FrameReader(header_bytes=10).receive(b"a: " + b"x" * 20 + b"\n\n")
    with pytest.raises(OversizedFrame):
        FrameReader(body_bytes=100).receive(b"Content-Length: 101\n\n")


def test_the_first_of_a_header_sent_twice_counts() -> None:
    (frame,) = FrameReader().receive(b"A: 1\nA: 2\n\n")
    assert frame == Frame({"A": "1"})


def test_values_decode_as_freeswitch_encodes_them() -> None:
    body = b"A: 100%\nB: %C3%A9,/\nC: %FF\nD: x\n\n"
    (event,) = read(b"Content-Length: %d\nContent-Type: text/event-plain\n\n" % len(body) + body)
    assert isinstance(event, Event)
    assert [event.get(name) for name in "ABCD"] == ["100%", "é,/", "\ufffd", "x"]
    assert event.get("E", "none") == "none"


def test_an_event_that_does_not_end_is_malformed() -> None:
    (frame,) = FrameReader().receive(b"Content-Type: text/event-plain\nContent-Length: 4\n\nA: 1")
    with pytest.raises(MalformedFrame):
        understand(frame)


def test_commands_by_bytes() -> None:
    assert commands.execute("playback", "tone_stream://%(400,100,440)", "1ea1") == (
        b"sendmsg\ncall-command: execute\nexecute-app-name: playback\nEvent-UUID: 1ea1\n"
        b"execute-app-arg: tone_stream://%(400,100,440)\n\n"
    )
    assert commands.execute("answer", "", "u") == (
        b"sendmsg\ncall-command: execute\nexecute-app-name: answer\nEvent-UUID: u\n\n"
    )
    assert commands.hangup("USER_BUSY") == b"sendmsg\ncall-command: hangup\nhangup-cause: USER_BUSY\n\n"
    assert commands.set_variable("u", "a", "") == b"api uuid_setvar u a\n\n"


def test_text_with_line_ends_is_a_body_and_no_command() -> None:
    sent = commands.execute("speak", "flite|kal|one\n\nsendmsg\ncall-command: hangup", "u")
    head, _, body = sent.partition(b"\n\n")
    assert head.endswith(b"Content-Type: text/plain\nContent-Length: 43")
    assert body == b"flite|kal|one\n\nsendmsg\ncall-command: hangup"
    with pytest.raises(UnsafeText):
        commands.line("api uuid_break u\n\napi system rm")
    with pytest.raises(UnsafeText):
        commands.set_variable("u", "a b", "x")
    with pytest.raises(UnsafeText):
        commands.set_variable("u", "a", "x\0")
    assert commands.set_variable("u", "a", "x\ny") == b"api uuid_setvar u a x\\ny\n\n"


def test_a_value_is_escaped_against_argument_splitting() -> None:
    assert commands.escape("it's a \\ 'test'") == "it\\'s a \\\\ \\'test\\'"
    assert commands.escape("  a b ") == "\\s\\sa b\\s"
    assert commands.escape("   ") == "\\s\\s\\s"
