"""A change of assignments leaves what a compilation of all of them would, and looks at nothing else."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.catalog import assignments as compiling
from sidecar.catalog.compile import Compiled, compile_catalog
from sidecar.catalog.entries import (
    AssignmentEntry,
    Assignments,
    AssignmentsChange,
    CustomerEntry,
    DestinationEntry,
    DidEntry,
    Entries,
    Entry,
)
from sidecar.catalog.findings import Finding, wrong_values
from sidecar.kind import Kind
from tests.sidecar.catalog.catalog_desk import version_made_anew
from tests.sidecar.catalog.test_compile import RULES, route, script

SCRIPTS = (script("a"), script("b", kind=Kind.APP))
_VARS = st.sampled_from([{}, {"x": 1}, {"x": True}, {"y": [1.0]}, {"routing": 1}, {"big": 2**60}])
_SCRIPT = st.sampled_from("abc")
_CUSTOMER = st.sampled_from(["", "x", "y"])
_ENTRY = st.one_of(
    st.builds(
        lambda place, customer, name, given: route(customer or "z", name, place=place, vars=given),
        st.integers(0, 6), _CUSTOMER, _SCRIPT, _VARS,
    ),
    st.builds(
        lambda place, did, name, customer, given: DidEntry(
            place=place, did=did, script=name, customer=customer, vars=given
        ),
        st.integers(0, 6), st.sampled_from(["1", "+1-2", "12"]), _SCRIPT, _CUSTOMER, _VARS,
    ),
    st.builds(
        lambda place, to, name, customer: DestinationEntry(place=place, destination=to, script=name, customer=customer),
        st.integers(0, 6), st.sampled_from("*12"), _SCRIPT, _CUSTOMER,
    ),
)  # fmt: skip
_CUSTOMERS = st.dictionaries(st.sampled_from("xy"), _VARS, max_size=2)
_CHANGE = st.tuples(
    st.lists(_ENTRY, max_size=3, unique_by=lambda one: one.place), st.sets(st.integers(0, 6)), _CUSTOMERS
)


def customer(name: str, variables: dict[str, Any]) -> CustomerEntry:
    return CustomerEntry(place=f"customer {name}", customer=name, vars=variables)


def same(one: Compiled, other: Compiled) -> None:
    assert one.snapshot == other.snapshot
    assert one.partial == other.partial
    assert one.missing == other.missing
    assert one.entries_are_wrong == other.entries_are_wrong
    assert sorted(map(repr, one.findings)) == sorted(map(repr, other.findings))
    assert one.assignments.digest == other.assignments.digest
    if one.snapshot is not None:
        assert one.snapshot.version == version_made_anew(one.snapshot)


@settings(max_examples=400)
@given(st.lists(_ENTRY, max_size=5, unique_by=lambda one: one.place), _CUSTOMERS, st.lists(_CHANGE, max_size=4))
def test_change_by_change_is_afresh(
    first: list[AssignmentEntry],
    customers: dict[str, dict[str, Any]],
    changes: list[tuple[list[AssignmentEntry], set[int], dict[str, dict[str, Any]]]],
) -> None:
    held = {entry.place: entry for entry in first}
    named = {name: customer(name, given) for name, given in customers.items()}
    before = compile_catalog(Entries(SCRIPTS, Assignments(tuple(first), named)), RULES)
    for put, removed, customers_now in changes:
        now = {name: customer(name, given) for name, given in customers_now.items()}
        touched = [name for name in "xy" if name in now or name in named]
        for place in removed:
            held.pop(place, None)
        for entry in put:
            held.pop(entry.place, None)
            held[entry.place] = entry
        theirs = [one for one in held.values() if one.customer in touched and one not in put]
        for entry in theirs:
            del held[entry.place]
            held[entry.place] = entry
        change = AssignmentsChange(
            (*put, *theirs),
            removed - {one.place for one in (*put, *theirs)},
            tuple(now.values()),
            set(named) - set(now),
        )
        named = now
        # In the order that the change leaves them in, of which it is that one of two for the same calls is the first.
        order = [
            place
            for place in before.assignments.entries
            if place in held and place not in {one.place for one in change.put}
        ]
        afresh = [*(held[place] for place in order), *change.put]
        before = compile_catalog(Entries(SCRIPTS, change), RULES, before)
        same(before, compile_catalog(Entries(SCRIPTS, Assignments(tuple(afresh), named)), RULES))


def test_what_a_change_leaves_alone_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    every = tuple(route(f"c{number}", "a") for number in range(1_000))
    before = compile_catalog(Entries(SCRIPTS, Assignments(every)), RULES)
    looked: list[object] = []

    def looking(entry: Entry) -> Iterator[Finding]:
        looked.append(entry.place)
        return wrong_values(entry)

    monkeypatch.setattr(compiling, "wrong_values", looking)
    change = AssignmentsChange([route("c7", "a", timeout_ms=9)], ["route c8"])
    after = compile_catalog(Entries(SCRIPTS, change), RULES, before)
    assert set(looked) == {"route c7", "route c8"}
    assert after.snapshot is not None
    assert before.snapshot is not None
    assert after.snapshot.routes["c7", ""].timeout_ms == 9
    assert ("c8", "") not in after.snapshot.routes
    assert after.snapshot.routes["c9", ""] is before.snapshot.routes["c9", ""]
    assert len(before.snapshot.routes) == 1_000


def test_a_change_of_nothing_that_was_compiled_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="never compiled"):
        compile_catalog(Entries(SCRIPTS, AssignmentsChange()), RULES)


def test_a_customer_s_vars_come_before_those_of_their_routes_and_numbers() -> None:
    entries = (
        route("x", "a", vars={"rate": 1}),
        DidEntry(place="did", did="44", script="a", customer="x", vars={"own": 2}),
        DidEntry(place="other", did="45", script="a"),
        DestinationEntry(place="destination", destination="100", script="b", customer="x"),
    )
    customers = {"x": customer("x", {"rate": {"a": 7}, "more": True})}
    snapshot = compile_catalog(Entries(SCRIPTS, Assignments(entries, customers)), RULES).snapshot
    assert snapshot is not None
    assert snapshot.routes["x", ""].variables == {"rate": 1, "more": True}
    assert snapshot.dids["44"].variables == {"rate": {"a": 7}, "more": True, "own": 2}
    assert snapshot.dids["45"].variables == {}
    assert snapshot.destinations["100"].variables == {"rate": {"a": 7}, "more": True}


def test_a_customer_whose_vars_cannot_be_used_has_the_error_action() -> None:
    entries = (route("x", "a", error_action="500 No"), route("y", "a"))
    compiled = compile_catalog(Entries(SCRIPTS, Assignments(entries, {"x": customer("x", {"routing": 1})})), RULES)
    assert compiled.snapshot is None
    assert "customer 'x': vars: the key 'routing'" in compiled.partial.why_not(compiled.partial.routes["x", ""])
    assert compiled.partial.why_not(compiled.partial.routes["y", ""]) == ""
