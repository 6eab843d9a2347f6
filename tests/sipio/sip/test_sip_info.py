"""Digits in INFO: what is understood is heard, and what is not is refused."""

import pytest

from sipio.sip.events import DigitReceived
from tests.sipio.sip.sip_calls import answered
from tests.sipio.sip.sip_network import Network, Node


def up() -> tuple[Network, Node, bytes]:
    """A call, and the head of an INFO of its caller's up to the headers that say what it brings."""
    network = Network()
    a, b = network.node(), network.node()
    outgoing, _ = answered(network, a, b)
    network.drop = lambda node, data: node is a and data.startswith(b"INFO")
    outgoing.send_digit("1")
    network.run(0.01)
    network.drop = lambda *_: False
    info = next(data for _, data in a.sent if data.startswith(b"INFO"))
    return network, b, info.partition(b"\r\n\r\n")[0]


def ask(kind: str, body: str, *headers: str) -> tuple[str, list[tuple[str, int]], bytes]:
    """The status line of the answer to one INFO, the digits that were heard, and the whole answer."""
    network, b, head = up()
    lines = [line for line in head.decode().split("\r\n") if not line.startswith("Content-")]
    lines += [*headers, f"Content-Length: {len(body)}"] + ([f"Content-Type: {kind}"] if kind else [])
    source = next(address for address in network.nodes if network.nodes[address] is not b)
    network.deliver(("\r\n".join(lines) + "\r\n\r\n" + body).encode(), source, b.address)
    network.run(0.1)
    digits = [(event.digit, event.duration_ms) for event in b.told(DigitReceived)]
    return b.first_lines()[-1], digits, b.sent[-1][1]


@pytest.mark.parametrize(
    ("kind", "body", "digits"),
    [
        ("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", [("5", 160)]),
        ("application/dtmf-relay", "Signal= 5\nDuration= 160", [("5", 160)]),
        ("application/dtmf-relay", "signal=*\n", [("*", 0)]),
        ("application/dtmf-relay", "Signal=11\n", [("#", 0)]),
        ("application/dtmf-relay", "Signal: 5\n", [("5", 0)]),
        ("application/dtmf-relay", "5", [("5", 0)]),
        ("Application/DTMF-Relay; charset=utf-8", "Signal=d", [("D", 0)]),
        ("application/dtmf", "5", [("5", 0)]),
        ("application/dtmf", "5\r\n", [("5", 0)]),
        ("application/dtmf", "Signal=5\nDuration=160\n", [("5", 160)]),
        ("audio/telephone-event", "Signal=5\n", [("5", 0)]),
        ("audio/telephone-event", "16", [("F", 0)]),
        ("application/vnd.nortelnetworks.digits", "p=Digit-Collection\ny=Digit-Collection\nd=1234\n", [
            ("1", 0), ("2", 0), ("3", 0), ("4", 0)]),
        ("application/vnd.nortelnetworks.digits", "d=5", [("5", 0)]),
        ("application/hook-flash", "signal=hf", [("F", 0)]),
        ("application/hook-flash", "", [("F", 0)]),
        ("multipart/mixed;boundary=b", "--b\r\nContent-Type: application/dtmf\r\n\r\n5\r\n--b--", [("5", 0)]),
    ],
)  # fmt: skip
def test_a_digit_is_heard_however_it_is_spelt(kind: str, body: str, digits: list[tuple[str, int]]) -> None:
    status, heard, _ = ask(kind, body)
    assert heard == digits
    assert status == "SIP/2.0 200 OK"


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/x-foo", "x", 415),
        ("text/plain", "5", 415),
        ("application/media_control+xml", "<media_control/>", 415),
        ("", "5", 415),
        ("application/dtmf-relay", "Signal=99", 400),
        ("application/dtmf", "hello", 400),
        ("multipart/mixed", "5", 400),
    ],
)
def test_what_is_not_understood_is_not_answered_200(kind: str, body: str, status: int) -> None:
    line, heard, answer = ask(kind, body)
    assert line.startswith(f"SIP/2.0 {status} ")
    assert heard == []
    if status == 415:
        assert b"\r\nAccept: application/dtmf-relay, application/dtmf, " in answer
        assert b"\r\nAccept-Encoding: identity\r\n" in answer


def test_a_digit_that_is_compressed_is_refused() -> None:
    line, heard, _ = ask("application/dtmf", "5", "Content-Encoding: gzip")
    assert line.startswith("SIP/2.0 415 ")
    assert heard == []


def test_an_info_without_a_body_asks_whether_the_call_is_up() -> None:
    assert ask("", "")[:2] == ("SIP/2.0 200 OK", [])


def test_an_info_package_is_refused_unless_it_brings_a_digit() -> None:
    line, heard, answer = ask("application/x-foo", "x", "Info-Package: foo")
    assert (line, heard) == ("SIP/2.0 469 Bad Info Package", [])
    assert b"\r\nRecv-Info: \r\n" in answer
    assert ask("", "", "Info-Package: foo")[0] == "SIP/2.0 469 Bad Info Package"
    assert ask("application/dtmf", "5", "Info-Package: dtmf")[:2] == ("SIP/2.0 200 OK", [("5", 0)])
