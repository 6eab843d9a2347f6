"""Files of an app in a database: they import each other, and a save of one goes for those that import it too."""

import asyncio
from typing import Any, cast

import pytest
from sqlalchemy import select

from sidecar.catalog.database import scripts
from sidecar.catalog.database.checks import TextToSave
from sidecar.catalog.database.errors import AlreadyThere, ChangedMeanwhile, ScriptRefused, StillUsed, WrongValues
from sidecar.catalog.database.prepared import decode_prepared
from sidecar.catalog.database.source import DatabaseSource
from sidecar.catalog.database.values import table_of
from sidecar.catalog.directory.entries import ScriptTable
from sidecar.catalog.model import Snapshot
from sidecar.kind import Kind
from sidecar.problem import Severity
from sidecar.storage import tables
from tests.sidecar.catalog.database.store_desk import MAIN, OPERATOR, RULES, Desk

PRICE = "import { tax } from './tax'\nexport const base = (n) => n * 10\nexport const main = (n) => tax(n)\n"
TAX = "import { base } from './price'\nexport const tax = (n: number): number => base(n) * 2\n"
LIB = "export const rate = 7\n"


async def told(desk: Desk, tenant: str, app: str, texts: dict[str, str]) -> list[str]:
    with pytest.raises(ScriptRefused) as refused:
        await desk.files(tenant, app, texts)
    return [str(one) for one in refused.value.problems if one.severity is Severity.ERROR]


async def snapshot(desk: Desk) -> Snapshot:
    source = DatabaseSource(desk.storage.url, RULES)
    try:
        return (await asyncio.to_thread(source.load)).require()
    finally:
        source.close()


async def test_two_files_that_import_each_other_are_saved_together(desk: Desk) -> None:
    await desk.app("acme", "shop")
    assert await told(desk, "acme", "shop", {"price.js": PRICE}) == ["price.js:1:21: error: there is no file './tax'"]
    made = await desk.files("acme", "shop", {"price.js": PRICE, "tax.ts": TAX})
    assert {path: (one.version, one.app, one.kind) for path, one in made.items()} == {
        "price.js": (1, "shop", Kind.APP),
        "tax.ts": (1, "shop", Kind.APP),
    }
    found = (await snapshot(desk)).scripts
    assert found["price.js"].prepared.links == {"./tax": "tax.ts"}
    assert "n        )        " in found["price.js"].prepared.files["tax.ts"].text
    assert found["tax.ts"].prepared.files["price.js"].links == {"./tax": ""}
    assert found["price.js"].entries == ("main", "base")
    assert found["tax.ts"].entries == ("tax",)
    assert not found["tax.ts"].prepared.takes_calls
    # The same once more changes nothing.
    assert await desk.files("acme", "shop", {"price.js": PRICE, "tax.ts": TAX}) == made


async def test_a_file_that_is_saved_is_live_in_whatever_imports_it_and_makes_no_version_of_that(desk: Desk) -> None:
    await desk.app("acme", "shop")
    await desk.files("acme", "shop", {"price.js": PRICE, "tax.ts": TAX, "other.js": "export const main = () => 1"})
    source = DatabaseSource(desk.storage.url, RULES, poll_seconds=0.02)
    try:
        before = (await asyncio.to_thread(source.load)).require().scripts
        await desk.files("acme", "shop", {"tax.ts": TAX.replace("2", "3")})
        async with asyncio.timeout(20):
            await source.changed()
        after = (await asyncio.to_thread(source.load)).require().scripts
    finally:
        source.close()
    assert "* 3" in after["price.js"].prepared.files["tax.ts"].text
    assert after["price.js"].version != before["price.js"].version
    assert after["other.js"] is before["other.js"]
    assert ((await desk.get("acme", "price.js")).version, (await desk.get("acme", "tax.ts")).version) == (1, 2)
    assert (await snapshot(desk)).scripts == after


async def test_a_file_by_way_of_others_counts_too(sqlite_desk: Desk) -> None:
    desk = sqlite_desk
    await desk.app("acme", "shop")
    files = {
        "a.js": "import { b } from './x/lib/c'\nexport const main = () => b",
        "x/main.js": "import { b } from './lib/b.js'\nexport const main = () => b",
        "x/lib/b.ts": "export { rates as b } from '../rates.json'",
    }
    assert await told(desk, "acme", "shop", files) == [
        "a.js:1:19: error: there is no file './x/lib/c'",
        "x/lib/b.ts:1:28: error: there is no file '../rates.json'",
    ]
    files["a.js"] = files["a.js"].replace("/c", "/b")
    files |= {"x/lib/b.ts": "import rates from '../rates.json'\nexport const b: unknown = rates", "x/rates.json": "[1]"}
    await desk.files("acme", "shop", files)
    await desk.files("acme", "shop", {"x/rates.json": "[2]"})
    found = (await snapshot(desk)).scripts
    assert found["x/main.js"].prepared.files["x/rates.json"].text == "[2]"
    assert found["x/rates.json"].entries == ()


async def test_a_save_that_would_break_an_importer_is_refused_and_says_whose(desk: Desk) -> None:
    await desk.app("acme", "shop")
    await desk.files("acme", "shop", {"price.js": PRICE, "tax.ts": TAX})
    renamed = TAX.replace("const tax", "const vat")
    assert await told(desk, "acme", "shop", {"tax.ts": renamed}) == [
        "price.js:1:10: error: './tax' has no export 'tax'; it has vat"
    ]
    # What is wrong with the file itself is told of it alone.
    (one,) = await told(desk, "acme", "shop", {"tax.ts": "export const tax = ("})
    assert one.startswith("tax.ts:1:")
    assert (await desk.get("acme", "tax.ts")).version == 1
    made = await desk.files(
        "acme", "shop", {"tax.ts": renamed, "price.js": PRICE.replace("tax", "vat", 1).replace("tax(", "vat(")}
    )
    assert [one.version for one in made.values()] == [2, 2]
    # Another file may make a name mean two.
    assert await told(desk, "acme", "shop", {"tax.mjs": "export const vat = 1"}) == [
        "price.js:1:21: error: './tax' may be tax.mjs or tax.ts: write which"
    ]


async def test_what_is_looked_at_alone_never_leaves_an_importer_behind(sqlite_desk: Desk) -> None:
    desk = sqlite_desk
    await desk.app("acme", "shop")
    await desk.files("acme", "shop", {"price.js": PRICE, "tax.ts": TAX})
    checked = desk.checks.check_now("export const tax = 1", Kind.APP, "tax.ts")
    with pytest.raises(ChangedMeanwhile, match=r"file 'price\.js' of the app"):
        async with desk.store.working(OPERATOR, "acme") as work:
            await scripts.save_text(work, "tax.ts", checked)


@pytest.mark.parametrize("meanwhile", ["its file", "an importer", "the importer changes"])
async def test_what_changes_between_the_look_and_the_save_is_noticed(sqlite_desk: Desk, meanwhile: str) -> None:
    desk = sqlite_desk
    await desk.app("acme", "shop")
    await desk.files("acme", "shop", {"lib.js": LIB, "tax.js": "export { rate as tax } from './lib'"})
    wanted = TextToSave("tax.js", "import { rate } from './lib'\nexport const tax = rate\n", Kind.APP, "tax.js")
    (checked,) = await desk.checks.check_files(desk.store.reading("acme"), "shop", [wanted])
    if meanwhile == "its file":
        await desk.files("acme", "shop", {"lib.js": LIB + "export const more = 1\n"})
    else:
        await desk.files("acme", "shop", {"new.js": "export { tax as main } from './tax'"})
    if meanwhile == "the importer changes":
        (checked,) = await desk.checks.check_files(desk.store.reading("acme"), "shop", [wanted])
        await desk.files("acme", "shop", {"new.js": "export { tax as main, tax } from './tax'"})
    with pytest.raises(ChangedMeanwhile, match="of the app: has been changed meanwhile"):
        async with desk.store.working(OPERATOR, "acme") as work:
            await scripts.save_text(work, "tax.js", checked)


async def test_a_file_that_is_imported_stays(desk: Desk) -> None:
    await desk.app("acme", "shop")
    await desk.app("acme", "other")
    await desk.files("acme", "shop", {"price.js": PRICE, "tax.ts": TAX, "lib.js": LIB})
    async with desk.store.working(OPERATOR, "acme") as work:
        with pytest.raises(StillUsed, match=r"script 'tax\.ts' is imported: by price\.js"):
            await scripts.remove_script(work, "tax.ts")
        await scripts.remove_script(work, "lib.js")
        # Two that import each other go together.
        await scripts.remove_script(work, "tax.ts", together=["price.js"])
        await scripts.remove_script(work, "price.js")
    assert (await snapshot(desk)).scripts == {}


async def test_a_file_that_is_imported_is_not_moved_to_another_app_or_called_otherwise(sqlite_desk: Desk) -> None:
    desk = sqlite_desk
    await desk.app("acme", "shop")
    await desk.app("acme", "other")
    await desk.files("acme", "shop", {"price.js": "export { rate as main } from './lib'", "lib.js": LIB})
    with pytest.raises(StillUsed, match=r"imported: by price\.js"):
        await desk.put("acme", "lib.js", LIB, kind="app", app="other", file="lib.js")
    with pytest.raises(ScriptRefused, match=r"price\.js:1:30: error: there is no file './lib'"):
        await desk.checks.check_files(
            desk.store.reading("acme"), "shop", [TextToSave("rates.js", LIB, Kind.APP, "lib.js")]
        )
    # From one ending to another it goes on being what is meant.
    (checked,) = await desk.checks.check_files(
        desk.store.reading("acme"), "shop", [TextToSave("lib.ts", LIB, Kind.APP, "lib.js")]
    )
    async with desk.store.working(OPERATOR, "acme") as work:
        table = table_of("script", {"file": "lib.ts", "id": "lib.js", "app": "shop", "kind": "app"})
        await scripts.put_script(work, cast(ScriptTable, table), checked, RULES)
    assert list((await snapshot(desk)).scripts["price.js"].prepared.files) == ["lib.ts"]


async def test_an_app_has_each_name_once_and_no_app_sees_anothers(desk: Desk) -> None:
    for tenant, app in (("acme", "shop"), ("acme", "other"), ("beta", "theirs")):
        await desk.app(tenant, app)
    await desk.files("acme", "shop", {"lib.js": LIB})
    importing = {"price.js": "import { rate } from './lib'\nexport const main = () => rate"}
    for tenant, app in (("acme", "other"), ("acme", ""), ("beta", "theirs")):
        assert await told(desk, tenant, app, importing) == ["price.js:1:22: error: there is no file './lib'"]
    with pytest.raises(AlreadyThere, match=r"app 'shop' has a file 'lib\.js' already"):
        await desk.put("acme", "second", LIB, kind="app", app="shop", file="lib.js")
    with pytest.raises(AlreadyThere, match=r"has a file 'lib\.js' already"):
        await desk.checks.check_files(desk.store.reading("acme"), "shop", [TextToSave("lib", LIB, Kind.APP)])


async def test_scripts_without_an_app_import_each_other_where_it_is_sure_which_is_meant(sqlite_desk: Desk) -> None:
    desk = sqlite_desk
    importing = {"price.js": "import { rate } from './lib'\nexport const main = () => rate"}
    await desk.put("acme", "one", LIB, kind="app", file="lib.js")
    await desk.files("acme", "", importing)
    assert list((await snapshot(desk)).scripts["price.js"].prepared.files) == ["lib.js"]
    with pytest.raises(ScriptRefused, match=r"price\.js:1:22: error: there is no file './lib'"):
        await desk.checks.check_files(desk.store.reading("acme"), "", [TextToSave("lib.js", LIB, Kind.APP, "two")])
    await desk.files("acme", "", {"price.js": "export const main = () => 1"})
    await desk.put("acme", "two", LIB, kind="app", file="lib.js")
    assert await told(desk, "acme", "", importing) == ["price.js:1:22: error: there is no file './lib'"]


async def test_a_file_without_main_is_saved_and_is_given_no_calls(desk: Desk) -> None:
    await desk.app("acme", "shop")
    await desk.files("acme", "shop", {"lib.ts": "export const search = (a: string) => a\n", "d.json": "{}"})
    given: list[tuple[str, dict[str, Any]]] = [
        ("route", {"customer": "acme"}), ("did", {"did": "1"}), ("destination", {"destination": "1"}),
    ]  # fmt: skip
    for script in ("lib.ts", "d.json"):
        for kind, calls in given:
            with pytest.raises(WrongValues, match=f"the script '{script}' has no `main`, which calls need"):
                await desk.assign("acme", kind, script=script, **calls)
    with pytest.raises(WrongValues, match="runs on none"):
        await desk.put("acme", "every", LIB, kind="app", global_routing_priority="first")
    # Nor is it taken from one that has calls.
    await desk.put("acme", "main", MAIN, app="shop", kind="app")
    await desk.assign("acme", "route", customer="acme", script="main")
    with pytest.raises(StillUsed, match="script 'main' is assigned: route 'acme', which needs a `main`"):
        await desk.save("acme", "main", LIB, kind=Kind.APP)


async def test_rolling_back_a_file_that_is_imported(desk: Desk) -> None:
    await desk.app("acme", "shop")
    await desk.files("acme", "shop", {"lib.js": LIB, "price.js": "export const main = () => 1"})
    await desk.files("acme", "shop", {"lib.js": "export const rate = 8, more = 1\n"})
    await desk.files("acme", "shop", {"price.js": "import { more } from './lib'\nexport const main = () => more"})
    async with desk.store.reading("acme") as scope:
        _, first = await scripts.get_text(scope, "lib.js", 1)
    assert await told(desk, "acme", "shop", {"lib.js": first}) == [
        "price.js:1:10: error: './lib' has no export 'more'; it has rate"
    ]
    await desk.files("acme", "shop", {"price.js": "import { rate } from './lib'\nexport const main = () => rate"})
    await desk.files("acme", "shop", {"lib.js": first})
    assert (await snapshot(desk)).scripts["price.js"].prepared.files["lib.js"].text == LIB
    # What each version was made into stays with it.
    async with desk.storage.reading() as connection:
        query = select(tables.versions).where(tables.versions.c.script_id == "price.js").order_by("number")
        rows = (await connection.execute(query)).all()
    kept = [decode_prepared(row.prepared, "price.js", row.text, Kind.APP).files for row in rows]
    assert [{path: file.text for path, file in one.items()} for one in kept] == [
        {},
        {"lib.js": "export const rate = 8, more = 1\n"},
        {"lib.js": LIB},
    ]


async def test_names_that_a_pattern_would_take_for_others(desk: Desk) -> None:
    await desk.app("acme", "shop")
    names = ["a_b.js", "a%b.js", "axb.js", 'q"q.js', "ü.js"]
    await desk.files("acme", "shop", dict.fromkeys(names, LIB))
    importing = {
        f"of {n}.js": f"import {{ rate }} from './{name[:-3]}'\nexport const main = () => rate"
        for n, name in enumerate(names)
        if "%" not in name
    }
    await desk.files("acme", "shop", importing)
    changed = dict.fromkeys(names, LIB.replace("7", "8"))
    for name in names:
        await desk.files("acme", "shop", {name: changed[name]})
    for script in (await snapshot(desk)).scripts.values():
        assert "7" not in "".join(script.texts())
        assert (script.id in importing) == bool(script.prepared.files)
