"""Scripts of which a run may leave something for the next, and those of which it cannot."""

import pytest

from sidecar.language import traces
from sidecar.language.traces import leaves_traces

TRACES = [
    "Array.prototype.zz = 1",
    "(Array.prototype).zz = 1",
    "const A = Array; A.prototype.zz = 1",
    "const P = Array.prototype; P.zz = 1",
    "const { prototype } = Array; prototype.zz = 1",
    "({}).__proto__.x = 1",
    "[]['__proto__'].x = 1",
    "''.constructor.prototype.trim = 1",
    "Object.getPrototypeOf([]).x = 1",
    "JSON.stringify = () => 1",
    "Math.random = () => 1",
    "console.log = () => 1",
    "delete Array.prototype.map",
    "if (!String.prototype.foo) { String.prototype.foo = function () {} }",
    "Object.assign(Array.prototype, { zz: 1 })",
    "Object.defineProperty(globalThis, 'x', { value: 1 })",
    "Reflect.set(Array.prototype, 'zz', 1)",
    "const all = { JSON }; all.JSON.x = 1",
    "n = 1",
    "n++",
    "n ??= 1",
    "[n] = [1]",
    "({ a: n } = { a: 1 })",
    "({ n = 2 } = {})",
    "[...n] = [1]",
    "for (n of [1]) ;",
    "for (n in { a: 1 }) ;",
    "function main() { if (typeof calls === 'undefined') calls = 0; calls++; return calls; }",
    "{ let n; } n = 1",
    "globalThis.n = 1",
    "const g = globalThis; g.x = 1",
    "this.n = 1",
    "const f = () => { this.x = 1 }",
    "(function (root) { root.x = 1 })(this)",
    "function f() { this.x = 1 } f()",
    "eval('x = 1')",
    "(0, eval)('x')",
    "new Function('x = 1')()",
    "with (Math) { random = 1 }",
    "import { kv } from 'cxKV'; kv.get = 1",
    "import * as all from 'cxKV'; all.kv.get = 1",
    "import kv from 'cxKV'; delete kv.get",
    "const kv = require('cxKV'); kv.get = 1",
    "const kv = require('cxKV').kv; kv['get'] = 1",
]
NO_TRACES = [
    "function main(data) { data.headers.push({ key: 'a', value: 1 }); return data }",
    "let n = 0; n++; const x = {}; x.y = 1; x['z'] = 2; delete x.y",
    "n = 1; var n",
    "function main() { calls = 1; { var calls; } }",
    "var a; ({ a } = { a: 1 }); [a] = [2]",
    "let one; for (one of [1]) ;",
    "process.env.NEW = 'x'",
    "const c = Array.prototype.slice.call([1])",
    "[1].map(Number).filter(Boolean)",
    "class A { constructor() { this.x = 1 } m() { return () => this.x } } class B extends Error {}",
    "function F() {} F.prototype.m = function () { return this.x }",
    "console.log(JSON.stringify({}), Math.max(1, 2), new Map(), x instanceof Date, typeof Intl)",
    "const data = vars(); data.x = 1; exit(data)",
    "err([404, 'x'])",
    "for (const k of Object.keys({})) { k.x = 1 }",
    "Object.assign({}, { a: 1 }); Object.defineProperty(data, 'x', {})",
    "e.constructor.name",
    "function main(JSON) { JSON.x = 1 }",
    "function main(data) { main.cache = 1 }",
    "import { kv } from 'cxKV'; const x = kv.get('a'); x.y = 1",
]


@pytest.mark.parametrize("text", TRACES)
def test_what_may_be_seen_by_the_next_run(text: str) -> None:
    assert leaves_traces(text)


@pytest.mark.parametrize("text", NO_TRACES)
def test_what_cannot(text: str) -> None:
    assert not leaves_traces(text)


def test_a_script_that_takes_too_long_to_look_through_is_in_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "let n = 0;" + "n += 1;" * 50_000
    assert not leaves_traces(text)
    monkeypatch.setattr(traces, "LOOK_SECONDS", 0.0)
    assert leaves_traces(text)


def test_a_text_that_is_no_script_is_looked_through_all_the_same() -> None:
    for text in ("", "function (", "}}}", "[" * 10_000, "a." * 10_000, "x = " * 5_000):
        assert isinstance(leaves_traces(text), bool)
