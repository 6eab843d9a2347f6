"""The service manager's protocol over a real datagram socket."""

import asyncio
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.errors import ConfigurationError
from sidecar.operations.notify import Notifier, Watchdog


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A bound socket and the NOTIFY_SOCKET that names it."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    if request.param == "path":
        address = str(tmp_path / "notify")
        listener.bind(address)
    else:
        address = f"@scriptforge-test-{os.getpid()}"
        listener.bind("\0" + address[1:])
    listener.settimeout(60)
    yield listener, address
    listener.close()


def test_messages(manager: tuple[socket.socket, str]) -> None:
    listener, address = manager
    notifier = Notifier(address)
    notifier.ready("3 scripts")
    assert listener.recv(1000) == b"READY=1\nSTATUS=3 scripts"
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notifier.reloading()
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    match = re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=(\d+)", listener.recv(1000))
    assert match is not None
    assert before <= int(match[1]) <= after
    notifier.ready()
    assert listener.recv(1000) == b"READY=1"
    notifier.status("64 in flight")
    assert listener.recv(1000) == b"STATUS=64 in flight"
    notifier.alive()
    assert listener.recv(1000) == b"WATCHDOG=1"
    notifier.stopping("draining", extend_seconds=7.5)
    assert listener.recv(1000) == b"STOPPING=1\nEXTEND_TIMEOUT_USEC=7500000\nSTATUS=draining"
    notifier.close()


def test_nothing_is_ready_again_once_stopping(manager: tuple[socket.socket, str]) -> None:
    listener, address = manager
    notifier = Notifier(address)
    notifier.stopping()
    notifier.reloading()
    notifier.ready()
    notifier.status("end")
    assert [listener.recv(1000), listener.recv(1000)] == [b"STOPPING=1", b"STATUS=end"]
    notifier.close()


def test_a_status_is_one_line(manager: tuple[socket.socket, str]) -> None:
    listener, address = manager
    notifier = Notifier(address)
    notifier.status("reload failed\nMAINPID=1\x1b[2J" + "x" * 1000)
    received = listener.recv(4000)
    assert received.startswith(b"STATUS=reload failed MAINPID=1 [2Jxxx")
    assert len(received) < 300
    notifier.close()


def test_absent_is_silent() -> None:
    notifier = Notifier.from_environment({})
    notifier.ready("x")
    notifier.stopping()
    assert notifier.watchdog_seconds is None
    assert notifier.failed == 0
    notifier.close()


def test_the_environment_is_taken_from_children(manager: tuple[socket.socket, str]) -> None:
    listener, address = manager
    environment = {
        "NOTIFY_SOCKET": address,
        "WATCHDOG_USEC": "10000000",
        "WATCHDOG_PID": str(os.getpid()),
        "PATH": "/bin",
    }
    notifier = Notifier.from_environment(environment)
    assert environment == {"PATH": "/bin"}
    assert notifier.watchdog_seconds == 10.0
    notifier.ready()
    assert listener.recv(1000) == b"READY=1"
    notifier.close()


@pytest.mark.parametrize(("pid", "seconds"), [("1", None), (None, 10.0)])
def test_a_watchdog_for_another_process_is_none(pid: str | None, seconds: float | None) -> None:
    environment = {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "10000000"}
    if pid is not None:
        environment["WATCHDOG_PID"] = pid
    notifier = Notifier.from_environment(environment)
    assert notifier.watchdog_seconds == seconds
    notifier.close()


@pytest.mark.parametrize(
    "environment",
    [
        {"NOTIFY_SOCKET": "vsock:2:1234"},
        {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "soon"},
        {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "0"},
    ],
)
def test_values_that_are_none(environment: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=r"NOTIFY_SOCKET|WATCHDOG_USEC"):
        Notifier.from_environment(environment)


def test_a_manager_that_is_away_is_counted_and_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    notifier = Notifier(str(tmp_path / "nobody"))
    notifier.ready()
    notifier.alive()
    assert notifier.failed == 2
    assert caplog.text.count("notify_failed") == 1
    notifier.close()


def test_a_manager_that_does_not_read_is_not_waited_for(manager: tuple[socket.socket, str]) -> None:
    _, address = manager
    notifier = Notifier(address)
    for _ in range(5_000):
        notifier.status("x" * 200)
    assert notifier.failed > 0
    notifier.close()


async def received(listener: socket.socket) -> bytes:
    listener.setblocking(False)
    return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(listener, 1000), 5)


async def test_the_watchdog_lives_as_long_as_the_health(
    manager: tuple[socket.socket, str], caplog: pytest.LogCaptureFixture
) -> None:
    listener, address = manager
    notifier = Notifier(address, watchdog_seconds=0.04)
    asked = asyncio.Event()
    alive = True

    def healthy() -> bool:
        asked.set()
        return alive

    watchdog = Watchdog(notifier, healthy)
    began = time.monotonic()
    watchdog.start(asyncio.get_running_loop())
    for _ in range(3):
        assert await received(listener) == b"WATCHDOG=1"
    assert time.monotonic() - began >= 0.035
    alive = False
    for _ in range(3):
        asked.clear()
        await asyncio.wait_for(asked.wait(), 5)
    with pytest.raises(BlockingIOError):
        listener.recv(1000)
    assert caplog.text.count("watchdog_withheld") == 1
    alive = True
    assert await received(listener) == b"WATCHDOG=1"
    watchdog.stop()
    notifier.close()


async def test_no_watchdog_where_none_is_wanted() -> None:
    def never() -> bool:
        raise AssertionError

    notifier = Notifier("/nowhere")
    watchdog = Watchdog(notifier, never)
    watchdog.start(asyncio.get_running_loop())
    watchdog.stop()
    notifier.close()


async def test_descriptors_are_kept_once_the_service_manager_has_read_them(manager: tuple[socket.socket, str]) -> None:
    listener, address = manager
    notifier = Notifier(address)
    reader, writer = os.pipe()
    storing = asyncio.create_task(notifier.store("ours", [reader] * 201))
    for count in (200, 1):
        text, received, _, _ = await asyncio.to_thread(socket.recv_fds, listener, 1000, 253)
        assert (text, len(received)) == (b"FDSTORE=1\nFDNAME=ours", count)
        assert {os.fstat(one).st_ino for one in received} == {os.fstat(reader).st_ino}
        for one in received:
            os.close(one)
    text, received, _, _ = await asyncio.to_thread(socket.recv_fds, listener, 1000, 253)
    assert text == b"BARRIER=1"
    assert not storing.done()
    os.close(received[0])
    assert await asyncio.wait_for(storing, 60)
    notifier.forget("ours")
    assert listener.recv(1000) == b"FDSTOREREMOVE=1\nFDNAME=ours"
    notifier.close()
    os.close(reader)
    os.close(writer)


async def test_descriptors_that_nobody_takes_are_not_kept(
    manager: tuple[socket.socket, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidecar.operations.notify.BARRIER_SECONDS", 0.02)
    _, address = manager
    for notifier in (Notifier(None), Notifier("/nowhere"), Notifier(address)):
        assert not await notifier.store("ours", [0])
        notifier.close()
