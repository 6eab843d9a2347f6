"""The MessagePack-RPC server and client over real sockets, on both event loops."""

import asyncio
import contextlib
import datetime
import functools
import grp
import os
import socket
import stat
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import msgpack
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sipio.errors import LocalError
from sipio.rpc.addresses import AllowList, TcpAddress, TlsFiles, UnixAddress, parse_address
from sipio.rpc.client import RpcClient
from sipio.rpc.errors import ConnectionLost, RpcError
from sipio.rpc.limits import RpcLimits
from sipio.rpc.listener import listen_unix
from sipio.rpc.server import RpcServer
from sipio.rpc.service import Method, Responder

SECONDS = 5.0


class Methods:
    """``echo`` answers at once; ``hold`` waits until the test answers; ``cancel_count`` counts those given up."""

    def __init__(self) -> None:
        self.held: list[tuple[Any, Responder]] = []
        self.cancelled = 0
        self.changed = asyncio.Event()
        self.notified: list[Any] = []
        self.table = {
            "echo": Method(list[Any], lambda params, responder: responder.result(params)),
            "hold": Method(list[Any], self._hold),
            "ping": Method(list[Any], lambda _, responder: responder.result("pong"), immediate=True),
            "note": Method(list[Any], self._note, immediate=True),
            "break": Method(list[Any], self._break),
            "unencodable": Method(list[Any], lambda _, responder: responder.result(object())),
            "big": Method(list[int], lambda params, responder: responder.result("x" * params[0])),
        }

    def _hold(self, params: Any, responder: Responder) -> None:
        responder.on_cancel = self._cancel
        self.held.append((params, responder))
        self.changed.set()

    def _cancel(self) -> None:
        self.cancelled += 1
        self.changed.set()

    def _note(self, params: Any, responder: Responder) -> None:
        self.notified.append(params)
        responder.result(None)
        self.changed.set()

    def _break(self, _params: Any, _responder: Responder) -> None:
        raise ZeroDivisionError

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(SECONDS):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
def methods() -> Methods:
    return Methods()


Start = Callable[..., Any]


@pytest.fixture
async def start(methods: Methods, tmp_path: Path) -> AsyncIterator[Start]:
    servers: list[RpcServer] = []

    async def start(*addresses: UnixAddress | TcpAddress, **limits: Any) -> RpcServer:
        server = RpcServer(methods.table, RpcLimits(**limits))
        servers.append(server)
        await server.start(addresses or [UnixAddress(path=tmp_path / "s")])
        return server

    yield start
    for server in servers:
        await server.close()


@pytest.fixture
def unix(tmp_path: Path) -> str:
    return f"unix:{tmp_path / 's'}"


def error_into(future: "asyncio.Future[Any]", error: Any, _result: Any) -> None:
    future.set_result(error)


async def raw_connection(unix: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_unix_connection(unix.removeprefix("unix:"))


async def read_messages(reader: asyncio.StreamReader) -> list[Any]:
    """All messages until the server ends the connection."""
    async with asyncio.timeout(SECONDS):
        unpacker = msgpack.Unpacker()
        unpacker.feed(await reader.read(-1))
        return list(unpacker)


async def test_64_pipelined_answered_out_of_order(start: Start, methods: Methods, unix: str) -> None:
    await start()
    client = await RpcClient.connect(unix)
    calls = [asyncio.ensure_future(client.call("hold", number)) for number in range(64)]
    await methods.until(lambda: len(methods.held) == 64)
    for params, responder in reversed(methods.held):
        responder.result(params[0] * 10)
    assert await asyncio.gather(*calls) == [number * 10 for number in range(64)]
    await client.close()


async def test_answers_of_one_turn_of_the_loop_are_one_write(start: Start, methods: Methods, unix: str) -> None:
    server = await start()
    client = await RpcClient.connect(unix)
    calls = [asyncio.ensure_future(client.call("hold", number)) for number in range(10)]
    await methods.until(lambda: len(methods.held) == 10)
    [connection] = server.connections
    writes: list[bytes] = []
    transport = connection._transport

    class Recorder:
        def write(self, data: bytes) -> None:
            writes.append(data)
            transport.write(data)

        def __getattr__(self, name: str) -> Any:
            return getattr(transport, name)

    connection._transport = Recorder()
    for params, responder in methods.held:
        responder.result(params)
    await asyncio.gather(*calls)
    assert len(writes) == 1
    await client.close()


async def test_typed_errors_leave_the_connection_alive(start: Start, unix: str) -> None:
    server = await start()
    client = await RpcClient.connect(unix)
    for method, params, code in [
        ("nothing", [], "unknown_method"),
        ("big", ["x"], "bad_request"),
        ("big", {}, "bad_request"),
        ("break", [], "internal"),
        ("unencodable", [], "internal"),
    ]:
        answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        client.request(method, params, functools.partial(error_into, answered))
        error = await answered
        assert isinstance(error, RpcError)
        assert error.code == code
    assert await client.call("echo", 1) == [1]
    assert server.snapshot().errors == {"unknown_method": 1, "bad_request": 2, "internal": 2}
    assert server.snapshot().in_flight == 0
    await client.close()


async def test_in_flight_caps_refuse_at_once(start: Start, methods: Methods, unix: str) -> None:
    await start(in_flight_per_connection=2, in_flight=3)
    one, other = await RpcClient.connect(unix), await RpcClient.connect(unix)
    held = [asyncio.ensure_future(one.call("hold")) for _ in range(2)]
    await methods.until(lambda: len(methods.held) == 2)
    with pytest.raises(RpcError, match=r"overloaded.*on this connection"):
        await one.call("hold")
    held.append(asyncio.ensure_future(other.call("hold")))
    await methods.until(lambda: len(methods.held) == 3)
    with pytest.raises(RpcError, match=r"overloaded: too many requests in flight$"):
        await other.call("hold")
    assert await other.call("ping") == "pong"
    for _, responder in methods.held:
        responder.result(1)
    assert await asyncio.gather(*held) == [1, 1, 1]
    assert await one.call("echo", 1) == [1]
    await one.close()
    await other.close()


async def test_duplicate_ids_are_each_answered(start: Start, methods: Methods, unix: str) -> None:
    server = await start()
    reader, writer = await raw_connection(unix)
    writer.write(msgpack.packb([0, 1, "hold", ["a"]]) + msgpack.packb([0, 1, "hold", ["b"]]))
    await methods.until(lambda: len(methods.held) == 2)
    for params, responder in methods.held:
        responder.result(params)
    writer.write_eof()
    assert await read_messages(reader) == [[1, 1, None, ["a"]], [1, 1, None, ["b"]]]
    assert server.snapshot().in_flight == 0
    writer.close()


async def test_answering_twice_is_our_bug(start: Start, methods: Methods, unix: str) -> None:
    await start()
    client = await RpcClient.connect(unix)
    call = asyncio.ensure_future(client.call("hold"))
    await methods.until(lambda: bool(methods.held))
    methods.held[0][1].result(1)
    with pytest.raises(LocalError):
        methods.held[0][1].result(2)
    assert await call == 1
    await client.close()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xc1", "malformed"),
        (b"GET / HTTP/1.1\r\n\r\n", "malformed"),
        (b"\x93\x02\xa1x\xc6\x7f\xff\xff\xff" + b"x" * 2000, "oversized"),
    ],
)
async def test_bad_connection_ends_and_others_notice_nothing(
    start: Start, methods: Methods, unix: str, data: bytes, code: str
) -> None:
    server = await start(frame_bytes=1000)
    good = await RpcClient.connect(unix)
    call = asyncio.ensure_future(good.call("hold", 1))
    await methods.until(lambda: bool(methods.held))
    reader, writer = await raw_connection(unix)
    writer.write(data)
    [[kind, method, [body]]] = await read_messages(reader)
    assert (kind, method, body["code"]) == (2, "error", code)
    writer.close()
    methods.held[0][1].result("fine")
    assert await call == "fine"
    assert server.snapshot().closed == {code: 1}
    await good.close()


async def test_requests_of_a_bad_connection_are_cancelled(start: Start, methods: Methods, unix: str) -> None:
    await start()
    reader, writer = await raw_connection(unix)
    writer.write(msgpack.packb([0, 1, "hold", []]) + b"\xc1")
    await methods.until(lambda: methods.cancelled == 1)
    assert len(await read_messages(reader)) == 1
    writer.close()


@pytest.mark.parametrize("where", ["unix", "tcp"])
async def test_connection_loss_cancels(start: Start, methods: Methods, tmp_path: Path, where: str) -> None:
    server = RpcServer(methods.table)
    bound = await server.start([UnixAddress(path=tmp_path / "t"), TcpAddress(host="127.0.0.1", port=0)])
    address = bound[1]
    assert isinstance(address, TcpAddress)
    if where == "unix":
        _reader, writer = await asyncio.open_unix_connection(tmp_path / "t")
    else:
        _reader, writer = await asyncio.open_connection("127.0.0.1", address.port)
    writer.write(msgpack.packb([0, 1, "hold", []]))
    await methods.until(lambda: len(methods.held) == 1)
    if where == "unix":
        writer.close()
    else:
        writer.transport.abort()
        peer_socket = writer.get_extra_info("socket")
        assert peer_socket is not None
    if where == "tcp":
        # TCP shows the same FIN for a close and for a half-close; the cancel comes with the end of the server.
        await server.close()
    await methods.until(lambda: methods.cancelled == 1)
    methods.held[0][1].result("nobody hears")
    await server.close()
    assert server.snapshot().discarded_answers == 1
    assert server.snapshot().in_flight == 0


async def test_half_closed_peer_gets_its_answers(start: Start, methods: Methods, unix: str) -> None:
    await start()
    reader, writer = await raw_connection(unix)
    writer.write(msgpack.packb([0, 1, "hold", []]) + msgpack.packb([0, 2, "hold", []]))
    writer.write_eof()
    await methods.until(lambda: len(methods.held) == 2)
    await asyncio.sleep(0)
    methods.held[1][1].result("b")
    methods.held[0][1].result("a")
    assert await read_messages(reader) == [[1, 2, None, "b"], [1, 1, None, "a"]]
    assert methods.cancelled == 0
    writer.close()


async def test_connections_cap(start: Start, unix: str) -> None:
    server = await start(connections=1)
    first = await RpcClient.connect(unix)
    assert await first.call("ping") == "pong"
    reader, writer = await raw_connection(unix)
    [[_, _, [body]]] = await read_messages(reader)
    assert body["code"] == "overloaded"
    writer.close()
    assert server.snapshot().refused_connections == {"connections": 1}
    assert await first.call("ping") == "pong"
    [connection] = server.connections
    gone = connection.peer.ended
    await first.close()
    await gone
    again = await RpcClient.connect(unix)
    assert await again.call("ping") == "pong"
    await again.close()


async def test_partial_frame_and_idle_time(start: Start, unix: str) -> None:
    server = await start(partial_frame_seconds=0.05, idle_seconds=0.3)
    slow_reader, slow = await raw_connection(unix)
    slow.write(b"\x94\x00")
    idle_reader, idle = await raw_connection(unix)
    assert (await read_messages(slow_reader))[0][2][0]["code"] == "frame_timeout"
    assert (await read_messages(idle_reader))[0][2][0]["code"] == "idle_timeout"
    assert server.snapshot().closed == {"frame_timeout": 1, "idle_timeout": 1}
    slow.close()
    idle.close()


async def test_peer_that_does_not_read_is_paused_then_closed(start: Start, methods: Methods, unix: str) -> None:
    server = await start(output_bytes=400_000)
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(unix.removeprefix("unix:"))
        peer.sendall(b"".join(msgpack.packb([0, n, "hold", []]) for n in range(20)))
        await methods.until(lambda: len(methods.held) == 20)
        [connection] = server.connections
        for _, responder in methods.held[:5]:
            responder.result("x" * 100_000)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert connection._reading_paused
        for _, responder in methods.held[5:]:
            if not responder.answered:
                responder.result("x" * 100_000)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        async with asyncio.timeout(SECONDS):
            await connection.peer.ended
    assert server.snapshot().closed == {"output": 1}


async def test_peer_that_reads_late_gets_everything(start: Start, unix: str) -> None:
    server = await start(output_bytes=400_000)
    reader, writer = await raw_connection(unix)
    count = 100
    writer.write(b"".join(msgpack.packb([0, n, "big", [20_000]]) + b"" for n in range(count)))
    writer.write_eof()
    await asyncio.sleep(0)
    assert [answer[1] for answer in await read_messages(reader)] == list(range(count))
    assert server.snapshot().closed == {}
    writer.close()


async def test_time_in_which_we_do_not_read_is_not_the_peers_delay(start: Start, unix: str) -> None:
    server = await start(output_bytes=2_000_000, partial_frame_seconds=0.05)
    reader, writer = await raw_connection(unix)
    # More than the socket and the reader's own buffer hold, so that the server stops reading inside a message.
    writer.write(msgpack.packb([0, 1, "big", [1_500_000]]) + b"\x94\x00\x02\xa4pi")
    async with asyncio.timeout(SECONDS):
        while not (server.connections and next(iter(server.connections))._reading_paused):  # noqa: ASYNC110 - no event shows it
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.15)  # three times what a message may take
    writer.write(b"ng\x90")
    writer.write_eof()
    assert [answer[1:3] for answer in await read_messages(reader)] == [[1, None], [2, None]]
    assert server.snapshot().closed == {}
    writer.close()


async def test_a_peer_still_sending_reads_why_it_was_ended(start: Start, unix: str) -> None:
    await start()
    reader, writer = await raw_connection(unix)
    writer.write(b"\xc1" + b"x" * 8_000_000)
    [[_, _, [body]]] = await read_messages(reader)
    assert body["code"] == "malformed"
    await writer.drain()
    writer.close()


async def test_notifications(start: Start, methods: Methods, unix: str) -> None:
    server = await start()
    client = await RpcClient.connect(unix)
    client.notify("note", 1, 2)
    client.notify("nothing")
    assert await client.call("ping") == "pong"
    assert methods.notified == [[1, 2]]
    assert server.snapshot().notifications == {"note": 1}
    assert server.snapshot().ignored_notifications == 1
    await client.close()


async def test_server_calls_its_peer(start: Start, unix: str) -> None:
    server = await start()
    offered = {"add": Method(list[int], lambda params, responder: responder.result(sum(params)))}
    client = await RpcClient.connect(unix, methods=offered)
    await client.call("ping")
    [connection] = server.connections
    answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    connection.peer.request("add", [1, 2], lambda error, raw: answered.set_result((error, bytes(raw))))
    assert await answered == (None, b"\x03")
    await client.close()


async def test_client_is_told_when_the_connection_ends(start: Start, methods: Methods, unix: str) -> None:
    server = await start()
    client = await RpcClient.connect(unix)
    call = asyncio.ensure_future(client.call("hold"))
    await methods.until(lambda: bool(methods.held))
    [connection] = server.connections
    connection.abort()
    with pytest.raises(ConnectionLost):
        await call
    with pytest.raises(ConnectionLost):
        await client.call("ping")
    with pytest.raises(ConnectionLost):
        await RpcClient.connect(unix + "x")


async def test_drain_answers_what_is_under_way_and_refuses_the_rest(start: Start, methods: Methods, unix: str) -> None:
    server = await start()
    client = await RpcClient.connect(unix)
    call = asyncio.ensure_future(client.call("hold"))
    await methods.until(lambda: bool(methods.held))
    server.stop_accepting()
    with pytest.raises(ConnectionLost):
        await RpcClient.connect(unix)
    draining = asyncio.ensure_future(server.drain(SECONDS))
    await asyncio.sleep(0)
    with pytest.raises(RpcError, match="shutting_down"):
        await client.call("echo")
    assert await client.call("ping") == "pong"
    assert not draining.done()
    methods.held[0][1].result("done")
    assert await draining == 0
    await server.close()
    assert await call == "done"
    async with asyncio.timeout(SECONDS):
        await client.ended


async def test_drain_gives_up_in_time_and_close_cancels(start: Start, methods: Methods, unix: str) -> None:
    server = await start()
    client = await RpcClient.connect(unix)
    call = asyncio.ensure_future(client.call("hold"))
    await methods.until(lambda: bool(methods.held))
    assert await server.drain(0.01) == 1
    await server.close()
    assert methods.cancelled == 1
    with pytest.raises(ConnectionLost):
        await call


def ownership(path: Path) -> tuple[int, int]:
    found = path.stat()
    return stat.S_IMODE(found.st_mode), found.st_gid


async def test_unix_permissions_and_group(start: Start, unix: str) -> None:
    path = Path(unix.removeprefix("unix:"))
    group = grp.getgrgid(os.getgid()).gr_name
    await start(UnixAddress(path=path, mode=0o600, group=group))
    assert ownership(path) == (0o600, os.getgid())


async def test_unix_path_stale_live_and_foreign(start: Start, unix: str, tmp_path: Path) -> None:
    path = Path(unix.removeprefix("unix:"))
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    await start()
    with pytest.raises(LocalError, match="another process"):
        await start()
    client = await RpcClient.connect(unix)
    assert await client.call("ping") == "pong"
    await client.close()
    file = tmp_path / "file"
    file.write_text("precious")
    with pytest.raises(LocalError, match="no socket"):
        listen_unix(UnixAddress(path=file))
    assert file.read_text() == "precious"
    with pytest.raises(LocalError, match="no group"):
        listen_unix(UnixAddress(path=tmp_path / "g", group="no-such-group-here"))


async def test_close_leaves_the_socket_of_a_successor(start: Start, unix: str) -> None:
    path = Path(unix.removeprefix("unix:"))
    server = await start()
    os.unlink(path)  # noqa: PTH108 - one call on a temporary file
    await start()
    server.stop_accepting()
    client = await RpcClient.connect(unix)
    assert await client.call("ping") == "pong"
    await client.close()


async def test_allow_list(methods: Methods) -> None:
    server = RpcServer(methods.table)
    bound = await server.start(
        [
            TcpAddress(host="127.0.0.1", port=0, allow=("10.0.0.0/8", "127.0.0.2/32")),
            TcpAddress(host="127.0.0.1", port=0),
        ]
    )
    assert isinstance(bound[0], TcpAddress)
    assert isinstance(bound[1], TcpAddress)
    reader, writer = await asyncio.open_connection("127.0.0.1", bound[0].port)
    assert await reader.read() == b""
    writer.close()
    _, writer = await asyncio.open_connection("127.0.0.1", bound[0].port, local_addr=("127.0.0.2", 0))
    writer.close()
    client = await RpcClient.connect(f"tcp:127.0.0.1:{bound[1].port}")
    assert await client.call("ping") == "pong"
    assert server.snapshot().refused_connections == {"allow_list": 1}
    await client.close()
    await server.close()


def test_allow_list_networks() -> None:
    allow = AllowList(("127.0.0.0/8", "fe80::/10"))
    assert allow.allows("127.1.2.3")
    assert allow.allows("::ffff:127.0.0.1")
    assert allow.allows("fe80::1%eth0")
    assert not allow.allows("::1")
    assert not allow.allows("nonsense")
    with pytest.raises(LocalError):
        AllowList(("127.0.0.1/8",))


def test_addresses() -> None:
    assert parse_address("unix:/x") == UnixAddress(path=Path("/x"))
    assert parse_address("tcp:[::1]:5") == TcpAddress(host="::1", port=5)
    for text in ("", "unix:", "tcp:host", "tcp::5", "tcp:h:70000", "http:h:1"):
        with pytest.raises(LocalError):
            parse_address(text)


class Certificates:
    """An authority of its own and certificates that it signed, as files."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(self._name, self._key, authority=True)
        self.authority = folder / f"{name}.pem"
        self.authority.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _sign(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, authority: bool) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name)
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(hours=1))
        builder = builder.not_valid_after(now + datetime.timedelta(hours=1))
        builder = builder.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        return builder.add_extension(names, critical=False).sign(self._key, hashes.SHA256())

    def issue(self, name: str, trusted: Path) -> TlsFiles:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._folder / f"{name}-certificate.pem"
        key_file = self._folder / f"{name}-key.pem"
        signed = self._sign(subject, key, authority=False)
        certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return TlsFiles(certificate=certificate, key=key_file, authority=trusted)


async def test_tls_with_client_certificates(methods: Methods, tmp_path: Path) -> None:
    ours, theirs = Certificates(tmp_path, "ours"), Certificates(tmp_path, "theirs")
    server = RpcServer(methods.table, RpcLimits(partial_frame_seconds=2.0))
    [address] = await server.start([TcpAddress(host="127.0.0.1", port=0, tls=ours.issue("server", ours.authority))])
    assert isinstance(address, TcpAddress)
    url = f"tcp:127.0.0.1:{address.port}"
    client = await RpcClient.connect(url, tls=ours.issue("switch", ours.authority))
    assert await client.call("big", 300_000) == "x" * 300_000
    for stranger in (TlsFiles(authority=ours.authority), theirs.issue("stranger", ours.authority)):
        with pytest.raises(ConnectionLost):
            # TLS 1.3: the client learns of its refusal with its first read.
            await (await RpcClient.connect(url, tls=stranger)).call("ping")
    with pytest.raises(ConnectionLost):
        await RpcClient.connect(url, tls=TlsFiles(authority=theirs.authority))
    reader, writer = await asyncio.open_connection("127.0.0.1", address.port)
    writer.write(b"\x94\x00\x07\xa4ping\x90")
    async with asyncio.timeout(SECONDS):
        with contextlib.suppress(ConnectionResetError):
            assert b"pong" not in await reader.read()
    writer.close()
    assert await client.call("ping") == "pong"
    assert server.snapshot().refused_connections["tls"] >= 3
    await client.close()
    await server.close()
    with pytest.raises(LocalError):
        TlsFiles().server_context()
    with pytest.raises(LocalError):
        TlsFiles(certificate=tmp_path / "none", key=tmp_path / "none").server_context()
