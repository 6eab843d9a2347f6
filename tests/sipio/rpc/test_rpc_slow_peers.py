"""Peers that are too slow, too late or too long, over real sockets, on both event loops."""

import asyncio
import socket

import msgpack

from tests.sipio.rpc.socket_methods import SECONDS, Methods, Start, raw_connection, read_messages, until


async def test_partial_frame_and_idle_time(start: Start, unix: str) -> None:
    server = await start(partial_frame_seconds=0.05, idle_seconds=0.3)
    slow_reader, slow = await raw_connection(unix)
    slow.write(b"\x94\x00")
    idle_reader, idle = await raw_connection(unix)
    assert (await read_messages(slow_reader))[0][2][0]["code"] == "frame_timeout"
    assert (await read_messages(idle_reader))[0][2][0]["code"] == "idle_timeout"
    assert server.snapshot().closed == {"frame_timeout": 1, "idle_timeout": 1}
    slow.close()
    idle.close()


async def test_peer_that_does_not_read_is_paused_then_closed(start: Start, methods: Methods, unix: str) -> None:
    server = await start(output_bytes=400_000)
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(unix.removeprefix("unix:"))
        peer.sendall(b"".join(msgpack.packb([0, n, "hold", []]) for n in range(20)))
        await methods.until(lambda: len(methods.held) == 20)
        [connection] = server.connections
        for _, responder in methods.held[:5]:
            responder.result("x" * 100_000)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert connection._reading_paused
        for _, responder in methods.held[5:]:
            if not responder.answered:
                responder.result("x" * 100_000)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        async with asyncio.timeout(SECONDS):
            await connection.peer.ended
    assert server.snapshot().closed == {"output": 1}


async def test_peer_that_reads_late_gets_everything(start: Start, unix: str) -> None:
    server = await start(output_bytes=400_000)
    reader, writer = await raw_connection(unix)
    count = 100
    writer.write(b"".join(msgpack.packb([0, n, "big", [20_000]]) + b"" for n in range(count)))
    writer.write_eof()
    await asyncio.sleep(0)
    assert [answer[1] for answer in await read_messages(reader)] == list(range(count))
    assert server.snapshot().closed == {}
    writer.close()


async def test_time_in_which_we_do_not_read_is_not_the_peers_delay(start: Start, unix: str) -> None:
    server = await start(output_bytes=2_000_000, partial_frame_seconds=0.05)
    reader, writer = await raw_connection(unix)
    # More than the socket and the reader's own buffer hold, so that the server stops reading inside a message.
    writer.write(msgpack.packb([0, 1, "big", [1_500_000]]) + b"\x94\x00\x02\xa4pi")
    await until(lambda: any(connection._reading_paused for connection in server.connections))
    [connection] = server.connections
    deadline = connection._deadline_at
    # What a message may take has passed twice and more; each time it was put off.
    await until(lambda: connection._deadline_at > deadline + 0.1)
    writer.write(b"ng\x90")
    writer.write_eof()
    assert [answer[1:3] for answer in await read_messages(reader)] == [[1, None], [2, None]]
    assert server.snapshot().closed == {}
    writer.close()


async def test_a_peer_still_sending_reads_why_it_was_ended(start: Start, unix: str) -> None:
    await start()
    reader, writer = await raw_connection(unix)
    writer.write(b"\xc1" + b"x" * 8_000_000)
    [[_, _, [body]]] = await read_messages(reader)
    assert body["code"] == "malformed"
    await writer.drain()
    writer.close()
