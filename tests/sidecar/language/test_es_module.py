"""The ES module dialect: each form as plain code, its places kept, and run by the engine."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.outcome import Threw
from sidecar.kind import Kind as ScriptKind
from sidecar.language.check import check_script
from sidecar.language.es_module import prepare
from tests.sandbox.support import Driven, packed, result, written

NO_SUCH = "available: cxC5Server, cxWebSocket"


def plain(text: str) -> str:
    """The text of an App as it is run."""
    return prepare(text, ScriptKind.APP).text


ADAPTER = """(({ host }) => ({
  prepare: (input) => input,
  collect: (data, returned) => (returned === undefined ? data : returned),
  caught: () => undefined,
  modules: { m: { a: 1, b: 2, name: "m" } },
}))"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("export function main() {}", "       function main() {}"),
        ("export default function main() {}", "               function main() {}"),
        ("export async function main() {}", "       async function main() {}"),
        ("export const main = (d) => d", "       const main = (d) => d"),
        ("export default async (data) => data;", "    var main = async (data) => data;"),
        ("export default data => data", "    var main = data => data;"),
        ("export default function () {}", "               function main () {}"),
        ("export default async function* () {}", "               async function* main () {}"),
        ("export default function start() {}", "               function start() {}\n;var main = start;"),
        ("function main() {}\nexport { main };", "function main() {}\n;               "),
        ("export {\n  go as main, x\n} // y", ";       \n               \n  // y\n;var main = go;"),
        ("export { go as default }", ";                       \n;var main = go;"),
        ("export function main() {}\nexport default { a: 1 }", "       function main() {}\n             0,{ a: 1 };"),
        ("export class A {}", "       class A {}"),
        ("import x from 'm'", "const  x =    require('m');"),
        ("import x from 'm';", "const  x =    require('m');"),
        ("import 'm';", "       require('m');"),
        ("import * as ns from \"m\"", "const       ns =    require(\"m\");"),
        ("import {\n  a,\n  b as c,\n} from 'm'", "const  {\n  a,\n  b :  c,\n} =    require('m');"),
        ("import d, { a } from 'm'", "const  d = require('m'), { a } =    d;"),
        ("import d, * as ns from 'm'", "const  d = require('m'),      ns =    d;"),
        # not available: left for the engine to refuse
        ("export * from 'm'", "export * from 'm'"),
        ("import x from 'm' with { type: 'json' }", "import x from 'm' with { type: 'json' }"),
    ],
)  # fmt: skip
def test_each_form(text: str, expected: str) -> None:
    assert plain(text) == expected


@pytest.mark.parametrize(
    ("text", "data", "expected"),
    [
        ("import m, { a, b as c } from 'm'; export default () => [m.name, a, c]", None, ["m", 1, 2]),
        ("import * as ns from 'm'\nexport function main() { return ns.a }", None, 1),
        ("export default async (data) => data.x", {"x": 5}, 5),
        ("const f = 1\nexport default async function () { return f }", None, 1),
        ("export { go as main }\nconst go = (data) => data.x * 2", {"x": 2}, 4),
        ("export default handle\nfunction handle() { return 7 }", None, 7),
        ("export default function handle() { return 7 }\n// the end", None, 7),
        ("export function other() { return 1 }\nexport default () => other() + 1", None, 2),
        ("export const main = () => 3\nexport default class {}", None, 3),
        ("let x = 1\nexport { x }\n;[2].map(y => x = y)\nexport const main = () => x", None, 2),
        ("const m = require('m')\nfunction main() { return m.b }", None, 2),
    ],
)
def test_it_runs(text: str, data: object, expected: object) -> None:
    assert result(plain(text), data, True, adapter=ADAPTER) == expected


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("function main() {}", ["main"]),
        ("export default () => 1", ["main"]),
        ("export function main() {}\nexport async function search(q) {}", ["main", "search"]),
        ("export const a = () => 1, b = 2, c = async function () {}, d = async (x) => x\nexport default a",
         ["main", "a", "c", "d"]),
        ("export function* rows() {}\nexport class Row {}\nexport const { x } = { x: () => 1 }", ["main"]),
        ("const go = () => 1; function stop() {}\nlet other = 1\nexport { go, stop as halt, other, gone }",
         ["main", "go", "halt"]),
        ("const go = () => 1; let taken\nexport { go as taken, go as delete, go as 'a-b', go as default }", ["main"]),
        ("export function café() {}\nexport const $ = () => 1, a\\u0062 = () => 1", ["main", "$"]),
        ("export { go as main, go as x, go as x }; function go() {}", ["main", "x"]),
        ("import { go } from 'm'; export { go }; export * from 'm'; export { stop } from 'm'", ["main"]),
    ],
)  # fmt: skip
def test_what_a_caller_may_call(text: str, entries: list[str]) -> None:
    assert list(prepare(text, ScriptKind.APP).entries) == entries


def test_of_a_script_only_main_may_be_called_and_its_text_stays() -> None:
    text = "export function main() {}\nexport function other() {}"
    assert prepare(text, ScriptKind.SCRIPT)[:2] == (text, ("main",))


def called(text: str, entry: str) -> str:
    """The status of a run that calls an entry of an App."""
    prepared = prepare(text, ScriptKind.APP)
    driven = Driven(prepared.text, True, adapter=ADAPTER, entries=prepared.entries)
    driven.context.limit_time(1.0)
    return written(driven.context.start(packed(None), "", 0.0, entry))


def test_a_function_exported_under_another_name_is_found_under_it() -> None:
    text = "export { go as search }\nconst go = () => 7\nexport const main = () => go() // the end"
    assert [called(text, entry) for entry in ("search", "main")] == ["R07", "R07"]


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
    assert [called(text, entry) for entry in (name, "main")] == ["R02", "R01"]


@pytest.mark.parametrize("go", ["let go = () => 1; go = 5", "let go = () => 1; go = undefined"])
def test_an_export_that_is_no_function_any_more_is_no_entry(go: str) -> None:
    assert "no function search" in called(f"{go}\nexport {{ go as search }}\nexport const main = () => 1", "search")


def test_errors_keep_their_places() -> None:
    text = "import {\n a,\n b as c\n} from 'm'\n\nexport default async function (data) {\n  data.none.x\n}\n"
    error = result(plain(text), {}, True, adapter=ADAPTER)
    assert isinstance(error, Threw)
    assert error.location is not None
    assert (error.location.line, error.location.column) == (7, 3)
    error = result(plain("/* é */ export const main = () => nope.x"), {}, True, adapter=ADAPTER)
    assert isinstance(error, Threw)
    assert error.location is not None
    assert error.location.line == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import C from 'cxC5Server'\nexport function main() { return new C() }", []),
        ("import { a } from \"cxC5Server\"; export default () => a", []),
        ("const C = require('cxC5Server'); function main() {}", []),
        ("export { go as main }; function go() {}", []),
        ("import kv from 'cxKV'\n\nexport function main() {}", [f"1:16 there is no module 'cxKV': {NO_SUCH}"]),
        ("function main() { return require('fs') }", [f"1:34 there is no module 'fs': {NO_SUCH}"]),
        ("function main(d) { return require(d) }", ["1:27 `require` takes the name of a module in quotes"]),
        ("import { default as C } from 'cxC5Server'; export default () => C",
         ["1:10 write `import x from '...'` for a module's default"]),
        ("export * from 'cxC5Server'\nexport function main() {}", ["1:1 `export ... from` is not available"]),
        ("async function main() { await import('m') }",
         ["1:31 `import()` is not available; write `import x from '...'` at the top"]),
        ("export const a = 1", ["1:1 no entry point: an App starts in `function main(data)`"]),
        ("export default function* main() {}", ["1:26 `main` is a generator: calling it runs nothing"]),
    ],
)  # fmt: skip
def test_the_check(text: str, expected: list[str]) -> None:
    problems = [one for one in check_script(text, ScriptKind.APP, "x.js") if "is not defined" not in one.message]
    found = [f"{one.line}:{one.column} {one.message}" for one in problems]
    assert found == expected


_WORDS = re.findall(
    "[^ ]+", "function main ( ) { } const x = 1 ; /* */ 'a' + return \n é => async // await `b` [ ] , data"
)


@given(st.lists(st.sampled_from(_WORDS), max_size=30).map(" ".join) | st.text(max_size=50))
def test_without_import_and_export_nothing_changes(text: str) -> None:
    if "import" not in text and "export" not in text:
        assert plain(text) is text


@given(st.lists(st.sampled_from(_WORDS), max_size=20).map(" ".join))
def test_nor_where_they_are_only_words(text: str) -> None:
    text = json.dumps(text + " import x from 'm'") + "\n// export default 1\nx.import = { export: 1 }"
    assert plain(text) == text


_STATEMENTS = [
    "import a from 'm'", "import * as n from 'm';", "import { c,\n d as é } from 'm'", "export const e = 1",
    "export function f() {}", "export {\n}", "export default (x) => x", "const g = 1;", "g()", "/* export */ g()",
]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(_STATEMENTS), max_size=6, unique=True))
def test_lines_stay_where_they_were(statements: list[str]) -> None:
    text = "\n".join(statements)
    rewritten = plain(text)
    lines, before = rewritten.split("\n"), text.split("\n")
    assert len(lines) >= len(before)
    assert not re.search(r"^ *(import|export) ", rewritten, re.MULTILINE)
    for old, new in zip(before, lines, strict=False):
        if "import" not in old and "export" not in old and "from" not in old and " as " not in old:
            assert new.rstrip() == old.rstrip() or old in ("}",)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="importexp {}*,;'\"asfromdefault\n/é", max_size=60))
def test_no_text_makes_it_fail(text: str) -> None:
    plain(text)
