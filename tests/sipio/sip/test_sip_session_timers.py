"""Session timers (RFC 4028): calls are kept alive, and ended where the other end has gone."""

from sipio.sip.events import EndedBy, MediaChanged, ReinviteFinished, SessionConfirmed, SessionProgressed
from sipio.sip.settings import UserAgentSettings
from tests.sipio.sip.sip_calls import answered, call, ended
from tests.sipio.sip.sip_network import Network


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


def test_a_session_timer_that_began_before_the_answer_ends_no_call_that_is_still_ringing() -> None:
    network = Network()
    a, b = network.node(), network.node()
    _, incoming = call(network, a, b)
    incoming.ring()
    network.run(0.1)
    update = [("Session-Expires", "90;refresher=uac"), ("Supported", "timer")]
    a.told(SessionProgressed)[0].session._requests.send("UPDATE", update)
    network.run(0.1)
    assert b"\r\nSession-Expires: 90" in b.sent[-1][1]
    network.run(100)
    assert not incoming.ended
    incoming.accept(b.media)
    network.run(0.1)
    assert b.told(SessionConfirmed)
