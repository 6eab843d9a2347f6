"""Bodies: which part of a message is somebody's, and which message is refused for what it brings."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sipio.errors import MalformedMessage
from sipio.sip.bodies import (
    NESTED,
    PARTS,
    UnsupportedBody,
    accepts,
    answered_description,
    session_description,
)
from sipio.sip.events import MediaChanged, ReinviteFinished
from sipio.sip.message import SipMessage, parse_message
from tests.sipio.sip.sip_calls import answered
from tests.sipio.sip.sip_network import Network

SDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n"
ISUP = "\x01\x00\x48"


def message(body: str, *headers: str) -> SipMessage:
    lines = ["INVITE sip:a@b SIP/2.0", *headers, f"Content-Length: {len(body.encode())}"]
    return parse_message(("\r\n".join(lines) + "\r\n\r\n" + body).encode())


def mixed(*parts: str, kind: str = "mixed", boundary: str = "b", more: str = "") -> SipMessage:
    """A multipart message; each part with its headers and its empty line."""
    body = "".join(f"--{boundary}\r\n{part}\r\n" for part in parts) + f"--{boundary}--\r\n"
    return message(body, f"Content-Type: multipart/{kind};boundary={boundary}{more}")


def sdp(content: str = SDP, more: str = "") -> str:
    return f"Content-Type: application/sdp\r\n{more}\r\n{content}"


def isup(disposition: str = "signal;handling=optional") -> str:
    line = f"Content-Disposition: {disposition}\r\n" if disposition else ""
    return f"Content-Type: application/isup;version=itu-t92+\r\n{line}\r\n{ISUP}"


PIDF = "Content-Type: application/pidf+xml\r\nContent-ID: <l@x>\r\n\r\n<presence/>"
SIPREC = "Content-Type: application/rs-metadata+xml\r\nContent-Disposition: recording-session\r\n\r\n<recording/>"


@pytest.mark.parametrize(
    "given_message",
    [
        pytest.param(message(SDP, "Content-Type: application/sdp"), id="alone"),
        pytest.param(message(SDP, "c: Application/SDP ; charset=utf-8"), id="compact, in capitals, with a parameter"),
        pytest.param(message(SDP), id="without a type"),
        pytest.param(message(SDP, "Content-Type: application/sdp", "Content-Encoding: identity"), id="identity"),
        pytest.param(message(SDP, "Content-Type: application/sdp", "Content-Disposition: session"), id="a session"),
        pytest.param(mixed(sdp(), isup()), id="and ISUP"),
        pytest.param(mixed(isup(), sdp()), id="ISUP first"),
        pytest.param(mixed(sdp(), isup("signal")), id="ISUP that does not say whether it is needed"),
        pytest.param(mixed(sdp(), PIDF), id="and a location"),
        pytest.param(mixed(sdp(), SIPREC), id="and metadata of a recording"),
        pytest.param(mixed(sdp(), boundary="b'+_"), id="an unusual boundary"),
        pytest.param(mixed(sdp(), kind="related", more=";type=x"), id="the root of related parts"),
        pytest.param(
            mixed(PIDF, sdp(more="Content-ID: <s@x>\r\n"), kind="related", more=';start="<s@x>"'), id="a named root"
        ),
        pytest.param(mixed(sdp("v=1\r\n"), sdp(), kind="alternative"), id="the last alternative"),
        pytest.param(mixed(sdp(), isup(""), kind="alternative"), id="the last alternative that is understood"),
        pytest.param(mixed(sdp(), sdp("v=1\r\n")), id="the first of two"),
        pytest.param(mixed(sdp(), isup(), kind="unheard-of"), id="a kind of multipart that nobody knows"),
        pytest.param(
            mixed("Content-Type: multipart/alternative;boundary=i\r\n\r\n--i\r\n" + sdp() + "\r\n--i--", isup()),
            id="inside of another",
        ),
        pytest.param(mixed(sdp(more="Content-Transfer-Encoding: binary\r\n"), isup()), id="binary"),
    ],
)
def test_the_sdp_is_found(given_message: SipMessage) -> None:
    found = session_description(given_message)
    assert found is not None
    assert found.decode().rstrip() == SDP.rstrip()
    assert answered_description(given_message) == found


def test_line_ends_may_be_bare_and_the_last_line_missing() -> None:
    body = f"preamble\n--b\nContent-Type: application/sdp\n\n{SDP}\n--b \nContent-Type: a/b\n\nx"
    assert session_description(message(body, 'Content-Type: multipart/mixed; boundary="b"')) == SDP.encode()


@pytest.mark.parametrize(
    "given_message",
    [
        pytest.param(message(""), id="no body"),
        pytest.param(message("", "Content-Type: application/sdp"), id="no body of a type"),
        pytest.param(message("\r\n", "Content-Type: text/plain"), id="an empty line"),
        pytest.param(
            message("x", "Content-Type: a/b", "Content-Disposition: signal; handling = Optional"), id="optional"
        ),
        pytest.param(
            message(
                "x",
                "Content-Type: application/sdp",
                "Content-Encoding: gzip",
                "Content-Disposition: session;handling=optional",
            ),
            id="optional and compressed",
        ),
        pytest.param(mixed(isup()), id="optional parts alone"),
    ],
)
def test_there_is_none_and_nothing_has_to_be_understood(given_message: SipMessage) -> None:
    assert session_description(given_message) is None


@pytest.mark.parametrize(
    "given_message",
    [
        pytest.param(message("x", "Content-Type: application/unknown"), id="another type"),
        pytest.param(message("x", "Content-Type: application/isup"), id="ISUP alone"),
        pytest.param(message(SDP, "Content-Type: application/sdp", "Content-Encoding: gzip"), id="compressed"),
        pytest.param(message(SDP, "Content-Type: application/sdp", "e: identity, deflate"), id="twice encoded"),
        pytest.param(
            message(SDP, "Content-Type: application/sdp", "Content-Disposition: early-session"), id="not the session's"
        ),
        pytest.param(mixed(sdp(), isup("signal;handling=required")), id="a part that insists"),
        pytest.param(mixed(isup("signal")), id="ISUP in a multipart"),
        pytest.param(mixed(isup(), PIDF), id="only some are optional"),
        pytest.param(mixed(sdp(more="Content-Transfer-Encoding: base64\r\n")), id="base64"),
        pytest.param(mixed(PIDF, sdp(), kind="related"), id="the root is not understood"),
    ],
)  # fmt: skip
def test_it_has_to_be_understood_and_is_not(given_message: SipMessage) -> None:
    with pytest.raises(UnsupportedBody) as caught:
        session_description(given_message)
    assert caught.value.headers == [("Accept", "application/sdp"), ("Accept-Encoding", "identity")]
    # An answer cannot be refused.
    assert answered_description(given_message) is None


def nested(depth: int) -> SipMessage:
    part = sdp()
    for level in range(depth):
        boundary = f"b{level}"
        part = f"Content-Type: multipart/mixed;boundary={boundary}\r\n\r\n--{boundary}\r\n{part}\r\n--{boundary}--"
    kind, _, body = part.partition("\r\n\r\n")
    return message(body, kind)


@pytest.mark.parametrize(
    "given_message",
    [
        pytest.param(message("x", "Content-Type: multipart/mixed"), id="no boundary"),
        pytest.param(message("x", "Content-Type: multipart/mixed;boundary=b"), id="no part"),
        pytest.param(message("--b--", "Content-Type: multipart/mixed;boundary=b"), id="its end alone"),
        pytest.param(mixed("what is this\r\n\r\nx"), id="no header line"),
        pytest.param(mixed(*[isup()] * (PARTS + 1)), id="too many parts"),
        pytest.param(mixed("X: " + "a" * 5_000 + "\r\n\r\nx"), id="headers too long"),
        pytest.param(nested(NESTED + 1), id="too deep"),
    ],
)
def test_it_cannot_be_taken_apart(given_message: SipMessage) -> None:
    with pytest.raises(MalformedMessage):
        session_description(given_message)


def test_the_deepest_is_found() -> None:
    assert session_description(nested(NESTED)) is not None


PIECES = [
    "--b\r\n", "--b--", "\r\n", "\n", "--", "b", "Content-Type: multipart/mixed;boundary=b",
    "Content-Type: application/sdp", "Content-Disposition: x;handling=optional", "v=0", ":", "\x00", "\u20ac",
]  # fmt: skip


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=40))
def test_no_body_raises_anything_else(pieces: list[str]) -> None:
    with contextlib.suppress(MalformedMessage, UnsupportedBody):
        session_description(message("".join(pieces), "Content-Type: multipart/mixed;boundary=b"))


@pytest.mark.parametrize(
    ("accept", "right"),
    [
        ((), True),
        (("application/sdp",), True),
        (("text/plain, APPLICATION/SDP;level=1",), True),
        (("text/plain", "application/*;q=0.5"), True),
        (("*/*",), True),
        (("multipart/mixed",), True),
        (("text/nobodyKnowsThis",), False),
        (("",), False),
    ],
)
def test_whether_sdp_may_be_answered(accept: tuple[str, ...], right: bool) -> None:
    assert accepts(message("", *(f"Accept: {value}" for value in accept)), "application/sdp") is right


def wrapped(data: bytes) -> bytes:
    """A message with its SDP put beside ISUP, as a gateway of the telephone network sends it."""
    head, _, body = data.partition(b"\r\n\r\n")
    if b"\r\nContent-Type: application/sdp" not in head:
        return data
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-")]
    parts = [b"Content-Type: application/sdp\r\n\r\n" + body, isup().encode()]
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"
    lines += [b"Content-Type: multipart/mixed;boundary=b", b"Content-Length: %d" % len(body)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def test_every_message_of_a_call_may_bring_its_sdp_in_a_multipart() -> None:
    network = Network()
    network.rewrite = wrapped
    a, b = network.node(), network.node()
    outgoing, incoming = answered(network, a, b)
    outgoing.hold()
    network.run(0.1)
    incoming.reinvite(b.media)
    network.run(0.1)
    assert [event.status for node in (a, b) for event in node.told(ReinviteFinished)] == [200, 200]
    assert b.told(MediaChanged)[1].media.peer_holds
