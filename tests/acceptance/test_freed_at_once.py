"""What has ended is freed as it ends: with the collector off, a daemon with real sockets keeps no object of ours.

The collector comes late to what has lived as long as a connection or a call does, and meanwhile it is kept: 47 KB of a
connection, 80 KB of a call.
"""

import asyncio
import contextlib
import gc
import json
import logging
import os
import signal
import socket
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from sidecar.catalog.directory.loader import ASSIGNMENTS
from sidecar.configuration.source import build_configuration
from sidecar.configuration.tree import Configuration
from sidecar.daemon import Daemon
from sidecar.switches import sip
from sidecar.switches.sip_accounts import SipAccounts
from sipio.rpc.client import RpcClient
from sipio.sip.events import SessionEnded
from sipio.sip.settings import TimerValues
from sipio.sip_driver.settings import SipDriverSettings
from tests.acceptance.phone import FarCall, Phone, phone
from tests.acceptance.processes import free_port
from tests.sipio.rpc.voice_switch import VoiceSwitch

HOST = "127.0.0.63"
OURS = ("sandbox.", "sidecar.", "sipio.")
KEPT_ON_PURPOSE = frozenset({"Run", "Invocation", "Uri", "NameAddress", "Address"})
"""Runs stay among the deadlines until theirs has come, in bounds; what was parsed of late is remembered, in bounds."""
TIMES = 12
SCRIPTS = {
    "brief": "async function main(data, ctx) { await ctx.answer(); }",
    "rich": """async function main(data, ctx) {
        const key = ctx.waitFor('5', null, 0.1).catch(() => 0);
        await ctx.answer();
        await ctx.record('message');
        await ctx.ivr(null, 0.1, 1, 1, '#', { tries: 1 });
        await key;
    }""",
    "bridge": "async function main(data, ctx) { await ctx.bridge(ctx.header('X-To'), true); }",
    "routing": "function main(data) { return data; }",
    "waiting": "async function main(data) { await new Promise((done) => setTimeout(done, 1)); return data; }",
}


class Served:
    """The daemon, and where it is."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.socket = directory / "socket"
        self.ports = {name: free_port(HOST, socket.SOCK_STREAM) for name in ("metrics", "freeswitch", "tcp", "sip")}
        (directory / "scripts").mkdir()
        for name, text in SCRIPTS.items():
            (directory / "scripts" / f"{name}.js").write_text(text)
        kinds = "".join(
            f'[[script]]\nfile = "{name}.js"\nkind = "{"app" if "async" in text else "script"}"\n'
            for name, text in SCRIPTS.items()
        )
        destinations = "".join(
            f'[[destination]]\ndestination = "{name}"\nscript = "{name}"\n' for name in ("brief", "rich", "bridge")
        )
        routes = "".join(f'[[route]]\ncustomer = "{name}"\nscript = "{name}"\n' for name in ("routing", "waiting"))
        (directory / ASSIGNMENTS).write_text(kinds + destinations + routes)

    def configuration(self) -> Configuration:
        places = "".join(
            f"{name} = {json.dumps(str(self.directory / name))}\n" for name in ("sounds", "recordings", "cache")
        )
        return build_configuration(
            f'[socket]\nunix = "{self.socket}"\ntcp = "{HOST}:{self.ports["tcp"]}"\n'
            f'[catalog]\ndirectory = "{self.directory}"\nwatch = false\n'
            f'[metrics]\nlisten = "{HOST}:{self.ports["metrics"]}"\n'
            f'[freeswitch]\nlisten = "{HOST}:{self.ports["freeswitch"]}"\n'
            f'[sip]\nlisten = ["udp:{HOST}:{self.ports["sip"]}", "tcp:{HOST}:{self.ports["sip"]}"]\n'
            f'[voice]\nrecords = ""\n{places}[log]\nlevel = "error"\n',
            {},
        ).configuration


@pytest.fixture(autouse=True)
def _process_as_it_was() -> Iterator[None]:
    """A daemon in the tests' own process makes logging its own and tunes the collector."""
    root = logging.getLogger()
    handlers, level, thresholds = root.handlers[:], root.level, gc.get_threshold()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    gc.unfreeze()
    gc.set_threshold(*thresholds)
    gc.collect()


@pytest.fixture
async def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    settings = sip.driver_settings

    def quick(configuration: Configuration, accounts: SipAccounts) -> SipDriverSettings:
        """Transactions end 64 * T1 after their call: half a second in place of half a minute."""
        made = settings(configuration, accounts)
        timers = TimerValues(t1=0.01, t2=0.04, t4=0.05)
        return msgspec.structs.replace(made, user_agent=msgspec.structs.replace(made.user_agent, timers=timers))

    monkeypatch.setattr(sip, "driver_settings", quick)
    made = Served(tmp_path)
    daemon = Daemon(made.configuration())
    running = asyncio.create_task(daemon.run())
    async with asyncio.timeout(20):
        while not all(listens(port) for port in made.ports.values()):  # noqa: ASYNC110 - no event of ours tells it
            await asyncio.sleep(0.02)
    yield made
    daemon.end("test")
    await running


def listens(port: int) -> bool:
    """Whether a connection is taken there."""
    with socket.socket() as connection:
        return connection.connect_ex((HOST, port)) == 0


def ours() -> Counter[str]:
    found: Counter[str] = Counter()
    for one in gc.get_objects():
        kind = type(one)
        if str(kind.__module__).startswith(OURS) and kind.__name__ not in KEPT_ON_PURPOSE:
            found[f"{kind.__module__}.{kind.__qualname__}"] += 1
    return found


async def grown(once: Callable[[], Awaitable[None]], settle: float) -> dict[str, int]:
    """How many objects of each kind are more after so many times; none by far where all were freed."""
    for _ in range(3):
        await once()
    await asyncio.sleep(settle)
    gc.collect()
    gc.disable()
    try:
        before = ours()
        for _ in range(TIMES):
            await once()
        await asyncio.sleep(settle)
        return {kind: count for kind, count in (ours() - before).items() if count >= TIMES // 2}
    finally:
        gc.enable()


def connect(port: int, says: bytes = b"", hears: int = 0) -> None:
    with socket.create_connection((HOST, port), timeout=60) as connection:
        connection.sendall(says)
        if hears:
            connection.recv(hears)


@pytest.mark.parametrize("listener", ["unix", "tcp", "metrics", "freeswitch", "sip over tcp"])
async def test_connections_leave_nothing(listener: str, served: Served) -> None:
    options = (
        f"OPTIONS sip:x@{HOST} SIP/2.0\r\nVia: SIP/2.0/TCP {HOST}:9;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n"
        "To: <sip:x@y>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )

    def begin_and_end() -> None:
        if listener == "unix":
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(served.socket))
        elif listener == "metrics":
            urllib.request.urlopen(f"http://{HOST}:{served.ports['metrics']}/metrics").read()
        elif listener == "sip over tcp":
            connect(served.ports["sip"], options.encode(), 100)
        else:
            connect(served.ports[listener], hears=100 if listener == "freeswitch" else 0)

    assert await grown(lambda: asyncio.to_thread(begin_and_end), 0.3) == {}


@pytest.mark.parametrize("script", ["routing", "waiting"])
async def test_decisions_leave_nothing(script: str, served: Served) -> None:
    client = await RpcClient.connect(f"unix:{served.socket}")
    request = {"call_id": "c", "customer": script, "routing": {"egress_routing": []}}

    async def once() -> None:
        for _ in range(5):
            await client.call("route", request)

    assert await grown(once, 0.3) == {}
    await client.close()


async def test_reloads_leave_nothing_but_what_runs(served: Served) -> None:
    client = await RpcClient.connect(f"unix:{served.socket}")
    count = 0

    async def once() -> None:
        nonlocal count
        count += 1
        (served.directory / "scripts" / "routing.js").write_text(f"{SCRIPTS['routing']} // {count}")
        before = (await client.call("scripts", {}))["version"]
        os.kill(os.getpid(), signal.SIGHUP)
        async with asyncio.timeout(10):
            while (await client.call("scripts", {}))["version"] == before:  # noqa: ASYNC110 - a reload is told to nobody
                await asyncio.sleep(0.01)

    assert await grown(once, 0.3) == {}
    await client.close()


@contextlib.asynccontextmanager
async def phones() -> AsyncIterator[tuple[Phone, Phone]]:
    """They are ours too, so they are looked at as well; with transactions that end as quickly."""
    timers = TimerValues(t1=0.01, t2=0.04, t4=0.05)
    async with (
        phone("127.0.0.64", settings={"timers": timers}) as caller,
        phone("127.0.0.65", settings={"timers": timers}) as other,
    ):
        yield caller, other


def forget(call: FarCall) -> None:
    """The phones of tests hold their calls and listen in on their audio; what is left is as ours."""
    call.session.driver = None
    call.events.clear()
    vars(call.media).pop("receive")


@pytest.mark.parametrize("script", ["brief", "rich", "bridge"])
async def test_calls_leave_nothing(script: str, served: Served) -> None:
    async with phones() as (caller, other):

        async def once() -> None:
            headers = [("X-To", other.uri())]
            made = caller.call(f"sip:{script}@{HOST}:{served.ports['sip']}", headers=headers)
            if script == "bridge":
                rung = await other.rung(len(other.calls) + 1)
                rung.session.bye()
                await rung.wait_for(SessionEnded)
            await made.wait_for(SessionEnded)
            for call in (made, *other.calls):
                forget(call)
            for one in (caller, other):
                one.calls.clear()
                one.events.clear()

        assert await grown(once, 1.5) == {}


async def test_calls_of_a_switch_leave_nothing(served: Served) -> None:
    switch = await VoiceSwitch.connect(f"unix:{served.socket}")
    number = 0

    async def once() -> None:
        nonlocal number
        number += 1
        call = f"call-{number}"
        await switch.start(call, "brief")
        (await switch.next("call.answer")).done()
        (await switch.next("call.hangup")).done()
        switch.event("hungup", call, by="script", cause=16)

    assert await grown(once, 0.5) == {}
    await switch.client.close()
