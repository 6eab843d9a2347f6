"""The MessagePack-RPC server and client over real sockets, on both event loops."""

import asyncio
import functools
from pathlib import Path
from typing import Any

import msgpack
import pytest

from sipio.errors import LocalError, SipioError
from sipio.rpc.addresses import TcpAddress, UnixAddress
from sipio.rpc.client import RpcClient
from sipio.rpc.errors import ConnectionLost, RpcError
from sipio.rpc.server import RpcServer
from sipio.rpc.service import Method
from tests.sipio.rpc.socket_methods import SECONDS, Methods, Start, raw_connection, read_messages


def error_into(future: "asyncio.Future[Any]", error: Any, _result: Any) -> None:
    future.set_result(error)


async def test_64_pipelined_answered_out_of_order(start: Start, methods: Methods, unix: str) -> None:
    await start()
    client = await RpcClient.connect(unix)
    calls = [asyncio.ensure_future(client.call("hold", number)) for number in range(64)]
    await methods.until(lambda: len(methods.held) == 64)
    for params, responder in reversed(methods.held):
        responder.result(params[0] * 10)
    assert await asyncio.gather(*calls) == [number * 10 for number in range(64)]
    await client.close()


async def test_answers_of_one_turn_of_the_loop_are_one_write(start: Start, methods: Methods, unix: str) -> None:
    server = await start()
    client = await RpcClient.connect(unix)
    calls = [asyncio.ensure_future(client.call("hold", number)) for number in range(10)]
    await methods.until(lambda: len(methods.held) == 10)
    [connection] = server.connections
    writes: list[bytes] = []
    transport = connection._transport

    class Recorder:
        def write(self, data: bytes) -> None:
            writes.append(data)
            transport.write(data)

        def __getattr__(self, name: str) -> Any:
            return getattr(transport, name)

    connection._transport = Recorder()
    for params, responder in methods.held:
        responder.result(params)
    await asyncio.gather(*calls)
    assert len(writes) == 1
    await client.close()


async def test_typed_errors_leave_the_connection_alive(start: Start, unix: str) -> None:
    server = await start()
    client = await RpcClient.connect(unix)
    for method, params, code in [
        ("nothing", [], "unknown_method"),
        ("big", ["x"], "bad_request"),
        ("big", {}, "bad_request"),
        ("break", [], "internal"),
        ("unencodable", [], "internal"),
    ]:
        answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        client.request(method, params, functools.partial(error_into, answered))
        error = await answered
        assert isinstance(error, RpcError)
        assert error.code == code
    assert await client.call("echo", 1) == [1]
    assert server.snapshot().errors == {"unknown_method": 1, "bad_request": 2, "internal": 2}
    assert server.snapshot().in_flight == 0
    await client.close()


async def test_in_flight_caps_refuse_at_once(start: Start, methods: Methods, unix: str) -> None:
    await start(in_flight_per_connection=2, in_flight=3)
    one, other = await RpcClient.connect(unix), await RpcClient.connect(unix)
    held = [asyncio.ensure_future(one.call("hold")) for _ in range(2)]
    await methods.until(lambda: len(methods.held) == 2)
    with pytest.raises(RpcError, match=r"overloaded.*on this connection"):
        await one.call("hold")
    held.append(asyncio.ensure_future(other.call("hold")))
    await methods.until(lambda: len(methods.held) == 3)
    with pytest.raises(RpcError, match=r"overloaded: too many requests in flight$"):
        await other.call("hold")
    assert await other.call("ping") == "pong"
    for _, responder in methods.held:
        responder.result(1)
    assert await asyncio.gather(*held) == [1, 1, 1]
    assert await one.call("echo", 1) == [1]
    await one.close()
    await other.close()


async def test_duplicate_ids_are_each_answered(start: Start, methods: Methods, unix: str) -> None:
    server = await start()
    reader, writer = await raw_connection(unix)
    writer.write(msgpack.packb([0, 1, "hold", ["a"]]) + msgpack.packb([0, 1, "hold", ["b"]]))
    await methods.until(lambda: len(methods.held) == 2)
    for params, responder in methods.held:
        responder.result(params)
    writer.write_eof()
    assert await read_messages(reader) == [[1, 1, None, ["a"]], [1, 1, None, ["b"]]]
    assert server.snapshot().in_flight == 0
    writer.close()


async def test_answering_twice_is_our_bug(start: Start, methods: Methods, unix: str) -> None:
    await start()
    client = await RpcClient.connect(unix)
    call = asyncio.ensure_future(client.call("hold"))
    await methods.until(lambda: bool(methods.held))
    methods.held[0][1].result(1)
    with pytest.raises(LocalError):
        methods.held[0][1].result(2)
    assert await call == 1
    await client.close()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xc1", "malformed"),
        (b"GET / HTTP/1.1\r\n\r\n", "malformed"),
        (b"\x93\x02\xa1x\xc6\x7f\xff\xff\xff" + b"x" * 2000, "oversized"),
    ],
)
async def test_bad_connection_ends_and_others_notice_nothing(
    start: Start, methods: Methods, unix: str, data: bytes, code: str
) -> None:
    server = await start(frame_bytes=1000)
    good = await RpcClient.connect(unix)
    call = asyncio.ensure_future(good.call("hold", 1))
    await methods.until(lambda: bool(methods.held))
    reader, writer = await raw_connection(unix)
    writer.write(data)
    [[kind, method, [body]]] = await read_messages(reader)
    assert (kind, method, body["code"]) == (2, "error", code)
    writer.close()
    methods.held[0][1].result("fine")
    assert await call == "fine"
    assert server.snapshot().closed == {code: 1}
    await good.close()


async def test_requests_of_a_bad_connection_are_cancelled(start: Start, methods: Methods, unix: str) -> None:
    await start()
    reader, writer = await raw_connection(unix)
    writer.write(msgpack.packb([0, 1, "hold", []]) + b"\xc1")
    await methods.until(lambda: methods.cancelled == 1)
    assert len(await read_messages(reader)) == 1
    writer.close()


@pytest.mark.parametrize("where", ["unix", "tcp"])
async def test_connection_loss_cancels(start: Start, methods: Methods, tmp_path: Path, where: str) -> None:
    server = RpcServer(methods.table)
    bound = await server.start([UnixAddress(path=tmp_path / "t"), TcpAddress(host="127.0.0.1", port=0)])
    address = bound[1]
    assert isinstance(address, TcpAddress)
    if where == "unix":
        _reader, writer = await asyncio.open_unix_connection(tmp_path / "t")
    else:
        _reader, writer = await asyncio.open_connection("127.0.0.1", address.port)
    writer.write(msgpack.packb([0, 1, "hold", []]))
    await methods.until(lambda: len(methods.held) == 1)
    if where == "unix":
        writer.close()
    else:
        writer.transport.abort()
        peer_socket = writer.get_extra_info("socket")
        assert peer_socket is not None
    if where == "tcp":
        # TCP shows the same FIN for a close and for a half-close; the cancel comes with the end of the server.
        await server.close()
    await methods.until(lambda: methods.cancelled == 1)
    methods.held[0][1].result("nobody hears")
    await server.close()
    assert server.snapshot().discarded_answers == 1
    assert server.snapshot().in_flight == 0


async def test_half_closed_peer_gets_its_answers(start: Start, methods: Methods, unix: str) -> None:
    await start()
    reader, writer = await raw_connection(unix)
    writer.write(msgpack.packb([0, 1, "hold", []]) + msgpack.packb([0, 2, "hold", []]))
    writer.write_eof()
    await methods.until(lambda: len(methods.held) == 2)
    await asyncio.sleep(0)
    methods.held[1][1].result("b")
    methods.held[0][1].result("a")
    assert await read_messages(reader) == [[1, 2, None, "b"], [1, 1, None, "a"]]
    assert methods.cancelled == 0
    writer.close()


async def test_notifications(start: Start, methods: Methods, unix: str) -> None:
    server = await start()
    client = await RpcClient.connect(unix)
    client.notify("note", 1, 2)
    client.notify("nothing")
    assert await client.call("ping") == "pong"
    assert methods.notified == [[1, 2]]
    assert server.snapshot().notifications == {"note": 1}
    assert server.snapshot().ignored_notifications == 1
    await client.close()


async def test_server_calls_its_peer(start: Start, unix: str) -> None:
    server = await start()
    offered = {"add": Method(list[int], lambda params, responder: responder.result(sum(params)))}
    client = await RpcClient.connect(unix, methods=offered)
    await client.call("ping")
    [connection] = server.connections
    answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    connection.peer.request("add", [1, 2], lambda error, raw: answered.set_result((error, bytes(raw))))
    assert await answered == (None, b"\x03")
    await client.close()


async def test_one_askers_bug_keeps_nobody_from_the_end_of_the_connection(
    start: Start, unix: str, caplog: pytest.LogCaptureFixture
) -> None:
    server = await start()
    client = await RpcClient.connect(unix)

    def broken(_error: SipioError | None, _result: Any) -> None:
        raise ZeroDivisionError

    client.request("hold", [], broken)
    call = asyncio.ensure_future(client.call("hold"))
    await client.call("ping")
    [connection] = server.connections
    connection.abort()
    with pytest.raises(ConnectionLost):
        await call
    async with asyncio.timeout(SECONDS):
        await client.ended
    assert [record.getMessage() for record in caplog.records] == ["rpc_reply_failed"]
    await client.close()


async def test_client_is_told_when_the_connection_ends(start: Start, methods: Methods, unix: str) -> None:
    server = await start()
    client = await RpcClient.connect(unix)
    call = asyncio.ensure_future(client.call("hold"))
    await methods.until(lambda: bool(methods.held))
    [connection] = server.connections
    connection.abort()
    with pytest.raises(ConnectionLost):
        await call
    with pytest.raises(ConnectionLost):
        await client.call("ping")
    with pytest.raises(ConnectionLost):
        await RpcClient.connect(unix + "x")


async def test_drain_answers_what_is_under_way_and_refuses_the_rest(start: Start, methods: Methods, unix: str) -> None:
    server = await start()
    client = await RpcClient.connect(unix)
    call = asyncio.ensure_future(client.call("hold"))
    await methods.until(lambda: bool(methods.held))
    server.stop_accepting()
    with pytest.raises(ConnectionLost):
        await RpcClient.connect(unix)
    draining = asyncio.ensure_future(server.drain(SECONDS))
    await asyncio.sleep(0)
    with pytest.raises(RpcError, match="shutting_down"):
        await client.call("echo")
    assert await client.call("ping") == "pong"
    assert not draining.done()
    methods.held[0][1].result("done")
    assert await draining == 0
    await server.close()
    assert await call == "done"
    async with asyncio.timeout(SECONDS):
        await client.ended


async def test_drain_gives_up_in_time_and_close_cancels(start: Start, methods: Methods, unix: str) -> None:
    server = await start()
    client = await RpcClient.connect(unix)
    call = asyncio.ensure_future(client.call("hold"))
    await methods.until(lambda: bool(methods.held))
    assert await server.drain(0.01) == 1
    await server.close()
    assert methods.cancelled == 1
    with pytest.raises(ConnectionLost):
        await call
