"""The adapter of Class 4: what a script is given, and what of its result is whose."""

import copy
import json
from typing import Any

import pytest

from sandbox.engine import Context
from sandbox.program import Program
from sidecar import hosts
from tests.sandbox.support import packed, unpacked
from tests.sidecar.hosts.adapter_runs import ADDED, GIVEN, INPUT, NEW, decided, names, run


@pytest.mark.parametrize(
    "body",
    [
        "",
        "return data;",
        "return data.routing;",
        "return null;",
        "return { ...data };",
        "return { ...data.routing };",
        "return { routing: data.routing };",
        "return { routing: { ...data.routing } };",
        "return JSON.parse(JSON.stringify(data));",
        "return JSON.parse(JSON.stringify(data.routing));",
        "return {};",
    ],
)
def test_what_is_not_changed_comes_back(body: str) -> None:
    assert decided(body) == {"routing": INPUT["routing"], "headers": [GIVEN, []], "remove_headers": [[], []]}


def test_vars_are_top_level_keys() -> None:
    assert decided("data.routing.seen = [data.schedule.week, data.cli.range];")["routing"]["seen"] == [[1, 2], [5]]
    hostile = copy.deepcopy(INPUT)
    hostile["vars"] = {"routing": 1, "headers": 2, "egress_routing": 3, "then": 4, "toJSON": 5, "constructor": 6}
    assert decided("return data;", data=hostile)["routing"]["cli"] == "100"


@pytest.mark.parametrize(
    "body",
    [
        f"data.headers = {NEW};",
        f"data.routing.headers = {NEW};",
        f"data.headers = {NEW}; return data;",
        f"data.routing.headers = {NEW}; return data.routing;",
        f"return {{ ...data, headers: {NEW} }};",
        f"return {{ ...data.routing, headers: {NEW} }};",
        f"return {{ routing: {{ ...data.routing, headers: {NEW} }} }};",
        f"return {{ headers: {NEW} }};",
        f"const copy = {{ ...data }}; copy.routing.headers = {NEW}; return copy;",
        f"const copy = {{ ...data }}; copy.headers = {NEW}; return copy;",
        f"const copy = JSON.parse(JSON.stringify(data)); copy.headers = {NEW}; return copy;",
        f"const copy = JSON.parse(JSON.stringify(data)); copy.routing.headers = {NEW}; return copy;",
        "data.headers = { key: 'X-New', value: 1 };",
        "data.headers.pop(); data.routing.headers.push({ key: 'X-New', value: 1 });",
    ],
)
def test_headers_for_all_in_each_spelling(body: str) -> None:
    result = decided(body)
    assert result["headers"] == [ADDED, []]
    assert "headers" not in result["routing"]
    removed = decided(body.replace("headers", "remove_headers").replace(".pop()", ""))
    assert removed["remove_headers"] == [ADDED, []]
    assert removed["headers"] == [GIVEN, []]


@pytest.mark.parametrize(
    "body",
    [
        f"data.routing.egress_routing.headers = {NEW};",
        f"data.egress_routing.headers = {NEW}; return data;",
        f"data.egress_routing.headers = {NEW}; return {{ ...data.routing }};",
        f"data.egress_routing.headers = {NEW}; data.egress_routing = data.egress_routing.filter(() => true);",
        f"data.egress_routing.headers = {NEW}; return {{ ...data, egress_routing: [...data.egress_routing] }};",
        f"data.egress_routing = data.egress_routing.slice(); data.egress_routing.headers = {NEW};"
        " data.egress_routing = data.egress_routing.slice();",
    ],
)
def test_headers_on_the_list_itself_mean_all(body: str) -> None:
    assert decided(body)["headers"] == [GIVEN, ADDED]
    assert decided(body.replace("headers", "remove_headers"))["remove_headers"] == [[], ADDED]
    assert len(names(decided(body))) == 3


def test_headers_of_one_destination_stay_with_it() -> None:
    result = decided(
        f"data.egress_routing[1].headers = {NEW}; data.egress_routing[1].remove_headers = [{{ key: 'X' }}];"
    )
    assert result["routing"]["egress_routing"][1]["headers"] == ADDED
    assert result["routing"]["egress_routing"][1]["remove_headers"] == [{"key": "X"}]
    assert result["routing"]["egress_routing"][0]["headers"] == [{"key": "X-A", "value": 1}]


def test_half_of_a_surrogate_pair_becomes_a_question_mark() -> None:
    body = r"""
      const { routing } = data;
      routing["a\ud83d"] = "x\udc00";
      routing.b = "\ud83d\ude00";
      routing.c = "\\ud83d";
      routing.d = "\ud83d\ud83d\ude00";
    """
    assert decided(body)["routing"] == INPUT["routing"] | {
        "a?": "x?",
        "b": "\U0001f600",
        "c": "\\ud83d",
        "d": "?\U0001f600",
    }


DEEP_COPY = "const copy = JSON.parse(JSON.stringify(data));"


BY_COST = "sort((a, b) => a.cost - b.cost)"


@pytest.mark.parametrize(
    "change",
    [
        "data.egress_routing.sort((a, b) => a.cost - b.cost);",
        "data.routing.egress_routing = data.routing.egress_routing.sort((a, b) => a.cost - b.cost);",
        "data.egress_routing = [...data.egress_routing].sort((a, b) => a.cost - b.cost); return data.routing;",
        "return { ...data, egress_routing: [...data.egress_routing].sort((a, b) => a.cost - b.cost) };",
        "return { ...data.routing, egress_routing: [...data.egress_routing].sort((a, b) => a.cost - b.cost) };",
        "return { egress_routing: [...data.egress_routing].sort((a, b) => a.cost - b.cost) };",
        f"const copy = {{ ...data }}; copy.routing.egress_routing = [...data.egress_routing].{BY_COST}; return copy;",
        f"{DEEP_COPY} copy.routing.egress_routing.{BY_COST}; return copy;",
        f"{DEEP_COPY} copy.egress_routing.{BY_COST}; return copy;",
    ],
)
def test_the_order_is_the_scripts(change: str) -> None:
    result = decided(change)
    assert names(result) == ["b", "c", "a"]
    assert result["routing"]["dest_number"] == "200"


def test_destinations_may_be_removed_or_all_of_them() -> None:
    assert names(decided("data.egress_routing.splice(0, 1);")) == ["b", "c"]
    assert names(decided("data.egress_routing.length = 0;")) == []
    assert names(decided("return { ...data, egress_routing: [] };")) == []
    assert names(decided("data.routing.egress_routing = [];")) == []


def _clis(result: Any) -> list[Any]:
    return [gateway.get("cli") for d in result["routing"]["egress_routing"] for gateway in d["gw"].values() if gateway]


def test_cli_of_routing_is_that_of_the_gateways_that_had_no_other_word() -> None:
    assert _clis(decided("")) == ["100", "300", "100", None]
    assert _clis(decided("data.routing.cli = '900';")) == ["900", "900", "900", None]
    body = "data.routing.cli = '900'; data.egress_routing[0].gw[1].cli = '111';"
    assert _clis(decided(body)) == ["111", "900", "900", None]
    assert _clis(decided("data.egress_routing[1].gw['3'].cli = '111';")) == ["100", "300", "111", None]
    assert _clis(decided("return { ...data.routing, cli: '900' };")) == ["900", "900", "900", None]
    body = "const copy = JSON.parse(JSON.stringify(data)); copy.routing.cli = '900'; return copy;"
    assert _clis(decided(body)) == ["900", "900", "900", None]
    assert decided("data.routing.dest_number = '201';")["routing"]["dest_number"] == "201"


@pytest.mark.parametrize(
    ("body", "code", "reason"),
    [
        ("throw new Error('404 Not Found')", 404, "Not Found"),
        ("throw new TypeError(' 603  Decline \\n')", 603, "Decline"),
        ("throw '486 Busy'", 486, "Busy"),
        ("throw new Error('300')", 300, ""),
        ("throw [604, 'Number not found']", 604, "Number not found"),
        ("throw ['604']", 604, ""),
        ("err([699, 5])", 699, "5"),
        ("try { err([404, 'Not Found']); } catch { } return data;", 404, "Not Found"),
        ("throw new Error('404 ' + 'x'.repeat(1e6))", 404, "x" * 200),
        ("throw new Error('404 a' + ' '.repeat(1e6) + 'b')", 404, "a" + " " * 199),
    ],
)
def test_sip_errors(body: str, code: int, reason: str) -> None:
    assert decided(body) == {"reject": [code, reason]}


@pytest.mark.parametrize("body", ["Promise.reject(new Error('404 Not Found'))", "Promise.reject([404, 'Not Found'])"])
def test_sip_errors_by_rejection(body: str) -> None:
    assert run(f"const main = () => {body}", True) == ("R", {"reject": [404, "Not Found"]})
    assert run(f"async function main() {{ await {body}; }}", True) == ("R", {"reject": [404, "Not Found"]})


@pytest.mark.parametrize(
    "thrown",
    [
        "new Error('200 OK')", "new Error('700 Odd')", "new Error('299')", "new Error('404Not')", "new Error('4040 x')",
        "new Error('no code')", "new Error('')", "[200, 'OK']", "[700]", "[404.5]", "['x']", "[]", "[404, 'a', 'b']",
        "[Symbol()]", "[3n]", "404", "null", "undefined", "{ code: 404 }", "[404, Symbol()]", "[NaN]",
        "[404, { toString() { throw 1; } }]", "Object.assign(new Error(), { message: 404 })",
    ],
)  # fmt: skip
def test_what_is_no_sip_error_is_a_failure_of_the_script(thrown: str) -> None:
    tag, result = run(f"function main() {{ throw {thrown}; }}")
    if thrown == "[404, Symbol()]":
        assert (tag, result) == ("R", {"reject": [404, "Symbol()"]})
    else:
        assert tag == "E", result


@pytest.mark.parametrize(
    "routing",
    [
        {},
        {"egress_routing": None},
        {"egress_routing": "x"},
        {"egress_routing": [None, 5, "x", [], {}]},
        {
            "egress_routing": [
                {"gw": None},
                {"gw": 5},
                {"gw": []},
                {"gw": {"1": 5}},
                {"gw": {"__proto__": {"cli": "1"}}},
            ]
        },
        {"cli": None},
    ],
)
def test_odd_data_of_a_switch(routing: dict[str, Any]) -> None:
    data = {"routing": routing, "headers": [], "remove_headers": [], "vars": {}}
    for body in ("return data;", "data.routing.cli = '9';", "return { ...data };"):
        assert "routing" in decided(body, data=data)


def test_a_key_named_proto_is_a_key() -> None:
    data = json.loads(
        '{"routing":{"__proto__":{"x":1},"cli":"1"},"headers":[],"remove_headers":[],"vars":{"__proto__":{"y":1}}}'
    )
    assert decided("", data=data)["routing"]["__proto__"] == {"x": 1}
    assert decided("data.routing.y = data.y ?? 'none';", data=data)["routing"]["cli"] == "1"


@pytest.mark.parametrize(
    "pollution",
    [
        "Object.prototype.value = 7; Object.prototype.get = 8;",
        "Object.prototype.evil = 1;",
        "Array.isArray = () => false; Object.assign = Object.keys = Object.create = () => 'evil';",
        "RegExp.prototype.exec = () => null; String.prototype.slice = String.prototype.trim = () => 'evil';",
        "Array.prototype[Symbol.iterator] = null; JSON.stringify = () => 'evil';",
    ],
)
def test_the_adapter_does_not_lean_on_what_can_be_changed(pollution: str) -> None:
    context = Context(False)
    text = (
        f"function main(data) {{ {pollution} if (data.routing.fail) throw new Error('404 Not Found'); return data; }}"
    )
    context.load(Program(key="k", name="a.js", suspends=False, text=text, adapter=hosts.source("routing")))
    context.limit_time(2.0)
    for fail in (False, False, True):
        data = copy.deepcopy(INPUT)
        data["routing"]["fail"] = fail
        status = context.start(packed(data), "", 0.0)
        expected: Any = {"routing": data["routing"], "headers": [GIVEN, []], "remove_headers": [[], []]}
        assert unpacked(status.payload) == ({"reject": [404, "Not Found"]} if fail else expected)
