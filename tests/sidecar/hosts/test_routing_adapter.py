"""The Class 4 adapter in a context of its own: data in, data out, in every spelling that scripts use."""

import copy
import json
from typing import Any

import pytest

from sandbox.engine import Context, LoadedProgram
from sandbox.program import Program
from sandbox.status import Tag
from sidecar import hosts
from tests.sandbox.support import packed, unpacked

INPUT: dict[str, Any] = {
    "routing": {
        "account_id": 7,
        "cli": "100",
        "dest_number": "200",
        "egress_routing": [
            {
                "name": "a",
                "cost": 3,
                "headers": [{"key": "X-A", "value": 1}],
                "gw": {"1": {"cli": "100"}, "2": {"cli": "300"}},
            },
            {"name": "b", "cost": 1, "gw": {"3": {"cli": "100"}}},
            {"name": "c", "cost": 2, "gw": {"4": {"host": "no cli"}, "5": None}},
        ],
    },
    "headers": [{"key": "X-Given", "value": "0"}],
    "remove_headers": [],
    "vars": {"schedule": {"week": [1, 2]}, "cli": {"range": [5]}, "__proto__x": 1},
}
NEW = '[{ key: "X-New", value: 1 }]'
ADDED = [{"key": "X-New", "value": 1}]
GIVEN = INPUT["headers"]


def run(text: str, suspends: bool = False, data: dict[str, Any] | None = None) -> tuple[str, Any]:
    """The status's tag and its JSON."""
    context = Context(suspends)
    program = Program(key="k", name="a.js", suspends=suspends, text=text, adapter=hosts.source("routing"))
    assert isinstance(context.load(program), LoadedProgram)
    context.limit_time(2.0)
    status = context.start(packed(INPUT if data is None else data), "", 0.0)
    while status.tag is Tag.WAITING and context.run_jobs(64):
        pass
    status = context.poll(True) if status.tag is Tag.WAITING else status
    read = unpacked if status.tag is Tag.RETURNED else json.loads
    return status.tag, read(status.payload) if status.payload else None


def decided(body: str, **more: Any) -> Any:
    tag, result = run(f"function main(data) {{ {body} }}", **more)
    assert tag == "R", result
    return result


def names(result: Any) -> list[str]:
    return [destination["name"] for destination in result["routing"]["egress_routing"]]


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
    "body",
    [
        "return 'text';",
        "return 7;",
        "return [];",
        "return false;",
        "return { routing: null };",
        "return { routing: [] };",
        "data.routing = 5;",
        "data.egress_routing = 'none';",
        "data.egress_routing = null;",
        "data.routing.egress_routing = { 0: 1 };",
        "data.headers = 'X-A: b';",
        "data.egress_routing.headers = 5;",
        "delete data.routing;",
    ],
)
def test_results_that_are_none(body: str) -> None:
    tag, result = run(f"function main(data) {{ {body} }}")
    assert tag == "E"
    assert result["name"] == "TypeError"


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


SIP = {
    "method": "INVITE",
    "uri": "sip:+4420;npdi@h",
    "source": "192.0.2.1:5060",
    "headers": [
        ["v", "SIP/2.0/UDP a"],
        ["Via", "SIP/2.0/UDP b"],
        ["P-Asserted-Identity", "<tel:+44>"],
        ["X-Empty", ""],
        ["s", "compact"],
        ["__proto__", "hostile"],
        ["constructor", "hostile"],
        ["X-Quote", "\"\\'`${x}\u2028"],
    ],
}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("data.sip.method", "INVITE"),
        ("data.sip.uri", "sip:+4420;npdi@h"),
        ("data.sip.source", "192.0.2.1:5060"),
        ("data.sip.headers['P-Asserted-Identity']", "<tel:+44>"),
        ("data.sip.headers['p-ASSERTED-identity']", "<tel:+44>"),
        ("data.sip.headers.via", "SIP/2.0/UDP a"),
        ("data.sip.headers.Subject", "compact"),
        ("data.sip.headers.S", "compact"),
        ("data.sip.headers['X-Empty']", ""),
        ("data.sip.headers['X-Quote']", "\"\\'`${x}\u2028"),
        ("data.sip.headers['X-Absent'] === undefined", True),
        ("data.sip.headers[0]", {"key": "v", "value": "SIP/2.0/UDP a"}),
        ("data.sip.headers[99] === undefined", True),
        ("data.sip.headers.length", 8),
        ("data.sip.headers.filter((one) => /^v(ia)?$/i.test(one.key)).map((one) => one.value.slice(-1)).join()", "a,b"),
        ("[...data.sip.headers].length", 8),
        ("Array.isArray(data.sip.headers)", True),
        ("JSON.parse(JSON.stringify(data.sip)).headers[4]", {"key": "s", "value": "compact"}),
        ("data.sip.headers.constructor === Array && ({}).hostile === undefined", True),
        ("data.sip.headers.find((one) => one.key === 'constructor').value", "hostile"),
    ],
)
def test_a_script_reads_the_sip_request(expression: str, value: Any) -> None:
    result = decided(f"data.routing.seen = {expression};", data={**INPUT, "sip": SIP})
    assert result["routing"]["seen"] == value


def test_what_a_script_does_to_the_sip_request_is_its_own_affair() -> None:
    body = "data.sip.headers.length = 0; data.sip.uri = 5; data.sip.headers['X-New'] = 1; delete data.sip; return data;"
    assert decided(body, data={**INPUT, "sip": SIP})["routing"] == INPUT["routing"]


def test_a_var_of_an_assignment_of_before_stays_what_it_was() -> None:
    data = {**INPUT, "sip": SIP, "vars": {"sip": {"trunk": "a"}}}
    assert decided("data.routing.seen = data.sip.trunk;", data=data)["routing"]["seen"] == "a"


@pytest.mark.parametrize("suspends", [False, True])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("data.routing.cli = NaN", ["cli", "NaN"]),
        ("data.routing.dest_number = -Infinity", ["dest_number", "-Infinity"]),
        ("data.headers.push({ key: 'X-A', value: 0 / 0 })", ["the header X-A", "NaN"]),
        ("data.egress_routing.headers = [{ key: 'X-B', value: Infinity }]", ["the header X-B", "Infinity"]),
        ("data.egress_routing[1].headers = [{ key: 'X-C', value: NaN }]", ["the header X-C", "NaN"]),
    ],
)
def test_a_number_that_is_none_is_told_of(change: str, told: list[str], suspends: bool) -> None:
    tag, result = run(f"function main(data) {{ {change}; return data; }}", suspends)
    assert (tag, result["no_number"]) == ("R", told)


@pytest.mark.parametrize("suspends", [False, True])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("data.headers.push({ key: 'X-A', value: 10n })", ["the header X-A", "10n"]),
        ("data.headers = [{ value: 10n }]", ["the header without a key", "10n"]),
        ("data.egress_routing.headers = [{ key: 'X-B', value: -1n }]", ["the header X-B", "-1n"]),
        ("data.egress_routing[1].headers = [{ key: 'X-C', value: 0n }]", ["the header X-C", "0n"]),
        ("data.routing.cli = 442079460100n", ["cli", "442079460100n"]),
        ("data.egress_routing[0].gw[1].rate = 1n", ["egress_routing[0].gw.1.rate", "1n"]),
        ("data.routing.note = { list: [1, 2n] }", ["note.list[1]", "2n"]),
        ("const ring = []; ring.push(ring, ring, 1n); data.routing.ring = ring", None),
    ],
)
def test_a_bigint_is_told_of_where_it_stands(change: str, told: list[str] | None, suspends: bool) -> None:
    tag, result = run(f"function main(data) {{ {change}; return data; }}", suspends)
    assert tag == "R"
    if told is not None:
        assert result == {"no_number": told}


def test_what_else_cannot_be_written_is_told_in_the_engines_words() -> None:
    tag, error = run("function main(data) { const ring = []; ring.push(ring); data.routing.ring = ring; }")
    assert (tag, error["message"]) == ("E", "circular reference")


def test_a_getter_that_throws_while_a_bigint_is_looked_for_is_the_scripts_error() -> None:
    tag, error = run(
        "let asked = 0;"
        "function main(data) {"
        " data.routing.late = { get seen() { if (asked++) throw new Error('again'); return 1n; } };"
        " return data; }"
    )
    assert (tag, error["message"]) == ("E", "again")


@pytest.mark.parametrize("suspends", [False, True])
@pytest.mark.parametrize("name", ["cli", "dest_number"])
@pytest.mark.parametrize(
    ("value", "shown"), [("undefined", "undefined"), ("null", "null"), ("() => '1'", "a function")]
)
@pytest.mark.parametrize("change", ["data.routing.{0} = {1}; return data", "return {{ routing: {{ {0}: {1} }} }}"])
def test_a_number_set_to_nothing_or_to_a_function_is_told_of(
    change: str, value: str, shown: str, name: str, suspends: bool
) -> None:
    tag, result = run(f"function main(data) {{ {change.format(name, value)}; }}", suspends)
    assert (tag, result["no_number"]) == ("R", [name, shown])


@pytest.mark.parametrize("suspends", [False, True])
@pytest.mark.parametrize(
    ("value", "shown"), [("undefined", "undefined"), ("() => '1'", "a function"), ("Symbol('a')", "Symbol(a)")]
)
def test_a_gateways_number_set_to_nothing_or_to_a_function_is_told_of(value: str, shown: str, suspends: bool) -> None:
    tag, result = run(f"function main(data) {{ data.egress_routing[0].gw[2].cli = {value}; return data; }}", suspends)
    assert (tag, result["no_number"]) == ("R", ["the cli of gateway 2", shown])


def test_nothing_is_told_of_a_gateways_number_that_is_deleted_and_of_what_else_is_left_out() -> None:
    body = "const { gw } = data.egress_routing[0]; delete gw[2].cli; gw[1].note = undefined; data.routing.x = () => 1;"
    tag, result = run(f"function main(data) {{ {body} return data; }}")
    assert tag == "R"
    assert "no_number" not in result
    assert "cli" not in result["routing"]["egress_routing"][0]["gw"]["2"]


@pytest.mark.parametrize(
    "change", ["delete data.routing.cli", "const { cli, ...rest } = data.routing; data.routing = rest", "return {}"]
)
def test_nothing_is_told_of_a_number_that_is_deleted_or_left(change: str) -> None:
    tag, result = run(f"function main(data) {{ {change}; }}")
    assert tag == "R"
    assert "no_number" not in result


@pytest.mark.parametrize("suspends", [False, True])
def test_nothing_is_told_of_null_and_of_its_name(suspends: bool) -> None:
    tag, result = run("function main(data) { data.routing.note = [null, 'null']; return data; }", suspends)
    assert (tag, result["routing"]["note"]) == ("R", [None, "null"])
    assert "no_number" not in result


def test_a_refusal_that_says_null_is_a_refusal() -> None:
    assert run("function main(data) { throw '603 null'; }") == ("R", {"reject": [603, "null"]})


def test_an_iterator_of_the_authors_sees_nothing_of_what_is_looked_for() -> None:
    tampering = "Array.prototype[Symbol.iterator] = () => { throw new Error('seen'); };"
    tag, result = run(f"function main(data) {{ {tampering} data.routing.cli = NaN; }}")
    assert (tag, result["no_number"]) == ("R", ["cli", "NaN"])


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("'london'", '"london"'),
        ("'x'.repeat(1000)", f'"{"x" * 40}"'),
        ("true", "true"),
        ("7n", "7"),
        ("Symbol('a')", "Symbol(a)"),
        ("() => 1", "a function"),
        ("data.egress_routing", "a list"),
    ],
)
def test_what_main_returned_in_place_of_the_call_is_named(value: str, told: str) -> None:
    tag, error = run(f"function main(data) {{ return {value}; }}")
    assert tag == "E"
    assert error["message"] == f"main returned {told}, and must return data, its routing object, or nothing"
