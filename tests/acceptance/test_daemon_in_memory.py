"""A whole daemon in the test's own process, over a catalog in memory: what is put there decides the next call."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sidecar.catalog.entries import RouteEntry, ScriptEntry
from sidecar.catalog.memory import MemorySource
from sidecar.configuration.tree import (
    Configuration,
    LogSection,
    MetricsSection,
    SandboxSection,
    SocketSection,
    VoiceSection,
)
from sidecar.daemon import Daemon
from sidecar.errors import ConfigurationError
from sidecar.switches.socket import SocketPart
from sipio.rpc.client import RpcClient
from sipio.rpc.errors import ConnectionLost
from tests.acceptance.serving import request


def script(number: int) -> ScriptEntry:
    text = f"function main(data) {{ data.routing.number = {number} }}"
    return ScriptEntry(place="a.js", id="a", name="a.js", text=text)


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


async def connected(path: Path, running: "asyncio.Task[int]") -> RpcClient:
    """A connection, as soon as the daemon listens."""
    while not running.done():
        try:
            return await RpcClient.connect(f"unix:{path}")
        except ConnectionLost:
            await asyncio.sleep(0.01)
    raise AssertionError(running.exception())


async def number(client: RpcClient) -> object:
    """What the script says to a call."""
    return (await client.call("route", request("acme")))["routing"]["number"]


@pytest.fixture
async def serving(tmp_path: Path) -> AsyncIterator[tuple[MemorySource, RpcClient]]:
    source = MemorySource([script(1), RouteEntry(place="acme", customer="acme", script="a")])
    configuration = Configuration(
        socket=SocketSection(unix=tmp_path / "daemon.sock"),
        metrics=MetricsSection(listen=None),
        sandbox=SandboxSection(workers=1),
        voice=VoiceSection(call_workers=0, records=None),
        log=LogSection(decision_sample=0.0),
    )
    daemon = Daemon(configuration, source)
    running = asyncio.create_task(daemon.run())
    async with asyncio.timeout(30):
        client = await connected(tmp_path / "daemon.sock", running)
    yield source, client
    await client.close()
    signal.raise_signal(signal.SIGTERM)
    assert await asyncio.wait_for(running, 30) == 0


@pytest.mark.timeout(60)
async def test_what_is_put_into_the_catalog_decides_the_next_call(serving: tuple[MemorySource, RpcClient]) -> None:
    source, client = serving
    assert await number(client) == 1
    source.put(script(2))
    async with asyncio.timeout(30):
        while await number(client) == 1:
            pass
    assert await number(client) == 2


def children() -> set[str]:
    """Process ids of what this process has started: workers of daemons in it, and what other tests' libraries keep."""
    return set(Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text(encoding="ascii").split())


@pytest.mark.timeout(60)
@pytest.mark.parametrize("step", ["cancel_rest", "close"])
async def test_why_it_did_not_start_is_what_is_raised_and_no_worker_stays(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(_part: SocketPart) -> None:
        raise ValueError("a bug of ours")

    monkeypatch.setattr(SocketPart, step, fail)
    configuration = Configuration(
        socket=SocketSection(unix=tmp_path / "nowhere" / "daemon.sock"),
        metrics=MetricsSection(listen=None),
        sandbox=SandboxSection(workers=1),
        voice=VoiceSection(call_workers=0, records=None),
    )
    before = children()
    daemon = Daemon(configuration, MemorySource([script(1)]))
    with pytest.raises(ConfigurationError, match=r"socket\.unix: .*nowhere"):
        await daemon.run()
    assert children() <= before
    assert "start_not_undone" in capfd.readouterr().err
