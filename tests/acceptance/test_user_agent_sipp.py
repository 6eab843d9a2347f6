"""The user agent on real sockets against SIPp."""

import asyncio
import random
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sipio.sip.address import Address
from sipio.sip.endpoint import SipEndpoint, SipListener
from sipio.sip.events import (
    CallReceived,
    MediaChanged,
    SessionAnswered,
    SessionConfirmed,
    SessionEnded,
    SessionProgressed,
    SipEvent,
)
from sipio.sip.media_description import LocalMedia
from sipio.sip.settings import UserAgentSettings
from tests.acceptance.processes import free_port, is_bound, require_program

SCENARIOS = Path(__file__).parent / "sipp"
MEDIA = LocalMedia(host="127.0.0.1", port=40_000)


class Agent:
    """A user agent that answers every call."""

    def __init__(self, *, hang_up: bool = False, answer: bool = True) -> None:
        self.events: list[SipEvent] = []
        self.hang_up = hang_up
        self.answer = answer
        self.changed = asyncio.Event()
        self.endpoint = SipEndpoint(
            [SipListener(transport=transport, port=0) for transport in ("udp", "tcp")],
            UserAgentSettings(),
            self.on_event,
        )

    def on_event(self, event: SipEvent) -> None:
        self.events.append(event)
        self.changed.set()
        match event:
            case CallReceived(session=session):
                session.ring()
                if self.answer:
                    session.accept(MEDIA)
            case SessionConfirmed(session=session) if self.hang_up:
                session.bye()
            case SessionAnswered(session=session) if self.hang_up:
                session.bye()

    def count(self, kind: type[Any]) -> int:
        return sum(isinstance(event, kind) for event in self.events)

    async def until(self, kind: type[Any], number: int) -> None:
        async with asyncio.timeout(20):
            while self.count(kind) < number:
                self.changed.clear()
                await self.changed.wait()

    def address(self, transport: str) -> Address:
        return next(address for address in self.endpoint.addresses if address.transport == transport)


@asynccontextmanager
async def running(**options: bool) -> AsyncIterator[Agent]:
    agent = Agent(**options)
    await agent.endpoint.start()
    try:
        yield agent
    finally:
        await agent.endpoint.close(1)


async def sipp(tmp_path: Path, scenario: str, *arguments: str) -> None:
    """Run SIPp to its end; every call has to succeed."""
    process = await asyncio.create_subprocess_exec(
        require_program("sipp"), "-sf", str(SCENARIOS / f"{scenario}.xml"), "-i", "127.0.0.1", "-nostdin",
        "-timeout", "60s", "-timeout_error", "-trace_err", *arguments,
        cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, output.decode("latin-1")[-3_000:]


async def call_in(
    tmp_path: Path, agent: Agent, scenario: str, calls: int = 20, transport: str = "udp", *more: str
) -> None:
    address = agent.address(transport)
    mode = {"udp": "u1", "tcp": "t1"}[transport]
    await sipp(
        tmp_path, scenario, f"127.0.0.1:{address.port}", "-t", mode, "-m", str(calls), "-r", "100", "-l", "500",
        "-d", "50", "-s", "100", *more,
    )  # fmt: skip


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("scenario", ["agent_call_in", "agent_cancel", "agent_reinvite"])
async def test_calls_in(tmp_path: Path, scenario: str, transport: str) -> None:
    async with running(answer=scenario != "agent_cancel") as agent:
        await call_in(tmp_path, agent, scenario, 20, transport)
        await agent.until(SessionEnded, 20)
        assert agent.count(CallReceived) == 20
        assert agent.endpoint.sessions == 0
        if scenario == "agent_reinvite":
            assert agent.count(MediaChanged) == 60


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_calls_in_that_we_hang_up(tmp_path: Path, transport: str) -> None:
    async with running(hang_up=True) as agent:
        await call_in(tmp_path, agent, "agent_call_in_hung_up", 20, transport)
        await agent.until(SessionEnded, 20)


async def listening(port: int, transport: str, task: asyncio.Task[None]) -> None:
    """Wait until SIPp is bound."""
    while not is_bound("127.0.0.1", port, transport):
        assert not task.done(), "SIPp has ended"
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("scenario", ["agent_call_out", "agent_call_out_cancelled"])
async def test_calls_out(tmp_path: Path, scenario: str, transport: str) -> None:
    port = free_port("127.0.0.1")
    mode = {"udp": "u1", "tcp": "t1"}[transport]
    async with running(hang_up=True) as agent, asyncio.TaskGroup() as group:
        task = group.create_task(sipp(tmp_path, scenario, "-p", str(port), "-t", mode, "-m", "10"))
        async with asyncio.timeout(10):
            await listening(port, transport, task)
        cancelled = scenario.endswith("cancelled")
        sessions = [
            agent.endpoint.invite(
                f"sip:200@127.0.0.1:{port};transport={transport}", from_="sip:100@sidecar", media=MEDIA
            )
            for _ in range(10)
        ]
        if cancelled:
            await agent.until(SessionProgressed, 10)
            for session in sessions:
                session.cancel()
        await agent.until(SessionEnded, 10)
        assert agent.count(SessionAnswered) == (0 if cancelled else 10)


class LossyRelay(asyncio.DatagramProtocol):
    """Between one SIPp and the agent; loses datagrams both ways."""

    def __init__(self, target: tuple[str, int], loss: float) -> None:
        self.target = target
        self.loss = loss
        self.random = random.Random(5)  # noqa: S311 - which packets are lost is to be repeatable
        self.client: tuple[str, int] | None = None
        self.transport: Any = None
        self.lost = 0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if addr != self.target:
            self.client = addr
        if self.random.random() < self.loss:
            self.lost += 1
        else:
            self.transport.sendto(data, self.client if addr == self.target else self.target)


async def test_500_of_500_calls_succeed_with_5_percent_of_packets_lost(tmp_path: Path) -> None:
    async with running() as agent:
        address = agent.address("udp")
        relay = LossyRelay(("127.0.0.1", address.port), 0.05)
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: relay, local_addr=("127.0.0.1", 0)
        )
        port = transport.get_extra_info("sockname")[1]
        await sipp(
            tmp_path, "agent_call_in", f"127.0.0.1:{port}", "-t", "u1", "-m", "500", "-r", "100", "-l", "500",
            "-d", "50", "-s", "100", "-max_retrans", "12",
        )  # fmt: skip
        transport.close()
        assert relay.lost > 50
        assert agent.count(CallReceived) == 500
        # SIPp forgets a call once its BYE is answered: where that answer was lost the BYE came again and was absorbed.
        await agent.until(SessionEnded, 500)


async def test_call_setups_cost_little(tmp_path: Path) -> None:
    """No benchmark: a bound ten times the target, so that an accident in the hot path is seen."""
    async with running() as agent:
        before = resource.getrusage(resource.RUSAGE_SELF)
        await call_in(tmp_path, agent, "agent_call_in", 300)
        after = resource.getrusage(resource.RUSAGE_SELF)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert used / 300 < 0.004
