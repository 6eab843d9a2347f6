"""Calls that are refused, redirected, challenged, or reach nobody."""

import pytest

from sipio.call_control import CallLimits
from sipio.sip.address import Address
from sipio.sip.events import (
    CallReceived,
    EndedBy,
    SessionConfirmed,
    SessionEnded,
)
from sipio.sip.settings import Credentials, UserAgentSettings
from tests.sipio.sip.sip_calls import answered, call, ended, quiet
from tests.sipio.sip.sip_network import Network, Node


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


def test_sessions_over_the_limit_get_503_and_those_in_progress_go_on() -> None:
    network = Network()
    a = network.node()
    b = network.node(UserAgentSettings(limits=CallLimits(calls=2, retry_after_seconds=7)))
    sessions = [a.agent.invite("sip:1@10.0.0.2", from_="sip:a@b", media=a.media) for _ in range(5)]
    network.run(0.1)
    assert [session.ended for session in sessions] == [False, False, True, True, True]
    assert {event.status for event in a.told(SessionEnded)} == {503}
    assert ("Retry-After", "7") in a.told(SessionEnded)[0].headers
    for event in b.told(CallReceived):
        event.session.accept(b.media)
    network.run(0.1)
    assert len(b.told(SessionConfirmed)) == 2
    assert b.agent.snapshot().over_limit == 3
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


@pytest.mark.parametrize("sender", ["sip:1001@x", "sip:1001;tgrp=a@x", "sip:10%301@x", "sip:10-01@x;user=phone"])
def test_no_spelling_of_a_users_number_is_believed_without_its_password(sender: str) -> None:
    network = Network()
    a = network.node()
    b = network.node(UserAgentSettings(users=(Credentials(username="1001", password="secret"),)))
    a.agent.invite("sip:1@10.0.0.2", from_=f"<{sender}>", media=a.media)
    network.run(0.2)
    assert [event.status for event in a.told(SessionEnded)] == [407]
    assert not b.told(CallReceived)


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


def probe(network: Network, node: Node) -> str:
    """The status line and Retry-After that an OPTIONS from outside of every call is answered with."""
    network.deliver(
        f"OPTIONS sip:{node.address.host} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK{len(node.sent)}\r\n"
        f"From: <sip:p@x>;tag=1\r\nTo: <sip:{node.address.host}>\r\nCall-ID: probe\r\nCSeq: 1 OPTIONS\r\n\r\n".encode(),
        Address("udp", "10.0.0.9", 5060),
        node.address,
    )
    network.run(0.01)
    head = node.sent[-1][1].decode()
    return head[8:11] + (" Retry-After" if "\r\nRetry-After: 5\r\n" in head else "")


def test_options_is_answered_as_a_call_would_be() -> None:
    network = Network()
    a, b = network.node(), network.node(UserAgentSettings(limits=CallLimits(calls=1)))
    assert probe(network, b) == "200"
    outgoing, _ = answered(network, a, b)
    assert probe(network, b) == "503 Retry-After"
    outgoing.bye()
    network.run(0.1)
    assert probe(network, b) == "200"
    b.takes_calls = False
    assert probe(network, b) == "503 Retry-After"
    b.takes_calls = True
    b.agent.drain()
    assert probe(network, b) == "503 Retry-After"


def test_options_inside_of_a_call_is_about_that_call() -> None:
    network = Network()
    a, b = network.node(), network.node()
    outgoing, _ = answered(network, a, b)
    b.agent.drain()
    answers: list[int] = []
    outgoing._requests.send("OPTIONS", [], b"", lambda response, _: answers.append(response.status))
    network.run(0.1)
    assert answers == [200]
