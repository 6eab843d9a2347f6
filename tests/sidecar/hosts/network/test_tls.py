"""tls and https of the sandbox: as Node's own, in the same program over the same peer."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sidecar.hosts.outgoing.connection_errors import REFUSED
from tests.sidecar.hosts.authority import Authority
from tests.sidecar.hosts.network.both import Both
from tests.sidecar.hosts.network.plain_peer import plain_peer

FILE = "tls_programs.js"


async def test_an_answer_comes_over_tls(both: Both, authority: Authority) -> None:
    async with plain_peer(authority.server("localhost", "127.0.0.1")) as peer:
        for more in ({"host": "localhost"}, {}, {"servername": "localhost"}, {"headers": {"Host": "localhost"}}):
            said = await both.same(FILE, "get", {"options": {"port": peer.port, **more}})
            assert said == ['{"name":"Zo\xeb"}', True, True, False]


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("localhost", {"expired": True}),
        ("localhost", {"self_signed": True}),
        ("other.example", {}),
        ("127.0.0.9", {}),
    ],
)
async def test_a_certificate_that_is_not_right(
    name: str, how: dict[str, bool], both: Both, authority: Authority
) -> None:
    async with plain_peer(authority.server(name, **how)) as peer:
        await both.same(FILE, "code", {"options": {"port": peer.port, "host": "localhost"}})


async def test_whom_nobody_knows_and_whom_a_script_trusts(both: Both, tmp_path: Path) -> None:
    stranger = Authority(tmp_path)
    async with plain_peer(stranger.server("localhost")) as peer:
        options = {"port": peer.port, "host": "localhost"}
        assert await both.same(FILE, "code", {"options": options}) == "UNABLE_TO_VERIFY_LEAF_SIGNATURE"
        await both.same(FILE, "get", {"options": {**options, "ca": stranger.pem}})
        await both.same(FILE, "get", {"options": {**options, "ca": [stranger.pem, stranger.pem]}})
        await both.same(FILE, "code", {"options": {**options, "ca": stranger.pem, "servername": "other.example"}})
    own = stranger.certificate("pbx.example", self_signed=True).cert
    async with plain_peer(stranger.server("pbx.example", self_signed=True)) as peer:
        pinned = {"port": peer.port, "host": "localhost", "ca": own, "servername": "pbx.example"}
        await both.same(FILE, "get", {"options": pinned})


async def test_what_is_not_verified_is_refused_with_what_to_do(both: Both, authority: Authority) -> None:
    async with plain_peer(authority.server("localhost", self_signed=True)) as peer:
        options = {"port": peer.port, "host": "localhost", "rejectUnauthorized": False}
        said = await both.ours(FILE, "get", {"options": options})
        assert said["code"] == REFUSED
        assert "always verified" in said["message"]
        said = await both.ours(
            FILE, "get", {"options": {**options, "rejectUnauthorized": True, "key": "k", "cert": "c"}}
        )
        assert "client's certificate" in said["message"]


@pytest.mark.parametrize("name", ["shows", "ownCheck", "keepsAlive"])
async def test_a_client_does_what_nodes_does(name: str, both: Both, authority: Authority) -> None:
    async with plain_peer(authority.server("localhost")) as peer:
        await both.same(FILE, name, {"port": peer.port, "servername": "localhost"})


async def test_who_speaks_no_tls(both: Both) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        await both.same(FILE, "code", {"options": {"port": port}})


async def test_a_connection_becomes_tls(both: Both, authority: Authority) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\n")
        writer.write(b"234 go on\n")
        await writer.drain()
        await writer.start_tls(authority.server("localhost"))
        writer.write((await reader.read(100)).upper())
        await writer.drain()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        said = await both.same(FILE, "upgrades", {"port": port, "servername": "localhost"})
    assert said == ["234 go on\n", "SECRET", True]


async def test_whom_a_certificate_is_of(both: Both) -> None:
    asked: list[list[Any]] = [
        ["a.example", "DNS:a.example"],
        ["A.example", "DNS:a.EXAMPLE"],
        ["a.example.", "DNS:a.example"],
        ["b.example", "DNS:a.example, DNS:b.example"],
        ["c.example", "DNS:a.example, DNS:b.example"],
        ["a.example.org", "DNS:*.example.org"],
        ["a.b.example.org", "DNS:*.example.org"],
        ["example.org", "DNS:*.example.org"],
        ["a.org", "DNS:*.org"],
        ["foo.example.org", "DNS:f*.example.org"],
        ["xn--a.example.org", "DNS:xn--*.example.org"],
        ["127.0.0.1", "IP Address:127.0.0.1"],
        ["127.0.0.1", "DNS:127.0.0.1"],
        ["127.0.0.2", "IP Address:127.0.0.1, IP Address:127.0.0.3"],
        ["a.example", "", "a.example"],
        ["b.example", "", "a.example"],
        ["a.example", "IP Address:1.2.3.4", "a.example"],
    ]
    await both.same(FILE, "identities", {"asked": asked})
