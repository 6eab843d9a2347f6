"""What was granted to a tenant and to its apps, and what that means for their scripts."""

import pytest
from msgspec import structs

from sidecar.catalog.compile import Rules, compile_catalog
from sidecar.catalog.entries import Assignments, Entries, ScriptEntry
from sidecar.catalog.model import Script
from sidecar.catalog.module_grants import (
    EVERY,
    NO_GRANTS,
    NOT_GRANTED,
    InstalledModules,
    ModuleGrants,
    decode_grants,
    encode_grants,
)
from sidecar.kind import Kind
from sidecar.language.app_files import AppFiles
from sidecar.language.modules import AVAILABLE
from sidecar.language.prepared import prepare

ENTRIES = {
    "moment": {"2.30.0": "moment old", "2.31.0": "moment new"},
    "csv-parse": {"4.16.3": "csv old", "5.6.0": "csv new"},
    "csv-parse/lib/sync": {"4.16.3": "csv sync"},
}
EVERYBODYS = InstalledModules(ENTRIES)
GRANTED_ALONE = InstalledModules(ENTRIES, ())
ALL = {"moment", "csv-parse", "csv-parse/lib/sync"}
MODULES = AVAILABLE | ALL | {"cxKV"}
TEXT = "const moment = require('moment'); const parse = require('csv-parse/lib/sync'); exports.main = () => moment;"


def test_an_app_has_its_own_besides_the_tenants() -> None:
    grants = ModuleGrants(modules={"a": "1.0.0", "b": "*"}, apps={"shop": {"a": "2.0.0", "c": "*"}})
    assert grants.of("") == {"a": "1.0.0", "b": "*"} == grants.of("other")
    assert grants.of("shop") == {"a": "2.0.0", "b": "*", "c": "*"}
    assert grants.count() == 4
    assert decode_grants(encode_grants(grants)) == grants


def test_one_is_granted_and_taken_back() -> None:
    grants = NO_GRANTS.with_grant("", "a", "*").with_grant("shop", "a", "1.0.0").with_grant("shop", "b", "*")
    assert grants.with_grant("", "a", "2.0.0").of("") == {"a": "2.0.0"}
    assert grants.without_grant("", "a") == ModuleGrants(apps={"shop": {"a": "1.0.0", "b": "*"}})
    assert grants.without_grant("shop", "a").without_grant("shop", "b").without_grant("", "a") == NO_GRANTS
    for app, name in (("", "c"), ("shop", "c"), ("other", "a")):
        with pytest.raises(KeyError):
            grants.without_grant(app, name)


@pytest.mark.parametrize(
    ("installed", "grants", "available"),
    [
        (EVERYBODYS, NO_GRANTS, ALL),
        (EVERYBODYS, ModuleGrants(modules={"csv-parse": "5.6.0"}), {"moment", "csv-parse"}),
        (EVERYBODYS, ModuleGrants(modules={"csv-parse": "9.0.0"}), {"moment"}),
        (GRANTED_ALONE, NO_GRANTS, set()),
        (GRANTED_ALONE, ModuleGrants(apps={"shop": {"csv-parse": "4.16.3"}}), {"csv-parse", "csv-parse/lib/sync"}),
        (GRANTED_ALONE, ModuleGrants(apps={"other": {"moment": "*"}}), set()),
        (InstalledModules(ENTRIES, ("moment",)), NO_GRANTS, {"moment"}),
        (InstalledModules(ENTRIES, ("moment",)), ModuleGrants(modules={"csv-parse": "*"}), ALL),
    ],
)
def test_what_a_script_may_name_is_what_it_is_granted(
    installed: InstalledModules, grants: ModuleGrants, available: set[str]
) -> None:
    rules = Rules(modules=MODULES, installed=installed)
    assert rules.known_to(None, grants, "shop") == AVAILABLE | {"cxKV"} | available
    assert rules.known_to({"cxKV", "moment"}, grants, "shop") == AVAILABLE | {"cxKV"} | (available & {"moment"})


def compiled(installed: InstalledModules, grants: ModuleGrants = NO_GRANTS, text: str = TEXT) -> Script:
    prepared = prepare(text, Kind.APP, AppFiles(entry="a.js"))
    entry = ScriptEntry(
        place="a", id="a", name="a.js", text=text, kind=Kind.APP, tenant="acme", app="shop", prepared=prepared
    )
    entries = Entries((entry,), Assignments(), grants={"acme": grants})
    snapshot = compile_catalog(entries, Rules(modules=MODULES, installed=installed)).snapshot
    assert snapshot is not None
    return snapshot.scripts["a"]


def test_a_version_that_was_granted_is_the_scripts() -> None:
    grants = ModuleGrants(modules={"moment": "2.30.0"}, apps={"shop": {"csv-parse": "4.16.3"}})
    assert compiled(EVERYBODYS).module_versions == {}
    assert compiled(EVERYBODYS, grants).module_versions == {"moment": "2.30.0", "csv-parse": "4.16.3"}
    assert compiled(GRANTED_ALONE, ModuleGrants(modules={"moment": "*"})).module_versions == {"csv-parse": NOT_GRANTED}


def test_a_script_is_another_version_only_where_something_of_it_changes() -> None:
    before = compiled(EVERYBODYS)
    assert compiled(EVERYBODYS, ModuleGrants(modules={"other": "1.0.0", "moment": "*"})).version == before.version
    assert compiled(EVERYBODYS, ModuleGrants(modules={"moment": "2.30.0"})).version != before.version
    plain = "exports.main = () => 1;"
    assert compiled(GRANTED_ALONE, text=plain) == compiled(EVERYBODYS, ModuleGrants(modules={"moment": "1"}), plain)


def test_a_change_of_grants_compiles_what_they_are_of() -> None:
    prepared = prepare(TEXT, Kind.APP, AppFiles(entry="a.js"))
    entry = ScriptEntry(place="a", id="a", name="a.js", text=TEXT, kind=Kind.APP, tenant="acme", prepared=prepared)
    other = structs.replace(entry, place="b", id="b", tenant="beta")
    rules = Rules(modules=MODULES, installed=EVERYBODYS)
    first = compile_catalog(Entries((entry, other), Assignments()), rules)
    grants = {"acme": ModuleGrants(modules={"moment": "2.30.0"})}
    second = compile_catalog(Entries((entry, other), Assignments(), grants=grants), rules, first)
    assert first.snapshot is not None
    assert second.snapshot is not None
    assert second.snapshot.scripts["a"].module_versions == {"moment": "2.30.0"}
    assert second.snapshot.scripts["b"] is first.snapshot.scripts["b"]
    assert second.snapshot.version != first.snapshot.version
    assert second.snapshot.module_grants == grants


def test_a_script_is_given_the_newest_text_or_that_of_its_version() -> None:
    assert compiled(EVERYBODYS).module_texts == {"moment": "moment new", "csv-parse/lib/sync": "csv sync"}
    pinned = ModuleGrants(modules={"moment": "2.30.0", "csv-parse": "5.6.0"})
    assert compiled(EVERYBODYS, pinned).module_texts == {"moment": "moment old"}
    assert compiled(GRANTED_ALONE).module_texts == {}


def test_what_is_installed_meanwhile_is_a_new_version_of_the_scripts_that_have_it() -> None:
    prepared = prepare(TEXT, Kind.APP, AppFiles(entry="a.js"))
    entry = ScriptEntry(place="a", id="a", name="a.js", text=TEXT, kind=Kind.APP, tenant="acme", prepared=prepared)
    pinned = structs.replace(entry, place="b", id="b", tenant="beta")
    installed = InstalledModules(ENTRIES)
    rules = Rules(modules=AVAILABLE, installed=installed)
    entries = Entries(
        (entry, pinned), Assignments(), grants={"beta": ModuleGrants(modules={"moment": "2.31.0", "csv-parse": "*"})}
    )
    first = compile_catalog(entries, rules)
    installed.use({**ENTRIES, "moment": {**ENTRIES["moment"], "2.32.0": "moment newer"}})
    second = compile_catalog(entries, rules, first)
    assert first.installed is not second.installed is installed.texts
    assert first.snapshot is not None
    assert second.snapshot is not None
    before, after = first.snapshot.scripts, second.snapshot.scripts
    assert after["a"].module_texts["moment"] == "moment newer"
    assert after["a"].version != before["a"].version
    assert after["b"] is before["b"]
    installed.use({})
    third = compile_catalog(entries, rules, second)
    assert {script.id: script.module_texts for script in third.partial.scripts.values()} == {"a": {}, "b": {}}
    assert rules.known_to(None) == AVAILABLE


def test_every_stands_for_all_that_are_not_named() -> None:
    granted = EVERYBODYS.granted(ModuleGrants(modules={"moment": "2.30.0"}), "")
    assert granted == {EVERY: "*", "moment": "2.30.0"}
