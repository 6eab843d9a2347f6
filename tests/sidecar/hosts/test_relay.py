"""Messages from process to process: two brokers with a relay each, over a real Valkey or Redis."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from sidecar.hosts.broker import EVERY_KEY, MESSAGE_BYTES, Broker
from sidecar.hosts.relay import WAITING_BYTES, SharedRelay
from sidecar.shared.connection import Shared
from tests.database_fixtures import servers
from tests.database_servers import Servers
from tests.shared_connection import new_prefix, new_shared

__all__ = ["servers"]
Join = Callable[[], Awaitable[tuple[Broker, SharedRelay, Shared]]]


@pytest.fixture
async def join(servers: type[Servers]) -> AsyncIterator[Join]:
    """Another process."""
    prefix, opened = new_prefix(), []

    async def join() -> tuple[Broker, SharedRelay, Shared]:
        shared, broker = new_shared(prefix=prefix), Broker()
        relay = SharedRelay(shared, broker)
        relay.start()
        opened.append((relay, shared))
        return broker, relay, shared

    yield join
    for relay, shared in opened:
        await relay.close()
        await shared.close()


async def test_what_one_process_publishes_others_hear_in_order_and_once(join: Join) -> None:
    here, relay, _ = await join()
    there, _, _ = await join()
    own = here.subscribe("t", "desk", EVERY_KEY)
    keyed, every = there.subscribe("t", "desk", "a"), there.subscribe("t", "desk", EVERY_KEY)
    stranger, odd = there.subscribe("u", "desk", EVERY_KEY), there.subscribe("t", "\ud800\x00\n", EVERY_KEY)
    for one in (keyed, every, stranger, odd):
        await there.ready(one)
    await here.ready(own)
    for number in range(100):
        here.publish("t", "desk", "ab"[number % 2], {"n": number})
    here.publish("t", "\ud800\x00\n", "", [None, 1.5, "ä"])
    heard: list[int] = []
    async with asyncio.timeout(60):
        while len(heard) < 100:
            heard += [payload["n"] for _, payload in await every.next() or ()]
        assert await odd.next() == [["", [None, 1.5, "ä"]]]
    assert heard == list(range(100))
    assert [payload["n"] for _, payload in await keyed.next() or ()] == list(range(0, 100, 2))
    assert len(await own.next() or ()) == 100, "its own come once, from here"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await stranger.next()
    assert relay.lost == 0


async def test_who_has_left_is_brought_nothing(join: Join) -> None:
    here, _, shared = await join()
    there, _, _ = await join()
    one = there.subscribe("t", "desk", EVERY_KEY)
    await there.ready(one)
    there.unsubscribe(one)
    async with asyncio.timeout(60):
        while await shared.ask("PUBSUB", "CHANNELS", f"{shared.prefix}:*"):
            pass
    again = there.subscribe("t", "desk", EVERY_KEY)
    await there.ready(again)
    here.publish("t", "desk", "", 1)
    async with asyncio.timeout(60):
        assert await again.next() == [["", 1]]


async def test_what_is_no_message_is_counted_and_costs_nothing_else(join: Join) -> None:
    here, _, shared = await join()
    there, relay, _ = await join()
    one = there.subscribe("t", "desk", EVERY_KEY)
    await there.ready(one)
    nested = b"x" * 16 + b"\x92\xa0" + b"\x91" * 60_000 + b"\xc0"
    for message in (b"", b"x" * 16 + b"\x01", b"x" * 16 + b"\xc1", b"x" * (MESSAGE_BYTES + 17), nested):
        await shared.ask("PUBLISH", f"{shared.prefix}:topic:t\x00desk".encode(), message)
    here.publish("t", "desk", "", 1)
    async with asyncio.timeout(60):
        assert await one.next() == [["", 1]]
    assert relay.lost == 5


async def test_what_does_not_leave_is_bounded_for_each_tenant(join: Join) -> None:
    here, relay, _ = await join()
    there, _, _ = await join()
    one = there.subscribe("u", "desk", EVERY_KEY)
    await there.ready(one)
    large = "x" * (MESSAGE_BYTES - 100)
    for _ in range(100):
        here.publish("t", "desk", "", large)
    here.publish("u", "desk", "", 1)
    assert relay.lost == 100 - WAITING_BYTES // (MESSAGE_BYTES - 90)
    async with asyncio.timeout(60):
        assert await one.next() == [["", 1]]


async def test_while_it_is_lost_this_process_hears_itself_and_then_all_again(join: Join) -> None:
    here, relay, shared = await join()
    there, _, away = await join()
    near, far = here.subscribe("t", "desk", EVERY_KEY), there.subscribe("t", "desk", EVERY_KEY)
    await here.ready(near)
    await there.ready(far)
    for one in (shared, away):
        one.lose(ConnectionError("cut"))
    here.publish("t", "desk", "", 1)
    assert await near.next() == [["", 1]]
    assert relay.lost == 1
    late = there.subscribe("t", "late", EVERY_KEY)
    await there.ready(late)
    for one in (shared, away):
        await one.present()
    await there.ready(far)
    await there.ready(late)
    here.publish("t", "desk", "", 2)
    here.publish("t", "late", "", 3)
    async with asyncio.timeout(60):
        assert await far.next() == [["", 2]]
        assert await late.next() == [["", 3]]
