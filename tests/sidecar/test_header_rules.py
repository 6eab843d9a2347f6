"""What of a script's header changes may reach a SIP message."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar import header_rules
from sidecar.header_rules import RuleViolation


def test_values_become_text_as_javascript_writes_them() -> None:
    entries = [
        {"key": "X-Text", "value": "a b"},
        {"key": "X-Integer", "value": 1234},
        {"key": "X-Fraction", "value": 0.5},
        {"key": "X-Flag", "value": True},
        {"key": "X-Empty", "value": ""},
    ]
    assert header_rules.added(entries) == [
        ("X-Text", "a b"),
        ("X-Integer", "1234"),
        ("X-Fraction", "0.5"),
        ("X-Flag", "true"),
        ("X-Empty", ""),
    ]


@pytest.mark.parametrize(
    "name",
    [
        *("Via", "Route", "Record-Route", "Call-ID", "CSeq", "Contact", "Content-Length", "Max-Forwards"),
        *("v", "i", "m", "l", "via", "VIA", "call-id", "From", "To", "f", "t", "Content-Type", "c"),
    ],
)
def test_a_header_that_is_the_switchs_own_is_named_in_the_refusal(name: str) -> None:
    with pytest.raises(RuleViolation, match=f"header {name} is the switch's own"):
        header_rules.added([{"key": name, "value": "x"}])
    with pytest.raises(RuleViolation, match=f"header {name} is the switch's own"):
        header_rules.removed([{"key": name}])


def test_names_are_compared_in_one_spelling() -> None:
    assert [header_rules.folded(name) for name in ("X-A", "i", "I", "Call-ID", "no token")] == [
        *["x-a", "call-id", "call-id", "call-id", "no token"]
    ]


def test_what_is_added_is_not_changed() -> None:
    entries = [{"key": "X-A", "value": 1, "more": 2}]
    assert header_rules.added(entries) == [("X-A", "1")]
    assert entries == [{"key": "X-A", "value": 1, "more": 2}]
    assert header_rules.checked(entries) == [{"key": "X-A", "value": "1"}]


@pytest.mark.parametrize(
    "value", ["a\r\nVia: x", "a\nb", "a\rb", "\x00", "a\x0bb", "\x7f", "a\ud800", "\x85", "\x9b", "\u2028"]
)
def test_no_value_carries_a_line_break_or_a_control_character(value: str) -> None:
    with pytest.raises(RuleViolation, match="the header X-A has a line break"):
        header_rules.added([{"key": "X-A", "value": value}])


@pytest.mark.parametrize("name", ["", "X A", "X:A", "X\r\nVia", "Ünder", "X-A\n", 5, None, "x" * 129])
def test_a_name_is_a_token(name: Any) -> None:
    with pytest.raises(RuleViolation, match="not a SIP header name"):
        header_rules.removed([{"key": name}])


@pytest.mark.parametrize("value", [None, [], {}, [1]])
def test_a_value_is_text_or_a_number(value: Any) -> None:
    with pytest.raises(RuleViolation, match="X-A has no value"):
        header_rules.added([{"key": "X-A", "value": value}])


@pytest.mark.parametrize("entry", [None, 1, "X-A", [], {}, {"name": "X-A"}])
def test_an_entry_to_add_has_a_key(entry: Any) -> None:
    with pytest.raises(RuleViolation, match=r"where \{key, value\} is needed"):
        header_rules.added([entry])


def test_lists_and_values_are_bounded() -> None:
    with pytest.raises(RuleViolation, match="more than 100"):
        header_rules.added([{"key": "X-A", "value": 1}] * 101)
    with pytest.raises(RuleViolation, match="longer than 4096"):
        header_rules.added([{"key": "X-A", "value": "x" * 4097}])


@pytest.mark.parametrize("value", ["441234", "+441234", "anonymous", "*31#123", "john.doe", "", 441234])
def test_numbers_that_can_be_sent(value: Any) -> None:
    assert header_rules.number("cli", value) == str(value)


@pytest.mark.parametrize("value", ["a b", "1@evil", "1>", '"x"', "1;phone-context=x", "1\r\nX: 1", "1?x", [], {}])
def test_numbers_that_would_break_out_of_an_address(value: Any) -> None:
    with pytest.raises(RuleViolation, match="cli is "):
        header_rules.number("cli", value)


@given(st.text(), st.text())
def test_whatever_passes_is_one_header_line(name: str, value: str) -> None:
    try:
        ((kept_name, kept_value),) = header_rules.added([{"key": name, "value": value}])
    except RuleViolation:
        return
    assert len(f"{kept_name}: {kept_value}\r\n".splitlines()) == 1
    line = f"{kept_name}: {kept_value}\r\n".encode()
    assert line.count(b"\r") == line.count(b"\n") == 1
    assert b"\x00" not in line
    assert header_rules.folded(kept_name) not in header_rules.FORBIDDEN


@pytest.mark.parametrize(("name", "shown"), [(None, "null"), (True, "true"), (False, "false"), (5, "5")])
def test_what_is_no_name_is_shown_as_an_author_writes_it(name: object, shown: str) -> None:
    with pytest.raises(RuleViolation, match=f"^{shown} is not a SIP header name"):
        header_rules.header_name(name)


def test_what_is_nested_deeper_than_python_shows_is_refused_like_all_else() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(RuleViolation, match="cli is what is nested too deep"):
        header_rules.number("cli", deep)
    with pytest.raises(RuleViolation, match="headers has what is nested too deep"):
        header_rules.checked([{"name": deep}])
    with pytest.raises(RuleViolation, match="remove_headers has what is nested too deep"):
        header_rules.removed([deep])
