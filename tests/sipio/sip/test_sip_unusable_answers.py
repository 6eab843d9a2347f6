"""A 2xx, or an ACK, that agrees on nothing: whoever sent it is not connected, and is hung up."""

import pytest

from sipio.sip.events import (
    EndedBy,
    MediaChanged,
    SessionAnswered,
    SessionConfirmed,
    SessionEnded,
)
from tests.sipio.sip.sip_calls import call, ended, fork, quiet
from tests.sipio.sip.sip_network import Network, Node

HEAD = "v=0\r\no=- 5 5 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\n"


def answer(network: Network, caller: Node, body: str, status: str = "200 OK") -> None:
    """A final answer to the caller's INVITE with this body."""
    invite = next(data for _, data in caller.sent if data.startswith(b"INVITE"))
    headers = b"".join(
        line + b"\r\n" for line in invite.split(b"\r\n") if line.startswith((b"Via", b"From", b"Call-ID", b"CSeq"))
    )
    kind = "Content-Type: application/sdp\r\n" if body else ""
    network.deliver(
        f"SIP/2.0 {status}\r\n".encode()
        + headers
        + f"To: <sip:100@10.0.0.2>;tag=b\r\nContact: <sip:b@10.0.0.2>\r\n{kind}".encode()
        + f"Content-Length: {len(body)}\r\n\r\n{body}".encode(),
        next(address for address in network.nodes if network.nodes[address] is not caller),
        caller.address,
    )
    network.run(0.1)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(HEAD + "m=audio 40000 RTP/AVP 18\r\na=rtpmap:18 G729/8000\r\n", id="a codec that was not offered"),
        pytest.param(HEAD + "m=audio 0 RTP/AVP 0\r\n", id="the audio is refused"),
        pytest.param(HEAD + "m=video 4000 RTP/AVP 31\r\n", id="no audio"),
        pytest.param(HEAD, id="no media at all"),
        pytest.param(HEAD + "m=audio x RTP/AVP 0\r\n", id="no SDP that can be read"),
        pytest.param("hello", id="no SDP"),
        pytest.param("", id="no body"),
    ],
)
def test_an_answer_that_agrees_on_nothing_is_no_answer(body: str) -> None:
    network = Network()
    a, b = network.node(), network.node()
    session = a.agent.invite("sip:100@10.0.0.2", from_="sip:a@b", media=a.media)
    network.drop = lambda node, _: node is b
    network.run(0.1)
    answer(network, a, body)
    assert not a.told(SessionAnswered)
    assert not a.told(MediaChanged)
    assert not session.answered
    event = ended(a)
    assert (event.answered, event.by, event.status, event.cause) == (False, EndedBy.SYSTEM, 488, 88)
    assert event.reason == "no usable SDP in the answer"
    ack, bye = (data for _, data in a.sent if data.startswith((b"ACK", b"BYE")))
    assert ack.startswith(b"ACK sip:b@10.0.0.2")
    assert b"\r\nReason: Q.850;cause=88;" in bye
    # The 200 once more gets its ACK once more.
    answer(network, a, body)
    assert len(a.sent_times("ACK")) == 2
    quiet(network, a)


def test_what_early_media_agreed_is_not_asked_for_again() -> None:
    network = Network()
    a, b = network.node(), network.node()
    session = a.agent.invite("sip:100@10.0.0.2", from_="sip:a@b", media=a.media)
    network.drop = lambda node, _: node is b
    network.run(0.1)
    invite = a.sent[0][1]
    fork(network, a, invite, "b", "183 Session Progress", body=True)
    fork(network, a, invite, "b", "200 OK")
    assert [event.early for event in a.told(MediaChanged)] == [True]
    assert session.answered


def test_media_agreed_by_the_answer_are_not_early() -> None:
    network = Network()
    a, b = network.node(), network.node()
    _, incoming = call(network, a, b)
    incoming.accept(b.media)
    network.run(0.1)
    assert [event.early for event in a.told(MediaChanged)] == [False]
    assert [type(event) for event in a.events] == [MediaChanged, SessionAnswered]
    assert [event.early for event in b.told(MediaChanged)] == [False]


@pytest.mark.parametrize("body", ["", HEAD + "m=audio 40000 RTP/AVP 18\r\n", "hello"])
def test_an_ack_that_agrees_on_nothing_confirms_nothing(body: str) -> None:
    network = Network()
    a, b = network.node(), network.node()
    headers = (
        "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK{0}\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:100@10.0.0.2>{1}\r\n"
        "Call-ID: c1\r\nCSeq: 1 {0}\r\nContact: <sip:a@10.0.0.1>\r\n"
    )

    def send(method: str, tag: str, content: str) -> None:
        head = f"{method} sip:100@10.0.0.2 SIP/2.0\r\n" + headers.format(method, tag)
        length = f"Content-Type: application/sdp\r\nContent-Length: {len(content)}\r\n\r\n"
        network.deliver((head + length + content).encode(), a.address, b.address)
        network.run(0.1)

    network.drop = lambda node, _: node is a
    send("INVITE", "", "")
    incoming = next(event.session for event in b.events if hasattr(event, "session"))
    incoming.accept(b.media)  # type: ignore[union-attr]
    network.run(0.1)
    tag = b.sent[-1][1].partition(b"\r\nTo: ")[2].partition(b";tag=")[2].partition(b"\r\n")[0].decode()
    send("ACK", f";tag={tag}", body)
    assert not b.told(SessionConfirmed)
    event = b.told(SessionEnded)[0]
    assert (event.by, event.cause, event.reason) == (EndedBy.SYSTEM, 88, "no usable SDP in the ACK")
    (bye,) = {data for _, data in b.sent if data.startswith(b"BYE")}
    assert b"\r\nReason: Q.850;cause=88;" in bye
