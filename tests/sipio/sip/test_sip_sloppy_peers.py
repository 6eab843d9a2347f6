"""Peers that do not keep to the letter: what is understood all the same, and what is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sipio.errors import MalformedMessage
from sipio.sip.contact import parse_contact, request_uri_of
from sipio.sip.events import CallReceived, SessionAnswered, SessionEnded
from sipio.sip.message import Response, parse_message
from sipio.sip.uri import parse_uri
from sipio.sip.via import check_via
from tests.sipio.sip.sip_calls import answered, ended, quiet
from tests.sipio.sip.sip_network import Network
from tests.sipio.sip.test_sip_hostile_requests import PEER, SDP, receive, request

FOLDED = (
    "OPTIONS sip:100@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bK1\r\n"
    "From: <sip:a@b>;\r\n tag=1\r\nTo: <sip:100@10.0.0.1>\r\nCall-ID: c1\r\nSubject: a\r\n folded\r\n  twice\r\n"
    "CSeq: 1\r\n OPTIONS\r\n{0}Content-Length: 0\r\n\r\n"
)


def test_a_refusal_repeats_the_call_id_whatever_was_folded_after_it() -> None:
    node, lines = receive(FOLDED.format("no colon here\r\n"))
    assert lines[0].startswith("SIP/2.0 400 ")
    found = parse_message(node.sent[0][1])
    assert (found.get("call-id"), found.get("from"), found.get("cseq")) == ("c1", "<sip:a@b>; tag=1", "1 OPTIONS")


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(["Subject: x", " more", "\tand more", "X-Y:", "no colon", "P q: r", ": s", "Via", ""]),
        max_size=12,
    )
)
def test_no_answer_has_another_call_id_than_its_request(junk: list[str]) -> None:
    lines = [line for line in junk if line]
    node, _ = receive(FOLDED.format("".join(f"{line}\r\n" for line in lines)))
    for _, data in node.sent:
        found = parse_message(data)
        assert isinstance(found, Response)
        assert found.get("call-id") == "c1"


@pytest.mark.parametrize(
    "via",
    [
        "SIP/2.0/UDP 192.0.2.15;;,;,,",
        "SIP/2.0/UDP h;branch=z9hG4bK1,",
        "SIP/2.0/UDP h;branch=z9hG4bK1,,SIP/2.0/UDP g",
        "SIP/2.0/UDP h;;branch=z9hG4bK1",
        "SIP/2.0/UDP h;branch=z9hG4bK1 junk",
        "SIP/2.0/UDP h;=x",
        "SIP/2.0/UDP h; ; ",
        "SIP/2.0/UDP h:x;branch=z9hG4bK1",
        'SIP/2.0/UDP h;x="',
    ],
)
def test_an_invalid_via_is_refused(via: str) -> None:
    with pytest.raises(MalformedMessage):
        check_via(via)
    for method in ("INVITE", "OPTIONS", "REGISTER"):
        node, lines = receive(request(method, Via=via))
        assert [line[:12] for line in lines] == ["SIP/2.0 400 "]
        assert not node.told(CallReceived)
    # Also where it is not the first.
    _, lines = receive(request("OPTIONS", f"Via: {via}"))
    assert lines[0].startswith("SIP/2.0 400 ")


@pytest.mark.parametrize(
    "via",
    [
        "SIP/2.0/UDP h",
        "SIP / 2.0 / UDP  h : 5060 ; branch = z9hG4bK1 ; rport , SIP/2.0/TLS-SCTP [::1]:5061;branch=2;received=::2",
        'SIP/2.0/UDP h;x="a,b;c";branch=z9hG4bK1;',
        "SIP/2.0/UDP h;branch=z9hG4bK1 ; ,SIP/2.0/UDP g",
    ],
)
def test_a_via_in_an_unusual_form_is_taken(via: str) -> None:
    check_via(via)
    assert receive(request("OPTIONS", Via=via))[1] == ["SIP/2.0 200 OK"]


@pytest.mark.parametrize(
    "contact",
    [
        '"Joe" <sip:joe@example.org>;;;;',
        "sip:user@example.com?Route=%3Csip:sip.example.com%3E",
        "sip:a@b;;expires=3",
        "<sip:a@b",
        "<tel:+4420>",
        "*",
        ",",
    ],
)
def test_an_invalid_contact_is_refused(contact: str) -> None:
    node, lines = receive(request("INVITE", "Content-Type: application/sdp", Contact=contact, body=SDP))
    assert lines[-1].startswith("SIP/2.0 400 ")
    assert not node.told(CallReceived)
    node.network.run(70)
    assert node.agent.transactions == 0


def test_a_contact_in_an_unusual_form_is_taken() -> None:
    for contact in ("sip:a@b;expires=3;", "<sip:a@b?X=1>", '"a;;b" <sip:a@b>;x="1"', "<sip:a@b;x>"):
        assert parse_contact(contact).uri.host == "b"


def test_a_reinvite_with_an_invalid_contact_is_refused_and_the_call_goes_on() -> None:
    network = Network()
    a, b = network.node(), network.node()
    outgoing, incoming = answered(network, a, b)
    network.rewrite = lambda data: data.replace(b"Contact: <sip:sidecar@10.0.0.1:5060>", b"Contact: <sip:x@10.0.0.1>;;")
    outgoing.hold()
    network.run(0.1)
    assert b.first_lines()[-1].startswith("SIP/2.0 400 ")
    network.rewrite = lambda data: data
    incoming.bye()
    network.run(0.1)
    assert ended(a).reason == "BYE"


@pytest.mark.parametrize("version", ["SIP/7.0", "SIP/1.0", "SIP/2.1"])
def test_another_version_is_refused_along_its_own_via(version: str) -> None:
    node, lines = receive(request("INVITE").replace("SIP/2.0", version))
    assert lines == ["SIP/2.0 505 Version Not Supported"]
    assert f"\r\nVia: {version}/UDP 10.0.0.9:5060;branch=z9hG4bK1;".encode() in node.sent[0][1]
    assert receive(request("ACK").replace("SIP/2.0", version))[1] == []


def test_an_empty_tag_is_refused() -> None:
    assert receive(request("INVITE", To="<sip:100@10.0.0.1>;tag="))[1][0].startswith("SIP/2.0 400 ")
    assert receive(request("OPTIONS", From="<sip:a@b>;tag"))[1][0].startswith("SIP/2.0 400 ")


def test_a_tag_in_a_display_name_is_none() -> None:
    node, _ = receive(request("INVITE", "Content-Type: application/sdp", To='"x;tag=y" <sip:100@h>', body=SDP))
    (event,) = node.told(CallReceived)
    event.session.ring()
    node.network.run(0.1)
    to = parse_message(node.sent[-1][1]).get("to") or ""
    assert to.startswith('"x;tag=y" <sip:100@h>;tag=')


@pytest.mark.parametrize("contact", ["", "Contact: <tel:+4420>\r\n", "Contact: <sip:\r\n", "Contact: *\r\n"])
def test_a_200_without_a_contact_connects_with_what_was_called(contact: str) -> None:
    network = Network()
    a, b = network.node(), network.node()

    def without(data: bytes) -> bytes:
        if not data.startswith((b"SIP/2.0 18", b"SIP/2.0 200")):
            return data
        head, _, body = data.partition(b"\r\n\r\n")
        lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Contact")]
        return b"\r\n".join(lines) + b"\r\n" + contact.encode() + b"\r\n" + body

    network.rewrite = without
    outgoing, incoming = answered(network, a, b)
    assert a.told(SessionAnswered)
    ack = next(data for _, data in a.sent if data.startswith(b"ACK"))
    assert ack.startswith(b"ACK sip:100@10.0.0.2;transport=udp SIP/2.0\r\n")
    outgoing.bye()
    network.run(0.1)
    assert b.told(SessionEnded)[0].reason == "BYE"
    assert incoming.ended
    quiet(network, a, b)


def test_a_record_route_without_brackets_keeps_its_loose_routing() -> None:
    route = "Record-Route: sip:10.0.0.8;lr, <sip:10.0.0.7;lr>"
    node, _ = receive(request("INVITE", route, "Content-Type: application/sdp", body=SDP))
    (event,) = node.told(CallReceived)
    event.session.accept(node.media)
    node.network.run(0.1)
    # What was copied into the answer is as it came (RFC 3261 clause 12.1.1).
    assert b"\r\nRecord-Route: sip:10.0.0.8;lr, <sip:10.0.0.7;lr>\r\n" in node.sent[-1][1]
    tag = (parse_message(node.sent[-1][1]).get("to") or "").partition(";tag=")[2]
    node.network.deliver(request("ACK", To=f"<sip:100@10.0.0.1>;tag={tag}").encode(), PEER, node.address)
    node.network.run(0.1)
    event.session.bye()
    node.network.run(0.1)
    bye = node.sent[-1][1].decode()
    assert bye.startswith("BYE sip:a@10.0.0.9 SIP/2.0\r\n")
    assert [line for line in bye.split("\r\n") if line.startswith("Route")] == [
        "Route: <sip:10.0.0.8;lr>",
        "Route: <sip:10.0.0.7;lr>",
    ]


@pytest.mark.parametrize(
    ("uri", "called"),
    [
        ("sip:a@b?Route=%3Csip:evil%3E", "sip:a@b"),
        ("sip:a@b;x=1?Subject=x&Y=z", "sip:a@b;x=1"),
        ("sip:a?x@b", "sip:a?x@b"),
        ("sip:a?x@b?c=d", "sip:a?x@b"),
        ("sip:b", "sip:b"),
    ],
)
def test_a_request_line_has_no_headers_of_a_uri(uri: str, called: str) -> None:
    assert request_uri_of(parse_uri(uri)) == called
    network = Network()
    a = network.node()
    a.agent.invite(uri.replace("@b", "@10.0.0.2").replace("sip:b", "sip:10.0.0.2"), from_="sip:a@b", media=a.media)
    network.run(0.1)
    assert a.first_lines()[0] == f"INVITE {called.replace('@b', '@10.0.0.2').replace('sip:b', 'sip:10.0.0.2')} SIP/2.0"


@pytest.mark.parametrize("pad", [" ", "\t ", "; ", ";a", ";a=", '"', ":"])
def test_a_header_of_nothing_but_filling_is_read_in_one_pass(pad: str) -> None:
    filling = pad * (30_000 // len(pad))
    for via in (f"SIP/2.0/UDP h{filling}!", f"SIP/2.0/UDP h;a{filling}\0", f"SIP{filling}/2.0/UDP h"):
        receive(request("OPTIONS", Via=via))
    lines = ("Content-Type: application/x", f"Content-Disposition: x;handling=optional{filling}x")
    receive(request("OPTIONS", *lines, body="x"))
