"""Requests too long for a datagram: over TCP, and over UDP all the same where the peer takes no connection."""

import pytest

from sipio.sip.address import Address
from sipio.sip.events import SessionEnded
from sipio.sip.large_requests import REFUSED, REFUSED_SECONDS, LargeRequests
from sipio.sip.media_description import LocalMedia
from sipio.sip.message import Request, parse_message
from sipio.sip.outgoing import OutgoingSession
from sipio.sip.randomness import Randomness
from sipio.sip.settings import UserAgentSettings
from sipio.sip.user_agent import UserAgent
from sipio.sip.via import parse_via

PEER = Address("udp", "10.0.0.2", 5060, "udp")
STREAM = Address("tcp", "10.0.0.2", 5060, "tcp")
LONG = [("X-Long", "x" * 900)]


class Caller:
    """A user agent of its own, with a clock that is set."""

    def __init__(self, *transports: str) -> None:
        self.now = 100.0
        self.agent = UserAgent(UserAgentSettings(), clock=lambda: self.now, randomness=Randomness(3))
        for transport in transports:
            self.agent.listen(transport, Address(transport, "10.0.0.1", 5060))

    def invite(self, headers: list[tuple[str, str]] | None = None) -> OutgoingSession:
        media = LocalMedia(host="10.0.0.1", port=4_000)
        return self.agent.invite("sip:100@10.0.0.2", from_="sip:a@b", media=media, headers=headers)

    def sent(self) -> list[tuple[Address, Request]]:
        found = []
        for destination, data in self.agent.take_outgoing():
            message = parse_message(data)
            assert isinstance(message, Request)
            found.append((destination, message))
        return found

    def answer(self, request: Request, status: int) -> None:
        lines = [f"{name}: {request.get(name)}" for name in ("Via", "From", "To", "Call-ID", "CSeq")]
        lines[2] += ";tag=9"
        self.agent.receive("\r\n".join([f"SIP/2.0 {status} X", *lines, "", ""]).encode(), PEER)


def test_a_request_over_1300_bytes_goes_over_tcp_and_shorter_ones_do_not() -> None:
    caller = Caller("udp", "tcp")
    caller.invite()
    caller.invite(LONG)
    (first, short), (second, long) = caller.sent()
    assert first == PEER
    assert len(short.raw) <= 1_300 < len(long.raw)
    assert second == STREAM
    assert parse_via(short.get("via") or "").transport == "UDP"
    assert parse_via(long.get("via") or "").transport == "TCP"
    # A reliable transport: nothing is sent again.
    caller.now += 3
    caller.agent.handle_timers()
    assert [message.get("call-id") for _, message in caller.sent()] == [short.get("call-id")]


def test_where_no_connection_is_taken_it_goes_over_udp_and_the_next_one_at_once() -> None:
    caller = Caller("udp", "tcp")
    session = caller.invite(LONG)
    ((_, tried),) = caller.sent()
    caller.agent.transport_failed(STREAM)
    ((where, again),) = caller.sent()
    assert where == PEER
    via, before = parse_via(again.get("via") or ""), parse_via(tried.get("via") or "")
    assert via.transport == "UDP"
    assert via.branch != before.branch
    assert again.headers[1:] == tried.headers[1:]
    assert again.body == tried.body
    caller.now += 0.5
    caller.agent.handle_timers()
    ((_, repeated),) = caller.sent()
    assert repeated.raw == again.raw
    # It is the same call: it can be given up, and its refusal is its end.
    caller.answer(again, 180)
    session.cancel()
    ((where, cancel),) = caller.sent()
    assert (where, cancel.method) == (PEER, "CANCEL")
    assert cancel.get("via") == again.get("via")
    caller.answer(again, 487)
    assert session.ended
    caller.sent()
    caller.invite(LONG)
    assert [where for where, _ in caller.sent()] == [PEER]
    caller.now += REFUSED_SECONDS + 1
    caller.invite(LONG)
    assert [where for where, _ in caller.sent()] == [STREAM]


def test_a_connection_lost_after_a_provisional_answer_is_a_broken_transport() -> None:
    caller = Caller("udp", "tcp")
    caller.invite(LONG)
    ((_, tried),) = caller.sent()
    caller.answer(tried, 100)
    caller.agent.transport_failed(STREAM)
    assert caller.sent() == []
    assert [event.reason for event in iter(caller.agent.next_event, None) if isinstance(event, SessionEnded)] == [
        "transport failed"
    ]


def test_who_does_not_listen_on_tcp_sends_over_udp_whatever_the_size() -> None:
    caller = Caller("udp")
    caller.invite(LONG)
    assert [where for where, _ in caller.sent()] == [PEER]


@pytest.mark.parametrize(("size", "over_tcp"), [(1_300, False), (1_301, True)])
def test_the_limit(size: int, over_tcp: bool) -> None:
    requests = LargeRequests(lambda _: STREAM)
    assert (requests.stream(PEER, size, 0.0) is not None) is over_tcp


def test_peers_that_take_no_connection_are_forgotten_past_a_limit() -> None:
    requests = LargeRequests(lambda _: STREAM)
    for port in range(1, REFUSED + 2):
        requests.refused(STREAM._replace(port=port), 0.0)
    assert len(requests._refused) == 1
