"""Whole calls between two user agents through memory."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sipio.errors import LocalError
from sipio.sip.address import Address
from sipio.sip.events import (
    CallReceived,
    DigitReceived,
    EndedBy,
    InfoReceived,
    MediaChanged,
    ReinviteFinished,
    SessionAnswered,
    SessionConfirmed,
    SessionEnded,
    SessionProgressed,
    SipEvent,
)
from sipio.sip.incoming import IncomingSession
from sipio.sip.media_description import Direction, LocalMedia
from sipio.sip.outgoing import OutgoingSession
from sipio.sip.serialize import InvalidHeader
from sipio.sip.settings import Credentials, UserAgentSettings
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


@pytest.fixture(params=["udp", "tcp"])
def pair(request: pytest.FixtureRequest) -> tuple[Network, Node, Node]:
    network = Network()
    return network, network.node(transport=request.param), network.node(transport=request.param)


def test_a_call_from_ringing_to_bye(pair: tuple[Network, Node, Node]) -> None:
    network, a, b = pair
    outgoing, incoming = call(network, a, b, headers=[("X-Account", "42")])
    assert incoming.request.get("x-account") == "42"
    assert incoming.call_id == outgoing.call_id == incoming.id
    incoming.ring()
    network.run(0.1)
    assert [event.status for event in a.told(SessionProgressed)] == [180]
    incoming.accept(b.media, headers=[("X-Answered-By", "script")])
    network.run(0.1)
    (answer,) = a.told(SessionAnswered)
    assert answer.response.get("x-answered-by") == "script"
    assert outgoing.media is not None
    assert incoming.media is not None
    assert (outgoing.media.remote_host, outgoing.media.remote_port) == ("10.0.0.2", 4000)
    assert (incoming.media.remote_host, incoming.media.remote_port) == ("10.0.0.1", 4000)
    assert outgoing.media.codec == incoming.media.codec == "PCMU"
    assert outgoing.media.dtmf_payload_type == 101
    incoming.bye([("Reason", 'Q.850;cause=16;text="Normal"')])
    assert incoming.ended
    network.run(0.1)
    assert ended(a).by is EndedBy.PEER
    assert (ended(a).cause, ended(a).reason, ended(a).answered) == (16, "BYE", True)
    assert ended(b).by is EndedBy.US
    quiet(network, a, b)


def test_the_caller_hangs_up(pair: tuple[Network, Node, Node]) -> None:
    network, a, b = pair
    outgoing, _ = answered(network, a, b)
    outgoing.end()
    network.run(0.1)
    assert ended(a).by is EndedBy.US
    assert ended(b).by is EndedBy.PEER
    quiet(network, a, b)


@pytest.mark.parametrize(("code", "reason"), [(486, "Busy Here"), (603, "Decline"), (404, "Not Found")])
def test_a_refusal(code: int, reason: str) -> None:
    network = Network()
    a, b = network.node(), network.node()
    _, incoming = call(network, a, b)
    incoming.reject(code, headers=[("Reason", "Q.850;cause=17")])
    network.run(0.1)
    assert (ended(a).status, ended(a).reason, ended(a).by, ended(a).cause) == (code, reason, EndedBy.PEER, 17)
    assert (ended(b).status, ended(b).by) == (code, EndedBy.US)
    quiet(network, a, b)


def test_a_redirection_is_reported_by_preference() -> None:
    network = Network()
    a, b = network.node(), network.node()
    _, _ = call(network, a, b)
    invite = b.told(CallReceived)[0].session.request
    headers = "".join(
        f"{name}: {value}\r\n" for name, value in invite.headers if name in {"Via", "From", "Call-ID", "CSeq"}
    )
    network.deliver(
        f"SIP/2.0 302 Moved\r\n{headers}To: <sip:100@10.0.0.2>;tag=x\r\nContact: <sip:1@c>;q=0.5, <sip:2@c>\r\n"
        "Contact: <sip:3@c>;q=0.7\r\nContent-Length: 0\r\n\r\n".encode(),
        b.address,
        a.address,
    )
    network.run(0.1)
    assert ended(a).contacts == ["sip:2@c", "sip:3@c", "sip:1@c"]


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


def test_bye_crossing_bye(pair: tuple[Network, Node, Node]) -> None:
    network, a, b = pair
    network.delay = (0.05, 0.05)
    outgoing, incoming = call(network, a, b)
    network.run(0.1)
    incoming.accept(b.media)
    network.run(0.5)
    outgoing.bye()
    incoming.bye()
    network.run(0.5)
    assert ended(a).by is ended(b).by is EndedBy.US
    finals = [line for node in (a, b) for line in node.first_lines() if line.startswith("SIP/2.0 4")]
    assert finals == []
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


def test_an_invite_sent_again_while_ringing_is_one_call() -> None:
    network = Network()
    a, b = network.node(), network.node()
    _, incoming = call(network, a, b)
    incoming.ring()
    network.run(0.1)
    before = len(b.sent)
    for _ in range(3):
        network.deliver(a.sent[0][1], a.address, b.address)
    network.run(0.1)
    assert len(b.told(CallReceived)) == 1
    assert b.first_lines()[before:] == ["SIP/2.0 180 Ringing"] * 3


def test_an_invite_sent_again_after_200_is_absorbed_and_the_200_repeats_by_its_own_timer() -> None:
    network = Network()
    a, b = network.node(), network.node()
    _, incoming = call(network, a, b)
    network.drop = lambda node, data: node is a and data.startswith(b"ACK")
    incoming.accept(b.media)
    network.deliver(a.sent[0][1], a.address, b.address)
    network.run(8)
    start, *rest = b.sent_times("SIP/2.0 200")
    assert [round(when - start, 3) for when in rest] == [0.5, 1.5, 3.5, 7.5]
    assert len(b.told(CallReceived)) == 1
    network.drop = lambda *_: False
    network.run(5)
    assert len(b.told(SessionConfirmed)) == 1
    before = len(b.sent)
    network.run(40)
    assert len(b.sent) == before


def test_an_ack_that_never_comes_ends_the_call_with_bye(pair: tuple[Network, Node, Node]) -> None:
    network, a, b = pair
    _, incoming = call(network, a, b)
    network.drop = lambda node, data: node is a and data.startswith(b"ACK")
    incoming.accept(b.media)
    network.run(31.9)
    assert not incoming.ended
    network.run(0.5)
    assert (ended(b).by, ended(b).reason) == (EndedBy.SYSTEM, "ACK never came")
    assert any(line.startswith("BYE") for line in b.first_lines())
    assert ended(a).reason == "BYE"
    assert b.agent.counters.unconfirmed == 1
    quiet(network, a, b)


def test_a_bye_of_ours_waits_for_the_ack() -> None:
    network = Network()
    a, b = network.node(), network.node()
    _, incoming = call(network, a, b)
    network.drop = lambda node, data: node is a and data.startswith(b"ACK")
    incoming.accept(b.media)
    network.run(0.1)
    incoming.bye()
    network.run(0.3)
    assert not any(line.startswith("BYE") for line in b.first_lines())
    network.drop = lambda *_: False
    network.run(1)
    assert [line for line in b.first_lines() if line.startswith("BYE")] == ["BYE sip:sidecar@10.0.0.1:5060 SIP/2.0"]
    assert not b.told(SessionConfirmed)
    quiet(network, a, b)


def test_hold_and_resume_by_either_side(pair: tuple[Network, Node, Node]) -> None:
    network, a, b = pair
    outgoing, incoming = answered(network, a, b)
    for ours, theirs, node in ((outgoing, incoming, a), (incoming, outgoing, b)):
        ours.hold()
        network.run(0.2)
        assert ours.media is not None
        assert theirs.media is not None
        assert (ours.media.direction, theirs.media.direction) == (Direction.SENDONLY, Direction.RECVONLY)
        assert theirs.media.peer_holds
        ours.resume()
        network.run(0.2)
        assert theirs.media.direction is Direction.SENDRECV
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


def test_an_options_in_a_dialog_changes_nothing_of_it() -> None:
    network = Network()
    a, b = network.node(), network.node()
    outgoing, incoming = answered(network, a, b)
    answers: list[int] = []
    outgoing._requests.send("OPTIONS", [], b"", lambda response, _: answers.append(response.status))
    incoming._requests.send("OPTIONS", [], b"", lambda response, _: answers.append(response.status))
    network.run(1)
    assert answers == [200, 200]
    outgoing.bye()
    network.run(1)
    assert ended(b).reason == "BYE"


def test_digits_and_other_info() -> None:
    network = Network()
    a, b = network.node(), network.node()
    outgoing, _ = answered(network, a, b)
    outgoing.send_digit("5", 250)
    network.run(0.1)
    outgoing.info("application/dtmf", b"#")
    network.run(0.1)
    outgoing.info("text/plain", b"hello")
    network.run(0.1)
    assert [(event.digit, event.duration_ms) for event in b.told(DigitReceived)] == [("5", 250), ("#", 0)]
    assert [event.request.body for event in b.told(InfoReceived)] == [b"hello"]
    with pytest.raises(LocalError):
        outgoing.info("text/plain\r\nX: y", b"")


def test_headers_that_would_break_a_message_are_refused() -> None:
    network = Network()
    a, b = network.node(), network.node()
    _, incoming = call(network, a, b)
    for header in [("X-A", "b\r\nVia: evil"), ("X A", "b"), ("Via", "x"), ("v", "x"), ("Content-Length", "0")]:
        with pytest.raises(InvalidHeader):
            incoming.accept(b.media, headers=[header])
    assert not incoming.answered


def test_early_media_then_the_answer() -> None:
    network = Network()
    a, b = network.node(), network.node()
    outgoing, incoming = call(network, a, b)
    incoming.progress(b.media)
    network.run(0.1)
    (early,) = a.told(MediaChanged)
    assert early.early
    assert early.media.remote_port == 4000
    assert b.told(MediaChanged)[0].early
    incoming.accept()
    network.run(0.1)
    assert outgoing.answered
    assert len(a.told(MediaChanged)) == 1
    incoming.bye()
    quiet(network, a, b)


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


def test_reliable_provisional_answers_in_order_and_confirmed() -> None:
    network = Network()
    a, b = network.node(), network.node()
    incoming = reliable(network, a, b)
    incoming.progress(b.media)
    incoming.ring()
    incoming.accept()
    network.run(1)
    assert a.told(SessionProgressed)[0].status == 183
    lines = [line.split()[0] for line in a.first_lines()[1:]]
    assert lines[0] == "PRACK"
    assert a.told(SessionAnswered)
    assert b.told(SessionConfirmed)
    last = b.sent[-1][1]
    assert last.startswith(b"SIP/2.0 200")
    assert b"m=audio" not in last


def test_reliable_provisional_answers_are_repeated_until_prack() -> None:
    network = Network()
    a, b = network.node(), network.node()
    incoming = reliable(network, a, b)
    network.drop = lambda _, data: data.startswith(b"PRACK")
    incoming.ring()
    network.run(33)
    start, *rest = b.sent_times("SIP/2.0 180")
    assert [round(when - start, 2) for when in rest] == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert (ended(b).status, ended(b).by) == (504, EndedBy.SYSTEM)
    assert len(a.told(SessionProgressed)) == 1
    quiet(network, a, b)


def test_an_invite_without_an_offer_gets_one_and_the_ack_answers_it() -> None:
    network = Network()
    _, b = network.node(), network.node()
    a = Address("udp", "10.0.0.1", 5060)
    invite = (
        "INVITE sip:1@10.0.0.2 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKx{0}\r\n"
        "From: <sip:a@b>;tag=1\r\nTo: <sip:1@10.0.0.2>{1}\r\nCall-ID: c\r\nCSeq: 1 {2}\r\n"
        "Contact: <sip:a@10.0.0.1>\r\nContent-Length: {3}\r\n\r\n{4}"
    )
    network.deliver(invite.format("1", "", "INVITE", 0, "").encode(), a, b.address)
    network.run(0.1)
    incoming = b.told(CallReceived)[0].session
    incoming.progress(b.media)
    incoming.accept(b.media)
    network.run(0.1)
    assert b"m=audio 4000 RTP/AVP 0 8 101" in b.sent[-1][1]
    assert not b.told(MediaChanged)
    tag = re.search(rb"To: .*?(;tag=\w+)", b.sent[-1][1])
    assert tag is not None
    sdp = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 7000 RTP/AVP 8\r\n"
    ack = invite.format("2", tag[1].decode(), "ACK", len(sdp), sdp).replace("INVITE sip:1@", "ACK sip:1@")
    network.deliver(ack.encode(), a, b.address)
    network.run(0.1)
    assert b.told(MediaChanged)[0].media.codec == "PCMA"
    assert b.told(SessionConfirmed)


def test_unknown_dialogs_get_481_and_old_sequence_numbers_500() -> None:
    network = Network()
    a, b = network.node(), network.node()
    outgoing, _ = answered(network, a, b)
    outgoing.send_digit("1")
    network.run(0.1)
    info = next(data for _, data in a.sent if data.startswith(b"INFO"))
    old = re.sub(rb"CSeq: \d+", b"CSeq: 1", info).replace(b"branch=z9hG4bK", b"branch=z9hG4bKold")
    stranger = info.replace(b";tag=", b";tag=x").replace(b"branch=z9hG4bK", b"branch=z9hG4bKnew")
    network.deliver(old, a.address, b.address)
    network.deliver(stranger, a.address, b.address)
    network.run(0.1)
    assert [line[:11] for line in b.first_lines()[-2:]] == ["SIP/2.0 500", "SIP/2.0 481"]
    assert len(b.told(DigitReceived)) == 1


def test_a_peer_that_forgot_the_dialog_ends_the_call() -> None:
    network = Network()
    a, b = network.node(), network.node()
    outgoing, _ = answered(network, a, b)
    b.agent._core.dialogs.clear()
    outgoing.hold()
    network.run(0.5)
    assert (ended(a).by, ended(a).reason) == (EndedBy.SYSTEM, "dialog unknown to the peer")


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


def test_several_phones_answer_one_invite_and_the_first_wins() -> None:
    network = Network()
    a = network.node()
    outgoing = a.agent.invite("sip:100@10.0.0.2", from_="sip:a@b", media=a.media)
    network.run(0.1)
    invite = a.sent[0][1]
    fork(network, a, invite, "one", "180 Ringing")
    fork(network, a, invite, "two", "183 Progress", body=True)
    assert outgoing.media is not None
    assert outgoing.media.codec == "PCMA"
    fork(network, a, invite, "one", "200 OK", body=True)
    assert len(a.told(SessionAnswered)) == 1
    fork(network, a, invite, "two", "200 OK", body=True)
    fork(network, a, invite, "two", "200 OK", body=True)
    fork(network, a, invite, "one", "200 OK", body=True)
    requests = [(line.split()[0], line.split()[1][4:7]) for line in a.first_lines()[1:]]
    assert requests == [("ACK", "one"), ("ACK", "two"), ("BYE", "two"), ("ACK", "two"), ("ACK", "one")]
    assert not outgoing.ended


def test_sessions_over_the_limit_get_503_and_those_in_progress_go_on() -> None:
    network = Network()
    a = network.node()
    b = network.node(UserAgentSettings(sessions=2, retry_after_seconds=7))
    sessions = [a.agent.invite("sip:1@10.0.0.2", from_="sip:a@b", media=a.media) for _ in range(5)]
    network.run(0.1)
    assert [session.ended for session in sessions] == [False, False, True, True, True]
    assert {event.status for event in a.told(SessionEnded)} == {503}
    assert ("Retry-After", "7") in a.told(SessionEnded)[0].headers
    for event in b.told(CallReceived):
        event.session.accept(b.media)
    network.run(0.1)
    assert len(b.told(SessionConfirmed)) == 2
    assert b.agent.counters.overload == 3
    sessions[0].bye()
    network.run(0.1)
    _, incoming = call(network, a, b)
    assert not incoming.ended


def test_draining_refuses_new_calls_only() -> None:
    network = Network()
    a, b = network.node(), network.node()
    outgoing, _ = answered(network, a, b)
    b.agent.drain()
    second = a.agent.invite("sip:1@10.0.0.2", from_="sip:a@b", media=a.media)
    network.run(0.1)
    assert second.ended
    assert not outgoing.ended
    b.agent.shut_down()
    network.run(0.1)
    assert outgoing.ended
    quiet(network, a, b)


def test_session_timers_refresh_while_both_are_there_and_end_the_call_when_one_goes() -> None:
    network = Network()
    short = UserAgentSettings(session_expires_seconds=90)
    a, b = network.node(short), network.node(short)
    outgoing, incoming = answered(network, a, b)
    network.run(400)
    updates = [line for line in a.first_lines() if line.startswith("UPDATE")]
    assert len(updates) == 8
    assert not outgoing.ended
    network.drop = lambda node, _: node is a
    network.run(91)
    assert incoming.ended
    assert (ended(b).reason, ended(b).by) == ("session timer", EndedBy.SYSTEM)


def test_a_session_interval_that_is_too_small_is_answered_422_and_tried_again() -> None:
    network = Network()
    a = network.node(UserAgentSettings(session_expires_seconds=100))
    b = network.node(UserAgentSettings(minimum_session_expires_seconds=300))
    _, incoming = call(network, a, b)
    assert "SIP/2.0 422 Session Interval Too Small" in b.first_lines()
    assert incoming.request.get("session-expires") == "300"


def test_a_call_to_a_user_is_challenged_and_the_password_proved() -> None:
    network = Network()
    a = network.node()
    b = network.node(UserAgentSettings(users=(Credentials(username="alice", password="secret"),)))
    _, incoming = call(network, a, b, credentials=Credentials(username="alice", password="secret"))
    assert incoming.user == "alice"
    wrong = a.agent.invite(
        "sip:1@10.0.0.2", from_="sip:alice@x", media=a.media, credentials=Credentials(username="alice", password="x")
    )
    without = a.agent.invite("sip:1@10.0.0.2", from_="sip:alice@x", media=a.media)
    network.run(0.2)
    assert wrong.ended
    assert without.ended
    assert [event.status for event in a.told(SessionEnded)] == [407, 407]
    assert len(b.told(CallReceived)) == 1


def test_no_answer_at_all_is_a_timeout_by_timer_b() -> None:
    network = Network()
    a = network.node()
    a.agent.invite("sip:1@10.9.9.9", from_="sip:a@b", media=a.media)
    network.run(33)
    start, *rest = a.sent_times("INVITE")
    assert [round(when - start, 2) for when in rest] == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert (ended(a).status, ended(a).by) == (408, EndedBy.SYSTEM)


def test_a_broken_transport_ends_what_waits_for_it() -> None:
    network = Network()
    a = network.node(transport="tcp")
    a.agent.invite("sip:1@10.9.9.9;transport=tcp", from_="sip:a@b", media=a.media)
    network.run(0.1)
    a.agent.transport_failed(Address("tcp", "10.9.9.9", 5060))
    network.run(0.1)
    assert (ended(a).status, ended(a).by, ended(a).reason) == (503, EndedBy.SYSTEM, "transport failed")


def test_nobody_answering_ends_with_480_and_provisional_answers_are_repeated() -> None:
    network = Network()
    a, b = network.node(), network.node()
    _, incoming = call(network, a, b)
    incoming.ring()
    network.run(181)
    assert ended(a).status == 480
    assert len(b.sent_times("SIP/2.0 180")) == 3
    quiet(network, a, b)


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


def storm(network: Network, calls: int, hang_up_by_callee: bool) -> tuple[Node, Node]:
    a, b = network.node(), network.node()
    serve(b, hang_up_by_callee)

    def on_event(event: SipEvent) -> None:
        if isinstance(event, SessionAnswered) and not hang_up_by_callee:
            event.session.bye()

    a.on_event = on_event
    for _ in range(calls):
        a.agent.invite("sip:100@10.0.0.2", from_="sip:a@b", media=a.media)
        network.run(0.01)
    network.run(120)
    return a, b


@pytest.mark.parametrize("by_callee", [True, False])
def test_all_of_500_calls_succeed_at_5_percent_loss(by_callee: bool) -> None:
    network = Network(loss=0.05, seed=3)
    a, b = storm(network, 250, by_callee)
    assert len(a.told(SessionAnswered)) == 250
    assert len(b.told(SessionConfirmed)) == (250 if by_callee else len(b.told(SessionConfirmed)))
    assert len(b.told(CallReceived)) == 250
    assert len(a.told(SessionEnded)) == len(b.told(SessionEnded)) == 250
    quiet(network, a, b)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    loss=st.floats(0, 0.25),
    duplicates=st.floats(0, 0.5),
    spread=st.floats(0, 0.8),
    by_callee=st.booleans(),
)
def test_whatever_the_network_does_every_call_ends_once_on_both_sides(
    seed: int, loss: float, duplicates: float, spread: float, by_callee: bool
) -> None:
    network = Network(loss=loss, duplicates=duplicates, delay=(0.001, 0.001 + spread), seed=seed)
    a, b = storm(network, 5, by_callee)
    assert len(a.told(SessionEnded)) == 5
    assert len(b.told(SessionEnded)) == len(b.told(CallReceived)) <= 5
    for node in (a, b):
        for session in {event.session for event in node.told(SessionEnded)}:
            kinds = [type(event) for event in node.events if getattr(event, "session", None) is session]
            assert kinds[-1] is SessionEnded
            assert kinds.count(SessionEnded) == 1
    quiet(network, a, b)


def test_a_peer_that_does_not_take_update_is_refreshed_by_reinvite() -> None:
    network = Network()
    short = UserAgentSettings(session_expires_seconds=90)
    a, b = network.node(short), network.node(short)
    network.rewrite = lambda data: data.replace(b", UPDATE", b"")
    _, incoming = answered(network, a, b)
    network.run(200)
    assert sum(line.startswith("INVITE") for line in a.first_lines()) == 5
    assert not a.told(ReinviteFinished)
    assert not incoming.ended
    assert len(b.told(MediaChanged)) == 1


def test_a_refresh_that_is_lost_is_sent_again_before_the_session_ends() -> None:
    network = Network()
    short = UserAgentSettings(session_expires_seconds=90)
    a, b = network.node(short), network.node(short)
    outgoing, incoming = answered(network, a, b)
    network.drop = lambda node, _: node is a
    network.run(50)
    network.drop = lambda *_: False
    network.run(300)
    assert not outgoing.ended
    assert not incoming.ended


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


def test_a_prack_for_another_answer_gets_481_and_confirms_nothing() -> None:
    network = Network()
    a, b = network.node(), network.node()
    incoming = reliable(network, a, b)
    network.drop = lambda _, data: data.startswith(b"PRACK")
    incoming.ring()
    network.run(0.1)
    prack = next(data for _, data in a.sent if data.startswith(b"PRACK"))
    network.deliver(re.sub(rb"RAck: \d+", b"RAck: 1", prack), a.address, b.address)
    network.run(1)
    assert "SIP/2.0 481 Call/Transaction Does Not Exist" in b.first_lines()
    assert len(b.sent_times("SIP/2.0 180")) == 2


def test_a_refresh_that_is_refused_is_tried_again_before_the_session_ends() -> None:
    network = Network()
    short = UserAgentSettings(session_expires_seconds=90)
    a, b = network.node(short), network.node(short)
    outgoing, _ = answered(network, a, b)
    refused: list[bytes] = []

    def refuse_once(data: bytes) -> bytes:
        if not refused and b" UPDATE\r\n" in data and data.startswith(b"SIP/2.0 200"):
            refused.append(data)
            return data.replace(b"200 OK", b"500 Overloaded")
        return data

    network.rewrite = refuse_once
    network.run(200)
    assert refused
    assert not outgoing.ended


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


def test_an_update_with_sdp_before_any_media_is_there_is_put_off() -> None:
    network = Network()
    a, b = network.node(), network.node()
    _, incoming = call(network, a, b)
    incoming.ring()
    network.run(0.1)
    a.told(SessionProgressed)[0].session._requests.send("UPDATE", [("Content-Type", "application/sdp")], b"v=0\r\n")
    network.run(0.1)
    assert b.first_lines()[-1] == "SIP/2.0 500 Server Internal Error"
    assert b"\r\nRetry-After: " in b.sent[-1][1]


def test_a_challenged_bye_is_sent_again_with_the_password() -> None:
    network = Network()
    a, b = network.node(), network.node()
    password = Credentials(username="alice", password="secret")
    outgoing, incoming = call(network, a, b, credentials=password)
    incoming.accept(b.media)
    network.run(0.1)

    def challenge_once(data: bytes) -> bytes:
        if data.startswith(b"SIP/2.0 200") and b" BYE\r\n" in data and len(a.sent_times("BYE")) == 1:
            rest = data.partition(b"\r\n")[2]
            return b'SIP/2.0 407 No\r\nProxy-Authenticate: Digest realm="x", nonce="n"\r\n' + rest
        return data

    network.rewrite = challenge_once
    outgoing.bye()
    network.run(1)
    assert len(a.sent_times("BYE")) == 2
    assert b"\r\nProxy-Authorization: Digest " in [data for _, data in a.sent if data.startswith(b"BYE")][1]
    quiet(network, a, b)


def test_record_routes_and_a_strict_router_are_followed() -> None:
    network = Network()
    a = network.node()
    a.agent.invite("sip:100@10.0.0.2", from_="sip:a@b", media=a.media)
    network.run(0.1)
    for routes, uri, following in [
        ("<sip:10.0.0.8;lr>, <sip:10.0.0.7;lr>", "sip:one@10.0.0.2", ["<sip:10.0.0.7;lr>", "<sip:10.0.0.8;lr>"]),
        ("<sip:10.0.0.8>, <sip:10.0.0.7>", "sip:10.0.0.7", ["<sip:10.0.0.8>", "<sip:two@10.0.0.2>"]),
    ]:
        tag = "one" if "one" in uri else "two"
        fork(network, a, a.sent[0][1], tag, "200 OK", body=True, more=f"Record-Route: {routes}\r\n")
        ack = [data for _, data in a.sent if data.startswith(b"ACK")][-1].decode()
        assert ack.startswith(f"ACK {uri} SIP/2.0\r\n")
        assert [line[7:] for line in ack.split("\r\n") if line.startswith("Route: ")] == following


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1_000_000), transport=st.sampled_from(["udp", "tcp"]), by_callee=st.booleans())
def test_messages_damaged_on_the_way_raise_nothing_and_leave_nothing(
    seed: int, transport: str, by_callee: bool
) -> None:
    network = Network(seed=seed)

    def damage(data: bytes) -> bytes:
        if network.random.random() < 0.8:
            return data
        begin = network.random.randrange(len(data))
        junk = network.random.choice([b"", b"\r\n", b"\xff", b"0", b";", b",", b'"', b"<", b"-1", b"\0"])
        return data[:begin] + junk + data[begin + network.random.randrange(6) :]

    a, b = network.node(transport=transport), network.node(transport=transport)
    network.rewrite = damage
    serve(b, by_callee)
    for _ in range(6):
        outgoing = a.agent.invite(f"sip:1@10.0.0.2;transport={transport}", from_="sip:a@b", media=a.media)
        network.run(0.5)
        outgoing.hold()
        network.run(0.5)
        outgoing.send_digit("1")
        network.run(0.5)
        if not by_callee:
            outgoing.end()
    network.run(100)
    for node in (a, b):
        node.agent.shut_down()
    network.run(2)
    quiet(network, a, b)
    assert len(a.told(SessionEnded)) == 6
    assert len(b.told(SessionEnded)) == len(b.told(CallReceived))


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


def test_a_phone_that_knows_nothing_of_info_before_it_answers_goes_on_ringing() -> None:
    network = Network()
    a = network.node()
    outgoing = a.agent.invite("sip:100@10.0.0.2", from_="sip:a@b", media=a.media)
    network.run(0.1)
    fork(network, a, a.sent[0][1], "one", "180 Ringing")
    outgoing.send_digit("1")
    network.run(0.1)
    fork(network, a, a.sent[-1][1], "one", "481 Gone")
    assert not outgoing.ended
    fork(network, a, a.sent[0][1], "one", "200 OK", body=True)
    assert outgoing.answered
