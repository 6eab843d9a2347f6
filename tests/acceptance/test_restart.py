"""A restart as systemd does it, with switches that go on asking: each has its answer, from this process or the next."""

import asyncio
import json
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sipio.rpc.client import RpcClient
from sipio.rpc.service import Method, Responder
from tests.acceptance.kamailio import Kamailio
from tests.acceptance.processes import free_port
from tests.acceptance.service_manager import ServiceManager
from tests.acceptance.serving import Serving, request
from tests.acceptance.sipp import requests
from tests.acceptance.traffic import Traffic, traffic
from tests.acceptance.wire import Wire

RATE = 50
DECIDES = {"ordinary": "function main(data) { data.routing.decided = true }"}
ORDINARY = '[[route]]\ncustomer = "ordinary"\nscript = "ordinary"\nerror_action = "500 Failed"\n'
ECHO = "async function main(data, ctx) { await ctx.answer(); await ctx.echo(); }"
CALLED = '[[script]]\nfile = "echo.js"\nkind = "app"\n[[destination]]\ndestination = "100"\nscript = "echo"\n'
HEADERS = (Path(__file__).parent / "scripts" / "headers.js").read_text(encoding="utf-8")


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[ServiceManager]:
    started = ServiceManager(tmp_path)
    yield started
    started.close()


def answered(count: int) -> Callable[[Traffic], bool]:
    return lambda sent: len(sent.answers) > count


class Switch:
    """A switch with one call up whose script echoes what it hears."""

    def __init__(self) -> None:
        self.echoes = asyncio.Event()
        self.methods = {
            "call.answer": Method(list[dict[str, Any]], lambda _, responder: responder.result({})),
            "call.echo": Method(list[dict[str, Any]], self._echo),
            "call.hangup": Method(list[dict[str, Any]], lambda _, responder: responder.result({})),
        }

    async def place(self, daemon: Serving) -> RpcClient:
        """Announce the call; returns once it is up."""
        client = await RpcClient.connect(f"unix:{daemon.socket}", methods=self.methods)
        started = await client.call("call.start", {"id": "up", "from_user": "1", "to_user": "100"})
        assert started == {"accepted": True}
        await self.echoes.wait()
        return client

    def _echo(self, _params: list[dict[str, Any]], responder: Responder) -> None:
        self.responder = responder
        self.echoes.set()


async def test_a_call_that_is_up_stops_no_decision(tmp_path: Path) -> None:
    daemon = Serving(tmp_path, {**DECIDES, "echo": ECHO}, ORDINARY + CALLED).ready()
    try:
        switch = Switch()
        calling, client = await switch.place(daemon), await daemon.client()
        async with traffic(client, lambda n: request("ordinary", f"c{n}"), RATE) as sent:
            await sent.until(lambda all_: len(all_.answers) > 10)
            daemon.send(signal.SIGTERM)
            await asyncio.to_thread(daemon.program.wait_for, "shutdown_began")
            begun = sent.asked
            refused = await calling.call("call.start", {"id": "late", "from_user": "1", "to_user": "100"})
            assert refused["accepted"] is False
            await sent.until(lambda all_: len(all_.answers) > begun + 2 * RATE)
            assert set(sent.outcomes) == {"returned"}
            # A new switch is served as well.
            other = await daemon.client()
            assert (await other.call("route", request("ordinary")))["outcome"] == "returned"
            await other.close()
            calling.notify("call.event", {"call_id": "up", "event": "hungup", "by": "caller", "code": 0, "cause": 16})
            await client.ended
        assert set(sent.outcomes) <= {"returned", "shutting_down", "ConnectionLost"}
        assert await asyncio.to_thread(daemon.program.finish) == 0
        await calling.close()
    finally:
        daemon.stop()


async def test_a_restart_loses_no_request_and_no_connection(tmp_path: Path, manager: ServiceManager) -> None:
    port = free_port("127.0.0.1", socket.SOCK_STREAM)
    tcp = f'[socket]\ntcp = "127.0.0.1:{port}"\n'
    daemon = Serving(tmp_path, DECIDES, ORDINARY, tcp, manager=manager).ready()
    try:
        client, over_tcp = await daemon.client(), await RpcClient.connect(f"tcp:127.0.0.1:{port}")
        async with (
            traffic(client, lambda n: request("ordinary", f"c{n}"), RATE) as sent,
            traffic(over_tcp, lambda n: request("ordinary", f"t{n}"), RATE) as sent_over_tcp,
        ):
            await sent.until(lambda all_: len(all_.answers) > 10)
            for _ in range(2):
                daemon.send(signal.SIGTERM)
                assert await asyncio.to_thread(daemon.program.finish) == 0
                # Who connects while nobody is there waits as well.
                connecting = await daemon.client()
                asked = asyncio.create_task(connecting.call("route", request("ordinary", "between")))
                daemon = Serving(tmp_path, DECIDES, ORDINARY, tcp, manager=manager)
                assert (await asked)["outcome"] == "returned"
                await connecting.close()
                begun = sent.asked
                await sent.until(answered(begun + RATE))
        for one in (sent, sent_over_tcp):
            assert set(one.outcomes) == {"returned"}
            assert len(one.answers) == one.asked
        await client.close()
        await over_tcp.close()
        manager.wait_until_kept(0)
    finally:
        daemon.stop()


async def test_a_decision_under_way_is_made_before_the_sockets_are_handed_over(
    tmp_path: Path, manager: ServiceManager
) -> None:
    slow = "const main = () => new Promise((done) => setTimeout(done, 700))"
    app = '[[script]]\nfile = "slow.js"\nkind = "app"\n[[route]]\ncustomer = "slow"\nscript = "slow"\n'
    daemon = Serving(tmp_path, {**DECIDES, "slow": slow}, ORDINARY + app, manager=manager).ready()
    try:
        client = await daemon.client()
        waiting = asyncio.create_task(client.call("route", request("slow", "slow")))
        async with traffic(client, lambda n: request("ordinary", f"c{n}"), RATE) as sent:
            await sent.until(lambda all_: len(all_.answers) > 3)
            daemon.send(signal.SIGTERM)
            assert (await waiting)["outcome"] == "returned"
            assert await asyncio.to_thread(daemon.program.finish) == 0
            daemon = Serving(tmp_path, {}, ORDINARY + app, manager=manager)
        assert set(sent.outcomes) == {"returned"}
        await client.close()
    finally:
        daemon.stop()


def test_a_restart_under_calls_of_kamailio_leaves_none_undecided(tmp_path: Path, manager: ServiceManager) -> None:
    # A busy machine takes seconds to start a process: what is lost is looked for, not what comes late.
    kamailio = Kamailio(tmp_path / "kamailio", ["SCRIPTFORGE_TIMEOUT=20000", "SCRIPTFORGE_BUDGET=19800"])
    wire = Wire(kamailio, tmp_path)
    calls = 6 * RATE
    assignments = '[[route]]\ncustomer = "headers"\nscript = "headers"\nerror_action = "500 Script Error"\n'
    peers = f"[kamailio]\npeers = {json.dumps([kamailio.peer])}\n"
    daemon = None
    try:
        kamailio.wait_until_ready()
        daemon = Serving(tmp_path, {"headers": HEADERS}, assignments, peers, manager=manager).ready()
        kamailio.program.wait_for("sidecar connected")
        gateway = wire.gateway("gw-one", calls=calls)
        caller = wire.caller("headers", calls=calls, rate=RATE)
        for _ in range(2):
            position = daemon.program.position
            daemon.program.wait_for('"action":"decision"', position)
            daemon.send(signal.SIGTERM)
            assert daemon.program.finish() == 0
            daemon = Serving(tmp_path, {}, assignments, peers, manager=manager).ready()
        caller.finish()
        invites = requests(gateway.finish(), "INVITE")
        assert len(invites) >= calls
        assert {value for invite in invites for value in invite.get_all("X-Route") for invite in invites} == {"gold"}
        assert not kamailio.program.lines("fallback|sidecar gone")
    finally:
        wire.stop()
        if daemon is not None:
            daemon.stop()
        kamailio.stop()


@pytest.mark.parametrize("wrong", ['[socket]\ntcp = "192.0.2.1:1"\n', "[[[", "[sip]\nlisten = ['nowhere']\n"])
def test_a_start_that_fails_gives_the_connections_up_at_once(
    tmp_path: Path, manager: ServiceManager, wrong: str
) -> None:
    kamailio = Kamailio(tmp_path / "kamailio")
    daemon = None
    try:
        kamailio.wait_until_ready()
        peers = f"[kamailio]\npeers = {json.dumps([kamailio.peer])}\n"
        daemon = Serving(tmp_path, DECIDES, ORDINARY, peers, manager=manager).ready()
        kamailio.program.wait_for("sidecar connected")
        daemon.send(signal.SIGTERM)
        assert daemon.program.finish() == 0
        assert not kamailio.program.lines("sidecar gone")
        failing = Serving(tmp_path, {}, "", peers + wrong, manager=manager)
        assert failing.program.finish() != 0
        kamailio.program.wait_for("sidecar gone")
        manager.wait_until_kept(0)
    finally:
        if daemon is not None:
            daemon.stop()
        kamailio.stop()


def test_after_a_stop_kamailio_has_no_sidecar(tmp_path: Path, manager: ServiceManager) -> None:
    kamailio = Kamailio(tmp_path / "kamailio")
    daemon = None
    try:
        kamailio.wait_until_ready()
        peers = f"[kamailio]\npeers = {json.dumps([kamailio.peer])}\n"
        daemon = Serving(tmp_path, DECIDES, ORDINARY, peers, manager=manager).ready()
        kamailio.program.wait_for("sidecar connected")
        daemon.send(signal.SIGTERM)
        assert daemon.program.finish() == 0
        manager.stopped()
        kamailio.program.wait_for("sidecar gone")
    finally:
        if daemon is not None:
            daemon.stop()
        kamailio.stop()
