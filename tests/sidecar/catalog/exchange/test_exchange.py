"""What an import changes in a database, and what it leaves."""

import base64
from pathlib import Path

import msgspec
import pytest

from sidecar.catalog.app_variables import Variable
from sidecar.catalog.database import apps
from sidecar.catalog.database.errors import AlreadyThere, ScriptRefused, StillUsed, WrongValues
from sidecar.catalog.directory.entries import (
    NumberTable,
    ProviderTable,
    RouteTable,
    ScheduleTable,
    ScriptTable,
    WebhookTable,
)
from sidecar.catalog.exchange.content import Content, TextOf, calls_of, differences
from sidecar.catalog.exchange.directory import write_directory, written_out
from sidecar.catalog.limits import TenantLimits
from sidecar.catalog.model import GlobalPriority
from sidecar.catalog.webhook_secret import SECRET_PREFIX
from sidecar.event_name import EventName
from sidecar.kind import Kind
from tests.sidecar.catalog.exchange.content_homes import ROOT, Home, exact, read, two, with_home


@pytest.mark.parametrize("gone", [False, True])
async def test_a_script_whose_calls_go_elsewhere_may_become_what_takes_none(tmp_path: Path, gone: bool) -> None:
    def catalog(kind: Kind, text: str, *routes: RouteTable) -> Content:
        texts = {"a": (kind, text), "b": (Kind.SCRIPT, "function main() {}\n")}
        return Content(
            tenants=frozenset({"operator"}),
            apps={},
            variables={},
            customers={},
            scripts={
                key: TextOf(written_out(ScriptTable(file=f"{key}.js", id=key, kind=kind)), text)
                for key, (kind, text) in texts.items()
            },
            assignments={calls_of(one): one for one in routes},
        )

    before = catalog(Kind.SCRIPT, "function main() {}\n", RouteTable(customer="acme", script="a"))
    elsewhere = () if gone else (RouteTable(customer="acme", script="b"),)
    after = catalog(Kind.DRIVER, "export const list = () => [];\n", *elsewhere)
    _, found = await with_home(f"sqlite:///{tmp_path}/x.db", before, after, delete=gone)
    assert (found.scripts["a"].table.kind, found.assignments) == (Kind.DRIVER, after.assignments)


async def test_carriers_and_their_numbers_stay_where_a_directory_does_not_name_them(tmp_path: Path) -> None:
    script = TextOf(written_out(ScriptTable(file="d.js", kind=Kind.DRIVER)), "function list() {}\n")
    none = Content(
        tenants=frozenset({"operator"}), apps={}, variables={}, customers={}, scripts={"d": script}, assignments={}
    )
    bought = msgspec.structs.replace(
        none,
        providers={("operator", "c"): ProviderTable(id="c", script="d")},
        numbers={"1": NumberTable(did="1", provider="c", customer="x")},
    )
    found = await with_home(f"sqlite:///{tmp_path}/x.db", bought, none, delete=True)
    assert exact(found[1]) == exact(bought)
    changed = msgspec.structs.replace(bought, numbers={"1": NumberTable(did="1", provider="c")})
    assert [str(one) for one in differences(bought, changed)] == ["~ number '1': customer x -> None"]


async def test_schedules_are_those_that_the_directory_names(tmp_path: Path) -> None:
    script = TextOf(written_out(ScriptTable(file="d.js")), "function main() {}\n")
    none = Content(
        tenants=frozenset({"operator"}), apps={}, variables={}, customers={}, scripts={"d": script}, assignments={}
    )
    table = ScheduleTable(id="s", script="d", cron="@daily")
    scheduled = msgspec.structs.replace(none, schedules={("operator", "s"): table})
    later = msgspec.structs.replace(table, cron="@weekly")
    changed = msgspec.structs.replace(none, schedules={("operator", "s"): later})
    empty = msgspec.structs.replace(none, scripts={})
    found = await with_home(f"sqlite:///{tmp_path}/x.db", scheduled, changed, empty, delete=True)
    assert [exact(one) for one in found] == [exact(one) for one in (scheduled, changed, empty)]
    assert [str(one) for one in differences(scheduled, changed)] == ["~ schedule operator s: cron @daily -> @weekly"]


SECRET = SECRET_PREFIX + base64.b64encode(b"0" * 32).decode()


def told(*tables: WebhookTable, secret: str | None = None) -> Content:
    """An App, and who is told of its calls."""
    script = TextOf(written_out(ScriptTable(file="d.js", kind=Kind.APP)), "export const main = () => 1;\n")
    return Content(
        tenants=frozenset({"operator"}),
        apps={},
        variables={},
        customers={},
        scripts={"d": script},
        assignments={},
        webhooks={(one.tenant, one.name): one for one in tables},
        webhook_secrets={} if secret is None else {"operator": secret},
    )


async def test_webhooks_are_those_that_the_directory_names(tmp_path: Path) -> None:
    crm = WebhookTable(name="crm", url="https://crm.example.com", events=(EventName.CALL_FINISHED,))
    job = WebhookTable(name="job", script="d", events=(EventName.RUN_FINISHED,), only="d")
    first = told(crm, job, secret=SECRET)
    then = told(msgspec.structs.replace(crm, url="https://other.example.com"), secret=SECRET)
    gone = msgspec.structs.replace(told(secret=SECRET), scripts={})
    found = await with_home(f"sqlite:///{tmp_path}/x.db", first, then, gone, delete=True)
    assert [exact(one) for one in found] == [exact(one) for one in (first, then, gone)]
    assert [str(one) for one in differences(first, then)] == [
        "~ webhook operator crm: url https://crm.example.com -> https://other.example.com",
        "- webhook operator job",
    ]


async def test_the_secret_of_webhooks_is_told_where_that_was_asked_for_and_stays_where_it_is_not(
    tmp_path: Path,
) -> None:
    crm = WebhookTable(name="crm", url="https://crm.example.com", events=(EventName.CALL_FINISHED,))
    home = Home(f"sqlite:///{tmp_path}/x.db")
    await home.make()
    assert (await home.take(told(crm)))[-1] == "+ webhook operator crm, which has no secret to be signed with yet"
    assert await home.take(told(crm, secret=SECRET)) == ["+ webhook secret 'operator'"]
    assert SECRET in str((await home.content()).webhook_secrets)
    public = await home.content(secrets=False)
    write_directory(tmp_path / "out", public)
    assert SECRET[6:] not in "".join(one.read_text() for one in (tmp_path / "out").rglob("*") if one.is_file())
    assert await home.take(read(tmp_path / "out"), delete=True) == []
    assert (await home.content()).webhook_secrets == {"operator": SECRET}
    other = SECRET_PREFIX + base64.b64encode(b"1" * 32).decode()
    (changed,) = differences(await home.content(), told(crm, secret=other))
    assert str(changed) == "~ webhook secret 'operator'"
    await home.store.close()


async def test_a_script_that_a_webhook_needs_stays(tmp_path: Path) -> None:
    home = Home(f"sqlite:///{tmp_path}/x.db")
    await home.make()
    events = (EventName.RUN_FINISHED,)
    runs = told(WebhookTable(name="job", script="d", events=events))
    await home.take(runs)
    with pytest.raises(StillUsed, match="script 'd' is run by the webhook 'job'"):
        await home.take(msgspec.structs.replace(runs, scripts={}), delete=True)
    of_it = told(WebhookTable(name="job", url="https://crm.example.com", events=events, only="d"))
    await home.take(of_it)
    with pytest.raises(StillUsed, match="script 'd' is what is told to the webhook 'job'"):
        await home.take(msgspec.structs.replace(of_it, scripts={}), delete=True)
    with pytest.raises(WrongValues, match="there is no function 'no' for callers; there are main"):
        await home.take(told(WebhookTable(name="job", script="d", function="no", events=events)))
    await home.store.close()


async def test_a_schedule_and_the_function_that_it_runs_change_together(tmp_path: Path) -> None:
    def content(text: str, function: str | None = None) -> Content:
        script = TextOf(written_out(ScriptTable(file="d.js", kind=Kind.APP)), text)
        tables = {}
        if function is not None:
            tables["operator", "s"] = ScheduleTable(id="s", script="d", cron="@daily", function=function)
        return Content(
            tenants=frozenset({"operator"}),
            apps={},
            variables={},
            customers={},
            scripts={"d": script},
            assignments={},
            schedules=tables,
        )

    first, then = content("export const old = () => 1;\n", "old"), content("export const later = () => 1;\n", "later")
    gone = content("export const none = () => 1;\n")
    found = await with_home(f"sqlite:///{tmp_path}/x.db", first, then, gone, delete=True)
    assert [exact(one) for one in found] == [exact(one) for one in (first, then, gone)]
    home = Home(f"sqlite:///{tmp_path}/y.db")
    await home.make()
    with pytest.raises(WrongValues, match="there is no function 'old' for callers; there are later"):
        await home.take(content("export const later = () => 1;\n", "old"))
    await home.take(first)
    with pytest.raises(StillUsed, match="script 'd' is run by the schedule 's': there is no function 'old'"):
        await home.take(msgspec.structs.replace(first, scripts=then.scripts))
    await home.store.close()


async def test_limits_stay_where_a_directory_does_not_say_them(tmp_path: Path) -> None:
    content = Content(tenants=frozenset({"operator"}), apps={}, variables={}, customers={}, scripts={}, assignments={})
    suspended = {"acme": TenantLimits(runs_at_once=0)}
    home = Home(f"sqlite:///{tmp_path}/x.db")
    await home.make()
    await home.take(msgspec.structs.replace(content, tenants=frozenset({"operator", "acme"}), limits=suspended))
    assert await home.take(content) == []
    assert (await home.content()).limits == suspended, "nobody who was suspended runs again by an import"
    assert await home.take(content, delete=True) == ["- limits 'acme'"]
    assert (await home.content()).limits == {}
    await home.store.close()


async def values(home: Home) -> dict[str, str]:
    async with home.store.reading() as scope:
        return {one.name: one.value for one in await apps.read_variables(scope, "shop")}


async def test_secrets_are_exported_only_where_it_is_said_and_an_import_leaves_them(tmp_path: Path) -> None:
    home = Home(f"sqlite:///{tmp_path}/x.db")
    await home.make()
    await home.take(two())
    async with home.store.working(ROOT, "operator") as work:
        for variable in (
            Variable(name="SECRET", value="s3cret", protected=True),
            Variable(name="LOCKED", value="here", locked=True),
            Variable(name="BOTH", value="both-s3cret", protected=True, private=True, locked=True),
            Variable(name="PLAIN", value="plain"),
        ):
            await apps.put_variable(work, "shop", variable)
    write_directory(tmp_path / "out", await home.content(secrets=False))
    text = (tmp_path / "out" / "assignments.toml").read_text()
    assert "s3cret" not in text
    assert "LOCKED" not in text
    assert 'name = "SECRET"\nprotected = true\n' in text
    before = await values(home)
    assert await home.take(read(tmp_path / "out"), delete=True) == []
    assert await values(home) == before
    write_directory(tmp_path / "all", await home.content())
    assert exact(read(tmp_path / "all")) == exact(await home.content())
    await home.store.close()


async def test_flags_say_what_an_import_does(tmp_path: Path) -> None:
    home = Home(f"sqlite:///{tmp_path}/x.db")
    await home.make()
    first = {"L": {"value": "1", "locked": True}, "D": {"value": "1", "default": True}, "P": {"value": "1"}}
    await home.take(two(variables=first))
    changed = {"L": {"value": "2"}, "D": {"value": "2", "default": True}, "P": {"value": "2"}, "N": {"protected": True}}
    told = await home.take(two(variables=changed))
    assert told == ["~ variable shop P: value", "+ variable shop N, without its value"]
    assert await values(home) == {"L": "1", "D": "1", "P": "2"}
    await home.store.close()


async def test_scripts_that_run_on_every_call_keep_the_order_of_the_directory(tmp_path: Path) -> None:
    def content(order: str) -> Content:
        return two(
            scripts={
                key: TextOf(
                    written_out(ScriptTable(file=f"{key}.js", global_routing_priority=GlobalPriority.FIRST)),
                    "function main() {}\n",
                )
                for key in order
            }
        )

    home = Home(f"sqlite:///{tmp_path}/x.db")
    await home.make()
    await home.take(content("xyz"))
    assert await home.take(content("zxy")) == ["~ order of the scripts that run on every call"]
    assert list((await home.content()).scripts) == ["a", "z", "x", "y"]
    assert await home.take(content("zxy")) == []
    await home.store.close()


async def test_what_is_refused_changes_nothing(tmp_path: Path) -> None:
    home = Home(f"sqlite:///{tmp_path}/x.db")
    await home.make()
    await home.take(two())
    before = exact(await home.content())
    table = written_out(ScriptTable(file="b.js", uuid=two().scripts["a"].table.uuid))
    with pytest.raises(AlreadyThere, match="is that of another script"):
        await home.take(
            two(
                scripts={
                    "0": TextOf(written_out(ScriptTable(file="0.js")), "main = 1"),
                    "b": TextOf(table, "function main() {}"),
                }
            )
        )
    assert exact(await home.content()) == before
    moved = two(scripts={"a": TextOf(written_out(ScriptTable(file="a.js", tenant="acme")), "function main() {}")})
    with pytest.raises(AlreadyThere, match="of the tenant 'operator' in the database, and of 'acme' here"):
        await home.take(msgspec.structs.replace(moved, tenants=frozenset({"operator", "acme"})))
    assert exact(await home.content()) == before
    with pytest.raises(ScriptRefused):
        await home.take(two(scripts={"b": TextOf(written_out(ScriptTable(file="b.js")), "function main( {}")}))
    await home.store.close()
