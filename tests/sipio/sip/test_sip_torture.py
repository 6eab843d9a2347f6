"""The 49 messages of RFC 4475, each with the answer that it should have: byte for byte, from the RFC's own archive."""

from pathlib import Path

import pytest

from sipio.errors import MalformedMessage
from sipio.sip.address import Address
from sipio.sip.digest_client import DigestClient
from sipio.sip.events import CallReceived
from sipio.sip.incoming import IncomingSession
from sipio.sip.message import Request, Response, parse_message
from sipio.sip.randomness import Randomness
from sipio.sip.registrar import Binding
from sipio.sip.settings import Credentials, UserAgentSettings
from tests.sipio.sip.sip_network import Network, Node

MESSAGES = Path(__file__).parent / "rfc4475"
PEER = Address("udp", "10.0.0.9", 5060)


def receive(name: str, *users: str) -> tuple[Node, list[str]]:
    """A node that got one of the messages, and the first lines of what it sent back."""
    network = Network()
    node = network.node(UserAgentSettings(users=tuple(Credentials(username=user, password="x") for user in users)))
    network.deliver((MESSAGES / f"{name}.dat").read_bytes(), PEER, node.address)
    network.run(0.01)
    return node, node.first_lines()


def status(name: str, *users: str) -> int:
    """The status of the one answer."""
    _, (line,) = receive(name, *users)
    return int(line.split()[1])


def answer(name: str) -> Response:
    node, _ = receive(name)
    message = parse_message(node.sent[-1][1])
    assert isinstance(message, Response)
    return message


def call(name: str) -> IncomingSession:
    """The call that an INVITE has become."""
    node, _ = receive(name)
    node.network.run(0.2)
    assert node.first_lines() == ["SIP/2.0 100 Trying"]
    (event,) = node.told(CallReceived)
    event.session.accept(node.media)
    assert event.session.media is not None
    return event.session


def register(name: str, user: str) -> tuple[int, list[Binding]]:
    """A REGISTER with the password of its user: the status of the answer, and where the user then is."""
    node, lines = receive(name, user)
    assert lines == ["SIP/2.0 401 Unauthorized"]
    challenge = parse_message(node.sent[0][1])
    data = (MESSAGES / f"{name}.dat").read_bytes()
    request = parse_message(data)
    assert isinstance(request, Request)
    assert isinstance(challenge, Response)
    client = DigestClient(Credentials(username=user, password="x"), Randomness(1))
    assert client.challenged(challenge)
    ((header, value),) = client.headers("REGISTER", request.uri)
    start, _, rest = data.partition(b"\r\n")
    rest = rest.replace(b"branch=z9hG4bK", b"branch=z9hG4bKagain")
    node.network.deliver(start + f"\r\n{header}: {value}\r\n".encode() + rest, PEER, node.address)
    node.network.run(0.01)
    return int(node.first_lines()[1].split()[1]), node.agent.contacts(user)


# ---- 3.1.1: valid ----


def test_wsinv() -> None:
    # Well-formed, and of a dialog that nobody here has.
    assert status("wsinv") == 481
    message = parse_message((MESSAGES / "wsinv.dat").read_bytes())
    message.verify()
    assert message.get_all("via")[0].startswith("SIP  /   2.0 /UDP 192.0.2.2")
    assert message.get("unknownheaderwithunusualvalue") == ";;,,;;,;"
    assert answer("wsinv").get("call-id") == "wsinv.ndaksdj@192.0.2.1"


def test_intmeth() -> None:
    assert status("intmeth") == 501
    assert answer("intmeth").get("call-id") == "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"


def test_esc01() -> None:
    session = call("esc01")
    assert session.request.request_uri().decoded_user == "sips:user@example.com"


def test_escnull() -> None:
    found, bindings = register("escnull", "null-\0-null")
    assert found == 200
    assert {binding.contact for binding in bindings} == {"sip:%00@host5.example.com", "sip:%00%00@host5.example.com"}


def test_esc02() -> None:
    # A method has no escapes: this is no REGISTER.
    assert status("esc02", "x") == 501


def test_lwsdisp() -> None:
    assert status("lwsdisp") == 200


def test_longreq() -> None:
    session = call("longreq")
    assert len(session.request.get("call-id") or "") > 100


def test_dblreq() -> None:
    node, lines = receive("dblreq")
    assert lines == ["SIP/2.0 405 Method Not Allowed"]
    assert not node.told(CallReceived)


def test_semiuri() -> None:
    assert status("semiuri") == 200
    message = parse_message((MESSAGES / "semiuri.dat").read_bytes())
    assert isinstance(message, Request)
    assert message.request_uri().decoded_user == "user;par=u@example.net"


def test_transports() -> None:
    assert status("transports") == 200
    assert answer("transports").get_all("via")[1:] == [
        "SIP/2.0/SCTP t2.example.com;branch=z9hG4bKklasjdhf",
        "SIP/2.0/TLS t3.example.com;branch=z9hG4bK2980unddj",
        "SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bKasd0f3en",
        "SIP/2.0/TCP t5.example.com;branch=z9hG4bK0a9idfnee",
    ]


def test_mpart01() -> None:
    assert status("mpart01") == 405


def test_unreason() -> None:
    message = parse_message((MESSAGES / "unreason.dat").read_bytes())
    assert isinstance(message, Response)
    assert message.reason == "= 2**3 * 5**2 но сто девяносто девять - простое"
    assert receive("unreason")[1] == []


def test_noreason() -> None:
    message = parse_message((MESSAGES / "noreason.dat").read_bytes())
    assert isinstance(message, Response)
    assert (message.status, message.reason) == (100, "")
    assert receive("noreason")[1] == []


# ---- 3.1.2: invalid ----


@pytest.mark.parametrize(
    "name",
    [
        "badinv01",
        "clerr",
        "ncl",
        "scalar02",
        "quotbal",
        "ltgtruri",
        "lwsruri",
        "lwsstart",
        "trws",
        "baddn",
        "mismatch01",
        "mismatch02",
    ],
)
def test_it_is_refused_along_its_own_headers(name: str) -> None:
    node, lines = receive(name)
    assert [line[:12] for line in lines] == ["SIP/2.0 400 "]
    assert not node.told(CallReceived)
    given = (MESSAGES / f"{name}.dat").read_bytes().decode()
    for line in given.replace("\r\n ", " ").split("\r\n"):
        header, _, value = line.partition(":")
        if header.strip().lower() in {"call-id", "cseq", "from"}:
            assert answer(name).get(header.strip()) == value.strip()


def test_scalarlg() -> None:
    assert receive("scalarlg")[1] == []
    with pytest.raises(MalformedMessage):
        parse_message((MESSAGES / "scalarlg.dat").read_bytes()).verify()


def test_escruri() -> None:
    # Headers of a Request-URI are passed over, as the RFC leaves it open.
    session = call("escruri")
    assert session.request.request_uri().host == "example.com"


def test_baddate() -> None:
    # Nobody here reads Date.
    call("baddate")


def test_regbadct() -> None:
    assert register("regbadct", "user") == (400, [])


def test_badaspec() -> None:
    # What is meant can be told without a guess.
    assert status("badaspec") == 200


def test_badvers() -> None:
    assert status("badvers") == 505
    assert answer("badvers").get("call-id") == "badvers.31417@c.example.com"
    assert (answer("badvers").get("via") or "").startswith("SIP/7.0/UDP c.example.com;branch=z9hG4bKkdjuw")


def test_bigcode() -> None:
    assert receive("bigcode")[1] == []


# ---- 3.2 and 3.3: transactions and applications ----


def test_badbranch() -> None:
    # As one of RFC 2543's time, that has no branch.
    assert status("badbranch") == 200


def test_insuf() -> None:
    assert status("insuf") == 400
    assert answer("insuf").get("cseq") == "193942 INVITE"


@pytest.mark.parametrize("name", ["unkscm", "novelsc"])
def test_a_scheme_that_nobody_knows(name: str) -> None:
    assert status(name) == 416


def test_unksm2() -> None:
    assert register("unksm2", "user") == (403, [])


def test_bext01() -> None:
    assert status("bext01") == 420
    assert answer("bext01").get("unsupported") == "nothingsupportsthis, nothingsupportsthiseither"


def test_invut() -> None:
    assert status("invut") == 415
    assert answer("invut").get("accept") == "application/sdp"


def test_regaut01() -> None:
    # Credentials of an unknown scheme are none.
    assert status("regaut01", "j.user") == 401


def test_multi01() -> None:
    assert status("multi01") == 400


def test_mcl01() -> None:
    assert status("mcl01") == 400


def test_bcast() -> None:
    assert receive("bcast")[1] == []


def test_zeromf() -> None:
    assert status("zeromf") == 200


def test_cparam01() -> None:
    found, (binding,) = register("cparam01", "watson")
    assert (found, binding.contact) == (200, "sip:+19725552222@gw1.example.net")


def test_cparam02() -> None:
    found, (binding,) = register("cparam02", "watson")
    assert (found, binding.contact) == (200, "sip:+19725552222@gw1.example.net;unknownparam")


def test_regescrt() -> None:
    found, (binding,) = register("regescrt", "user")
    assert (found, binding.contact) == (200, "sip:user@example.com?Route=%3Csip:sip.example.com%3E")


def test_sdp01() -> None:
    assert status("sdp01") == 406


# ---- 3.4: backward compatibility ----


def test_inv2543() -> None:
    # A call without a Contact could not be hung up; RFC 3261 clause 8.1.1.8 has one in every INVITE.
    assert status("inv2543") == 400


def test_every_message_has_its_test() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    names = sorted(file.stem for file in MESSAGES.glob("*.dat"))
    assert len(names) == 49
    assert [name for name in names if f'"{name}"' not in text] == []
