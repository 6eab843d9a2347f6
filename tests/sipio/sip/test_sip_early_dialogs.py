"""Before the answer: early media, reliable provisional answers, offers put off, several phones at one INVITE."""

import re

from sipio.sip.address import Address
from sipio.sip.events import (
    CallReceived,
    EndedBy,
    MediaChanged,
    SessionAnswered,
    SessionConfirmed,
    SessionProgressed,
)
from tests.sipio.sip.sip_calls import call, ended, fork, quiet, reliable
from tests.sipio.sip.sip_network import Network


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


def test_nobody_answering_ends_with_480_and_provisional_answers_are_repeated() -> None:
    network = Network()
    a, b = network.node(), network.node()
    _, incoming = call(network, a, b)
    incoming.ring()
    network.run(181)
    assert ended(a).status == 480
    assert len(b.sent_times("SIP/2.0 180")) == 3
    quiet(network, a, b)
