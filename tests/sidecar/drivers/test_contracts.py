"""What Drivers may answer, and how it is told what of an answer is wrong."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.catalog.compile import make_script
from sidecar.catalog.model import Script
from sidecar.drivers.alert import AlertReport, read_alert
from sidecar.drivers.contract import check_result, place_of
from sidecar.drivers.did import AllocatedNumber, CarrierNumber, read_allocated, read_numbers, read_released
from sidecar.drivers.shapes import WrongResult
from sidecar.kind import Kind
from sidecar.language.places import place_of_function

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


def driver(text: str, kind: Kind = Kind.DRIVER) -> Script:
    return make_script(id="d", name="d.js", kind=kind, text=text)


def test_numbers_are_rows_with_a_did_and_whatever_else() -> None:
    found = read_numbers("search", [{"did": "4420", "monthly": 2}, {"did": "+44 21"}])
    assert found == [CarrierNumber(did="4420", details={"monthly": 2}), CarrierNumber(did="+44 21")]
    assert [one.subject for one in found] == ["4420", "4421"]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"did": "1"}, "list: its result: expected a list of objects with a `did`, got an object"),
        ("<html>", "list: its result: expected a list of objects with a `did`, got text '<html>'"),
        (None, "list: its result: expected a list of objects with a `did`, got null"),
        (["1"], "list: its result's [0]: expected an object, got text '1'"),
        ([{"did": "1"}, {}], "list: its result's [1].did: expected a number as text, got null"),
        ([{"did": 1}], "list: its result's [0].did: expected a number as text, got a number"),
        ([{"did": ""}], "list: its result's [0].did: '' is no number"),
    ],
)
def test_what_is_wrong_with_a_list_is_named(value: Any, told: str) -> None:
    with pytest.raises(WrongResult) as error:
        read_numbers("list", value)
    assert str(error.value) == told


def test_what_was_sold_has_the_number_that_was_asked_for() -> None:
    assert read_allocated("4420", None) is None
    assert read_allocated("4420", {}) == AllocatedNumber(did="4420")
    sold = read_allocated("tel:+4420", {"did": "+44-20", "customer_id": 12, "package_id": 7})
    assert sold == AllocatedNumber(did="+44-20", customer="12", details={"package_id": 7})
    with pytest.raises(WrongResult, match="allocate: its result's did: is '4421', and '4420' was asked for"):
        read_allocated("4420", {"did": "4421"})
    with pytest.raises(WrongResult, match="customer_id: expected text, a number or null, got true or false"):
        read_allocated("4420", {"customer_id": True})
    with pytest.raises(WrongResult, match="allocate: its result: expected an object, got true or false"):
        read_allocated("4420", False)


def test_what_was_given_back_is_true_or_false() -> None:
    assert read_released(True) is True
    assert read_released(False) is False
    with pytest.raises(WrongResult, match="release: its result: expected true or false, got null"):
        read_released(None)


def test_an_alert_is_quiet_or_told() -> None:
    assert [read_alert("alert", one) for one in (None, False)] == [None, None]
    assert read_alert("alert", True) == AlertReport()
    assert read_alert("alert", "late") == AlertReport(text="late")
    assert read_alert("main", {"subject": "s", "level": "error"}) == AlertReport(subject="s", level="error")
    for value, told in (
        (5, "alert: its result: expected true, false, null, text or .* got a number"),
        ({"subjekt": "s"}, "alert: its result's subjekt: is read by nothing: subject, text, html, level are"),
        ({"level": "loud"}, "alert: its result's level: expected none, warning, error, got 'loud'"),
        ({"text": 5}, "alert: its result's text: expected text or null, got a number"),
    ):
        with pytest.raises(WrongResult, match=told):
            read_alert("alert", value)


@given(_JSON)
def test_any_value_is_taken_or_refused_in_words(value: Any) -> None:
    script = driver("module.exports = { search() {}, allocate() {}, release() {}, list() {}, alert() {} };\n")
    for function in ("search", "allocate", "release", "list", "alert", "main", "other"):
        for argument in (None, {}, {"did": "1"}, {"did": 1}):
            try:
                check_result(script, function, argument, value)
            except WrongResult as error:
                assert str(error).startswith(f"{function}: its result")  # noqa: PT017


def test_main_of_a_driver_is_an_alert_where_it_buys_nothing() -> None:
    with pytest.raises(WrongResult):
        check_result(driver("export const main = () => 5;\n"), "main", None, 5)
    check_result(driver("export const main = () => 5;\nexport const list = () => [];\n"), "main", None, 5)
    check_result(driver("export const list = () => 5;\n", Kind.APP), "list", None, 5)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("\nmodule.export = {\n  list: async () => [],\n};\n", "d.js:3:3"),
        ("module.exports = { async list() {} };\n", "d.js:1:26"),
        ("exports.list = () => [];\n", "d.js:1:9"),
        ("export async function list() {}\n", "d.js:1:23"),
        ("export const list = () => [];\n", "d.js:1:14"),
        ("const all = () => [];\nexport { all as list };\n", "d.js:2:17"),
        ("export { list } from './other';\n", "d.js:1:10"),
        ("export const search = () => [];\n", "d.js"),
    ],
)
def test_a_function_is_shown_where_it_stands(text: str, place: str) -> None:
    assert place_of(driver(text), "list") == place


def test_a_function_is_found_below_types() -> None:
    text = "type A = string;\nexport const list = (): A[] => [];\n"
    assert place_of_function(text, "d.ts", "list") == (2, 14)
