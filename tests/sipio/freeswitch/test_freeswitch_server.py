"""The listener over real sockets, with the double at their other end."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from sipio.call_control import Answer, CallHandler, CallLimits, Done, HangupBy, Play
from sipio.errors import LocalError
from sipio.freeswitch.server import FreeswitchServer
from sipio.freeswitch.settings import FreeswitchSettings
from sipio.routing import Action, Decision, pack_routing
from sipio.rpc.addresses import TcpAddress
from tests.sipio.freeswitch.freeswitch_double import FakeChannel
from tests.sipio.freeswitch.freeswitch_line import TWO, Decider, Taker

SECONDS = 60.0


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


class Caller:
    """A FreeSWITCH that has connected for one call, and behaves as the double does."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, channel: FakeChannel) -> None:
        self.writer = writer
        self.channel = channel
        self._task = asyncio.create_task(self._serve(reader))

    @classmethod
    async def connect(cls, port: int, channel: FakeChannel | None = None) -> "Caller":
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        return cls(reader, writer, channel or FakeChannel(files={"/s/two.wav": 2.0}))

    async def _serve(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                self.channel.receive(data)
                self.write()

    async def until_closed(self) -> None:
        """The sidecar has closed the connection."""
        async with asyncio.timeout(SECONDS):
            await self._task
        await self.close()

    async def close(self) -> None:
        """Close it from here."""
        await close(self.writer)

    def write(self) -> None:
        self.writer.write(self.channel.take())


class Site:
    """A server and what is behind it."""

    def __init__(self, limits: CallLimits | None = None) -> None:
        self.taker = Taker()
        self.router = Decider()
        handler: CallHandler = self.taker
        self.server = FreeswitchServer(handler, self.router, FreeswitchSettings(limits=limits or CallLimits()))
        self.port = 0

    async def start(self, *allow: str) -> None:
        address = TcpAddress(host="127.0.0.1", port=0, allow=allow or ("127.0.0.0/8",))
        self.port = await self.server.start(address)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    one = Site()
    await one.start()
    yield one
    await one.server.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110 - counters of the server, which tells nobody of them
            await asyncio.sleep(0)


async def test_a_call_from_its_offer_to_its_end(site: Site) -> None:
    caller = await Caller.connect(site.port)
    await until(lambda: bool(site.taker.calls))
    call = site.taker.calls[0]
    answered: list[object] = []
    call.perform(Answer(), answered.append)
    await until(lambda: ("answer", "") in caller.channel.executed)
    await until(lambda: answered == [Done()])
    caller.channel.caller_hangs_up()
    caller.write()
    await caller.until_closed()
    await until(lambda: call.ended)
    assert site.taker.hung_up.by is HangupBy.CALLER
    assert site.server.snapshot().class5 == 1
    assert site.server.snapshot().connections == 0


async def test_a_socket_cut_in_mid_call(site: Site) -> None:
    caller = await Caller.connect(site.port)
    await until(lambda: bool(site.taker.calls))
    results: list[object] = []
    site.taker.calls[0].perform(Play(media=[TWO]), results.append)
    await until(lambda: bool(caller.channel.executed))
    caller.writer.transport.abort()
    await caller.close()
    await until(lambda: site.taker.calls[0].ended)
    assert len(results) == 1
    assert site.taker.hung_up.by is HangupBy.SYSTEM


async def test_a_decision(site: Site) -> None:
    caller = await Caller.connect(
        site.port, FakeChannel(variables={"scriptforge_mode": "class4", "scriptforge_candidates": "a=user/1"})
    )
    await until(lambda: bool(site.router.requests))
    site.router.answer(Decision(action=Action.ROUTE, routing=pack_routing({"egress_routing": [{"gw": {"a": {}}}]})))
    await caller.until_closed()
    assert caller.channel.variables["scriptforge_bridge"] == "user/1"
    assert site.server.snapshot().class4 == 1


async def test_bytes_that_are_not_freeswitchs_close_one_connection_only(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    good = await Caller.connect(site.port)
    await until(lambda: bool(site.taker.calls))
    _reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(b"GET / HTTP/1.1\n\n")
    await until(lambda: site.server.snapshot().broken == 1)
    assert not site.taker.calls[0].ended
    (record,) = caplog.records
    assert (record.getMessage(), record.levelname) == ("freeswitch_broken", "ERROR")
    assert vars(record)["peer"].startswith("127.0.0.1:")
    await close(writer)
    await good.close()


async def test_the_allow_list() -> None:
    one = Site()
    await one.start("10.0.0.0/8")
    reader, writer = await asyncio.open_connection("127.0.0.1", one.port)
    async with asyncio.timeout(SECONDS):
        assert await reader.read(1) == b""
    assert one.server.snapshot().refused == {"allow_list": 1}
    await close(writer)
    await one.server.close()


async def test_one_call_too_many_is_told_when_to_come_again() -> None:
    one = Site(CallLimits(calls=1, retry_after_seconds=7))
    await one.start()
    first = await Caller.connect(one.port)
    await until(lambda: bool(one.taker.calls))
    second = await Caller.connect(one.port, FakeChannel(uuid="a-uuid-2"))
    await until(lambda: bool(second.channel.responded))
    assert second.channel.responded == "503 Service Unavailable"
    assert second.channel.variables["sip_rh_Retry-After"] == "7"
    await second.until_closed()
    first.channel.caller_hangs_up()
    first.write()
    await first.until_closed()
    third = await Caller.connect(one.port, FakeChannel(uuid="a-uuid-3"))
    await until(lambda: len(one.taker.calls) == 2)
    await third.close()
    await one.server.close()


async def test_draining_refuses_new_calls_and_lets_those_that_are_up_go_on(site: Site) -> None:
    caller = await Caller.connect(site.port)
    await until(lambda: bool(site.taker.calls))
    site.server.drain()
    late = await Caller.connect(site.port, FakeChannel(uuid="a-uuid-2"))
    await until(lambda: late.channel.responded.startswith("503"))
    await late.until_closed()
    assert not site.taker.calls[0].ended
    caller.channel.caller_hangs_up()
    caller.write()
    await caller.until_closed()
    await until(lambda: site.taker.calls[0].ended)
    assert site.taker.hung_up.by is HangupBy.CALLER
    async with asyncio.timeout(SECONDS):
        await site.server.close()


async def test_closing_ends_what_is_left(site: Site) -> None:
    caller = await Caller.connect(site.port)
    await until(lambda: bool(site.taker.calls))
    await site.server.close()
    await caller.until_closed()
    assert site.taker.calls[0].ended


async def test_a_port_in_use_is_said_so(site: Site) -> None:
    with pytest.raises(LocalError):
        await Site().server.start(TcpAddress(host="127.0.0.1", port=site.port))
    with socket.socket() as free:
        assert free.connect_ex(("127.0.0.1", site.port)) == 0


async def test_a_call_that_comes_between_two_servers_is_decided_by_the_second() -> None:
    first, second = FreeswitchServer(Taker(), Decider()), FreeswitchServer(Taker(), Decider())
    port = await first.start(TcpAddress(host="127.0.0.1", port=0))
    first.hold()
    assert first.at_rest
    held = first.hand_over()
    first.let_go()
    await first.close()
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    assert await second.start(TcpAddress(host="127.0.0.1", port=port), held) == port
    async with asyncio.timeout(SECONDS):
        while second.at_rest:  # noqa: ASYNC110 - no event shows it
            await asyncio.sleep(0.005)
    await close(writer)
    await second.close()


async def test_a_listening_socket_of_another_address_is_closed() -> None:
    first, second = FreeswitchServer(Taker(), Decider()), FreeswitchServer(Taker(), Decider())
    port = await first.start(TcpAddress(host="127.0.0.1", port=0))
    held = first.hand_over()
    first.let_go()
    await first.close()
    await second.start(TcpAddress(host="127.0.0.1", port=0), held)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    await second.close()
