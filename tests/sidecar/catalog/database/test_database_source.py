"""A process that decides follows a database: what is saved is live, and what it has stays while that is gone."""

import asyncio
import os
import random
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec import structs
from sqlalchemy import text, update

from sidecar.catalog.database import apps, assignments, scripts
from sidecar.catalog.database.following import current_revision
from sidecar.catalog.database.source import DatabaseSource
from sidecar.catalog.limits import TenantLimits
from sidecar.catalog.model import Snapshot
from sidecar.catalog.module_grants import NO_GRANTS, ModuleGrants
from sidecar.catalog.source import Loaded, ServedBy
from sidecar.configuration.database_url import DatabaseUrl
from sidecar.errors import CatalogError
from sidecar.kind import Kind
from sidecar.language.prepared import prepare
from sidecar.nodes.in_database import listed
from sidecar.nodes.node import Node
from sidecar.storage import tables
from sidecar.storage.backup import write_backup
from sidecar.storage.schema import NUMBER
from tests.database_servers import Servers, new_database
from tests.sidecar.catalog.catalog_desk import version_made_anew
from tests.sidecar.catalog.database.store_desk import APP, MAIN, OPERATOR, RULES, Desk, made


@contextmanager
def following(url: DatabaseUrl, copy_folder: Path | None = None) -> Iterator[DatabaseSource]:
    source = DatabaseSource(url, RULES, poll_seconds=0.02, copy_folder=copy_folder)
    try:
        yield source
    finally:
        source.close()


async def loaded(source: DatabaseSource) -> Loaded:
    return await asyncio.to_thread(source.load)


async def next_loaded(source: DatabaseSource) -> Loaded:
    async with asyncio.timeout(20):
        await source.changed()
    return await loaded(source)


async def back(source: DatabaseSource) -> None:
    """Return once the database can be asked again: while it starts it has more than one word for that it cannot."""
    while (await next_loaded(source)).problems:
        pass


async def afresh(url: DatabaseUrl) -> Snapshot:
    with following(url) as source:
        return (await loaded(source)).require()


async def test_what_is_saved_is_there_at_once_and_the_rest_stays_the_same_objects(desk: Desk) -> None:
    await desk.app("acme", "shop")
    await desk.put("acme", "a", app="shop", environment={"OWN": "1"})
    await desk.put("beta", "b", global_routing_priority="first", vars={"x": 1})
    await desk.put("acme", "ivr", APP, kind="app")
    route = await desk.assign("acme", "route", customer="acme", script="a", vars={"x": [1.0]})
    await desk.assign("beta", "did", did="+44 20", script="b", customer="acme", timeout_ms=9)
    await desk.assign("acme", "destination", destination="*", script="ivr")
    with following(desk.storage.url) as source:
        first = (await loaded(source)).require()
        assert first == await afresh(desk.storage.url)
        assert first.version == version_made_anew(first)
        assert first.scripts["a"].tenant == "acme"
        assert repr(first.routes["acme", ""].variables) == "{'x': [1.0]}"
        assert first.dids["4420"].timeout_ms == 9
        assert [one.script_id for one in first.first] == ["b"]
        await desk.save("acme", "a", MAIN + "// more\n")
        second = (await next_loaded(source)).require()
        assert second.scripts["a"].text.endswith("more\n")
        assert second.scripts["b"] is first.scripts["b"]
        assert second.routes is first.routes
        await desk.variable("acme", "shop", "KEY", "s3cret", protected=True)
        third = (await next_loaded(source)).require()
        assert third.scripts["a"].environment == {"KEY": "s3cret", "OWN": "1"}
        await desk.customer("acme", "acme", {"rate": 1, "x": 2})
        fourth = (await next_loaded(source)).require()
        assert fourth.routes["acme", ""].variables == {"rate": 1, "x": [1.0]}
        assert fourth.dids["4420"].variables == {"rate": 1, "x": 2}
        assert fourth.destinations is third.destinations
        async with desk.store.working(OPERATOR, "acme") as work:
            await assignments.unassign(work, route.id)
            await assignments.remove_customer(work, "acme")
            await scripts.remove_script(work, "a")
            await apps.remove_variable(work, "shop", "KEY")
        fifth = (await next_loaded(source)).require()
        assert dict(fifth.routes) == {}
        assert fifth.dids["4420"].variables == {}
        assert sorted(fifth.scripts) == ["b", "ivr"]
        assert fifth == await afresh(desk.storage.url)


async def test_limits_of_tenants_are_followed(desk: Desk) -> None:
    await desk.put("acme", "a")
    await desk.limits("acme", runs_at_once=3)
    with following(desk.storage.url) as source:
        first = (await loaded(source)).require()
        assert first.limits == {"acme": TenantLimits(runs_at_once=3)}
        await desk.limits("beta", keys=0)
        await desk.limits("acme")
        second = (await next_loaded(source)).require()
        while second.limits.keys() != {"acme", "beta"}:
            second = (await next_loaded(source)).require()
        while second.limits["acme"] != TenantLimits():
            second = (await next_loaded(source)).require()
        assert second.limits["beta"] == TenantLimits(keys=0)
        assert second.version == first.version, "what is run is the same"
        assert second.scripts["a"] is first.scripts["a"]
    assert (await afresh(desk.storage.url)).limits == {"beta": TenantLimits(keys=0)}


async def test_modules_that_tenants_are_granted_are_followed(desk: Desk) -> None:
    await desk.put("acme", "a")
    await desk.grant("acme", ModuleGrants(modules={"moment": "*"}))
    with following(desk.storage.url) as source:
        first = (await loaded(source)).require()
        assert first.module_grants == {"acme": ModuleGrants(modules={"moment": "*"})}
        await desk.grant("acme", ModuleGrants(apps={"shop": {"axios": "1.21.1"}}))
        second = (await next_loaded(source)).require()
        while second.module_grants == first.module_grants:
            second = (await next_loaded(source)).require()
        assert second.module_grants == {"acme": ModuleGrants(apps={"shop": {"axios": "1.21.1"}})}
        await desk.grant("acme", NO_GRANTS)
        while second.module_grants != {"acme": NO_GRANTS}:
            second = (await next_loaded(source)).require()
    assert (await afresh(desk.storage.url)).module_grants == {}


async def test_many_changes_followed_are_what_is_there(sqlite_desk: Desk) -> None:
    desk, chance = sqlite_desk, random.Random(7)  # noqa: S311 - the same each time
    for name in "ab":
        await desk.put("acme", name)
    with following(desk.storage.url) as source:
        await loaded(source)
        held: list[int] = []
        for step in range(60):
            match chance.randrange(5):
                case 0:
                    await desk.save("acme", chance.choice("ab"), f"{MAIN}// {step}\n")
                case 1:
                    await desk.customer("acme", f"c{chance.randrange(3)}", {"n": step})
                case 2 if held:
                    async with desk.store.working(OPERATOR, "acme") as work:
                        await assignments.unassign(work, held.pop(chance.randrange(len(held))))
                case _:
                    record = await desk.assign(
                        "acme", "route", customer=f"c{chance.randrange(3)}", route=f"r{chance.randrange(4)}",
                        script=chance.choice("ab"), timeout_ms=step + 1,
                    )  # fmt: skip
                    held = [*{*held, record.id}]
            if chance.randrange(3) == 0:
                await loaded(source)
        expected = await afresh(desk.storage.url)
        snapshot = (await loaded(source)).require()
        while snapshot.version != expected.version:
            snapshot = (await next_loaded(source)).require()
        assert snapshot == expected


async def test_who_has_missed_too_many_changes_reads_everything(sqlite_desk: Desk) -> None:
    await sqlite_desk.put("acme", "a")
    await sqlite_desk.assign("acme", "route", customer="acme", script="a")
    for name in ("beta", "gone"):
        await sqlite_desk.assign("acme", "route", customer=name, script="a", vars={"x": [1]})
        await sqlite_desk.customer("acme", name, {"theirs": 1})
    with following(sqlite_desk.storage.url) as source:
        first = (await loaded(source)).require()
        async with sqlite_desk.storage.writing() as connection:
            acme = tables.assignments.c.subject == "acme"
            await connection.execute(update(tables.assignments).where(acme).values(timeout_ms=77))
            await connection.execute(tables.assignments.delete().where(tables.assignments.c.subject == "gone"))
            await connection.execute(tables.customers.delete().where(tables.customers.c.name == "gone"))
            await connection.execute(update(tables.revision).values(number=500, complete_from=400))
            await connection.execute(tables.changes.delete())
        snapshot = (await next_loaded(source)).require()
        assert snapshot.routes["acme", ""].timeout_ms == 77
        assert snapshot.routes["beta", ""] is first.routes["beta", ""]
        assert snapshot == await afresh(sqlite_desk.storage.url)
        async with sqlite_desk.store.changing(OPERATOR) as change:
            await change.connection.execute(update(tables.customers).values(vars='{"theirs":2}'))
            change.changed_everything()
        snapshot = (await next_loaded(source)).require()
        assert snapshot.routes["beta", ""].variables == {"theirs": 2, "x": [1]}
        assert snapshot == await afresh(sqlite_desk.storage.url)


async def test_what_a_hand_has_broken_gets_its_error_action_and_the_rest_is_taken(sqlite_desk: Desk) -> None:
    desk = sqlite_desk
    for name in "abc":
        await desk.put("acme", name)
        await desk.assign("acme", "route", customer=name, script=name, error_action="500 No")
    async with desk.store.changing(OPERATOR) as change:
        await change.connection.execute(text("UPDATE scripts SET vars = '{' WHERE id = 'a'"))
        await change.connection.execute(text("UPDATE assignments SET vars = '[' WHERE subject = 'b'"))
        change.changed("script", "a")
    with following(desk.storage.url) as source:
        found = await loaded(source)
    snapshot = found.require()
    assert "row cannot be read" in snapshot.why_not(snapshot.routes["a", ""])
    assert "row cannot be read" in snapshot.why_not(snapshot.routes["b", ""])
    assert snapshot.why_not(snapshot.routes["c", ""]) == ""
    assert [one.served_by for one in found.broken] == [ServedBy.ERROR_ACTION] * 2


async def test_a_text_that_another_release_prepared_is_prepared_again(sqlite_desk: Desk) -> None:
    await sqlite_desk.put("acme", "a", "export default () => 1", kind="app")
    async with sqlite_desk.storage.writing() as connection:
        await connection.execute(update(tables.versions).values(prepared='[0, "of another form"]'))
    snapshot = await afresh(sqlite_desk.storage.url)
    assert snapshot.scripts["a"].prepared == prepare("export default () => 1", Kind.APP)


async def test_a_kind_of_a_later_release_costs_its_own_script_alone(sqlite_desk: Desk) -> None:
    for name in "ab":
        await sqlite_desk.put("acme", name)
    async with sqlite_desk.storage.writing() as connection:
        later = update(tables.versions).where(tables.versions.c.script_id == "a")
        await connection.execute(later.values(kind="of-later", prepared="[9,null]"))
    snapshot = await afresh(sqlite_desk.storage.url)
    assert sorted(snapshot.scripts) == ["b"]
    assert "row cannot be read" in snapshot.unusable["a"]


async def test_while_the_database_is_gone_the_last_catalog_serves_and_it_comes_back_by_itself(
    servers: type[Servers], tmp_path: Path
) -> None:
    desk = await made(new_database("postgresql"))
    await desk.put("acme", "a")
    server = servers.get("postgresql")
    with following(desk.storage.url, tmp_path / "kept") as source:
        first = (await loaded(source)).require()
        await desk.save("acme", "a", MAIN + "// second\n")
        second = (await next_loaded(source)).require()
        server.stop()
        try:
            gone = await next_loaded(source)
            assert gone.require().scripts["a"] is second.scripts["a"]
            assert "cannot be asked" in gone.problems[0].message
            assert "unused" not in str(gone.problems[0])
            assert [str(one) for one in gone.broken] == ["the database: its last good version serves"]
            # A process that starts meanwhile has the copy, with what was changed since it was made.
            with following(desk.storage.url, tmp_path / "kept") as other:
                started = await loaded(other)
                assert started.require() == second != first
                assert "cannot be asked" in started.problems[0].message
                # One without has nothing to run by.
                with (
                    following(desk.storage.url, tmp_path / "none") as without,
                    pytest.raises(CatalogError, match="cannot be"),
                ):
                    await loaded(without)
                server.start()
                await back(other)
        finally:
            if server.program.process.poll() is not None:
                server.start()
        await back(source)
        await desk.save("acme", "a", MAIN + "// third\n")
        assert (await next_loaded(source)).require().scripts["a"].text.endswith("third\n")
    await desk.close()


async def test_a_copy_is_nobody_else_s_and_of_one_database(sqlite_desk: Desk, tmp_path: Path) -> None:
    await sqlite_desk.app("acme", "shop")
    await sqlite_desk.put("acme", "a", app="shop")
    await sqlite_desk.variable("acme", "shop", "KEY", "s3cret", protected=True)
    kept = tmp_path / "kept"
    with following(sqlite_desk.storage.url, kept) as source:
        await loaded(source)
        await sqlite_desk.save("acme", "a", MAIN + "//\n")
        await next_loaded(source)
    (copy,) = kept.iterdir()
    assert copy.stat().st_mode & 0o077 == 0
    # What was being written when the process was killed is not there.
    copy.write_bytes(copy.read_bytes()[:-3])
    assert sqlite_desk.storage.url.path is not None
    sqlite_desk.storage.url.path.rename(tmp_path / "elsewhere.db")
    with following(sqlite_desk.storage.url, kept) as source:
        found = await loaded(source)
        assert found.require().scripts["a"].text == MAIN
        assert "there is no database" in found.problems[0].message
    with (
        following(DatabaseUrl.parse(f"sqlite:///{tmp_path}/other.db"), kept) as source,
        pytest.raises(CatalogError, match="there is no database"),
    ):
        await loaded(source)


async def test_a_backup_that_is_restored_is_what_serves(sqlite_desk: Desk, tmp_path: Path) -> None:
    await sqlite_desk.put("acme", "a")
    path = sqlite_desk.storage.url.path
    assert path is not None
    await write_backup(sqlite_desk.storage.url, tmp_path / "backup.db")
    with following(sqlite_desk.storage.url) as source:
        await loaded(source)
        await sqlite_desk.save("acme", "a", MAIN + "// later\n")
        assert (await next_loaded(source)).require().scripts["a"].text.endswith("later\n")
        for end in ("", "-wal", "-shm"):
            path.with_name(path.name + end).unlink(missing_ok=True)
        (tmp_path / "backup.db").rename(path)
        found = await next_loaded(source)
        while found.problems:  # there was a moment without a file
            found = await next_loaded(source)
        assert found.require().scripts["a"].text == MAIN
        await sqlite_desk.save("acme", "a", MAIN + "// other\n")
        assert (await next_loaded(source)).require().scripts["a"].text.endswith("other\n")


async def test_a_reader_that_is_killed_is_followed_by_another(sqlite_desk: Desk) -> None:
    await sqlite_desk.put("acme", "a")
    with following(sqlite_desk.storage.url) as source:
        first = (await loaded(source)).require()
        assert source._reader is not None
        os.kill(source._reader.pid, signal.SIGKILL)
        with pytest.raises(CatalogError, match="the process that reads it has ended: exit status"):
            await next_loaded(source)
        await sqlite_desk.save("acme", "a", MAIN + "// after\n")
        again = await next_loaded(source)
        assert again.require().scripts["a"] is first.scripts["a"]
        assert (await next_loaded(source)).require().scripts["a"].text.endswith("after\n")


async def test_a_schema_of_a_later_release_is_told_and_the_last_catalog_serves(sqlite_desk: Desk) -> None:
    await sqlite_desk.put("acme", "a")
    later = NUMBER + 1
    with following(sqlite_desk.storage.url) as source:
        first = (await loaded(source)).require()
        async with sqlite_desk.storage.writing() as connection:
            await connection.execute(update(tables.schema_state).values(number=later, serves_from=later))
        found = await next_loaded(source)
        assert found.require().scripts["a"] is first.scripts["a"]
        assert f"has the schema {later} of a later release" in found.problems[0].message


async def test_a_source_is_closed_while_it_is_loaded(sqlite_desk: Desk) -> None:
    source = DatabaseSource(sqlite_desk.storage.url, RULES)
    loading = asyncio.create_task(loaded(source))
    await asyncio.sleep(0)
    await asyncio.to_thread(source.close)
    try:
        await loading
    except CatalogError as error:
        assert "has ended" in str(error)  # noqa: PT017 - where it was quick it had all of it
    source.close()


async def test_who_follows_is_listed_until_it_ends(desk: Desk) -> None:
    node = Node(
        id="1", name="a", role="daemon", pid=1, version="1", catalog="x", since=1, runs=0, calls=0, runs_a_second=0.0
    )
    with following(desk.storage.url) as source:
        await source.tell(node)  # nobody is there yet
        assert (await loaded(source)).revision is not None
        for runs in (1, 2):
            await source.tell(structs.replace(node, runs=runs))
            await source.tell(structs.replace(node, runs=runs, name="x" * select.PIPE_BUF))
            async with asyncio.timeout(20):
                while [(one.name, one.runs) for one in await listed(desk.storage)] != [("a", runs)]:
                    pass
        await asyncio.to_thread(source.close)
        assert await listed(desk.storage) == []
        await source.tell(node)
        assert await listed(desk.storage) == []


async def test_the_revision_is_that_of_the_last_change(desk: Desk) -> None:
    await desk.put("acme", "a")
    with following(desk.storage.url) as source:
        first = (await loaded(source)).revision
        assert first is not None
        await desk.save("acme", "a", MAIN + "// more\n")
        second = (await next_loaded(source)).revision
        async with desk.storage.reading() as connection:
            assert second == await current_revision(connection)
        assert second > first
