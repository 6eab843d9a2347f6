"""Key-values are the same whatever keeps them: memory, SQLite, PostgreSQL, MariaDB, Valkey or Redis."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from sidecar.configuration.database_url import DatabaseUrl
from sidecar.hosts.errors import HostError, HostUnavailable
from sidecar.hosts.key_values.batch import Delete, Get, Increment, Set, SpaceLimits
from sidecar.hosts.key_values.store import KeyValues, keeper_of
from sidecar.shared.connection import Shared
from sidecar.storage.backup import write_backup
from sidecar.storage.engine import Storage
from sidecar.storage.schema import upgrade
from tests.database_fixtures import DATABASES
from tests.database_servers import new_database
from tests.shared_connection import new_shared
from tests.sidecar.hosts.moved_clock import MovedClock

LIMITS = SpaceLimits(keys=1_000, bytes=1_000_000)


Open = Callable[..., Awaitable[KeyValues]]


@pytest.fixture(params=["memory", *DATABASES, "valkey"])
async def open_again(request: pytest.FixtureRequest, clock: MovedClock) -> AsyncIterator[Open]:
    """Opens the same key-values, as another process would; those in memory are nobody else's."""
    url, shared = None, None
    if request.param == "valkey":
        request.getfixturevalue("servers")
        shared = [new_shared()]
    elif request.param != "memory":
        if request.param == "sqlite":
            address = f"sqlite:///{request.getfixturevalue('tmp_path')}/values.db"
        else:
            request.getfixturevalue("servers")
            address = new_database(request.param)
        url = DatabaseUrl.parse(address)
        storage = Storage(url, create=True)
        await upgrade(storage)
        await storage.close()
    opened: list[KeyValues] = []

    async def open_again(limits: SpaceLimits = LIMITS) -> KeyValues:
        if shared is not None:
            shared.append(Shared(shared[0].url, shared[0].prefix))
            opened.append(KeyValues(keeper_of(None, limits, clock, shared[-1]), limits))
            return opened[-1]
        if url is None and opened and opened[0].limits == limits:
            return opened[0]
        opened.append(KeyValues(keeper_of(url, limits, clock), limits))
        return opened[-1]

    yield open_again
    for one in opened:
        await one.close()
    for connection in shared or ():
        await connection.close()


async def test_a_text_is_kept_exactly_and_of_one_tenant(open_again: Open) -> None:
    values = await open_again()
    for key in ("a", "A", "a ", "ä", "'; DROP TABLE key_values --", "%"):
        await values.do(Set("t", key, f"{key} \U0001f600\n'"))
    for key in ("a", "A", "a ", "ä", "'; DROP TABLE key_values --", "%"):
        assert await values.do(Get("t", key)) == f"{key} \U0001f600\n'"
    assert await values.do(Get("u", "a")) is None
    await values.do(Delete("u", "a"))
    await values.do(Set("t", "a", ""))
    assert await values.do(Get("t", "a")) == ""
    await values.do(Delete("t", "a"))
    await values.do(Delete("t", "a"))
    assert await values.do(Get("t", "a")) is None
    assert (await values.space("t")).keys == 5
    assert (await values.space("u")).keys == 0


async def test_a_value_lives_as_long_as_it_was_told(open_again: Open, clock: MovedClock) -> None:
    values = await open_again()
    await values.do(Set("t", "k", "v", 10))
    await values.do(Set("t", "ever", "v", 10))
    await values.do(Set("t", "ever", "w"))
    clock.now += 9.9
    assert await values.do(Get("t", "k")) == "v"
    clock.now += 0.1
    assert await values.do(Get("t", "k")) is None
    assert [one.key for one in await values.page("t")] == ["ever"]
    assert (await values.space("t")).keys == 2, "it is not swept yet"
    assert await values.sweep() == 1
    assert await values.sweep() == 0
    space = await values.space("t")
    assert (space.keys, space.bytes) == (1, len("everw"))


async def test_a_counter_keeps_its_end_unless_it_is_given_another(open_again: Open, clock: MovedClock) -> None:
    values = await open_again()
    assert await values.do(Increment("t", "n", life=60)) == 1
    clock.now += 50
    assert await values.do(Increment("t", "n", by=5)) == 6
    clock.now += 10
    assert await values.do(Increment("t", "n", by=-2, life=60)) == -2, "the first life was over"
    clock.now += 50
    assert await values.do(Increment("t", "n", life=60)) == -1, "its life begins anew"
    clock.now += 59
    assert await values.do(Get("t", "n")) == "-1"
    clock.now += 1
    assert await values.do(Increment("t", "n")) == 1
    clock.now += 1e9
    assert await values.do(Increment("t", "n")) == 2, "the new one has no end"


async def test_two_processes_count_each_once(open_again: Open) -> None:
    one, other = await open_again(), await open_again()
    answers = await asyncio.gather(
        *((one if number % 2 else other).do(Increment("t", f"n{number % 3}")) for number in range(300))
    )
    for key in range(3):
        assert sorted(answers[key::3], key=int) == list(range(1, 101))  # type: ignore[arg-type]
        assert await other.do(Get("t", f"n{key}")) == "100"
    assert (await one.space("t")).keys == 3


async def test_what_is_no_integer_is_not_counted_and_stays(open_again: Open) -> None:
    values = await open_again()
    await values.do(Set("t", "k", "1.5"))
    with pytest.raises(HostError, match=r"its value is no integer: '1\.5'"):
        await values.do(Increment("t", "k"))
    assert await values.do(Get("t", "k")) == "1.5"
    await values.do(Set("t", "k", str(2**53 - 1)))
    with pytest.raises(HostError, match="would count beyond"):
        await values.do(Increment("t", "k"))
    assert await values.do(Get("t", "k")) == str(2**53 - 1)


async def test_a_number_past_those_that_are_counted_is_counted_exactly(open_again: Open) -> None:
    values = await open_again()
    for text, by, number in (
        (str(2**53 + 1), -2, 2**53 - 1),
        (str(-(2**53) - 3), 4, 1 - 2**53),
        ("17999999999999999", 1 - 2**53, 17999999999999999 + 1 - 2**53),
        ("-0", 0, 0),
        ("00012", -12, 0),
        ("-99999999", -1, -100_000_000),
    ):
        await values.do(Set("t", "k", text))
        if abs(number) < 2**53:
            assert await values.do(Increment("t", "k", by)) == number
            assert await values.do(Get("t", "k")) == str(number)
        else:
            with pytest.raises(HostError, match="would count beyond"):
                await values.do(Increment("t", "k", by))
    for text in ("1" * 18, "", "-", "+1", " 1", "1 ", "1e3", "\u0661", "\U0001f600" * 100, "--1"):
        await values.do(Set("t", "k", text))
        with pytest.raises(HostError, match="its value is no integer") as raised:
            await values.do(Increment("t", "k"))
        assert repr(text[:40]) in str(raised.value)


async def test_large_values_are_kept_whole_and_beside_others(open_again: Open) -> None:
    values = await open_again(SpaceLimits(keys=100, bytes=50_000_000))
    large = "ä\U0001f600" * 165_000
    await asyncio.gather(
        *(values.do(Set("t", f"k{number}", large)) for number in range(5)), values.do(Set("t", "n", "7"))
    )
    assert await values.do(Get("t", "k4")) == large
    assert await values.do(Increment("t", "n")) == 8
    assert (await values.space("t")).bytes == 5 * (990_000 + 2) + 2


async def test_one_refused_in_a_batch_costs_the_others_nothing(open_again: Open) -> None:
    values = await open_again()
    await values.do(Set("t", "k", "x"))
    answers = await asyncio.gather(*(values.do(Increment("t", key)) for key in ("a", "k", "b")), return_exceptions=True)
    assert [answers[0], answers[2]] == [1, 1]
    assert isinstance(answers[1], HostError)


async def test_a_tenant_at_its_limit_is_refused_and_may_make_room(open_again: Open) -> None:
    values = await open_again(SpaceLimits(keys=2, bytes=100))
    await values.do(Set("t", "a", "x" * 40))
    await values.do(Set("t", "b", "x" * 40))
    with pytest.raises(HostError, match="there are 2 keys already"):
        await values.do(Increment("t", "c"))
    with pytest.raises(HostError, match="82 bytes are kept already, and no more than 100 may be"):
        await values.do(Set("t", "b", "x" * 60))
    await values.do(Set("u", "a", "x" * 60))
    await values.do(Set("t", "b", "x" * 20))
    await values.do(Delete("t", "a"))
    await values.do(Set("t", "c", "x" * 60))
    assert sorted([one.key for one in await values.page("t")]) == ["b", "c"]
    assert (await values.space("t")).bytes == 82


async def test_keys_are_given_in_pages(open_again: Open) -> None:
    values = await open_again()
    names = {f"k{number}" for number in range(25)}
    await asyncio.gather(*(values.do(Set("t", name, name)) for name in names))
    seen: list[str] = []
    while page := await values.page("t", seen[-1] if seen else "", 10):
        seen += [one.key for one in page]
    assert len(seen) == 25
    assert set(seen) == names
    await values.do(Set("t", "k0", "\u00e4" * 300_000))
    assert {one.key: one.bytes for one in await values.page("t")} == dict.fromkeys(names, 3) | {
        **{name: 2 for name in names if len(name) == 2},
        "k0": 600_000,
    }


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (Get("t", ""), "the key is empty"),
        (Get("t", "ä" * 257), "the key has more than 512 bytes"),
        (Get("t", "a\x00"), "the key has a NUL"),
        (Get("t", "\ud800"), "the key is no Unicode text"),
        (Set("t", "k", "\udfff"), "the value is no Unicode text"),
        (Set("t", "k", "x" * 990_001), "the value has more than 990_000 bytes"),
        (Set("t", "k", "x", -1), "a life is a number of seconds"),
        (Set("t", "k", "x", float("nan")), "a life is a number of seconds"),
        (Increment("t", "k", by=2**53), "by no number as large"),
    ],
)
async def test_what_cannot_be_is_refused(operation: Get | Set | Increment, message: str) -> None:
    values = KeyValues(keeper_of(None, LIMITS), LIMITS)
    with pytest.raises(HostError, match=message):
        await values.do(operation)


async def test_a_life_without_measure_is_for_ever(clock: MovedClock) -> None:
    values = KeyValues(keeper_of(None, LIMITS, clock), LIMITS)
    await values.do(Set("t", "k", "x", float("inf")))
    await values.do(Set("t", "l", "x", 1e300))
    clock.now += 1e9
    assert [one.key for one in await values.page("t")] == ["k", "l"]


async def test_a_database_that_is_not_there_is_told_and_found_when_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = DatabaseUrl.parse(f"sqlite:///{tmp_path}/values.db")
    values = KeyValues(keeper_of(url, LIMITS), LIMITS)
    with pytest.raises(HostUnavailable, match="the database does not answer"):
        await values.do(Get("t", "k"))
    assert "there is no database; `scriptforge db upgrade` makes one" in caplog.records[-1].__dict__["error"]
    sqlite3.connect(tmp_path / "values.db").close()
    with pytest.raises(HostUnavailable):
        await values.do(Increment("t", "k"))
    assert "has not the tables of this release: run `scriptforge db upgrade`" in caplog.records[-1].__dict__["error"]
    storage = Storage(url)
    await upgrade(storage)
    await storage.close()
    assert await values.do(Increment("t", "k")) == 1
    await values.close()


async def test_a_backup_that_is_restored_is_what_keeps(tmp_path: Path) -> None:
    path = tmp_path / "values.db"
    url = DatabaseUrl.parse(f"sqlite:///{path}")
    storage = Storage(url, create=True)
    await upgrade(storage)
    await storage.close()
    values = KeyValues(keeper_of(url, LIMITS), LIMITS)
    await values.do(Set("t", "k", "before"))
    await write_backup(url, tmp_path / "backup.db")
    await values.do(Set("t", "k", "after"))
    aside = tmp_path / "aside"
    aside.mkdir()
    for end in ("", "-wal", "-shm"):
        (tmp_path / f"values.db{end}").rename(aside / f"values.db{end}")
    (tmp_path / "backup.db").rename(path)
    assert await values.do(Get("t", "k")) == "before"
    await values.do(Set("t", "k", "since"))
    await values.close()
    for kept, text in ((path, "since"), (aside / "values.db", "after")):
        with contextlib.closing(sqlite3.connect(kept)) as connection:
            assert connection.execute("SELECT value FROM key_values").fetchall() == [(text,)]


async def test_who_waits_too_long_for_another_writer_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sidecar.hosts.key_values.sqlite.BUSY_SECONDS", 0.0)
    url = DatabaseUrl.parse(f"sqlite:///{tmp_path}/values.db")
    storage = Storage(url, create=True)
    await upgrade(storage)
    await storage.close()
    values = KeyValues(keeper_of(url, LIMITS), LIMITS)
    assert await values.do(Increment("t", "k")) == 1
    other = sqlite3.connect(tmp_path / "values.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(HostUnavailable):
        await values.do(Increment("t", "k"))
    assert "another process was writing" in caplog.records[-1].__dict__["error"]
    assert await values.do(Get("t", "k")) == "1", "who reads waits for nobody"
    other.close()
    assert await values.do(Increment("t", "k")) == 2
    await values.close()
