"""MessagePack-RPC as the configuration asks for it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.configuration.tree import SocketSection
from sidecar.switches.socket import SocketPart, listen_addresses
from sipio.host_port import HostPort
from sipio.rpc.addresses import TcpAddress, UnixAddress
from sipio.rpc.client import RpcClient
from sipio.rpc.errors import ConnectionLost
from sipio.rpc.service import Method
from tests.sidecar.switches.switch_doubles import Passing, Refusing, configuration


def test_a_socket_for_each_address_that_is_configured() -> None:
    assert listen_addresses(SocketSection(unix=None)) == []
    tcp = HostPort("::1", 4000)
    both = SocketSection(unix=Path("/x"), unix_mode="0620", unix_group="sip", tcp=tcp, allow=("10.0.0.0/8",))
    assert listen_addresses(both) == [
        UnixAddress(path=Path("/x"), mode=0o620, group="sip"),
        TcpAddress(host="::1", port=4000, allow=("10.0.0.0/8",)),
    ]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[SocketPart]:
    switch = SocketPart(
        configuration(tmp_path, socket=SocketSection(unix=tmp_path / "s")),
        Passing(),
        Refusing(),
        stats=lambda: {"pending": 0},
        scripts=dict,
    )
    await switch.start()
    yield switch
    await switch.close()


async def test_the_socket_answers_for_the_router_and_for_the_daemon(site: SocketPart, tmp_path: Path) -> None:
    assert site.state().addresses == [f"unix:{tmp_path / 's'}"]
    client = await RpcClient.connect(f"unix:{tmp_path / 's'}")
    assert (await client.call("route", {"call_id": "1", "routing": {}}))["outcome"] == "unassigned"
    assert await client.call("stats") == {"pending": 0}
    methods = (await client.call("hello"))["methods"]
    assert {"route", "call.start"} <= set(methods)
    assert site.snapshot().requests["route"] == 1
    assert site.calls_snapshot().offered == 0
    await client.close()


async def test_a_call_record_goes_to_those_that_asked(site: SocketPart, tmp_path: Path) -> None:
    heard: asyncio.Queue[list[Any]] = asyncio.Queue()
    taking = {"call.record": Method(list[Any], lambda params, _responder: heard.put_nowait(params), immediate=True)}
    client = await RpcClient.connect(f"unix:{tmp_path / 's'}", methods=taking)
    await client.call("hello", {"notify": ["call.record"]})
    site.announce_call({"id": "c1"})
    assert await asyncio.wait_for(heard.get(), 5) == [{"id": "c1"}]
    await client.close()


async def test_a_socket_that_stops_takes_no_connection(site: SocketPart, tmp_path: Path) -> None:
    site.stop_accepting()
    with pytest.raises(ConnectionLost):
        await RpcClient.connect(f"unix:{tmp_path / 's'}")
