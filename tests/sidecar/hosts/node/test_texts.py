"""util, querystring, path, url and punycode: as Node's own, on the same program."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sidecar.hosts.node.comparison import Both

OFTEN = settings(max_examples=150, deadline=None)
texts = st.text(max_size=20)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.integers().map(lambda one: one % 10**9 / 1000)
    | texts,
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=20,
)


@OFTEN
@given(value=json_values)
def test_what_is_inspected(both: Both, value: Any) -> None:
    both.value("const { inspect } = require('util'); return [inspect(input), inspect(input, { depth: 0 })]", value)


@OFTEN
@given(values=st.lists(json_values, max_size=4), directives=st.lists(st.sampled_from(["%s", "%d", "%i", "%f", "%j", "%o", "%O", "%c", "%%", "x", "%x"]), max_size=4))  # fmt: skip
def test_what_is_formatted(both: Both, values: list[Any], directives: list[str]) -> None:
    body = "return require('util').format(input.directives.join(' '), ...input.values)"
    both.value(body, {"values": values, "directives": directives})


@pytest.mark.parametrize(
    "body",
    [
        "return inspect([1, , 3, undefined, null])",
        "return inspect({ a: 1n, b: Symbol('x'), f() {}, g: class A {}, h: async () => {} })",
        "return inspect(new Map([['a', { b: 1 }]])) + inspect(new Set([1, 'x']))",
        "return inspect(new Date(0)) + inspect(/a/g) + inspect(new Error('x').message)",
        "return inspect(Object.create(null)) + inspect(new (class Foo { a = 1 })())",
        "const a = { name: 'a' }; a.self = a; return inspect(a)",
        "return inspect({ a: { b: { c: { d: 1 } } } }) + inspect({ a: { b: { c: { d: 1 } } } }, { depth: null })",
        "return inspect('it\\'s') + inspect('a\\nb') + inspect(-0) + inspect(NaN)",
        "return inspect(new Uint8Array(3))",
        "return inspect({ [Symbol.for('nodejs.util.inspect.custom')]: () => 'mine' })",
        "return inspect({ get a() { return 1 }, set b(x) {} })",
        "return inspect(Array.from({ length: 120 }, (_, n) => n))",
        "return inspect(Promise.resolve) + inspect(new Proxy({ a: 1 }, {}))",
        "return inspect([['a'.repeat(80), 'b'.repeat(10)], { long: 'c'.repeat(70), other: 'd' }])",
        "return inspect(new (class extends Array {})(3)) + inspect([,'a'])",
        "return inspect(Object.assign(() => {}, { a: 1 })) + inspect(new Number(3)) + inspect(new String('ab'))",
    ],
)
def test_what_is_inspected_of_objects(both: Both, body: str) -> None:
    both.value(f"const {{ inspect }} = require('util'); {body}")


@pytest.mark.parametrize(
    "body",
    [
        "const read = util.promisify((a, done) => done(null, a + 1)); return read(1)",
        "return util.promisify((done) => done(new Error('no')))()",
        "return new Promise((resolve) => util.callbackify(async (a) => a)(5, (...told) => resolve(told)))",
        "return new Promise((resolve) => util.callbackify(() => Promise.reject(null))((e) => resolve([e.code, e.reason])))",
        "function A() {} function B() {} util.inherits(A, B); return [new A() instanceof B, A.super_ === B]",
        "return util.types.isDate(new Date()) && !util.types.isMap({}) && util.types.isRegExp(/a/)",
        "return [util.types.isUint8Array(Buffer.alloc(1)), util.types.isTypedArray(1), util.types.isPromise((async () => {})())]",
        "return [util.types.isAsyncFunction(async () => {}), util.types.isGeneratorFunction(function* () {})]",
        "return [util.isDeepStrictEqual({ a: [1, 2] }, { a: [1, 2] }), util.isDeepStrictEqual([1], ['1'])]",
        "return [util.isDeepStrictEqual(new Map([[{ a: 1 }, 2]]), new Map([[{ a: 1 }, 2]])), util.isDeepStrictEqual(0, -0)]",
        "return util.stripVTControlCharacters('\\u001b[31mred\\u001b[0m')",
        "return [util.isArray([]), util.isString(''), util.isFunction(1), util.isRegExp(/a/)]",
        "return util.deprecate(() => 7, 'old')()",
        "return util.toUSVString('a\\ud800')",
        "util.promisify(5)",
        "util.inherits(5, 6)",
        "util.callbackify('a')",
    ],
)
def test_the_rest_of_util(both: Both, body: str) -> None:
    both.answer(f"const util = require('util'); {body}")


# ---- querystring ----

query_values = st.one_of(texts, st.integers(), st.booleans(), st.none(), st.lists(texts, max_size=3))


@OFTEN
@given(value=st.dictionaries(texts, query_values, max_size=5))
def test_a_query_written(both: Both, value: dict[str, Any]) -> None:
    both.value("const q = require('querystring'); const text = q.stringify(input); return [text, q.parse(text)]", value)


@OFTEN
@given(
    text=st.text(alphabet="ab=&+%20fF;é\ud800", max_size=30).map(lambda one: one.encode("utf-8", "replace").decode())
)
def test_a_query_read(both: Both, text: str) -> None:
    both.value(
        "const q = require('querystring'); return [q.parse(input), q.parse(input, ';', '=', { maxKeys: 2 }), q.unescape(input)]",
        text,
    )


# ---- path ----

paths = st.text(alphabet="ab./. ~", max_size=12)


@OFTEN
@given(one=paths, two=paths)
def test_paths(both: Both, one: str, two: str) -> None:
    body = """const p = require('path'); const { one, two } = input; const absolute = '/' + one;
      return [p.join(one, two), p.normalize(one), p.dirname(one), p.basename(one), p.extname(one), p.parse(one),
        p.resolve(absolute, two), p.relative(absolute, '/' + two), p.isAbsolute(one), p.basename(one, '.a'),
        p.format({ dir: one, name: 'x', ext: two })]"""
    both.value(body, {"one": one, "two": two})


@pytest.mark.parametrize(
    "body",
    [
        "return [path.sep, path.delimiter, path.posix === path, require('path/posix') === path]",
        "return path.format({ root: '/', base: 'a.txt', ext: 'ignored' }) + path.format({ name: 'a', ext: 'txt' })",
        "path.join(5)",
        "path.basename({})",
        "path.format('a')",
    ],
)
def test_more_of_paths(both: Both, body: str) -> None:
    both.answer(f"const path = require('path'); {body}")


# ---- url, punycode ----


@pytest.mark.parametrize(
    "url",
    [
        "http://user:pass@host.com:8080/p/a/t/h?query=string&a=1#hash",
        "//host/path",
        "mailto:a@b.c",
        "HTTP://EXAMPLE.com/%20a b",
        "/only/path?x=1",
        "javascript:alert(1)",
        "http://[::1]:80/x",
        "http://münchen.de/ä",
        "",
        "http://a.com?q=a;b",
    ],
)
def test_a_url_the_older_way(both: Both, url: str) -> None:
    body = """const url = require('url'); const { ...found } = url.parse(input, true); found.query = { ...found.query };
      return [found, url.format(url.parse(input)), url.resolve('http://x.org/a/b', input)]"""
    both.value(body, url)


@pytest.mark.parametrize(
    "body",
    [
        "return url.fileURLToPath('file:///a%20b/c')",
        "return url.pathToFileURL('/a b/c?d#e%').href",
        "return url.urlToHttpOptions(new URL('http://a:b@x.org:81/p?q#h'))",
        "return url.format(new URL('http://a:b@x.org/p?q#h'), { auth: false, fragment: false })",
        "return [url.domainToASCII('münchen.de'), url.domainToUnicode('xn--mnchen-3ya.de')]",
        "return [url.URL === URL, url.format({ protocol: 'http', host: 'a.b', pathname: 'c', query: { d: 'e' } })]",
        "return new url.URLSearchParams({ a: '1' }).toString()",
        "url.fileURLToPath('http://a')",
        "url.parse(5)",
        "const p = require('punycode'); return [p.encode('mañana'), p.decode('maana-pta'), p.toASCII('mañana.com')]",
    ],
)
def test_more_of_urls(both: Both, body: str) -> None:
    both.answer(f"const url = require('url'); {body}")
