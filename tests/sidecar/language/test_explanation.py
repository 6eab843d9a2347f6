"""What is added to the engine's errors. Each is thrown by the engine itself, at the place that it gives."""

import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.engine import Context
from sandbox.outcome import Location, Threw
from sandbox.program import Program
from sandbox.stack import threw
from sandbox.status import Tag
from sidecar.language.explanation import Explanation, explained, place_of_subject
from sidecar.language.syntax_tree import SyntaxTree, parse_script

ADAPTER = "({prepare: (x) => x, collect: (x, y) => y, caught: () => undefined})"


def tree(text: str) -> SyntaxTree:
    return parse_script(text, time.monotonic() + 10)


def thrown(text: str) -> Threw:
    context = Context(suspends=False)
    program = Program(key="1", name="a.js", suspends=False, text=text, adapter=ADAPTER)
    context.load(program)
    context.limit_time(1)
    status = context.start(msgspec.msgpack.encode({"routing": {"cli": "1"}, "list": [{}]}), "", 0.0)
    assert status.tag is Tag.THREW, status
    return threw("a.js", status.payload)


def explain(text: str) -> tuple[str, int, int] | None:
    error = thrown(text)
    assert error.location is not None
    found = explained(tree(text), error)
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
        ("  Object.keys(data.no);", "Object.keys: data.no is undefined or null", 2, 3),
        ("  Array.from(data.no);", "Array.from: data.no is undefined, and a list is needed", 2, 3),
        ("  new Map(data.routing);", "Map: data.routing is not iterable, and a list is needed", 2, 7),
        ("  Object.keys(...[data.no]);", "Object.keys: Cannot convert undefined or null to object", 2, 3),
        ("  [1].map(data.no);", "[1].map: an argument is not a function", 2, 3),
        ("  'x'.repeat(-1);", "'x'.repeat: invalid repeat count", 2, 3),
        # A name among the arguments is noted after the function that is called.
        ("  data.routing.cli.has(data.routing);", "data.routing.cli.has is not a function", 2, 3),
        ("  data.find(data.routing.cli, (x) => {\n    x;\n  });", "data.find is not a function", 2, 3),
        ("  data.find(function () {});", "data.find is not a function", 2, 3),
        ("  data.list[0](data.routing);", "data.list[0] is not a function", 2, 3),
        ("  (data.a || data.b)();", "(data.a || data.b) is not a function", 2, 3),
        ("  new data.Foo(data.routing);", "data.Foo is not a constructor", 2, 7),
        ("  function get() {}\n  get()();", "get() is not a function", 3, 3),
        ("  function get() {}\n  data.f(get());", "data.f is not a function", 3, 3),
        (
            "  data.f(data.routing.cli.trim());",
            "data.routing.cli.trim or data.f is not a function",
            2,
            10,
        ),
        (
            "  const a = data.routing.cli\n  (function () {});",
            "data.routing.cli is not a function; is there a semicolon missing after it?",
            2,
            13,
        ),
        ("  data.no.a = data.routing;", "cannot set property 'a' of undefined: data.no is undefined", 2, 3),
        ("  const k = 'a';\n  data.no[k]++;", "cannot change data.no[k]: data.no is undefined or null", 3, 3),
        ("  delete data.no.a;", "cannot delete data.no.a: data.no is undefined or null", 2, 10),
        ("  for (const x of data.routing) x;", "data.routing is not iterable, and a list is needed", 2, 19),
        ("  return [...data.routing];", "data.routing is not iterable, and a list is needed", 2, 14),
        ("  const [a] = data.routing;", "cannot take [a] out of data.routing: data.routing is not iterable", 2, 9),
        ("  let a;\n  [a] = data.routing;", "cannot take [a] out of data.routing: data.routing is not iterable", 3, 3),
        (
            "  const [[a]] = data.list;",
            "cannot take [[a]] out of data.list: data.list or an element of data.list is not iterable",
            2,
            9,
        ),
        (
            "  for (const [a, { b: [c] }] of data.list.entries()) c;",
            "cannot take [a, { b: [c] }] out of the elements of data.list.entries(): data.list.entries(), an element of"
            " it, or a part of one is undefined",
            2,
            14,
        ),
        ("  return 'a' in data.routing.cli;", "data.routing.cli is not an object or a list, which `in` needs", 2, 17),
        ("  return data instanceof data.routing;", "data.routing is not a class, which `instanceof` needs", 2, 26),
        ("  class R {}\n  const r = R(data);", "R is a class and is made by `new R(...)`", 3, 13),
        (
            "  const m = {};\n  class R extends m.Base {}",
            "m.Base is not a class that another can extend",
            3,
            19,
        ),
        # A function without a name that is given to another, and has noted no place yet.
        (
            "  [data.no].map(({ gw }) => gw);\n  const { x } = data;",
            "cannot take { gw } out of the argument: the argument is undefined or null",
            2,
            18,
        ),
        (
            "  [{}].map(function ({ gw: { id } }) {\n    return id;\n  });",
            "cannot take { gw: { id } } out of the argument: the argument or the argument.gw is undefined or null",
            2,
            22,
        ),
        # Of what is asked of `this` the engine notes no place.
        (
            "  const o = {\n    get first() {\n      return this.list[0];\n    },\n  };\n  o.first;",
            "cannot read property '0' of undefined: this.list is undefined",
            4,
            14,
        ),
        (
            "  class R {\n    pick() {\n      const n = 1;\n      return this.table.cli;\n    }\n  }\n"
            "  const { pick } = new R();\n  pick();",
            "cannot read property 'table' of undefined: this is undefined",
            5,
            14,
        ),
        (
            "  class R {\n    rows = [];\n    first = this.list.first;\n  }\n  new R();",
            "cannot read property 'first' of undefined: this.list is undefined",
            4,
            13,
        ),
        (
            "  const o = {\n    go() {\n      for (const x of this.list) x;\n    },\n  };\n  o.go();",
            "this.list is undefined, and a list is needed",
            4,
            23,
        ),
        (
            "  const o = {\n    go() {\n      const { a } = this.no;\n    },\n  };\n  o.go();",
            "cannot take { a } out of this.no: this.no is undefined or null",
            4,
            13,
        ),
        (
            "  return data.list\n    .no\n    .first;",
            "cannot read property 'first' of undefined: data.list.no is undefined",
            2,
            10,
        ),
        # What the script throws itself is told where it is made, whatever stands among the arguments.
        ("  throw new Error(\n    'a' +\n    data.routing.cli\n  );", "a1", 2, 13),
        ("  class E extends Error { constructor(m) { super(m); } }\n  throw new E('a');", "a", 3, 13),
        ("  /* ä€𝄞 */ data.a.b;", "cannot read property 'b' of undefined: data.a is undefined", 2, 13),
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
    ("body", "message"),
    [
        ("  const o = { get a() { return 1; } };\n  o.a = 2;", "o.a has a getter and no setter"),
        ("  const o = Object.freeze({});\n  o.a = 2;", "o.a cannot be added: o is not extensible"),
        ("  const o = Object.freeze({ a: 1 });\n  delete o.a;", "could not delete o.a"),
        ("  data.routing.cli.a = 2;", "cannot set data.routing.cli.a: data.routing.cli is not an object"),
    ],
)
def test_strict_code_is_told_which_property_cannot_be_changed(body: str, message: str) -> None:
    found = explain(f"'use strict';\nfunction main(data) {{\n{body}\n}}")
    assert found is not None
    assert found[0] == message


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
    "value is not iterable",
    "class constructors must be invoked with 'new'",
    "parent class must be constructor",
    "invalid 'in' operand",
    "no setter for property",
    "value has no property",
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
    place, caller = Location(line, column), Location(column, line)
    found = explained(tree(text), Threw("a.js", "Error", message, place, (), builtin, caller))
    assert found is None or (isinstance(found, Explanation) and found.line >= 1 and found.column >= 1)
    place_of_subject(tree(text), message)
