"""What is not understood is not answered 200, in a call and outside of one; and a call survives what it refuses."""

import pytest

from sipio.sip.events import MediaChanged
from sipio.sip.message import Response, parse_message
from tests.sipio.sip.sip_calls import answered, ended
from tests.sipio.sip.sip_network import Network
from tests.sipio.sip.test_sip_hostile_requests import SDP, receive, request

UNKNOWN = ("Content-Type: application/unknown", "<xml/>")
COMPRESSED = ("Content-Type: application/sdp\r\nContent-Encoding: gzip", SDP)
OPTIONAL = ("Content-Type: application/unknown\r\nContent-Disposition: x;handling=optional", "<xml/>")


@pytest.mark.parametrize(
    ("method", "headers", "body", "status"),
    [
        ("INVITE", *UNKNOWN, 415),
        ("INVITE", *COMPRESSED, 415),
        ("UPDATE", *UNKNOWN, 415),
        ("UPDATE", *COMPRESSED, 415),
        ("UPDATE", "Content-Type: multipart/mixed", "x", 400),
        ("UPDATE", *OPTIONAL, 200),
        ("OPTIONS", *UNKNOWN, 415),
        ("OPTIONS", *COMPRESSED, 415),
        ("OPTIONS", *OPTIONAL, 200),
        ("INFO", *UNKNOWN, 415),
        ("MESSAGE", "Content-Type: text/plain", "hello", 405),
        ("NOTIFY", "Event: x", "", 405),
        ("REFER", "Refer-To: <sip:x@y>", "", 405),
        ("SUBSCRIBE", "Event: x", "", 405),
        ("FOO", "X: y", "", 501),
        ("INFO", "Require: foo", "", 420),
        ("UPDATE", "Require: foo", "", 420),
        ("BYE", "Require: foo", "", 420),
        ("PRACK", "RAck: 1 1 INVITE", "", 481),
        ("BYE", *UNKNOWN, 200),
    ],
)
def test_inside_of_a_call(method: str, headers: str, body: str, status: int) -> None:
    network = Network()
    a, b = network.node(), network.node()
    outgoing, _ = answered(network, a, b)
    dialog = outgoing._requests.required_dialog()
    uri, own = dialog.request_headers(method, dialog.next_sequence())
    lines = [f"{method} {uri} SIP/2.0", f"Via: SIP/2.0/UDP {a.address.host};branch=z9hG4bKraw"]
    lines += [f"{name}: {value}" for name, value in own]
    lines += [f"Contact: <sip:a@{a.address.host}>", headers, f"Content-Length: {len(body)}"]
    network.deliver(("\r\n".join(lines) + "\r\n\r\n" + body).encode(), a.address, b.address)
    network.run(0.1)
    answer = parse_message(b.sent[-1][1])
    assert isinstance(answer, Response)
    assert (answer.status, answer.sequence()[1]) == (status, method)
    if status == 415:
        assert answer.get("accept-encoding") == "identity"
    if (method, status) == ("BYE", 200):
        assert ended(b).reason == "BYE"
        return
    assert len(b.told(MediaChanged)) == 1
    outgoing.bye()
    network.run(0.1)
    assert ended(b).reason == "BYE"


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
@pytest.mark.parametrize("kind", [UNKNOWN, COMPRESSED])
def test_outside_of_a_call(method: str, kind: tuple[str, str]) -> None:
    _, lines = receive(request(method, kind[0], body=kind[1]))
    assert lines[-1] == "SIP/2.0 415 Unsupported Media Type"


def test_an_invite_with_a_body_that_may_be_passed_over_has_no_offer() -> None:
    node, _ = receive(request("INVITE", OPTIONAL[0], body=OPTIONAL[1]))
    node.network.run(0.2)
    assert node.first_lines() == ["SIP/2.0 100 Trying"]
    session = node.events[0].session  # type: ignore[union-attr]
    session.accept(node.media)  # type: ignore[union-attr]
    node.network.run(0.1)
    assert b"\r\nm=audio " in node.sent[-1][1]


def test_an_invite_whose_caller_takes_no_sdp_is_refused() -> None:
    body = ("Content-Type: application/sdp", "Accept: text/plain")
    assert receive(request("INVITE", *body, body=SDP))[1] == ["SIP/2.0 406 Not Acceptable"]
