"""ES modules as scripts write them: what each form means, what may be called, and what the check says of them."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.outcome import Location, Threw
from sandbox.program import Form
from sidecar.kind import Kind
from sidecar.language.modules import NODE
from sidecar.language.prepared import prepare
from tests.sidecar.language.app import called, driven, prepared, problems

NO_SUCH = "available: cxC5Server, cxWebSocket, m"
DATES = "Date and Intl.DateTimeFormat know dates and time zones"
NO_FILES = "scripts reach no files and no programs, and nobody connects to them"


@pytest.mark.parametrize(
    ("text", "data", "expected"),
    [
        ("import m, { a, b as c } from 'm'; export default () => [m.name, a, c]", None, ["m", 1, 2]),
        ("import * as ns from 'm'\nexport function main() { return ns.a }", None, 1),
        ("import { default as d } from 'm'; export const main = () => d.b", None, 2),
        ("import 'm'; export const main = () => 1", None, 1),
        ("export default async (data) => data.x", {"x": 5}, 5),
        ("const f = 1\nexport default async function () { return f }", None, 1),
        ("export { go as main }\nconst go = (data) => data.x * 2", {"x": 2}, 4),
        ("export default handle\nfunction handle() { return 7 }", None, 7),
        ("export default function handle() { return 7 }\n// the end", None, 7),
        ("export function other() { return 1 }\nexport default () => other() + 1", None, 2),
        ("export const main = () => 3\nexport default class {}", None, 3),
        ("let x = 1\nexport { x }\n;[2].map(y => x = y)\nexport const main = () => x", None, 2),
        ("const m = require('m')\nfunction main() { return m.b }", None, 2),
        # found though it is not exported
        ("import { a } from 'm'\nfunction main() { return a }", None, 1),
        ("import { a } from 'm'\nglobalThis.main = () => a", None, 1),
        ("export const x = 1; const main = () => x // the end", None, 1),
        ("#!/usr/bin/env scriptforge\nexport const main = () => 4", None, 4),
        # the older dialect's own words
        ("import { a } from 'm'\nvars.x = a", {}, {"x": 1}),
        ("import { a } from 'm'\nexit({ y: a })", {}, {"y": 1}),
        ("export const main = () => typeof this + typeof arguments_of\nvar arguments_of", None, "undefinedundefined"),
        # at the top
        ("const x = await Promise.resolve(5)\nexport const main = () => x", None, 5),
        ("const { a } = await import('m')\nexport default () => a", None, 1),
        ("export const main = async () => (await import('m')).default.b", None, 2),
        ("const main = async () => Object.keys(await import('m')).sort()", None, ["a", "b", "default", "name"]),
        ("await new Promise((go) => setTimeout(go, 5)); export const main = () => 'late'", None, "late"),
    ],
)
def test_it_runs(text: str, data: object, expected: object) -> None:
    assert driven(text).run(data) == expected


def test_what_is_imported_is_live() -> None:
    files = {
        "main.js": (
            "import { n, up } from './count'\nexport const main = () => { up(); const one = n; up(); return [one, n] }"
        ),
        "count.js": "export let n = 0; export const up = () => { n++ }",
    }
    assert called(files) == [1, 2]
    assert (
        called({**files, "main.js": files["main.js"] + "\nexport const set = () => { n = 5 }"}, entry="set").name
        == "TypeError"
    )


def test_two_files_that_import_each_other() -> None:
    files = {
        "price.js": (
            "import { tax } from './tax';\nexport const base = (n) => n * 10;\n"
            "export default function total(n) { return base(n) + tax(n); }\nexport const main = ({ n }) => total(n);\n"
            "export function broken() { return tax.of.nothing; }\n"
        ),
        "tax.ts": "import { base } from './price'; export const tax = (n: number): number => base(n) * 0.2;",
    }
    assert problems(files) == []
    assert prepared(files).entries == ("main", "base", "broken")
    assert called(files, {"n": 5}) == 60
    error = called(files, entry="broken")
    assert (error.name, error.location, error.stack[0]) == ("TypeError", Location(5, 35), "broken (author.js:5:35)")
    assert called(files, entry="total").message == "no function total"
    files["price.js"] = files["price.js"].replace("./tax'", "./none'")
    assert problems(files) == ["price.js:1:21 there is no file './none'"]


def test_a_cycle_that_uses_what_is_not_there_yet_says_so_at_its_place() -> None:
    files = {
        "main.js": "import { b } from './b'\nexport const a = 1\nexport const main = () => b",
        "b.js": "import { a } from './main'\n\nexport const b = a + 1",
    }
    error = called(files)
    assert isinstance(error, Threw)
    assert (error.name, error.location) == ("ReferenceError", Location(3, 18, "b.js"))


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ({"b.js": "export * from './c'", "c.js": "export const x = 1; export default 2"}, 1),
        ({"b.js": "export { y as x } from './c'", "c.js": "export const y = 2"}, 2),
        ({"b.js": "export { default as x } from './c'", "c.js": "export default 3"}, 3),
        ({"b.js": "export * as x from './c'", "c.js": "export const y = 4"}, {"y": 4}),
        ({"b.js": "import c from './c'\nexport { c as x }", "c.js": "export default 5"}, 5),
        (
            {
                "b.js": "export * from './c'\nexport * from './d'",
                "c.js": "export const q = 1",
                "d.js": "export let x = 6",
            },
            6,
        ),
        ({"b.js": "export { a as x } from 'm'"}, 1),
        ({"b.js": "export var x = 7"}, 7),
        ({"b.mjs": "export const { a: [x] } = { a: [8] }"}, 8),
        ({"b.ts": "export const x: number = 9 as const"}, 9),
    ],
)
def test_what_another_file_exports(others: dict[str, str], expected: object) -> None:
    files = {"main.js": "import { x } from './b'\nexport const main = () => x", **others}
    assert problems(files) == []
    assert called(files) == expected


def test_each_file_is_evaluated_once_and_in_order() -> None:
    files = {
        "main.js": "import './b'\nimport './c'\nglobalThis.seen.push('main')\nexport const main = () => seen",
        "b.js": "import './c'\nseen.push('b')",
        "c.js": "globalThis.seen = [...(globalThis.seen ?? []), 'c']",
    }
    assert called(files) == ["c", "b", "main"]


def test_what_waits_at_the_top_of_another_file_is_waited_for() -> None:
    files = {
        "main.js": "import { x } from './b'\nexport const main = () => x",
        "b.js": "export const x = await new Promise((go) => setTimeout(go, 1000, 'late'))",
    }
    one = driven(files)
    assert one.start() == "W01000"
    assert one.fire(1000) == 'R0"late"'


def test_what_can_never_settle_at_the_top_is_said() -> None:
    error = driven("await new Promise(() => {})\nexport const main = () => 1").run()
    assert error.message == "what is awaited at the top can never settle: nothing that it waits for is pending"


@pytest.mark.parametrize("text", ["await null; throw new Error('x')", "throw new Error('x'); export {}"])
def test_what_is_thrown_at_the_top_is_the_runs_end(text: str) -> None:
    one = driven({"main.js": "import './b'\nexport const main = () => 1", "b.js": text})
    status = one.start()
    assert '"message":"x"' in status
    assert "b.js:1:" in status
    assert not one.context.unheard


def test_a_dynamic_import_of_a_file_is_evaluated_when_it_is_asked_for() -> None:
    files = {
        "main.js": "export const main = async () => [typeof made, (await import('./b')).x, made]",
        "b.js": "globalThis.made = 1; export const x = 2",
    }
    assert called(files) == ["undefined", 2, 1]
    plain = {"main.js": "async function main() { return (await import('./b')).x }", "b.js": files["b.js"]}
    assert called(plain) == 2


def test_a_dynamic_import_of_what_the_text_does_not_name_is_rejected() -> None:
    error = driven("const main = (name) => eval(`import('${name}')`)").run("fs")
    assert error.message == "import 'fs': there is no such module"
    for name in ("./b.js", "b.js", "/etc/passwd", "file:///etc/passwd", "main.js"):
        files = {
            "main.js": "import './b'\nexport const main = (name) => new Function('n', 'return import(n)')(name)",
            "b.js": "",
        }
        assert driven(files).run(name).message == f"import '{name}': there is no such module"


def test_the_stack_that_a_script_reads_has_its_own_places() -> None:
    files = {
        "main.js": "import { where } from './lib/b'\n\nexport const main = () => where().split('\\n').slice(0, 2)",
        "lib/b.js": "\n  export const where = () => new Error('x').stack",
    }
    assert called(files) == ["    at where (lib/b.js:2:34)", "    at main (author.js:3:27)"]
    assert (
        driven("\n\nfunction main() { return new Error('x').stack.split('\\n')[0] }").run()
        == "    at main (author.js:3:30)"
    )


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("function main() {}", ["main"]),
        ("function search() {} function _own() {} async function main() {} function* rows() {} const x = () => 1",
         ["main", "search"]),
        ("export default () => 1", ["main"]),
        ("export function main() {}\nexport async function search(q) {}", ["main", "search"]),
        ("export const a = () => 1, b = 2, c = async function () {}, d = async (x) => x\nexport default a",
         ["main", "a", "c", "d"]),
        ("export function* rows() {}\nexport class Row {}\nexport const { x } = { x: () => 1 }", []),
        ("const go = () => 1; function stop() {}\nlet other = 1\nexport { go, stop as halt, other }",
         ["go", "halt"]),
        ("const go = () => 1; let taken\nexport { go as taken, go as 'a-b', go as default }",
         ["main", "taken"]),
        ("export function café() {}\nexport const $ = () => 1, a\\u0062 = () => 1", ["$"]),
        ("export { go as main, go as x }; function go() {}", ["main", "x"]),
        ("import { go } from 'm'; export { go }; export * from 'm'; export { stop } from 'm'", ["main"]),
        ("import 'm'; function search() {} function _own() {}", ["search"]),
        ("module.exports = { search, book: async () => 1, 'a-b': 1, n: 5 }; function search() {}",
         ["search", "book", "n"]),
        ("exports.search = () => 1; module.exports.book = () => 2", ["search", "book"]),
        ("module.export = { search: async function () {}, list() {} }", ["search", "list"]),
    ],
)  # fmt: skip
def test_what_a_caller_may_call(text: str, entries: list[str]) -> None:
    assert list(prepared(text).entries) == entries


def test_functions_of_other_files_may_be_called_where_they_are_exported_again() -> None:
    files = {
        "main.js": "import { go } from './c'\nexport * from './b'\nexport { go as start, n } from './c'\nexport { go }",
        "b.js": "export function search() { return 1 }",
        "c.js": "export const go = () => 2, n = 3",
    }
    assert prepared(files).entries == ("start", "go", "search")
    assert [called(files, entry=entry) for entry in ("search", "start", "go")] == [1, 2, 2]


def test_of_a_script_only_main_may_be_called_and_its_text_stays() -> None:
    text = "export function main() {}\nexport function other() {}"
    assert prepare(text, Kind.SCRIPT)[:2] == (text, ("main",))


def test_a_function_exported_under_another_name_is_found_under_it() -> None:
    text = "export { go as search }\nconst go = () => 7\nexport const main = () => go() // the end"
    assert [called(text, entry=entry) for entry in ("search", "main")] == [7, 7]


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("require", "require('m').a"),
        ("setTimeout", "setTimeout(() => {}, 1)"),
        ("String", "String(1) - 0"),
        ("search", "typeof search === 'undefined' ? 1 : 3"),
    ],
)
def test_the_name_of_an_export_is_no_name_within_the_script(name: str, use: str) -> None:
    text = (
        f"import m from 'm'\nexport {{ go as {name} }}\nfunction go() {{ return m.b }}\nexport const main = () => {use}"
    )
    assert [called(text, entry=entry) for entry in (name, "main")] == [2, 1]


@pytest.mark.parametrize("go", ["let go = () => 1; go = 5", "let go = () => 1; go = undefined"])
def test_an_export_that_is_no_function_any_more_is_no_entry(go: str) -> None:
    found = called(f"{go}\nexport {{ go as search }}\nexport const main = () => 1", entry="search")
    assert found.message == "no function search"


def test_errors_keep_their_places() -> None:
    text = "import {\n a,\n b as c\n} from 'm'\n\nexport default async function (data) {\n  data.none.x\n}\n"
    error = driven(text).run({})
    assert isinstance(error, Threw)
    assert error.location == Location(7, 3)
    error = driven("/* é */ export const main = () => nope.x").run({})
    assert isinstance(error, Threw)
    assert error.location is not None
    assert error.location.line == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import C from 'cxC5Server'\nexport function main() { return new C() }", []),
        ("import a from \"cxC5Server\"; export default () => a", []),
        ("const C = require('cxC5Server'); function main() {}", []),
        ("export { go as main }; function go() {}", []),
        ("import { default as C } from 'cxC5Server'; export default () => C", []),
        ("export * from 'cxC5Server'\nexport function main() {}", []),
        ("async function main() { await import('m') }", []),
        ("const x = await fetched()\nexport function main() { return x }\nasync function fetched() {}", []),
        ("import kv from 'cxKV'\n\nexport function main() {}", [f"1:16 there is no module 'cxKV': {NO_SUCH}"]),
        ("function main() { return require('ws') }", [f"1:34 there is no module 'ws': {NO_FILES}; {NO_SUCH}"]),
        ("function main() { return [require('fs'), require('node:util')] }", []),
        ("function main(d) { return require(d) }", ["1:27 `require` takes the name of a module in quotes"]),
        ("async function main(d) { await import(d) }", ["1:32 `import()` takes the name of a module in quotes"]),
        ("async function main() { await import('ws') }", [f"1:38 there is no module 'ws': {NO_FILES}; {NO_SUCH}"]),
        ("export const main = () => import.meta.url",
         ["1:27 `import.meta` is not available: process.env says which script it is"]),
        ("function main() { export const x = 1 }",
         ["1:19 `export` stands within something else; it belongs at the top of the file"]),
        ("import x from 'm' with { type: 'json' }\nexport const main = () => x",
         ["1:19 the one attribute of an import is `type: 'json'`, of a JSON file"]),
        ("import dayjs from 'https://esm.sh/dayjs'\nexport const main = () => dayjs",
         [f"1:19 'https://esm.sh/dayjs': nothing is loaded from elsewhere; {DATES}; {NO_SUCH}"]),
        ("import fs from 'node:fs'\nexport const main = () => fs", []),
        ("import ws from 'node:dgram'\nexport const main = () => ws",
         [f"1:16 there is no module 'node:dgram': {NO_FILES}; of Node there are {', '.join(sorted(NODE))}"]),
        ("export const a = 1", ["1:1 no `main`, which calls need: other files may import this one"]),
        ("const a = 1", ["1:1 no entry point: an App starts in `function main(data)`"]),
        ("export default function* main() {}", ["1:26 `main` is a generator: calling it runs nothing"]),
        ("export const search = () => 1",
         ["1:1 no `main`, which calls need: only `search` can be called, by name"]),
        ("import m from 'm'; module.exports = { main() { return m } }",
         ["1:1 no entry point: an App starts in `function main(data)`",
          "1:20 `module.exports` in an ES module: write `export`"]),
        ("module.exports = { main }; const main = async () => 1; await main()",
         ["1:56 `await` at the top of a file with `module.exports`; write `export` in place of that"]),
    ],
)  # fmt: skip
def test_the_check(text: str, expected: list[str]) -> None:
    assert [one.removeprefix("main.js:") for one in problems(text)] == expected


_WORDS = re.findall(
    "[^ ]+", "function main ( ) { } const x = 1 ; /* */ 'a' + return \n é => async // await `b` [ ] , data"
)


@given(st.lists(st.sampled_from(_WORDS), max_size=30).map(" ".join) | st.text(max_size=50))
def test_without_import_and_export_nothing_changes(text: str) -> None:
    if not any(word in text for word in ("import", "export", "await", "module", "require", "#!")):
        found = prepare(text, Kind.APP)
        assert found.text is text
        assert found.form is Form.SCRIPT


@given(st.lists(st.sampled_from(_WORDS), max_size=20).map(" ".join))
def test_nor_where_they_are_only_words(text: str) -> None:
    text = json.dumps(text + " import x from 'm'") + "\n// export default 1\nx.import = { export: 1 }"
    assert prepare(text, Kind.APP).text == text


_STATEMENTS = [
    "import a from 'm'", "import * as n from 'm';", "import { c,\n d as é } from 'm'", "export const e = 1",
    "export function f() {}", "export {\n}", "export default (x) => x", "const g = 1;", "g()", "/* export */ g()",
]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(_STATEMENTS), max_size=6, unique=True))
def test_every_text_stays_where_it_was(statements: list[str]) -> None:
    text = "\n".join(statements)
    assert prepare(text, Kind.APP).text.startswith(text)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="importexp {}*,;'\"asfromdefault\n/é", max_size=60))
def test_no_text_makes_it_fail(text: str) -> None:
    prepare(text, Kind.APP)
