"""A catalog directory into a snapshot, or into every problem it has."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sidecar.catalog.directory import document as document_module
from sidecar.catalog.directory import loader as directory_module
from sidecar.catalog.directory.entries import read_table
from sidecar.catalog.directory.loader import DirectoryLoader
from sidecar.configuration.tree import CatalogSection, DecisionSection
from sidecar.kind import Kind
from sidecar.language.check import check_script
from sidecar.problem import Severity
from sidecar.sip_answer import SipAnswer
from sipio.routing import Direction
from tests.sidecar.catalog.catalog_desk import MAIN, ROUTE, Catalog, version_made_anew


def test_a_whole_catalog(catalog: Catalog) -> None:
    catalog.script("dnc.js")
    catalog.script("ivr.js", "async function main() { await 1 }")
    catalog.script("first.js")
    catalog.script("shared/last.js")
    catalog.script("plain.js")
    catalog.assign("""
[[script]]
file = "dnc.js"
id = "do-not-call"
name = "Do not call.js"
uuid = "11111111-2222-3333-4444-555555555555"
app = "lists"
memory_bytes = 50_000_000
environment = { API_BASE = "https://example.net" }
[[script]]
file = "ivr.js"
kind = "app"
[[script]]
file = "first.js"
global_routing_priority = "first"
timeout_ms = 100
timeout_action = "continue"
[[script]]
file = "shared/last.js"
global_routing_priority = "last"
vars = { level = 3 }

[[route]]
customer = "acme"
route = "uk"
script = "do-not-call"
timeout_ms = 200
timeout_action = "504 Too Slow"
error_action = "500 Script Error"
[route.vars]
schedule.week = [1, 2]
until = 2030-01-02T03:04:05Z
day = 2030-01-02

[[route]]
customer = "acme"
script = "plain"
vars = '''
[cli]
range = ["44", "45"]
'''
[[did]]
did = "442071234567"
script = "ivr"
""")
    loaded = catalog.load()
    assert loaded.problems == ()
    snapshot = loaded.require()
    assert sorted(snapshot.scripts) == ["do-not-call", "first", "ivr", "last", "plain"]
    script = snapshot.scripts["do-not-call"]
    assert script.name == "Do not call.js"
    assert script.kind is Kind.SCRIPT
    assert script.text == MAIN
    assert script.uuid == "11111111-2222-3333-4444-555555555555"
    assert (script.app, script.memory_bytes) == ("lists", 50_000_000)
    assert script.environment == {"API_BASE": "https://example.net"}
    assert snapshot.scripts["ivr"].kind is Kind.APP
    route = snapshot.routes["acme", "uk"]
    assert snapshot.scripts[route.script_id] is script
    assert (route.timeout_ms, route.timeout_action) == (200, SipAnswer(504, "Too Slow"))
    assert route.error_action == SipAnswer(500, "Script Error")
    assert route.variables == {
        "schedule": {"week": [1, 2]},
        "until": "2030-01-02T03:04:05+00:00",
        "day": "2030-01-02",
    }
    json.dumps(route.variables)
    every_other = snapshot.routes["acme", ""]
    assert every_other.variables == {"cli": {"range": ["44", "45"]}}
    assert (every_other.timeout_ms, every_other.timeout_action, every_other.error_action) == (
        2_000,
        SipAnswer(503, "Script Timeout"),
        None,
    )
    assert snapshot.dids["442071234567"].script_id == "ivr"
    assert [one.script_id for one in snapshot.first] == ["first"]
    assert (snapshot.first[0].timeout_ms, snapshot.first[0].timeout_action) == (100, None)
    assert [one.script_id for one in snapshot.last] == ["last"]
    assert snapshot.last[0].variables == {"level": 3}
    chain, own = snapshot.chain(Direction.TERMINATION, "acme", "fr", "")
    assert [one.script_id for one in chain] == ["first", "plain", "last"]
    assert own is every_other


def test_versions_are_those_that_they_always_were(catalog: Catalog) -> None:
    catalog.script("dnc.js")
    catalog.script("ivr.js", "async function main() { await 1 }")
    catalog.script("first.js")
    catalog.assign("""
[[script]]
file = "dnc.js"
id = "do-not-call"
name = "Do not call.js"
uuid = "11111111-2222-3333-4444-555555555555"
app = "lists"
memory_bytes = 50_000_000
environment = { API_BASE = "https://example.net", A = "1" }
[[script]]
file = "ivr.js"
kind = "app"
[[script]]
file = "first.js"
global_routing_priority = "first"
timeout_action = "continue"
[[route]]
customer = "acme"
route = "uk"
script = "do-not-call"
timeout_ms = 200
error_action = "500 Script Error"
vars = { until = 2030-01-02, b = [1, 2.5], a = { x = true } }
[[route]]
customer = "acme"
script = "first"
[[did]]
did = "442071234567"
script = "ivr"
[[destination]]
destination = "100"
script = "ivr"
customer = "acme"
vars.x = 1
""")
    snapshot = catalog.load().require()
    versions = {name: script.version for name, script in snapshot.scripts.items()}
    assert versions == {"do-not-call": "dfc372249e3a", "ivr": "926cbe91e0f5", "first": "440e6db54bc0"}
    assert snapshot.version == version_made_anew(snapshot) == "a81f1d699496"


def test_a_script_without_an_entry_keeps_its_uuid(catalog: Catalog) -> None:
    catalog.script("plain.js")
    assert catalog.load().require().scripts["plain"].uuid == "60f322d1-19c7-5f27-aaa8-db9df8578835"


def test_the_version_changes_with_what_a_run_depends_on_and_with_nothing_else(catalog: Catalog) -> None:
    def version() -> str:
        return catalog.load().require().scripts["a"].version

    catalog.script("a.js")
    plain = version()
    assert len(plain) == 12
    catalog.assign("# a comment\n[[did]]\ndid = '1'\nscript = 'a'\n")
    assert version() == plain
    versions = {plain}
    for line in ("kind = 'app'", "environment.A = '1'", "memory_bytes = 2_000_000", "app = 'x'", "name = 'b'"):
        catalog.assign(f"[[script]]\nfile = 'a.js'\n{line}\n")
        versions.add(version())
    catalog.assign("")
    catalog.script("a.js", MAIN + "\n")
    versions.add(version())
    assert len(versions) == 7


def test_the_snapshot_s_version_is_of_all_that_it_holds(tmp_path: Path) -> None:
    one, other = Catalog(tmp_path / "one"), Catalog(tmp_path / "other")
    for catalog in (one, other):
        catalog.script("a.js")
        catalog.script("b.js")
    did = "[[did]]\ndid = '{}'\nscript = 'a'\n"
    one.assign(did.format(1) + did.format(2))
    other.assign("# the same in another order\n" + did.format(2) + did.format(1))
    same = one.load().require().version
    assert other.load().require().version == same
    first = "[[script]]\nfile = '{}.js'\nglobal_routing_priority = 'first'\n"
    versions = [same]
    for text in (
        did.format(1),
        did.format(1) + "timeout_ms = 7\n",
        did.format(1) + "error_action = '500 No'\n",
        did.format(1) + "vars.x = 1\n",
        did.format(1).replace("'a'", "'b'"),
        "[[route]]\ncustomer = '1'\nscript = 'a'\n",
        first.format("a"),
        first.format("a").replace("first", "last"),
        first.format("a") + first.format("b"),
        first.format("b") + first.format("a"),
    ):
        one.assign(text)
        versions.append(one.load().require().version)
    one.script("a.js", MAIN + "//")
    versions.append(one.load().require().version)
    assert len(set(versions)) == 12


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    loaded = DirectoryLoader(CatalogSection(directory=tmp_path / "none"), DecisionSection()).load()
    assert [problem.message for problem in loaded.problems] == ["cannot be read: No such file or directory"]


def test_an_unchanged_script_is_not_checked_again(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []
    real = check_script

    def spy(text: str, kind: Kind, file: str, **rest: object) -> object:
        checked.append(Path(file).name)
        return real(text, kind, file)

    monkeypatch.setattr(directory_module, "check_script", spy)
    catalog.script("a.js")
    catalog.script("b.js")
    loader = DirectoryLoader(CatalogSection(directory=catalog.directory), DecisionSection())
    loader.load()
    catalog.script("b.js", "broken(")
    assert [problem.message for problem in loader.load().problems] == ["`(` is never closed"]
    assert [problem.message for problem in loader.load().problems] == ["`(` is never closed"]
    catalog.assign("[[script]]\nfile = 'a.js'\nkind = 'app'\n")
    loader.load()
    assert checked == ["a.js", "b.js", "b.js", "a.js"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@example(tables=[("[[script]]", {"file": "'a'"})])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["[[route]]", "[[did]]", "[[script]]", "[route.vars]", "[x]"]),
            st.dictionaries(
                st.sampled_from(["customer", "route", "did", "script", "file", "vars", "timeout_ms", "zzz", "id"]),
                st.sampled_from(["'a'", "'a.js'", "'b'", "1", "-1", "{}", "'x = 1'", "[]", "2020-01-01", "''"]),
            ),
        ),
        max_size=5,
    )
)
def test_any_assignments_are_a_snapshot_or_problems(catalog: Catalog, tables: list[tuple[str, dict[str, str]]]) -> None:
    catalog.script("a.js")
    catalog.assign(
        "\n".join(f"{header}\n" + "\n".join(f"{k} = {v}" for k, v in keys.items()) for header, keys in tables)
    )
    loaded = catalog.load()
    assert (loaded.snapshot is None) == any(one.severity is Severity.ERROR for one in loaded.problems)
    # Of a script's file as a whole there is no line to name.
    assert all(problem.line > 0 or problem.file.endswith("a.js") for problem in loaded.problems)


def test_unchanged_assignments_are_not_read_again(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def spy(name: str, table: Mapping[str, object]) -> object:
        read.append(name)
        return read_table(name, table)

    monkeypatch.setattr(document_module, "read_table", spy)
    catalog.script("a.js")
    catalog.script("b.js")
    did = "[[did]]\ndid = '1'\nscript = 'b'\n"
    catalog.assign(ROUTE + "vars.big = 9007199254740993\n" + did)
    loader = DirectoryLoader(CatalogSection(directory=catalog.directory), DecisionSection())
    before = loader.load()
    catalog.script("a.js", MAIN + "//")
    after = loader.load()
    assert read == ["route", "did"]
    assert after.problems == before.problems != ()
    assert after.require().routes is before.require().routes
    assert after.require().scripts["b"] is before.require().scripts["b"]
    # Where a place is asked for that was not known before, the document is looked at for it.
    (catalog.directory / "scripts" / "a.js").unlink()
    assert [problem.line for problem in loader.load().problems] == [3, 4]
    catalog.script("a.js")
    catalog.assign("# moved\n" + did + ROUTE.replace("acme", "beta") + did.replace("1", "2"))
    last = loader.load()
    assert last.problems == ()
    assert read == ["route", "did", "route", "did"]
    assert last.require().dids["1"] is before.require().dids["1"]
    assert list(last.require().routes) == [("beta", "")]


def test_modules_that_a_script_is_granted(catalog: Catalog) -> None:
    catalog.script("a.js")
    catalog.assign("[[script]]\nfile = 'a.js'\nkind = 'app'\nmodules = ['cxC5Server']\n")
    assert catalog.load().require().scripts["a"].modules == frozenset({"cxC5Server"})
    catalog.assign("[[script]]\nfile = 'a.js'\nkind = 'app'\nmodules = []\n")
    assert catalog.load().require().scripts["a"].modules == frozenset()
    catalog.assign("[[script]]\nfile = 'a.js'\nkind = 'app'\nmodules = ['cxC5Server',\n 'cxC5Serve']\n")
    assert catalog.problems() == [
        "assignments.toml:5:2: error: modules: there is no module 'cxC5Serve'; did you mean 'cxC5Server'?"
    ]
