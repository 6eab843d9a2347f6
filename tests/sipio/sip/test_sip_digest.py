"""Digest credentials, as asked for and as given."""

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


def server() -> DigestServer:
    return DigestServer("here", [ALICE], Randomness(1))


@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
@pytest.mark.parametrize("proxy", [True, False])
def test_client_and_server_understand_each_other(algorithm: str, proxy: bool) -> None:
    asked = server()
    client = DigestClient(ALICE, Randomness(2))
    challenges = [header for header in asked.challenge(proxy=proxy, stale=False, now=0.0) if algorithm in header[1]]
    assert client.challenged(response(407 if proxy else 401, challenges))
    for _ in range(3):
        given = client.headers("REGISTER", "sip:x")
        assert [name for name, _ in given] == ["Proxy-Authorization" if proxy else "Authorization"]
        assert asked.check(request(given), 1.0) == (Verdict.RIGHT, "alice")
    assert asked.check(request(given), 1.0)[0] is Verdict.STALE


def test_a_wrong_password_an_unknown_user_and_another_method() -> None:
    for credentials, method in [
        (Credentials(username="alice", password="x"), "REGISTER"),
        (Credentials(username="bob", password=""), "REGISTER"),
        (ALICE, "INVITE"),
    ]:
        asked = server()
        client = DigestClient(credentials, Randomness(2))
        assert client.challenged(response(401, asked.challenge(proxy=False, stale=False, now=0.0)))
        assert asked.check(request(client.headers(method, "sip:x")), 1.0)[0] is Verdict.WRONG


def test_old_and_invented_nonces_are_stale() -> None:
    asked = server()
    client = DigestClient(ALICE, Randomness(2))
    client.challenged(response(401, asked.challenge(proxy=False, stale=False, now=0.0)))
    assert asked.check(request(client.headers("REGISTER", "sip:x")), NONCE_SECONDS + 1)[0] is Verdict.STALE
    other = DigestServer("here", [ALICE], Randomness(77))
    assert other.check(request(client.headers("REGISTER", "sip:x")), 1.0)[0] is Verdict.STALE
    # Without qop nothing counts its uses.
    plain = DigestClient(ALICE, Randomness(2))
    challenge = asked.challenge(proxy=False, stale=False, now=0.0)[1][1].replace(', qop="auth"', "")
    plain.challenged(response(401, [("WWW-Authenticate", challenge)]))
    assert asked.check(request(plain.headers("REGISTER", "sip:x")), 1.0)[0] is Verdict.STALE


def test_credentials_for_another_realm_or_scheme_are_none() -> None:
    assert server().check(request([]), 0.0)[0] is Verdict.MISSING
    assert server().check(request([("Authorization", "Basic xyz")]), 0.0)[0] is Verdict.MISSING
    assert server().check(request([("Authorization", 'Digest realm="there"')]), 0.0)[0] is Verdict.MISSING
    with pytest.raises(MalformedMessage):
        server().check(request([("Authorization", 'Digest realm="here"')]), 0.0)


def test_when_a_client_gives_up() -> None:
    asked = server()
    fresh = asked.challenge(proxy=False, stale=False, now=0.0)
    stale = asked.challenge(proxy=False, stale=True, now=0.0)
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
