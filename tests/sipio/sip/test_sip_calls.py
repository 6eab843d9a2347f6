"""Whole calls between two user agents through memory: their answer, their end, and what is sent in them."""

import re

import pytest

from sipio.errors import LocalError
from sipio.sip.events import (
    CallReceived,
    DigitReceived,
    EndedBy,
    SessionAnswered,
    SessionConfirmed,
    SessionProgressed,
)
from sipio.sip.serialize import InvalidHeader
from sipio.sip.settings import Credentials
from tests.sipio.sip.sip_calls import answered, call, ended, fork, quiet
from tests.sipio.sip.sip_network import Network, Node


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


def test_an_invite_is_told_to_be_tried_only_where_nothing_else_is_said_within_200_ms(
    pair: tuple[Network, Node, Node],
) -> None:
    network, a, b = pair
    answered(network, a, b)
    network.run(1.0)
    assert b.sent_times("SIP/2.0 100 ") == []
    began = network.now
    _, incoming = call(network, a, b)
    network.run(0.4)
    (tried,) = b.sent_times("SIP/2.0 100 ")
    assert began + 0.1 < tried < began + 0.202
    incoming.accept(b.media)
    network.run(0.1)
    assert len(a.told(SessionAnswered)) == 2


def test_an_invite_that_comes_again_before_is_told_so_at_once(pair: tuple[Network, Node, Node]) -> None:
    network, a, b = pair
    _, incoming = call(network, a, b)
    assert b.sent_times("SIP/2.0 100 ") == []
    network.deliver(incoming.request.raw, a.address, b.address)
    began = network.now
    network.run(0.01)
    assert b.sent_times("SIP/2.0 100 ") == [pytest.approx(began)]
    network.run(1.0)
    assert len(b.sent_times("SIP/2.0 100 ")) == 1


def test_the_caller_hangs_up(pair: tuple[Network, Node, Node]) -> None:
    network, a, b = pair
    outgoing, _ = answered(network, a, b)
    outgoing.end()
    network.run(0.1)
    assert ended(a).by is EndedBy.US
    assert ended(b).by is EndedBy.PEER
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
    assert b.agent.snapshot().unconfirmed == 1
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


def test_an_options_in_a_dialog_changes_nothing_of_it() -> None:
    network = Network()
    a, b = network.node(), network.node()
    outgoing, incoming = answered(network, a, b)
    answers: list[int] = []
    outgoing._requests.send("OPTIONS", [], b"", lambda response, _: answers.append(response.status))
    incoming._requests.send("OPTIONS", [], b"", lambda response, _: answers.append(response.status))
    network.run(1)
    assert answers == [200, 200]
    assert [outgoing.heard_at, incoming.heard_at] == pytest.approx([1_000.2] * 2, abs=0.1)
    network.run(5)
    outgoing.send_digit("5")
    network.run(1)
    assert [outgoing.heard_at, incoming.heard_at] == pytest.approx([1_006.2] * 2, abs=0.1), "of an answer too"
    network.drop = lambda node, _: node is a
    outgoing.send_digit("6")
    network.run(40)
    assert [outgoing.heard_at, incoming.heard_at] == pytest.approx([1_006.2] * 2, abs=0.1)
    network.drop = lambda *_: False
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
    assert b.first_lines()[-3:] == ["SIP/2.0 200 OK", "SIP/2.0 200 OK", "SIP/2.0 415 Unsupported Media Type"]
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
