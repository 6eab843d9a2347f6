"""Connections and listening sockets that one server gives to the next, on both event loops."""

import asyncio
from pathlib import Path
from typing import Any

import msgpack

from sipio.held_socket import HeldSocket
from sipio.rpc.addresses import TcpAddress, UnixAddress
from sipio.rpc.client import RpcClient
from sipio.rpc.limits import RpcLimits
from sipio.rpc.server import RpcServer
from sipio.rpc.service import Method, Responder
from tests.sipio.rpc.socket_methods import SECONDS, Methods, Start, raw_connection, until


async def handed_over(server: RpcServer) -> list[HeldSocket]:
    """What a server gives away that then ends."""
    server.hold()
    await until(lambda: server.at_rest)
    held = [one for _, one in server.hand_over()]
    server.let_go()
    await server.close()
    return held


async def test_a_client_does_not_notice(start: Start, methods: Methods, unix: str, tmp_path: Path) -> None:
    first = await start()
    client = await RpcClient.connect(unix)
    assert await client.call("echo", 1) == [1]
    held = await handed_over(first)
    asked = asyncio.ensure_future(client.call("echo", 2))
    later = await asyncio.wait_for(RpcClient.connect(unix), SECONDS)
    asked_later = asyncio.ensure_future(later.call("echo", 3))
    second = RpcServer(methods.table)
    await second.start([UnixAddress(path=tmp_path / "s")], held)
    assert await asyncio.wait_for(asked, SECONDS) == [2]
    assert await asyncio.wait_for(asked_later, SECONDS) == [3]
    for one in (client, later):
        await one.close()
    await second.close()
    assert not (tmp_path / "s").exists()


async def test_a_message_cut_in_two_by_it_is_whole_again(
    start: Start, methods: Methods, unix: str, tmp_path: Path
) -> None:
    first = await start()
    reader, writer = await raw_connection(unix)
    request = msgpack.packb([0, 7, "echo", ["x" * 1000]])
    writer.write(request[:300])
    await until(lambda: any(connection._core.unread for connection in first.connections))
    held = await handed_over(first)
    assert [one.unread for one in held if one.role == "connection"] == [request[:300]]
    second = RpcServer(methods.table)
    await second.start([UnixAddress(path=tmp_path / "s")], held)
    writer.write(request[300:])
    async with asyncio.timeout(SECONDS):
        answer = msgpack.unpackb(await reader.readexactly(len(msgpack.packb([1, 7, None, ["x" * 1000]]))))
    assert answer == [1, 7, None, ["x" * 1000]]
    writer.close()
    await second.close()


async def test_our_requests_go_on_being_counted(start: Start, methods: Methods, unix: str, tmp_path: Path) -> None:
    """Or a late answer to one of the first process would be taken for the answer to one of the second."""
    asked: list[int | None] = []

    def ask(_params: Any, responder: Responder) -> None:
        asked.append(responder.msgid)
        responder.result(None)

    first = await start()
    client = await RpcClient.connect(unix, methods={"ask": Method(list[Any], ask)})
    await client.call("echo")
    for _ in range(3):
        [connection] = first.connections
        connection.peer.request("ask", (), lambda *_: None)
    await until(lambda: len(asked) == 3)
    held = await handed_over(first)
    second = RpcServer(methods.table)
    told = []
    await second.start([UnixAddress(path=tmp_path / "s")], held, lambda peer, _: told.append(peer))
    await client.call("echo")
    told[0].request("ask", (), lambda *_: None)
    await until(lambda: len(asked) == 4)
    assert asked == [0, 1, 2, 3]
    await client.close()
    await second.close()


async def test_a_connection_with_a_request_under_way_is_not_given_away(
    start: Start, methods: Methods, unix: str
) -> None:
    server = await start()
    client = await RpcClient.connect(unix)
    asked = asyncio.ensure_future(client.call("hold", 1))
    await methods.until(lambda: bool(methods.held))
    server.hold()
    assert not server.at_rest
    [(_, listener)] = server.hand_over()
    assert listener.role == "listener"
    listener.socket.close()
    server.resume()
    methods.held[0][1].result("late")
    assert await asked == "late"
    assert await client.call("echo", 2) == [2]
    await client.close()


async def test_what_waits_while_held_is_read_after_it(start: Start, unix: str) -> None:
    server = await start()
    client = await RpcClient.connect(unix)
    await client.call("echo")
    server.hold()
    server.hold()
    asked = asyncio.ensure_future(client.call("echo", 1))
    connecting = await RpcClient.connect(unix)
    await asyncio.sleep(0)
    assert len(server.connections) == 1
    server.resume()
    assert await asked == [1]
    assert await connecting.call("echo", 2) == [2]
    for one in (client, connecting):
        await one.close()


async def test_a_socket_whose_file_is_gone_is_made_anew(
    start: Start, methods: Methods, unix: str, tmp_path: Path
) -> None:
    """As after a start with another RuntimeDirectory: nobody could reach the old one."""
    held = await handed_over(await start())
    (tmp_path / "s").unlink()
    second = RpcServer(methods.table)
    await second.start([UnixAddress(path=tmp_path / "s")], held)
    client = await RpcClient.connect(unix)
    assert await client.call("echo", 1) == [1]
    await client.close()
    await second.close()


async def test_the_tcp_socket_stays_and_the_allow_list_is_the_new_one(start: Start, methods: Methods) -> None:
    first = await start(TcpAddress(host="127.0.0.1", port=0))
    port = first._listeners[0].socket.getsockname()[1]
    client = await RpcClient.connect(f"tcp:127.0.0.1:{port}")
    await client.call("echo")
    held = await handed_over(first)
    waiting = await RpcClient.connect(f"tcp:127.0.0.1:{port}")
    second = RpcServer(methods.table)
    await second.start([TcpAddress(host="127.0.0.1", port=port, allow=("192.0.2.0/24",))], held)
    await asyncio.wait_for(client.ended, SECONDS)
    await asyncio.wait_for(waiting.ended, SECONDS)
    await second.close()


async def test_what_has_no_place_any_more_is_closed(start: Start, methods: Methods, unix: str, tmp_path: Path) -> None:
    first = await start()
    client = await RpcClient.connect(unix)
    await client.call("echo")
    held = await handed_over(first)
    second = RpcServer(methods.table, RpcLimits())
    await second.start([UnixAddress(path=tmp_path / "other")], [one for one in held if one.role == "listener"])
    await second.start([TcpAddress(host="127.0.0.1", port=0)], [one for one in held if one.role == "connection"])
    await asyncio.wait_for(client.ended, SECONDS)
    await second.close()
