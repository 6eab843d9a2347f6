"""Names that are nearly those that are read."""

import pytest

from sidecar.kind import Kind
from sidecar.language.check import check_script
from sidecar.problem import Severity


def warnings(text: str, kind: Kind = Kind.SCRIPT) -> list[str]:
    problems = check_script(text, kind, "a.js")
    assert all(problem.severity is Severity.WARNING for problem in problems), problems
    return [f"{problem.line}:{problem.column} {problem.message}" for problem in problems]


QUOTES = "'\"`"


@pytest.mark.parametrize(
    ("statement", "wrong", "right"),
    [
        ("data.header = []", "header", "headers"),
        ("data.Headers = []", "Headers", "headers"),
        ("data.removeHeaders = []", "removeHeaders", "remove_headers"),
        ("data.remove_header = []", "remove_header", "remove_headers"),
        ("data.egressRouting = []", "egressRouting", "egress_routing"),
        ("data.egress_routings = []", "egress_routings", "egress_routing"),
        ("data.routing.destNumber = '1'", "destNumber", "dest_number"),
        ("data.routing.dest_numer = '1'", "dest_numer", "dest_number"),
        ("data.routing.header = []", "header", "headers"),
        ("data.egress_routing[0].header = []", "header", "headers"),
        ("data.routing.egress_routing[0].removeHeaders = []", "removeHeaders", "remove_headers"),
        ("data.egress_routing.header = []", "header", "headers"),
        ("data.routing.egress_routing.remove_header = []", "remove_header", "remove_headers"),
        ("data['header'] = []", "'header'", "headers"),
        ('data.routing["destNumber"] = 1', '"destNumber"', "dest_number"),
        ("data['egress_routing'][0][`header`] = []", "`header`", "headers"),
        ("(data).header = []", "header", "headers"),
        ("const all = data; all.header = []", "header", "headers"),
        ("const r = data.routing; r.Headers = []", "Headers", "headers"),
        ("const r = data.routing, list = r.egress_routing; list.header = []", "header", "headers"),
        ("var { routing: r } = data; r.header = []", "header", "headers"),
        ("const { routing } = data; routing.destNumber = 1", "destNumber", "dest_number"),
        ("const { routing: { egress_routing } } = data; egress_routing[0].header = []", "header", "headers"),
        ("const first = data.egress_routing[0]; first.header = []", "header", "headers"),
        ("for (const one of data.egress_routing) one.header = []", "header", "headers"),
        ("data.egress_routing.forEach((one) => { one.header = []; })", "header", "headers"),
        ("data.routing.egress_routing.map(function (one) { one.header = []; })", "header", "headers"),
        ("exit({ header: [], routing: data.routing })", "header", "headers"),
        ("exit({ header: [] })", "header", "headers"),
        ("return { ...data, header: [] }", "header", "headers"),
        ("return { routing: { ...data.routing, 'destNumber': 1 } }", "'destNumber'", "dest_number"),
        ("const header = []; return { routing: {}, 'header': header }", "'header'", "headers"),
    ],
)
def test_a_name_nearly_right_is_warned_of(statement: str, wrong: str, right: str) -> None:
    column = 3 + statement.index(wrong)
    said = f"2:{column} `{wrong.strip(QUOTES)}` is read by nothing; did you mean `{right}`?"
    assert warnings(f"function main(data) {{\n  {statement};\n}}") == [said]
    assert warnings(f"const main = (data) => {{\n  {statement};\n}}") == [said]
    assert warnings(f"export default function (data) {{\n  {statement};\n}}", Kind.APP) == [said]


@pytest.mark.parametrize(
    "text",
    [
        "function main(data) { data.headers = []; data.routing.cli = '1'; data.egress_routing = []; }",
        "function main(data) { data.scratch = 1; data.routing.account = 2; }",
        "function main(data) { const other = {}; other.header = 1; }",
        "function main(data) { data.egress_routing[0].headers = []; data.egress_routing.headers = []; }",
        "function main(data) { data.egress_routing[0].rate = 1; data.a[0].header = 1; data.routing.own.header = 1; }",
        "function main(data) { function inner(data) { data.header = 1; } inner({}); }",
        "function other(data) { data.header = 1; } function main(data) { return data; }",
        "function main({ routing }) { routing.cli = '1'; }",
        "function main() { return null; }",
        "function main(data) { let one = data; one = {}; one.header = []; }",
        "function main(data) { const data2 = { header: 1 }; return data; }",
        "function main(data) { const own = () => ({ header: 1 }); return own() && data; }",
        "function main(data) { const own = () => { return { header: 1 }; }; return data; }",
        "function main(data) { data[data.x].header = 1; data.gw[0].header = 1; return data; }",
        "function main(data) { function exit(value) {} exit({ header: 1 }); return data; }",
        "function main(data) { for (const one of data.lists) one.header = 1; }",
        "function main(data) { for (const one in data.egress_routing) one.header = 1; }",
        "function main(data) { const vars = {}; vars.header = 1; }",
        "function main(data) { return { headers: [], routing: { cli: '1' }, remove_headers: [] }; }",
    ],
)
def test_what_is_right_or_somebody_elses_is_not(text: str) -> None:
    assert warnings(text) == []


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("const main = (data) => data.header = [];", 29),
        ("const main = (data) => ({ header: [], routing: data.routing });", 27),
        ("function main({ routing }) { routing.header = []; }", 38),
        ("vars.header = []; exit();", 6),
        ("vars().header = []; exit();", 8),
        ("const data = vars(); data.header = []; exit(data);", 27),
        ("exit({ header: [], ...vars() });", 8),
    ],
)
def test_it_is_found_by_every_name_that_data_has(text: str, column: int) -> None:
    assert warnings(text) == [f"1:{column} `header` is read by nothing; did you mean `headers`?"]


@pytest.mark.parametrize(
    "text",
    [
        "exit(" + "{routing:" * 5_000 + "1" + "}" * 5_000 + ");",
        "const {routing:" * 1 + "{routing:" * 5_000 + "x" + "}" * 5_001 + " = vars(); exit({});",
        "exit(" + "(" * 5_000 + "{}" + ")" * 5_000 + ");",
        "function main(data) { data" + ".routing" * 20_000 + ".header = 1; }",
        "function main(data) { const a0 = data;" + "".join(f"const a{i + 1} = a{i};" for i in range(5_000)) + "}",
    ],
)
def test_a_text_of_any_depth_is_looked_through(text: str) -> None:
    assert warnings(text) == []
