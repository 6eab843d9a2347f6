"""Digest credentials, as asked for and as given."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipio.errors import MalformedMessage
from sipio.sip.digest import best_challenge, digest_response, parse_challenge, parse_parameters
from sipio.sip.digest_client import DigestClient
from sipio.sip.digest_server import NONCE_SECONDS, DigestServer, Verdict
from sipio.sip.message import Request, Response, parse_message
from sipio.sip.randomness import Randomness
from sipio.sip.serialize import Headers
from sipio.sip.settings import Credentials

ALICE = Credentials(username="alice", password='se"cret\\ö')


def test_the_examples_of_the_standards() -> None:
    # RFC 2617 clause 3.5.
    assert (
        digest_response(
            algorithm="",
            username="Mufasa",
            realm="testrealm@host.com",
            password="Circle Of Life",
            method="GET",
            uri="/dir/index.html",
            nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",
            nc="00000001",
            cnonce="0a4f113b",
        )
        == "6629fae49393a05397450978507c4ef1"
    )
    # RFC 7616 clause 3.9.1.
    for algorithm, expected in {
        "MD5": "8ca523f5e9506fed4657c9700eebdbec",
        "SHA-256": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
    }.items():
        assert (
            digest_response(
                algorithm=algorithm,
                username="Mufasa",
                realm="http-auth@example.org",
                password="Circle of Life",
                method="GET",
                uri="/dir/index.html",
                nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
                nc="00000001",
                cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            )
            == expected
        )


def request(headers: Headers) -> Request:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    message = parse_message(f"REGISTER sip:x SIP/2.0\r\n{lines}\r\n".encode())
    assert isinstance(message, Request)
    return message


def response(status: int, headers: Headers) -> Response:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    message = parse_message(f"SIP/2.0 {status} X\r\n{lines}\r\n".encode())
    assert isinstance(message, Response)
    return message


def challenge_of(asked: DigestServer, *, proxy: bool = False, stale: bool = False) -> Headers:
    """What alice is asked at the address h."""
    return asked.challenge(proxy=proxy, stale=stale, user="alice", host="h", now=0.0)


def server() -> DigestServer:
    return DigestServer("here", [ALICE], Randomness(1))


@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
@pytest.mark.parametrize("proxy", [True, False])
def test_client_and_server_understand_each_other(algorithm: str, proxy: bool) -> None:
    asked = server()
    client = DigestClient(ALICE, Randomness(2))
    challenges = [
        header
        for header in asked.challenge(proxy=proxy, stale=False, user="alice", host="h", now=0.0)
        if algorithm in header[1]
    ]
    assert client.challenged(response(407 if proxy else 401, challenges))
    for _ in range(3):
        given = client.headers("REGISTER", "sip:x")
        assert [name for name, _ in given] == ["Proxy-Authorization" if proxy else "Authorization"]
        assert asked.check(request(given), "h", 1.0) == (Verdict.RIGHT, "alice")
    assert asked.check(request(given), "h", 1.0)[0] is Verdict.STALE


def test_a_wrong_password_an_unknown_user_and_another_method() -> None:
    for credentials, method in [
        (Credentials(username="alice", password="x"), "REGISTER"),
        (Credentials(username="bob", password=""), "REGISTER"),
        (ALICE, "INVITE"),
    ]:
        asked = server()
        client = DigestClient(credentials, Randomness(2))
        assert client.challenged(response(401, challenge_of(asked)))
        assert asked.check(request(client.headers(method, "sip:x")), "h", 1.0)[0] is Verdict.WRONG


def test_old_and_invented_nonces_are_stale() -> None:
    asked = server()
    client = DigestClient(ALICE, Randomness(2))
    client.challenged(response(401, challenge_of(asked)))
    assert asked.check(request(client.headers("REGISTER", "sip:x")), "h", NONCE_SECONDS + 1)[0] is Verdict.STALE
    other = DigestServer("here", [ALICE], Randomness(77))
    assert other.check(request(client.headers("REGISTER", "sip:x")), "h", 1.0)[0] is Verdict.STALE
    # Without qop nothing counts its uses.
    plain = DigestClient(ALICE, Randomness(2))
    challenge = challenge_of(asked)[1][1].replace(', qop="auth"', "")
    plain.challenged(response(401, [("WWW-Authenticate", challenge)]))
    assert asked.check(request(plain.headers("REGISTER", "sip:x")), "h", 1.0) == (Verdict.WITHOUT_QOP, "alice")
    assert asked.check(request(plain.headers("REGISTER", "sip:x")), "elsewhere", 1.0)[0] is Verdict.STALE


@pytest.mark.parametrize("everybody", [True, False])
def test_a_phone_that_is_allowed_to_answers_without_qop_once_for_each_nonce(everybody: bool) -> None:
    user = Credentials(username="alice", password="secret", without_qop=not everybody)
    other = Credentials(username="bob", password="secret")
    asked = DigestServer("here", [user, other], Randomness(1), without_qop=everybody)

    def answered(credentials: Credentials, nonce_for: str = "h") -> list[tuple[str, str]]:
        client = DigestClient(credentials, Randomness(2))
        (_, challenge), *_ = asked.challenge(
            proxy=False, stale=False, user=credentials.username, host=nonce_for, now=0.0
        )
        assert client.challenged(response(401, [("WWW-Authenticate", challenge.replace(', qop="auth"', ""))]))
        given = client.headers("REGISTER", "sip:x")
        assert "qop" not in given[0][1]
        assert "nc=" not in given[0][1]
        return given

    given = answered(user)
    assert asked.check(request(given), "h", 1.0) == (Verdict.RIGHT, "alice")
    assert asked.check(request(given), "h", 1.0) == (Verdict.STALE, "alice")
    assert asked.check(request(answered(user)), "h", 1.0) == (Verdict.RIGHT, "alice")
    assert asked.check(request(answered(user)), "h", NONCE_SECONDS + 1)[0] is Verdict.STALE
    assert asked.check(request(answered(user, "elsewhere")), "h", 1.0)[0] is Verdict.STALE
    wrong = msgspec.structs.replace(user, password="x")
    assert asked.check(request(answered(wrong)), "h", 1.0)[0] is Verdict.WRONG
    # Nobody else is.
    assert asked.check(request(answered(other)), "h", 1.0)[0] is (Verdict.RIGHT if everybody else Verdict.WITHOUT_QOP)


def test_a_nonce_that_was_used_with_qop_is_not_taken_without_it() -> None:
    user = Credentials(username="alice", password="secret", without_qop=True)
    asked = DigestServer("here", [user], Randomness(1))
    challenge = asked.challenge(proxy=False, stale=False, user="alice", host="h", now=0.0)[0][1]
    for text, verdict in [(challenge, Verdict.RIGHT), (challenge.replace(', qop="auth"', ""), Verdict.STALE)]:
        client = DigestClient(user, Randomness(2))
        client.challenged(response(401, [("WWW-Authenticate", text)]))
        assert asked.check(request(client.headers("REGISTER", "sip:x")), "h", 1.0)[0] is verdict


def test_nothing_is_said_of_a_password_that_comes_with_a_nonce_of_somebody_elses() -> None:
    asked = server()
    for password in (ALICE, Credentials(username="alice", password="wrong")):
        client = DigestClient(password, Randomness(2))
        client.challenged(response(401, challenge_of(asked)))
        assert asked.check(request(client.headers("REGISTER", "sip:x")), "elsewhere", 1.0) == (Verdict.STALE, "alice")


@pytest.mark.parametrize(
    ("own", "offered"), [((), ["SHA-256", "MD5"]), (("MD5",), ["MD5"]), (("MD5", "SHA-256"), ["MD5", "SHA-256"])]
)
def test_a_user_is_challenged_by_its_own_algorithms_in_its_own_order(own: tuple[str, ...], offered: list[str]) -> None:
    asked = DigestServer("here", [Credentials(username="alice", password="x", algorithms=own)], Randomness(1))
    challenges = challenge_of(asked)
    assert [value.rpartition("algorithm=")[2] for _, value in challenges] == offered
    others = asked.challenge(proxy=False, stale=False, user="bob", host="h", now=0.0)
    assert [value.rpartition("algorithm=")[2] for _, value in others] == ["SHA-256", "MD5"]


def test_an_algorithm_that_was_not_offered_is_no_login() -> None:
    asked = DigestServer("here", [ALICE], Randomness(1), ("SHA-256",))
    for algorithm, verdict in (("SHA-256", Verdict.RIGHT), ("MD5", Verdict.WRONG)):
        ((name, challenge),) = challenge_of(asked)
        client = DigestClient(ALICE, Randomness(2))
        client.challenged(response(401, [(name, challenge.replace("SHA-256", algorithm))]))
        assert asked.check(request(client.headers("REGISTER", "sip:x")), "h", 1.0)[0] is verdict


@pytest.mark.parametrize(
    ("credentials", "fields", "reason"),
    [
        (None, ['Digest realm="a", nonce="1"'], "no user name and password are configured for it"),
        (ALICE, [], "the answer has no challenge"),
        (
            ALICE,
            ['Digest realm="a", nonce="1", algorithm=SHA-512-256'],
            "the challenge is not understood: algorithm 'SHA-512-256'",
        ),
        (
            ALICE,
            ['Digest realm="a", nonce="1", qop="auth-int"', 'Digest realm="a"', 'Basic realm="x"'],
            "the challenge is not understood: qop 'auth-int'; no nonce; scheme 'Basic' or a header that cannot be read",
        ),
        (
            Credentials(username="a", password="b", realm="home"),
            ['Digest realm="away", nonce="1"'],
            "it is for the realm 'away', the password for 'home'",
        ),
    ],
)
def test_why_a_challenge_was_not_answered_is_said(
    credentials: Credentials | None, fields: list[str], reason: str
) -> None:
    client = DigestClient(credentials, Randomness(2))
    assert not client.challenged(response(401, [("WWW-Authenticate", field) for field in fields]))
    assert client.unmet == reason


def test_credentials_for_another_realm_or_scheme_are_none() -> None:
    assert server().check(request([]), "h", 0.0)[0] is Verdict.MISSING
    assert server().check(request([("Authorization", "Basic xyz")]), "h", 0.0)[0] is Verdict.MISSING
    assert server().check(request([("Authorization", 'Digest realm="there"')]), "h", 0.0)[0] is Verdict.MISSING
    with pytest.raises(MalformedMessage):
        server().check(request([("Authorization", 'Digest realm="here"')]), "h", 0.0)


def test_when_a_client_gives_up() -> None:
    asked = server()
    fresh = challenge_of(asked)
    stale = challenge_of(asked, stale=True)
    client = DigestClient(ALICE, Randomness(2))
    assert client.challenged(response(401, fresh))
    client.headers("REGISTER", "sip:x")
    assert not client.challenged(response(401, fresh))
    assert client.challenged(response(401, stale))
    client.succeeded()
    assert client.challenged(response(401, fresh))
    for _ in range(10):
        client.challenged(response(401, stale))
    assert not client.challenged(response(401, stale))
    assert not DigestClient(None, Randomness(2)).challenged(response(401, fresh))
    elsewhere = Credentials(username="a", password="b", realm="elsewhere")
    assert not DigestClient(elsewhere, Randomness(2)).challenged(response(401, fresh))


def test_the_first_challenge_that_can_be_answered_is() -> None:
    fields = [
        "Basic realm=x",
        'Digest realm="a", nonce="1", algorithm=SHA-512-256',
        'Digest realm="a", nonce="2", qop="auth-int"',
        'Digest realm="a, \\"b\\"", nonce="3", qop="auth-int,auth", algorithm=md5, opaque="o", stale=TRUE',
        'Digest realm="a", nonce="4"',
    ]
    challenge = best_challenge(fields)
    assert challenge is not None
    assert (challenge.realm, challenge.nonce, challenge.opaque, challenge.stale) == ('a, "b"', "3", "o", True)


@given(st.text(max_size=60))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for field in (text, "Digest " + text, f'Digest realm="{text}'):
        parse_challenge(field)
        try:
            parse_parameters(field)
        except MalformedMessage:
            continue
