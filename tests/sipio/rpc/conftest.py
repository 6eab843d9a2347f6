"""Every test here with a loop runs on both: plain asyncio and uvloop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import uvloop

from sipio.call_control import CallLimits
from sipio.rpc.addresses import TcpAddress, UnixAddress
from sipio.rpc.call_methods import RpcCalls
from sipio.rpc.limits import RpcLimits
from sipio.rpc.server import RpcServer
from tests.sipio.rpc.call_handler import Taken, TestHandler
from tests.sipio.rpc.socket_methods import Methods, Start
from tests.sipio.rpc.voice_switch import VoiceSwitch


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
def methods() -> Methods:
    return Methods()


@pytest.fixture
async def start(methods: Methods, tmp_path: Path) -> AsyncIterator[Start]:
    servers: list[RpcServer] = []

    async def start(*addresses: UnixAddress | TcpAddress, **limits: Any) -> RpcServer:
        server = RpcServer(methods.table, RpcLimits(**limits))
        servers.append(server)
        await server.start(addresses or [UnixAddress(path=tmp_path / "s")])
        return server

    yield start
    for server in servers:
        await server.close()


@pytest.fixture
def unix(tmp_path: Path) -> str:
    return f"unix:{tmp_path / 's'}"


@pytest.fixture
def handler() -> TestHandler:
    return TestHandler()


@pytest.fixture
def calls(handler: TestHandler) -> RpcCalls:
    return RpcCalls(handler, CallLimits(calls=3, retry_after_seconds=7))


@pytest.fixture
async def server(calls: RpcCalls, tmp_path: Path) -> AsyncIterator[RpcServer]:
    server = RpcServer(calls.methods)
    await server.start([UnixAddress(path=tmp_path / "s")])
    yield server
    await server.close()


@pytest.fixture
async def switch(server: RpcServer, tmp_path: Path) -> AsyncIterator[VoiceSwitch]:
    switch = await VoiceSwitch.connect(f"unix:{tmp_path / 's'}")
    yield switch
    await switch.client.close()


@pytest.fixture
async def call(switch: VoiceSwitch, handler: TestHandler) -> Taken:
    assert await switch.start() == {"accepted": True}
    return handler.calls[0]
