"""Connections of scripts: where they may lead, what is held of them, and what is told of those that fail."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from sidecar.errors import ConfigurationError
from sidecar.hosts.outgoing.connection import HELD_BYTES, Connection
from sidecar.hosts.outgoing.connection_errors import LIMIT, REFUSED, ConnectionFailed
from sidecar.hosts.outgoing.connections import Connections
from sidecar.hosts.outgoing.policy import policy
from sidecar.hosts.outgoing.settings import OutgoingSettings
from tests.sidecar.hosts.authority import Authority

HERE = policy(["*"], ["127.0.0.1/32"], [])
SETTINGS = OutgoingSettings(policy=HERE, connection_bytes=1_000_000)
Served = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(served: Served, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await served(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


async def echoes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100_000):
        writer.write(data)
        await writer.drain()


async def waits(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


@asynccontextmanager
async def connections(settings: OutgoingSettings = SETTINGS) -> AsyncIterator[Connections]:
    made = Connections(settings)
    try:
        yield made
    finally:
        await made.close()


@asynccontextmanager
async def connected(port: int, settings: OutgoingSettings = SETTINGS) -> AsyncIterator[Connection]:
    async with connections(settings) as made:
        connection = await made.connect("t", "127.0.0.1", port, None)
        try:
            yield connection
        finally:
            connection.close()


async def all_of(connection: Connection) -> bytes:
    came = bytearray()
    while piece := await connection.read():
        came += piece
    return bytes(came)


async def failed(asked: Awaitable[Any]) -> ConnectionFailed:
    with pytest.raises(ConnectionFailed) as told:
        await asked
    return told.value


async def test_bytes_go_both_ways_until_both_have_ended() -> None:
    sent = bytes(range(256)) * 1_000
    async with listening(echoes) as port, connected(port) as connection:
        coming = asyncio.ensure_future(all_of(connection))
        await connection.write(sent)
        connection.half_close()
        assert await coming == sent
        assert (connection.address, connection.port) == ("127.0.0.1", port)
        assert (await failed(connection.write(b"x"))).code == "EPIPE"


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "::1", "::ffff:127.0.0.1", "0", "::", "LOCALHOST"],
)
async def test_this_machine_is_not_reached_by_any_of_its_names(host: str) -> None:
    async with listening(echoes) as port, connections(OutgoingSettings()) as made:
        assert (await failed(made.connect("t", host, port, None))).code == REFUSED
        assert (await failed(made.addresses(host, None))).code == REFUSED


@pytest.mark.parametrize("port", [22, 25, 465, 587, 3306, 5060, 5061, 6379, 8021, 9, 1])
async def test_ports_of_mail_calls_and_databases_are_not_reached(port: int) -> None:
    async with connections() as made:
        assert (await failed(made.connect("t", "127.0.0.1", port, None))).code == REFUSED


async def test_a_name_that_is_not_named_is_not_asked_for() -> None:
    settings = structs.replace(SETTINGS, policy=policy(["*.example.com"], [], []))
    async with connections(settings) as made:
        for host in ("example.org", "93.184.216.34", "", "a.example.com:80"):
            assert (await failed(made.connect("t", host, 443, None))).code == REFUSED
            assert (await failed(made.addresses(host, None))).code == REFUSED
        assert (await failed(made.connect("t", "a.example.com", 443, ["b.example.com"]))).code == REFUSED


async def test_an_address_of_a_name_that_may_be_reached_counts_as_named(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = structs.replace(SETTINGS, policy=policy(["localhost"], ["127.0.0.1/32"], []))
    async with listening(waits) as port, connections(settings) as made:
        named = await made.connect("t", "localhost", port, ["localhost"])
        assert (await failed(made.connect("t", "127.0.0.1", port, None))).code == REFUSED
        again = await made.connect("t", "127.0.0.1", port, ["localhost"], {named.address})
        assert (await failed(made.connect("t", "127.0.0.1", 25, None, {named.address}))).code == REFUSED
        named.close()
        again.close()


async def test_who_does_not_listen_is_told_with_the_name_that_was_asked() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with connections() as made:
        refused = await failed(made.connect("t", "localhost", port, None))
    assert (refused.code, refused.syscall, str(refused)) == (
        "ECONNREFUSED",
        "connect",
        f"connect ECONNREFUSED localhost:{port}",
    )


@pytest.mark.parametrize("host", ["no-such-name.invalid", "a..b", "x" * 64 + ".com", "a\0b", "ä" * 300, "\ud800"])
async def test_a_name_that_nobody_has_is_not_found(host: str) -> None:
    async with connections() as made:
        error = await failed(made.connect("t", host, 443, None))
        assert error.code in ("ENOTFOUND", "EAI_AGAIN")
        assert (await failed(made.addresses(host, None))).code == error.code


async def test_who_does_not_accept_in_time_is_timed_out() -> None:
    settings = structs.replace(SETTINGS, timeout_seconds=0.05)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        async with connections(settings) as made:
            asked = [made.connect("t", "127.0.0.1", port, None) for _ in range(8)]
            answers = await asyncio.gather(*asked, return_exceptions=True)
            for answer in answers:
                if isinstance(answer, Connection):
                    answer.close()
            codes = {(answer.code, answer.syscall) for answer in answers if isinstance(answer, ConnectionFailed)}
            assert codes == {("ETIMEDOUT", "connect")}


async def test_what_is_not_read_is_not_taken_from_the_peer() -> None:
    sent = 0

    async def floods(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        while True:
            writer.write(bytes(65_536))
            await writer.drain()
            sent += 65_536

    settings = structs.replace(SETTINGS, connection_bytes=1_000_000_000)
    async with listening(floods) as port, connected(port, settings) as connection:
        before = -1
        while before != sent:
            before = sent
            for _ in range(100):
                await asyncio.sleep(0)
        assert len(connection._held) <= 4 * HELD_BYTES  # which nothing else tells
        before = sent
        for _ in range(500):
            assert await connection.read()
        assert sent > before


async def test_more_than_may_come_ends_the_connection() -> None:
    async def floods(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(bytes(65_536))
            await writer.drain()

    async with listening(floods) as port, connected(port) as connection:
        error = await failed(all_of(connection))
        assert error.code == LIMIT
        assert "1000000 bytes" in str(error)


async def test_more_than_may_be_sent_is_refused() -> None:
    async with listening(echoes) as port, connected(port) as connection:
        coming = asyncio.ensure_future(all_of(connection))
        await connection.write(bytes(1_000_000))
        assert (await failed(connection.write(b"x"))).code == LIMIT
        connection.half_close()
        assert len(await coming) == 1_000_000


async def test_a_peer_that_resets_is_told() -> None:
    async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    async with listening(resets) as port, connected(port) as connection:
        await connection.write(b"x")
        assert (await failed(connection.read())).code == "ECONNRESET"


async def test_a_connection_over_which_nothing_goes_is_ended() -> None:
    settings = structs.replace(SETTINGS, connection_idle_seconds=0.05)
    async with listening(waits) as port, connected(port, settings) as connection:
        assert (await failed(connection.read())).code == "ETIMEDOUT"


async def test_so_many_connections_are_open_and_those_that_end_make_room() -> None:
    settings = structs.replace(SETTINGS, connections_at_once=3, connections_at_once_per_tenant=2)
    async with listening(waits) as port, connections(settings) as made:
        first = await made.connect("a", "127.0.0.1", port, None)
        second = await made.connect("a", "127.0.0.1", port, None)
        assert (await failed(made.connect("a", "127.0.0.1", port, None))).code == LIMIT
        third = await made.connect("b", "127.0.0.1", port, None)
        assert "of scripts" in str(await failed(made.connect("b", "127.0.0.1", port, None)))
        first.close()
        first.close()
        fourth = await made.connect("b", "127.0.0.1", port, None)
        for connection in (second, third, fourth):
            connection.close()
        kept = [await made.connect("c", "127.0.0.1", port, None) for _ in range(2)]
        for connection in kept:
            connection.close()


async def test_who_stops_waiting_for_a_connection_leaves_none() -> None:
    settings = structs.replace(SETTINGS, connections_at_once=1)
    async with listening(waits) as port, connections(settings) as made:
        asking = asyncio.ensure_future(made.connect("a", "127.0.0.1", port, None))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        (await made.connect("a", "127.0.0.1", port, None)).close()


async def test_without_connections_there_are_none() -> None:
    async with connections(structs.replace(SETTINGS, connections_at_once=0)) as made:
        assert (await failed(made.connect("a", "127.0.0.1", 1024, None))).code == LIMIT


# ---- TLS ----


async def test_a_connection_becomes_tls_and_what_is_read_meanwhile_is_told(authority: Authority) -> None:
    asked = asyncio.Event()

    async def starttls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.read(5) == b"AUTH\n"
        writer.write(b"234\n")
        await asked.wait()
        await writer.start_tls(authority.server("localhost"))
        await echoes(reader, writer)

    settings = structs.replace(SETTINGS, tls_ca=authority.file)
    async with listening(starttls) as port, connections(settings) as made:
        connection = await made.connect("t", "localhost", port, None)
        await connection.write(b"AUTH\n")
        assert await connection.read() == b"234\n"
        reading = asyncio.ensure_future(connection.read())
        await asyncio.sleep(0)
        asked.set()
        shown = await made.upgrade(connection, "localhost", "", ("http/1.1",), None)
        assert await reading is None
        assert shown["protocol"] == "TLSv1.3"
        assert shown["certificate"]["subject"] == {"CN": "localhost"}
        assert shown["certificate"]["subjectaltname"] == "DNS:localhost"
        assert len(shown["certificate"]["raw"]) > 100
        await connection.write(b"secret")
        assert await connection.read() == b"secret"
        assert (await failed(made.upgrade(connection, "localhost", "", (), None))).code == "ERR_INVALID_STATE"
        connection.half_close()
        assert await all_of(connection) == b""


async def test_what_a_peer_says_before_tls_is_not_taken_for_what_it_says_in_it(authority: Authority) -> None:
    async def injects(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"234\nforged\n")
        await reader.read()

    settings = structs.replace(SETTINGS, tls_ca=authority.file)
    async with listening(injects) as port, connections(settings) as made:
        connection = await made.connect("t", "localhost", port, None)
        while not connection._held:  # noqa: ASYNC110 - which nothing else tells
            await asyncio.sleep(0)
        assert (await failed(made.upgrade(connection, "localhost", "", (), None))).code == "EPROTO"
        connection.close()


@pytest.mark.parametrize(
    ("certificate", "how", "name", "code"),
    [
        ("localhost", {"expired": True}, "localhost", "CERT_HAS_EXPIRED"),
        ("localhost", {"self_signed": True}, "localhost", "DEPTH_ZERO_SELF_SIGNED_CERT"),
        ("other.example", {}, "localhost", "ERR_TLS_CERT_ALTNAME_INVALID"),
        ("localhost", {}, "127.0.0.1", "ERR_TLS_CERT_ALTNAME_INVALID"),
    ],
)
async def test_a_certificate_that_is_not_right_is_told_as_node_does(
    certificate: str, how: dict[str, bool], name: str, code: str, authority: Authority
) -> None:
    settings = structs.replace(SETTINGS, tls_ca=authority.file)
    async with listening(echoes, authority.server(certificate, **how)) as port, connections(settings) as made:
        connection = await made.connect("t", "127.0.0.1", port, None)
        assert (await failed(made.upgrade(connection, name, "", (), None))).code == code
        assert (await failed(connection.write(b"x"))).code == code


async def test_an_authority_that_nobody_named_is_not_trusted(authority: Authority) -> None:
    async with listening(echoes, authority.server("localhost")) as port, connections() as made:
        connection = await made.connect("t", "127.0.0.1", port, None)
        error = await failed(made.upgrade(connection, "localhost", "", (), None))
        assert error.code == "UNABLE_TO_VERIFY_LEAF_SIGNATURE"


async def test_a_script_trusts_its_own_authority_or_the_certificate_itself(authority: Authority) -> None:
    for ca in (authority.pem, authority.certificate("localhost", self_signed=True).cert):
        tls = authority.server("localhost") if ca == authority.pem else authority.server("localhost", self_signed=True)
        async with listening(echoes, tls) as port, connections() as made:
            connection = await made.connect("t", "127.0.0.1", port, None)
            assert (await made.upgrade(connection, "localhost", ca, (), None))["protocol"]
            connection.close()


@pytest.mark.parametrize(
    ("name", "ca", "protocols", "code"),
    [
        ("localhost", "no certificate", (), "ERR_INVALID_ARG_VALUE"),
        ("localhost", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", (), "ERR_INVALID_ARG_VALUE"),
        ("localhost", "x" * 300_000, (), LIMIT),
        ("localhost", "ä", (), "ERR_INVALID_ARG_VALUE"),
        ("localhost", "", ("",), LIMIT),
        ("localhost", "", ("ä",), LIMIT),
        ("localhost", "", ("x" * 256,), LIMIT),
        ("localhost", "", ("a", "b", "c", "d", "e"), LIMIT),
        ("", "", (), "ERR_INVALID_ARG_VALUE"),
        ("a" * 300, "", (), "ERR_INVALID_ARG_VALUE"),
        (".a", "", (), "ERR_INVALID_ARG_VALUE"),
        ("a\0b", "", (), "ERR_INVALID_ARG_VALUE"),
        ("\ud800", "", (), "ERR_INVALID_ARG_VALUE"),
    ],
)
async def test_what_is_no_question_for_tls_is_refused(
    name: str, ca: str, protocols: tuple[str, ...], code: str
) -> None:
    async with listening(waits) as port, connected(port) as connection, connections() as made:
        assert (await failed(made.upgrade(connection, name, ca, protocols, None))).code == code


async def test_who_speaks_no_tls_is_told(authority: Authority) -> None:
    async def speaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with listening(speaks) as port, connected(port) as connection, connections() as made:
        assert (await failed(made.upgrade(connection, "localhost", "", (), None))).code == "EPROTO"


async def test_who_ends_the_connection_instead_of_tls_is_told() -> None:
    async def leaves(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)

    async with listening(leaves) as port, connected(port) as connection, connections() as made:
        assert (await failed(made.upgrade(connection, "localhost", "", (), None))).code == "ECONNRESET"


async def test_the_name_in_tls_is_one_that_may_be_reached(authority: Authority) -> None:
    settings = structs.replace(SETTINGS, policy=policy(["localhost"], ["127.0.0.1/32"], []))
    async with listening(waits) as port, connections(settings) as made:
        connection = await made.connect("t", "localhost", port, None)
        assert (await failed(made.upgrade(connection, "other.example", "", (), None))).code == REFUSED
        assert (await failed(made.upgrade(connection, "localhost", "", (), ["x.example"]))).code == REFUSED
        connection.close()


async def test_the_operators_authorities_must_be_there(tmp_path: Path) -> None:
    settings = structs.replace(SETTINGS, tls_ca=tmp_path / "none.pem")
    async with listening(waits) as port, connected(port) as connection, connections(settings) as made:
        with pytest.raises(ConfigurationError, match=r"outgoing\.tls_ca"):
            await made.upgrade(connection, "localhost", "", (), None)
