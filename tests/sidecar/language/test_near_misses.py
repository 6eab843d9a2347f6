"""Names that are nearly those that are read."""

import pytest

from sidecar.kind import Kind
from sidecar.language.check import check_script
from sidecar.problem import Severity


def warnings(text: str, kind: Kind = Kind.SCRIPT) -> list[str]:
    problems = check_script(text, kind, "a.js")
    assert all(problem.severity is Severity.WARNING for problem in problems), problems
    return [f"{problem.line}:{problem.column} {problem.message}" for problem in problems]


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
    ],
)
def test_a_name_nearly_right_is_warned_of(statement: str, wrong: str, right: str) -> None:
    column = 3 + statement.index(wrong)
    said = f"2:{column} `{wrong}` is read by nothing; did you mean `{right}`?"
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
    ],
)
def test_what_is_right_or_somebody_elses_is_not(text: str) -> None:
    assert warnings(text) == []
