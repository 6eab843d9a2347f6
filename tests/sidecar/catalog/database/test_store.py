"""A catalog in a database: what is saved is there, whose it is decides who sees it, and each step is in the audit."""

import asyncio
import time
from typing import Any

import pytest
from sqlalchemy import select, update

from sidecar.catalog.app_variables import Variable
from sidecar.catalog.database import apps, assignments, audit, scripts, tenants, tokens
from sidecar.catalog.database.errors import (
    AlreadyThere,
    ChangedMeanwhile,
    NotAllowed,
    NotThere,
    ScriptRefused,
    StillUsed,
    WrongValues,
)
from sidecar.catalog.database.tokens import authenticate
from sidecar.catalog.database.usage import Used, add_usage, forget_usage, read_usage
from sidecar.catalog.database.values import table_of
from sidecar.catalog.database.work import Scope
from sidecar.kind import Kind
from sidecar.storage import tables
from sidecar.storage.errors import SchemaError
from tests.sidecar.catalog.database.store_desk import ACME, APP, MAIN, OPERATOR, RULES, Desk


def now() -> int:
    return time.time_ns() // 1000


async def test_every_save_is_a_version_that_is_kept(desk: Desk) -> None:
    made = await desk.put("acme", "a", note="first")
    assert (made.id, made.name, made.version, made.kind) == ("a", "a.js", 1, Kind.SCRIPT)
    saved = await desk.save("acme", "a", MAIN + "// \U0001f600\n", actor=ACME)
    assert saved.version == 2
    assert await desk.save("acme", "a", MAIN + "// \U0001f600\n") == saved
    assert (await desk.save("acme", "a", MAIN)).version == 3
    async with desk.store.reading("acme") as scope:
        versions = await scripts.list_versions(scope, "a")
        assert [(one.number, one.who, one.note) for one in versions] == [
            (3, "root", ""),
            (2, ACME.who, ""),
            (1, "root", "first"),
        ]
        assert [one.number for one in await scripts.list_versions(scope, "a", before=3, limit=1)] == [2]
        assert (await scripts.get_text(scope, "a", 2))[1] == MAIN + "// \U0001f600\n"
        assert (await scripts.get_text(scope, "a"))[0].hash == versions[2].hash
        with pytest.raises(NotThere, match="version 4 of script 'a'"):
            await scripts.get_text(scope, "a", 4)


async def test_two_editors_do_not_overwrite_each_other(desk: Desk) -> None:
    seen = await desk.put("acme", "a")
    one = await desk.save("acme", "a", MAIN + "// one\n", expected=seen.tag)
    with pytest.raises(ChangedMeanwhile) as raised:
        await desk.save("acme", "a", MAIN + "// other\n", expected=seen.tag)
    assert raised.value.tag == one.tag
    with pytest.raises(ChangedMeanwhile):
        await desk.put("acme", "a", name="another", expected=seen.tag)
    assert (await desk.put("acme", "a", MAIN + "// one\n", name="another", expected=one.tag)).name == "another"


async def test_a_broken_text_is_refused_with_its_place_and_nobody_else_is_hindered(desk: Desk) -> None:
    await desk.put("acme", "a")
    with pytest.raises(ScriptRefused) as raised:
        await desk.save("acme", "a", "function main() {\n  return )\n}\n")
    assert (raised.value.problems[0].line, raised.value.problems[0].column) == (2, 10)
    for text in ("\ud800", "x" * 1_000_001):
        with pytest.raises(ScriptRefused):
            desk.checks.check_now(text, Kind.SCRIPT, "a")
    assert (await desk.get("acme", "a")).version == 1
    assert (await desk.put("beta", "b")).version == 1


async def test_saves_at_once_are_each_a_version(desk: Desk) -> None:
    await desk.put("acme", "a")
    texts = [f"{MAIN}// {number}\n" for number in range(8)]
    saved = await asyncio.gather(*(desk.save("acme", "a", text) for text in texts))
    assert sorted(one.version for one in saved) == list(range(2, 10))
    async with desk.storage.reading() as connection:
        assert (await audit.verify(connection)).broken is None
        assert (await connection.execute(select(tables.revision.c.number))).scalar_one() == 10


async def test_the_same_once_more_changes_nothing(desk: Desk) -> None:
    async def everything() -> list[object]:
        await desk.app("acme", "shop")
        return [
            await desk.put("acme", "a", app="shop", vars={"x": [1, 1.0, True]}, environment={"A": "b"}, timeout_ms=7),
            await desk.put("acme", "ivr", APP, kind="app", modules=["cxKV"]),
            await desk.assign("acme", "route", customer="acme", script="a", route="uk", vars={"x": {"y": 2**70}}),
            await desk.assign("acme", "did", did="+44 20", script="a", customer="acme"),
            await desk.assign("acme", "destination", destination="*", script="ivr"),
            await desk.customer("acme", "acme", {"rate": 0.5}),
            await desk.variable("acme", "shop", "KEY", "s3cret", protected=True),
        ]

    first = await everything()
    async with desk.storage.reading() as connection:
        before = [list(await connection.execute(select(table))) for table in (tables.audit, tables.changes)]
    assert await everything() == first
    async with desk.storage.reading() as connection:
        assert [list(await connection.execute(select(table))) for table in (tables.audit, tables.changes)] == before


async def test_what_is_another_tenant_s_is_not_there(desk: Desk) -> None:
    await desk.app("acme", "shop")
    await desk.put("acme", "a", app="shop")
    assigned = await desk.assign("acme", "route", customer="acme", script="a")
    await desk.customer("acme", "acme", {})
    await desk.variable("acme", "shop", "KEY", "1")
    async with desk.store.working(OPERATOR, "acme") as work:
        token, _ = await tokens.make_token(work, "t", ["read"])
    async with desk.store.reading("beta") as scope:
        asked: list[Any] = [
            scripts.get_script(scope, "a"),
            scripts.list_versions(scope, "a"),
            scripts.get_text(scope, "a", 1),
            apps.get_app(scope, "shop"),
            apps.list_variables(scope, "shop"),
            apps.read_variables(scope, "shop"),
            assignments.get_assignment(scope, assigned.id),
            assignments.get_customer(scope, "acme"),
            tokens.get_token(scope, token.id),
        ]
        for one in asked:
            with pytest.raises(NotThere):
                await one
        for listed in (
            scripts.list_scripts,
            apps.list_apps,
            assignments.list_assignments,
            assignments.list_customers,
            tokens.list_tokens,
        ):
            assert list(await listed(scope)) == []
    checked = desk.checks.check_now(MAIN, Kind.SCRIPT, "a")
    changes: list[Any] = [
        lambda work: scripts.save_text(work, "a", checked),
        lambda work: scripts.remove_script(work, "a"),
        lambda work: apps.remove_app(work, "shop"),
        lambda work: apps.put_variable(work, "shop", Variable(name="KEY", value="2")),
        lambda work: apps.remove_variable(work, "shop", "KEY"),
        lambda work: assignments.unassign(work, assigned.id),
        lambda work: assignments.remove_customer(work, "acme"),
        lambda work: tokens.revoke_token(work, token.id),
    ]
    for change in changes:
        with pytest.raises(NotThere):
            async with desk.store.working(OPERATOR, "beta") as work:
                await change(work)
    with pytest.raises(AlreadyThere, match="the script id 'a' is taken"):
        await desk.put("beta", "a")
    with pytest.raises(AlreadyThere, match="the app id 'shop' is taken"):
        await desk.app("beta", "shop")
    await desk.put("beta", "b")
    with pytest.raises(AlreadyThere, match="assigned already"):
        await desk.assign("beta", "route", customer="acme", script="b")
    with pytest.raises(NotThere, match="no script 'a'"):
        await desk.assign("beta", "route", customer="beta", script="a")
    with pytest.raises(NotThere, match="no app 'shop'"):
        await desk.put("beta", "b", app="shop")


async def test_what_only_the_operator_may(sqlite_desk: Desk) -> None:
    desk = sqlite_desk
    await desk.put("acme", "a", actor=ACME)
    await desk.put("acme", "everywhere", global_routing_priority="first")
    with pytest.raises(NotAllowed, match="on every call"):
        await desk.put("acme", "a", actor=ACME, global_routing_priority="last")
    with pytest.raises(NotAllowed, match="on every call"):
        await desk.save("acme", "everywhere", MAIN + "//", actor=ACME)
    with pytest.raises(NotAllowed, match="on every call"):
        await desk.put("acme", "everywhere", MAIN, actor=ACME)
    with pytest.raises(NotAllowed, match="own routes"):
        await desk.assign("acme", "route", actor=ACME, customer="beta", script="a")
    with pytest.raises(NotAllowed, match="for the operator to say"):
        await desk.assign("acme", "did", actor=ACME, did="44", script="a")
    with pytest.raises(NotAllowed, match="its own vars"):
        await desk.customer("acme", "beta", {}, actor=ACME)
    await desk.assign("acme", "route", actor=ACME, customer="acme", script="a")
    await desk.assign("acme", "did", did="+44", script="a")
    changed = await desk.assign("acme", "did", actor=ACME, did="+4-4", script="a", timeout_ms=9)
    assert (changed.number, changed.timeout_ms) == ("+4-4", 9)
    with pytest.raises(NotAllowed, match="no other customer's"):
        await desk.assign("acme", "did", actor=ACME, did="+44", script="a", customer="beta")
    await desk.customer("acme", "acme", {"x": 1}, actor=ACME)
    async with desk.store.changing(ACME) as change:
        with pytest.raises(NotAllowed):
            await tenants.make_tenant(change, "gamma")


async def test_what_is_used_stays(desk: Desk) -> None:
    await desk.app("acme", "shop")
    await desk.put("acme", "ivr", APP, kind="app", app="shop")
    assigned = await desk.assign("acme", "destination", destination="100", script="ivr")
    await desk.variable("acme", "shop", "X", "1")
    with pytest.raises(StillUsed, match="script 'ivr' is assigned: destination '100'"):
        async with desk.store.working(OPERATOR, "acme") as work:
            await scripts.remove_script(work, "ivr")
    with pytest.raises(StillUsed, match="which only an App can"):
        await desk.save("acme", "ivr", MAIN, kind=Kind.SCRIPT)
    with pytest.raises(StillUsed, match="app 'shop' has 1 scripts"):
        async with desk.store.working(OPERATOR, "acme") as work:
            await apps.remove_app(work, "shop")
    async with desk.store.working(OPERATOR, "acme") as work:
        await assignments.unassign(work, assigned.id)
        await scripts.remove_script(work, "ivr")
        await apps.remove_variable(work, "shop", "X")
        await apps.remove_app(work, "shop")
    async with desk.storage.reading() as connection:
        entries = await audit.entries(connection, "acme", limit=4)
        assert [one.action for one in entries] == [
            "app.remove",
            "variable.remove",
            "script.remove",
            "assignment.remove",
        ]
        assert APP.strip() in (entries[2].before or "")
    assert (await desk.put("acme", "ivr")).version == 1


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        ("script", {"file": "a\x00.js", "id": "x"}, "file: has a NUL"),
        ("script", {"file": "a.js", "vars": {"x": [None]}}, "vars: null has no meaning"),
        ("script", {"file": "a.js", "modules": ["none"]}, "there is no module 'none'"),
        ("script", {"file": "a.js", "error_action": "999"}, "error_action"),
        ("script", {"file": "a.js", "nonsense": 1}, "unknown key 'nonsense'"),
        ("script", {"file": "a.js", "vars": {"routing": 1}, "global_routing_priority": "first"}, "the call's own"),
        ("route", {"customer": "acme", "script": "a", "timeout_ms": 0}, "timeout_ms"),
        ("route", {"customer": "acme", "script": "a", "error_action": f"500 {'x' * 300}"}, "error_action"),
        ("did", {"did": "1", "script": "a", "vars": {"routing": 1}}, "the call's own"),
        ("destination", {"destination": "1", "script": "a"}, "only an App can"),
    ],
)
async def test_wrong_values_are_told(sqlite_desk: Desk, kind: str, values: dict[str, Any], message: str) -> None:
    await sqlite_desk.put("acme", "a")

    async def put() -> None:
        table: Any = table_of(kind, values)
        async with sqlite_desk.store.working(OPERATOR, "acme") as work:
            if kind == "script":
                checked = sqlite_desk.checks.check_now(MAIN, Kind.SCRIPT, "a")
                await scripts.put_script(work, table, checked, RULES)
            else:
                await assignments.assign(work, table, RULES.defaults)

    with pytest.raises(WrongValues, match=message):
        await put()


async def test_a_script_made_without_an_id_has_a_number_and_a_uuid_of_chance(desk: Desk) -> None:
    async def make() -> scripts.ScriptRecord:
        table: Any = table_of("script", {"file": "a.js"})
        checked = desk.checks.check_now(MAIN, Kind.SCRIPT, "a")
        async with desk.store.working(OPERATOR, "acme") as work:
            return await scripts.put_script(work, table, checked, RULES)

    one, other = await make(), await make()
    assert one.id.isdigit()
    assert one.id != other.id
    assert one.uuid != other.uuid
    async with desk.storage.reading() as connection:
        assert await scripts.find_by_uuid(connection, other.uuid) == ("acme", other.id)
        with pytest.raises(NotThere):
            await scripts.find_by_uuid(connection, "x' OR '1'='1")
    async with desk.store.reading("acme") as scope:
        listed = await scripts.list_scripts(scope, limit=1)
        assert [*listed, *(await scripts.list_scripts(scope, after=listed[0].id))] == sorted(
            (one, other), key=lambda s: s.id
        )
        assert await scripts.list_scripts(scope, app="none") == []


async def test_a_protected_value_is_shown_nowhere(desk: Desk) -> None:
    await desk.app("acme", "shop")
    shown = await desk.variable("acme", "shop", "KEY", "s3cret", protected=True, private=True, locked=True)
    assert shown.value == "****"
    again = await desk.variable("acme", "shop", "KEY", "s3cret-2", protected=True, private=True, locked=True)
    assert (again.value, again.tag == shown.tag) == ("****", False)
    with pytest.raises(ChangedMeanwhile):
        async with desk.store.working(OPERATOR, "acme") as work:
            await apps.remove_variable(work, "shop", "KEY", expected=shown.tag)
    await desk.variable("acme", "shop", "currency", "EUR", default=True)
    async with desk.store.working(OPERATOR, "acme") as work:
        await apps.set_value(work, "shop", "KEY", "other-s3cret")
        with pytest.raises(WrongValues, match="is shown in place of"):
            await apps.set_value(work, "shop", "KEY", "****")
        with pytest.raises(WrongValues, match="set by the host"):
            await apps.set_value(work, "shop", "APP_ID", "9")
    async with desk.store.reading("acme") as scope:
        listed = await apps.list_variables(scope, "shop")
        assert [(one.name, one.value) for one in listed] == [("KEY", "****"), ("currency", "EUR")]
        read = await apps.read_variables(scope, "shop")
        key = read[0]
        assert (key.name, key.value, key.protected, key.locked) == ("KEY", "other-s3cret", True, True)
        assert "s3cret" not in repr(read)
        written = await audit.entries(scope.connection, None)
        assert "s3cret" not in repr(written)
        assert "EUR" in repr(written)


async def test_a_token_is_known_by_its_hash_alone(desk: Desk) -> None:
    async with desk.store.working(OPERATOR, "acme") as work:
        made, text = await tokens.make_token(work, "ci", ["write", "read"], expires=work.now + 10**9)
        assert made.scopes == ("read", "write")
        for name, scopes, message in (("x", ["all"], "got all"), ("x", [], "got none"), ("", ["read"], "name")):
            with pytest.raises(WrongValues, match=message):
                await tokens.make_token(work, name, scopes)
        with pytest.raises(WrongValues, match="over already"):
            await tokens.make_token(work, "x", ["read"], expires=work.now)
    assert text.startswith("sf_")
    bearer = await authenticate(desk.store, text, now())
    assert bearer is not None
    assert (bearer.tenant, sorted(bearer.scopes), bearer.token) == ("acme", ["read", "write"], made.id)
    assert not bearer.actor("::1").operator
    for wrong in ("", "sf_", text[:-1], text + "x", "sf_" + "x" * 10**6, "sf_\ud800", "sf_' OR 1=1 --"):
        assert await authenticate(desk.store, wrong, now()) is None
    assert await authenticate(desk.store, text, now() + 2 * 10**9) is None
    async with desk.store.reading("acme") as scope:
        record = await tokens.get_token(scope, made.id)
        assert record.last_used is not None
        rows = list(await scope.connection.execute(select(tables.tokens)))
        assert text.removeprefix("sf_") not in repr(rows) + repr(await audit.entries(scope.connection, None))
    async with desk.store.working(OPERATOR, "acme") as work:
        await tokens.revoke_token(work, made.id)
        await tokens.revoke_token(work, made.id)
    assert await authenticate(desk.store, text, now()) is None
    async with desk.store.working(OPERATOR, "operator") as work:
        _, text = await tokens.make_token(work, "root", ["admin"])
    bearer = await authenticate(desk.store, text, now())
    assert bearer is not None
    assert bearer.actor("::1").operator


async def test_a_change_of_the_audit_is_found(desk: Desk) -> None:
    await desk.put("acme", "a")
    await desk.save("acme", "a", MAIN + "//")
    async with desk.storage.reading() as connection:
        whole = await audit.verify(connection)
        assert (whole.entries, whole.broken) == (5, None)
        third = (await audit.entries(connection, None, before=4, limit=1))[0]
        assert (await audit.verify(connection, (3, third.hash))).broken is None
        broken = (await audit.verify(connection, (3, "0" * 64))).broken
        assert broken is not None
        assert "another hash than the one that is known" in broken.why
    for change, number, why in (
        (update(tables.audit).where(tables.audit.c.number == 4).values(who="nobody"), 4, "is not what was written"),
        (tables.audit.delete().where(tables.audit.c.number == 2), 3, "entries 2 to 2 are missing"),
        (tables.audit.delete().where(tables.audit.c.number > 3), None, "entries up to 5 were written"),
    ):

        class Undone(Exception):
            pass

        async def look() -> None:
            async with desk.storage.writing() as connection:
                await connection.execute(change)  # noqa: B023 - called within the turn
                found = (await audit.verify(connection)).broken
                assert found is not None
                assert why in found.why  # noqa: B023
                assert number in (None, found.number)  # noqa: B023
                raise Undone

        with pytest.raises(Undone):
            await look()


async def test_what_is_used_is_added_by_minute(desk: Desk) -> None:
    used = [Used(tenant="acme", app="shop", minute=7, runs=1, cpu_us=5), Used(tenant="none", app="", minute=7, runs=1)]
    await add_usage(desk.storage, used)
    await asyncio.gather(
        *(add_usage(desk.storage, [*used, Used(tenant="acme", app="", minute=8, bytes=3)]) for _ in range(3))
    )
    async with desk.store.reading("acme") as scope:
        assert list(await read_usage(scope, 0, 100)) == [
            Used(tenant="acme", app="shop", minute=7, runs=4, cpu_us=20),
            Used(tenant="acme", app="", minute=8, bytes=9),
        ]
        assert list(await read_usage(scope, 8, 9)) == [Used(tenant="acme", app="", minute=8, bytes=9)]
    async with desk.storage.writing() as connection:
        await forget_usage(connection, 8)
        scope = Scope(connection, 2, "acme")
        assert [one.minute for one in await read_usage(scope, 0, 100)] == [8]


async def test_a_store_without_its_tables_is_told(sqlite_desk: Desk) -> None:
    async with sqlite_desk.storage.writing() as connection:
        await connection.execute(update(tables.schema_state).values(number=99, serves_from=99))
    sqlite_desk.store._looked_at = False
    with pytest.raises(SchemaError, match="of a later release"):
        await sqlite_desk.get("acme", "a")


def test_a_difference_is_that_of_diff() -> None:
    assert scripts.difference("a\nb\n", "a\nc", ("1", "2")) == "--- 1\n+++ 2\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n"
    with pytest.raises(WrongValues):
        scripts.difference("\n" * 20_001, "", ("1", "2"))
