"""Programs by a grammar: each keeps state of many kinds, asks its host and waits for timers in between."""

import json
import random
import zlib
from collections.abc import Callable
from typing import Any, Final

Feature = tuple[str, str, str]
"""What is declared, a step that changes it by x, and an expression that shows it."""

FEATURES: Final[tuple[Callable[[str, random.Random], Feature], ...]] = (
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
    lambda v, _: (f"let {v} = 0;", f"setTimeout(() => {{ {v} += x; }}, x);", v),
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
)

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
    "Function.prototype.call = Function.prototype.apply = 0; globalThis.x = 1; Array = Object = Map = null;",
)
"""Bodies of main that fill their heap, never end, or spoil the language."""


def answer(values: Any) -> int:
    """What the host answers to these arguments."""
    return zlib.crc32(json.dumps(values, sort_keys=True, default=str).encode()) % 256 + 1


def random_program(seed: int) -> str:
    """A program that returns what its state shows in the end; main's argument is a number."""
    chance = random.Random(seed)  # noqa: S311
    features = [make(f"v{index}", chance) for index, make in enumerate(chance.sample(FEATURES, chance.randint(2, 9)))]
    shown = ", ".join(show for _, _, show in features)
    body = [declared for declared, _, _ in features]
    for turn in range(chance.randint(1, 6)):
        if chance.random() < 0.3:
            step = chance.choice(features)[1]
            body.append(f"for (let i = 0; i < {chance.randint(1, 50)}; i++) {{ x += i; {step} }}")
        body += [step for _, step, _ in features if chance.random() < 0.7]
        if chance.random() < 0.4:
            body.append(f"for (const a of await Promise.all([ask('p', {turn}), ask('q', x)])) x = (x + a * 3) % 1000;")
        elif chance.random() < 0.3:
            body.append(f"await new Promise((resolve) => setTimeout(resolve, {chance.randint(1, 99)}));")
        else:
            body.append(f"x = (x + await ask({turn}, [{shown}].map(String))) % 1000;")
    body.append(f"return [x, {shown}].map(String);")
    lines = "\n  ".join(body)
    return f"async function main(x) {{\n  {lines}\n}}"
