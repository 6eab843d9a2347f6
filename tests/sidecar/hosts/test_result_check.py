"""The checks on bytes beside those in Python, which are the definition: what the first take the second take, and the
same comes of it."""

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar import header_rules
from sidecar._result_check import check, count, look, outline
from sidecar.header_rules import RuleViolation
from sidecar.hosts import routing as routing_host
from sidecar.hosts import routing_result
from sidecar.operations import records
from sipio.errors import MalformedMessage
from sipio.routing import pack_routing, unpack_routing
from sipio.rpc.raw_routing import read_routing
from tests.sidecar.hosts import result_comparison, result_grammar
from tests.sidecar.hosts.result_grammar import Grammar

PACK = msgspec.msgpack.encode
NOTHING = result_grammar.GIVEN[0]

ROUTING: dict[str, Any] = {
    "account_id": 40312,
    "server": "sbc-2.example.net",
    "cli": "442079460123",
    "dest_number": "442071838750",
    "received": 1_760_000_000_000,
    "egress_routing": [
        {
            "name": "Bucharest 1",
            "rate": 0.0042,
            "codecs": ["PCMA", "PCMU"],
            "headers": [{"key": "X-Account", "value": 40312}, {"key": "X-Rate", "value": 0.0042}],
            "remove_headers": [{"key": "X-Old"}],
            "gw": {"201": {"cli": "442079460123", "host": "192.0.2.1", "port": 5060}},
        },
        {"name": "D\xfcsseldorf", "headers": [], "remove_headers": [], "gw": {"202": {}, "203": None}},
    ],
}


def sound(routing: dict[str, Any], **more: Any) -> Any:
    return check(PACK({"routing": routing, **more}), None, None)


def with_destination(**changes: Any) -> dict[str, Any]:
    return ROUTING | {"egress_routing": [{**ROUTING["egress_routing"][0], **changes}]}


def test_an_ordinary_result_is_taken_and_its_header_values_are_text() -> None:
    lists = [[{"key": "X-All", "value": 1}, {"key": "X-True", "value": True}], [{"key": "X-Name", "value": "Caf\xe9"}]]
    found = sound(ROUTING, headers=lists, remove_headers=[["X-Plain"], [{"key": "X-B"}]])
    assert found is not None
    packed, added, removed = found
    routing = msgspec.msgpack.decode(packed)
    assert routing["egress_routing"][0]["headers"] == [
        {"key": "X-Account", "value": "40312"},
        {"key": "X-Rate", "value": "0.0042"},
    ]
    assert routing | {"egress_routing": []} == ROUTING | {"egress_routing": []}
    assert added == [("X-All", "1"), ("X-True", "true"), ("X-Name", "Caf\xe9")]
    assert removed == ["X-Plain", "X-B"]


@pytest.mark.parametrize(
    "routing",
    [
        {"egress_routing": []},
        {"egress_routing": [], "cli": 4420, "dest_number": "4420"},
        with_destination(headers={}, remove_headers=None),
        with_destination(gw=None),
        with_destination(gw={}),
        with_destination(gw={"a": {"cli": 4420}, "b": 5}),
        {"egress_routing": [{}] * 500},
        {"egress_routing": [], "deep": [[[[[[[[{"a": [{"b": [[[]]]}]}]]]]]]]]},
    ],
)
def test_what_is_less_ordinary_and_right_is_taken(routing: dict[str, Any]) -> None:
    assert sound(routing) is not None
    assert result_comparison.compare_result(PACK({"routing": routing}), NOTHING)


@pytest.mark.parametrize(
    "result",
    [
        {},
        {"routing": 5},
        {"routing": {}},
        {"reject": [404, "No"]},
        {"routing": ROUTING, "unread": ["a"]},
        {"routing": ROUTING, "no_number": ["cli", "NaN"]},
        {"routing": ROUTING, "headers": [[], [], []]},
        {"routing": ROUTING, "headers": [[{"key": "Via", "value": "x"}]]},
        {"routing": ROUTING, "headers": [[{"key": "X-A", "value": "a\r\nb"}]]},
        {"routing": ROUTING, "headers": [[{"key": "X-A", "value": None}]]},
        {"routing": ROUTING, "headers": [[{"key": "X-A", "value": 1 / 3}]]},
        {"routing": ROUTING, "headers": [[{"key": "X-A", "value": "1", "more": 1}]]},
        {"routing": ROUTING, "headers": [[{"key": "X-A", "value": "1"}] * 101]},
        {"routing": ROUTING, "remove_headers": [["Call-ID"]]},
        {"routing": ROUTING | {"headers": [{"key": "X-A", "value": "1"}]}},
        {"routing": ROUTING | {"remove_headers": []}},
        {"routing": ROUTING | {"cli": "a@b"}},
        {"routing": ROUTING | {"dest_number": None}},
        {"routing": with_destination(gw={"a": {"cli": None}})},
        {"routing": ROUTING | {"dest_number": "x" * 129}},
        {"routing": ROUTING | {"x": 2**53}},
        {"routing": ROUTING | {"x": float("nan")}},
        {"routing": ROUTING | {"x": b"bin"}},
        {"routing": ROUTING | {"x": {5: 1}}},
        {"routing": ROUTING | {"x": msgspec.msgpack.Ext(5, b"")}},
        {"routing": ROUTING | {"x": [0] * 50_001}},
        {"routing": {"egress_routing": [{}] * 501}},
        {"routing": {"egress_routing": [5]}},
        {"routing": with_destination(headers=False)},
        {"routing": with_destination(headers={"key": "X-A", "value": "1"})},
        {"routing": with_destination(gw=[])},
        {"routing": with_destination(gw={"a": {"cli": "<>"}})},
    ],
)
def test_all_else_is_left_to_python(result: dict[str, Any]) -> None:
    assert check(PACK(result), None, None) is None


def test_what_stands_twice_is_left_to_python() -> None:
    packed = PACK({"routing": {"egress_routing": [], "cli": "1"}})
    assert check(packed, None, None) is not None
    twice = packed[:1] + packed[1:].replace(b"\x82", b"\x83", 1) + b"\xa3cli\xa12"
    assert msgspec.msgpack.decode(twice)["routing"]["cli"] == "2"
    assert check(twice, None, None) is None
    both = b"\x82" + packed[1:] * 2
    assert check(both, None, None) is None


def test_a_number_that_the_switch_itself_sent_is_taken_for_the_same_number_alone() -> None:
    odd = {"cli": "020 7946 0123", "dest_number": "a;b", "egress_routing": [{"gw": {"1": {"cli": "020 7946 0123"}}}]}
    packed = PACK({"routing": odd})
    assert check(packed, "020 7946 0123", "a;b") is not None
    assert check(packed, "020 7946 0124", "a;b") is None
    assert check(packed, "a;b", "020 7946 0123") is None
    assert check(packed, 5, None) is None


def test_every_beginning_of_a_result_is_left_to_python() -> None:
    packed = PACK({"routing": ROUTING, "headers": [[{"key": "X-A", "value": "1"}], []], "remove_headers": [[], []]})
    assert check(packed, None, None) is not None
    for length in range(len(packed)):
        assert check(packed[:length], None, None) is None
    assert check(packed + b"\xc0", None, None) is None


def test_every_byte_of_a_result_may_be_any_other() -> None:
    packed = PACK({"routing": with_destination(name="a"), "headers": [[{"key": "X-A", "value": 0.5}], ["b"]]})
    for at in range(len(packed)):
        for byte in result_grammar.BYTES:
            damaged = packed[:at] + bytes((byte,)) + packed[at + 1 :]
            result_comparison.compare_result(damaged, NOTHING)


def test_every_byte_of_a_routing_may_be_any_other() -> None:
    packed = PACK(ROUTING)
    for at in range(len(packed)):
        for byte in result_grammar.BYTES:
            damaged = packed[:at] + bytes((byte,)) + packed[at + 1 :]
            result_comparison.compare_routing(damaged)
            result_comparison.compare_outline(damaged)
            result_comparison.compare_count(damaged)


@pytest.mark.parametrize("nest", [b"\x91", b"\x81\xa0", b"\xdd\x00\x00\x00\x01"])
def test_what_is_deep_is_left_to_python_and_takes_no_stack(nest: bytes) -> None:
    for depth in (33, 1_000, 1_000_000):
        value = nest * depth + b"\xc0"
        assert check(b"\x81\xa7routing\x82\xaeegress_routing\x90\xa1x" + value, None, None) is None
        assert look(b"\x82\xaeegress_routing\x90\xa1x" + value) is None
        assert count(b"\x91" + value) == depth + 1
        assert outline(b"\x82\xaeegress_routing\x90\xa1x" + value) is not None


@pytest.mark.parametrize("first", [b"\xdd", b"\xdf", b"\xdb", b"\xc6", b"\xc9"])
def test_a_length_that_is_not_there_asks_for_no_memory(first: bytes) -> None:
    head = first + b"\xff\xff\xff\xff"
    destinations = b"\x81\xaeegress_routing"
    for before in (b"", b"\x81\xa7routing", b"\x81\xa7routing" + destinations, destinations + b"\x91\x81\xa2gw"):
        assert check(before + head, None, None) is None
        assert look(before + head) is None
        assert outline(before + head) is None
        with pytest.raises(ValueError, match="no MessagePack"):
            count(before + head)


def test_what_is_no_bytes_is_a_mistake_of_ours() -> None:
    for wrong in ("text", None, 5):
        for function in (look, outline, count):
            with pytest.raises(TypeError):
                function(wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            check(wrong, None, None)  # type: ignore[arg-type]


def name_is_taken(name: str) -> bool:
    return check(PACK({"routing": {"egress_routing": []}, "remove_headers": [[name]]}), None, None) is not None


def value_is_taken(value: Any) -> bool:
    return sound({"egress_routing": []}, headers=[[{"key": "X", "value": value}]]) is not None


def is_right(rule: Any, *arguments: Any) -> bool:
    try:
        rule(*arguments)
    except RuleViolation:
        return False
    return True


def test_the_names_of_headers_are_those_of_the_rules() -> None:
    forbidden = set(header_rules.FORBIDDEN) | set("abcdefghijklmnopqrstuvwxyz")
    spellings = {
        spelling for name in forbidden for spelling in (name, name.upper(), name.title(), name + "x", name[:-1])
    }
    characters = {chr(code) for code in range(0x180)} | {f"X{chr(code)}" for code in range(0x180)}
    for name in (*spellings, *characters, "", "x" * 128, "x" * 129):
        assert name_is_taken(name) == is_right(header_rules.header_name, name), name


def test_the_values_of_headers_are_those_of_the_rules() -> None:
    for code in (*range(0x2100), *range(0xD700, 0xD800), *range(0xE000, 0xE100), 0xFFFF, 0x10000, 0x10FFFF):
        for text in (chr(code), f"a{chr(code)}b"):
            assert value_is_taken(text) == is_right(header_rules.header_value, "X", text), hex(code)
    for text in ("x" * 4096, "x" * 4097, "\xe9" * 4096, "\xe9" * 4097, "\U0001f600" * 4096, "\U0001f600" * 4097):
        assert value_is_taken(text) == is_right(header_rules.header_value, "X", text)


def test_the_numbers_are_those_of_the_rules() -> None:
    for text in (*(chr(code) for code in range(0x180)), "x" * 128, "x" * 129, "", "+4420"):
        taken = sound({"egress_routing": [], "cli": text}) is not None
        assert taken == is_right(header_rules.number, "cli", text), text


@given(st.one_of(st.floats(), st.integers(-(2**53), 2**53), st.decimals(-(10**6), 10**6, places=4).map(float)))
def test_a_header_s_number_is_written_as_python_writes_it(value: float) -> None:
    found = sound({"egress_routing": []}, headers=[[{"key": "X", "value": value}]])
    if found is not None:
        assert found[1] == [("X", header_rules.header_value("X", value))]


def test_rates_are_written_without_python() -> None:
    for number in range(100_000):
        assert value_is_taken(number / 10_000)


@given(st.randoms(use_true_random=False), st.sampled_from([0.0, 0.02, 0.2]))
def test_results_and_routings_of_a_grammar_are_the_same_in_both(source: random.Random, odd: float) -> None:
    result_comparison.compare_one(Grammar(source, odd))


def test_ordinary_results_of_the_grammar_are_mostly_taken() -> None:
    grammar = Grammar(random.Random(1), 0.0)  # noqa: S311 - cases, not secrets
    results = [grammar.packed(grammar.result()) for _ in range(500)]
    with_routing = [value for value in results if b"\xa7routing" in value[:30] and b"\xaeegress_routing" in value]
    taken = sum(result_comparison.compare_result(value, NOTHING) for value in with_routing)
    assert taken > len(with_routing) / 2


@given(st.binary(max_size=64))
def test_any_bytes_are_taken_by_both_or_left(packed: bytes) -> None:
    result_comparison.compare_result(packed, NOTHING)
    result_comparison.compare_routing(packed)
    result_comparison.compare_outline(packed)
    result_comparison.compare_count(packed)


@pytest.mark.parametrize(
    "packed",
    [
        # Header changes for all destinations that are of the wrong shape.
        PACK({"egress_routing": [], "headers": "\xe9" * 4096}),
        PACK({"egress_routing": [], "headers": ["x"], "remove_headers": ["Max-Forwards"]}),
        # A wide integer that a later value of the same key hides.
        b"\x83\xaeegress_routing\x90\xa1x\xcf\x00 \x00\x00\x00\x00\x00\x00\xa1x\x00",
    ],
)
def test_routings_that_were_once_seen_in_two_ways(packed: bytes) -> None:
    result_comparison.compare_routing(packed)


@pytest.mark.parametrize(
    ("routing", "taken"),
    [
        (ROUTING, True),
        ({}, True),
        ({"egress_routing": None, "cli": 4420, "headers": {}, "remove_headers": []}, True),
        (ROUTING | {"headers": [{"key": "X-A", "value": 1}]}, True),
        (ROUTING | {"x": 2**60}, True),
        (ROUTING | {"cli": 44.5}, False),
        (ROUTING | {"headers": [{"key": "Via", "value": "x"}]}, False),
        (with_destination(gw={7: {}}), False),
        (ROUTING | {"since": msgspec.msgpack.Ext(-1, b"\0\0\0\1")}, False),
    ],
)
def test_a_switch_s_routing_is_seen_as_it_is_read(routing: dict[str, Any], taken: bool) -> None:
    assert result_comparison.compare_routing(PACK(routing)) is taken


def test_what_is_seen_of_a_switch_s_routing() -> None:
    assert look(pack_routing(ROUTING)) == (2, False, False, "442079460123", "442071838750")
    wide = {"account": 2**60, "headers": [{"key": "X-A", "value": "b"}], "cli": -5}
    assert look(pack_routing(wide)) == (0, True, True, -5, None)


def test_an_outline_has_the_first_gateways_and_the_first_destination_s_changes() -> None:
    found = outline(pack_routing(ROUTING))
    assert found is not None
    *told, added, removed = found
    assert told == ["442079460123", "442071838750", 2, ["201", "202", "203"], True]
    assert added is not None
    assert removed is not None
    assert msgspec.msgpack.decode(added) == ROUTING["egress_routing"][0]["headers"]
    assert msgspec.msgpack.decode(removed) == [{"key": "X-Old"}]
    many: dict[str, Any] = {"egress_routing": [{"gw": {str(number): {}}} for number in range(40)]}
    found = outline(pack_routing(many))
    assert found is not None
    assert (found[2], len(found[3])) == (40, records.GATEWAYS)


def test_the_caps_are_those_of_python() -> None:
    assert sound({"egress_routing": [{}] * routing_result.DESTINATIONS}) is not None
    assert sound({"egress_routing": [{}] * (routing_result.DESTINATIONS + 1)}) is None
    entry = {"key": "X", "value": "1"}
    assert sound({"egress_routing": []}, headers=[[entry] * header_rules.HEADERS] * 2) is not None
    assert sound({"egress_routing": []}, headers=[[entry] * (header_rules.HEADERS + 1)]) is None
    frame = count(PACK({"routing": {"egress_routing": [], "x": []}}))
    assert sound({"egress_routing": [], "x": [0] * (routing_result.VALUES - frame)}) is not None
    assert sound({"egress_routing": [], "x": [0] * (routing_result.VALUES - frame + 1)}) is None


def test_an_unassigned_call_gets_the_switch_s_own_bytes() -> None:
    raw = pack_routing(ROUTING)
    routing, decoded = read_routing(raw, "routing")
    assert routing is raw
    assert decoded == unpack_routing(raw) == ROUTING
    assert routing_host.initial_state(raw).routing is raw
    with pytest.raises(MalformedMessage):
        read_routing(pack_routing({"egress_routing": 5}), "routing")
