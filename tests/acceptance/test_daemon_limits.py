"""The caps of the running daemon, set by file and environment; its sockets' doors; starts that must not be."""

import asyncio
import contextlib
import os
import shlex
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import msgpack
import pytest

from sipio.rpc.errors import ConnectionLost, RpcError
from tests.acceptance.processes import free_port, wait_until
from tests.acceptance.serving import Serving, metrics, request
from tests.acceptance.traffic import Traffic
from tests.acceptance.two_scripts import ASSIGNMENTS, SCRIPTS

CAPS = """
[socket]
frame_bytes = 65_536
connections = 6
in_flight_per_connection = 3
in_flight = 5
partial_frame_seconds = 0.3
output_bytes = 1_000_000
[decisions]
timeout_ms = 30_000
total_timeout_ms = 30_000
"""


@pytest.fixture(scope="module")
def capped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Serving, int]]:
    port = free_port("127.0.0.1", socket.SOCK_STREAM)
    daemon = Serving(
        tmp_path_factory.mktemp("capped"),
        SCRIPTS,
        ASSIGNMENTS,
        CAPS.replace("in_flight = 5", "in_flight = 50"),
        # The environment overrides the file.
        {"SCRIPTFORGE_SOCKET__IN_FLIGHT": "5", "SCRIPTFORGE_METRICS__LISTEN": f"127.0.0.1:{port}"},
    )
    try:
        yield daemon.ready(), port
    finally:
        daemon.stop()


async def _alive(daemon: Serving) -> None:
    """Others notice nothing, and nothing stays open."""
    async with asyncio.timeout(10):
        while True:
            client = await daemon.client()
            try:
                assert (await client.call("route", request("same")))["outcome"] == "returned"
                break
            except ConnectionLost:
                # It has not yet noticed the end of those before.
                await client.close()
        while (await client.call("stats"))["pending"]:
            pass
    await client.close()


async def test_requests_in_flight(capped: tuple[Serving, int]) -> None:
    daemon, port = capped
    first, second = await daemon.client(), await daemon.client()
    sent = Traffic()
    for number in range(4):
        sent.ask(first, request("never", f"a{number}"))
    await sent.until(lambda _: sent.outcomes["overloaded"] == 1)
    for number in range(3):
        sent.ask(second, request("never", f"b{number}"))
    await sent.until(lambda _: sent.outcomes["overloaded"] == 2)
    texts = sorted(str(answer.error) for answer in sent.answers)
    assert "on this connection" in texts[1]
    assert "on this connection" not in texts[0]
    # What is immediate is answered all the same, and room is used again.
    assert await second.call("ping") == "pong"
    assert await first.call("cancel", {"call_id": "a0"}) == {"cancelled": 1}
    assert (await second.call("route", request("same")))["outcome"] == "returned"
    key = ("scriptforge_rpc_refused_total", "overloaded")
    await asyncio.to_thread(wait_until, lambda: metrics(port).get(key, 0) == 2, "the refusals on the page")
    await first.close()
    await second.close()
    await _alive(daemon)


async def test_connections(capped: tuple[Serving, int]) -> None:
    daemon, port = capped
    # Those of the test before may not be seen as gone yet.
    open_now = ("scriptforge_rpc_connections",)
    await asyncio.to_thread(wait_until, lambda: metrics(port).get(open_now, 0) == 0, "no connection")
    clients = [await daemon.client() for _ in range(6)]
    for client in clients:
        await client.call("ping")
    reader, writer = await asyncio.open_unix_connection(str(daemon.socket))
    told = msgpack.unpackb(await asyncio.wait_for(reader.read(), 5))
    assert told[:2] == [2, "error"]
    assert told[2][0]["code"] == "overloaded"
    writer.close()
    await writer.wait_closed()
    for client in clients:
        await client.close()
    await _alive(daemon)
    # The page is rendered once a second.
    key = ("scriptforge_rpc_refused_total", "connection_connections")
    await asyncio.to_thread(wait_until, lambda: metrics(port).get(key, 0) >= 1, "the refusal on the page")


def _told(path: Path, sent: bytes, code: str) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(str(path))
        # It need not read to the end what it has refused.
        with contextlib.suppress(BrokenPipeError):
            connection.sendall(sent)
        told = b""
        while code.encode() not in told:
            received = connection.recv(10_000)
            assert received, told
            told += received


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (msgpack.packb([0, 7, "route", [{"call_id": "x" * 70_000}]]), "oversized"),
        (msgpack.packb([0, 7, "route", [{"call_id": "x"}]])[:-3], "frame_timeout"),
        (b"\xc1", "malformed"),
        (b"GET / HTTP/1.1\r\n\r\n", "malformed"),
        (msgpack.packb([0, 7, "route"]) + b"\x90", "bad_request"),
        (msgpack.packb([0, 7, "route", []]), "bad_request"),
        (msgpack.packb([0, 7, "route", [{"call_id": "x", "routing": {}, "unknown": 1}]]), "bad_request"),
        (msgpack.packb([0, 7, "root", []]), "unknown_method"),
        (b"\x91" * 2000, "malformed"),
        (b"\x94\x00\x07\xa5route\x91\x82\xa7call_id\xa1x\xa7routing" + b"\x81\xa1x" * 1000 + b"\xc0", "bad_request"),
        (b"\xdd\xff\xff\xff\xff", "frame_timeout"),
        (b"\x94\x00\x07\xc6\xff\xff\xff\xff" + b"x" * 70_000, "oversized"),
    ],
    ids=[
        "oversized", "truncated", "no-message", "http", "short", "no-params", "unknown-field", "unknown-method",
        "deep", "deep-routing", "long-array", "long-name",
    ],
)  # fmt: skip
async def test_bytes_that_are_no_request(capped: tuple[Serving, int], sent: bytes, code: str) -> None:
    daemon, _ = capped
    other = await daemon.client()
    await asyncio.to_thread(_told, daemon.socket, sent, code)
    assert (await other.call("route", request("same")))["outcome"] == "returned"
    await other.close()
    await _alive(daemon)


async def test_a_reader_that_does_not_read(capped: tuple[Serving, int]) -> None:
    daemon, _ = capped
    other = await daemon.client()
    reader, writer = await asyncio.open_unix_connection(str(daemon.socket))
    ask = msgpack.packb([0, 7, "route", [request("nobody", "x" * 20_000, routing={"fill": "y" * 40_000})]])

    async def pour() -> None:
        while True:
            writer.write(ask)
            await writer.drain()

    pouring = asyncio.ensure_future(pour())
    for _ in range(50):
        assert (await other.call("route", request("same")))["outcome"] == "returned"
    # The daemon stops reading from it: what it holds of it is bounded, and so is what it remembers.
    resident = _resident(daemon.pid)
    for _ in range(200):
        assert (await other.call("route", request("same")))["outcome"] == "returned"
    assert _resident(daemon.pid) - resident < 20_000_000
    pouring.cancel()
    await asyncio.wait([pouring])
    del reader
    writer.transport.abort()
    await other.close()
    await _alive(daemon)


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def _serves(daemon: Serving, count: int = 30) -> None:
    client = await daemon.client()
    for number in range(count):
        assert (await client.call("route", request("same", f"c{number}")))["outcome"] == "returned"
    await client.close()


@pytest.mark.parametrize("where", ["/dev/full", "closed", "gone"])
async def test_a_log_that_cannot_be_written_costs_no_call(tmp_path: Path, where: str) -> None:
    redirection = {"/dev/full": "2>/dev/full", "closed": "2>&-", "gone": "2> >(exec head -n 1 >/dev/null)"}[where]
    shell = ("bash", "-c", f'exec "$@" {redirection}', "bash")
    daemon = Serving(tmp_path, SCRIPTS, ASSIGNMENTS, launcher=shell)
    try:
        wait_until(daemon.accepts, "the socket")
        await _serves(daemon)
        daemon.send(signal.SIGTERM)
        assert daemon.program.finish(10.0) == 0
    finally:
        daemon.stop()


async def test_a_log_reader_that_has_stopped_costs_no_call(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDWR)
    try:
        daemon = Serving(
            tmp_path, SCRIPTS, ASSIGNMENTS, launcher=("bash", "-c", f'exec "$@" 2>{shlex.quote(str(pipe))}', "bash")
        )
        try:
            await asyncio.to_thread(wait_until, daemon.accepts, "the socket")
            client = await daemon.client()
            # The pipe's 64 KB are full after some hundred records.
            for number in range(300):
                decision = await client.call("route", request("same", f"{number}" + "x" * 300))
                assert decision["outcome"] == "returned"
            await client.close()
            daemon.send(signal.SIGTERM)
            assert await asyncio.to_thread(daemon.program.finish, 10.0) == 0
        finally:
            daemon.stop()
    finally:
        os.close(reading)


async def test_few_descriptors(tmp_path: Path) -> None:
    shell = ("bash", "-c", 'ulimit -n 64; exec "$@"', "bash")
    daemon = Serving(tmp_path, SCRIPTS, ASSIGNMENTS, "[decisions]\ntimeout_ms = 300\n", launcher=shell).ready()
    try:
        first = await daemon.client()
        held = []
        for _ in range(80):
            held.append(await asyncio.open_unix_connection(str(daemon.socket)))
        # The connections that there are go on, and a dead worker is replaced once there is room again.
        assert (await first.call("route", request("same")))["outcome"] == "returned"
        for worker in daemon.workers():
            os.kill(worker, signal.SIGKILL)
        outcomes = set()
        for _ in range(5):
            try:
                decision = await asyncio.wait_for(first.call("route", request("same")), 10)
                outcomes.add(decision["outcome"])
            except RpcError as error:
                outcomes.add(error.code)
        assert outcomes <= {"returned", "timed_out", "refused", "crashed"}
        for _, writer in held:
            writer.close()
        async with asyncio.timeout(15):
            while (await first.call("route", request("same")))["outcome"] != "returned":
                pass
        assert (await daemon.client()) is not None
        assert not daemon.program.lines("Traceback")
        await first.close()
    finally:
        daemon.stop()
