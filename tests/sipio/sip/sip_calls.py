"""The steps that the tests of calls are made of: a call begun, answered, forked, and what is left of it."""

import re
from typing import Any

from sipio.sip.address import Address
from sipio.sip.events import (
    CallReceived,
    SessionAnswered,
    SessionConfirmed,
    SessionEnded,
    SipEvent,
)
from sipio.sip.incoming import IncomingSession
from sipio.sip.outgoing import OutgoingSession
from tests.sipio.sip.sip_network import Network, Node


def call(network: Network, caller: Node, callee: Node, **options: Any) -> tuple[OutgoingSession, IncomingSession]:
    """Begin a call; the callee has been told of it."""
    outgoing = caller.agent.invite(
        f"sip:100@{callee.address.host};transport={callee.address.transport}",
        from_='"Alice" <sip:alice@example.test>',
        media=caller.media,
        **options,
    )
    network.run(0.1)
    return outgoing, callee.told(CallReceived)[-1].session


def answered(network: Network, caller: Node, callee: Node) -> tuple[OutgoingSession, IncomingSession]:
    outgoing, incoming = call(network, caller, callee)
    incoming.accept(callee.media)
    network.run(0.1)
    assert caller.told(SessionAnswered)
    assert callee.told(SessionConfirmed)
    return outgoing, incoming


def ended(node: Node) -> SessionEnded:
    (event,) = node.told(SessionEnded)
    return event


def quiet(network: Network, *nodes: Node) -> None:
    """Nothing is left once every timer has run out."""
    network.run(70)
    for node in nodes:
        assert not node.agent.busy
        assert node.agent.transactions == 0
        assert node.agent.sessions == 0


def reliable(network: Network, a: Node, b: Node, body: bool = True) -> IncomingSession:
    """A call whose INVITE requires 100rel, made of one of ours."""
    a.agent.invite("sip:100@10.0.0.2", from_="sip:a@b", media=a.media)
    network.drop = lambda node, data: node is a and data.startswith(b"INVITE")
    network.run(0.01)
    invite = a.sent[0][1].replace(b"Supported: 100rel, timer", b"Supported: timer\r\nRequire: 100rel")
    if not body:
        head = invite.partition(b"\r\n\r\n")[0]
        invite = re.sub(rb"Content-(Type|Length): [^\r]*\r\n", b"", head + b"\r\n") + b"Content-Length: 0\r\n\r\n"
    network.deliver(invite, a.address, b.address)
    network.run(0.05)
    return b.told(CallReceived)[0].session


def fork(network: Network, a: Node, invite: bytes, tag: str, status: str, body: bool = False, more: str = "") -> None:
    """An answer as of one more phone behind a forking proxy."""
    headers = b"".join(
        line + b"\r\n" for line in invite.split(b"\r\n") if line.startswith((b"Via", b"From", b"Call-ID", b"CSeq"))
    )
    sdp = (
        "v=0\r\no=- 1 1 IN IP4 10.0.5.5\r\ns=-\r\nc=IN IP4 10.0.5.5\r\nt=0 0\r\nm=audio 7000 RTP/AVP 8\r\n"
        if body
        else ""
    )
    network.deliver(
        f"SIP/2.0 {status}\r\n".encode()
        + headers
        + f"To: <sip:100@10.0.0.2>;tag={tag}\r\nContact: <sip:{tag}@10.0.0.2>\r\n"
        f"{more}Content-Length: {len(sdp)}\r\n\r\n{sdp}".encode(),
        Address("udp", "10.0.0.2", 5060),
        a.address,
    )
    network.run(0.1)


def serve(node: Node, hang_up: bool) -> None:
    """Answer every call, and hang it up once confirmed."""

    def on_event(event: SipEvent) -> None:
        match event:
            case CallReceived(session=session):
                session.ring()
                session.accept(node.media)
            case SessionConfirmed(session=session) if hang_up:
                session.bye()

    node.on_event = on_event
