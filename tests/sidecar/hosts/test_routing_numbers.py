"""Numbers that JavaScript cannot hold, texts that UTF-8 cannot: what a script sees of them and the switch gets back."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sidecar import header_rules
from sidecar.header_rules import EXACT_INTEGER, RuleViolation
from sidecar.hosts import routing as routing_host
from sidecar.hosts import routing_result
from sipio.routing import pack_routing, unpack_routing
from tests.sandbox.support import result

VARIABLES = routing_host.pack_variables({})
WIDE = EXACT_INTEGER + 2


def seen(routing: dict[str, Any]) -> Any:
    """The routing that a script sees: the engine gives it as text what JavaScript would round."""
    packed = routing_host.pack_input(routing_host.initial_state(pack_routing(routing)), VARIABLES)
    script = msgspec.msgpack.decode(packed)["routing"]
    for _, container, key, value in routing_result._scalars(script):
        if routing_result._is_wide(value):
            container[key] = str(value)
    return script


def given_back(before: dict[str, Any], result: dict[str, Any] | bytes) -> dict[str, Any]:
    """The routing that a switch gets for a script's."""
    value = result if isinstance(result, bytes) else packed_result({"egress_routing": []} | result)
    after = routing_result.read_result(value, routing_host.initial_state(pack_routing(before)))
    assert isinstance(after, routing_host.RoutingState)
    return unpack_routing(after.routing)


def packed_result(routing: dict[str, Any]) -> bytes:
    return msgspec.msgpack.encode({"routing": routing})


@pytest.mark.parametrize("number", [WIDE, -WIDE, 2**63, 2**64 - 1, -(2**63)])
def test_an_integer_that_javascript_would_round_is_text_there_and_the_number_again_after(number: int) -> None:
    before = {"account_id": number, "egress_routing": [{"ids": [1, number], "gw": {"7": {"tariff": number}}}]}
    script = seen(before)
    assert script["account_id"] == str(number)
    assert script["egress_routing"][0] == {"ids": [1, str(number)], "gw": {"7": {"tariff": str(number)}}}
    assert given_back(before, script) == before
    assert before["account_id"] == number


def test_an_integer_that_javascript_can_hold_stays_a_number() -> None:
    before = {"account_id": EXACT_INTEGER, "other": -EXACT_INTEGER, "egress_routing": []}
    assert seen(before) == before
    assert given_back(before, before) == before


def test_text_of_many_digits_stays_text() -> None:
    before: dict[str, Any] = {"dest_number": str(WIDE), "account_id": WIDE, "egress_routing": []}
    assert given_back(before, seen(before)) == before


def test_two_ids_that_round_to_the_same_keep_apart_when_destinations_are_reordered() -> None:
    before = {"egress_routing": [{"id": 2**60 + 1}, {"id": 2**60 + 2}]}
    script = seen(before)
    script["egress_routing"].reverse()
    assert given_back(before, script)["egress_routing"] == [{"id": 2**60 + 2}, {"id": 2**60 + 1}]


@pytest.mark.parametrize("number", [10**20, -(10**20), 2**64, -(2**63) - 1])
def test_a_script_s_number_beyond_messagepack_s_integers_becomes_a_float(number: int) -> None:
    assert given_back({}, {"x": float(number), "y": [float(number)]})["y"] == [float(number)]


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan")])
def test_a_number_that_is_none_of_them_is_the_script_s_error(number: float) -> None:
    with pytest.raises(RuleViolation):
        given_back({}, {"x": number})
    with pytest.raises(RuleViolation):
        given_back({}, {"x": [{"y": number}]})


@pytest.mark.parametrize("value", [b"bin", {5: 1}, msgspec.msgpack.Ext(5, b""), datetime(2026, 1, 1, tzinfo=UTC)])
def test_what_no_script_can_write_does_not_reach_the_switch(value: Any) -> None:
    with pytest.raises(RuleViolation, match="wrong shape"):
        given_back({}, {"x": [value]})


@pytest.mark.parametrize("damage", [slice(None, -1), slice(1, None), slice(0, 0)])
def test_a_result_that_is_no_messagepack_is_the_script_s_error(damage: slice) -> None:
    value = packed_result({"egress_routing": [], "x": "y"})
    with pytest.raises(RuleViolation, match="wrong shape"):
        given_back({}, value[damage])
    with pytest.raises(RuleViolation, match="wrong shape"):
        given_back({}, value + b"\xc0")
    with pytest.raises(RuleViolation, match="wrong shape"):
        given_back({}, value.replace(b"\xa1y", b"\xa1\xff"))


NUMBERS = st.one_of(st.integers(-(2**63), 2**64 - 1), st.text("0123456789", max_size=22), st.booleans(), st.none())
ROUTINGS = st.dictionaries(
    st.text('abc\\"', min_size=1),
    st.recursive(NUMBERS, lambda inner: st.lists(inner) | st.dictionaries(st.text("ab"), inner), max_leaves=8),
)


@given(ROUTINGS)
def test_what_a_script_leaves_alone_comes_back_as_it_was(routing: dict[str, Any]) -> None:
    before = routing | {"egress_routing": []}
    script = seen(before)
    numbers = [value for _, _, _, value in routing_result._scalars(script) if type(value) is int]
    assert all(abs(number) <= EXACT_INTEGER for number in numbers)
    after = given_back(before, script)
    # A name that holds both a number and a text of the same digits is the one thing that cannot be told apart.
    wide = {(n, str(v)) for n, _, _, v in routing_result._scalars(before) if type(v) is int}
    if not any((n, v) in wide for n, _, _, v in routing_result._scalars(before) if type(v) is str):
        assert after == before


def test_a_switch_with_many_destinations_gets_them_back_and_a_script_cannot_add_to_them() -> None:
    many = [{"id": index} for index in range(routing_result.DESTINATIONS + 1)]
    assert given_back({"egress_routing": many}, {"egress_routing": many})["egress_routing"] == many
    with pytest.raises(RuleViolation, match="at most 500"):
        given_back({"egress_routing": many}, {"egress_routing": [*many, {}]})


def test_a_result_of_many_values_costs_the_daemon_no_time() -> None:
    with pytest.raises(RuleViolation, match="more than 50000 values"):
        given_back({}, {"x": [0] * (routing_result.VALUES + 2)})
    given_back({"x": [0] * routing_result.VALUES}, {"x": [0] * (routing_result.VALUES + 2)})


@pytest.mark.parametrize("value", [5, True, "X-A"])
def test_header_changes_of_the_switch_that_are_no_list_are_its_own_mistake(value: Any) -> None:
    with pytest.raises(RuleViolation):
        routing_host.initial_state(pack_routing({"headers": value}))
    with pytest.raises(RuleViolation):
        routing_host.initial_state(pack_routing({"remove_headers": value}))


# Of few digits: of a tie such as 2**-24 this engine writes one digit more than need be.
FLOATS = st.builds(lambda digits, power: float(f"{digits}e{power}"), st.integers(-(10**6), 10**6), st.integers(-12, 22))


@given(st.lists(FLOATS, min_size=1))
@example([1e-5, 1.5e-6, 1e-7, -2.5e-10, 0.0001, 1e20, 1e21, -0.0, 1.0, 123456789.25, 5e-324])
def test_a_header_s_number_is_written_as_the_engine_would(values: list[float]) -> None:
    written = result("function main(values) { return values.map(String) }", values)
    assert [header_rules.header_value("X-N", value) for value in values] == written


def test_no_number_is_no_header() -> None:
    for value in (float("nan"), float("inf")):
        with pytest.raises(RuleViolation):
            header_rules.header_value("X-N", value)


@pytest.mark.parametrize(
    ("routing", "where"),
    [
        ({"headers": [{"key": "Via", "value": "x"}]}, "`routing.headers`"),
        (
            {"egress_routing": [{}, {"headers": [{"key": "X", "value": "a\r\nb"}]}]},
            "`routing.egress_routing[1].headers`",
        ),
        ({"a": [{"b": {True: 1}}]}, "`routing.a[0].b`"),
    ],
)
def test_the_switch_s_own_mistake_is_told_with_its_place(routing: dict[str, Any], where: str) -> None:
    with pytest.raises(RuleViolation) as caught:
        seen(routing)
    assert str(caught.value).endswith(f"at {where}")


@pytest.mark.parametrize("character", ["a", "\xe9", "\U0001f600"])
def test_a_routing_that_a_script_could_not_give_back_is_the_switch_s_mistake(character: str) -> None:
    most = 10_000
    length = len(character.encode())
    for bytes_long, right in ((most // 2, True), (most, False)):
        routing = pack_routing({"x": character * (bytes_long // length)})
        packed = routing_host.pack_input(routing_host.initial_state(routing), VARIABLES)
        if right:
            routing_host.check_size(packed, VARIABLES, most)
            continue
        with pytest.raises(RuleViolation, match="bytes as MessagePack"):
            routing_host.check_size(packed, VARIABLES, most)
