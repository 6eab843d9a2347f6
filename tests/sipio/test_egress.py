"""From a Decision to destinations, the same for every switch."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipio.egress import DecisionError, Destination, Egress, OwnRoute, Refusal, read_egress
from sipio.routing import Action, Decision, pack_routing

OFFERED = {"one": 1, "two": 2}


def read(egress_routing: Any, offered: dict[str, int] = OFFERED, **routing: Any) -> Egress[int] | Refusal | OwnRoute:
    decision = Decision(action=Action.ROUTE, routing=pack_routing({"egress_routing": egress_routing, **routing}))
    return read_egress(decision, cli="100", number="7000", offered=offered)


def going(egress_routing: Any, **routing: Any) -> Egress[int]:
    egress = read(egress_routing, **routing)
    assert isinstance(egress, Egress)
    return egress


def test_destinations_in_the_scripts_order() -> None:
    egress = going([{"gw": {"two": {"cli": "100"}}}, {"gw": {"one": {}}}])
    assert egress == Egress([Destination(2, "100", [], []), Destination(1, "100", [], [])], "7000", 0)


def test_several_gateways_of_one_entry_share_its_headers() -> None:
    entry = {
        "gw": {"one": {}, "two": {"cli": "5"}},
        "headers": [{"key": "X-A", "value": "1"}, {"key": "X-A", "value": "2"}],
        "remove_headers": [{"key": "Subject"}],
    }
    added = [("X-A", "1"), ("X-A", "2")]
    assert going([entry]).destinations == [
        Destination(1, "100", added, ["Subject"]),
        Destination(2, "5", added, ["Subject"]),
    ]


@pytest.mark.parametrize(
    ("common", "own", "seen"),
    [
        ("100", "100", "100"),
        ("200", "100", "200"),
        ("200", "300", "300"),
        ("100", "300", "300"),
        (200, "100", "200"),
        ("100", 300.0, "300"),
        ("", "", "100"),
        (None, True, "100"),
        ([], 0.5, "100"),
    ],
)
def test_a_gateways_own_caller_id_counts_where_it_was_changed(common: Any, own: Any, seen: str) -> None:
    (destination,) = going([{"gw": {"one": {"cli": own}}}], cli=common).destinations
    assert destination.cli == seen


@pytest.mark.parametrize(
    ("number", "dialled"), [("4420", "4420"), (4420, "4420"), (4420.0, "4420"), ("", "7000"), (None, "7000")]
)
def test_the_number_to_dial(number: Any, dialled: str) -> None:
    assert going([{"gw": {"one": {}}}], dest_number=number).number == dialled


def test_what_was_not_offered_is_dropped_and_counted() -> None:
    egress = going([{"gw": {"other": {}, "two": {}}}, "nonsense", {"gw": 5}, {}])
    assert [one.offered for one in egress.destinations] == [2]
    assert egress.dropped == 4


def test_where_nothing_that_was_offered_is_left_the_decision_cannot_be_carried_out() -> None:
    with pytest.raises(DecisionError):
        read([{"gw": {"other": {}}}])
    with pytest.raises(DecisionError):
        read([{"gw": {"other": {}}}], offered={})


@pytest.mark.parametrize("emptied", [[], [{"gw": {}}]])
def test_an_empty_list_is_no_route_where_destinations_were_offered(emptied: list[Any]) -> None:
    assert read(emptied) == Refusal(503, "No Route")


def test_an_empty_list_is_the_switchs_own_route_where_none_were_offered() -> None:
    assert read([], offered={}) == OwnRoute()


def test_a_switch_may_let_scripts_name_destinations_of_their_own() -> None:
    def named(gateway: Any, offered: int | None) -> int | None:
        return 9 if "number" in gateway else offered

    decision = Decision(
        action=Action.ROUTE,
        routing=pack_routing({"egress_routing": [{"gw": {"new": {"number": 9}, "one": {}, "other": {}}}]}),
    )
    egress = read_egress(decision, cli="", number="", offered=OFFERED, named=named)
    assert isinstance(egress, Egress)
    assert ([one.offered for one in egress.destinations], egress.dropped) == ([9, 1], 1)


def test_a_reject_is_a_refusal_in_one_line() -> None:
    def rejected(code: int, reason: str) -> object:
        decision = Decision(action=Action.REJECT, code=code, reason=reason, routing=pack_routing({}))
        return read_egress(decision, cli="", number="", offered=OFFERED)

    assert rejected(404, "Not\r\nFound") == Refusal(404, "NotFound")
    assert rejected(603, "x" * 300) == Refusal(603, "x" * 128)
    assert rejected(486, "") == Refusal(486, "")
    for code in (0, 200, 299, 700):
        with pytest.raises(DecisionError):
            rejected(code, "")


@pytest.mark.parametrize("egress_routing", [None, "one", {"gw": {"one": {}}}, 5])
def test_what_is_no_list_cannot_be_carried_out(egress_routing: Any) -> None:
    with pytest.raises(DecisionError):
        read(egress_routing)


@pytest.mark.parametrize(
    "entry",
    [
        {"headers": 5},
        {"headers": "X-A"},
        {"headers": [{"key": "X-A"}]},
        {"headers": [{"key": "X-A", "value": 5}]},
        {"headers": [{"key": 5, "value": "x"}]},
        {"remove_headers": ["X-A"]},
        {"remove_headers": [{}]},
        {"remove_headers": [{"key": 5}]},
    ],
)
def test_headers_that_are_no_pairs_of_text(entry: dict[str, Any]) -> None:
    with pytest.raises(DecisionError):
        read([{"gw": {"one": {}}, **entry}])


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=8),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=8,
)


@given(_json, _json, st.dictionaries(st.sampled_from(["gw", "headers", "remove_headers"]), _json))
def test_whatever_a_script_made_of_it(cli: object, number: object, entry: dict[str, object]) -> None:
    for entries in ([entry], [{**entry, "gw": {"one": entry.get("gw")}}]):
        try:
            egress = read(entries, cli=cli, dest_number=number)
        except DecisionError:
            continue
        if isinstance(egress, Egress):
            assert set(map(type, [egress.number, *(one.cli for one in egress.destinations)])) == {str}
