"""Whatever goes in: the engine answers with one of its statuses, and JSON comes out as it went in."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.outcome import Threw
from sandbox.stack import threw
from sandbox.status import Tag
from tests.sandbox.support import Driven, result

# JavaScript has no integers past 2**53, says 0 for -0, and writes floats below 1e21 as integers.
FLOATS = st.floats(allow_nan=False, allow_infinity=False).filter(
    lambda number: number != 0 and (abs(number) < 2**53 or abs(number) >= 1e21)
)
NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1) | FLOATS
# A key "then" with no function behind it is data; one named __proto__ is an own property in JSON.
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)
FRAGMENTS = st.sampled_from(
    ["main", "function", "async", "(", ")", "{", "}", "=>", "return", "throw", "err", "exit", "vars()", "await", ";",
     "Promise", "setTimeout", ",", "[", "]", "'", "`", "${", "/*", "*/", "//", "\n", "new", "Error", "0", "1", "null",
     "=",
     "this", "globalThis", "Object.prototype", "Array.prototype", ".toJSON", ".then", "class", "extends", "for(;;)",
     "yield", "\0", "\ud800", "\u2028", "import", "export", "eval", "Symbol.iterator", "console.log", "data", " "]
)  # fmt: skip

_identity = {suspends: Driven("function main(data) { return data; }", suspends) for suspends in (False, True)}


@given(data=JSON, suspends=st.booleans())
def test_json_comes_out_as_it_went_in(data: Any, suspends: bool) -> None:
    assert _identity[suspends].run(data) == data


@given(
    text=st.text(st.characters(), max_size=60) | st.lists(FRAGMENTS, max_size=25).map("".join),
    suspends=st.booleans(),
)
@settings(deadline=None)
def test_any_text_has_a_status(text: str, suspends: bool) -> None:
    driven = Driven(text, suspends)
    status = driven.start({"n": 1}, cpu=0.01)
    assert status[0] in {Tag.RETURNED, Tag.THREW, Tag.OUT_OF_TIME, Tag.WAITING, Tag.OUT_OF_MEMORY,
                         }  # fmt: skip
    assert status[1] in "0123"
    if status[0] == Tag.THREW:
        assert str(threw("author.js", status[2:].encode()))
    elif status[0] == Tag.RETURNED:
        json.loads(status[2:])


VALUES = st.recursive(
    st.sampled_from(["undefined", "null", "NaN", "Symbol()", "3n", "main", "new Error('e')", "new Proxy({}, {})", "/x/",
                     "new Proxy(new Error(), { get() { throw 1; } })", "class {}", "new Date(NaN)", "new Map()",
                     "Object.create(null)", "new Uint8Array(3)", "function* () {}", "globalThis", "Promise"])
    | st.text(st.characters(codec="ascii"), max_size=10).map(json.dumps)
    | st.integers().map(lambda n: f"({n})"),
    lambda inner: st.lists(inner, max_size=3).map(lambda v: "[" + ",".join(v) + "]")
    | inner.map(lambda v: f"{{ a: {v} }}")
    | inner.map(lambda v: f"{{ toString() {{ return {v}; }}, toJSON() {{ throw {v}; }} }}")
    | inner.map(lambda v: f"Object.assign(new TypeError('t'), {{ name: {v} }})")
    | inner.map(lambda v: f"Object.defineProperty(new Error('t'), 'message', {{ value: {v} }})")
    | inner.map(lambda v: f"Object.defineProperty(new Error('t'), 'stack', {{ get() {{ throw {v}; }} }})"),
    max_leaves=5,
)  # fmt: skip


@given(value=VALUES, suspends=st.booleans())
@settings(deadline=None)
def test_whatever_is_thrown_is_an_error_that_can_be_shown(value: str, suspends: bool) -> None:
    outcome = result(f"function main() {{ const thrown = {value}; throw thrown; }}", suspends=suspends)
    if isinstance(outcome, dict):
        assert outcome.keys() == {"refused"}  # an array, which this adapter takes for an answer
    else:
        assert isinstance(outcome, Threw)
        assert str(outcome).startswith("author.js")
