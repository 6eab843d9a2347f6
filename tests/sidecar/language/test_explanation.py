"""What is added to the engine's errors. Each is thrown by the engine itself, at the place that it gives."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.engine import Context, RunBounds, Tag
from sandbox.outcome import Threw
from sandbox.program import Program
from sandbox.stack import threw
from sidecar.language.explanation import Explanation, explained, place_of_subject
from sidecar.language.syntax_tree import SyntaxTree, parse_script

ADAPTER = "({prepare: (x) => x, collect: (x, y) => y, caught: () => undefined})"


def tree(text: str) -> SyntaxTree:
    return parse_script(text, time.monotonic() + 10)


def thrown(text: str) -> Threw:
    context = Context(suspends=False)
    program = Program(key="1", name="a.js", suspends=False, text=text, adapter=ADAPTER)
    context.load(program, RunBounds(10_000, 1_000, 10))
    context.limit_time(1)
    status = context.start('{"routing":{"cli":"1"},"list":[{}]}', "", 0.0)
    assert status.tag is Tag.THREW, status
    return threw("a.js", status.payload)


def explain(text: str) -> tuple[str, int, int] | None:
    error = thrown(text)
    assert error.location is not None
    found = explained(tree(text), error.message, error.location.line, error.location.column, error.builtin)
    return None if found is None else (found.message, found.line, found.column)


@pytest.mark.parametrize(
    ("body", "message", "line", "column"),
    [
        (
            "  return data.routing.gw.cli;",
            "cannot read property 'cli' of undefined: data.routing.gw is undefined",
            2,
            10,
        ),
        (
            "  data.routing.gw.london = 1;",
            "cannot set property 'london' of undefined: data.routing.gw is undefined",
            2,
            3,
        ),
        ("  const s = data.s;\n  s['a'] = 1;", "cannot set property 'a' of undefined: s is undefined", 3, 3),
        ("  return data.s[0];", "cannot read property '0' of undefined: data.s is undefined", 2, 10),
        (
            "  const key = 'k';\n  return data.s[key];",
            "cannot read property 'k' of undefined: data.s is undefined",
            3,
            10,
        ),
        ("  data.list.map((one) => one.x.y);", "cannot read property 'y' of undefined: one.x is undefined", 2, 26),
        ("  const n = null;\n  return n.x;", "cannot read property 'x' of null: n is null", 3, 10),
        (
            "  const x = {}, y = undefined;\n  const { a } = x;\n  const { b } = y;",
            "cannot take { b } out of y: y is undefined or null",
            4,
            9,
        ),
        (
            "  for (const { a } of [{}, data.no]) a;",
            "cannot take { a } out of an element of [{}, data.no]: an element of [{}, data.no] is undefined or null",
            2,
            14,
        ),
        (
            "  const { a: { b } = null } = { ...data };",
            "cannot take { a: { b } = null } out of { ...data }: { ...data } or ({ ...data }).a is undefined or null",
            2,
            9,
        ),
        ("  data.routing.cli.startWith('4');", "data.routing.cli.startWith is not a function", 2, 3),
        ("  const f = data.f;\n  f();", "f is not a function", 3, 3),
        ("  data.routing.cli();", "data.routing.cli is not a function", 2, 3),
        ("  new data.Foo(1);", "data.Foo is not a constructor", 2, 7),
        ("  const a = data.a;\n\n  const { x, y } = a;", "cannot take { x, y } out of a: a is undefined or null", 4, 9),
        (
            "  const { routing: { gw: { cli } } } = data;",
            "cannot take { routing: { gw: { cli } } } out of data: data or data.routing or data.routing.gw"
            " is undefined or null",
            2,
            9,
        ),
        ("  let x;\n  ({ x } = data.no);", "cannot take { x } out of data.no: data.no is undefined or null", 3, 4),
        ("  const [a, b] = data.no;", "cannot take [a, b] out of data.no: data.no is undefined", 2, 9),
        ("  for (const x of data.no) x();", "data.no is undefined, and a list is needed", 2, 19),
        ("  return [...data.no];", "data.no is undefined, and a list is needed", 2, 14),
        ("  Object.keys(data.no);", "Object.keys: Cannot convert undefined or null to object", 2, 3),
        ("  [1].map(data.no);", "[1].map: an argument is not a function", 2, 3),
        ("  'x'.repeat(-1);", "'x'.repeat: invalid repeat count", 2, 3),
        ("  /* ä€𝄞 */ data.a.b;", "cannot read property 'b' of undefined: data.a is undefined", 2, 13),
        ("  /* ä€𝄞 */ missing;", "missing is not defined", 2, 13),
    ],
)
def test_what_was_undefined_or_no_function_is_named_where_it_stands(
    body: str, message: str, line: int, column: int
) -> None:
    assert explain(f"function main(data) {{\n{body}\n}}") == (message, line, column)


def test_a_parameter_that_is_taken_apart_is_told_at_its_place() -> None:
    text = "function f({ a }) {\n  return a;\n}\nfunction main() {\n  f();\n}"
    assert explain(text) == ("cannot take { a } out of the argument: the argument is undefined or null", 1, 12)


def test_of_two_parameters_that_are_taken_apart_both_are_named() -> None:
    text = "function f({ a }, { b }) {\n  return a;\n}\nfunction main() {\n  f({});\n}"
    assert explain(text) == ("cannot take { a } or { b } out of an argument that is undefined or null", 1, 12)


def test_a_destructuring_is_told_at_its_own_line_and_not_at_an_earlier_one() -> None:
    text = "function main(data) {\n  const { routing } = data;\n  const { gw } = routing.no;\n}"
    assert explain(text) == ("cannot take { gw } out of routing.no: routing.no is undefined or null", 3, 9)


@pytest.mark.parametrize(
    "body",
    [
        "  missing();",
        "  throw new Error('mine');",
        "  const k = 1; k = 2;",
        # Either may be the one: nothing is said rather than something wrong.
        "  const a = { b: undefined }; return a.b.b.b;",
    ],
)
def test_what_the_engine_says_in_full_stays_as_it_is(body: str) -> None:
    assert explain(f"function main(data) {{\n{body}\n}}") is None


def test_where_a_header_was_most_likely_set() -> None:
    text = "function main(data) {\n  const name = 'X-A';\n  data.routing.cli = 1;\n}"
    assert place_of_subject(tree(text), "X-A") == (2, 16)
    assert place_of_subject(tree(text), "cli") == (3, 3)
    assert place_of_subject(tree(text), "X-B") is None


TEXTS = (
    "function main({ a: { b } }) { for (const [c] of a.b.c) c`x`.y?.z(...b); new (class { #p = 1; })().q }",
    "a.b.c.d; ({x} = y); [z] = [..." + "[" * 300 + "]" * 300 + "]",
    "é.ü(); \r\n\r x.y",
    "",
)
MESSAGES = (
    "cannot read property 'b' of undefined",
    "cannot read property 'Symbol.iterator' of null",
    "cannot set property '\ud800' of null",
    "Cannot convert undefined or null to object",
    "not a function",
    "anything",
)


@given(
    text=st.sampled_from(TEXTS) | st.text(max_size=200).filter(lambda text: text.isprintable()),
    message=st.sampled_from(MESSAGES) | st.text(max_size=50),
    line=st.integers(-1, 10) | st.just(10**9),
    column=st.integers(-1, 400) | st.just(10**9),
    builtin=st.sampled_from(["", "map", "\ud800", "z"]),
)
def test_nothing_that_a_script_claims_of_its_error_breaks_it(
    text: str, message: str, line: int, column: int, builtin: str
) -> None:
    found = explained(tree(text), message, line, column, builtin)
    assert found is None or (isinstance(found, Explanation) and found.line >= 1 and found.column >= 1)
    place_of_subject(tree(text), message)
