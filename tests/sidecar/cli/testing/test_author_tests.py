"""``scriptforge test``: what passes, and how what does not is told."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest

from sidecar.cli import main, types
from sidecar.cli.testing.found_files import NoTestsError, find_tests
from sidecar.cli.testing.trials import CallAsked, RouteAsked
from sidecar.hosts.module import HostModule
from tests.sidecar.language.test_declarations import TYPESCRIPT, members, named

COMMAND = [str(Path(sys.executable).with_name("scriptforge")), "test"]
PASSING = Path(__file__).parent / "passing"


class Author:
    """Writes tests, runs them, and keeps what was printed."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.directory = directory
        self.capsys = capsys
        self.out = self.err = ""

    def write(self, name: str, text: str) -> None:
        file = self.directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def test(self, *options: str) -> int:
        status = main(["test", *options])
        self.out, self.err = self.capsys.readouterr()
        return status

    def results(self, text: str, *options: str) -> list[dict[str, Any]]:
        self.write("a.test.js", text)
        self.test("--json", *options)
        tests: list[dict[str, Any]] = json.loads(self.out)["files"][0]["tests"]
        return tests


@pytest.fixture
def author(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Author:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CI", "1")
    return Author(tmp_path, capsys)


def test_what_authors_expect_holds(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The matchers, fakes, calls and times, each told by a test of an author's."""
    monkeypatch.chdir(PASSING)
    status = main(["test"])
    out = capsys.readouterr().out
    assert status == 0, out
    assert "FAIL" not in out
    assert "1 skipped, 1 todo in 7 files" in out


def test_a_failure_has_the_authors_line_and_the_difference(author: Author) -> None:
    author.write("a.js", "function main(data) { console.log('at work'); data.routing.cli = '2'; }")
    author.write(
        "a.test.js",
        "it('changes the caller', async () => {\n"
        "  const decision = await script('a.js').route({ routing: { cli: '1', dest_number: '3' } });\n"
        "  expect(decision).toMatchObject({ action: 'route', routing: { cli: '9', dest_number: '3' } });\n"
        "});\n"
        "it('is one line', () => expect(1 + 1).toBe(3));\n",
    )
    assert author.test() == 1
    assert author.out.startswith(
        "a.test.js\n"
        "  FAIL  changes the caller\n"
        "  FAIL  is one line\n"
        "\n"
        "FAIL  changes the caller\n"
        "a.test.js:3:20: error: expect(...).toMatchObject\n"
        "      expect(decision).toMatchObject({ action: 'route', routing: { cli: '9', dest_number: '3' } });\n"
        "                       ^\n"
        "    - expected  + received\n"
        "      {\n"
        '        action: "route",\n'
        "        routing: {\n"
        '    -     cli: "9",\n'
        '    +     cli: "2",\n'
        '          dest_number: "3",\n'
        "        },\n"
        "      }\n"
        "    a.js wrote: at work\n"
        "\n"
        "FAIL  is one line\n"
        "a.test.js:5:39: error: expect(...).toBe\n"
        "    it('is one line', () => expect(1 + 1).toBe(3));\n"
        "                                          ^\n"
        "    expected: 3\n"
        "    received: 2\n"
    )
    assert author.out.splitlines()[-1].startswith("2 failed in 1 file, ")


def test_what_a_script_failed_with_is_told_with_the_test(author: Author) -> None:
    author.write("a.js", "function main(data) {\n  data.none.at.all = 1;\n}")
    author.write("a.test.js", "it('x', async () => expect((await script('a.js').route({routing: {}})).code).toBe(5));")
    assert author.test() == 1
    assert "a.js:2:3: error: TypeError: cannot read property 'at' of undefined" in author.out


def test_one_test_that_does_not_end_costs_the_others_nothing(author: Author) -> None:
    results = author.results(
        "let shared = 0;\n"
        "beforeAll(() => { shared = 7; });\n"
        "it('loops', () => { for (;;); });\n"
        "it('is after it', () => expect(shared).toBe(7));\n"
        "it('never settles', () => new Promise(() => {}));\n"
        "it('waits too long', () => new Promise((resolve) => setTimeout(resolve, 60000)));\n"
        "it('fills the memory', () => { const all = []; for (;;) all.push(new Array(1e6).fill(1)); });\n"
        "it('is the last', () => {});\n",
        "--timeout-ms",
        "500",
    )
    assert [test["outcome"] for test in results] == ["failed", "passed", "failed", "failed", "failed", "passed"]
    told = [(test["shortcomings"][0]["message"], test["line"]) for test in results if test["outcome"] == "failed"]
    assert told[0][0].startswith(("took longer than the 0.5 s", "the time limit", "the limit of processor time"))
    assert told[1:3] == [
        ("waits for what can never come: nothing is pending any more", 5),
        ("took longer than the 0.5 s that a test may take", 6),
    ]
    assert told[3] == ("the memory limit was reached", 7)


@pytest.mark.parametrize(
    ("before", "told"),
    [
        ("beforeAll(() => new Promise(() => {}));", "waits for what can never come"),
        ("beforeAll(() => new Promise(() => setInterval(() => {}, 10)));", "what stands around its tests took longer"),
        ("afterAll(() => new Promise(() => setInterval(() => {}, 10)));", "what stands around its tests took longer"),
        ("for (;;);", "limit|took longer"),
    ],
)
def test_what_stands_around_tests_ends_as_well(author: Author, before: str, told: str) -> None:
    author.write("a.test.js", f"{before}\nit('x', () => {{}});")
    assert author.test("--timeout-ms", "300") == 1
    assert re.search(told, author.out)


def test_a_file_that_has_other_tests_each_time_is_told_of_as_it_was_first(author: Author) -> None:
    first, *others = author.results(
        "it('loops', () => { for (;;); });\n"
        "const count = 1 + Math.floor(Math.random() * 100);\n"
        "for (let n = 0; n < count; n++) it(`of ${count}`, () => {});",
        "--timeout-ms",
        "300",
    )
    assert first["outcome"] == "failed"
    assert {test["names"][0] for test in others} == {f"of {len(others)}"}


def test_what_goes_on_when_the_tests_are_over_keeps_nobody(author: Author) -> None:
    author.write("a.test.js", "setInterval(() => {}, 10); it('x', () => {});")
    assert author.test() == 0


def test_a_hook_that_fails_is_its_tests_failure(author: Author) -> None:
    results = author.results(
        "describe('all', () => { beforeAll(() => { throw new Error('no all'); });"
        " it('a', () => {}); it('b', () => {}); });"
        "describe('each', () => { beforeEach(() => { throw new Error('no each'); }); it('a', () => {}); });"
        "describe('after', () => { afterEach(() => { throw new Error('no after'); }); it('a', () => {}); });"
        "it('good', () => {});"
    )
    assert [[wrong["message"] for wrong in test["shortcomings"]] for test in results] == [
        ["no all"],
        ["no all"],
        ["no each"],
        ["no after"],
        [],
    ]


def test_only_and_a_name_choose(author: Author) -> None:
    text = "describe('menu', () => { it('a', () => {}); it.only('b', () => {}); }); it('c', () => {});"
    assert [test["outcome"] for test in author.results(text)] == ["skipped", "passed", "skipped"]
    text = text.replace(".only", "")
    assert [test["outcome"] for test in author.results(text, "--name", "Menu > A")] == ["passed", "skipped", "skipped"]
    assert [test["names"] for test in author.results(text)] == [["menu", "a"], ["menu", "b"], ["c"]]
    author.write("b.test.js", "it('other', () => {});")
    assert author.test("--name", "menu > a") == 0
    assert author.out.startswith("a.test.js\n  ok    menu > a\n\n1 passed, 3 skipped in 2 files")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("it('x', () => {\n", "a.test.js:1:15: error: `{` is never closed"),
        ("it('x', () => {});\nlet a = 1, a = 2;\n", "a.test.js:2:14: error: SyntaxError"),
        ("it('x', () => {});\n\0\n", "a.test.js:2:1: error: contains a NUL character"),
        ("let a = 1;\nnone();\n", "a.test.js:2:1: error: ReferenceError"),
        ("let a = 1;\n", "a.test.js: error: has no tests"),
        ("function main() {}\nit('x', () => {});\n", "a.test.js: error: has a function main"),
        ("it('x');\n", "a.test.js:1:1: error: TypeError: it(name, function) needs a function"),
        ("describe('x', async () => {});\n", "TypeError: describe takes a function that is not async"),
        ("afterAll(() => { throw new Error('no'); });\nit('x', () => {});\n", "error: afterAll of '': no"),
    ],
)
def test_a_file_that_is_wrong_is_told_with_its_place(author: Author, text: str, told: str) -> None:
    author.write("a.test.js", text)
    assert author.test() == 1
    assert told in author.out


def test_what_a_test_imports_is_told_of_at_its_own_place(author: Author) -> None:
    author.write("price.ts", "export const price = (n: number): number => n.of.nothing;\nexport enum No { A }\n")
    author.write("a.test.ts", "import { price } from './price';\nit('x', () => { price(1); });")
    assert author.test() == 1
    assert "price.ts:2:" in author.out
    author.write("price.ts", "export const price = (n: any): number =>\n  n.of.nothing;\n")
    assert author.test() == 1
    assert "price.ts:2:3: error: TypeError" in author.out
    author.write("a.test.ts", "import { price } from './none';\nit('x', () => { price(1); });")
    assert author.test() == 1
    assert "a.test.ts:1:" in author.out
    assert "there is no file './none'" in author.out
    author.write("a.test.ts", "import { kv } from 'cxNone';\nit('x', () => kv);")
    assert author.test() == 1
    assert "error: there is no module 'cxNone'" in author.out


def test_a_test_within_a_test_is_refused(author: Author) -> None:
    (result,) = author.results("it('x', () => { it('y', () => {}); });")
    assert "not within a test" in result["shortcomings"][0]["message"]


def test_a_test_reads_data_and_scripts_below_and_nothing_else(author: Author) -> None:
    author.write("below/a.test.js", "it('x', async () => { await fixture('../secret.json'); });")
    author.write("secret.json", '"top secret"')
    assert main(["test", "below"]) == 0  # what is run here may read what is here
    author.capsys.readouterr()
    author.write("other/here", "")
    subprocess_status = subprocess.run(
        [*COMMAND, str(author.directory / "below")],
        cwd=author.directory / "other",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert subprocess_status.returncode == 1
    assert "lies outside of" in subprocess_status.stdout
    assert "top secret" not in subprocess_status.stdout


def test_no_process_no_network_no_file(author: Author) -> None:
    author.write(
        "a.test.js",
        "it('x', () => { for (const name of ['fetch', 'Deno', 'WebSocket', 'std', 'os'])"
        " expect(globalThis[name]).toBeUndefined(); expect(() => process.kill(1)).toThrow('not available to scripts');"
        " expect(() => globalThis['require']('fs')).toThrow('no such module'); });",
    )
    assert author.test() == 0, author.out


def test_junit_for_continuous_integration(author: Author) -> None:
    author.write(
        "a.test.js",
        "describe('menu', () => { it('a', () => {}); it('b \\u0001', () => { expect('<\\u001b&').toBe('x'); }); });"
        "it.skip('c', () => {}); console.log('seen');",
    )
    author.write("b.test.js", "none();")
    assert author.test("--junit", "results.xml") == 1
    top = ElementTree.parse(author.directory / "results.xml").getroot()  # noqa: S314 - our own
    first, second = top.findall("testsuite")
    assert dict(first.attrib, time="") == {
        "name": "a.test.js",
        "tests": "3",
        "failures": "1",
        "errors": "0",
        "skipped": "1",
        "time": "",
    }
    assert [(case.get("classname"), case.get("name")) for case in first.findall("testcase")] == [
        ("a.test.js.menu", "a"),
        ("a.test.js.menu", "b \ufffd"),
        ("a.test.js", "c"),
    ]
    failure = first.find("testcase/failure")
    assert failure is not None
    assert failure.get("message") == "expect(...).toBe"
    assert 'received: "<\\u001b&"' in (failure.text or "")
    assert first.findtext("system-out") == "seen\n"
    assert second.get("errors") == "1"
    assert "none" in (second.findtext("testcase/error") or "")


def test_nothing_that_a_test_says_moves_a_terminal(author: Author) -> None:
    author.write(
        "a.test.js",
        "it('\\u001b[2J', () => { console.log('\\u001b]0;x\\u0007'); throw new Error('\\u001b[31m\\u202e'); });",
    )
    assert author.test() == 1
    assert "\x1b" not in author.out
    assert "\u202e" not in author.out
    assert author.test("--json") == 1
    assert "\x1b" not in author.out


def test_a_host_is_asked_what_suite_js_asks_and_nothing_else(author: Author) -> None:
    """A file of tests may take the prototypes of what runs it: what it tells then is its own result."""
    author.write(
        "a.test.js",
        "Object.defineProperty(Array.prototype, 'toJSON', { value: () => 'x' });"
        "Array.prototype.map = () => [{ names: 5 }]; it('x', () => {});",
    )
    assert author.test() == 1
    assert "Traceback" not in author.out + author.err


@pytest.mark.parametrize(
    ("paths", "told"),
    [
        (["none"], "no such file"),
        (["a.js"], "a test's name ends with .test.js"),
        ([], "there is no *.test.js or *.test.mjs or *.test.ts in ."),
    ],
)
def test_without_tests_it_says_so(author: Author, paths: list[str], told: str) -> None:
    author.write("a.js", "")
    author.write("node_modules/x.test.js", "")
    author.write(".git/x.test.js", "")
    assert author.test(*paths) == 2
    assert told in author.err


def test_files_are_found_once_and_in_order(tmp_path: Path) -> None:
    for name in ("b.test.js", "a/z.test.js", "a/script.js", "c.test.js"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find_tests([Path("c.test.js"), Path(), Path("a")], tmp_path)
    assert [file.shown for file in found] == ["c.test.js", "b.test.js", "a/z.test.js"]
    with pytest.raises(NoTestsError):
        find_tests([Path("a/script.js")], tmp_path)


def test_ctrl_c_ends_it_without_a_word(author: Author) -> None:
    author.write("a.test.js", "console.log('x'); it('x', () => new Promise((resolve) => setTimeout(resolve, 60000)));")
    author.write("0.test.js", "it('is first', () => {});")
    with subprocess.Popen(
        [*COMMAND, "--timeout-ms", "60000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=author.directory,
    ) as testing:
        assert testing.stdout is not None
        assert [testing.stdout.readline() for _ in range(3)] == ["0.test.js\n", "  ok    is first\n", "\n"]
        testing.send_signal(signal.SIGINT)
        assert testing.stdout.read() == ""
    assert testing.returncode == 130


def test_watch_runs_again_when_a_script_changes(author: Author) -> None:
    author.write("a.js", "function main() { throw new Error('486 Busy'); }")
    author.write(
        "a.test.js", "it('x', async () => expect((await script('a.js').route({routing: {}})).code).toBe(603));"
    )
    with subprocess.Popen(
        [*COMMAND, "--watch"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=author.directory
    ) as watching:
        try:
            assert watching.stdout is not None
            lines = iter(watching.stdout.readline, "")
            assert any(line.startswith("1 failed") for line in lines)
            assert next(lines).startswith("waiting for a change")
            time.sleep(0.01)  # a changed file has another time, whatever its disk's clock shows
            author.write("a.js", "function main() { throw new Error('603 Decline'); }")
            assert any(line.startswith("1 passed") for line in lines)
        finally:
            watching.kill()


def test_tests_beside_scripts_are_no_scripts(author: Author) -> None:
    author.write("catalog/scripts/a.js", "function main(data) { return data; }")
    author.write("catalog/scripts/a.test.js", "it('x', () => {});")
    author.write("catalog/assignments.toml", "")
    author.write("plain/a.js", "function main(data) { return data; }")
    author.write("plain/a.test.js", "it('x', () => {});")
    assert main(["check", "catalog", "plain"]) == 0
    assert "2 scripts: no problems" in author.capsys.readouterr().out
    assert author.test("catalog", "plain") == 0


def test_declarations_for_editors_name_what_there_is(author: Author) -> None:
    declared = TYPESCRIPT.parse(types.text(types.OF_TESTS).encode()).root_node

    def names(interface: str) -> set[str]:
        return members(named(declared, interface))

    author.write(
        "a.test.js",
        "it('x', async () => {\n"
        "  for (const one of [expect(1), expect, fn(), it, describe, script('a.js')]) console.log(Object.keys(one));\n"
        "  console.log(Object.keys(await script('a.js').route({ routing: {} })));\n"
        "  console.log(Object.keys(await script('b.js').call()));\n"
        "  console.log(Object.keys(await script('b.js').run()));\n"
        "});",
    )
    author.write("a.js", "function main() {}")
    author.write("b.js", "async function main(data, ctx) {}")
    assert author.test("--json") == 0, author.out
    told = [set(json.loads(line["text"])) for line in json.loads(author.out)["files"][0]["console"]]
    matchers, expect, made, it, describe, script, decision, call, run = told
    assert names("Matchers") == matchers - {"resolves", "rejects"}
    assert names("Expectation") == {"resolves", "rejects"}
    assert names("Asymmetric") | names("Expect") == expect
    assert names("Faked") == made
    assert names("It") | names("AddTest") == it
    assert names("Describe") | names("AddTest") == describe
    assert names("ScriptUnderTest") == script
    assert names("TestDecision") == decision
    assert names("TestCall") == call
    assert names("TestRun") == run
    settings = set(msgspec.structs.asdict(RouteAsked(path="", request=""))) - {"path", "fakes", "request"}
    assert names("TestSettings") == settings
    of_calls = {field.encode_name for field in msgspec.structs.fields(CallAsked)} - {"path", "fakes"}
    assert names("CallSettings") == of_calls - settings


def test_a_module_that_no_test_plays_reaches_nothing(author: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(*_: Any) -> Any:
        raise AssertionError("a real module was asked")

    real = HostModule(name="cxReal", javascript="({ ask }) => ({ send: () => ask('send') })", answer=answer)
    monkeypatch.setattr("sidecar.cli.testing.faked_modules.shipped_modules", lambda: [real])
    author.write("a.js", "const { send } = require('cxReal');\nasync function main() { await send(); }")
    author.write("b.js", "const real = require('cxReal');\nasync function main() { await real.send(); }")
    author.write(
        "a.test.js",
        "it('x', async () => { for (const name of ['a.js', 'b.js']) {"
        " const { outcome, failure } = await script(name).route({ routing: {} });"
        " expect(outcome).toBe('script_error'); expect(failure.message).toContain(\"fake('cxReal', ...)\"); } });"
        "it('y', async () => { const { send } = fake('cxReal', { send: () => {} });"
        " await script('a.js').route({ routing: {} }); expect(send).toHaveBeenCalledTimes(1); });",
    )
    assert author.test() == 0, author.out


def test_calls_made_at_once_are_each_their_own(author: Author) -> None:
    author.write(
        "a.js",
        "const store = require('cxStore');\n"
        "async function main(data) {\n"
        "  const [a, b] = await Promise.all([store.get(data.n), new store.Table('t').name()]);\n"
        "  return { ...data.routing, cli: String(a + b) };\n"
        "}",
    )
    author.write(
        "a.test.js",
        "it('x', async () => {"
        " fake('cxStore', { get: async (n) => n * 2, Table: (name) => ({ name: () => name }) });"
        " const all = await Promise.all([1, 2, 3].map((n) => script('a.js', { vars: { n } }).route({ routing: {} })));"
        " expect(all.map((one) => one.routing.cli)).toEqual(['2t', '4t', '6t']); });",
    )
    assert author.test() == 0, author.out


def test_what_a_script_leaves_unawaited_is_told_and_what_keeps_its_time_is_not(author: Author) -> None:
    author.write("a.js", "async function main(data) {\n  await new Promise((done) => setTimeout(done, 9));\n}")
    author.write("b.js", "async function main(data) {\n  setTimeout(() => {}, 9);\n}")
    author.write(
        "a.test.js",
        "it('x', async () => {"
        " expect((await script('a.js').route({ routing: {} })).console).toEqual([]);"
        " const [{ text }] = (await script('b.js').route({ routing: {} })).console;"
        " expect(text).toBe('main has ended: 1 timer that it did not await will not come'); });",
    )
    assert author.test() == 0, author.out


def test_a_matcher_that_there_is_not_is_told_with_what_was_meant(author: Author) -> None:
    text = """
it('one', () => { expect(1).toBee(1) });
it('not', () => { expect(1).not.toBeNullish() });
it('later', async () => { await expect(async () => 1).resolves.toEqal(1) });
it('awaited', async () => { await expect(1) });
"""
    (one, negated, later, awaited) = author.results(text)
    assert "expect(...).toBee is no matcher; there are toBe, toBe" in json.dumps(one)
    assert '"line": 2' in json.dumps(one)
    assert "toBeNullish is no matcher" in json.dumps(negated)
    assert "toEqal is no matcher; there are toEqual" in json.dumps(later)
    assert awaited["outcome"] == "passed", awaited
