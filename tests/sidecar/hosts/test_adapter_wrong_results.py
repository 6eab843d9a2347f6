"""What a Class 4 script leaves that is no number, or no result, is told to it by name."""

import pytest

from tests.sidecar.hosts.adapter_runs import run


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
