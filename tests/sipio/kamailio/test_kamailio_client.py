"""The asyncio shell over real sockets, Kamailio played by the test."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from sipio.host_port import HostPort
from sipio.kamailio import KamailioClient, KamailioLimits
from sipio.kamailio.netstring import NetstringDecoder, encode
from sipio.routing import Action, Decision, RoutingRequest
from tests.sipio.kamailio.kamailio_doubles import EchoRouter, HoldingRouter, Pending, question

QUICK = KamailioLimits(reconnect_min_seconds=0.01, reconnect_max_seconds=0.05)


class Listener:
    """An evapi socket that takes one sidecar at a time."""

    def __init__(self) -> None:
        self.connections: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        self._decoder = NetstringDecoder(100_000)
        self._frames: list[bytes] = []
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(
            lambda *streams: self.connections.put_nowait(streams), "127.0.0.1", self.port
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def accept(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self._decoder = NetstringDecoder(100_000)
        return await asyncio.wait_for(self.connections.get(), 5.0)

    async def frame(self, reader: asyncio.StreamReader) -> bytes:
        while not self._frames:
            data = await asyncio.wait_for(reader.read(65_536), 5.0)
            assert data, "closed"
            self._frames += self._decoder.feed(data)
        return self._frames.pop(0)


class AnnouncingRouter(HoldingRouter):
    """Tells when it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.was_asked = asyncio.Event()

    def route(self, request: RoutingRequest, answer: Callable[[Decision], None]) -> Pending:
        pending = super().route(request, answer)
        self.was_asked.set()
        return pending


@pytest.fixture
async def listeners() -> AsyncIterator[Callable[[], Listener]]:
    made: list[Listener] = []

    def make() -> Listener:
        made.append(Listener())
        return made[-1]

    yield make
    for listener in made:
        await listener.stop()


async def test_two_kamailios_and_a_reconnect(listeners: Callable[[], Listener]) -> None:
    one, two = listeners(), listeners()
    await one.start()
    await two.start()
    client = KamailioClient([HostPort("127.0.0.1", one.port), HostPort("127.0.0.1", two.port)], EchoRouter(), QUICK)
    client.start()
    reader, writer = await one.accept()
    other_reader, other_writer = await two.accept()
    writer.write(encode(question(1)))
    assert await one.frame(reader) == b"c;1001;3000000001"
    other_writer.write(encode(question(2)))
    assert await two.frame(other_reader) == b"c;1002;3000000002"
    writer.close()
    reader, writer = await one.accept()
    writer.write(encode(question(3)))
    assert await one.frame(reader) == b"c;1003;3000000003"
    first, second = client.snapshot()
    assert (first.reconnects, first.calls, second.reconnects) == (1, 2, 0)
    await client.close()
    assert await asyncio.wait_for(reader.read(), 5.0) == b""
    writer.close()
    other_writer.close()


async def test_nobody_there_at_first(listeners: Callable[[], Listener]) -> None:
    listener = listeners()
    await listener.start()
    await listener.stop()
    client = KamailioClient([HostPort("127.0.0.1", listener.port)], EchoRouter(), QUICK)
    client.start()
    await asyncio.sleep(0)
    await listener.start()
    _, writer = await listener.accept()
    assert client.snapshot()[0].connected
    await client.close()
    writer.close()


async def test_a_broken_stream_is_closed_and_the_next_one_works(
    listeners: Callable[[], Listener], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    listener = listeners()
    await listener.start()
    client = KamailioClient([HostPort("127.0.0.1", listener.port)], EchoRouter(), QUICK)
    client.start()
    reader, writer = await listener.accept()
    writer.write(b"HTTP/1.1 200 OK\r\n")
    with pytest.raises((AssertionError, ConnectionError)):
        await listener.frame(reader)
    writer.close()
    reader, writer = await listener.accept()
    writer.write(encode(question(1)))
    assert await listener.frame(reader) == b"c;1001;3000000001"
    await client.close()
    writer.close()
    said = [(record.message, record.levelname, vars(record)["peer"]) for record in caplog.records]
    peer = f"127.0.0.1:{listener.port}"
    assert said[:3] == [
        ("evapi_connected", "INFO", peer),
        ("evapi_stream_broken", "ERROR", peer),
        ("evapi_disconnected", "WARNING", peer),
    ]
    assert "netstring" in vars(caplog.records[1])["error"]


async def test_a_connection_that_we_end_is_told_as_that_and_is_no_warning(
    listeners: Callable[[], Listener], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    listener = listeners()
    await listener.start()
    client = KamailioClient([HostPort("127.0.0.1", listener.port)], EchoRouter(), QUICK)
    client.start()
    _, writer = await listener.accept()
    await client.close()
    writer.close()
    last = caplog.records[-1]
    assert (last.message, last.levelname, vars(last)["reason"]) == ("evapi_disconnected", "INFO", "ended")


async def test_draining_answers_what_is_under_way(listeners: Callable[[], Listener]) -> None:
    listener = listeners()
    await listener.start()
    router = AnnouncingRouter()
    client = KamailioClient([HostPort("127.0.0.1", listener.port)], router, QUICK)
    client.start()
    reader, writer = await listener.accept()
    writer.write(encode(question(1)))
    await asyncio.wait_for(router.was_asked.wait(), 5.0)
    client.drain()
    assert await listener.frame(reader) == b"d"
    router.answers[0](Decision(action=Action.ROUTE, routing=router.asked[0].routing))
    assert await listener.frame(reader) == b"c;1001;3000000001"
    await asyncio.wait_for(client.close(), 5.0)
    assert await asyncio.wait_for(reader.read(), 5.0) == b""
    writer.close()


async def test_a_connection_goes_on_in_another_client_in_the_middle_of_a_question(
    listeners: Callable[[], Listener],
) -> None:
    listener = listeners()
    await listener.start()
    peers = [HostPort("127.0.0.1", listener.port)]
    first, second = KamailioClient(peers, EchoRouter(), QUICK), KamailioClient(peers, EchoRouter(), QUICK)
    first.start()
    reader, writer = await listener.accept()
    asked = encode(question(1)) + encode(question(2))
    writer.write(asked[:-100])
    assert await listener.frame(reader) == b"c;1001;3000000001"
    first.hold()
    assert first.at_rest
    held = first.hand_over()
    first.let_go()
    first.drain()
    await first.close()
    writer.write(asked[-100:])
    second.start(held)
    assert await listener.frame(reader) == b"c;1002;3000000002"
    assert listener.connections.empty()
    await second.close()
    assert await asyncio.wait_for(reader.read(), 5.0) == b""
    writer.close()


async def test_a_connection_to_a_kamailio_that_is_not_ours_any_more_is_closed(
    listeners: Callable[[], Listener],
) -> None:
    listener = listeners()
    await listener.start()
    first, second = (
        KamailioClient([HostPort("127.0.0.1", listener.port)], EchoRouter()),
        KamailioClient([], EchoRouter()),
    )
    first.start()
    reader, writer = await listener.accept()
    first.hold()
    held = first.hand_over()
    first.let_go()
    await first.close()
    second.start(held)
    assert await asyncio.wait_for(reader.read(), 5.0) == b""
    writer.close()


async def test_while_held_nothing_is_read_and_no_lost_connection_made_again(
    listeners: Callable[[], Listener],
) -> None:
    listener = listeners()
    await listener.start()
    router = HoldingRouter()
    client = KamailioClient([HostPort("127.0.0.1", listener.port)], router, QUICK)
    client.start()
    _, writer = await listener.accept()
    client.hold()
    writer.write(encode(question(1)))
    await asyncio.sleep(0.02)
    assert not router.asked
    client.resume()
    async with asyncio.timeout(60):
        while not router.asked:  # noqa: ASYNC110 - no event shows it
            await asyncio.sleep(0.002)
    assert not client.at_rest
    await client.close()
    writer.close()
