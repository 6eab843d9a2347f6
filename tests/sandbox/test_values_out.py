"""Values out: what is written is what JSON.stringify writes."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.sandbox.crossing_values import (
    CALLED,
    ECHO,
    KEYS,
    LOST,
    MOST,
    NESTING_MOST,
    ORACLE,
    TREES,
    WRITTEN,
    engine,
    new_engine,
    said,
    written,
)
from tests.sandbox.support import packed, unpacked

LEAVES = st.sampled_from(
    [
        "undefined",
        "null",
        "true",
        "NaN",
        "-Infinity",
        "Symbol()",
        "(() => 1)",
        "class {}",
        "new Date(0)",
        "new Date(NaN)",
        "new Map([[1, 2]])",
        "new Set([1])",
        "new Uint8Array([1, 2])",
        "/x/",
        "new Error('e')",
        "new Number(5)",
        "new Number(NaN)",
        "new String('s')",
        "new Boolean(false)",
        "Object(Symbol())",
        "Object.create(null)",
        "-0",
        "[, 1, , 2]",
        "new Array(5)",
        "Object.assign([1], { extra: 2 })",
        "(function () { return arguments })(1, 2)",
        "JSON.rawJSON('12')",
        "JSON.rawJSON('\"x\"')",
        "JSON.rawJSON('1.5e3')",
        "JSON.rawJSON('9007199254740993')",
        "Object.defineProperty({}, 'hidden', { value: 1 })",
        "{ [Symbol('s')]: 1, a: 1 }",
        "{ 10: 1, 9: 2, b: 3, a: 4 }",
        "2 ** 53",
        "2 ** 53 + 2",
        "2 ** 60",
        "-(2 ** 62)",
        "1e21",
        "1e20",
        "0.1",
        "5e-324",
        "1n",
        "Object(1n)",
        "new Proxy([], {})",
        "new Proxy(new Proxy([1, 2], {}), {})",
        "new Proxy({ a: 1, b: 2 }, {})",
        "(() => { let p = []; for (let n = 0; n < 1e5; n++) p = new Proxy(p, {});"
        " return new Proxy(p, { get: (t, k) => (k === 'length' ? 0 : undefined) }) })()",
        "globalThis.Math",
        "new Proxy(() => 1, {})",
        "new Proxy([1, 2], { get: (t, k) => (k === 'length' ? 3 : t[k]) })",
        "new Proxy({ a: 1, b: 2 }, { ownKeys: () => ['b', 'a'] })",
        "Proxy.revocable([], {}).proxy",
        "new Proxy({ a: 1 }, { getOwnPropertyDescriptor: () => undefined })",
        "new Proxy({}, { ownKeys() { throw new Error('k') } })",
        "(() => { const { proxy, revoke } = Proxy.revocable([], {}); revoke(); return proxy; })()",
        "{ get a() { throw new TypeError('getter') } }",
        "{ get a() { delete this.b; return 1 }, b: 2 }",
        "{ get a() { this.c = 3; return 1 }, b: 2 }",
        "(() => { const a = [1, { toJSON() { a.length = 0; return 2 } }, 3]; return a })()",
        "{ a: 1, toJSON: 5 }",
        "{ toJSON(key) { return `[${key}]` } }",
        "{ toJSON() { return undefined } }",
        "{ toJSON() { return () => 1 } }",
        "{ toJSON() { throw new RangeError('json') } }",
        "{ toJSON() { return { toJSON() { return 1 } } } }",
        "Object.assign(() => 1, { toJSON: () => 'function' })",
        "{ toJSON() { return this }, a: 1 }",
        "Object.assign(new Number(3), { toString: () => 'x', valueOf: () => 7 })",
        "Object.assign(new String('s'), { toString: () => 't' })",
        "Object.assign(new Boolean(true), { valueOf: () => false })",
        "Object.assign(new Number(3), { valueOf() { throw new Error('v') } })",
        "(() => { const a = {}; a.a = a; return a })()",
        "(() => { const a = []; a[0] = [a]; return a })()",
        "(() => { const o = {}; return [o, o, { o }] })()",
        "(() => { const a = []; a.toJSON = () => [a, 1]; return a })()",
        "'\\ud800'",
        "'a\\udfffb'",
        "'\\ud83d\\ude00'",
        "'\\u00e9\\u20ac'",
        "{ '\\ud800': 1 }",
        "{ '\\u00e9': 1, '\\u00c3\\u00a9': 2 }",
    ]
)


def number_text(number: float) -> str:
    """JavaScript of a number."""
    return {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(repr(number), f"({number!r})")


def object_text(pairs: list[tuple[str, str]]) -> str:
    """JavaScript of an object."""
    return "{" + ",".join(f"[{json.dumps(key)}]:{value}" for key, value in pairs) + "}"


def proxy_text(value: str) -> str:
    """JavaScript of a proxy of a list whose elements are all this."""
    return f"new Proxy([1, 2], {{ get: (t, k) => (k === 'length' ? 2 : k === 'toJSON' ? undefined : {value}) }})"


EXPRESSIONS = st.recursive(
    LEAVES
    | st.integers().map(lambda n: f"({n})")
    | st.floats().map(number_text)
    | st.text(st.characters(codec="ascii"), max_size=50).map(json.dumps),
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda v: "[" + ",".join(v) + "]")
        | st.lists(st.tuples(KEYS, inner), max_size=4).map(object_text)
        | inner.map(lambda v: f"{{ get a() {{ return {v} }}, b: 1 }}")
        | inner.map(lambda v: f"{{ toJSON() {{ return {v} }} }}")
        | inner.map(lambda v: f"new Proxy({{ a: 1 }}, {{ get: (t, k) => (k === 'toJSON' ? undefined : {v}) }})")
        | inner.map(proxy_text)
    ),
    max_leaves=12,
)


POLLUTIONS = st.sampled_from(
    [
        "",
        "Array.prototype.toJSON = function () { return { list: this.length } };",
        "Object.prototype.toJSON = () => 5;",
        "BigInt.prototype.toJSON = function () { return String(this) };",
        "Date.prototype.toJSON = (key) => key;",
        "String.prototype.toJSON = Number.prototype.toJSON = () => 'never';",
        "JSON.stringify = JSON.parse = () => 'evil';",
        "Object.defineProperty(Object.prototype, 'a', { get: () => 1, configurable: true });",
    ]
)


def as_today(text: str) -> Any:
    """What was made of JSON.stringify's text: a half of a pair is a question mark."""
    if text.startswith("!") or text == "undefined":
        return text
    return ["value", _without_halves(json.loads(text))]


def _without_halves(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_without_halves(one) for one in value]
    if isinstance(value, dict):
        return {_without_halves(key): _without_halves(one) for key, one in value.items()}
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**64:
        return float(value)
    return value


@given(EXPRESSIONS, POLLUTIONS)
@settings(max_examples=1500, deadline=None)
@example("{ a: 1, toJSON: 5 }", "")
@example("2 ** 64", "")
@example("-(2 ** 63)", "")
@example("18446744073709549568", "")
@example("1n", "BigInt.prototype.toJSON = function () { return String(this) };")
def test_what_is_written_is_what_json_stringify_writes(expression: str, pollution: str) -> None:
    text = f"{pollution} ({expression})"
    today = as_today(said(ORACLE, text, at=new_engine()))
    assert written(text) == today


@given(st.text(st.characters(codec=None)))
def test_only_halves_of_pairs_become_question_marks(text: str) -> None:
    # The standard library reads two escaped halves as one character, as the engine does.
    text = json.loads(json.dumps(text))
    _, mended = written(json.dumps(text), at=engine())
    assert len(mended) == len(text)
    halves = {chr(code) for code in range(0xD800, 0xE000)}
    assert all(after == ("?" if before in halves else before) for before, after in zip(text, mended, strict=True))


def test_an_index_stands_before_other_keys_and_in_its_order() -> None:
    made = new_engine()
    _, payload = made.call(WRITTEN, "({ b: 1, 10: 1, 9: 1, a: 1 })", MOST)
    assert list(unpacked(payload)) == ["9", "10", "b", "a"]


def test_integral_numbers_are_integers() -> None:
    made = new_engine()
    for expression, number in (("1.0", 1), ("-0", 0), ("2 ** 53", 2**53), ("-(2 ** 31)", -(2**31)), ("1e3", 1000)):
        _, payload = made.call(WRITTEN, expression, MOST)
        assert payload == packed(number), expression
    assert isinstance(unpacked(made.call(WRITTEN, "2 ** 70", MOST)[1]), float)


@pytest.mark.parametrize(
    ("expression", "lost"),
    [
        ("NaN", "true"),
        ("[{ a: -Infinity }]", "true"),
        ("null", "false"),
        ("[undefined]", "false"),
        ("{ a: undefined }", "true"),
        ("[{ a: () => 1 }]", "true"),
        ("{ a: Symbol() }", "true"),
        ("{ a: { toJSON() {} } }", "true"),
        ("{ a: null }", "false"),
        ("new Number(NaN)", "true"),
        ("5", "false"),
    ],
)
def test_a_number_that_is_none_and_a_property_that_is_left_out_are_told(expression: str, lost: str) -> None:
    made = new_engine()
    made.call(WRITTEN, f"({expression})", MOST)
    assert said(LOST, at=made) == lost
    made.call(WRITTEN, "1", MOST)
    assert said(LOST, at=made) == "false"


@given(TREES, st.integers(-3, 3))
def test_no_more_bytes_are_written_than_may_be(value: Any, more: int) -> None:
    made = engine()
    head, whole = made.call(ECHO, packed(value))
    assert head[0] == "R"
    most = max(0, len(whole) + more)
    text = f"({json.dumps(value)})".replace('"__proto__":', '["__proto__"]:')
    head, payload = made.call(WRITTEN, text, most)
    assert payload == (whole if len(whole) <= most else b"too long")


@pytest.mark.parametrize(
    "expression",
    [
        "new Array(4e9)",
        "new Array(2 ** 32 - 1)",
        "new Proxy([], { get: (t, k) => (k === 'length' ? 2 ** 53 - 1 : 1) })",
        "'x'.repeat(2e6)",
        "'\\u20ac'.repeat(5e5)",
        "Array.from({ length: 1e6 }, () => 1)",
        "Object.fromEntries(Array.from({ length: 2e5 }, (_, n) => ['key' + n, n]))",
        "(() => { const a = []; a[1e9] = 1; return a })()",
    ],
)
def test_what_is_too_long_is_not_written_first(expression: str) -> None:
    made = new_engine()
    assert written(expression, at=made) == "too long"
    made.limit_time(0.5)
    assert written("1", at=made) == ["value", 1]


def test_as_deep_as_it_may_be_written() -> None:
    nested = "(() => {{ let a = 1; for (let n = 0; n < {}; n++) a = {}; return a }})()"
    for form in ("[a]", "{ a }"):
        assert written(nested.format(NESTING_MOST, form))[0] == "value"
        assert written(nested.format(NESTING_MOST + 1, form)) == "!RangeError: Maximum call stack size exceeded"
        assert written(nested.format(100_000, form)) == "!RangeError: Maximum call stack size exceeded"
    endless = "(() => { const make = () => ({ toJSON() { return { a: make() } } }); return make() })()"
    assert written(endless) == "!RangeError: Maximum call stack size exceeded"
    proxies = "(() => { let a = []; for (let n = 0; n < 1e5; n++) a = new Proxy(a, {}); return a })()"
    assert written(proxies) == "!RangeError: Maximum call stack size exceeded"


@pytest.mark.parametrize(
    "expression",
    [
        "{ get a() { for (;;); } }",
        "{ toJSON() { for (;;); } }",
        "new Proxy({}, { ownKeys() { for (;;); } })",
        "new Proxy([], { get(t, k) { if (k === 'length') return 1e5; for (;;); } })",
        "Object.assign(new Number(1), { valueOf() { for (;;); } })",
        "Object.assign(new String('s'), { toString() { for (;;); } })",
        "new Proxy(Array(1e5), { get: (t, k) => (k === 'length' ? 9e5 : { toJSON() { let n = 1e5; while (n--); } }) })",
    ],
)
def test_time_is_over_while_it_is_written(expression: str) -> None:
    made = new_engine()
    made.limit_time(0.02)
    assert made.call(WRITTEN, f"({expression})", MOST)[0] == "T0"


def test_many_properties_that_are_left_out_are_interrupted() -> None:
    made = new_engine()
    pairs = "Array.from({ length: 3e5 }, (_, n) => ['k' + n, undefined])"
    assert said(ORACLE, f"globalThis.big = Object.fromEntries({pairs}); 1", at=made) == "1"
    made.limit_time(0.001)
    assert made.call(WRITTEN, "big", MOST)[0] == "T0"


def test_memory_is_over_while_it_is_written() -> None:
    made = new_engine()
    made.limit_memory(made.memory + 3_000_000)
    text = "({ get a() { const a = []; for (;;) a.push([1]); } })"
    assert made.call(WRITTEN, text, MOST)[0] in ("X0", "M0")


def test_host_calls_count_their_bytes_and_sixteen_for_each_value() -> None:
    made = new_engine()
    size = len(packed([1, "f", ["x" * 100]])) + 2 * 16
    assert said(CALLED, "['x'.repeat(100)]", size, at=made) == str(size)
    assert said(CALLED, "['x'.repeat(100)]", size - 1, at=made) == "-1"
    assert said(CALLED, "[{ toJSON() { throw new Error('mine') } }]", size, at=made) == "!Error: mine"
    assert said(CALLED, "[undefined, NaN, () => 1]", 1000, at=made) == str(len(packed([1, "f", [None] * 3])) + 4 * 16)
    assert unpacked(made.take_calls()) == [[1, "f", ["x" * 100]], [1, "f", [None, None, None]]]
    assert made.take_calls() == packed([])
