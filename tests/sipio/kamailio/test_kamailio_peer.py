"""One Kamailio's conversation, through memory."""

from collections.abc import Callable
from typing import Any

import pytest

from sipio.errors import MalformedFrame, MalformedMessage, OversizedFrame
from sipio.kamailio.limits import KamailioLimits
from sipio.kamailio.messages import CallEnded
from sipio.kamailio.netstring import NetstringDecoder, encode
from sipio.kamailio.outbox import MARK_SECONDS
from sipio.kamailio.peer import KamailioPeer
from sipio.routing import Action, Decision, HeaderChanges, Router, RoutingRequest, pack_routing, unpack_routing
from tests.sipio.kamailio.kamailio_doubles import EchoRouter, HoldingRouter, Pending, cancel, question


class Conversation:
    """A connected peer and what it has written."""

    def __init__(self, router: Router, **limits: int) -> None:
        self.wakes = 0
        self.ended: list[CallEnded] = []
        self.peer = KamailioPeer(
            "127.0.0.1:8448",
            router,
            KamailioLimits(**limits),
            wake=self._wake,
            on_call_ended=lambda _peer, ended: self.ended.append(ended),
        )
        self.peer.connected()

    def _wake(self) -> None:
        self.wakes += 1

    def hears(self, *frames: bytes) -> None:
        self.peer.receive(b"".join(encode(frame) for frame in frames))

    def said(self) -> list[bytes]:
        return NetstringDecoder(100_000).feed(b"".join(self.peer.outbox.take(0.0)))


def unchanged(router: HoldingRouter, index: int) -> Decision:
    return Decision(action=Action.ROUTE, routing=router.asked[index].routing)


def test_answers_leave_as_they_are_made_in_one_write() -> None:
    router = HoldingRouter()
    talk = Conversation(router)
    talk.hears(question(1), question(2), question(3))
    assert talk.said() == []
    router.answers[2](unchanged(router, 2))
    router.answers[0](unchanged(router, 0))
    assert talk.wakes == 2
    writes = talk.peer.outbox.take(0.0)
    assert writes == [b"17:c;1003;3000000003,17:c;1001;3000000001,"]
    assert talk.peer.snapshot().in_flight == 1


def test_a_router_may_answer_at_once() -> None:
    talk = Conversation(EchoRouter())
    talk.hears(question())
    assert talk.said() == [b"c;1001;3000000001"]
    snapshot = talk.peer.snapshot()
    assert (snapshot.calls, snapshot.in_flight, snapshot.answers["continue"]) == (1, 0, 1)


def test_over_the_cap_a_call_falls_back_at_once() -> None:
    router = HoldingRouter()
    talk = Conversation(router, in_flight=1)
    talk.hears(question(1), question(2))
    assert talk.said() == [b"f;1002;3000000002;overloaded"]
    assert len(router.asked) == 1
    assert talk.peer.snapshot().fallbacks["overloaded"] == 1


def test_what_cannot_be_read_is_answered_and_counted_and_the_rest_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    talk = Conversation(EchoRouter())
    talk.hears(b"r;7;8;rubbish", question(1, message=b"no SIP"), b"", b"nonsense", b"x;" + b"bm8gdmlh", question(2))
    assert talk.said() == [
        b"f;7;8;bad-request",
        b"f;1001;3000000001;bad-request",
        b"c;1002;3000000002",
    ]
    assert talk.peer.snapshot().bad_frames == 5
    answered = [vars(record)["answered"] for record in caplog.records if record.getMessage() == "evapi_bad_message"]
    assert answered == [True, True, False, False, False]


def test_a_cancelled_call_stops_its_run_and_gets_no_answer() -> None:
    router = HoldingRouter()
    talk = Conversation(router)
    talk.hears(question(1), question(2), cancel(1), cancel(9))
    assert [pending.cancelled for pending in router.pendings] == [True, False]
    router.answers[0](unchanged(router, 0))
    assert talk.said() == []
    router.answers[1](unchanged(router, 1))
    assert talk.said() == [b"c;1002;3000000002"]
    talk.hears(cancel(2))
    snapshot = talk.peer.snapshot()
    assert (snapshot.cancelled, snapshot.in_flight) == (1, 0)


def test_a_lost_connection_stops_every_run_and_a_late_answer_goes_nowhere() -> None:
    router = HoldingRouter()
    talk = Conversation(router)
    talk.hears(question(1))
    talk.peer.disconnected()
    assert router.pendings[0].cancelled
    talk.peer.connected()
    router.answers[0](unchanged(router, 0))
    assert talk.said() == [], "the numbers may be another call of a Kamailio that restarted"
    talk.hears(question(1))
    assert talk.peer.snapshot().in_flight == 1
    snapshot = talk.peer.snapshot()
    assert (snapshot.abandoned, snapshot.reconnects) == (1, 1)


def fields(caplog: pytest.LogCaptureFixture, action: str) -> dict[str, Any]:
    (record,) = [record for record in caplog.records if record.getMessage() == action]
    return vars(record)


def test_a_decision_that_cannot_be_carried_out_falls_back(caplog: pytest.LogCaptureFixture) -> None:
    router = HoldingRouter()
    talk = Conversation(router)
    talk.hears(question(1), question(2))
    bad = HeaderChanges(add=[("X", "a\r\nb")])
    router.answers[0](Decision(action=Action.ROUTE, routing=router.asked[0].routing, headers=bad))
    long = HeaderChanges(add=[("X-Long", "v" * 20_000)])
    router.answers[1](Decision(action=Action.ROUTE, routing=router.asked[1].routing, headers=long))
    assert talk.said() == [b"f;1001;3000000001;bad-decision", b"f;1002;3000000002;answer-too-long"]
    snapshot = talk.peer.snapshot()
    assert (snapshot.fallbacks["bad-decision"], snapshot.fallbacks["answer-too-long"]) == (1, 1)
    assert fields(caplog, "evapi_bad_decision")["call_id"] == "call-1"
    assert fields(caplog, "evapi_answer_too_long")["call_id"] == "call-2"
    assert fields(caplog, "evapi_answer_too_long")["peer"] == "127.0.0.1:8448"


def test_a_destination_that_kamailio_did_not_offer_is_dropped_counted_and_told_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    router = HoldingRouter()
    talk = Conversation(router)
    talk.hears(question(1))
    routing = unpack_routing(router.asked[0].routing)
    routing["egress_routing"].append({"gw": {"evil": {}}})
    router.answers[0](Decision(action=Action.ROUTE, routing=pack_routing(routing)))
    assert talk.said() == [b"c;1001;3000000001"]
    assert talk.peer.snapshot().dropped_destinations == 1
    dropped = fields(caplog, "evapi_destination_not_offered")
    assert (dropped["call_id"], dropped["count"]) == ("call-1", 1)


class ChoosyRouter:
    """Can give no script what it is asked about."""

    def route(self, request: RoutingRequest, answer: Callable[[Decision], None]) -> Pending:
        raise MalformedMessage(f"{request.call_id} is too long for any script, {answer} has nothing to say")


def test_a_call_that_no_script_can_be_given_and_one_without_time_are_left_to_kamailio(
    caplog: pytest.LogCaptureFixture,
) -> None:
    talk = Conversation(ChoosyRouter())
    talk.hears(question(1), question(2).replace(b";2800;", b";0;"))
    assert talk.said() == [b"f;1001;3000000001;bad-request", b"f;1002;3000000002;bad-request"]
    assert talk.peer.snapshot().in_flight == 0
    first, second = caplog.records
    assert first.getMessage() == second.getMessage() == "evapi_bad_message"
    assert "call-1 is too long for any script" in vars(first)["error"]
    assert "SCRIPTFORGE_BUDGET" in vars(second)["error"]


class BrokenRouter:
    """Has a bug."""

    def route(self, request: RoutingRequest, answer: Callable[[Decision], None]) -> Pending:
        raise ZeroDivisionError(request, answer)


def test_a_bug_in_the_router_costs_its_call_and_no_other(caplog: pytest.LogCaptureFixture) -> None:
    talk = Conversation(BrokenRouter())
    talk.hears(question(1), question(2))
    assert talk.said() == [b"f;1001;3000000001;router-failed", b"f;1002;3000000002;router-failed"]
    assert talk.peer.snapshot().in_flight == 0
    assert [(record.getMessage(), vars(record)["call_id"]) for record in caplog.records] == [
        ("evapi_router_failed", "call-1"),
        ("evapi_router_failed", "call-2"),
    ]


def test_kamailios_breaker_is_seen() -> None:
    talk = Conversation(HoldingRouter())
    talk.hears(question(1, timeouts=19))
    assert talk.peer.snapshot().breaker == "closed"
    talk.hears(question(2, timeouts=20))
    assert talk.peer.snapshot().breaker == "half_open"
    talk.hears(cancel(2))
    assert talk.peer.snapshot().breaker == "open", "nothing was answered"
    talk.hears(question(3, timeouts=0))
    assert talk.peer.snapshot().breaker == "closed"


def test_an_answer_closes_kamailios_breaker() -> None:
    talk = Conversation(EchoRouter())
    talk.hears(question(1, timeouts=20))
    assert talk.peer.snapshot().breaker == "closed"


def test_call_ends_and_greetings() -> None:
    talk = Conversation(EchoRouter())
    talk.hears(b"h;1", b"e;failed;aWQ=;;0;0")
    assert talk.ended == [CallEnded(call_id="id", customer="", answered=False, started=0, seconds=0)]
    assert talk.said() == []


def test_a_stream_that_is_no_stream_ends_the_connection() -> None:
    for data, error in ((b"GET / HTTP", MalformedFrame), (b"999999:", OversizedFrame)):
        talk = Conversation(EchoRouter())
        with pytest.raises(error):
            talk.peer.receive(data)
        assert talk.peer.snapshot().bad_frames == 1


def test_what_kamailio_has_not_read_is_seen() -> None:
    router = HoldingRouter()
    talk = Conversation(router)
    for number in range(8):
        talk.hears(question(number))
        changes = HeaderChanges(add=[("X-Long", "v" * 3_000)])
        router.answers[number](Decision(action=Action.ROUTE, routing=router.asked[number].routing, headers=changes))
    first = talk.peer.outbox.take(0.0)
    snapshot = talk.peer.snapshot()
    assert 0 < sum(map(len, first)) < 28_672
    assert (snapshot.held_bytes > 0, snapshot.marks_lost) == (True, 0)
    talk.peer.outbox.take(MARK_SECONDS)
    assert talk.peer.snapshot().marks_lost == 1
    talk.peer.disconnected()
    snapshot = talk.peer.snapshot()
    assert (snapshot.held_bytes, snapshot.marks_lost) == (0, 1), "held answers go with their connection, counts stay"


def test_draining_is_said() -> None:
    talk = Conversation(EchoRouter())
    talk.peer.drain()
    assert talk.said() == [b"d"]
