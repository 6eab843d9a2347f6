"""Corners of ES modules as ECMA-262 has them, most of them after the tests of its own suite."""

import pytest

from sandbox.outcome import Threw
from sidecar.kind import Kind
from sidecar.language.app_files import AppFiles
from sidecar.language.check import check_script
from sidecar.language.prepared import prepare
from tests.sidecar.language.app import called, problems

MAIN = "\nexport const main = () => "


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        # what a module is
        (
            {"main.js": f"const self = this{MAIN}[typeof self, typeof arguments_]; var arguments_"},
            ["undefined", "undefined"],
        ),
        ({"main.js": f"var x = 1{MAIN}'x' in globalThis"}, False),
        ({"main.js": f"function f() {{}}{MAIN}globalThis.f === undefined"}, True),
        (
            {"main.js": "export default function () {}\nimport f from './main'\nexport const main = () => f.name"},
            "default",
        ),
        ({"main.js": "export default class {}\nimport C from './main'\nexport const main = () => C.name"}, "default"),
        ({"main.js": "export default (() => 1)\nimport f from './main'\nexport const main = () => f.name"}, "default"),
        ({"main.js": f"const f = () => 1; export default f\nimport g from './main'{MAIN}g.name"}, "f"),
        # functions are there before anything is evaluated
        (
            {
                "main.js": f"import {{ f }} from './b'\nexport function g() {{ return 5 }}{MAIN}f",
                "b.js": "import { g } from './main'\nexport const f = g()",
            },
            5,
        ),
        # a module's own namespace
        ({"main.js": f"import * as self from './main'\nexport let b, a{MAIN}Object.keys(self)"}, ["a", "b", "main"]),
        (
            {
                "main.js": f"import * as self from './main'{MAIN}[self[Symbol.toStringTag], Object.isExtensible(self),"
                " Object.getPrototypeOf(self)]"
            },
            ["Module", False, None],
        ),
        (
            {
                "main.js": f"import * as self from './main'\nexport let x = 1{MAIN}"
                "{ try { self.x = 2 } catch (e) { return [e.name, x] } }"
            },
            ["TypeError", 1],
        ),
        ({"main.js": f"import * as self from './main'{MAIN}Reflect.deleteProperty(self, 'main')"}, False),
        ({"main.js": f"import * as self from './main'{MAIN}'none' in self || self['no' + 'ne']"}, None),
        # a name of another file is none of this one
        (
            {
                "main.js": "import { main as other } from './b'\nexport const f = () => other()\nglobalThis.main = f",
                "b.js": "exports.main = () => 7",
            },
            7,
        ),
        # names that are texts, and words
        ({"main.js": f"import {{ 'a b' as c }} from './b'{MAIN}c", "b.js": "const x = 6; export { x as 'a b' }"}, 6),
        (
            {
                "main.js": f"import {{ x as async, x as from, x as of }} from './b'{MAIN}[async, from, of]",
                "b.js": "export const x = 8",
            },
            [8, 8, 8],
        ),
        # stars
        (
            {
                "main.js": f"import * as b from './b'{MAIN}Object.keys(b)",
                "b.js": "export * from './c'\nexport const x = 1",
                "c.js": "export const x = 2, y = 3\nexport default 4",
            },
            ["x", "y"],
        ),
        (
            {
                "main.js": f"import {{ x }} from './b'{MAIN}x",
                "b.js": "export * from './c'\nexport const x = 1",
                "c.js": "export const x = 2",
            },
            1,
        ),
        (
            {
                "main.js": f"import * as b from './b'{MAIN}Object.keys(b)",
                "b.js": "export * from './c'\nexport * from './d'",
                "c.js": "export const x = 1, y = 1",
                "d.js": "export const x = 2, z = 2",
            },
            ["y", "z"],
        ),
        (
            {
                "main.js": f"import {{ x }} from './b'{MAIN}x",
                "b.js": "export * from './c'\nexport * from './d'",
                "c.js": "export * from './e'",
                "d.js": "export { x } from './e'",
                "e.js": "export const x = 9",
            },
            9,
        ),
        (
            {
                "main.js": f"import {{ x }} from './b'{MAIN}x",
                "b.js": "export * from './c'",
                "c.js": "export * from './b'\nexport const x = 10",
            },
            10,
        ),
        # what is exported again follows
        (
            {
                "main.js": f"import {{ y, up }} from './b'{MAIN}(up(), y)",
                "b.js": "export { x as y, up } from './c'",
                "c.js": "export let x = 1; export const up = () => x++",
            },
            2,
        ),
        # order
        (
            {
                "main.js": f"import './b'\nimport './c'{MAIN}log",
                "b.js": "import './d'\nlog.push('b')",
                "c.js": "import './d'\nlog.push('c')",
                "d.js": "globalThis.log = ['d']",
            },
            ["d", "b", "c"],
        ),
        (
            {
                "main.js": f"import './b'\nimport './c'{MAIN}log",
                "b.js": "globalThis.log = []; await null; log.push('b')",
                "c.js": "log.push('c')",
            },
            ["c", "b"],
        ),
        (
            {"main.js": f"import './b'\nlog.push('main'){MAIN}log", "b.js": "import './main'\nglobalThis.log = ['b']"},
            ["b", "main"],
        ),
        # import()
        (
            {
                "main.js": "import * as b from './b'\nexport const main = async () => b === await import('./b')",
                "b.js": "",
            },
            True,
        ),
        (
            {
                "main.js": "export const main = async () => { const n = [];"
                " for (let i = 0; i < 2; i++) await import('./b').catch((e) => n.push(e));"
                " return [n.length, n[0] === n[1], n[0].message] }",
                "b.js": "throw new Error('once')",
            },
            [2, True, "once"],
        ),
        (
            {
                "main.js": "export const main = async () => (await import('./b')).x",
                "b.js": "export const x = await Promise.resolve(11)",
            },
            11,
        ),
        (
            {
                "main.js": "export const main = () => import('./b').then((b) => b.default())",
                "b.js": "export default () => 12",
            },
            12,
        ),
    ],
)
def test_it_is_as_the_standard_has_it(files: dict[str, str], expected: object) -> None:
    assert problems(files) == []
    assert called(files) == expected


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"main.js": "import { x } from './b'\nexport const main = () => { x = 2 }", "b.js": "export let x = 1"},
            "'x' is read-only",
        ),
        ({"main.js": "export const main = () => { undeclared = 1 }"}, "undeclared is not defined"),
        (
            {
                "main.js": "import { x } from './b'\nexport let y = 1\nexport const main = () => x",
                "b.js": "import { y } from './main'\nexport const x = y",
            },
            "y is not initialized",
        ),
        (
            {"main.js": "import './b'\nexport const main = () => 1", "b.js": "await 0; throw new TypeError('late')"},
            "late",
        ),
        ({"main.js": "export { x }\nexport const main = () => 1"}, "exported variable 'x' does not exist"),
        ({"main.js": "export const x = 1; export { x }\nexport const main = () => 1"}, "duplicate exported name 'x'"),
        ({"main.js": "with ({}) {}\nexport const main = () => 1"}, "invalid keyword: with"),
        ({"main.js": "export const main = () => 010"}, "Octal literals are not allowed in strict mode"),
        (
            {"main.js": "export const main = () => { var await_ = 1; delete await_ }"},
            "cannot delete a direct reference in strict mode",
        ),
    ],
)
def test_what_is_an_error_there_is_one_here(files: dict[str, str], message: str) -> None:
    error = called(files)
    assert isinstance(error, Threw), error
    assert error.message == message
    assert (error.location is None) == ("does not exist" in message)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {
                "main.js": f"import {{ x }} from './b'{MAIN}x",
                "b.js": "export * from './c'\nexport * from './d'",
                "c.js": "export const x = 1",
                "d.js": "export const x = 2",
            },
            "main.js:1:10 './b' has no export 'x'",
        ),
        (
            {
                "main.js": f"import {{ default as x }} from './b'{MAIN}x",
                "b.js": "export * from './c'",
                "c.js": "export default 1",
            },
            "main.js:1:10 './b' has no default export: write `import { name } from './b'`",
        ),
        (
            {
                "main.js": f"import {{ x }} from './b'{MAIN}x",
                "b.js": "export { x } from './c'",
                "c.js": "export { x } from './b'",
            },
            "c.js:1:10 './b' has no export 'x'; it has x",
        ),
    ],
)
def test_a_name_that_cannot_be_resolved_fails_the_check(files: dict[str, str], expected: str) -> None:
    assert expected in problems(files)
    assert isinstance(called(files), Threw)


RESERVED = "export const one = 1, two = 2;\nexport { one as delete, two as in };\n"


@pytest.mark.parametrize("file", ["main.js", "main.ts"])
def test_what_is_imported_may_be_called_by_a_reserved_word(file: str) -> None:
    text = (
        "import { delete as remove,\n  in as within } from './words'\nexport { remove as new, within as class }\n"
        "export { in as if } from './words'\nexport function main(data) { return remove + within }\n"
    )
    app = AppFiles(file, {"words.js": RESERVED})
    assert check_script(text, Kind.APP, file, app=app) == ()
    assert prepare(text, Kind.APP, app).files["words.js"].text == RESERVED


def test_reserved_words_are_words_elsewhere() -> None:
    text = "export function main(data) { return [1, null as any, data as const, { x: 1 as const }, delete data.as] }\n"
    assert check_script(text, Kind.APP, "main.ts", app=AppFiles("main.ts")) == ()
    for wrong in ("import { delete } from './words'", "f({ in as })"):
        assert check_script(f"{wrong}\nexport function main() {{}}\n", Kind.APP, "main.js", app=AppFiles("main.js"))
