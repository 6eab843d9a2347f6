"""fetch as scripts use it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from sidecar.configuration.host_sections import OutgoingSection
from sidecar.configuration.tree import Configuration
from sidecar.configuration.typed_value import Network
from sidecar.hosts.services import Services
from sidecar.kind import Kind
from tests.sidecar.hosts.module_runs import Scripts, line_of, scripts
from tests.sidecar.hosts.web_site import Site


@pytest.fixture
async def runs() -> AsyncIterator[Scripts]:
    networks: tuple[Network, ...] = ("127.0.0.1/32",)
    services = Services(Configuration(outgoing=OutgoingSection(networks=networks)))
    async with scripts(services) as made:
        yield made
    await services.close()


async def echo(request: web.Request) -> web.StreamResponse:
    seen = {name: request.headers.get(name) for name in ("Content-Type", "X-Key", "User-Agent")}
    body = (await request.read()).hex()
    return web.json_response({"method": request.method, "path": request.path_qs, "body": body, **seen})


async def test_a_json_answer_is_read(site: Site, runs: Scripts) -> None:
    site.answers('{"name": "Zoë"}'.encode(), 201, Content_Type="application/json", X_A="1")
    text = """
    async function main(url) {
      const response = await fetch(url);
      const { status, ok, statusText, redirected, headers } = response;
      const read = [headers.get('x-a'), headers.has('X-B'), headers.get('X-B'), [...headers.keys()].includes('x-a')];
      const again = response.clone();
      const { name } = await response.json();
      return { status, ok, statusText, redirected, read, name, used: response.bodyUsed, text: await again.text() };
    }
    """
    assert await runs.run(text, site.url("/x?y")) == {
        "status": 201,
        "ok": True,
        "statusText": "Created",
        "redirected": False,
        "read": ["1", False, None, True],
        "name": "Zoë",
        "used": True,
        "text": '{"name": "Zoë"}',
    }


@pytest.mark.parametrize(
    ("init", "seen"),
    [
        ("undefined", {"method": "GET", "body": "", "Content-Type": None}),
        (
            "{ method: 'post', body: 'ä' }",
            {"method": "POST", "body": "c3a4", "Content-Type": "text/plain;charset=UTF-8"},
        ),
        (
            "{ method: 'PUT', body: new Uint8Array([0, 255, 128, 7]), headers: [['x-key', 'k']] }",
            {"method": "PUT", "body": "00ff8007", "Content-Type": None, "X-Key": "k"},
        ),
        (
            "{ method: 'POST', body: new Uint8Array([1, 2, 3, 4]).subarray(1, 3), headers: { 'content-type': 'a/b' } }",
            {"body": "0203", "Content-Type": "a/b"},
        ),
        ("{ method: 'DELETE', headers: new Map([['X-Key', 7]]) }", {"method": "DELETE", "X-Key": "7"}),
        ("{ method: 'PURGE', body: new Uint8Array(0).buffer }", {"method": "PURGE", "body": ""}),
    ],
)
async def test_a_request_is_sent_as_it_is_described(init: str, seen: dict[str, str], site: Site, runs: Scripts) -> None:
    site.handler = echo
    text = f"async function main(url) {{ return (await fetch(url, {init})).json(); }}"
    answer = await runs.run(text, site.url("/p?q=1"))
    assert answer["path"] == "/p?q=1"
    assert {name: answer[name] for name in seen} == seen


async def test_bytes_that_are_no_text_are_read_as_they_are(site: Site, runs: Scripts) -> None:
    site.answers(bytes(range(256)) + b"\xff")
    text = """
    async function main(url) {
      const one = new Uint8Array(await (await fetch(url)).arrayBuffer());
      const lossy = await (await fetch(url)).text();
      return [[...one], lossy.length, lossy.codePointAt(256)];
    }
    """
    numbers, length, last = await runs.run(text, site.url())
    assert bytes(numbers) == bytes(range(256)) + b"\xff"
    assert length == 257
    assert last == 0xFFFD


async def test_bytes_of_a_text_are_its_utf8(site: Site, runs: Scripts) -> None:
    body = "\ufeffä€\U0001f600\x00z".encode()
    site.answers(body)
    text = """
    async function main(url) {
      return [[...(await (await fetch(url)).bytes())], await (await fetch(url)).text()];
    }
    """
    numbers, read = await runs.run(text, site.url())
    assert bytes(numbers) == body
    assert read == "ä€\U0001f600\x00z"


async def test_redirects_are_followed_shown_or_an_error(site: Site, runs: Scripts) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path == "/end":
            return web.Response(text="here")
        return web.Response(status=302, headers={"Location": "/end"})

    site.handler = handler
    text = """
    async function main(url) {
      const followed = await fetch(url);
      const shown = await fetch(url, { redirect: 'manual' });
      const error = await fetch(url, { redirect: 'error' }).catch((error) => error.message);
      return [followed.redirected, followed.url.endsWith('/end'), await followed.text(), shown.status, error];
    }
    """
    assert await runs.run(text, site.url()) == [
        True,
        True,
        "here",
        302,
        "fetch failed: it is redirected (302), which the script wanted to be an error",
    ]


@pytest.mark.parametrize(
    ("call", "name", "message"),
    [
        ("fetch('http://10.0.0.1/')", "TypeError", "fetch failed: http://10.0.0.1/: 10.0.0.1 is not an address that"),
        ("fetch('http://localhost:1/')", "TypeError", "fetch failed: http://localhost:1/: port 1 is not one that"),
        ("fetch('ftp://x/')", "TypeError", "fetch failed: ftp://x/: ftp: is not a scheme for a request of a script"),
        ("fetch('/relative')", "TypeError", "Invalid URL: /relative"),
        ("fetch()", "TypeError", "Invalid URL: undefined"),
        ("fetch(url, { body: 'x' })", "TypeError", "a request of GET has no body"),
        ("fetch(url, { method: 'POST', body: {} })", "TypeError", "JSON.stringify makes a text of an object"),
        ("fetch(url, { method: 'A B' })", "TypeError", "A B is no method of a request"),
        ("fetch(url, { method: 'TRACE' })", "TypeError", "TRACE is no method of a request"),
        ("fetch(url, { headers: { 'a b': 1 } })", "TypeError", "a b is no name of a header"),
        (
            "fetch(url, { headers: { a: '1\\r\\nb: 2' } })",
            "TypeError",
            "a header's value has a character that it cannot have",
        ),
        ("fetch(url, { redirect: 'yes' })", "TypeError", "redirect is one of follow, error, manual"),
        ("fetch(url, { signal: AbortSignal.abort(new RangeError('mine')) })", "RangeError", "mine"),
    ],
)
async def test_what_cannot_be_fetched_is_an_error_at_the_author_s_line(
    call: str, name: str, message: str, site: Site, runs: Scripts
) -> None:
    site.answers(b"x")
    error = await runs.error(f"async function main(url) {{\n  return await {call};\n}}", site.url())
    assert error.name == name
    assert message in error.message
    assert line_of(error) == 2
    assert site.requests == []


async def test_a_worker_reaches_the_hosts_that_are_named_for_workers_and_no_others(site: Site) -> None:
    site.answers(b"x")
    text = "async function main(url) { return (await fetch(url)).text(); }"
    for named, reached in ((("127.0.0.1",), True), (("api.example",), False), ((), False)):
        section = OutgoingSection(networks=("127.0.0.1/32",), worker_hosts=named)
        services = Services(Configuration(outgoing=section))
        async with scripts(services) as runs:
            assert await runs.run(text, site.url()) == "x"
            if reached:
                assert await runs.run(text, site.url(), kind=Kind.WORKER) == "x"
            else:
                error = await runs.error(text, site.url(), kind=Kind.WORKER)
                assert "127.0.0.1 is not among the hosts that Workers may reach" in error.message
        await services.close()
    assert len(site.requests) == 4


async def test_an_answer_that_is_no_json_says_what_came(site: Site, runs: Scripts) -> None:
    site.answers(b"<html>", 502)
    error = await runs.error("async function main(url) { return (await fetch(url)).json(); }", site.url("/a?secret"))
    assert error.name == "SyntaxError"
    assert f"{site.url('/a')} answered 502 with a body that is not JSON" in error.message
    assert line_of(error) is not None
    assert "secret" not in error.message


async def test_a_body_is_read_once(site: Site, runs: Scripts) -> None:
    site.answers(b"x")
    text = "async function main(url) { const r = await fetch(url); await r.text(); return r.text(); }"
    assert (await runs.error(text, site.url())).message == "the body has been read already"


async def test_a_signal_ends_the_wait(site: Site, runs: Scripts) -> None:
    async def handler(_request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    site.handler = handler
    text = """
    async function main(url) {
      const ending = new AbortController();
      setTimeout(() => ending.abort(), 20);
      return fetch(url, { signal: ending.signal }).catch((error) => [error.name, error instanceof DOMException]);
    }
    """
    assert await runs.run(text, site.url()) == ["AbortError", True]


async def test_a_script_that_may_not_have_it_has_no_such_name(runs: Scripts) -> None:
    assert await runs.run("async function main() { return typeof globalThis['fet' + 'ch']; }") == "undefined"
