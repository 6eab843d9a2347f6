"""Re-INVITEs and UPDATEs of calls that are up: hold, other media, glare."""

import re

import pytest

from sipio.sip.events import (
    EndedBy,
    ReinviteFinished,
    SessionAnswered,
)
from sipio.sip.media_description import LocalMedia, MediaDirection
from tests.sipio.sip.sip_calls import answered, call, ended, fork, quiet
from tests.sipio.sip.sip_network import Network, Node


def test_hold_and_resume_by_either_side(pair: tuple[Network, Node, Node]) -> None:
    network, a, b = pair
    outgoing, incoming = answered(network, a, b)
    for ours, theirs, node in ((outgoing, incoming, a), (incoming, outgoing, b)):
        ours.hold()
        network.run(0.2)
        assert ours.media is not None
        assert theirs.media is not None
        assert (ours.media.direction, theirs.media.direction) == (MediaDirection.SENDONLY, MediaDirection.RECVONLY)
        assert theirs.media.peer_holds
        ours.resume()
        network.run(0.2)
        assert theirs.media.direction is MediaDirection.SENDRECV
        assert not theirs.media.peer_holds
        assert [event.status for event in node.told(ReinviteFinished)] == [200, 200]
    assert outgoing.media is not None
    outgoing.bye()
    quiet(network, a, b)


def test_new_media_in_a_reinvite() -> None:
    network = Network()
    a, b = network.node(), network.node()
    outgoing, incoming = answered(network, a, b)
    outgoing.reinvite(LocalMedia(host="10.0.0.77", port=6000, codecs=("PCMA",)))
    network.run(0.2)
    assert incoming.media is not None
    assert (incoming.media.remote_host, incoming.media.remote_port, incoming.media.codec) == ("10.0.0.77", 6000, "PCMA")
    versions = [match[1] for _, data in a.sent if (match := re.search(rb"o=- \d+ (\d+) ", data))]
    assert versions == [b"1", b"2"]


def test_glare_is_answered_491_and_both_get_their_way() -> None:
    network = Network(delay=(0.05, 0.05))
    a, b = network.node(), network.node()
    outgoing, incoming = call(network, a, b)
    network.run(0.2)
    incoming.accept(b.media)
    network.run(0.5)
    outgoing.hold()
    incoming.reinvite(LocalMedia(host="10.0.0.2", port=4400))
    network.run(0.3)
    assert sum(line == "SIP/2.0 491 Request Pending" for line in a.first_lines() + b.first_lines()) == 2
    network.run(8)
    assert [event.status for event in a.told(ReinviteFinished)] == [200]
    assert [event.status for event in b.told(ReinviteFinished)] == [200]
    assert outgoing.media is not None
    assert outgoing.media.remote_port == 4400
    again = a.sent_times("INVITE")[-1] - a.sent_times("INVITE")[-2]
    assert 2.1 <= again <= 4.3
    assert b.sent_times("INVITE")[-1] - b.sent_times("INVITE")[-2] <= 2.3


def test_after_glare_a_reinvite_waits_for_the_ack_of_the_peers() -> None:
    network = Network()
    a, b = network.node(), network.node()
    outgoing, incoming = answered(network, a, b)

    def drop(node: Node, data: bytes) -> bool:
        # The ACK to the callee's 200 is lost for as long as the caller's own turn takes to come.
        return node is b and data.startswith(b"ACK") and network.now - start < 6

    network.drop = drop
    start = network.now
    outgoing.hold()
    incoming.reinvite(LocalMedia(host="10.0.0.2", port=4400))
    network.run(5.5)
    offers = [when for when in a.sent_times("INVITE") if when >= start]
    assert len(offers) == 1
    network.run(10)
    assert [event.status for event in a.told(ReinviteFinished)] == [200]
    assert [event.status for event in b.told(ReinviteFinished)] == [200]


def test_a_reinvite_while_another_waits_for_its_ack_gets_500_and_retry_after() -> None:
    network = Network()
    a, b = network.node(), network.node()
    _, incoming = call(network, a, b)
    network.drop = lambda node, data: node is a and data.startswith(b"ACK")
    incoming.accept(b.media)
    network.run(0.1)
    a.told(SessionAnswered)[0].session.hold()
    network.run(0.1)
    assert b.first_lines()[-1] == "SIP/2.0 500 Server Internal Error"
    assert b"\r\nRetry-After: " in b.sent[-1][1]
    assert a.told(ReinviteFinished)[0].status == 500


@pytest.mark.parametrize("by_callee", [False, True])
def test_an_update_with_sdp_changes_the_media(by_callee: bool) -> None:
    network = Network()
    a, b = network.node(), network.node()
    outgoing, incoming = answered(network, a, b)
    sender, receiver = (incoming, outgoing) if by_callee else (outgoing, incoming)
    offer = sender._media.negotiation.offer(LocalMedia(host="10.0.0.99", port=9_000))
    sender._requests.send("UPDATE", [("Content-Type", "application/sdp")], offer)
    network.run(0.1)
    assert receiver.media is not None
    assert (receiver.media.remote_host, receiver.media.remote_port) == ("10.0.0.99", 9_000)
    answer = [data for node in (a, b) for _, data in node.sent if b" UPDATE\r\n" in data and b"SIP/2.0 200" in data]
    assert b"m=audio 4000" in answer[0]


def test_a_reinvite_that_is_never_finally_answered_is_given_up_with_its_call() -> None:
    network = Network()
    a, b = network.node(transport="tcp"), network.node(transport="tcp")
    outgoing, _ = answered(network, a, b)
    network.drop = lambda node, _: node is b
    outgoing.hold()
    network.run(0.1)
    fork(network, a, a.sent[-1][1], "x", "100 Trying")
    network.drop = lambda *_: False
    outgoing.bye()
    quiet(network, a, b)


def test_a_peer_that_forgot_the_dialog_ends_the_call() -> None:
    network = Network()
    a, b = network.node(), network.node()
    outgoing, _ = answered(network, a, b)
    b.agent._core.dialogs.clear()
    outgoing.hold()
    network.run(0.5)
    assert (ended(a).by, ended(a).reason) == (EndedBy.SYSTEM, "dialog unknown to the peer")


def test_a_2xx_sent_again_is_not_taken_for_the_answer_to_the_next_reinvite() -> None:
    network = Network()
    a, b = network.node(), network.node()
    outgoing, _ = answered(network, a, b)
    outgoing.hold()
    network.run(0.1)
    first = [data for _, data in b.sent if data.startswith(b"SIP/2.0 200")][-1]
    network.drop = lambda node, data: node is b and data.startswith(b"SIP/2.0 200")
    outgoing.resume()
    network.run(0.1)
    before = len(a.sent_times("ACK"))
    network.deliver(first, b.address, a.address)
    network.run(0.1)
    assert len(a.sent_times("ACK")) == before + 1
    assert [event.status for event in a.told(ReinviteFinished)] == [200]
    network.drop = lambda *_: False
    network.run(1)
    assert [event.status for event in a.told(ReinviteFinished)] == [200, 200]
    assert outgoing.media is not None
    assert outgoing.media.direction is MediaDirection.SENDRECV
