"""Registering elsewhere and being registered with."""

from itertools import pairwise

import msgspec
import pytest

from sipio.errors import LocalError
from sipio.sip.digest_client import DigestClient
from sipio.sip.events import (
    BindingChanged,
    CallReceived,
    ChallengeUnmet,
    LoginFailed,
    RegistrationChanged,
    RegistrationState,
)
from sipio.sip.message import Response, parse_message
from sipio.sip.randomness import Randomness
from sipio.sip.settings import Credentials, RegistrationSettings, UserAgentSettings
from tests.sipio.sip.sip_network import Network, Node

ALICE = Credentials(username="alice", password="secret")
SERVER = UserAgentSettings(users=(ALICE, Credentials(username="bob", password="b")), registration_minimum_seconds=60)
ALICE_AT_B = RegistrationSettings(
    name="trunk", registrar="sip:10.0.0.2", address_of_record="sip:alice@10.0.0.2", credentials=ALICE
)


def pair() -> tuple[Network, Node, Node]:
    network = Network()
    return network, network.node(), network.node(SERVER)


def states(node: Node) -> list[tuple[RegistrationState, int]]:
    return [(event.state, event.status) for event in node.told(RegistrationChanged)]


def test_registered_refreshed_called_and_unregistered() -> None:
    network, a, b = pair()
    a.agent.register(ALICE_AT_B)
    network.run(0.1)
    assert states(a) == [(RegistrationState.REGISTERED, 200)]
    assert a.told(RegistrationChanged)[0].expires_seconds == 3600
    (binding,) = b.agent.contacts("alice")
    assert (binding.contact, binding.path) == ("sip:sidecar@10.0.0.1:5060", a.address)
    b.agent.invite(binding.contact, from_="sip:x@y", media=b.media, proxy=binding.path)
    network.run(0.1)
    assert a.told(CallReceived)
    network.run(8_000)
    assert len(states(a)) == 3
    assert set(states(a)) == {(RegistrationState.REGISTERED, 200)}
    assert b.agent.contacts("alice")
    a.agent.unregister("trunk")
    network.run(0.1)
    assert states(a)[-1] == (RegistrationState.UNREGISTERED, 200)
    assert b.agent.contacts("alice") == []
    assert [event.contacts for event in b.told(BindingChanged)] == [["sip:sidecar@10.0.0.1:5060"], []]


def test_a_binding_runs_out_when_nobody_refreshes_it() -> None:
    network, a, b = pair()
    a.agent.register(ALICE_AT_B)
    network.run(0.1)
    network.drop = lambda node, _: node is a
    network.run(3_500)
    assert b.agent.contacts("alice")
    network.run(110)
    assert b.agent.contacts("alice") == []
    assert b.told(BindingChanged)[-1].source is None


def test_a_wrong_password_and_another_users_name() -> None:
    network, a, b = pair()
    wrong = Credentials(username="alice", password="x")
    a.agent.register(
        RegistrationSettings(
            name="w", registrar="sip:10.0.0.2", address_of_record="sip:alice@10.0.0.2", credentials=wrong
        )
    )
    network.run(0.1)
    assert states(a) == [(RegistrationState.FAILED, 401)]
    a.agent.unregister("w")
    a.agent.register(
        RegistrationSettings(name="o", registrar="sip:10.0.0.2", address_of_record="sip:bob@x", credentials=ALICE)
    )
    network.run(0.1)
    assert states(a)[-1] == (RegistrationState.FAILED, 403)
    assert b.agent.contacts("bob") == []


def test_a_registrar_that_is_away_is_tried_again_ever_more_seldom_and_found_again() -> None:
    network, a, _ = pair()
    network.drop = lambda *_: True
    a.agent.register(ALICE_AT_B)
    network.run(700)
    assert set(states(a)) == {(RegistrationState.FAILED, 408)}
    starts = [when for when, data in a.sent if data.startswith(b"REGISTER")]
    gaps = [later - earlier for earlier, later in pairwise(starts) if later - earlier > 4.1]
    assert gaps == sorted(gaps)
    assert gaps[-1] <= 301
    network.drop = lambda *_: False
    network.run(400)
    assert states(a)[-1] == (RegistrationState.REGISTERED, 200)


def test_423_is_tried_again_with_the_minimum() -> None:
    network = Network()
    a = network.node()
    b = network.node(UserAgentSettings(users=(ALICE,), registration_minimum_seconds=600))
    a.agent.register(
        RegistrationSettings(
            name="t", registrar="sip:10.0.0.2", address_of_record="sip:alice@b", credentials=ALICE, expires_seconds=30
        )
    )
    network.run(0.2)
    assert "SIP/2.0 423 Interval Too Brief" in b.first_lines()
    assert a.told(RegistrationChanged)[-1].expires_seconds == 600


def test_the_contact_is_that_of_the_registration() -> None:
    network, a, b = pair()
    a.agent.register(msgspec.structs.replace(ALICE_AT_B, contact_user="acct 1"))
    network.run(0.1)
    assert [binding.contact for binding in b.agent.contacts("alice")] == ["sip:acct%201@10.0.0.1:5060"]
    a.agent.unregister("trunk")
    network.run(0.1)
    assert b.agent.contacts("alice") == []


OURS = "sip:sidecar@10.0.0.1:5060"


@pytest.mark.parametrize(
    ("headers", "granted"),
    [
        ([f"Contact: <{OURS}>;expires=600"], 600),
        (["Contact: <SIP:sidecar@10.0.0.1:5060;ob>;expires=600"], 600),
        (["Contact: <sip:%73idecar@10.0.0.1:5060>;expires=600"], 600),
        (["Contact: <sip:sidecar@203.0.113.7:41234>;expires=600"], 600),
        (["Contact: <sip:other@203.0.113.7>;expires=60", f"Contact: <{OURS};x=1>;expires=600"], 600),
        (["Contact: <sip:a@h>;expires=900, <sip:b@h>;expires=600", "Contact: <sip:c@h>;expires=700"], 600),
        (["Contact: <sip:a@h>", "Expires: 600"], 600),
        (["Contact: broken<", "Contact: <sip:a@h>;expires=600"], 600),
        (["Contact: <sip:a@h>;expires=never"], 3600),
        ([f"Contact: <{OURS}>", "Expires: 600"], 600),
        (["Expires: 600"], 600),
        ([], 3600),
    ],
)
def test_what_a_registrar_grants(headers: list[str], granted: int) -> None:
    network = Network()
    a, far = network.node(), network.node()
    network.drop = lambda node, _: node is a
    a.agent.register(msgspec.structs.replace(ALICE_AT_B, registrar=f"sip:{far.address.host}"))
    network.run(0.1)
    request = parse_message(a.sent[-1][1])
    lines = [f"{name}: {request.get(name)}" for name in ("Via", "From", "To", "Call-ID", "CSeq")]
    answer = "\r\n".join(["SIP/2.0 200 OK", *lines, *headers, "", ""])
    network.deliver(answer.encode(), far.address, a.address)
    network.run(0.1)
    assert [event.expires_seconds for event in a.told(RegistrationChanged)] == [granted]


class Phone:
    """Sends REGISTERs of its own making, with credentials."""

    def __init__(self) -> None:
        self.network, self.a, self.b = pair()
        self.number = 0
        self.knows_qop = True

    def register(self, *headers: str, call_id: str = "c", number: int = 0, user: str = "alice") -> str:
        """The answer's text."""
        client = DigestClient(ALICE, Randomness(self.number))
        self.number += 1
        for attempt in range(2):
            lines = [
                "REGISTER sip:10.0.0.2 SIP/2.0",
                f"Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK{self.number}-{attempt};rport",
                f"From: <sip:{user}@10.0.0.2>;tag=1",
                f"To: <sip:{user}@10.0.0.2>",
                f"Call-ID: {call_id}",
                f"CSeq: {2 * (number or self.number) + attempt} REGISTER",
                *headers,
                *(f"{name}: {value}" for name, value in client.headers("REGISTER", "sip:10.0.0.2")),
            ]
            self.network.deliver(("\r\n".join(lines) + "\r\n\r\n").encode(), self.a.address, self.b.address)
            self.network.run(0.05)
            data = self.b.sent[-1][1]
            message = parse_message(data if self.knows_qop else data.replace(b', qop="auth"', b""))
            assert isinstance(message, Response)
            if message.status != 401:
                break
            client.challenged(message)
        return data.decode()

    def contacts(self) -> list[str]:
        return [binding.contact for binding in self.b.agent.contacts("alice")]


def test_several_contacts_queries_and_removal() -> None:
    phone = Phone()
    assert "200 OK" in phone.register("Contact: <sip:1@h>;expires=100, <sip:2@h>", "Expires: 200")
    assert phone.contacts() == ["sip:2@h", "sip:1@h"]
    answer = phone.register()
    assert "Contact: <sip:1@h>;expires=100" in answer
    assert "Contact: <sip:2@h>;expires=200" in answer
    phone.register("m: <sip:1@h>;expires=0")
    assert phone.contacts() == ["sip:2@h"]
    phone.register("Contact: <sip:3@h>", "Expires: 999999")
    assert "expires=3600" in phone.register()
    phone.register("Contact: *", "Expires: 0")
    assert phone.contacts() == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (["Contact: *"], "400"),
        (["Contact: *, <sip:1@h>", "Expires: 0"], "400"),
        (["Contact: <sip:1@h>;expires=59"], "423"),
        (["Contact: <tel:+44>"], "416"),
        (["Contact: <sip:1@h"], "400"),
    ],
)
def test_what_is_refused_changes_nothing(headers: list[str], status: str) -> None:
    phone = Phone()
    phone.register("Contact: <sip:0@h>")
    assert phone.register(*headers).startswith(f"SIP/2.0 {status}")
    assert phone.contacts() == ["sip:0@h"]


def test_a_contact_spelt_otherwise_is_the_same_one() -> None:
    phone = Phone()
    phone.register("Contact: <sip:alice@Phone.example;line=1>")
    phone.register("Contact: <SIP:%61lice@phone.example>;expires=100")
    assert phone.contacts() == ["SIP:%61lice@phone.example"]
    phone.register("Contact: <sip:alice@PHONE.example>;expires=0")
    assert phone.contacts() == []


def test_an_older_register_that_comes_late_is_refused() -> None:
    phone = Phone()
    phone.register("Contact: <sip:0@h>", number=100)
    assert phone.register("Contact: <sip:0@h>;expires=0", number=50).startswith("SIP/2.0 500")
    assert phone.register("Contact: *", "Expires: 0", number=51).startswith("SIP/2.0 500")
    assert phone.contacts() == ["sip:0@h"]
    assert phone.register("Contact: <sip:0@h>;expires=0", number=50, call_id="other").startswith("SIP/2.0 200")


def test_a_phone_with_ever_new_contacts_pushes_out_its_oldest() -> None:
    phone = Phone()
    for number in range(8):
        phone.register(f"Contact: <sip:{number}@h>")
    assert phone.contacts() == [f"sip:{number}@h" for number in (7, 6, 5, 4, 3)]


def test_phones_on_a_lost_connection_are_gone() -> None:
    phone = Phone()
    phone.register("Contact: <sip:0@h>")
    phone.b.agent.connection_lost(phone.a.address)
    assert phone.contacts() == []


def test_other_users_take_effect_and_phones_whose_user_stays_are_where_they_were() -> None:
    phone = Phone()
    bob = Credentials(username="bob", password="x")
    phone.b.agent.use_accounts([ALICE, bob], frozenset())
    phone.register("Contact: <sip:0@h>")
    phone.b.agent.use_accounts([Credentials(username="alice", password="another"), bob], frozenset())
    assert phone.contacts() == ["sip:0@h"]
    # The phone still has the former password.
    assert phone.register("Contact: <sip:0@h>").startswith("SIP/2.0 401")
    assert phone.contacts() == ["sip:0@h"]
    phone.b.agent.use_accounts([bob], frozenset())
    assert phone.contacts() == []
    phone.network.run(0.1)
    assert phone.b.told(BindingChanged)[-1].contacts == []
    phone.b.agent.use_accounts([], frozenset())
    assert phone.register("Contact: <sip:0@h>").startswith("SIP/2.0 405")
    phone.b.agent.use_accounts([ALICE], frozenset())
    assert phone.register("Contact: <sip:0@h>").startswith("SIP/2.0 200")


def test_a_failed_login_is_told_with_the_address_that_it_came_from() -> None:
    phone = Phone()
    phone.b.agent.use_accounts([Credentials(username="alice", password="another")], frozenset())
    assert phone.register("Contact: <sip:0@h>").startswith("SIP/2.0 401")
    (failed,) = phone.b.told(LoginFailed)
    assert (failed.user, failed.method, failed.source) == ("alice", "REGISTER", phone.a.address)
    # A challenge that was only asked for is none.
    phone.b.events.clear()
    phone.b.agent.use_accounts([ALICE], frozenset())
    assert phone.register("Contact: <sip:0@h>").startswith("SIP/2.0 200")
    assert phone.b.told(LoginFailed) == []
    assert phone.b.agent.snapshot().failed_logins == 1


def test_a_phone_that_answers_without_qop_is_refused_and_told_of_where_it_may_not() -> None:
    phone = Phone()
    phone.knows_qop = False
    assert phone.register("Contact: <sip:0@h>").startswith("SIP/2.0 403 Digest Without qop")
    (failed,) = phone.b.told(LoginFailed)
    assert (failed.user, failed.without_qop, failed.source) == ("alice", True, phone.a.address)
    assert phone.b.agent.snapshot().failed_logins == 1
    assert phone.contacts() == []


def test_registrations_that_stay_as_they_are_go_on_undisturbed() -> None:
    network, a, _ = pair()

    def registration(name: str, seconds: int = 600) -> RegistrationSettings:
        return RegistrationSettings(
            name=name, registrar="sip:10.0.0.2", address_of_record="sip:alice@b", credentials=ALICE,
            expires_seconds=seconds,
        )  # fmt: skip

    a.agent.use_registrations([registration("one"), registration("two"), registration("three")])
    network.run(0.2)
    assert states(a) == [(RegistrationState.REGISTERED, 200)] * 3
    sent = len(a.sent)
    a.agent.use_registrations([registration("one"), registration("two", 700)])
    network.run(0.2)
    names = [(event.name, event.state) for event in a.told(RegistrationChanged)[3:]]
    assert sorted(names) == [
        ("three", RegistrationState.UNREGISTERED),
        ("two", RegistrationState.REGISTERED),
        ("two", RegistrationState.UNREGISTERED),
    ]
    assert len(a.sent) - sent <= 6
    with pytest.raises(LocalError):
        a.agent.use_registrations([RegistrationSettings(
            name="one", registrar="sip:10.0.0.2;transport=tcp", address_of_record="sip:alice@b")])  # fmt: skip
    network.run(0.2)
    assert len(a.told(RegistrationChanged)) == 6


def test_a_challenge_that_is_not_understood_is_told() -> None:
    network, a, _ = pair()

    def changed(data: bytes) -> bytes:
        return data.replace(b"algorithm=SHA-256", b"algorithm=SHA-512-256").replace(b"algorithm=MD5", b"algorithm=X")

    network.rewrite = changed
    a.agent.register(
        RegistrationSettings(name="t", registrar="sip:10.0.0.2", address_of_record="sip:alice@b", credentials=ALICE)
    )
    network.run(0.2)
    (event,) = a.told(RegistrationChanged)
    why = "the challenge is not understood: algorithm 'SHA-512-256', qop 'auth'; algorithm 'X', qop 'auth'"
    assert event.reason == f"Unauthorized: {why}"
    a.agent.invite("sip:100@10.0.0.2", from_="sip:alice@b", media=a.media, credentials=ALICE)
    network.run(0.2)
    (unmet,) = a.told(ChallengeUnmet)
    assert (unmet.uri, unmet.status) == ("sip:100@10.0.0.2", 407)
    assert unmet.reason == why
