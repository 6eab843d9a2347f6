"""The table of an INVITE session, and real sessions beside it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sipio.sip.events import CallReceived, SessionAnswered, SessionConfirmed, SessionEnded
from sipio.sip.incoming import IncomingSession
from sipio.sip.outgoing import OutgoingSession
from sipio.sip.session import Session
from sipio.sip.session_table import (
    ANSWERED,
    AWAITING_ACK,
    ENDED,
    GIVEN_UP,
    INCOMING,
    OUTGOING,
    SessionInput,
    SessionState,
    SessionTable,
)
from tests.sipio.sip.sip_network import Network, Node

SIDES = pytest.mark.parametrize(
    ("table", "start"), [(OUTGOING, SessionState.LOCATING), (INCOMING, SessionState.EARLY)], ids=["caller", "callee"]
)


def reachable(table: SessionTable, start: SessionState) -> set[SessionState]:
    found, waiting = {start}, [start]
    while waiting:
        for following in table.get(waiting.pop(), {}).values():
            if following not in found:
                found.add(following)
                waiting.append(following)
    return found


@SIDES
def test_every_state_of_a_table_is_reached_and_every_one_reached_is_in_it(
    table: SessionTable, start: SessionState
) -> None:
    assert reachable(table, start) == {*table, SessionState.TERMINATED}


def test_every_state_and_every_input_is_of_use_to_somebody() -> None:
    assert {*OUTGOING, *INCOMING, SessionState.TERMINATED} == set(SessionState)
    used = {what for table in (OUTGOING, INCOMING) for moves in table.values() for what in moves}
    assert used == set(SessionInput)


@SIDES
def test_every_state_comes_to_an_end_and_nothing_comes_after_it(table: SessionTable, start: SessionState) -> None:
    for state in reachable(table, start):
        assert SessionState.TERMINATED in reachable(table, state)
    assert SessionState.TERMINATED not in table


@SIDES
@given(inputs=st.lists(st.sampled_from(SessionInput), max_size=40))
def test_no_sequence_of_inputs_reaches_a_state_that_is_not_there(
    table: SessionTable, start: SessionState, inputs: list[SessionInput]
) -> None:
    state = start
    for what in inputs:
        before, state = state, table.get(state, {}).get(what, state)
        assert state in table or state is SessionState.TERMINATED
        # Answered once, ended once: none of it is taken back.
        assert not (before in ENDED and state not in ENDED)
        assert not (before in ANSWERED and state not in ANSWERED | ENDED)
        assert not (before in GIVEN_UP and state not in GIVEN_UP | ENDED)


@SIDES
def test_where_an_ack_is_awaited_it_or_its_timeout_moves_and_a_bye_is_held_back(
    table: SessionTable, start: SessionState
) -> None:
    for state in reachable(table, start):
        moves = table.get(state, {})
        assert (SessionInput.ACK in moves) == (SessionInput.ACK_TIMEOUT in moves) == (state in AWAITING_ACK)
        if SessionInput.HANG_UP in moves:
            following = SessionState.BYE_DEFERRED if state in AWAITING_ACK else SessionState.TERMINATING
            assert moves[SessionInput.HANG_UP] is following


COMMANDS = (
    ("ring", "progress", "hold", "resume", "reinvite", "info") * 2
    + ("accept",) * 6
    + ("reject", "cancel", "bye", "end")
)
"""So many of each that a call is rather answered than ended."""


def command(name: str, session: Session, node: Node) -> None:
    """What a driver may do at any time; what has no place in a state is to do nothing."""
    match name, session:
        case "ring", IncomingSession():
            session.ring()
        case "progress", IncomingSession():
            session.progress(node.media)
        case "accept", IncomingSession():
            session.accept(node.media)
        case "reject", IncomingSession():
            session.reject(486)
        case "cancel", OutgoingSession():
            session.cancel()
        case "bye", _:
            session.bye()
        case "end", _:
            session.end()
        case "hold", _:
            session.hold()
        case "resume", _:
            session.resume()
        case "reinvite", _:
            session.reinvite(node.media)
        case "info", _:
            session.send_digit("5")


def check(session: Session, node: Node) -> None:
    """The state says what is there, what was told and what is waited for."""
    table = INCOMING if isinstance(session, IncomingSession) else OUTGOING
    assert session.state in table or session.state is SessionState.TERMINATED
    assert session.ended == (session.state in ENDED)
    assert sum(event.session is session for event in node.told(SessionEnded)) == session.ended
    assert (session._pending_ack is not None) == (session.state in AWAITING_ACK)
    if session.state in ANSWERED:
        assert session.answered
    if session.state is SessionState.TERMINATED:
        assert session not in node.agent._core.dialogs.values()
    up = [event.session for event in node.events if isinstance(event, SessionAnswered | SessionConfirmed)]
    if session in up:
        assert session.answered
        assert session.state in ANSWERED | ENDED


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    loss=st.sampled_from([0.0, 0.3]),
    requires_100rel=st.booleans(),
    steps=st.lists(
        st.tuples(st.booleans(), st.sampled_from(COMMANDS), st.sampled_from([0.0, 0.01, 0.3, 5.0])),
        min_size=2,
        max_size=16,
    ),
)
def test_whatever_two_drivers_do_their_sessions_keep_to_the_table_and_end(
    seed: int, loss: float, requires_100rel: bool, steps: list[tuple[bool, str, float]]
) -> None:
    network = Network(loss=loss, delay=(0.005, 0.02), seed=seed)
    a, b = network.node(), network.node()
    if requires_100rel:
        network.rewrite = lambda data: data.replace(b"Supported: 100rel, timer", b"Require: 100rel")
    outgoing = a.agent.invite("sip:100@10.0.0.2", from_="sip:a@b", media=a.media)
    network.run(0.05)
    for by_callee, name, wait in steps:
        for event in b.told(CallReceived) if by_callee else ():
            command(name, event.session, b)
        if not by_callee:
            command(name, outgoing, a)
        network.run(wait)
        check(outgoing, a)
        for event in b.told(CallReceived):
            check(event.session, b)
    for node in (a, b):
        node.agent.shut_down()
    network.run(80)
    for node in (a, b):
        assert not node.agent.busy
        assert node.agent.transactions == 0
        assert node.agent.sessions == 0
    check(outgoing, a)
    assert outgoing.state is SessionState.TERMINATED
    for event in b.told(CallReceived):
        assert event.session.state is SessionState.TERMINATED
