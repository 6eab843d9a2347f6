"""A connection to a Valkey or Redis that is lost and found: in time, told once, with nothing left of it."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sidecar.configuration.shared_url import SharedUrl
from sidecar.nodes.in_shared import listed
from sidecar.shared import connection as module
from sidecar.shared.connection import ANSWER_SECONDS, CONNECTIONS, Shared
from sidecar.shared.errors import SharedRefused, SharedUnavailable
from tests.database_servers import Server, Servers, valkey
from tests.shared_connection import new_shared


@pytest.fixture
async def shared(servers: type[Servers]) -> AsyncIterator[Shared]:
    connection = new_shared()
    yield connection
    await connection.close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = valkey()
    yield server
    server.close()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def hear(shared: Shared) -> None:
    while True:
        await shared.present()
        try:
            async with shared.listening() as heard:
                await heard.subscribe(b"test")
                while True:
                    await heard.next()
        except SharedUnavailable:
            pass


async def test_nothing_is_left_of_a_hundred_losses(
    shared: Shared, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0.001)
    hearing = asyncio.create_task(hear(shared))
    await asyncio.gather(*(shared.ask("PING") for _ in range(CONNECTIONS - 1)))
    before = descriptors(), len(asyncio.all_tasks())
    other = new_shared()
    for number in range(100):
        if number % 2:
            await other.ask("CLIENT", "KILL", "TYPE", "normal")
        shared.lose(ConnectionError("cut"))
        await shared.present()
        await asyncio.gather(*(shared.ask("PING") for _ in range(CONNECTIONS - 2)), return_exceptions=True)
        await shared.present()
    await other.close()
    assert descriptors() <= before[0] + 1
    assert len(asyncio.all_tasks()) <= before[1] + 1
    told = [record.message for record in caplog.records]
    assert told[::2] == ["shared_lost"] * (len(told) // 2)
    assert told[1::2] == ["shared_found"] * (len(told) // 2)
    assert len(told) >= 200
    hearing.cancel()
    await asyncio.wait([hearing])


async def test_many_who_ask_at_once_wait_for_each_other(shared: Shared) -> None:
    answers = await asyncio.gather(*(shared.ask("ECHO", str(number)) for number in range(200)))
    assert answers == [str(number).encode() for number in range(200)]
    assert shared.snapshot().losses == 0


async def test_one_that_is_full_is_there(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0.01)
    await shared.ask("CONFIG", "SET", "maxmemory", "1")
    try:
        shared.lose(ConnectionError("cut"))
        async with asyncio.timeout(60):
            await shared.present()
    finally:
        await shared.ask("CONFIG", "SET", "maxmemory", "0")


async def test_who_asks_while_it_is_silent_is_told_in_time_and_the_next_at_once(server: Server) -> None:
    shared = new_shared(server)
    try:
        await shared.ask("PING")
        os.kill(server.program.process.pid, signal.SIGSTOP)
        began = time.monotonic()
        answers = await asyncio.gather(*(shared.ask("PING") for _ in range(5)), return_exceptions=True)
        assert {str(answer) for answer in answers} == {"it does not answer in time"}
        assert time.monotonic() - began > ANSWER_SECONDS - 0.1
        # Without waiting for anything.
        with pytest.raises(SharedUnavailable):
            shared.ask("PING").send(None)
        os.kill(server.program.process.pid, signal.SIGCONT)
        await shared.present()
        assert await shared.ask("PING")
        assert shared.snapshot().losses == 1
    finally:
        await shared.close()


async def test_who_only_hears_notices_that_it_is_gone(server: Server) -> None:
    shared = new_shared(server)
    hearing = asyncio.create_task(hear(shared))
    try:
        await shared.ask("PING")
        os.kill(server.program.process.pid, signal.SIGSTOP)
        async with asyncio.timeout(10):
            while shared.available:  # noqa: ASYNC110 - nobody is told
                await asyncio.sleep(0.01)
        os.kill(server.program.process.pid, signal.SIGCONT)
        await shared.present()
    finally:
        hearing.cancel()
        await asyncio.wait([hearing])
        await shared.close()


async def test_a_mistake_of_ours_is_in_the_log_and_loses_nothing(
    shared: Shared, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(SharedRefused, match="unknown command"):
        await shared.ask("NONSENSE")
    assert shared.available
    assert [record.message for record in caplog.records] == ["shared_refused"]


async def test_who_may_not_is_told(shared: Shared) -> None:
    user = ("scriptforge", "on", ">secret", "~scriptforge:*", "&scriptforge:*", "+@all", "-@admin", "-@dangerous")
    await shared.ask("ACL", "SETUSER", *user)
    url = SharedUrl.parse(str(shared.url).replace("//", "//scriptforge:secret@"))
    for prefix, works in (("scriptforge", True), ("other", False)):
        one = Shared(url, prefix)
        try:
            await listed(one)
            assert works
        except SharedUnavailable:
            assert not works
        finally:
            await one.close()
    await shared.ask("ACL", "DELUSER", "scriptforge")


async def test_a_server_that_throws_keys_away_is_known_and_who_may_not_ask_loses_nothing(shared: Shared) -> None:
    assert await shared.eviction() == ""
    await shared.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        assert await shared.eviction() == "allkeys-lru"
        await shared.ask("ACL", "SETUSER", "asker", "on", ">secret", "~*", "&*", "+@all", "-@dangerous")
        asker = Shared(SharedUrl.parse(str(shared.url).replace("//", "//asker:secret@")), "asker")
        assert await asker.eviction() == ""
        assert asker.available
        await asker.close()
        await shared.ask("ACL", "DELUSER", "asker")
    finally:
        await shared.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("redis://127.0.0.1:1", "Connect call failed"),
        ("unix:///nowhere.sock", "No such file"),
        ("redis://no.invalid", "no.invalid"),
        ("redis://nobody:secret@127.0.0.1:{port}", "invalid username-password pair"),
        ("redis://127.0.0.1:{port}/99", "DB index is out of range"),
    ],
)
async def test_what_is_no_server_of_ours_is_named(servers: type[Servers], address: str, why: str) -> None:
    shared = Shared(SharedUrl.parse(address.format(port=servers.get("valkey").port)), "test")
    with pytest.raises(SharedUnavailable) as raised:
        await shared.ask("PING")
    assert why in str(raised.value)
    assert "secret" not in str(raised.value)
    await shared.close()
