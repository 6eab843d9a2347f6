"""Where the MessagePack-RPC server listens and who may connect: unix sockets, networks, TLS."""

import asyncio
import contextlib
import datetime
import grp
import os
import socket
import stat
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sipio.errors import LocalError
from sipio.rpc.addresses import AllowList, TcpAddress, TlsFiles, UnixAddress, parse_address
from sipio.rpc.client import RpcClient
from sipio.rpc.errors import ConnectionLost
from sipio.rpc.limits import RpcLimits
from sipio.rpc.listener import listen_unix
from sipio.rpc.server import RpcServer
from tests.sipio.rpc.socket_methods import SECONDS, Methods, Start, raw_connection, read_messages


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


async def test_connections_under_tls_are_not_handed_over_but_their_socket_is(methods: Methods, tmp_path: Path) -> None:
    """Their keys are in the process. A client sees the end of its connection and makes another, which waits."""
    ours = Certificates(tmp_path, "ours")
    files = ours.issue("server", ours.authority)
    first, second = RpcServer(methods.table), RpcServer(methods.table)
    [address] = await first.start([TcpAddress(host="127.0.0.1", port=0, tls=files)])
    assert isinstance(address, TcpAddress)
    url = f"tcp:127.0.0.1:{address.port}"
    shown = ours.issue("switch", ours.authority)
    client = await RpcClient.connect(url, tls=shown)
    assert await client.call("echo", 1) == [1]
    first.hold()
    held = [one for _, one in first.hand_over()]
    assert [one.role for one in held] == ["listener"]
    first.let_go()
    await asyncio.wait_for(client.ended, SECONDS)
    await first.close()
    connecting = asyncio.ensure_future(RpcClient.connect(url, tls=shown))
    await asyncio.sleep(0.01)
    await second.start([TcpAddress(host="127.0.0.1", port=address.port, tls=files)], held)
    again = await asyncio.wait_for(connecting, SECONDS)
    assert await again.call("echo", 2) == [2]
    await again.close()
    await second.close()
