"""A database is brought to this release's schema, and a process says which it has met and what to do."""

import sqlite3
from importlib import import_module
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text, update

from sidecar.configuration.database_url import DatabaseUrl
from sidecar.storage import schema
from sidecar.storage.engine import Storage, translated
from sidecar.storage.errors import DatabaseBusy, DatabaseFull, DatabaseUnreachable, SchemaError
from sidecar.storage.schema import NUMBER, SchemaState, differences, read_state, upgrade
from sidecar.storage.tables import key_values, schema_state, tenants
from tests.database_servers import Servers, new_database


async def made(address: str) -> Storage:
    storage = Storage(DatabaseUrl.parse(address), create=True)
    await upgrade(storage)
    return storage


async def test_an_empty_database_gets_the_tables_and_keeps_them(database_address: str) -> None:
    storage = Storage(DatabaseUrl.parse(database_address), create=True)
    assert await upgrade(storage) == (SchemaState(0, 0), SchemaState(NUMBER, 1))
    assert await upgrade(storage) == (SchemaState(NUMBER, 1), SchemaState(NUMBER, 1))
    async with storage.reading() as connection:
        assert await differences(connection) == []
        assert await read_state(connection) == SchemaState(NUMBER, 1)
    await storage.close()


async def test_what_a_release_before_has_kept_is_there_after_the_upgrade(database_address: str) -> None:
    storage = Storage(DatabaseUrl.parse(database_address), create=True)
    async with storage.writing() as connection:
        await connection.run_sync(schema._run_migrations, "0001")
        assert await read_state(connection) == SchemaState(1, 1)
        await connection.execute(insert(tenants).values(name="acme", created=7))
    with pytest.raises(SchemaError, match=f"has the schema 1, this release needs {NUMBER}: run `scriptforge db upgr"):
        SchemaState(1, 1).require(storage.url)
    assert await upgrade(storage) == (SchemaState(1, 1), SchemaState(NUMBER, 1))
    async with storage.reading() as connection:
        assert await differences(connection) == []
        kept = (
            await connection.execute(select(tenants.c.name, tenants.c.created).where(tenants.c.name == "acme"))
        ).all()
        assert [tuple(row) for row in kept] == [("acme", 7)]
        assert (await connection.execute(select(key_values))).all() == []
    await storage.close()


async def test_texts_are_kept_exactly(database_address: str) -> None:
    storage = await made(database_address)
    names = ["a", "A", "a ", "ä", "a\u0308", "\U0001f600" * 200, "", "n\n'\"\\%_`"]
    async with storage.writing() as connection:
        for name in names:
            await connection.execute(insert(tenants).values(name=name, created=2**53 + 1))
    async with storage.reading() as connection:
        rows = (await connection.execute(select(tenants).order_by(tenants.c.id))).all()
        assert [row.name for row in rows] == names
        assert {row.created for row in rows} == {2**53 + 1}
        assert (await connection.execute(select(tenants.c.id).where(tenants.c.name == "A"))).scalars().all() == [2]
    await storage.close()


async def test_what_raised_wrote_nothing(database_address: str) -> None:
    storage = await made(database_address)

    async def write_and_raise() -> None:
        async with storage.writing() as connection:
            await connection.execute(insert(tenants).values(name="a", created=0))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await write_and_raise()
    async with storage.reading() as connection:
        assert (await connection.execute(select(tenants))).all() == []
    await storage.close()


async def test_who_reads_sees_nothing_of_what_is_written_meanwhile(database_address: str) -> None:
    storage = await made(database_address)
    async with storage.reading() as reading:
        assert (await reading.execute(select(tenants))).all() == []
        async with storage.writing() as writing:
            await writing.execute(insert(tenants).values(name="a", created=0))
        assert (await reading.execute(select(tenants))).all() == []
    async with storage.reading() as reading:
        assert len((await reading.execute(select(tenants))).all()) == 1
    await storage.close()


async def test_a_database_without_tables_is_told_with_what_to_do(tmp_path: Path) -> None:
    storage = await made(f"sqlite:///{tmp_path}/x.db")
    async with storage.writing() as connection:
        await connection.execute(text("DROP TABLE schema_state"))
        state = await read_state(connection)
    with pytest.raises(SchemaError, match=r"x: has no tables of ScriptForge yet: run `scriptforge db upgrade`"):
        state.require("x")
    await storage.close()


async def test_a_newer_schema_serves_where_it_says_so(database_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = await made(database_address)
    async with storage.writing() as connection:
        await connection.execute(update(schema_state).values(number=NUMBER + 3, serves_from=NUMBER))
    later = SchemaState(NUMBER + 3, NUMBER)
    later.require("x")
    assert await upgrade(storage) == (later, later)
    async with storage.writing() as connection:
        await connection.execute(update(schema_state).values(serves_from=NUMBER + 2))
    with pytest.raises(SchemaError, match=rf"schema {NUMBER + 3} of a later release, .* before schema {NUMBER + 2}"):
        await upgrade(storage)
    monkeypatch.setattr(schema, "NUMBER", NUMBER + 4)
    with pytest.raises(SchemaError, match=rf"has the schema {NUMBER + 3}, this release needs {NUMBER + 4}: run `sc"):
        SchemaState(NUMBER + 3, 1).require("x")
    await storage.close()


async def test_a_table_that_is_gone_is_a_difference_and_one_that_is_new_none(database_address: str) -> None:
    storage = await made(database_address)
    async with storage.writing() as connection:
        await connection.execute(text("DROP TABLE usage_by_minute"))
        await connection.execute(text("CREATE TABLE of_a_later_release (id INTEGER)"))
    async with storage.reading() as connection:
        assert await differences(connection) == ["add table: usage_by_minute"]
    await storage.close()


async def test_without_a_database_it_says_how_to_make_one(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path / "none.db", "there is no database; `scriptforge db upgrade` makes one"),
        (tmp_path / "no" / "none.db", "there is no database"),
    ):
        storage = Storage(DatabaseUrl.parse(f"sqlite:///{path}"))
        with pytest.raises(DatabaseUnreachable, match=message):
            async with storage.reading() as connection:
                await connection.execute(text("SELECT 1"))
        await storage.close()
    with pytest.raises(DatabaseUnreachable, match="cannot be made: No such file"):
        await upgrade(Storage(DatabaseUrl.parse(f"sqlite:///{tmp_path}/no/none.db"), create=True))


async def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database at all, but longer than the header of one is: " * 20)
    storage = Storage(DatabaseUrl.parse(f"sqlite:///{tmp_path}/text.db"))
    with pytest.raises(DatabaseUnreachable, match="not a database"):
        async with storage.reading() as connection:
            await connection.execute(text("SELECT 1"))
    await storage.close()


async def test_a_new_file_is_nobody_else_s(tmp_path: Path) -> None:
    await (await made(f"sqlite:///{tmp_path}/x.db")).close()
    assert (tmp_path / "x.db").stat().st_mode & 0o007 == 0


async def test_who_waits_too_long_for_another_writer_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidecar.storage.engine.BUSY_SECONDS", 0)
    storage = await made(f"sqlite:///{tmp_path}/x.db")
    other = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseBusy, match="another process was writing"):
        async with storage.writing() as connection:
            await connection.execute(insert(tenants).values(name="a", created=0))
    other.close()
    await storage.close()


async def test_a_full_disk_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    storage = await made(f"sqlite:///{tmp_path}/x.db")

    async def write_much() -> None:
        async with storage.writing() as connection:
            pages = (await connection.execute(text("PRAGMA page_count"))).scalar_one()
            await connection.execute(text(f"PRAGMA max_page_count = {pages + 2}"))
            for number in range(10_000):
                await connection.execute(insert(tenants).values(name=f"{number}" * 40, created=0))

    with pytest.raises(DatabaseFull, match="no room on its disk; nothing was written"):
        await write_much()
    async with storage.reading() as connection:
        assert (await connection.execute(select(tenants))).all() == []
    await storage.close()


@pytest.mark.parametrize("name", ["postgresql", "mysql"])
async def test_a_server_that_lets_us_not_in_or_is_gone_is_told_without_the_password(
    name: str, servers: type[Servers]
) -> None:
    address = new_database(name)
    server = servers.get(name)
    for wrong, message in (
        (address.replace(f":{server.port}/", ":1/"), "cannot be asked"),
        (f"{address}_none", "cannot be asked: .*_none"),
    ):
        storage = Storage(DatabaseUrl.parse(wrong))
        with pytest.raises(DatabaseUnreachable, match=message) as raised:
            async with storage.reading() as connection:
                await connection.execute(text("SELECT 1"))
        assert "secret" not in str(raised.value)
        assert "unused" not in str(raised.value)
        await storage.close()


@pytest.mark.parametrize("name", ["postgresql", "mysql"])
async def test_a_server_that_comes_back_is_asked_again(name: str, servers: type[Servers]) -> None:
    storage = await made(new_database(name))
    server = servers.get(name)
    async with storage.reading() as connection:
        await connection.execute(select(tenants))
    server.stop()
    with pytest.raises(DatabaseUnreachable):
        async with storage.reading() as connection:
            await connection.execute(select(tenants))
    server.start()
    async with storage.reading() as connection:
        assert (await connection.execute(select(tenants))).all() == []
    await storage.close()


def test_a_server_that_has_gone_when_a_connection_is_given_back_is_told_as_gone() -> None:
    """SQLAlchemy does not wrap what the driver raises then."""
    url = DatabaseUrl.parse("mysql://scriptforge:secret@127.0.0.1:1/x")
    with pytest.raises(DatabaseUnreachable, match=r"cannot be asked: .*gone away") as raised, translated(url):
        raise import_module("asyncmy.errors").OperationalError(2006, "MySQL server has gone away")
    assert "secret" not in str(raised.value)
