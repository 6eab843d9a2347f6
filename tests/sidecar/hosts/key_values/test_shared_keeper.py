"""Key-values in Valkey or Redis: what the contract of all keepers leaves open."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidecar.hosts.errors import HostError, HostFull, HostUnavailable
from sidecar.hosts.key_values.batch import Delete, Get, Increment, Operation, Set, SpaceLimits, Sweep
from sidecar.hosts.key_values.memory import MemoryKeeper
from sidecar.hosts.key_values.shared import SharedKeeper
from sidecar.hosts.key_values.store import Keeper, KeyValues
from sidecar.shared.connection import Shared
from tests.database_servers import Server, Servers, valkey
from tests.shared_connection import new_prefix, new_shared

LIMITS = SpaceLimits(keys=3, bytes=60)


@pytest.fixture
async def shared(servers: type[Servers]) -> AsyncIterator[Shared]:
    connection = new_shared()
    yield connection
    await connection.close()


_places = {"tenant": st.sampled_from(["t", "u:x"]), "key": st.sampled_from(["a", "b:", "ä", "c", "d\n"])}
_lives = st.sampled_from([0, 0.000001, 1, 5, 1e12])
_texts = st.one_of(st.text(max_size=12).filter(lambda text: "\x00" not in text), st.integers().map(str))
_operations = st.one_of(
    st.builds(Get, **_places),
    st.builds(Set, **_places, text=_texts, life=_lives),
    st.builds(Increment, **_places, by=st.integers(1 - 2**53, 2**53 - 1), life=_lives),
    st.builds(Increment, **_places, by=st.just(1), life=_lives),
    st.builds(Delete, **_places),
    st.builds(Sweep, **_places),
)
_steps = st.lists(st.tuples(_operations, st.sampled_from([0, 0.000001, 1, 4])), max_size=40)


@given(steps=_steps)
@settings(
    max_examples=150, suppress_health_check=(HealthCheck.function_scoped_fixture, HealthCheck.too_slow), deadline=None
)
async def test_whatever_is_done_comes_to_the_same_as_in_memory(
    shared: Shared, steps: list[tuple[Operation, float]]
) -> None:
    now = [1_800_000_000.0]
    shared.prefix = new_prefix()
    keepers: list[Keeper] = [MemoryKeeper(LIMITS, lambda: now[0]), SharedKeeper(shared, LIMITS, lambda: now[0])]
    for operation, seconds in steps:
        answers = []
        for keeper in keepers:
            try:
                answers.append(await keeper.do(operation))
            except HostError as error:
                answers.append(repr(error))
        assert answers[0] == answers[1]
        now[0] += seconds
    for tenant in ("t", "u:x"):
        assert await keepers[0].space(tenant) == await keepers[1].space(tenant)
        assert await keepers[0].page(tenant, "", 10) == await keepers[1].page(tenant, "", 10)
    assert sorted(await keepers[0].ended(100)) == sorted(await keepers[1].ended(100))


async def test_nothing_is_left_of_what_was_kept_no_more(shared: Shared) -> None:
    values = KeyValues(SharedKeeper(shared, LIMITS), LIMITS)
    await values.do(Set("t", "a", "x", 3600))
    await values.do(Increment("t", "n"))
    assert len(await shared.ask("KEYS", f"{shared.prefix}:*")) == 5
    await values.do(Delete("t", "a"))
    await values.do(Delete("t", "n"))
    assert await shared.ask("KEYS", f"{shared.prefix}:*") == []


async def test_the_servers_clock_is_the_one_that_ends(shared: Shared) -> None:
    values = KeyValues(SharedKeeper(shared, LIMITS), LIMITS)
    await values.do(Set("t", "a", "x", 0.05))
    assert await values.do(Get("t", "a")) == "x"
    async with asyncio.timeout(60):
        while not await values.sweep():
            pass
    assert await values.do(Get("t", "a")) is None


async def test_its_programs_are_given_again_to_a_server_that_has_forgotten_them(shared: Shared) -> None:
    values = KeyValues(SharedKeeper(shared, LIMITS), LIMITS)
    assert await values.do(Increment("t", "n")) == 1
    await shared.ask("SCRIPT", "FLUSH")
    assert await values.do(Increment("t", "n")) == 2


async def test_a_server_without_room_keeps_nothing_and_says_so(
    shared: Shared, caplog: pytest.LogCaptureFixture
) -> None:
    values = KeyValues(SharedKeeper(shared, LIMITS), LIMITS)
    await values.do(Set("t", "a", "x"))
    await shared.ask("CONFIG", "SET", "maxmemory", "1")
    try:
        with pytest.raises(HostFull, match="there is no room left"):
            await values.do(Increment("t", "n"))
        assert await values.do(Get("t", "a")) == "x"
        assert shared.available
        await values.do(Delete("t", "a"))
    finally:
        await shared.ask("CONFIG", "SET", "maxmemory", "0")
    assert (await values.space("t")).keys == 0
    assert await values.do(Increment("t", "n")) == 1


async def test_a_server_that_keeps_nothing_now_is_none(shared: Shared, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    values = KeyValues(SharedKeeper(shared, LIMITS), LIMITS)
    other = new_shared(prefix=shared.prefix)
    await values.do(Increment("t", "n"))
    await other.ask("CONFIG", "SET", "replica-read-only", "yes")
    await other.ask("REPLICAOF", "127.0.0.1", "1")
    try:
        with pytest.raises(HostUnavailable):
            await values.do(Increment("t", "n"))
        assert not shared.available
    finally:
        await other.ask("REPLICAOF", "NO", "ONE")
        await other.close()
    await shared.present()
    assert await values.do(Increment("t", "n")) == 2
    assert [record.message for record in caplog.records] == ["shared_lost", "shared_found"]


async def test_what_was_answered_outlives_the_servers_end(tmp_path: Path) -> None:
    server: Server = valkey()
    connection = new_shared(server)
    values = KeyValues(SharedKeeper(connection, LIMITS), LIMITS)
    try:
        await values.do(Increment("t", "n"))
        await asyncio.to_thread(server.stop)
        with pytest.raises(HostUnavailable, match="the key-value store does not answer"):
            await values.do(Increment("t", "n"))
        await asyncio.to_thread(server.start)
        await connection.present()
        assert await values.do(Increment("t", "n")) == 2
    finally:
        await connection.close()
        await asyncio.to_thread(server.close)
