"""What is said of a script before it runs, word for word."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.kind import RULES, Kind, KindRules
from sidecar.language.check import PROBLEMS, check_script
from sidecar.language.prepared import Prepared
from sidecar.problem import Problem, Severity
from sidecar.report import report, report_json, summary

SYNC = "in a Script, which runs synchronously; make it an App"
NO_MODULES = "in a Script, which has no modules"
STARTS = "; a Script starts in `function main(data)`"
NO_SUCH = "available: cxC5Server, cxWebSocket"


def faults(text: str, kind: Kind = Kind.SCRIPT) -> list[str]:
    """All but the names that these texts stand for something with: test_absent.py is about those."""
    found = check_script(text, kind, "x.js")
    return [f"{one.line}:{one.column} {one.message}" for one in found if "is not defined" not in one.message]


@pytest.mark.parametrize(
    "text",
    [
        "function main(data) { return data }",
        "const main = data => data",
        "let main = function (data) { return data }",
        "var main; main = data => data",
        "main = function (data) { return data }",
        "globalThis.main = data => data",
        "var {main} = {main(data) {}}",
        "if (1) { function main() {} }",
        "exit(vars().routing)",
        "var data = vars();\nif (!data.x) err([404, 'Not Found'])",
        "return exit(1)",
        "class A { #x; y(z) { return #x in z } }; function main() {}",
        "function main() { function* all() { yield 1 } return [...all()] }",
        # the script's own names
        "function main() { const require = name => name; return require('a') }",
        "function main() { return require('a'); function require(name) { return name } }",
        "function main(require) { return require('a') }",
        "function main({require, Promise = 1}) { return require(Promise) }",
        "function main([setTimeout, ...module]) { setTimeout(module.exports) }",
        "const main = require => require('a')",
        "function main() { try { f() } catch (Promise) { return Promise.all } }",
        "function main() { for (const exports of [1]) exports.x = 1 }",
        "function main() { for (var exports of [1]); exports.x = 1 }",
        "function main() { if (1) { var require = f } require('a') }",
        "class Promise {} function main() { return new Promise() }",
        "const x = function require() { return require('a') }; function main() {}",
        "function main() { foo.require('a'); a.then(b); a.Promise; ({require: 1, Promise() {}}) }",
        "function main() { require: for (;;) break require }",
        # asked for before it is used
        "function main() {}\nif (typeof module !== 'undefined') module.exports = { main }",
        "function main(x) { return typeof Promise, x instanceof Promise }",
        # words that only look so
        "function main(using) { using = 1\n return using }",
        "var a = 1\rvar b = 2\rfunction main() {}",
        "function main() { const async = 1, await = 2; return async + await }",
        "function main() { return '`async` new Promise require(1)' /* import x */ }",
        "function main() { return 'one \\\ntwo' }",
        "function main() { return `one\ntwo` }",
        # a name of TypeScript's that is none in a list of exports
        "function main(as) { const x = [1, as, {as}]\n return { in: x } }",
    ],
)
def test_scripts_that_are_right(text: str) -> None:
    assert faults(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["1:1 no entry point" + STARTS.replace(";", ":")]),
        ("function other() {}", ["1:1 no entry point" + STARTS.replace(";", ":")]),
        ("{ const main = 1 }", ["1:1 no entry point" + STARTS.replace(";", ":")]),
        ("function* main() {}", ["1:11 `main` is a generator: calling it runs nothing"]),
        ("async function main() { await 1 }", [f"1:1 `async` {SYNC}"]),
        ("function main() { [1].map(async x => x) }", [f"1:27 `async` {SYNC}"]),
        ("function main() { return {async f() {}} }", [f"1:27 `async` {SYNC}"]),
        ("function main() { await f() }", [f"1:19 `await` {SYNC}"]),
        ("await 1; function main() {}", [f"1:1 `await` {SYNC}"]),
        ("function main() { return new Promise(f) }", [f"1:30 `Promise` {SYNC}"]),
        ("function main() { return Promise.all([]) }", [f"1:26 `Promise` {SYNC}"]),
        (
            "function main() { setTimeout(f, 1) }",
            ["1:19 `setTimeout` in a Script, which has no timers; make it an App"],
        ),
        (
            "function main() { queueMicrotask(f) }",
            ["1:19 `queueMicrotask` in a Script, which has no timers; make it an App"],
        ),
        ("const a = require('axios'); function main() {}", [f"1:11 `require` {NO_MODULES}"]),
        ("function main() {}\nfunction f(require) {}\nrequire('a')", [f"3:1 `require` {NO_MODULES}"]),
        ("function main() { { let require } require(1) }", [f"1:35 `require` {NO_MODULES}"]),
        (
            "function main() { { class Promise {} } return new Promise() }",
            [f"1:51 `Promise` {SYNC}"],
        ),
        ("function main() { return {require} }", [f"1:27 `require` {NO_MODULES}"]),
        ("function main(a = require('b')) {}", [f"1:19 `require` {NO_MODULES}"]),
        ("import kv from 'cxKV'; function main() {}", [f"1:1 `import` {NO_MODULES}"]),
        ("function main() { import('a') }", [f"1:19 `import` {NO_MODULES}"]),
        ("function main() { return import.meta }", [f"1:26 `import` {NO_MODULES}"]),
        ("export function main() {}", [f"1:1 `export` {NO_MODULES}{STARTS}"]),
        ("module.exports = {}", [f"1:1 `module.exports` {NO_MODULES}{STARTS}"]),
        ("module.export = {}", [f"1:1 `module.export` {NO_MODULES}{STARTS}"]),
        ("exports.search = () => 1", [f"1:1 `exports` {NO_MODULES}{STARTS}"]),
        # columns count characters
        ("/* é日𝄞 */ require(1); function main() {}", [f"1:11 `require` {NO_MODULES}"]),
        # what the grammar lets pass
        ("function main() { return 'one\ntwo' }", ["1:26 the text that begins here is not closed on its line"]),
        ("function main() {}\n#!/usr/bin/node", ["2:1 syntax error near `#!/usr/bin/node`"]),
        ("function main() { return <b/> }", ["1:26 JSX is not JavaScript"]),
        ("@f class A {}\nfunction main() {}", ["1:1 decorators are not available"]),
        ("function main() {\n  return '\0' }", ["2:11 contains a NUL character"]),
        # syntax
        ("function main(data) {\n  if (data) {\n    return 1\n}\n", ["1:21 `{` is never closed"]),
        ("function main(data) {\n}}\n", ["2:2 unexpected `}`: there is nothing for it to close"]),
        (
            "function main(data) {\n  if (data {\n    return 1\n  }\n}\n",
            ["5:1 `}` does not close the `(` of line 2"],
        ),
        ("function main() { f(1, [2) }", ["1:26 `)` does not close the `[` of line 1"]),
        ("function main() {\n  const y == 2\n}", ["2:11 syntax error near `=`"]),
        ("function main() {\n  retrun data\n}", ["2:10 syntax error near `data`"]),
        ("'abc\nfunction main() {}", ["1:1 the text that begins here is never closed"]),
        ("function main() {}\n/* abc", ["2:1 the comment that begins here is never closed"]),
    ],
)
def test_scripts_that_are_wrong(text: str, expected: list[str]) -> None:
    assert faults(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("async function main(data, ctx) { await new Promise(f => setTimeout(f, 1)); queueMicrotask(f) }", []),
        ("function main() { const f = async () => { for await (const x of y); } }", []),
        ("function main() { await f() }", ["1:19 `await` in a function that is not `async`"]),
        (
            "async function main() { [1].map(x => await x) }",
            ["1:38 `await` in a function that is not `async`"],
        ),
        (
            "const a = require('axios'); function main() {}",
            [f"1:19 there is no module 'axios': fetch asks over HTTP; {NO_SUCH}"],
        ),
        ("import a from 'a'; function main() {}", [f"1:15 there is no module 'a': {NO_SUCH}"]),
        (
            "module.export = {search: async function () {}}",
            ["1:1 no `main`, which calls need: only `search` can be called, by name"],
        ),
        ("", ["1:1 no entry point: an App starts in `function main(data)`"]),
    ],
)
def test_apps(text: str, expected: list[str]) -> None:
    assert faults(text, Kind.APP) == expected


def test_every_kind_has_a_row() -> None:
    assert set(RULES) == set(Kind)


def test_what_a_kind_means_is_read_from_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = KindRules(
        called="a Driver",
        entry="search",
        parameters="number",
        waits=True,
        has_timers=False,
        has_modules=True,
        drives_calls=False,
        has_assignments=False,
    )
    monkeypatch.setitem(RULES, Kind.APP, driver)
    assert faults("async function search(data, ctx) { await ctx.tts('x') }", Kind.APP) == []
    assert faults("async function search(data, ctx) { ctx.tts('x') }", Kind.APP) == []
    assert faults("export default async (data) => data", Kind.APP) == []
    assert faults("function* search() { setTimeout(f) }", Kind.APP) == [
        "1:11 `search` is a generator: calling it runs nothing",
        "1:22 `setTimeout` in a Driver, which has no timers; make it an App",
    ]
    assert faults("function main() {}", Kind.APP) == [
        "1:1 no entry point: a Driver starts in `function search(number)`"
    ]


def test_a_module_that_a_host_has_is_known() -> None:
    text = "import kv from 'cxKV'\nexport function main() { return require('cxKV') }"
    assert len(check_script(text, Kind.APP, "x.js")) == 2
    assert check_script(text, Kind.APP, "x.js", modules={"cxKV"}) == ()
    (problem,) = check_script("import C from 'cxC5Server'; export default () => C", Kind.APP, "x.js", modules={"cxKV"})
    assert problem.message.endswith("available: cxKV")


def test_the_engine_is_asked_last_and_only_about_what_is_right_so_far() -> None:
    asked: list[str] = []

    def confirm(prepared: Prepared, kind: Kind) -> Iterable[tuple[str, tuple[int, int, str]]]:
        asked.append(prepared.text)
        return [("", (2, 3, "redeclared"))]

    text = "function main() {}"
    (problem,) = check_script(text, Kind.SCRIPT, "x.js", confirm=confirm)
    assert problem == Problem("x.js", 2, 3, Severity.ERROR, "redeclared")
    assert len(check_script("function main( {", Kind.SCRIPT, "x.js", confirm=confirm)) == 1
    assert asked == [text]


SIZE = 300_000


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "text",
    [
        "[" * 1_000_000,
        "]" * SIZE,
        "`${" * (SIZE // 3),
        "{require;" * (SIZE // 20) + "}" * (SIZE // 20),
        "a+" * (SIZE // 2) + "a",
        "x=>" * (SIZE // 3) + "1",
        "require(1);" * (SIZE // 11),
        "'\n" * (SIZE // 2),
    ],
    ids=lambda text: text[:6],
)
def test_hostile_text_neither_crashes_nor_hangs(text: str) -> None:
    problems = check_script(text, Kind.SCRIPT, "x.js", seconds=60)
    assert 1 <= len(problems) <= PROBLEMS + 1
    assert "too complex" not in problems[0].message


@pytest.mark.parametrize("text", ["{a;" * 30_000 + "}" * 30_000, "[" * 100_000])
def test_time_is_bounded(text: str) -> None:
    (problem,) = check_script(text, Kind.SCRIPT, "x.js", seconds=0)
    assert problem.message == "is too complex: looking through it took longer than 0 s"


KEYWORDS = """function main async await ( ) { } [ ] => = ; , . require module exports Promise import export from
'a' `${ ` const let for of class catch try ... * é typeof new 1"""
WORDS = st.sampled_from([*KEYWORDS.split(), "\n"])


@given(st.lists(WORDS, max_size=30), st.sampled_from(list(Kind)))
def test_any_text_has_problems_with_places_in_it(words: list[str], kind: Kind) -> None:
    text = " ".join(words)
    lines = text.split("\n")
    for problem in check_script(text, kind, "x.js"):
        assert 1 <= problem.line <= len(lines)
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1
    report(check_script(text, kind, "x.js"), {"x.js": text})


def problem(line: int, column: int, message: str = "wrong", file: str = "x.js") -> Problem:
    return Problem(file, line, column, Severity.ERROR, message)


def test_a_report_shows_the_line_and_a_caret_below_the_column() -> None:
    source = "one\n\tlet x = ;\r\n日本 = ;"
    assert report([problem(2, 10), problem(3, 4)], {"x.js": source}) == (
        "x.js:2:10: error: wrong\n    \tlet x = ;\n    \t        ^\nx.js:3:4: error: wrong\n    日本 = ;\n         ^\n"
    )


def test_a_report_without_a_place_or_a_source_is_the_message() -> None:
    assert report([problem(0, 0), problem(1, 1, file="y.js")], {"x.js": "a"}) == (
        "x.js: error: wrong\ny.js:1:1: error: wrong\n"
    )


def test_a_report_shows_what_a_terminal_would_obey() -> None:
    text = report([problem(1, 3, "\x1b[2J", "\u202e.js")], {"\u202e.js": "\x1b]x"})
    assert text == "\\u202e.js:1:3: error: \\x1b[2J\n    \\x1b]x\n         ^\n"


def test_a_long_line_is_cut_around_the_column() -> None:
    _, line, caret = report([problem(1, 5_001)], {"x.js": "a" * 5_000 + "B" + "c" * 5_000}).splitlines()
    assert len(line) == 104
    assert line[caret.index("^")] == "B"


def test_json_and_summary() -> None:
    found = [problem(1, 2), Problem("x.js", 1, 3, Severity.WARNING, "odd")]
    assert report_json(found) == (
        '{"problems":[{"file":"x.js","line":1,"column":2,"severity":"error","message":"wrong"},'
        '{"file":"x.js","line":1,"column":3,"severity":"warning","message":"odd"}]}\n'
    )
    assert summary(found, "2 scripts") == "2 scripts: 1 error, 1 warning\n"
    assert summary([], "1 script") == "1 script: no problems\n"
