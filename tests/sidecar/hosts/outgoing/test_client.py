"""What scripts ask of the web: where it may go at each step, how much of it there may be, and what is told of it."""

import asyncio
import gzip
import socket
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from msgspec import structs

from sidecar.hosts.outgoing.client import OutgoingClient
from sidecar.hosts.outgoing.exchange import IncomingResponse, OutgoingFailed, OutgoingRequest
from sidecar.hosts.outgoing.policy import policy
from sidecar.hosts.outgoing.settings import OutgoingSettings
from tests.sidecar.hosts.web_site import Site

HERE = policy(["*"], ["127.0.0.1/32"], [])
SETTINGS = OutgoingSettings(policy=HERE, response_bytes=10_000, request_bytes=1_000)


async def ask(url: str, settings: OutgoingSettings = SETTINGS, **request: Any) -> IncomingResponse:
    client = OutgoingClient(settings)
    try:
        return await client.request("t", OutgoingRequest(url=url, **request))
    finally:
        await client.close()


async def test_a_request_goes_out_as_it_was_asked_for(site: Site) -> None:
    site.answers(b"{}", 201, X_Answer="a", Content_Type="application/json")
    response = await ask(
        site.url("/a?b=%20c#fragment"), method="PUT", headers=[("X-One", "1"), ("Content-Type", "text/x")], body=b"body"
    )
    assert (response.status, response.reason, response.body, response.redirected) == (201, "Created", b"{}", False)
    assert response.url == site.url("/a?b=%20c")
    assert ("X-Answer", "a") in response.headers
    ((method, path, headers, body),) = site.requests
    assert (method, path, body) == ("PUT", "/a?b=%20c", b"body")
    assert (headers["X-One"], headers["Content-Type"]) == ("1", "text/x")


async def test_headers_of_the_connection_are_not_the_scripts(site: Site) -> None:
    site.answers()
    await ask(site.url(), headers=[("Host", "other"), ("connection", "upgrade"), ("Content-Length", "5"), ("TE", "x")])
    headers = site.requests[0][2]
    assert headers["Host"] == f"127.0.0.1:{site.port}"
    assert headers["Accept-Encoding"] == "gzip"
    assert "TE" not in headers
    assert headers.get("Content-Length", "0") == "0"


@pytest.mark.parametrize(
    "request_",
    [
        {"headers": [("X", "a\r\nY: b")]},
        {"headers": [("X\r\nY", "b")]},
        {"headers": [("", "b")]},
        {"method": "GET / HTTP/1.1\r\nX: y\r\n\r\nGET"},
        {"method": ""},
    ],
)
async def test_nothing_of_a_scripts_begins_a_second_request(site: Site, request_: dict[str, Any]) -> None:
    site.answers()
    with pytest.raises(OutgoingFailed):
        await ask(site.url(), **request_)
    assert site.requests == []


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "[::1]", "[::ffff:127.0.0.1]", "0", "[::]"]
)
async def test_this_machine_is_not_reached_by_any_of_its_names(host: str, site: Site) -> None:
    site.answers()
    with pytest.raises(OutgoingFailed):
        await ask(site.url(host=host), OutgoingSettings())
    assert site.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/path",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "http://",
        "http://user:password@127.0.0.1/",
        "http://a\\@127.0.0.1/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1 /",
        "http://\ud800/",
        "http://a.example/" + "a" * 9_000,
    ],
)
async def test_what_is_no_url_for_a_script_is_told_so(url: str) -> None:
    with pytest.raises(OutgoingFailed) as raised:
        await ask(url)
    assert "password" not in str(raised.value).partition(": ")[0] or "user" in url
    assert len(str(raised.value)) < 600


async def test_a_name_is_resolved_once_for_the_check_and_the_connection(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.answers()
    asked: list[str] = []

    async def resolve(_resolver: object, host: str, port: int = 0, family: int = 0) -> list[dict[str, Any]]:
        # A stranger's name server: the first answer is an address of the open internet, the next ones are not.
        asked.append(host)
        address = "93.184.216.34" if len(asked) == 1 else "127.0.0.1"
        return [{"hostname": host, "host": address, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}]

    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", resolve)
    client = OutgoingClient(structs.replace(SETTINGS, policy=policy(["*"], [], []), timeout_seconds=0.2))
    with pytest.raises(OutgoingFailed):
        await client.request("t", OutgoingRequest(url=site.url(host="rebinding.example")))
    assert asked == ["rebinding.example"]
    with pytest.raises(OutgoingFailed, match="no address that may be connected to"):
        await client.request("t", OutgoingRequest(url=site.url(host="rebinding.example")))
    await client.close()
    assert site.requests == []


async def test_a_redirect_is_followed_and_checked_as_what_was_asked_for(site: Site) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == "/end":
            return web.Response(body=b"here")
        return web.Response(status=307, headers={"Location": "/end"})

    site.handler = handler
    response = await ask(site.url("/begin"), method="POST", body=b"x")
    assert (response.body, response.url, response.redirected) == (b"here", site.url("/end"), True)
    assert [request[0] for request in site.requests] == ["POST", "POST"]
    response = await ask(site.url("/begin"), follows=False)
    assert (response.status, response.redirected) == (307, False)


@pytest.mark.parametrize(
    "location", ["http://localhost:1/", "http://127.0.0.2/", "file:///etc/passwd", "http://[::1]/"]
)
async def test_a_redirect_leads_nowhere_that_a_request_may_not(location: str, site: Site) -> None:
    site.answers(b"", 302, Location=location)
    with pytest.raises(OutgoingFailed):
        await ask(site.url(), structs.replace(SETTINGS, policy=policy(["127.0.0.1"], ["127.0.0.1/32"], [])))
    assert len(site.requests) == 1


async def test_what_proves_who_asks_stays_with_whom_it_was_for(site: Site, other_site: Site) -> None:
    site.answers(b"", 302, Location=other_site.url("/there"))
    other_site.answers(b"there")
    secret = [("Authorization", "Bearer x"), ("Cookie", "a=b"), ("X-Key", "kept"), ("Content-Type", "text/x")]
    response = await ask(site.url(), method="POST", headers=secret, body=b"form")
    assert response.body == b"there"
    ((method, _, headers, body),) = other_site.requests
    assert (method, body) == ("GET", b"")
    assert "Authorization" not in headers
    assert "Cookie" not in headers
    assert "Content-Type" not in headers
    assert headers["X-Key"] == "kept"


@pytest.mark.parametrize("method", ["CONNECT", "trace", "Track"])
async def test_no_request_opens_a_way_through_a_server(method: str, site: Site) -> None:
    with pytest.raises(OutgoingFailed, match=f"{method} is not a method"):
        await ask(site.url(), method=method)
    assert site.requests == []


async def test_redirects_have_an_end(site: Site) -> None:
    site.answers(b"", 302, Location="/again")
    with pytest.raises(OutgoingFailed, match="redirects more than 5 times"):
        await ask(site.url())
    assert len(site.requests) == 6


async def test_an_answer_is_unpacked(site: Site) -> None:
    site.answers(gzip.compress(b"a" * 9_000), Content_Encoding="gzip")
    assert (await ask(site.url())).body == b"a" * 9_000


@pytest.mark.parametrize(
    ("body", "coding", "reason"),
    [
        (b"a" * 10_001, "identity", "more than 10000 bytes"),
        (gzip.compress(bytes(100_000_000)), "gzip", "more than 10000 bytes"),
        (gzip.compress(b"cut short", mtime=0)[:-9], "gzip", "has no end"),
        (b"no gzip", "gzip", "incorrect header"),
        (b"?", "br", "packed as 'br'"),
        (b"?", "deflate", "packed as 'deflate'"),
        (b"?", "gzip, br", "packed as 'gzip, br'"),
        (gzip.compress(b"") * 2_000, "gzip", "more than 1000 members"),
        (b"\x1f\x8b\x08\x08" + b"name" * 10_000, "gzip", "more than 10000 bytes"),
    ],
)
async def test_an_answer_that_is_too_much_or_not_whole_is_refused(
    body: bytes, coding: str, reason: str, site: Site
) -> None:
    site.answers(body, Content_Encoding=coding)
    with pytest.raises(OutgoingFailed, match=reason):
        await ask(site.url())


async def test_a_body_is_bounded(site: Site) -> None:
    site.answers()
    with pytest.raises(OutgoingFailed, match="1001 bytes, of 1000"):
        await ask(site.url(), method="POST", body=bytes(1_001))
    assert site.requests == []


async def test_who_does_not_answer_costs_no_more_than_its_time(site: Site) -> None:
    async def handler(_request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    site.handler = handler
    with pytest.raises(OutgoingFailed, match=r"took over 0\.1 s"):
        await ask(site.url("/?secret=1"), structs.replace(SETTINGS, timeout_seconds=0.1))


async def test_a_tenant_has_so_many_at_once_and_all_have_so_many(site: Site) -> None:
    arrived = asyncio.Semaphore(0)
    go_on = asyncio.Event()

    async def handler(_request: web.Request) -> web.StreamResponse:
        arrived.release()
        await go_on.wait()
        return web.Response()

    site.handler = handler
    client = OutgoingClient(structs.replace(SETTINGS, at_once=3, at_once_per_tenant=2))
    request = OutgoingRequest(url=site.url())
    waiting = [asyncio.create_task(client.request(tenant, request)) for tenant in "aab"]
    for _ in waiting:
        await arrived.acquire()
    with pytest.raises(OutgoingFailed, match="too many requests of scripts"):
        await client.request("c", request)
    waiting.pop().cancel()
    await asyncio.sleep(0)
    with pytest.raises(OutgoingFailed, match="more than 2 requests at once"):
        await client.request("a", request)
    go_on.set()
    await asyncio.gather(*waiting)
    assert (await client.request("a", request)).status == 200
    await client.close()


async def test_what_is_told_of_a_failure_has_no_secret_and_no_address(site: Site) -> None:
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))
    port = closed.getsockname()[1]
    closed.close()
    with pytest.raises(OutgoingFailed) as raised:
        await ask(f"http://localhost:{port}/path?key=s3cret#s3cret", SETTINGS)
    assert "s3cret" not in str(raised.value)
    assert "no connection" in str(raised.value)
    assert "127.0.0.1" not in str(raised.value)
