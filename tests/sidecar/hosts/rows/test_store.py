"""Databases of rows are the same on every server, and are of one tenant."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from sidecar.catalog.database.tenants import ensure_operator
from sidecar.catalog.database.work import Actor, Store
from sidecar.configuration.database_url import Database, DatabaseUrl
from sidecar.hosts.errors import HostError, HostUnavailable
from sidecar.hosts.rows.model import ColumnType, RowColumn
from sidecar.hosts.rows.store import RowDatabases
from sidecar.storage.engine import Storage
from sidecar.storage.schema import upgrade

COLUMNS = (
    RowColumn(name="carrier", type=ColumnType.STRING, indexed=True),
    RowColumn(name="company", type=ColumnType.INTEGER),
    RowColumn(name="rate", type=ColumnType.DOUBLE),
)
TENANT = "operator"


@pytest.fixture
async def rows(database_address: str) -> AsyncIterator[RowDatabases]:
    url = DatabaseUrl.parse(database_address)
    store = Store(Storage(url, create=True))
    await upgrade(store.storage)
    await ensure_operator(store, Actor("t", "test", operator=True))
    await store.close()
    made = RowDatabases(url)
    await made.inventory.make(TENANT, "porting", COLUMNS)
    yield made
    await made.close()


async def refused(asked: object, message: str) -> None:
    with pytest.raises(HostError, match=message):
        await asked  # type: ignore[misc]


async def test_rows_are_made_read_changed_and_removed(rows: RowDatabases) -> None:
    await rows.create(TENANT, "porting", "491", {"carrier": "O'Hara", "company": 42.0, "rate": 1})
    await rows.create(TENANT, "porting", "Ä", "a bare value")
    first = {"key": "491", "value": None, "carrier": "O'Hara", "company": 42, "rate": 1.0}
    assert await rows.read(TENANT, "porting", "491") == first
    assert (await rows.read(TENANT, "porting", "Ä") or {})["value"] == "a bare value"
    assert await rows.read(TENANT, "porting", "ä") is None
    await refused(rows.create(TENANT, "porting", "491", {}), "porting has a row '491' already")
    await rows.update(TENANT, "porting", "491", {"rate": 0.5, "company": None})
    await rows.update(TENANT, "porting", "491", {"rate": 0.5})
    assert await rows.read(TENANT, "porting", "491") == first | {"rate": 0.5, "company": None}
    await refused(rows.update(TENANT, "porting", "492", {}), "porting has no row '492'")
    await rows.delete(TENANT, "porting", "491")
    await rows.delete(TENANT, "porting", "491")
    assert await rows.read(TENANT, "porting", "491") is None


async def test_rows_are_found_by_their_columns(rows: RowDatabases) -> None:
    for number in range(10):
        await rows.create(TENANT, "porting", f"k{number}", {"carrier": "ab"[number % 2], "company": number})
    found = await rows.find(TENANT, "porting", {"carrier": "a"}, limit=2, offset=1)
    assert [row["key"] for row in found] == ["k2", "k4"]
    assert [row["key"] for row in await rows.find(TENANT, "porting", {"carrier": "b", "company": 3})] == ["k3"]
    assert await rows.find(TENANT, "porting", {"key": "k1", "carrier": "a"}) == []
    assert len(await rows.find(TENANT, "porting", {"value": None})) == 10
    chosen = {(await rows.random(TENANT, "porting", {"carrier": "b"}) or {})["key"] for _ in range(30)}
    assert len(chosen) > 1
    assert chosen <= {"k1", "k3", "k5", "k7", "k9"}
    assert await rows.random(TENANT, "porting", {"carrier": "c"}) is None


async def test_sql_asks_and_changes_the_tenants_own(rows: RowDatabases) -> None:
    given = {"key": "491", "carrier": "O'Hara"}
    assert await rows.sql(TENANT, "insert into porting (key, carrier, company) values (:key, :carrier, 7)", given) == [
        {"changed": 1}
    ]
    await rows.sql(TENANT, "insert into porting (key, carrier) values ('492', 'a:b'), ('493', :carrier)", given)
    count = "select count(*) as n from porting where carrier = :carrier"
    assert await rows.sql(TENANT, count, {"carrier": "O'Hara", "more": [1]}) == [{"n": 2}]
    assert await rows.sql(TENANT, count, {"carrier": "' or 1=1 --"}) == [{"n": 0}]
    assert await rows.sql(TENANT, "select key from porting where carrier = 'a:b'", {}) == [{"key": "492"}]
    assert await rows.sql(TENANT, "select sum(company) as s, avg(company) as a, max(key) as m from porting", {}) == [
        {"s": 7, "a": 7, "m": "493"}
    ]
    joined = "select p.key from porting p join porting q on p.carrier = q.carrier and p.key <> q.key order by p.key"
    assert await rows.sql(TENANT, joined, {}) == [{"key": "491"}, {"key": "493"}]
    assert await rows.sql(TENANT, "update porting set company = 1 where porting.carrier like 'O%'", {}) == [
        {"changed": 2}
    ]
    assert await rows.sql(TENANT, "delete from porting where company = :c", {"c": 1}) == [{"changed": 2}]
    assert [row["key"] for row in await rows.sql(TENANT, "select * from porting", {})] == ["492"]
    await refused(rows.sql(TENANT, count, {}), "the parameter :carrier is not given")
    await refused(rows.sql(TENANT, count, {"carrier": []}), "the parameter :carrier is a text")
    await refused(rows.sql(TENANT, "select carier from porting", {}), "sql: .*carier")
    await refused(rows.sql(TENANT, "insert into porting (key) values ('492')", {}), "there is a row of that key")


async def test_nothing_else_is_reached_by_sql(rows: RowDatabases) -> None:
    for table in ("tenants", "rows_1", "sqlite_master", "pg_catalog.pg_user", "information_schema.tables", "others"):
        await refused(rows.sql(TENANT, "select * from " + table, {}), "(there is no|is no) database")  # noqa: S608 - it is parsed
    await refused(rows.sql("stranger", "select * from porting", {}), "there is no database 'porting'")
    await refused(rows.read("stranger", "porting", "1"), "there is no database 'porting'")
    await refused(rows.read(TENANT, "blocked", "1"), "there is no database 'blocked'")


async def test_a_database_is_made_and_removed_with_its_rows(rows: RowDatabases) -> None:
    await rows.create(TENANT, "porting", "1", {})
    await refused(rows.inventory.make(TENANT, "porting"), "there is a database 'porting' already")
    await refused(rows.inventory.make("stranger", "porting"), "there is no tenant 'stranger'")
    await rows.inventory.remove(TENANT, "porting")
    await refused(rows.inventory.remove(TENANT, "porting"), "there is no database 'porting'")
    await refused(rows.read(TENANT, "porting", "1"), "there is no database 'porting'")
    made = await rows.inventory.make(TENANT, "porting", [RowColumn(name="note", type=ColumnType.TEXT)])
    assert [column.name for column in made.columns] == ["value", "note"]
    assert await rows.find(TENANT, "porting", {}) == []


async def test_more_rows_than_an_answer_has_are_refused(rows: RowDatabases) -> None:
    for begin in range(0, 1_001, 143):
        values = ", ".join(f"('k{number}')" for number in range(begin, begin + 143))
        await rows.sql(TENANT, "insert into porting (key) values " + values, {})  # noqa: S608 - it is parsed
    await refused(rows.sql(TENANT, "select key from porting", {}), "more than 1000 rows: limit them")
    assert len(await rows.sql(TENANT, "select key from porting limit 1000", {})) == 1_000
    assert len(await rows.find(TENANT, "porting", {}, limit=5_000)) == 1_000


async def test_a_query_of_many_rows_takes_none_of_them_into_memory(rows: RowDatabases) -> None:
    for number in range(0, 200, 100):
        values = ", ".join(f"('k{one}')" for one in range(number, number + 100))
        await rows.sql(TENANT, "insert into porting (key) values " + values, {})  # noqa: S608 - it is parsed
    tracemalloc.start()
    try:
        await refused(rows.sql(TENANT, "select a.key from porting a, porting b, porting c", {}), "more than 1000 rows")
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


async def test_an_answer_that_no_script_could_get_is_refused(rows: RowDatabases) -> None:
    for number in range(6):
        await rows.create(TENANT, "porting", f"k{number}", "x" * 200_000)
    await refused(rows.sql(TENANT, "select value from porting", {}), "more than 1000000 characters: ask for fewer")
    await refused(rows.find(TENANT, "porting", {}, most=1_000_000), "more than 1000000 characters: ask for fewer")
    assert len(await rows.find(TENANT, "porting", {})) == 6


async def test_a_text_that_is_put_together_is_no_longer_than_a_row_s(rows: RowDatabases) -> None:
    await rows.create(TENANT, "porting", "1", "x" * 150_000)
    await rows.sql(TENANT, "update porting set value = value || value || value", {})
    assert await rows.sql(TENANT, "select length(value || value) as n from porting", {}) == [{"n": 200_000}]
    assert await rows.sql(TENANT, "select 'a' || key || 'b' as n from porting", {}) == [{"n": "a1b"}]


async def test_an_insert_of_what_a_query_gives_makes_no_more_rows_than_there_may_be(database_address: str) -> None:
    url = DatabaseUrl.parse(database_address)
    store = Store(Storage(url, create=True))
    await upgrade(store.storage)
    await ensure_operator(store, Actor("t", "test", operator=True))
    await store.close()
    rows = RowDatabases(url, most=lambda _tenant: 50)
    try:
        await rows.inventory.make(TENANT, "porting", COLUMNS)
        await rows.sql(TENANT, "insert into porting (key) values ('a'), ('b'), ('c'), ('d')", {})
        many = "insert into porting (key) select a.key || b.key || c.key from porting a, porting b, porting c"
        await refused(rows.sql(TENANT, many, {}), "4 rows are kept already, and no more than 50 may be")
        assert len(await rows.find(TENANT, "porting", {})) == 4
    finally:
        await rows.close()


async def test_who_changes_rows_of_sqlite_without_end_lets_others_write(tmp_path: Path) -> None:
    url = DatabaseUrl(Database.SQLITE, path=tmp_path / "rows.db")
    store = Store(Storage(url, create=True))
    await upgrade(store.storage)
    await ensure_operator(store, Actor("t", "test", operator=True))
    await store.close()
    hostile, other = RowDatabases(url), RowDatabases(url)
    try:
        await hostile.inventory.make(TENANT, "porting", COLUMNS)
        for number in range(0, 300, 100):
            values = ", ".join(f"('k{one}')" for one in range(number, number + 100))
            await hostile.sql(TENANT, "insert into porting (key) values " + values, {})  # noqa: S608 - it is parsed
        endless = "update porting set company = (select count(*) from porting a, porting b, porting c, porting d)"
        asked = [asyncio.ensure_future(hostile.sql(TENANT, endless, {})) for _ in range(6)]
        await asyncio.sleep(0)
        for number in range(5):
            began = asyncio.get_running_loop().time()
            await other.create(TENANT, "porting", f"other{number}", {})
            assert asyncio.get_running_loop().time() - began < 30
        told = await asyncio.gather(*asked, return_exceptions=True)
        assert {str(one) for one in told} == {"the database was asked for more than 0.25 s"}
    finally:
        await hostile.close()
        await other.close()


async def test_a_question_without_end_is_ended(rows: RowDatabases, monkeypatch: pytest.MonkeyPatch) -> None:
    values = ", ".join(f"('k{number}')" for number in range(300))
    await rows.sql(TENANT, "insert into porting (key) values " + values, {})  # noqa: S608 - it is parsed
    monkeypatch.setattr("sidecar.hosts.rows.bounded.SECONDS", 0.3)
    # With a condition: MySQL multiplies the tables' counts where there is none.
    endless = "select count(*) as n from porting a, porting b, porting c, porting d, porting e where a.key <> e.key"
    await refused(rows.sql(TENANT, endless, {}), "the database was asked for more than 0.3 s")
    monkeypatch.undo()
    assert await rows.sql(TENANT, "select count(*) as n from porting", {}) == [{"n": 300}]
    async with asyncio.timeout(10):
        while await under_way(rows._storage._storage):  # noqa: ASYNC110 - the server says it to those who ask
            await asyncio.sleep(0.05)


async def under_way(storage: Storage) -> int:
    """How many questions a server still works on, ours but this one."""
    asked = {
        Database.SQLITE: "select 0",  # works in our own threads, which have looked at the clock
        Database.POSTGRESQL: "select count(*) from pg_stat_activity where state = 'active' and datname ="
        " current_database() and pid <> pg_backend_pid()",
        Database.MYSQL: "select count(*) from information_schema.processlist where command = 'Query' and"
        " db = database() and id <> connection_id()",
    }
    async with storage.reading() as connection:
        return int((await connection.execute(text(asked[storage.url.database]))).scalar_one())


async def test_a_database_that_is_gone_is_told() -> None:
    gone = RowDatabases(DatabaseUrl.parse("sqlite:////nowhere/at/all.db"))
    with pytest.raises(HostUnavailable):
        await gone.read(TENANT, "porting", "1")
    await gone.close()


async def test_a_page_is_bounded_in_characters_and_has_one_row_at_least(rows: RowDatabases) -> None:
    texts = [RowColumn(name=f"t{number}", type=ColumnType.TEXT) for number in range(6)]
    await rows.inventory.make(TENANT, "long", texts)
    for key in "abc":
        await rows.create(TENANT, "long", key, {"value": "x", **{one.name: "y" * 200_000 for one in texts}})
    for key in "def":
        await rows.create(TENANT, "long", key, "x" * 400 if key == "d" else "x" * 200_000)
    pages, more, after = [], True, ""
    while more:
        found, more = await rows.page(TENANT, "long", after, 1_000)
        pages.append("".join(row["key"] for row in found))
        after = found[-1]["key"]
    assert pages == ["a", "b", "c", "def"]
    assert await rows.page(TENANT, "long", "c", 2) == (await rows.find(TENANT, "long", {}, offset=3, limit=2), True)
    assert await rows.page(TENANT, "long", "f", 2) == ([], False)
