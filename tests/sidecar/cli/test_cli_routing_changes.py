"""The diff of a decision, line by line."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sidecar.cli.routing_changes import Sign, changes
from sipio.routing import HeaderChanges


def diff(before: dict[str, Any], after: dict[str, Any], headers: HeaderChanges | None = None) -> list[str]:
    lines = changes(before, after, headers or HeaderChanges())
    return [f"{'   ' * line.depth}{line.sign} {line.text}" for line in lines]


def gateway(name: str, cli: str = "1", **more: Any) -> dict[str, Any]:
    return {"gw": {name: {"cli": cli}}, **more}


def routing(*destinations: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**more, "egress_routing": list(destinations)}


def test_nothing() -> None:
    assert diff(routing(gateway("a"), cli="1"), routing(gateway("a"), cli="1")) == []
    assert diff({}, {"egress_routing": []}) == []


def test_numbers_and_other_keys() -> None:
    before = routing(cli="1", dest_number="2", gone=True, nested={"a": 1, "b": 2})
    after = routing(cli="3", dest_number="", nested={"a": 1, "b": [4]}, more=None)
    assert diff(before, after) == [
        "~ cli  1 -> 3",
        '~ dest_number  2 -> ""',
        "- gone  true",
        "~ nested.b  2 -> [4]",
        "+ more  null",
    ]


def test_a_header_is_the_same_in_its_compact_form() -> None:
    headers = HeaderChanges(add=[("Subject", "new")], remove=["s"])
    assert diff(routing(gateway("a")), routing(gateway("a")), headers) == [
        "~ Subject: new  (all destinations, replaces the call's own)"
    ]


def test_headers_for_all_destinations() -> None:
    own = routing(gateway("a"), headers=[{"key": "X-Own", "value": 1}, {"key": "X-Old", "value": "o"}])
    headers = HeaderChanges(add=[("X-Own", "1"), ("X-New", "n"), ("x-tariff", "gold")], remove=["X-Tariff", "X-Gone"])
    assert diff(own, routing(gateway("a")), headers) == [
        "+ X-New: n  (all destinations)",
        "~ x-tariff: gold  (all destinations, replaces the call's own)",
        "- X-Gone  (all destinations)",
        "~ X-Old: o  (all destinations, no longer added)",
    ]


def test_the_switchs_own_headers_of_an_untouched_routing_stay() -> None:
    own = routing(gateway("a"), headers=[{"key": "X-Own", "value": 1}], remove_headers=[{"key": "X"}])
    assert diff(own, own) == []


def test_order_and_dropped_destinations() -> None:
    before = routing(gateway("a"), gateway("b"), gateway("c"))
    assert diff(before, routing(gateway("c"), gateway("a"))) == [
        "~ 1  c  (was 3)",
        "~ 2  a  (was 1)",
        "- 2  b  (dropped)",
    ]


def test_what_moves_up_for_a_dropped_one_has_not_changed_its_order() -> None:
    assert diff(routing(gateway("a"), gateway("b")), routing(gateway("b"))) == ["  1  b", "- 1  a  (dropped)"]


def test_no_destination_is_left() -> None:
    assert diff(routing(gateway("a")), routing()) == ["- 1  a  (dropped)"]


def test_inside_destinations() -> None:
    before = routing(gateway("a", rate=1), {"gw": {"b": {"cli": "1"}, "c": {"cli": "1"}}})
    after = routing(
        gateway("a", "2", rate=2, headers=[{"key": "X", "value": "1"}], remove_headers=[{"key": "Y"}]),
        {"gw": {"b": {"cli": "1"}, "c": {"cli": "3"}}},
    )
    assert diff(before, after) == [
        "  1  a",
        "   ~ cli  1 -> 2",
        "   ~ rate  1 -> 2",
        "   + X: 1",
        "   - Y",
        "  2  b, c",
        "   ~ c cli  1 -> 3",
    ]


def test_destinations_without_gateways_and_new_ones() -> None:
    before = routing({"id": 7}, {"id": 8})
    after = routing({"id": 8}, {"id": 7, "headers": [{"key": "X", "value": "1"}]}, gateway("new", headers=[]))
    assert diff(before, after) == [
        "~ 1  destination 2  (was 2)",
        "~ 2  destination 1  (was 1)",
        "   + X: 1",
        "+ 3  new  (new)",
    ]


def test_the_same_gateway_twice_is_told_apart_by_the_rest() -> None:
    before = routing(gateway("a", rate=1), gateway("a", rate=2))
    assert diff(before, routing(gateway("a", rate=2))) == ["  1  a", "- 1  a  (dropped)"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(["cli", "egress_routing", "headers", "remove_headers", "gw", "key", "value", "a"])
objects = st.recursive(
    st.dictionaries(keys, json_values, max_size=4),
    lambda inner: st.dictionaries(keys, inner | st.lists(inner, max_size=3), max_size=4),
    max_leaves=6,
)


@given(objects, objects)
def test_any_routing_has_a_diff_and_none_with_itself(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert all(line.text for line in changes(before, after, HeaderChanges()))
    assert changes(before, before, HeaderChanges()) == []


def test_signs_are_one_character() -> None:
    assert {len(sign) for sign in Sign} == {1}
