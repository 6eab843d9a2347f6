"""Who may connect to the daemon: the mode of its socket, TLS with client certificates, the allow list."""

import asyncio
import grp
import os
import socket
import ssl
import stat
import subprocess
from pathlib import Path

import pytest

from sipio.rpc.addresses import TlsFiles
from sipio.rpc.client import RpcClient
from sipio.rpc.errors import ConnectionLost
from tests.acceptance.processes import free_port
from tests.acceptance.serving import Serving, request
from tests.acceptance.two_scripts import ASSIGNMENTS, SCRIPTS


def test_the_unix_socket_has_the_mode_and_the_group_it_was_given(tmp_path: Path) -> None:
    group = grp.getgrgid(os.getgid()) if os.getuid() else next(each for each in grp.getgrall() if each.gr_gid != 0)
    daemon = Serving(tmp_path, {}, "", f'[socket]\nunix_mode = "0620"\nunix_group = "{group.gr_name}"\n').ready()
    try:
        status = daemon.socket.stat()
        assert stat.S_IMODE(status.st_mode) == 0o620
        assert status.st_gid == group.gr_gid
    finally:
        daemon.stop()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, a server and a client signed by it, a client signed by another."""
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    for authority in ("authority", "other"):
        openssl(
            "req", "-x509", *key, "-keyout", f"{authority}.key", "-out", f"{authority}.pem", "-subj", f"/CN={authority}"
        )
    for name, signer in (("server", "authority"), ("client", "authority"), ("stranger", "other")):
        openssl(
            *("req", "-x509", *key, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}"),
            *("-CA", f"{signer}.pem", "-CAkey", f"{signer}.key", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-addext", "basicConstraints=critical,CA:FALSE"),
        )
    return folder


async def test_tcp_with_tls_and_client_certificates(tmp_path: Path, certificates: Path) -> None:
    port = free_port("127.0.0.1", socket.SOCK_STREAM)
    daemon = Serving(
        tmp_path,
        SCRIPTS,
        ASSIGNMENTS,
        environment={
            "SCRIPTFORGE_SOCKET__TCP": f"127.0.0.1:{port}",
            "SCRIPTFORGE_SOCKET__TLS_CERTIFICATE": str(certificates / "server.pem"),
            "SCRIPTFORGE_SOCKET__TLS_KEY": str(certificates / "server.key"),
            "SCRIPTFORGE_SOCKET__TLS_CLIENT_CA": str(certificates / "authority.pem"),
        },
    ).ready()

    def shown(name: str) -> TlsFiles:
        return TlsFiles(
            certificate=certificates / f"{name}.pem",
            key=certificates / f"{name}.key",
            authority=certificates / "authority.pem",
        )

    try:
        address = f"tcp:127.0.0.1:{port}"
        client = await RpcClient.connect(address, tls=shown("client"))
        assert (await client.call("route", request("same")))["outcome"] == "returned"
        for refused in (shown("stranger"), TlsFiles(authority=certificates / "authority.pem")):
            with pytest.raises((ConnectionLost, ssl.SSLError)):
                await _ping(await RpcClient.connect(address, tls=refused))
        with pytest.raises(ConnectionLost):
            await _ping(await RpcClient.connect(address))
        # A handshake that never comes costs a connection for a time, and nobody else anything.
        _, silent = await asyncio.open_connection("127.0.0.1", port)
        assert (await client.call("route", request("same")))["outcome"] == "returned"
        silent.close()
        await silent.wait_closed()
        await client.close()
    finally:
        daemon.stop()


async def _ping(client: RpcClient) -> None:
    async with asyncio.timeout(60):
        await client.call("ping")


async def test_the_allow_list_of_tcp(tmp_path: Path) -> None:
    port = free_port("127.0.0.1", socket.SOCK_STREAM)
    configuration = f'[socket]\ntcp = "127.0.0.1:{port}"\nallow = ["127.0.0.7/32"]\n'
    daemon = Serving(tmp_path, SCRIPTS, ASSIGNMENTS, configuration).ready()
    try:
        with pytest.raises(ConnectionLost):
            await _ping(await RpcClient.connect(f"tcp:127.0.0.1:{port}"))
        _, allowed = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.7", 0))
        allowed.close()
        await allowed.wait_closed()
        daemon.program.wait_for('"rpc_connection_not_allowed","logger":"sipio.rpc.server","peer":"127.0.0.1"')
        assert len(daemon.program.lines("not_allowed")) == 1
    finally:
        daemon.stop()
