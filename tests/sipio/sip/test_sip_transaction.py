"""RFC 3261 clause 17 and RFC 6026: each state, each timer, on both kinds of transport."""

from typing import Any

import pytest

from sipio.errors import MalformedMessage
from sipio.sip.address import Address
from sipio.sip.message import Request, Response, parse_message
from sipio.sip.randomness import Randomness
from sipio.sip.settings import TimerValues
from sipio.sip.timers import Timers
from sipio.sip.transaction import ClientTransaction, OutgoingRequest, ServerTransaction
from sipio.sip.transaction_layer import TransactionLayer
from sipio.sip.transaction_table import (
    INVITE_CLIENT,
    INVITE_SERVER,
    NON_INVITE_CLIENT,
    NON_INVITE_SERVER,
    Input,
    State,
)

UDP = Address("udp", "192.0.2.1", 5060)
TCP = UDP._replace(transport="tcp")


class Bench:
    """One layer and an injected clock."""

    def __init__(self, peer: Address = UDP) -> None:
        self.peer = peer
        self.now = 0.0
        self.timers = Timers()
        self.sent: list[tuple[float, bytes]] = []
        self.layer = TransactionLayer(
            timers=self.timers,
            values=TimerValues(),
            randomness=Randomness(1),
            send=lambda _, data: self.sent.append((self.now, data)),
        )
        self.responses: list[int] = []
        self.failures: list[bool] = []

    def run(self, until: float) -> None:
        while (deadline := self.timers.next_deadline()) is not None and deadline <= until:
            self.now = deadline
            self.timers.run(deadline)
        self.now = until

    def times(self, start: str) -> list[float]:
        return [when for when, data in self.sent if data.startswith(start.encode())]

    def client(self, method: str) -> ClientTransaction:
        headers = [
            ("Max-Forwards", "70"),
            ("Route", "<sip:192.0.2.1;lr>"),
            ("From", "<sip:a@b>;tag=1"),
            ("To", "<sip:b@c>"),
            ("Call-ID", "x"),
            ("CSeq", f"7 {method}"),
        ]
        return self.layer.request(
            OutgoingRequest(method, "sip:b@192.0.2.1", headers),
            destination=self.peer,
            local=Address(self.peer.transport, "192.0.2.9", 5060),
            on_response=lambda response, _: self.responses.append(response.status),
            on_failure=lambda broken, _: self.failures.append(broken),
            now=self.now,
        )

    def answer(self, transaction: ClientTransaction, status: int) -> None:
        data = (
            f"SIP/2.0 {status} X\r\nVia: {transaction.hop.via}\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@c>;tag=2\r\n"
            f"Call-ID: x\r\nCSeq: 7 {transaction.request.method}\r\n\r\n"
        )
        message = parse_message(data.encode())
        assert isinstance(message, Response)
        self.layer.receive_response(message, self.now)

    def request(self, method: str, branch: str = "z9hG4bKabc", via_more: str = ";rport", to: str = "") -> Request:
        data = (
            f"{method} sip:b@c SIP/2.0\r\n"
            f"Via: SIP/2.0/{self.peer.transport.upper()} 10.0.0.1:5062;branch={branch}{via_more}\r\n"
            f"Via: SIP/2.0/UDP first;branch=z9hG4bKfirst\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@c>{to}\r\n"
            f"Call-ID: x\r\nCSeq: 7 {method}\r\n\r\n"
        )
        message = parse_message(data.encode())
        assert isinstance(message, Request)
        return message

    def server(self, method: str) -> ServerTransaction:
        found = self.layer.receive_request(self.request(method), self.peer)
        assert found is not None
        return found


def state(transaction: ClientTransaction | ServerTransaction) -> State:
    """Read anew: it changes behind the type checker's back."""
    return transaction.state


def test_every_state_of_every_table_leads_to_the_end() -> None:
    for table in (INVITE_CLIENT, NON_INVITE_CLIENT, INVITE_SERVER, NON_INVITE_SERVER):
        for begin, inputs in table.items():
            reached, waiting = set[State](), [begin]
            while waiting:
                following = waiting.pop()
                for target in table.get(following, {}).values():
                    if target not in reached:
                        reached.add(target)
                        waiting.append(target)
            assert State.TERMINATED in reached, begin
            assert inputs


def test_timers_a_and_b() -> None:
    bench = Bench()
    transaction = bench.client("INVITE")
    bench.run(40)
    assert bench.times("INVITE") == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert (bench.failures, transaction.state, len(bench.layer)) == ([False], State.TERMINATED, 0)


def test_timer_b_alone_on_a_reliable_transport() -> None:
    bench = Bench(TCP)
    bench.client("INVITE")
    bench.run(31.9)
    assert not bench.failures
    bench.run(32)
    assert bench.times("INVITE") == [0]
    assert bench.failures == [False]


def test_a_provisional_answer_stops_timers_a_and_b() -> None:
    bench = Bench()
    transaction = bench.client("INVITE")
    bench.answer(transaction, 180)
    bench.run(200)
    assert bench.times("INVITE") == [0]
    assert (bench.responses, transaction.state) == ([180], State.PROCEEDING)


def test_timer_d_and_the_ack_to_a_refusal() -> None:
    bench = Bench()
    transaction = bench.client("INVITE")
    bench.answer(transaction, 486)
    ack = bench.sent[-1][1].decode()
    assert ack.startswith("ACK sip:b@192.0.2.1 SIP/2.0\r\n")
    assert f"Via: {transaction.hop.via}\r\n" in ack
    assert "To: <sip:b@c>;tag=2\r\n" in ack
    assert "Route: <sip:192.0.2.1;lr>\r\n" in ack
    assert "CSeq: 7 ACK\r\n" in ack
    bench.run(1)
    bench.answer(transaction, 486)
    bench.answer(transaction, 180)
    bench.answer(transaction, 200)
    assert bench.times("ACK") == [0, 1]
    assert bench.responses == [486]
    bench.run(31.9)
    assert state(transaction) is State.COMPLETED
    bench.run(32)
    assert state(transaction) is State.TERMINATED
    bench.answer(transaction, 486)
    assert bench.times("ACK") == [0, 1]
    assert bench.responses == [486]
    assert len(bench.layer) == 0


def test_a_refusal_ends_it_at_once_on_a_reliable_transport() -> None:
    bench = Bench(TCP)
    transaction = bench.client("INVITE")
    bench.answer(transaction, 486)
    assert bench.times("ACK") == [0]
    assert state(transaction) is State.TERMINATED


def test_timer_m_passes_every_2xx_up() -> None:
    bench = Bench()
    transaction = bench.client("INVITE")
    for _ in range(3):
        bench.answer(transaction, 200)
    bench.answer(transaction, 486)
    assert (bench.responses, transaction.state) == ([200, 200, 200], State.ACCEPTED)
    bench.run(31.9)
    assert state(transaction) is State.ACCEPTED
    bench.run(32)
    assert (transaction.state, bench.failures) == (State.TERMINATED, [])


def test_timers_e_and_f() -> None:
    bench = Bench()
    bench.client("BYE")
    bench.run(40)
    assert bench.times("BYE") == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert bench.failures == [False]


def test_timer_e_is_t2_once_a_provisional_answer_has_come() -> None:
    bench = Bench()
    transaction = bench.client("BYE")
    bench.answer(transaction, 100)
    bench.run(10)
    assert bench.times("BYE") == [0, 0.5, 4.5, 8.5]


def test_timer_k_absorbs_answers() -> None:
    bench = Bench()
    transaction = bench.client("BYE")
    bench.answer(transaction, 200)
    bench.run(4.9)
    bench.answer(transaction, 200)
    assert (bench.responses, transaction.state) == ([200], State.COMPLETED)
    bench.run(5)
    assert state(transaction) is State.TERMINATED


@pytest.mark.parametrize("method", ["BYE", "INVITE"])
def test_a_broken_transport_fails_what_waits(method: str) -> None:
    bench = Bench(TCP)
    bench.client(method)
    answered = bench.client(method)
    bench.answer(answered, 200)
    bench.layer.transport_failed(TCP, 0.0)
    assert bench.failures == [True]
    assert not bench.layer.waiting


def test_what_waits_for_a_broken_transport_fails_in_the_order_in_which_it_began(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failed: list[ClientTransaction] = []
    monkeypatch.setattr(ClientTransaction, "broken", lambda transaction, _now: failed.append(transaction))
    bench = Bench(TCP)
    waiting = [bench.client("BYE") for _ in range(50)]
    bench.layer.transport_failed(TCP, 0.0)
    assert failed == waiting


def test_cancel_goes_after_a_provisional_answer_only_and_has_the_invites_branch() -> None:
    bench = Bench()
    transaction = bench.client("INVITE")
    bench.layer.cancel(transaction, [], 0.0)
    assert bench.times("CANCEL") == []
    bench.answer(transaction, 100)
    bench.layer.cancel(transaction, [("Reason", "SIP;cause=200")], 0.0)
    cancel = bench.sent[-1][1].decode()
    assert f"Via: {transaction.hop.via}\r\n" in cancel
    assert "CSeq: 7 CANCEL\r\n" in cancel
    assert "To: <sip:b@c>\r\n" in cancel
    assert "Route: <sip:192.0.2.1;lr>\r\n" in cancel
    assert "Reason: SIP;cause=200\r\n" in cancel
    bench.run(33)
    assert bench.failures == [False]


def test_timers_g_and_h() -> None:
    bench = Bench()
    transaction = bench.server("INVITE")
    transaction.respond(486, now=0.0)
    bench.run(40)
    assert bench.times("SIP/2.0 486") == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert state(transaction) is State.TERMINATED


def test_timer_i_after_the_ack() -> None:
    bench = Bench()
    transaction = bench.server("INVITE")
    transaction.respond(486, now=0.0)
    assert bench.layer.receive_request(bench.request("INVITE"), UDP) is None
    assert len(bench.times("SIP/2.0 486")) == 2
    bench.run(0.1)
    assert bench.layer.receive_ack(bench.request("ACK", to=";tag=zz"), bench.now)
    assert state(transaction) is State.CONFIRMED
    assert bench.layer.receive_ack(bench.request("ACK"), bench.now)
    assert bench.layer.receive_request(bench.request("INVITE"), UDP) is None
    bench.run(5.2)
    assert len(bench.times("SIP/2.0 486")) == 2
    assert state(transaction) is State.TERMINATED


def test_timer_l_absorbs_invites_and_passes_acks_up() -> None:
    bench = Bench()
    transaction = bench.server("INVITE")
    data = transaction.respond(200, now=0.0)
    assert data
    assert bench.layer.receive_request(bench.request("INVITE"), UDP) is None
    assert len(bench.sent) == 1
    assert not bench.layer.receive_ack(bench.request("ACK"), 0.0)
    assert transaction.respond(486, now=0.0) == b""
    bench.run(31.9)
    assert state(transaction) is State.ACCEPTED
    bench.run(32)
    assert state(transaction) is State.TERMINATED


def test_timer_j() -> None:
    bench = Bench()
    transaction = bench.server("BYE")
    assert bench.layer.receive_request(bench.request("BYE"), UDP) is None
    assert bench.sent == []
    transaction.respond(200, now=0.0)
    assert transaction.respond(500, now=0.0) == b""
    bench.run(31)
    assert bench.layer.receive_request(bench.request("BYE"), UDP) is None
    assert bench.times("SIP/2.0 200") == [0, 31]
    bench.run(32)
    assert len(bench.layer) == 0


@pytest.mark.parametrize("method", ["INVITE", "BYE"])
def test_a_server_on_a_reliable_transport_waits_for_nothing_but_the_ack(method: str) -> None:
    bench = Bench(TCP)
    bench.server(method).respond(486, now=0.0)
    if method == "INVITE":
        bench.run(5)
        assert len(bench.sent) == 1
        assert bench.layer.receive_ack(bench.request("ACK"), 5.0)
    assert len(bench.layer) == 0


def test_matching_is_by_branch_sender_and_method() -> None:
    bench = Bench()
    bench.server("INVITE")
    assert bench.layer.receive_request(bench.request("OPTIONS"), UDP) is not None
    assert bench.layer.receive_request(bench.request("CANCEL"), UDP) is not None
    assert bench.layer.invite_of(bench.request("CANCEL")) is not None
    assert bench.layer.invite_of(bench.request("CANCEL", branch="z9hG4bKother")) is None
    assert bench.layer.receive_request(bench.request("INVITE", branch="z9hG4bKother"), UDP) is not None


def test_a_sender_of_rfc_2543_is_matched_by_everything_else() -> None:
    bench = Bench()
    assert bench.layer.receive_request(bench.request("INVITE", branch="1"), UDP) is not None
    assert bench.layer.receive_request(bench.request("INVITE", branch="1"), UDP) is None
    assert bench.layer.invite_of(bench.request("CANCEL", branch="1")) is not None


@pytest.mark.parametrize(
    ("more", "source", "via", "port"),
    [
        (";rport", UDP._replace(port=1234), "branch=z9hG4bKabc;rport=1234;received=192.0.2.1", 1234),
        (";rport;x=y", UDP._replace(port=1234), "branch=z9hG4bKabc;rport=1234;x=y;received=192.0.2.1", 1234),
        ("", UDP._replace(port=1234), "branch=z9hG4bKabc;received=192.0.2.1", 5062),
        (";received=evil", UDP, "branch=z9hG4bKabc;received=192.0.2.1", 5062),
        ("", Address("udp", "10.0.0.1", 9), "branch=z9hG4bKabc", 5062),
        (", SIP/2.0/UDP x;rport", UDP, "branch=z9hG4bKabc;received=192.0.2.1, SIP/2.0/UDP x;rport", 5062),
    ],
)
def test_responses_go_back_the_way_the_request_came(more: str, source: Address, via: str, port: int) -> None:
    bench = Bench()
    found = bench.layer.receive_request(bench.request("OPTIONS", via_more=more), source)
    assert found is not None
    assert found.destination == source._replace(port=port)
    data = found.respond(200, now=0.0).decode()
    assert data.split("\r\n")[1] == f"Via: SIP/2.0/UDP 10.0.0.1:5062;{via}"
    assert data.split("\r\n")[2] == "Via: SIP/2.0/UDP first;branch=z9hG4bKfirst"


def test_a_request_without_a_via_has_no_transaction() -> None:
    bench = Bench()
    message: Any = parse_message(b"OPTIONS sip:a SIP/2.0\r\nCall-ID: x\r\n\r\n")
    with pytest.raises(MalformedMessage):
        bench.layer.receive_request(message, UDP)


def test_inputs_that_the_table_does_not_name_change_nothing() -> None:
    assert Input.SUCCESS not in INVITE_CLIENT[State.COMPLETED]
    assert Input.REQUEST not in INVITE_SERVER[State.ACCEPTED]
    assert Input.REQUEST not in NON_INVITE_SERVER[State.TRYING]


def test_cancelled_timers_do_not_pile_up() -> None:
    timers = Timers()
    for number in range(20_000):
        timers.cancel(timers.start(float(number), lambda _: None))
    assert len(timers._heap) < 5_000
    assert timers.next_deadline() is None
