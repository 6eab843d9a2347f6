"""Requests that nobody sends by mistake: each is answered with what is wrong, and nothing is lost or shown."""

import contextlib
import http.client
import json
import socket
import ssl
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.sidecar.http.platform_desk import ECHO, PlatformDesk
from tests.sidecar.http.test_api_catalog import kind_of

JSON = {"content-type": "application/json"}
SURROGATE = json.dumps({"name": "\ud800"})


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{", (400, "bad-json")),
        ("[" * 20_000, (400, "bad-json")),
        ("[" * 200_000, (413, "too-long")),
        ('{"name":' + "[" * 19_000 + "]" * 19_000 + "}", (400, "bad-json")),
        ('{"name":' + "[" * 100_000 + "]" * 100_000 + "}", (413, "too-long")),
        ("[]", (422, "wrong-values")),
        ("null", (422, "wrong-values")),
        ("", (422, "wrong-values")),
        ('{"name": "x", "more": 1}', (422, "wrong-values")),
        ('{"name": 1}', (422, "wrong-values")),
        ('{"name": "\\u0000"}', (422, "wrong-values")),
        (SURROGATE, (422, "wrong-values")),
        ('{"name": "' + "x" * 257 + '"}', (422, "wrong-values")),
        (b"\xff\xfe{", (400, "bad-json")),
    ],
)
def test_a_body_that_is_none(desk: PlatformDesk, content: str | bytes, expected: tuple[int, str]) -> None:
    answer = desk.acme.put("/api/v1/apps/bad", content=content, headers=JSON)
    status, kind = kind_of(answer)
    # Too deep is either: what reads it first says so.
    assert (status, kind) in (expected, (422, "wrong-values")), answer.text
    assert desk.acme.get("/api/v1/apps/bad").status_code == 404


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain", None])
def test_a_body_that_is_not_said_to_be_json(desk: PlatformDesk, content_type: str | None) -> None:
    headers = {"content-type": content_type} if content_type else {}
    answer = desk.acme.put("/api/v1/apps/bad", content='{"name": "x"}', headers=headers)
    assert kind_of(answer) == (422, "wrong-values")
    said = "body: it is taken as JSON with the header `Content-Type: application/json` alone"
    assert answer.json()["messages"] == [said]


def test_a_function_of_data_is_not_there(desk: PlatformDesk) -> None:
    made = {"name": "rates.json", "text": "{}"}
    desk.acme.put("/api/v1/scripts/rates", json=made, headers={"If-None-Match": "*"}).raise_for_status()
    answer = desk.acme.post("/api/v1/scripts/rates/run", json={})
    assert answer.json()["detail"] == "there is no function 'main' for callers; there are none"


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", str(2**70), '"\\ud800"', '{"\\udfff": 1}', '"\\u0000"'])
def test_vars_that_json_or_a_database_cannot_hold(desk: PlatformDesk, value: str) -> None:
    content = f'{{"vars": {{"x": [{value}]}}}}'
    answer = desk.acme.put("/api/v1/customers/acme", content=content, headers=JSON)
    assert kind_of(answer) in ((422, "wrong-values"), (400, "bad-json"))


def test_a_body_that_is_too_long_is_refused_before_it_is_read(desk: PlatformDesk) -> None:
    def endless() -> object:
        for _ in range(20):
            yield b"x" * 1_000_000

    announced = desk.acme.put("/api/v1/apps/big", content=b"x" * 8_000_001, headers=JSON)
    assert kind_of(announced) == (413, "too-long")
    streamed = desk.acme.put("/api/v1/apps/big", content=endless(), headers=JSON)  # type: ignore[arg-type]
    assert kind_of(streamed) == (413, "too-long")
    run = desk.anybody.post("/run/11111111-2222-3333-4444-555555555555", content=b"x" * 8_000_001)
    assert run.status_code in (404, 413)


NAMES = [
    "' or 1=1 --",
    '"; drop table scripts; --',
    "%",
    "_",
    "\\",
    "..",
    "a b",
    "é\u0301",
    "\U0001f600",
    "<script>",
    "a?b#c",
    "*",
    "{x}",
    "x" * 256,
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_a_name_whatever_is_in_it(desk: PlatformDesk, name: str) -> None:
    path = f"/api/v1/apps/{quoted(name)}"
    made = desk.acme.put(path, json={"name": name})
    assert (made.status_code, made.json()) == (201, {"id": name, "name": name})
    assert desk.acme.get(path).json() == {"id": name, "name": name}
    assert name in [one["id"] for one in desk.acme.get("/api/v1/apps", params={"limit": 500}).json()["items"]]
    assert desk.beta.get(path).status_code == 404
    assert desk.acme.delete(path, headers={"If-Match": "*"}).status_code == 204


def quoted(name: str) -> str:
    """Every byte of it, so that no client makes a path of its own of it."""
    return "".join(f"%{byte:02x}" for byte in name.encode())


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/../v1/apps",
        "/api/v1/apps/..%2f..%2fhealth",
        "/api/v1//apps",
        "/api//v1/apps",
        "/api/v1/apps/%00",
        "/api/v1/apps/" + "x" * 257,
        "/api/v1/apps/%ff%fe",
        "/%61pi/v1/apps",
        "/api/v1",
        "/api/v1/",
        "/api/v1/nothing",
        "/API/V1/apps",
        "/run/../api/v1/apps",
    ],
)
def test_no_path_leads_around_the_token(desk: PlatformDesk, path: str) -> None:
    """As it is written, which a good client would change."""
    parts = urlsplit(desk.url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)
    try:
        connection.putrequest("GET", path, skip_accept_encoding=True)
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    assert answer.status in (401, 404, 429), body
    assert b"items" not in body


def test_no_other_method_is_answered(desk: PlatformDesk) -> None:
    assert desk.acme.patch("/api/v1/apps/x").status_code == 405
    assert desk.anybody.request("PUT", "/run/11111111-2222-3333-4444-555555555555").status_code == 405
    assert desk.anybody.request("TRACE", "/health").status_code == 405


def test_errors_show_nothing_of_ours(desk: PlatformDesk) -> None:
    for answer in (desk.acme.get("/api/v1/apps/none"), desk.acme.put("/api/v1/apps/x", content="{")):
        assert "Traceback" not in answer.text
        assert "sidecar" not in answer.text
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "server" not in answer.headers


def test_nothing_of_the_platform_has_failed(desk: PlatformDesk) -> None:
    """The last of this file: whatever was sent above, no exception was."""
    assert desk.log_lines("request_failed") == []
    assert desk.program.lines("Traceback") == []


# ---- platforms of their own ----


def test_who_asks_too_often_waits(tmp_path: Path) -> None:
    desk = PlatformDesk(tmp_path, requests_a_second=20, public_runs_a_second=5, tenant_runs_a_second=15)
    try:
        found = [desk.acme.get("/api/v1/me") for _ in range(100)]
        refused = [one for one in found if one.status_code == 429]
        assert refused
        assert kind_of(refused[0]) == (429, "too-many")
        assert refused[0].headers["retry-after"] == "1"
        # Another's token is another's.
        assert desk.beta.get("/api/v1/me").status_code == 200
        strangers = [desk.anybody.get("/run/11111111-2222-3333-4444-555555555555") for _ in range(60)]
        assert {one.status_code for one in strangers} == {404, 429}
        guesses = [desk.anybody.get("/api/v1/me") for _ in range(100)]
        assert {one.status_code for one in guesses} == {401, 429}
    finally:
        desk.stop()


def test_other_sites_pages_ask_only_where_they_are_named(desk: PlatformDesk, tmp_path: Path) -> None:
    asked = {"Origin": "https://portal.example", "Access-Control-Request-Method": "PUT"}
    assert "access-control-allow-origin" not in desk.acme.get("/api/v1/me", headers=asked).headers
    named = PlatformDesk(tmp_path, cors_origins=["https://portal.example"])
    try:
        answer = named.anybody.options("/api/v1/apps/x", headers=asked)
        assert answer.headers["access-control-allow-origin"] == "https://portal.example"
        other = named.anybody.options("/api/v1/apps/x", headers={**asked, "Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers
    finally:
        named.stop()


def test_a_proxy_is_believed_where_it_is_named(desk: PlatformDesk, tmp_path: Path) -> None:
    said = {"X-Forwarded-For": "203.0.113.9"}
    desk.acme.put("/api/v1/apps/direct", json={"name": "x"}, headers=said)
    assert desk.acme.get("/api/v1/audit", params={"limit": 1}).json()["items"][0]["source"] == "127.0.0.1"
    behind = PlatformDesk(tmp_path, trusted_proxies=["127.0.0.0/8"])
    try:
        behind.acme.put("/api/v1/apps/proxied", json={"name": "x"}, headers=said)
        assert behind.acme.get("/api/v1/audit", params={"limit": 1}).json()["items"][0]["source"] == "203.0.113.9"
    finally:
        behind.stop()


def test_http_is_https_with_a_certificate(tmp_path: Path) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip

    class Secure(PlatformDesk):
        def client(self, token: str | None) -> httpx.Client:
            headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
            trusted = ssl.create_default_context(cafile=str(certificate))
            return httpx.Client(base_url=self.url, headers=headers, timeout=30, verify=trusted, trust_env=False)

    desk = Secure(tmp_path, tls_certificate=str(certificate), tls_key=str(key))
    try:
        assert desk.url.startswith("https://")
        desk.script("secure", ECHO)
        assert desk.acme.post("/api/v1/scripts/secure/run", json={"a": 1}).json()["result"]["a"] == 1
    finally:
        desk.stop()


def test_who_asks_too_slowly_keeps_no_connection(tmp_path: Path) -> None:
    desk = PlatformDesk(tmp_path, request_seconds=0.5)
    address = urlsplit(desk.url)
    try:
        page = f"/run/{desk.script('slow', public=True)['uuid']}"
        for sent in (b"", b"GET / HT", b"GET /health HTTP/1.1\r\nHost: x\r\nX: "):
            with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
                connection.sendall(sent)
                assert ended(connection), sent
        with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
            # Of two requests the second does not come.
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b""
            while not answer.endswith(b"}"):  # its head and its body are two packets
                answer += connection.recv(65_536)
            assert b" 200 " in answer
            connection.sendall(b"GET /hea")
            assert ended(connection)
        with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
            connection.sendall(b"POST " + page.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
            assert b" 408 " in connection.recv(65_536)
        with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
            with contextlib.suppress(OSError):
                for _ in range(300):
                    connection.sendall(b"X: " + b"x" * 1_000 + b"\r\n" if _ else b"GET / HTTP/1.1\r\n")
            assert ended(connection)
        assert desk.anybody.get("/health").status_code == 200
    finally:
        desk.stop()


def ended(connection: socket.socket) -> bool:
    """Whether the other side closes it."""
    try:
        return connection.recv(65_536) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("path", ["/api/v1/kv/keys/%ff", "/api/v1/kv/keys/%ed%a0%80", "/api/v1/kv/keys/a%c3"])
def test_a_path_that_is_no_text_names_nothing(desk: PlatformDesk, path: str) -> None:
    status, body = desk.raw("GET", path)
    assert (status, b"bad-path" in body) == (400, True), body
    assert desk.raw("GET", "/api/v1/kv/keys/%c3%a4")[0] == 404
