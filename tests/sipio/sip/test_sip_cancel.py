"""Calls given up before they are answered, between two user agents through memory."""

import re

from sipio.sip.events import (
    EndedBy,
    SessionAnswered,
    SessionConfirmed,
)
from tests.sipio.sip.sip_calls import call, ended, quiet
from tests.sipio.sip.sip_network import Network, Node


def test_cancel_while_ringing(pair: tuple[Network, Node, Node]) -> None:
    network, a, b = pair
    outgoing, incoming = call(network, a, b)
    incoming.ring()
    network.run(0.1)
    outgoing.cancel([("Reason", "SIP;cause=200")])
    network.run(0.1)
    assert (ended(a).by, ended(a).status) == (EndedBy.US, 487)
    assert (ended(b).by, ended(b).status, ended(b).reason) == (EndedBy.PEER, 487, "CANCEL")
    assert ("Reason", "SIP;cause=200") in ended(b).headers
    assert not b.told(SessionConfirmed)
    quiet(network, a, b)


def test_cancel_before_any_provisional_answer_waits_for_one() -> None:
    network = Network(delay=(0.2, 0.2))
    a, b = network.node(), network.node()
    outgoing = a.agent.invite("sip:1@10.0.0.2", from_="sip:a@b", media=a.media)
    network.run(0.1)
    outgoing.cancel()
    network.run(0.1)
    assert a.first_lines() == ["INVITE sip:1@10.0.0.2 SIP/2.0"]
    network.run(2)
    assert "CANCEL sip:1@10.0.0.2 SIP/2.0" in a.first_lines()
    assert ended(a).by is EndedBy.US
    assert ended(b).reason == "CANCEL"
    quiet(network, a, b)


def test_cancel_of_a_call_to_nobody_ends_with_its_timeout() -> None:
    network = Network()
    a = network.node()
    a.agent.invite("sip:1@10.9.9.9", from_="sip:a@b", media=a.media).cancel()
    network.run(33)
    assert (ended(a).by, ended(a).status) == (EndedBy.US, 487)
    assert not any(line.startswith("CANCEL") for line in a.first_lines())


def test_cancel_crossing_the_answer_is_acknowledged_and_hung_up(pair: tuple[Network, Node, Node]) -> None:
    network, a, b = pair
    network.delay = (0.05, 0.05)
    outgoing, incoming = call(network, a, b)
    network.run(0.1)
    incoming.accept(b.media)
    outgoing.cancel()
    network.run(1)
    assert ended(a).by is EndedBy.US
    assert not ended(a).answered
    assert not a.told(SessionAnswered)
    lines = [line.split()[0] for line in a.first_lines() if not line.startswith("SIP")]
    assert lines == ["INVITE", "CANCEL", "ACK", "BYE"]
    assert (ended(b).by, ended(b).reason) == (EndedBy.PEER, "BYE")
    quiet(network, a, b)


def test_bye_from_the_caller_in_the_early_dialog() -> None:
    network = Network()
    a, b = network.node(), network.node()
    _, incoming = call(network, a, b)
    incoming.ring()
    network.run(0.1)
    invite = incoming.request
    to = re.search(rb"\r\nTo: (.*?)\r\n", b.sent[-1][1])
    assert to is not None
    network.deliver(
        f"BYE sip:sidecar@10.0.0.2:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKearly;rport\r\n"
        f"From: {invite.get('from')}\r\nTo: {to[1].decode()}\r\nCall-ID: {invite.get('call-id')}\r\n"
        f"CSeq: {invite.sequence()[0] + 1} BYE\r\nContent-Length: 0\r\n\r\n".encode(),
        a.address,
        b.address,
    )
    network.run(0.1)
    assert (ended(b).by, ended(b).answered) == (EndedBy.PEER, False)
    assert ended(a).status == 487
