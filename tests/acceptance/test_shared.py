"""Two real daemons, as of two machines, that share a Valkey or Redis: what they share, and that they lose it."""

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.shared.connection import CONNECTIONS
from sipio.rpc.client import RpcClient
from tests.acceptance.processes import free_port, require_program
from tests.acceptance.serving import Serving, metrics, page, request
from tests.database_servers import Server, valkey
from tests.shared_connection import shared_address

COUNTS = """import { incr, kv } from 'cxKV';
export async function main(data) {
  data.routing.count = await incr('calls');
  data.routing.text = await kv.get('calls');
}
"""
CATCHES = """import { incr } from 'cxKV';
export async function main(data) {
  const began = Date.now();
  try { data.routing.count = await incr('caught') } catch (error) { data.routing.error = error.message }
  data.routing.ms = Date.now() - began;
}
"""
HEARS = """import { subscribe } from 'cxPubSub';
export async function main(data) {
  const heard = [];
  await new Promise(async (resolve) => {
    await subscribe('desk', (note) => { heard.push(note); if (note === 'last') resolve() });
    console.log('hears');
  });
  data.routing.heard = heard;
}
"""
TELLS = """import { publish } from 'cxPubSub';
export async function main(data) {
  for (let number = 0; number < 50; number++) await publish('desk', number);
  await publish('desk', 'last');
}
"""
PLAIN = "function main(data) { data.routing.done = true; return data }"
ASSIGNMENTS = "".join(
    f'[[script]]\nfile = "{name}.js"\nkind = "app"\n[[route]]\ncustomer = "{name}"\nscript = "{name}"\n{more}'
    for name, more in {
        "counts": 'error_action = "503 No Count"\n',
        "catches": "timeout_ms = 5000\n",
        "hears": "timeout_ms = 20000\n",
        "tells": "",
    }.items()
)
ASSIGNMENTS += '[[route]]\ncustomer = "plain"\nscript = "plain"\n'
SCRIPTS = {"counts": COUNTS, "catches": CATCHES, "hears": HEARS, "tells": TELLS, "plain": PLAIN}


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of the test's own, to be lost."""
    server = valkey()
    yield server
    server.close()


def daemon(
    directory: Path, server: Server, configuration: str = "", launcher: tuple[str, ...] = (), metrics: str = ""
) -> Serving:
    directory.mkdir()
    text = f'[shared]\nurl = "{shared_address(server)}"\n[decisions]\ntotal_timeout_ms = 20000\n{configuration}'
    environment = {"SCRIPTFORGE_METRICS__LISTEN": metrics}
    return Serving(directory, SCRIPTS, ASSIGNMENTS, text, environment, launcher)


async def asked(client: RpcClient, customer: str) -> Any:
    return await client.call("route", request(customer))


async def test_what_is_counted_and_told_at_once_is_that_of_both(tmp_path: Path, server: Server) -> None:
    daemons = [daemon(tmp_path / name, server) for name in ("one", "other")]
    try:
        clients = [await one.ready().client() for one in daemons]
        answers = await asyncio.gather(*(asked(clients[number % 2], "counts") for number in range(200)))
        assert sorted(answer["routing"]["count"] for answer in answers) == list(range(1, 201))
        assert (await asked(clients[0], "counts"))["routing"]["text"] == "201"
        hearing = asyncio.create_task(asked(clients[1], "hears"))
        async with asyncio.timeout(10):
            while not await _hears(server):
                pass
        await asked(clients[0], "tells")
        assert (await hearing)["routing"]["heard"] == [*range(50), "last"]
        for client in clients:
            await client.close()
    finally:
        for one in daemons:
            one.stop()


async def _hears(server: Server) -> bool:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"PUBSUB CHANNELS\r\n")
    count = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return count != b"*0\r\n"


@pytest.mark.parametrize("how", ["killed", "stopped"])
async def test_losing_it_costs_no_decision_and_comes_back_by_itself(tmp_path: Path, server: Server, how: str) -> None:
    port = free_port("127.0.0.1")
    serving = daemon(tmp_path / "one", server, metrics=f"127.0.0.1:{port}")
    try:
        client = await serving.ready().client()
        assert (await asked(client, "counts"))["routing"]["count"] == 1
        descriptors = _descriptors(serving.pid)
        for loss in range(1, 4):
            if how == "killed":
                os.kill(server.program.process.pid, signal.SIGKILL)
                await asyncio.to_thread(server.program.process.wait)
            else:
                os.kill(server.program.process.pid, signal.SIGSTOP)
            caught = (await asked(client, "catches"))["routing"]
            assert caught["error"] == "the key-value store does not answer; ask again later"
            assert caught["ms"] < 10_000
            refused = await asked(client, "counts")
            assert (refused["code"], refused["reason"]) == (503, "No Count")
            began = time.monotonic()
            assert (await asked(client, "plain"))["routing"]["done"]
            assert time.monotonic() - began < 10
            status, text = page(port, "/health")
            health = json.loads(text)
            assert (status, health["healthy"], health["details"]["shared"]) == (200, True, False)
            assert health["details"]["shared_lost"].startswith(f"{shared_address(server)}: ")
            if how == "killed":
                await asyncio.to_thread(server.start)
            else:
                os.kill(server.program.process.pid, signal.SIGCONT)
            await asyncio.to_thread(_found, serving, loss)
            assert isinstance((await asked(client, "counts"))["routing"]["count"], int)
            assert json.loads(page(port, "/health")[1])["details"]["shared"] is True
        assert [len(serving.records(action)) for action in ("shared_lost", "shared_found")] == [3, 3]
        assert serving.records("key_values_failed") == []
        found = metrics(port)
        assert found[("scriptforge_shared_available",)] == 1
        assert found[("scriptforge_shared_losses_total",)] == 3
        assert found[("scriptforge_shared_refused_total",)] >= 6
        assert _descriptors(serving.pid) <= descriptors + CONNECTIONS, "those that there may be, and none that are lost"
        await client.close()
    finally:
        serving.stop()


def _descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _found(serving: Serving, times: int) -> None:
    serving.program.wait_for('"action":"shared_lost"')
    deadline = time.monotonic() + 10
    while len(serving.records("shared_found")) < times:
        assert time.monotonic() < deadline
        time.sleep(0.02)


async def test_a_network_that_is_cut_costs_no_decision_either(tmp_path: Path) -> None:
    """In a network of the test's own, which is cut: nobody is told that a connection has ended."""
    as_root = os.geteuid() == 0
    unshare = [require_program("unshare"), "--net", *([] if as_root else ["--map-root-user"]), "--"]
    up = [require_program("ip"), "link", "set", "lo", "up"]
    server = valkey(*unshare, "sh", "-c", f'{" ".join(up)} && exec "$@"', "sh")
    enter = [require_program("nsenter"), "--target", str(server.program.process.pid), "--net"]
    enter += ["--"] if as_root else ["--user", "--preserve-credentials", "--"]
    serving = daemon(tmp_path / "one", server, launcher=tuple(enter))
    try:
        client = await serving.ready().client()
        assert (await asked(client, "counts"))["routing"]["count"] == 1
        for loss in range(1, 3):
            await asyncio.to_thread(subprocess.run, [*enter, *up[:-1], "down"], check=True)
            caught = (await asked(client, "catches"))["routing"]
            assert caught["error"] == "the key-value store does not answer; ask again later"
            assert caught["ms"] < 10_000
            began = time.monotonic()
            assert (await asked(client, "plain"))["routing"]["done"]
            assert time.monotonic() - began < 10
            assert len(serving.records("shared_lost")) == loss
            await asyncio.to_thread(subprocess.run, [*enter, *up], check=True)
            await asyncio.to_thread(_found, serving, loss)
            assert (await asked(client, "counts"))["routing"]["count"] == 1 + loss
        await client.close()
    finally:
        serving.stop()
        server.close()


async def test_a_daemon_starts_without_it_and_finds_it(tmp_path: Path, server: Server) -> None:
    server.stop()
    serving = daemon(tmp_path / "one", server)
    try:
        client = await serving.ready().client()
        assert (await asked(client, "plain"))["routing"]["done"]
        assert "does not answer" in (await asked(client, "catches"))["routing"]["error"]
        server.start()
        await asyncio.to_thread(_found, serving, 1)
        assert (await asked(client, "catches"))["routing"]["count"] == 1
        await client.close()
    finally:
        serving.stop()


async def test_a_limit_is_that_of_both(tmp_path: Path, server: Server) -> None:
    daemons = [daemon(tmp_path / name, server, "[limits]\nhost_calls_a_minute = 60\n") for name in ("one", "other")]
    try:
        clients = [await one.ready().client() for one in daemons]
        await asyncio.gather(*(asked(clients[0], "catches") for _ in range(60)))
        caught: dict[str, Any] = {}
        async with asyncio.timeout(60):
            while "error" not in caught:
                caught = (await asked(clients[1], "catches"))["routing"]
                await asyncio.sleep(0.1)
        assert "more than 60 questions to the host a minute" in caught["error"]
        assert caught["ms"] < 10_000
        for client in clients:
            await client.close()
    finally:
        for one in daemons:
            one.stop()
