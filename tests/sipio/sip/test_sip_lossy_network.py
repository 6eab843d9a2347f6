"""Calls through a network that loses, doubles, delays and damages what it carries."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sipio.sip.events import (
    CallReceived,
    SessionAnswered,
    SessionConfirmed,
    SessionEnded,
    SipEvent,
)
from tests.sipio.sip.sip_calls import quiet, serve
from tests.sipio.sip.sip_network import Network, Node


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
