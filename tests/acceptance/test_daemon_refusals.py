"""A daemon that cannot do what it was told does not start, and says why."""

import asyncio
import socket
import sys
from pathlib import Path

import pytest

from tests.acceptance.processes import free_port
from tests.acceptance.serving import Serving, metrics, request
from tests.acceptance.two_scripts import ASSIGNMENTS, SCRIPTS

REFUSES_SECCOMP = """
import os, sys, errno, pyseccomp
refuses = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
refuses.add_rule(pyseccomp.ERRNO(errno.EINVAL), "seccomp")
refuses.add_rule(pyseccomp.ERRNO(errno.EINVAL), "prctl", pyseccomp.Arg(0, pyseccomp.EQ, 22))
refuses.load()
os.execv(sys.argv[1], sys.argv[1:])
"""
"""As a container whose profile knows no seccomp: seccomp(2) and prctl(PR_SET_SECCOMP) fail."""


def _refusing() -> tuple[str, ...]:
    return (sys.executable, "-c", REFUSES_SECCOMP)


def _ends(daemon: Serving) -> int:
    try:
        return daemon.program.finish(20.0)
    finally:
        daemon.stop()


def test_without_seccomp_it_refuses_to_start(tmp_path: Path) -> None:
    daemon = Serving(tmp_path, SCRIPTS, ASSIGNMENTS, launcher=_refusing())
    assert _ends(daemon) == 1
    [said] = daemon.program.lines("^scriptforge:")
    assert "seccomp" in said
    assert "Traceback" not in "".join(daemon.program.lines(""))
    assert not daemon.socket.exists()


async def test_without_seccomp_it_starts_where_told_so_and_warns(tmp_path: Path) -> None:
    port = free_port("127.0.0.1", socket.SOCK_STREAM)
    daemon = Serving(
        tmp_path,
        SCRIPTS,
        ASSIGNMENTS,
        "[sandbox]\nrequire_confinement = false\n",
        {"SCRIPTFORGE_METRICS__LISTEN": f"127.0.0.1:{port}"},
        _refusing(),
    ).ready()
    try:
        assert daemon.program.lines('"level":"warning","action":"workers_unconfined"')
        assert (await asyncio.to_thread(metrics, port))["scriptforge_confined",] == 0
        client = await daemon.client()
        assert (await client.call("stats"))["confined"] is False
        assert (await client.call("route", request("same")))["outcome"] == "returned"
        await client.close()
    finally:
        daemon.stop()


@pytest.mark.parametrize(
    ("configuration", "said"),
    [
        ("[socket]\nunxi = 1\n", "unxi"),
        ("[sandbox]\nslow_workers = -1\n", "slow_workers"),
        ('[socket]\nunix_group = "no-such-group"\n', "no-such-group"),
        ('[socket]\ntls_certificate = "/nonexistent"\ntcp = "127.0.0.1:1"\n', "TLS|tls"),
        ("[[[\n", "sidecar.toml"),
    ],
)
def test_a_configuration_that_is_wrong_says_where(tmp_path: Path, configuration: str, said: str) -> None:
    daemon = Serving(tmp_path, SCRIPTS, ASSIGNMENTS, configuration)
    assert _ends(daemon) == 1
    assert daemon.program.lines(said)
    assert not daemon.program.lines("Traceback")


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        (
            {"SCRIPTFORGE_SOCKET__UNIX": ""},
            "nobody could ask: socket.unix, socket.tcp and kamailio.peers are all empty",
        ),
        (
            {"SCRIPTFORGE_SOCKET__UNIX": "/nonexistent/a.sock"},
            "socket.unix: cannot listen on /nonexistent/a.sock: there is no directory /nonexistent",
        ),
    ],
)
def test_a_daemon_that_cannot_be_asked_does_not_start(tmp_path: Path, environment: dict[str, str], said: str) -> None:
    daemon = Serving(tmp_path, SCRIPTS, ASSIGNMENTS, environment=environment)
    assert daemon.program.finish(20.0) == 1
    assert daemon.program.lines("^scriptforge: ") == [f"scriptforge: {said}\n"]
