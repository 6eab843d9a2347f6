"""The rules of a catalog, without a file: entries into a snapshot, or into what is wrong with which of them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from sandbox.program import Form
from sidecar.catalog.compile import Compiled, Rules, compile_catalog, make_script
from sidecar.catalog.entries import (
    AssignmentEntry,
    Assignments,
    DestinationEntry,
    DidEntry,
    Entries,
    RouteEntry,
    ScriptEntry,
)
from sidecar.catalog.model import GlobalPriority, Snapshot
from sidecar.configuration.tree import DecisionSection
from sidecar.kind import Kind
from sidecar.language.prepared import Prepared, prepare
from sidecar.sip_answer import SipAnswer
from tests.sidecar.catalog.catalog_desk import version_made_anew

RULES = Rules(modules=frozenset({"cxC5Server", "cxKV"}))
MAIN = "function main(data) { return data }\n"


def script(id: str, text: str = MAIN, **more: Any) -> ScriptEntry:  # noqa: A002 - the field's name
    prepared = prepare(text, more.get("kind", Kind.SCRIPT))
    fields = {"place": f"script {id}", "id": id, "name": f"{id}.js", "text": text, "prepared": prepared}
    return ScriptEntry(**fields | more)


def route(customer: str, script_id: str, **more: Any) -> RouteEntry:
    return RouteEntry(**{"place": f"route {customer}", "customer": customer, "script": script_id} | more)


def compiled(scripts: list[ScriptEntry], assignments: list[AssignmentEntry], **more: Any) -> Compiled:
    return compile_catalog(Entries(tuple(scripts), Assignments(tuple(assignments)), **more), RULES)


def told(of: Compiled) -> list[str]:
    return [
        f"{one.place}{''.join(f'.{key}' for key in one.key)}: {one.severity}: {one.told(str)}" for one in of.findings
    ]


def test_a_number_is_assigned_however_it_is_written() -> None:
    scripts = [script("a"), script("ivr", kind=Kind.APP, text="async function main() {}")]
    found = compiled(
        scripts,
        [
            DidEntry(place="did", did="+44 20 7946-0000", script="a"),
            DestinationEntry(place="destination", destination="tel:+44-20-7946-0000", script="ivr"),
        ],
    )
    assert found.snapshot is not None
    assert list(found.snapshot.destinations) == ["+442079460000"]
    assert list(found.snapshot.dids) == ["442079460000"]
    twice: list[AssignmentEntry] = [
        DidEntry(place="1", did="+4420", script="a"),
        DidEntry(place="2", did="+44-20;npdi", script="a"),
    ]
    assert "DID '+44-20;npdi': assigned on" in "".join(told(compiled(scripts, twice)))


def test_entries_become_what_the_call_path_reads() -> None:
    found = compiled(
        [
            script("a", timeout_ms=5, global_routing_priority=GlobalPriority.FIRST, modules=("cxKV",)),
            script("ivr", kind=Kind.APP, text="export const main = async () => 1\nexport function free() {}"),
        ],
        [
            route("acme", "a", route="uk", error_action="500 No", vars={"x": 1}),
            DidEntry(place="did", did="44", script="a"),
            DestinationEntry(place="destination", destination="100", script="ivr", customer="acme"),
        ],
    )
    assert found.findings == ()
    snapshot = found.snapshot
    assert snapshot is not None
    a, ivr = snapshot.scripts["a"], snapshot.scripts["ivr"]
    assert (a.prepared.text, a.entries, a.modules) == (MAIN, ("main",), frozenset({"cxKV"}))
    assert (ivr.prepared.text, ivr.prepared.form) == (ivr.text, Form.MODULE)
    assert (ivr.entries, ivr.modules) == (("main", "free"), None)
    uk = snapshot.routes["acme", "uk"]
    assert (uk.script_id, uk.timeout_ms, uk.variables) == ("a", 2_000, {"x": 1})
    assert (uk.timeout_action, uk.error_action) == (SipAnswer(503, "Script Timeout"), SipAnswer(500, "No"))
    assert snapshot.dids["44"].script_id == "a"
    assert snapshot.destinations["100"].customer == "acme"
    assert [one.timeout_ms for one in snapshot.first] == [5]
    assert snapshot.version == version_made_anew(snapshot)


@pytest.mark.parametrize(
    ("scripts", "assignments", "findings"),
    [
        ([script("a"), script("a", place="other")], [], ["other.id: error: the script id 'a' is taken by script a"]),
        (
            [script("a", uuid="1" * 32), script("b", uuid="1" * 32)],
            [],
            ["script b.uuid: error: uuid 11111111-1111-1111-1111-111111111111 is that of script 'a' already"],
        ),
        (
            [script("a", uuid="x")],
            [route("acme", "a")],
            ["script a.uuid: error: uuid: expected a UUID, such as 11111111-2222-3333-4444-555555555555, got 'x'"],
        ),
        (
            [script("a")],
            [route("acme", "aa")],
            ["route acme.script: error: there is no script 'aa'; did you mean 'a'?"],
        ),
        (
            [script("a")],
            [route("acme", "a"), route("acme", "a", place="other")],
            ["other: error: customer 'acme', every route: assigned on route acme already"],
        ),
        (
            [script("a")],
            [DestinationEntry(place="d", destination="100", script="a")],
            ["d.script: error: the script 'a' cannot drive a call: only an App can (kind = \"app\")"],
        ),
        (
            [script("12", name="menu.js"), script("13", name="tax.js", uuid="1" * 32), script("14", uuid="1" * 32)],
            [DestinationEntry(place="d", destination="100", script="12")],
            ["script 14.uuid: error: uuid 11111111-1111-1111-1111-111111111111 is that of script 'tax.js' (13) already",
             "d.script: error: the script 'menu.js' (12) cannot drive a call: only an App can (kind = \"app\")"],
        ),
        (
            [script("12", name="tax.js", kind=Kind.APP, text="export const tax = 1")],
            [route("acme", "12")],
            ["route acme.script: error: the script 'tax.js' (12) has no `main`, which calls need: "
             "other files may import it"],
        ),
        (
            [script("a", timeout_ms=5, given=frozenset({"timeout_ms", "id"}))],
            [],
            ["script a.timeout_ms: warning: timeout_ms has no effect: "
             "the script's global_routing_priority is 'disabled'"],
        ),
        (
            [script("a", kind=Kind.APP, modules=("cxKW",))],
            [],
            ["script a.modules.0: error: modules: there is no module 'cxKW'; did you mean 'cxKV'?"],
        ),
        (
            [script("a")],
            [route("acme", "nowhere", vars={"routing": 1})],
            ["route acme.vars.routing: error: vars: the key 'routing' is the call's own"],
        ),
        (
            [script("a")],
            [route("acme", "a", vars={"sip": 1})],
            ["route acme.vars.sip: warning: vars: the key 'sip' hides the data.sip that a Class 4 script finds else"],
        ),
        (
            [script("a")],
            [route("acme", "a", error_action="503")],
            ["route acme.error_action: error: error_action: expected 'continue' or a SIP answer from 300 to 699, "
             "such as '503 Script Timeout', got '503'"],
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_of_the_entry_that_is_at_fault(
    scripts: list[ScriptEntry], assignments: list[AssignmentEntry], findings: list[str]
) -> None:
    found = compiled(scripts, assignments)
    assert told(found) == findings
    assert (found.snapshot is None) == any(" error: " in finding for finding in findings)


def test_a_script_that_cannot_be_used_takes_its_id_and_what_points_to_it_is_not_at_fault() -> None:
    found = compiled([script("a", prepared=None)], [route("acme", "a")])
    assert (found.snapshot, found.findings) == (None, ())
    found = compiled([], [route("acme", "a")], broken=frozenset({"a"}))
    assert (found.snapshot, found.findings) == (None, ())


def test_a_source_can_refuse_one_save_and_nobody_else_s() -> None:
    good = [script("a"), script("b")]
    assigned = Assignments((route("acme", "a"),))
    running = compile_catalog(Entries(tuple(good), assigned), RULES)
    saved = script("b", kind=Kind.APP, modules=("none",))
    refused = compile_catalog(Entries((good[0], saved), assigned), RULES, running)
    assert {finding.place for finding in refused.findings} == {"script b"}
    other = script("a", MAIN + "// saved by another\n")
    after = compile_catalog(Entries((other, good[1]), assigned), RULES, refused)
    assert after.snapshot is not None
    assert after.snapshot.scripts["a"].text.endswith("another\n")


def test_what_a_changed_script_leaves_as_it_was_is_the_same_objects() -> None:
    assigned = Assignments((route("acme", "a"), DidEntry(place="did", did="44", script="b")))
    scripts = (script("a"), script("b"), script("c", global_routing_priority=GlobalPriority.LAST))
    before = compile_catalog(Entries(scripts, assigned), RULES)
    changed = (scripts[0], script("b", MAIN + "//"), structs.replace(scripts[2], place="elsewhere"))
    after = compile_catalog(Entries(changed, assigned), RULES, before)
    one, other = before.snapshot, after.snapshot
    assert one is not None
    assert other is not None
    assert other.routes is one.routes
    assert other.dids is one.dids
    assert other.destinations is one.destinations
    assert other.last[0] is one.last[0]
    assert [other.scripts[name] is one.scripts[name] for name in "abc"] == [True, False, True]
    assert other.version == version_made_anew(other) != one.version


def test_a_changed_assignment_leaves_the_others_the_same_objects() -> None:
    entries: list[AssignmentEntry] = [
        route("acme", "a"),
        route("beta", "a"),
        DidEntry(place="did", did="44", script="a"),
    ]
    before = compile_catalog(Entries((script("a"),), Assignments(tuple(entries))), RULES)
    entries[1] = route("beta", "a", timeout_ms=7)
    after = compile_catalog(Entries((script("a"),), Assignments(tuple(entries))), RULES, before)
    one, other = before.snapshot, after.snapshot
    assert one is not None
    assert other is not None
    assert other.routes["acme", ""] is one.routes["acme", ""]
    assert other.routes["beta", ""].timeout_ms == 7
    assert other.dids["44"] is one.dids["44"]


@pytest.mark.parametrize("value", [True, 1.0])
def test_what_python_takes_for_the_same_number_is_another_value_to_a_script(value: object) -> None:
    def entries(value: object) -> Entries:
        a = script("a", vars={"on": value}, global_routing_priority=GlobalPriority.FIRST)
        return Entries((a,), Assignments((route("acme", "a", vars={"on": [value]}),)))

    after = compile_catalog(entries(value), RULES, compile_catalog(entries(1), RULES)).snapshot
    assert after is not None
    assert repr(after.routes["acme", ""].variables) == repr({"on": [value]})
    assert repr(after.first[0].variables) == repr({"on": value})
    assert after.version == version_made_anew(after)


def test_vars_that_nest_too_deeply_are_told_as_often_as_they_are_compiled() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5_000):
        deep = {"x": deep}
    again = script("a", vars=deep, global_routing_priority=GlobalPriority.FIRST)
    before = compiled([script("a", vars={"x": deep}, global_routing_priority=GlobalPriority.FIRST)], [])
    after = compile_catalog(Entries((again,), Assignments()), RULES, before)
    assert told(after) == ["script a.vars: error: vars: more than 64 tables or lists within each other"]


def test_other_defaults_compile_everything_afresh() -> None:
    entries = Entries((script("a"),), Assignments((route("acme", "a"),)))
    before = compile_catalog(entries, RULES)
    after = compile_catalog(entries, Rules(DecisionSection(timeout_ms=9), RULES.modules), before)
    assert after.snapshot is not None
    assert after.snapshot.routes["acme", ""].timeout_ms == 9


def test_a_catalog_of_any_size_has_the_version_of_its_order_of_keys() -> None:
    entries = [route(f"{number * 7919 % 2_503}", "a", vars={"n": number}) for number in range(2_503)]
    versions = set()
    for order in (entries, entries[::-1]):
        snapshot = compiled([script("a")], list(order)).snapshot
        assert snapshot is not None
        versions.add(snapshot.version)
    assert len(versions) == 1


def test_a_script_made_by_hand_is_that_of_a_catalog() -> None:
    text = "export default () => 1"
    made = make_script(id="a", name="a.js", kind=Kind.APP, text=text)
    assert (made.text, made.prepared, made.entries) == (text, prepare(text, Kind.APP), ("main",))
    assert len(made.version) == 12
    granted = make_script(id="a", name="a.js", kind=Kind.APP, text=text, modules=frozenset())
    assert granted.version != made.version


_IDS = st.sampled_from("abc")
_MORE = st.fixed_dictionaries(
    {},
    optional={
        "timeout_ms": st.sampled_from([1, 2]),
        "error_action": st.sampled_from(["500 No", "continue", "bad"]),
        "vars": st.sampled_from([{"x": 1}, {"x": True}, {"x": [1.0]}, {"x": [1]}, {"routing": 1}, {"big": 2**60}]),
    },
)
_SCRIPTS = st.builds(
    lambda name, fields, more: script(name, **fields, **more),
    _IDS,
    st.fixed_dictionaries(
        {
            "place": st.integers(0, 5),
            "kind": st.sampled_from(Kind),
            "prepared": st.sampled_from([None, Prepared("1", ("main",)), Prepared("2", ("main",))]),
            "uuid": st.sampled_from([None, "1" * 32]),
            "global_routing_priority": st.sampled_from(GlobalPriority),
            "given": st.sampled_from([frozenset(), frozenset({"timeout_ms"})]),
        }
    ),
    _MORE,
)
_ASSIGNMENTS = st.one_of(
    st.builds(lambda name, place, customer, more: route(customer, name, place=place, **more),
              _IDS, st.integers(10, 20), st.sampled_from("xy"), _MORE),
    st.builds(lambda name, place, did, more: DidEntry(place=place, did=did, script=name, **more),
              _IDS, st.integers(10, 20), st.sampled_from("12"), _MORE),
    st.builds(lambda name, place, to: DestinationEntry(place=place, destination=to, script=name),
              _IDS, st.integers(10, 20), st.sampled_from("*1")),
)  # fmt: skip
_CATALOGS = st.lists(
    st.tuples(
        st.lists(_SCRIPTS, max_size=4),
        st.none() | st.lists(_ASSIGNMENTS, max_size=4, unique_by=lambda entry: entry.place),
        st.frozensets(_IDS, max_size=1),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=300, deadline=None)
@given(_CATALOGS)
def test_compiled_change_by_change_is_compiled_afresh(
    catalogs: list[tuple[list[ScriptEntry], list[AssignmentEntry] | None, frozenset[str]]],
) -> None:
    before: Compiled | None = None
    assigned = Assignments()
    for scripts, assignments, broken in catalogs:
        if assignments is not None:
            assigned = Assignments(tuple(assignments))
        entries = Entries(tuple(scripts), assigned, broken)
        before = compile_catalog(entries, RULES, before)
        afresh = compile_catalog(entries, RULES)
        assert before.findings == afresh.findings
        assert before.snapshot == afresh.snapshot
        _points_to_scripts_that_are_there(before.snapshot)


def _points_to_scripts_that_are_there(snapshot: Snapshot | None) -> None:
    if snapshot is not None:
        every = [*snapshot.routes.values(), *snapshot.dids.values(), *snapshot.first, *snapshot.last]
        assert {one.script_id for one in every} <= snapshot.scripts.keys()
        for voice in snapshot.destinations.values():
            assert snapshot.scripts[voice.script_id].kind is Kind.APP
