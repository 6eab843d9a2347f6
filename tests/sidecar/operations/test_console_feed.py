"""Who follows a script's console gets its lines, and no more than can be read."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.operations import console_feed
from sidecar.operations.console_feed import ConsoleFeed
from sipio.rpc.addresses import UnixAddress
from sipio.rpc.client import RpcClient
from sipio.rpc.errors import RpcError
from sipio.rpc.server import RpcServer
from sipio.rpc.service import Method


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Reader:
    """A client that follows."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.client: RpcClient

    @classmethod
    async def follow(cls, address: str, script: str = "") -> "Reader":
        reader = cls()
        take = Method(list[dict[str, Any]], lambda params, _: reader.lines.append(params[0]), immediate=True)
        reader.client = await RpcClient.connect(address, methods={"console.line": take})
        await reader.client.call("console.follow", {"script": script})
        return reader

    async def texts(self) -> list[str]:
        """What came so far: notifications come before the answer to what is asked after them."""
        await self.client.call("nothing")
        return [line["text"] for line in self.lines]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def feed(clock: Clock) -> ConsoleFeed:
    return ConsoleFeed(lambda: {"tariff", "menu"}, clock)


@pytest.fixture
async def address(feed: ConsoleFeed, tmp_path: Path) -> AsyncIterator[str]:
    nothing = Method(list[Any], lambda _params, responder: responder.result(None), immediate=True)
    server = RpcServer({**feed.methods, "nothing": nothing})
    await server.start([UnixAddress(path=tmp_path / "s")])
    yield f"unix:{tmp_path / 's'}"
    await server.close()


async def test_lines_go_to_those_who_follow_that_script_or_all(feed: ConsoleFeed, address: str) -> None:
    assert not feed.followed
    tariff, everything = await Reader.follow(address, "tariff.js"), await Reader.follow(address)
    assert feed.followed
    feed.write("c1", "tariff", "log", "one")
    feed.write("c2", "menu", "failed", "two")
    assert await tariff.texts() == ["one"]
    assert await everything.texts() == ["one", "two"]
    line = {"at": 1_000.0, "call_id": "c1", "script": "tariff", "level": "log", "text": "one"}
    assert tariff.lines == [line]
    for reader in (tariff, everything):
        await reader.client.close()


async def test_who_has_gone_is_written_to_no_more(feed: ConsoleFeed, address: str) -> None:
    reader = await Reader.follow(address)
    await reader.client.close()
    async with asyncio.timeout(60):
        while feed.followed:  # noqa: ASYNC110 - a connection's end at the other side sets no event here
            await asyncio.sleep(0.005)
    feed.write("c1", "tariff", "log", "one")


async def test_what_comes_too_fast_is_left_out_and_counted(
    feed: ConsoleFeed, address: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console_feed, "LINES_A_SECOND", 2)
    reader = await Reader.follow(address)
    for number in range(5):
        feed.write("c", "tariff", "log", str(number))
    clock.now += 1
    feed.write("c", "tariff", "log", "next second")
    assert await reader.texts() == ["0", "1", "next second"]
    assert [line.get("lost", 0) for line in reader.lines] == [0, 0, 3]
    await reader.client.close()


@pytest.mark.parametrize("text", ["x" * 1_000_000, "\ud800", "\0\x1b[2J"])
async def test_any_text_is_sent(feed: ConsoleFeed, address: str, text: str) -> None:
    reader = await Reader.follow(address)
    feed.write("c", "tariff", "log", text)
    (sent,) = await reader.texts()
    assert sent == text.encode("utf-8", "backslashreplace").decode()[: console_feed.TEXT_CHARACTERS]
    await reader.client.close()


async def test_a_script_that_is_not_there_is_said_with_those_that_are(address: str) -> None:
    with pytest.raises(RpcError, match="no script 'tarif'; there are menu, tariff"):
        await Reader.follow(address, "tarif")


async def test_so_many_follow_and_no_more(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_feed, "FOLLOWERS", 1)
    reader = await Reader.follow(address, "menu")
    with pytest.raises(RpcError) as caught:
        await Reader.follow(address)
    assert caught.value.code == "overloaded"
    await reader.client.call("console.follow", {"script": "tariff"})  # the same may ask anew
    await reader.client.close()
