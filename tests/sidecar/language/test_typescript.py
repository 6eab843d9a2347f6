"""TypeScript made JavaScript by blanks: what goes, what stays where it was, and what is refused."""

import json
import re
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.kind import Kind
from sidecar.language.syntax import syntax_errors
from sidecar.language.syntax_tree import parse_script
from sidecar.language.typescript import without_types
from tests.acceptance.processes import require_program
from tests.sidecar.language.app import called, prepared, problems

EDITOR = Path(__file__).parent / "editor"


def blanked(text: str) -> str:
    found = without_types(text, time.monotonic() + 5)
    assert found.faults == []
    return found.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("let x: number = 1", "let x         = 1"),
        ("const f = (a: string, b?: number): void => {}", "const f = (a        , b         )       => {}"),
        ("function f<T>(this: X, a: T, ...r: any[]): a is string {}",
         "function f   (         a   , ...r       )              {}"),
        ("interface A { a: 1 }\ntype B = A", " " * 20 + "\n;" + " " * 9),
        ("a = b as C; d = e satisfies F; g = h!.i!", "a = b     ; d = e            ; g = h .i "),
        ("a = b as const", "a = b         "),
        ("a = b<c>`d`; e = f<Map<g, h[]>>`${i}`.j(k)", "a = b   `d`; e = f             `${i}`.j(k)"),
        ("a = b + c<d | null>`e`; f = g > `h`", "a = b + c          `e`; f = g > `h`"),
        ("import { undefined, b } from './a'; c<b>`d`; undefined",
         "import { undefined,   } from './a'; c   `d`; undefined"),
        ("f<string>(1); new G<number>(); const i = j<k>", "f        (1); new G        (); const i = j   "),
        ("class A<T> extends B<T> implements C, D {}", "class A    extends B" + " " * 20 + "{}"),
        ("class A { private readonly x?: number = 1 }", "class A {                  x          = 1 }"),
        ("class A { static #y!: string }", "class A { static #y          }"),
        ("class A { foo(): void; foo(a?: 1) {} }", "class A { ;          ; foo(a    ) {} }"),
        ("class A { [k: string]: any; declare z: 1; override m() {} }",
         "class A { ;               ; ;           ;          m() {} }"),
        ("abstract class A { abstract x: 1; abstract m(): void; protected abstract y(): 1 }",
         "         class A { ;            ; ;                 ; ;                         }"),
        ("declare const w: string; declare function h(): void; declare global { interface W {} }",
         " " * 86),
        ("namespace O { export interface P {} }", "                                     "),
        ("let x!: number; try {} catch (e: unknown) {}", "let x         ; try {} catch (e         ) {}"),
        ("import type { A } from './a'; import { type B, c } from './b'; c",
         "                              import {         c } from './b'; c"),
        ("import { A, b } from './a'; let x: A = b", "import {    b } from './a'; let x    = b"),
        ("import A, { B } from './a'; let x: A<B>", " " * 28 + "let x      "),
        ("import './a'; import {} from './b'", "import './a'; import {} from './b'"),
        ("export type { A }; export type E = 1; export { type B, c }; let c",
         "                                      export {         c }; let c"),
        ("interface A {}; class B {}\nexport { A, B }", "              ; class B {}\nexport {    B }"),
        ("import type { A } from 'a'; export { A }", "                            export {   }"),
        ("export type * from './a'; export type * as b from './b'", " " * 55),
        ("export default interface A {}", "                             "),
        ("export abstract class A {}; export declare const k: 1", "export          class A {};" + " " * 26),
        ("é: { const ü: 'é😀' = 1 }", "é: { const ü       = 1 }"),
        ("a = <T,>(x: T) => x", "a =     (x   ) => x"),
        ("for (const k of x as any[]) {}", "for (const k of x         ) {}"),
        ("class A { @p x: number }", "class A { @p x         }"),
        ("const o = { m<T>(a: T): T { return a } }", "const o = { m   (a   )    { return a } }"),
        ("function f(a: string): void\nfunction f(a: 1) {}", "                           \nfunction f(a   ) {}"),
        ("export function f(): void;\nexport function f() {}", "                          \nexport function f() {}"),
        # where a line would go on with the one before
        ("const a = b as any\n(1)", "const a = b ;     \n(1)"),
        ("a = b\ninterface C {}\n(1)", "a = b\n;             \n(1)"),
        ("class A { a = 1\n public ['b'] = 2 }", "class A { a = 1\n ;      ['b'] = 2 }"),
        ("class A { get: number\n foo() {} }", "class A { get;       \n foo() {} }"),
        ("const h = async <\n T\n>(x: T) => x", "const h = async (\n  \n  x   ) => x"),
        ("const h = (x): A<\n T\n> => x", "const h = (x     \n  \n) => x"),
    ],
)  # fmt: skip
def test_types_are_blanks(text: str, expected: str) -> None:
    assert blanked(text) == expected
    assert syntax_errors(parse_script(expected, time.monotonic() + 5)) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\nenum E { A }", (2, 1, "an `enum` makes code of its own")),
        ("  const enum E { A }", (1, 3, "an `enum` makes code of its own")),
        ("namespace N { export const x = 1 }", (1, 1, "a `namespace` with code in it")),
        ("module N { const x = 1 }", (1, 1, "a `namespace` with code in it")),
        ("class A { constructor(private x: 1) {} }", (1, 23, "a parameter cannot be a property")),
        ("class A { constructor(readonly x = 1) {} }", (1, 23, "a parameter cannot be a property")),
        ("import x = require('y')", (1, 1, "`import name = ...` is not available")),
        ("import x = A.B", (1, 1, "`import name = ...` is not available")),
        ("export = x", (1, 1, "`export =` is not available")),
        ("a = <any>b", (1, 5, "write `value as Type`")),
        ("class A { accessor x = 1 }", (1, 11, "`accessor` fields are not available")),
        ("a = b as any\n[1].map(c)", (2, 1, "the line before ends with a type")),
        ("let x: = 1", (1, 8, "")),
        ("let x = {", (1, 9, "`{` is never closed")),
    ],
)  # fmt: skip
def test_what_cannot_be_blanked_is_refused_at_its_place(text: str, expected: tuple[int, int, str]) -> None:
    (line, column, message), *_ = without_types(text, time.monotonic() + 5).faults
    assert (line, column) == expected[:2]
    assert message.startswith(expected[2])


def test_the_check_and_a_run_take_a_ts_file_for_typescript() -> None:
    files = {
        "main.ts": (
            "import type { Data } from './types'\nimport { double } from './lib'\n\n"
            "export const main = (data: Data): number => double(data.n!) as number\n"
        ),
        "lib.ts": "export function double(n: 1): number {\n  if (n === 3) (n as any).of.nothing\n  return n * 2\n}",
        "types.ts": "export interface Data { n?: number }",
    }
    assert problems(files) == []
    assert called(files, {"n": 2}) == 4
    error = called(files, {"n": 3})
    assert (error.location.file, error.location.line) == ("lib.ts", 2)
    # What has only types is not there when it runs.
    assert list(prepared(files).files) == ["lib.ts"]
    assert problems({**files, "lib.ts": "enum A {}\nexport function double() {}"}) == [
        "lib.ts:1:1 an `enum` makes code of its own: write `const Name = { A: 'a' } as const`"
    ]


def test_a_script_may_be_typescript_as_well() -> None:
    assert (
        prepared({"a.ts": "function main(d: any) { return d }"}, Kind.SCRIPT).text
        == "function main(d     ) { return d }"
    )
    assert problems({"a.ts": "function main(d: any) { return d }"}, Kind.SCRIPT) == []
    assert problems({"a.ts": "import type { A } from './b'\nfunction main(d: A) { return d }"}, Kind.SCRIPT) == []
    assert problems({"a.js": "function main(d: any) { return d }"}, Kind.SCRIPT) != []


def test_a_type_that_is_imported_as_a_value_is_told() -> None:
    files = {
        "main.ts": "import { A } from './b'\nexport { A }\nexport const main = () => 1",
        "b.ts": "export interface A {}",
    }
    assert problems(files) == ["main.ts:1:10 'A' of './b' is a type: write `import type` or `export type`"]


_TOKEN = re.compile(r"[\w$]+|[^\s\w]")
_PARTS = [
    "let a: number = 1;", "const b = (x: A, y?: B<C>): D => x as D;", "interface I { a: string; b(): void }",
    "type T<K> = { [P in K]: P };", "class C<T> { private x: T; m?(): void; n<U>(u: U): T { return this.x!; } }",
    "function f<T extends object>(this: any, a: T): asserts a is T { return a }", "f<string>(a!);", "/* a: b */",
    "'a as b';", "`${a as any}`;", "declare module 'x' { }", "export type { T };", "x = a ? (b) : c;", "if (a < b) {}",
    "for (const k in o as any) ;", "try { } catch (e: any) { }", "é = 'ü' as const;", "\n", "// x as y\n", "label: ;",
    "export default class {}", "async <T,>(x: T) => await x;", "a?.b!.c;", "new Map<string, [number]>();",
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(_PARTS), max_size=8).map(" ".join))
def test_every_token_outside_of_types_keeps_its_place(text: str) -> None:
    found = without_types(text, time.monotonic() + 5)
    if found.faults:
        return
    assert len(found.text) == len(text)
    for before, after in zip(text, found.text, strict=True):
        assert after in (before, " ", ";", "(", ")")
    assert syntax_errors(parse_script(found.text, time.monotonic() + 5)) == []
    # Made again it stays as it is.
    assert [one for one in _TOKEN.findall(blanked(found.text)) if one != ";"] == [
        one for one in _TOKEN.findall(found.text) if one != ";"
    ]


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="abc:<>(){}[]=,;!? \nas?|&'`$.@#", max_size=60))
def test_no_text_makes_it_fail(text: str) -> None:
    found = without_types(text, time.monotonic() + 5)
    assert len(found.text) == len(text)


_TRANSPILED = """
const ts = require(process.argv[1]);
const options = { target: ts.ScriptTarget.ESNext, module: ts.ModuleKind.ESNext, removeComments: true };
const plain = (text, fileName) => ts.transpileModule(text, { compilerOptions: options, fileName }).outputText
  .replace(/[();]/g, "").replace(/export \\{\\s*\\}/g, "").replace(/\\s+/g, " ").replace(/, \\}/g, " }").trim();
let given = "";
process.stdin.on("data", (data) => (given += data)).on("end", () =>
  console.log(JSON.stringify(JSON.parse(given).map(([a, b]) => [plain(a, "a.ts"), plain(b, "b.js")]))));
"""


def test_what_is_left_is_what_typescript_itself_leaves() -> None:
    texts = ["\n".join(_PARTS[:count]) for count in range(1, len(_PARTS) + 1)]
    texts += [
        "import { A, b } from './a'\nlet x: A = b",
        "import A, * as B from './a'\nlet x: A.b = B.c",
        "import { A } from './a'\nclass B extends A<string> implements C {}",
        "import { A } from './a'\nexport { A as B }",
        "import { A } from './a'\nconst x = { A }",
        "import { A } from './a'\nlet x: typeof A",
        "interface A {} interface B {}\nconst B = 1\nexport { A, B }",
    ]
    pairs = [[text, blanked(text)] for text in texts]
    node = subprocess.run(
        [require_program("node"), "-e", _TRANSPILED, str(EDITOR / "node_modules" / "typescript5")],
        input=json.dumps(pairs),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    for text, (typescripts, ours) in zip(texts, json.loads(node.stdout), strict=True):
        assert ours == typescripts, text


def test_types_without_end_are_a_fault_of_the_text() -> None:
    blanked = without_types("export const main = () => 1" + " as any" * 20_000, time.monotonic() + 30)
    assert blanked.faults == [(1, 1, "is nested too deep")]
