"""Programs by a grammar: each keeps state of many kinds, spoils some of the language, and shows in the end what it sees
of both; one that may wait asks its host and waits for timers in between. And programs that nobody should notice."""

import json
import random
import zlib
from collections.abc import Callable
from typing import Any, Final

Feature = tuple[str, str, str]
"""What is declared, a step that changes it by x, and an expression that shows it."""
Features = tuple[Callable[[str, random.Random], Feature], ...]

FEATURES: Final[Features] = (
    lambda v, r: (
        f"const {v} = (function* () {{ let i = 0; for (;;) i += (yield i * {r.randint(1, 9)}) || 1; }})(); {v}.next();",
        f"{v}.next(x);",
        f"{v}.next(x).value",
    ),
    lambda v, r: (
        f"const {v} = new Map();",
        f"{v}.set('k' + x, {{ x }}); if ({v}.size > {r.randint(2, 6)}) {v}.delete([...{v}.keys()][0]);",
        f"[...{v}].map(([k, w]) => k + w.x).join()",
    ),
    lambda v, r: (
        f"const {v} = new Set([1n, NaN, 'a', -0]);",
        f"{v}.add(x * {r.randint(2, 5)} % 7);",
        f"[...{v}].map(String).join()",
    ),
    lambda v, r: (
        f"let {v} = {r.randint(2, 9)}n;",
        f"{v} = {v} * {v} % (2n ** {r.randint(60, 300)}n) + BigInt(x);",
        f"{v}.toString(36)",
    ),
    lambda v, r: (
        f"const {v} = /(?<w>[a-z]+)\\d*/gy; const {v}s = 'abc12def3ghi'.repeat({r.randint(1, 4)});",
        f"{v}.exec({v}s);",
        f"{v}.lastIndex",
    ),
    lambda v, r: (
        f"let {v} = 's';",
        f"{v} += {v}.length < {r.randint(100, 9000)} ? {v} + x : x;",
        f"{v}.length + {v}.slice(-5)",
    ),
    lambda v, _: (
        f"const {v} = [];",
        f"{v}.push({{ x, f: () => x + {v}.length }}); if (x % 3 === 0) {v}.reverse();",
        f"{v}.map((o) => o.f()).reduce((a, b) => a * 31 + b | 0, 7)",
    ),
    lambda v, _: (
        f"class {v}A {{ #p = 1; static c = 0; get q() {{ return this.#p; }} add(x) {{ this.#p += x; {v}A.c++; }} }}"
        f" class {v}B extends {v}A {{ add(x) {{ super.add(x * 2); }} }} const {v} = new {v}B();",
        f"{v}.add(x);",
        f"{v}.q + '/' + {v}A.c",
    ),
    lambda v, _: (
        f"const {v}t = {{}}; const {v} = new Proxy({v}t, {{ get: (t, k) => k in t ? t[k] : '?' + String(k),"
        " set: (t, k, w) => { t[k] = w + 1; return true; }, ownKeys: (t) => Reflect.ownKeys(t).reverse() });",
        f"{v}['k' + x % 4] = x;",
        f"Object.keys({v}).map((k) => k + {v}[k]).join() + {v}.none",
    ),
    lambda v, r: (
        f"const {v} = new Uint32Array({r.randint(3, 400)});",
        f"for (let i = 0; i < {v}.length; i++) {v}[i] = Math.imul({v}[i] ^ x, 2654435761) + i;",
        f"{v}.reduce((a, b) => (a * 33 + b) >>> 0, 5)",
    ),
    lambda v, r: (
        f"const {v} = new ArrayBuffer({r.randint(8, 64)}, {{ maxByteLength: 4096 }});"
        f" const {v}d = new Uint8Array({v});",
        f"if ({v}.byteLength < 4000) {v}.resize({v}.byteLength + x % 40); {v}d[x % {v}d.length] = x;",
        f"{v}d.length + ':' + {v}d.join('').length",
    ),
    lambda v, r: (
        f"const {v} = new WeakMap(), {v}k = [];",
        f"{{ const o = {{}}; {v}k.push(o); {v}.set(o, x); if ({v}k.length > {r.randint(2, 9)}) {v}k.shift(); }}",
        f"{v}k.map((k) => {v}.get(k)).join()",
    ),
    lambda v, _: (
        f"const {v} = Symbol('{v}'); const {v}o = {{ [{v}]: 0, a: 1 }};",
        f"{v}o[{v}] += x; Object.defineProperty({v}o, 'g' + x % 5,"
        f" {{ get() {{ return this[{v}]; }}, enumerable: true, configurable: true }});",
        f"JSON.stringify({v}o) + {v}o[{v}]",
    ),
    lambda v, r: (
        f"let {v} = new Date({r.randint(0, 2**40)});",
        f"{v} = new Date(+{v} + x * 86400000); {v}.setUTCMonth(x % 12);",
        f"{v}.toISOString()",
    ),
    lambda v, r: (
        f"const {v} = []; {v}[{r.randint(10, 100_000)}] = 1;",
        f"{v}[x * {r.randint(2, 99)}] = x;",
        f"{v}.length + Object.keys({v}).join()",
    ),
    lambda v, _: (
        f"let {v} = '';",
        f"try {{ null.x; }} catch (e) {{ {v} = e.stack.length + e.message; }}",
        v,
    ),
    lambda v, _: (f"let {v} = 0;", f"{v} += Math.random() + Date.now() % 7;", v),
    lambda v, r: (
        f"const {v} = eval('(x) => {{ let y = x * {r.randint(2, 9)}; return () => y++; }}')({r.randint(1, 50)});",
        f"{v}();",
        f"{v}()",
    ),
    lambda v, r: (
        f"Array.prototype.own{v} = function () {{ return this.length + {r.randint(1, 9)}; }};",
        f"[x].own{v}();",
        f"[1, 2].own{v}()",
    ),
    lambda v, r: (
        f"let {v} = {r.random()};",
        f"{v} = Math.sin({v} + x) * {r.random() * 9};",
        f"{v}.toFixed(9) + {v}.toString(16)",
    ),
    lambda v, r: (
        f"const {v}m = (n) => n ? [() => n + x, ...{v}m(n - 1)] : []; let {v} = {v}m({r.randint(2, 30)});",
        f"{v} = {v}.map((f) => {{ const held = f(); return () => held * 3 % 1009 + x; }});",
        f"{v}.reduce((sum, f) => (sum * 7 + f()) % 10007, 0)",
    ),
    lambda v, _: (
        f"class {v}E extends RangeError {{ constructor(m) {{ super(m, {{ cause: x }}); this.name = 'E{v}'; }} }}"
        f" let {v} = '';",
        f"try {{ try {{ throw new {v}E('at ' + x); }} finally {{ {v} += 'f'; }} }} catch (e) {{"
        f" {v} = e.name + e.message + e.cause + (e instanceof RangeError) + String(e.stack).split('\\n').length; }}",
        v,
    ),
    lambda v, r: (
        f"let {v} = 0; const {v}f = (n) => n <= 0 ? 0 : 1 + {v}f(n - 1);",
        f"try {{ {v} = {v}f(x % {r.choice((100, 1000, 5000))}); }} catch (e) {{ {v} = e.message; }}",
        v,
    ),
    lambda v, r: (
        # How deep the stack is, to the call.
        f"let {v} = 0, {v}n = 0; const {v}f = () => {{ {v}n++;"
        f" {r.choice((f'{v}f()', f'[1].map({v}f)', f'{v}f(...[1, 2])'))}; }};",
        f"if ({v} < 3) try {{ {v}f(); }} catch (e) {{ {v}++; }}",
        f"{v} + '/' + {v}n",
    ),
    lambda v, r: (
        f"const {v} = {{ a: {r.randint(0, 99)}, get b() {{ return this.a * 2; }}, set b(w) {{ this.a = w; }},"
        f" ['c' + 1]: [1, {{ d: null }}] }}; Object.defineProperty({v}, 'h', {{ value: 1, writable: false }});",
        f"{v}.b = x; delete {v}.c1; {v}['k' + x % 7] = structure(x); if (x % 5 === 0) Object.freeze({v});",
        f"JSON.stringify({v}, null, 1).length + Object.getOwnPropertyNames({v}).join() + Object.isFrozen({v})",
    ),
    lambda v, r: (
        f"const {v} = [{', '.join(str(r.randint(-99, 99)) for _ in range(r.randint(3, 40)))}];",
        f"{v}.sort((a, b) => (a ^ x) - (b ^ x)); {v}.splice(x % {v}.length, x % 3, x, -x); {v}.copyWithin(1, x % 5);",
        f"{v}.length + {v}.slice(0, 9).join() + {v}.findLast((n) => n < 0) + {v}.flatMap((n) => [n, [n]]).length",
    ),
    lambda v, r: (
        f"let {v} = ''; const {v}r = [/(\\d+)-(?<y>\\p{{L}}*)/u, /^(?:a|ab)+?c?$/i, /(?<=x)\\w(?!z)/g,"
        f" /[^\\s]{{2,4}}/y];",
        f"{v} += '12-\u00e9t\u00e9 abab xyxz '.repeat(3).replace({v}r[x % 4], (...m) => m.length + String(x));"
        f" {v} = {v}.slice(-{r.randint(40, 400)});",
        f"{v}.split(/[ -]/).map((s) => s.length).join() + {v}r.map((q) => q.lastIndex + q.source.length)",
    ),
    lambda v, r: (
        f"const {v} = new DataView(new ArrayBuffer({r.randint(16, 200)}));"
        f" const {v}f = new Float64Array({v}.buffer, 8, 1);",
        f"{v}.setInt16(x % 15, x * 31); {v}.setFloat32(x % 12, x / 7, true); {v}f[0] += x / 3;",
        f"{v}.getUint8(3) + ':' + {v}.getBigInt64(0) + ':' + {v}f[0]",
    ),
    lambda v, r: (
        f"const {v} = Object.create({{ inherited: {r.randint(1, 9)} }}, {{ own: {{ value: 1, enumerable: true }} }});"
        f" let {v}s = '';",
        f"for (const k in {v}) {v}s += k; Object.setPrototypeOf({v}, x % 2 ? {{ inherited: x, other: 1 }} : null);"
        f" {v}s = {v}s.slice(-50);",
        f"{v}s + {v}.inherited + ('own' in {v})",
    ),
    lambda v, r: (
        f"const {v} = function* (n) {{ try {{ for (let i = 0; i < n; i++) yield* [i, i * {r.randint(2, 5)}]; }}"
        f" finally {{ {v}e++; }} }}; let {v}e = 0, {v}t = 0;",
        f"for (const n of {v}(x % 20)) {{ {v}t = ({v}t * 3 + n) % 9973; if (n > 7) break; }}",
        f"{v}t + '.' + {v}e",
    ),
    lambda v, _: (
        f"const {v} = (s, ...values) => s.raw.join('|') + values.join('&') + ({v}l ??= s === {v}l); let {v}l, {v}s ="
        f" '';",
        f"{v}s = {v}`a${{x}}\\n${{x + 1}}`; label: for (const i of [1, 2]) for (;;) {{ if (i > x % 3) break label;"
        f" continue label; }}",
        f"{v}s",
    ),
    lambda v, r: (
        f"const {v} = [];",
        f"{{ const {{ a = x, ...rest }} = {{ b: 1, [x % 2 ? 'a' : 'c']: {r.randint(1, 9)} }}; const [p, , q = p, ...s]"
        f" = 'abcd';"
        f" {v}.push([a, Object.keys(rest), p, q, s].join('')); if ({v}.length > 5) {v}.shift(); }}",
        f"{v}.join(';')",
    ),
    lambda v, r: (
        f"let {v} = 0; const {v}n = [Math.random(), Math.random()];",
        f"{v} = Math.floor(Math.random() * {r.randint(2, 1000)}) + new Date().getTime() % 1000 + Date().length;",
        f"{v} + '~' + {v}n",
    ),
    lambda v, r: (
        (
            f"let {v} = '';",
            f"{v} = new Date(x * {r.randint(10**8, 10**10)})"
            f".toLocaleString('{r.choice(('de-DE', 'en-US', 'fr', 'sv'))}',"
            f" {{ timeZone: '{r.choice(('UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata'))}' }});",
            f"{v} + (1234.5 * x).toLocaleString('{r.choice(('de', 'en', 'fr', 'en-CA'))}') +"
            f" 'z'.localeCompare('\u00e4', 'sv')",
        )
        if r.random() < 0.2
        else (f"let {v} = 0;", f"{v} ^= x;", v)
    ),
    lambda v, r: (
        f"globalThis.{v}g = {r.randint(0, 9)}; var {v} = typeof leftBehind + typeof Array.prototype.leftBehind;",
        f"{v}g += x; globalThis.leftBehind = Array.prototype.leftBehind = Symbol.for('left' + {v}g);",
        f"{v} + {v}g + Object.keys(globalThis).filter((k) => k.length > 3).join()",
    ),
    lambda v, r: (
        f"const {v} = new Proxy(function () {{ return 1; }}, {{ apply: (t, self, [n]) => n + 1, construct: (t, [n]) =>"
        f" ({{ n }}),"
        f" has: (t, k) => k.length > {r.randint(1, 5)}, getPrototypeOf: () => Array.prototype,"
        f" deleteProperty: (t, k) => k !== 'keep' && delete t[k] }}); let {v}n = 0;",
        f"{v}n += {v}(x) + new {v}(x).n; {v}.keep = {v}.lose = x; delete {v}.lose; try {{ 'use strict'; delete"
        f" {v}.keep; }} catch {{}}",
        f"{v}n + ('abcd' in {v}) + ('a' in {v}) + ({v} instanceof Array) + {v}.keep + {v}.lose",
    ),
    lambda v, r: (
        f"const {v}o = {{ [Symbol.toPrimitive]: (hint) => hint === 'number' ? x : hint + {r.randint(1, 9)} }};"
        f" const {v}i = {{ *[Symbol.iterator]() {{ yield* [x, 1, {v}o]; }} }}; let {v} = 0;",
        f"{v} = `${{{v}o}}` + +{v}o + ({v}o + '') + [...{v}i].length + Math.max(...{v}i);",
        v,
    ),
    lambda v, r: (
        f"const {v} = new Function('a', 'b', 'return a * {r.randint(2, 9)} + (b ?? typeof main)'); let {v}n = 0;",
        f"{v}n = {v}(x) + eval('var hoisted{v} = x; hoisted{v} + 1') + (0, eval)('typeof x') + typeof hoisted{v};",
        f"{v}n",
    ),
    lambda v, r: (
        f"let {v} = '';",
        f"{v} = 'A\u030a\u00df\u0130\ud83d\ude00'.normalize('{r.choice(('NFC', 'NFD', 'NFKC', 'NFKD'))}')"
        " .toLowerCase().at(x % 4)"
        f" + encodeURIComponent('\u20ac' + x) + parseInt('{r.randint(0, 10**6):x}', 16) + 'abc'.padStart(x % 9, '-')"
        f" + '\ud800'.toWellFormed().codePointAt(0) + String.raw`\\u00e9` + escape('\u00fc');",
        v,
    ),
    lambda v, r: (
        # Functions of the language's own, whichever come, on whatever there is.
        f"const {v} = wild({r.randint(1, 2**31 - 1)}); let {v}s = '';",
        f"{v}s = ({v}s + {v}()).slice(-300);",
        f"{v}s",
    ),
    lambda v, r: (
        f"const {v} = Array.from({{ length: {r.randint(10, 3000)} }}, (_, i) => ({{ i, s: 'n' + i }}));",
        f"for (let i = x % 7; i < {v}.length; i += 7) {v}[i] = x % 2 ? null : {{ i, again: {v}[i] }};",
        f"{v}.filter(Boolean).length",
    ),
    lambda v, _: (
        f"let {v}; {{ const loop = {{ }}; loop.self = loop; loop.all = [loop, () => loop]; {v} = loop; }}",
        f"{v} = {{ before: x % 4 ? {v} : null, self: null }}; {v}.self = {v};",
        f"(() => {{ try {{ return JSON.stringify({v}); }} catch (e) {{ return e.name; }} }})()",
    ),
)
WAITING_FEATURES: Final[Features] = (
    lambda v, _: (
        f"let {v} = Promise.resolve(1); const {v}l = [];",
        f"{v} = {v}.then((y) => {{ {v}l.push(y); return y + x; }});",
        f"{v}l.join()",
    ),
    lambda v, r: (
        f"const {v} = (async function* () {{ for (let i = 0;; i++) {{ await 0; yield i * {r.randint(2, 9)}; }} }})();"
        f" let {v}x;",
        f"{v}x = (await {v}.next()).value;",
        f"{v}x",
    ),
    lambda v, _: (f"let {v} = 0;", f"setTimeout(() => {{ {v} += x; }}, x);", v),
    lambda v, r: (
        f"let {v} = 0; const {v}i = setInterval(() => {{ if (++{v} > {r.randint(1, 4)}) clearInterval({v}i); }},"
        f" {r.randint(1, 50)});",
        f"setTimeout((a, b) => {{ {v} += a - b; }}, x % 40, x, 1); clearTimeout(setTimeout(() => {{ {v} = -1000; }},"
        f" 1));",
        v,
    ),
    lambda v, _: (
        f"let {v} = 0; const {v}f = async (n) => {{ try {{ await null; if (n % 3 === 0) throw n; return n; }}"
        f" finally {{ {v}++; }} }};",
        f"{v} += (await Promise.allSettled([{v}f(x), {v}f(x + 1), {v}f(x + 2)])).filter((p) => p.status ==="
        f" 'rejected').length;",
        v,
    ),
    lambda v, r: (
        f"let {v} = '';",
        f"{v} += await Promise.race([ask('slow', x), new Promise((r) => setTimeout(r, {r.randint(1, 30)}, 't')), "
        f"Promise.any([Promise.reject(1), ask('any')])]).catch((e) => e.constructor.name); {v} = {v}.slice(-80);",
        v,
    ),
    lambda v, _: (
        f"let {v} = 0;",
        f"try {{ {v} += await ask('fails', x); }} catch (e) {{ {v} = e.message + e.code + (e instanceof Error); }}",
        v,
    ),
    lambda v, _: (
        # Never awaited.
        f"let {v} = 0;",
        f"Promise.reject(new TypeError('lost' + x)); ask('lost', x).then((a) => {{ {v} += a; }}, () => {{}});"
        f" (async () => {{ throw {v}; }})(); new Promise(() => {{}});",
        v,
    ),
    lambda v, _: (
        f"const {v} = {{ then(resolve, reject) {{ x % 3 ? resolve(x) : reject(x); }} }}; let {v}n = 0;",
        f"try {{ {v}n += await {v}; }} catch (e) {{ {v}n -= e; }} queueMicrotask(() => {{ {v}n++; }});",
        f"{v}n",
    ),
    lambda v, _: (
        f"class {v}P extends Promise {{ static made = 0; constructor(f) {{ super(f); {v}P.made++; }} }} let {v} = 0;",
        f"{v} += await new {v}P((r) => r(x)).then((n) => n % 10).finally(() => {{}});",
        f"{v} + ':' + {v}P.made",
    ),
    lambda v, _: (
        f"let {v} = require('counter').next();",
        f"{v} += require('counter').next() + await require('counter').far(x);",
        v,
    ),
    lambda v, _: (
        f"const {v} = []; const {v}g = (async function* () {{ try {{ for (;;) yield await ask('g', {v}.length); }}"
        f" finally {{ {v}.push('end'); }} }})();",
        f"for await (const a of {v}g) {{ {v}.push(a); if ({v}.length > x % 4) break; }}",
        f"{v}.length",
    ),
)

SPOILS: Final = (
    "delete Array.prototype.map; delete Object.keys;",
    "Array.prototype[Symbol.iterator] = function* () { yield 'spoilt'; };",
    "Object.prototype.toJSON = () => 'spoilt';",
    "Object.prototype.get = Object.prototype.value = 5;",
    "Object.defineProperty(Object.prototype, 'spoilt', { get() { return this === undefined ? 0 : 1; }, set(v) {} });",
    "Object.defineProperty(Array.prototype, 3, { get: () => 'third', set() {}, configurable: true });",
    "String.prototype.toString = Number.prototype.toString = () => 'spoilt';",
    "RegExp.prototype.exec = function () { return null; };",
    "Math.random = () => 0.5; Date.now = () => 5;",
    "delete globalThis.JSON; delete globalThis.Math; globalThis.Date = undefined;",
    "Function.prototype.call = Function.prototype.apply = Function.prototype.bind = () => 'spoilt';",
    "Object.setPrototypeOf(Object.prototype, null); Object.setPrototypeOf(Array.prototype, { odd: 1 });",
    "Error.prototype.toString === 1; try { Error.stackTraceLimit = 0; } catch {} TypeError.prototype.name = 'Spoilt';",
    "Symbol.prototype[Symbol.toPrimitive] === 1; Map.prototype.set = function () { return this; };",
    "for (const key of Reflect.ownKeys(Array.prototype)) try { delete Array.prototype[key]; } catch {}",
    "for (const key of Reflect.ownKeys(globalThis)) if (key !== 'ask') try { delete globalThis[key]; } catch {}",
    "Object.freeze(Object.prototype); Object.freeze(Array.prototype); Object.preventExtensions(globalThis);",
    "Object.getPrototypeOf(function* () {}).prototype.next = () => ({ done: true, value: 'spoilt' });",
    "Object.getPrototypeOf(Uint8Array.prototype).join = () => 'spoilt'; BigInt.prototype.toString = () => 'spoilt';",
    "Object.defineProperty(globalThis, 'x', { get() { throw 'spoilt'; } }); globalThis.undefined_ = 1;",
)
"""What a program does to the language that it goes on in."""
WAITING_SPOILS: Final = (
    "Promise.prototype.then = function (f) { return f ? f('spoilt') : this; };",
    "delete Promise.prototype.catch; Promise.resolve = () => 'spoilt';",
    "globalThis.setTimeout = (f) => f(); globalThis.ask = async () => 3;",
    "Object.prototype.then = undefined; globalThis.Promise = Array;",
    "Object.defineProperty(Promise.prototype, 'then', { get() { throw new Error('then'); } });",
)

ENDS: Final = (
    "throw new TypeError(String(x));",
    "throw { odd: x };",
    "throw null;",
    "return exit({ x });",
    "return err(new RangeError('told ' + x));",
    "return { toJSON() { return [x]; } };",
    "return [NaN, Infinity, -0, undefined, () => 1, Symbol('s'), { a: undefined }];",
    "const loop = {}; loop.loop = loop; return loop;",
    "return 10n ** 30n;",
    "return 'x'.repeat(3000);",
    "return new Proxy([x, 1], {});",
    "return Object.assign(() => 1, { x });",
    "return;",
    "return vars;",
    "const all = []; for (let n = 0; n < 3e5; n++) { if (n % 2000 === 0) console.log('kept', n); all.push({ n }); }",
    "let all = ''; for (let n = 0; n < 1e4; n++) { if (n % 50 === 0) console.log('long', n); all += 'abc'.repeat(n) +"
    " n; }",
    "const all = new Map(); for (let n = 0; n < 2e5; n++) { if (n % 2000 === 0) console.warn(n, all.size); all.set(n,"
    " [n]); }",
)
"""Of a program that does not return what its state shows; the last ones go on until their memory is full."""

LIBRARY: Final = """
const structure = (n) => n % 4 === 0 ? [n, [n]] : n % 4 === 1 ? { n } : n % 4 === 2 ? String(n) : null;
const wild = (seed) => {
  const pick = (count) => { seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff; return (seed >>> 8) % count; };
  const owners = [Object, Array, String, Number, Reflect, Math, JSON, Map.prototype, Set.prototype, Array.prototype,
    String.prototype, Number.prototype, Object.prototype, Function.prototype, RegExp.prototype, Date.prototype, Symbol,
    Uint8Array.prototype.__proto__, ArrayBuffer.prototype, WeakMap.prototype, BigInt, Date, Error.prototype,
    Symbol.prototype, DataView.prototype, (function* () {})().__proto__.__proto__];
  const pool = [0, 1, -1, 2.5, "a", "12", "", [1, 2, 3], { a: 1 }, (n) => n, /a/g, null, undefined, true, 3n, NaN,
    Symbol.iterator, new Map([[1, 2]]), new Set([1]), new Uint8Array(4), new Date(5), new ArrayBuffer(8), "length",
    Array.prototype, Object.prototype, globalThis, class { m() {} }, new WeakMap(), [[1, [2]], "b"], "constructor"];
  const tell = (value) =>
    typeof value === "string" ? value.slice(0, 20) : typeof value === "number" ? value + "" : typeof value;
  const isSmall = (value) => typeof value === "string" ? value.length < 300 && !(value > 500)
    : typeof value === "number" ? !(Math.abs(value) > 500) : typeof value === "bigint" ? value < 500n && value > -500n
    : !(value?.length > 500);
  return () => {
    let told = "";
    for (let count = 0; count < 6; count++) {
      try {
        const owner = owners[pick(owners.length)];
        const keys = Reflect.ownKeys(owner);
        const called = owner[keys[pick(keys.length)]];
        const given = Array.from({ length: pick(4) }, () => pool[pick(pool.length)]);
        const self = pool[pick(pool.length)];
        const made = pick(9) ? Reflect.apply(called, self, given) : Reflect.construct(called, given);
        told += tell(made);
        if (isSmall(made) && pool.length < 60) pool.push(made);
      } catch (error) {
        told += typeof error === "object" && error ? error.name : "!";
      }
    }
    return told;
  };
};
"""
"""Loaded with each program, before main."""

HOSTILE: Final = (
    "const o = {}; for (let i = 0;; i++) o['k' + i] = i;",
    "const a = []; for (;;) a.push({});",
    "const f = () => { f(); }; f();",
    "for (;;);",
    "let s = 'x'; for (;;) s += s + 'y';",
    "Array.prototype.push = () => { for (;;); }; [].push(1);",
    "Object.defineProperty(Array.prototype, 0, { set() { throw 1; } });"
    " for (const key of Reflect.ownKeys(globalThis)) { try { delete globalThis[key]; } catch {} }",
    "JSON.parse = JSON.stringify = Math.sin = () => { throw { get message() { for (;;); } }; };"
    " throw { toString() { for (;;); } };",
    "/(a|b|ab)*?c/.test('ab'.repeat(30000));",
    "new Proxy({}, { get() { for (;;); } }).x;",
    "const m = new Map(); for (;;) m.set({}, new ArrayBuffer(100000));",
    "Promise.prototype.then = null; String.prototype.slice = null; throw new Error('x');",
    "const f = () => Promise.resolve().then(f); f();",
    "(async () => { for (;;) await null; })();",
    "for (let i = 0; i < 50; i++) { setInterval(() => { for (;;); }, 1); ask('more', i); } return new Promise(() =>"
    " {});",
    "for (;;) ask('x'.repeat(1000));",
    "const f = () => { try { f(); } finally { f(); } }; f();",
    "class A extends Array { static get [Symbol.species]() { for (;;); } } new A(3).map((x) => x);",
    "globalThis.kept = new Uint8Array(1e6).fill(165); globalThis.self = globalThis; return new Promise(() => {});",
    "Object.prototype.get = Object.prototype.set = Object.prototype.then = () => { for (;;); }; return {};",
    "const g = (function* () { try { yield 1; } finally { for (;;); } })(); g.next(); g.return();",
    "Error.prototype.name = 1; const e = new Error('x'); Object.defineProperty(e, 'stack', { get() { for (;;); } });"
    " throw e;",
    "for (const owner of [Object, Array, String, Promise, Map, Symbol, Reflect, JSON, Math, Date]) for (const key of"
    " Reflect.ownKeys(owner)) try { owner[key] = () => { throw 1; }; delete owner.prototype[key]; } catch {}",
    "let held = []; const grow = () => { held.push(new Array(500).fill(held)); grow(); }; grow();",
    "JSON.parse('['.repeat(1e5));",
    "return { get a() { globalThis.escaped = this; for (;;); } };",
    "console.log = console.warn = () => { for (;;); }; Promise.reject({ get message() { for (;;); } }); return 1;",
    "for (let i = 0; ; i++) { Symbol.for('s' + i); globalThis['g' + i] = i; }",
    "Function.prototype.call = Function.prototype.apply = 0; globalThis.x = 1; Array = Object = Map = null;",
)
"""Bodies of main that fill their heap, never end, or spoil the language."""


def answer(values: Any) -> int:
    """What the host answers to these arguments."""
    return zlib.crc32(json.dumps(values, sort_keys=True, default=str).encode()) % 256 + 1


def random_program(number: int, waits: bool = True) -> str:
    """A program that mostly returns what its state shows in the end; main's argument is a number. ``waits``: whether it
    asks its host and waits, as only an App can."""
    chance = random.Random(number)  # noqa: S311
    known = FEATURES + WAITING_FEATURES if waits else FEATURES
    features = [make(f"v{index}", chance) for index, make in enumerate(chance.sample(known, chance.randint(2, 9)))]
    shown = ", ".join(show for _, _, show in features)
    body = [declared for declared, _, _ in features]
    for turn in range(chance.randint(1, 6)):
        if chance.random() < 0.3:
            step = chance.choice(features)[1]
            body.append(f"for (let i = 0; i < {chance.randint(1, 50)}; i++) {{ x += i; {step} }}")
        body += [step for _, step, _ in features if chance.random() < 0.7]
        if chance.random() < 0.06:
            body.append(chance.choice(SPOILS + WAITING_SPOILS if waits else SPOILS))
        if chance.random() < 0.1:
            body.append(
                f"console.{chance.choice(('log', 'warn', 'error'))}('turn', {turn}, x, {{ x }}, [{shown}].map(String));"
            )
        body.append(_between(chance, turn, shown) if waits else f"x = (x * 7 + {turn}) % 1000;")
    body.append(chance.choice(ENDS) if chance.random() < 0.15 else f"return [x, {shown}].map(String);")
    lines = "\n  ".join(body)
    library = LIBRARY if "wild(" in lines or "structure(" in lines else ""
    return f"{library}{'async ' if waits else ''}function main(x) {{\n  {lines}\n}}"


def _between(chance: random.Random, turn: int, shown: str) -> str:
    """What a turn ends with."""
    kind = chance.random()
    if kind < 0.4:
        return f"for (const a of await Promise.all([ask('p', {turn}), ask('q', x)])) x = (x + a * 3) % 1000;"
    if kind < 0.6:
        return f"await new Promise((resolve) => setTimeout(resolve, {chance.randint(1, 99)}));"
    return f"x = (x + await ask({turn}, [{shown}].map(String))) % 1000;"


def kept_programs() -> tuple[tuple[str, bool], ...]:
    """Programs that once came out otherwise than alone, and whether each waits."""
    # What exit told was lost where promise reactions that follow each other had one look between them or none.
    exits = "await Promise.all([ask('p', 0), ask('q', x)]); return exit({ x });"
    held = "for (const end = Date.now() + 2; Date.now() < end; );"
    return tuple((f"async function main(x) {{ {body} }}", True) for body in (exits, f"await null; {held} {exits}"))
