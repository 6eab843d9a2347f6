"""What a peer should not have sent: RFC 4475's messages and the refusals of RFC 3261 clause 8.2."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sipio.sip import transaction_layer
from sipio.sip.address import Address
from sipio.sip.counters import SipSnapshot
from sipio.sip.events import CallReceived
from sipio.sip.settings import Credentials, UserAgentSettings
from tests.sipio.sip.sip_network import Network, Node

PEER = Address("udp", "10.0.0.9", 5060)
SDP = "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\nm=audio 7000 RTP/AVP 0\r\n"


def receive(data: bytes | str, configured: UserAgentSettings | None = None) -> tuple[Node, list[str]]:
    """A node that got these bytes, and the first lines of what it sent back."""
    network = Network()
    node = network.node(configured)
    network.deliver(data.encode() if isinstance(data, str) else data, PEER, node.address)
    network.run(0.01)
    return node, node.first_lines()


def request(
    method: str = "INVITE", *headers: str, body: str = "", uri: str = "sip:100@10.0.0.1", **changed: str
) -> str:
    values = {
        "Via": "SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bK1;rport",
        "From": "<sip:a@b>;tag=1",
        "To": "<sip:100@10.0.0.1>",
        "Call-ID": "c1",
        "CSeq": f"1 {method}",
        "Contact": "<sip:a@10.0.0.9>",
        "Max-Forwards": "70",
        "Content-Length": str(len(body)),
    } | {name.replace("_", "-"): value for name, value in changed.items()}
    lines = [f"{method} {uri} SIP/2.0", *(f"{name}: {value}" for name, value in values.items() if value), *headers]
    return "\r\n".join(lines) + "\r\n\r\n" + body


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (request(CSeq=""), 400),
        (request(From=""), 400),
        (request(To=""), 400),
        (request(Call_ID=""), 400),
        (request(Contact=""), 400),
        (request(CSeq="36893488147419103232 INVITE"), 400),  # RFC 4475 3.1.2.4, scalar02
        (request(CSeq="1 OPTIONS"), 400),  # 3.1.2.17, mismatch01
        (request(From='"Bell, Alexander <sip:a@b>;tag=1'), 400),  # 3.1.2.6, quotbal
        (request(To="sip:j.user@"), 400),
        (request("INVITE", Content_Length="9999", body=SDP), 400),  # 3.1.2.2, clerr
        (request("INVITE", Content_Length="-999", body=SDP), 400),  # 3.1.2.3, ncl
        (request(uri="<sip:100@10.0.0.1>"), 400),  # 3.1.2.7, ltgtruri
        (request(uri="sip:100@10.0.0.1; lr"), 400),  # 3.1.2.8, lwsruri
        (request("NEWMETHOD"), 501),  # RFC 3261 clause 21.5.2
        (request("MESSAGE"), 405),
        (request("REGISTER"), 405),
        (request("OPTIONS", uri="nobodyKnowsThisScheme:totallyopaque"), 416),  # 3.3.1, unkscm
        (request("INVITE", "Require: nothingSupportsThis, 100rel, norThis"), 420),  # 3.3.8, bext01
        (request("INVITE", "Content-Type: application/unknown", body="<xml/>"), 415),  # 3.3.9, invut
        (request("INVITE", "Content-Encoding: gzip", "Content-Type: application/sdp", body=SDP), 415),
        (request(Max_Forwards="0"), 483),
        (request("OPTIONS", Max_Forwards="0"), 200),  # 3.3.11, zeromf: an end answers
        (request("INVITE", body="not sdp", Content_Type="application/sdp"), 400),
        (request("INVITE", body=SDP.replace("AVP 0", "AVP 18"), Content_Type="application/sdp"), 488),
        (request("INVITE", "Session-Expires: 10", "Supported: timer"), 422),
        (request("BYE"), 481),
        (request("BYE", To="<sip:100@10.0.0.1>;tag=unknown"), 481),
        (request("INVITE", To="<sip:100@10.0.0.1>;tag=unknown"), 481),
        (request("CANCEL"), 481),
        (request("PRACK"), 481),
        (request("UPDATE"), 481),
        (request("INFO"), 481),
        (request("OPTIONS"), 200),
    ],
)
def test_it_is_answered(message: str, status: int) -> None:
    node, lines = receive(message)
    assert [line[:11] for line in lines] == [f"SIP/2.0 {status}"]
    assert not node.told(CallReceived)
    node.network.run(70)
    assert node.agent.transactions == 0


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"\0\0\0\0",
        b"\xff" * 100,
        b"hello",
        request(Via="").encode(),
        request(Via="nonsense").encode(),
        request("ACK").encode(),
        request("ACK", CSeq="").encode(),
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x;branch=z9hG4bKq\r\n\r\n",
        b"SIP/2.0 200 OK\r\n\r\n",
        b"SIP/2.0 99 low\r\nVia: SIP/2.0/UDP x;branch=z9hG4bKq\r\n\r\n",
        b"A" * 70_000,
    ],
)
def test_it_is_dropped(data: bytes) -> None:
    node, lines = receive(data)
    assert lines == []
    assert not node.events


def test_what_was_done_with_them_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    node, _ = receive(request(CSeq=""))
    for data in (b"\x00\x01", request("OPTIONS").encode()):
        node.network.deliver(data, PEER, node.address)
    node.network.run(0.01)
    monkeypatch.setattr(transaction_layer, "TRANSACTIONS", 1)
    node.network.deliver(request("OPTIONS", Via="SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK2").encode(), PEER, node.address)
    node.network.run(0.01)
    assert node.agent.snapshot(connections=3) == SipSnapshot(
        sessions=0,
        transactions=1,
        connections=3,
        messages_in=4,
        messages_out=2,
        unreadable=1,
        bad_requests=1,
        over_limit=0,
        dropped_requests=1,
        failed_logins=0,
        unconfirmed=0,
    )


def test_another_version_of_sip() -> None:
    # RFC 4475 clause 3.1.2.16, badvers.
    assert receive(request("OPTIONS").replace(" SIP/2.0\r\nVia", " SIP/7.0\r\nVia"))[1] == [
        "SIP/2.0 505 Version Not Supported"
    ]


def test_unsupported_names_what_was_not_supported() -> None:
    node, _ = receive(request("INVITE", "Require: nothingSupportsThis, 100rel"))
    assert b"\r\nUnsupported: nothingsupportsthis\r\n" in node.sent[0][1]


def test_the_tortuous_invite_is_a_call() -> None:
    # RFC 4475 clause 3.1.1.1, wsinv: folding, odd spacing, escapes, compact names, an unknown header.
    message = (
        "INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\r\n"
        "TO :\r\n sip:vivekg@chair-dnrc.example.com ;   tag    = \r\n"
        'from   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8\r\n'
        "MaX-fOrWaRdS: 0068\r\nCall-ID: wsinv.ndaksdj@192.0.2.1\r\nContent-Length   : {0}\r\ncseq: 0009\r\n  INVITE\r\n"
        "Via  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw\r\ns :\r\n"
        "NewFangledHeader:   newfangled value\r\n continued newfangled value\r\n"
        "UnknownHeaderWithUnusualValue: ;;,,;;,;\r\nContent-Type: application/sdp\r\n"
        "Route:\r\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value>\r\n"
        "v:  SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8  ,\r\n SIP  /    2.0   / UDP  "
        "192.168.255.111   ; branch=\r\n z9hG4bK30239\r\n"
        'm:"Quoted string \\"\\"" <sip:jdrosen@example.com> ; newparam =\r\n      newvalue ;\r\n'
        "  secondparam ; q = 0.33\r\n"
        "\r\n{1}"
    ).replace(" ;   tag    = \r\n", "\r\n")
    node, _ = receive(message.replace("{0}", str(len(SDP))).replace("{1}", SDP))
    node.network.run(0.2)
    assert node.first_lines() == ["SIP/2.0 100 Trying"]
    assert node.told(CallReceived)


def test_one_invite_by_two_ways_is_one_call() -> None:
    network = Network()
    node = network.node()
    network.deliver(request().encode(), PEER, node.address)
    network.deliver(request(Via="SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK2").encode(), PEER, node.address)
    network.run(0.3)
    assert node.first_lines() == ["SIP/2.0 482 Loop Detected", "SIP/2.0 100 Trying"]
    assert len(node.told(CallReceived)) == 1


def test_the_reason_of_a_400_quotes_nothing_dangerous() -> None:
    _, lines = receive(request(CSeq="", From="<sip:a@b>;tag=\x01\x7f\u00e9"))
    assert lines[0].isprintable()
    assert lines[0].isascii()


def test_bytes_that_are_no_utf_8_go_back_as_they_came() -> None:
    message = request("OPTIONS").encode().replace(b"<sip:a@b>", b'"\xe9t\xe9" <sip:a@b>')
    node, _ = receive(message)
    assert b'From: "\xe9t\xe9" <sip:a@b>;tag=1\r\n' in node.sent[0][1]


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, 2_000),
    st.binary(max_size=20),
    st.integers(0, 30),
    st.sampled_from(["INVITE", "OPTIONS", "REGISTER", "BYE", "CANCEL", "INFO", "UPDATE"]),
    st.booleans(),
)
def test_a_message_damaged_anywhere_harms_nobody(
    position: int, junk: bytes, cut: int, method: str, multipart: bool
) -> None:
    part = (
        f"--b\r\nContent-Type: application/sdp\r\n\r\n{SDP}\r\n--b\r\nContent-Disposition: x;handling=optional\r\n\r\nx"
    )
    data = request(
        method,
        'Authorization: Digest username="alice", realm="sidecar", nonce="1", uri="sip:x", response="0"',
        "Record-Route: <sip:10.0.0.8;lr>",
        "Session-Expires: 1800;refresher=uac",
        "Content-Type: multipart/mixed;boundary=b" if multipart else "Content-Type: application/sdp",
        body=f"{part}\r\n--b--" if multipart else SDP,
    ).encode()
    position %= len(data)
    damaged = data[:position] + junk + data[position + cut :]
    node, _ = receive(damaged, UserAgentSettings(users=(Credentials(username="alice", password="x"),)))
    for event in node.told(CallReceived):
        event.session.accept(node.media)
    node.network.run(300)
    assert node.agent.transactions == 0
    assert node.agent.sessions == 0
