"""Every dialect in which a script may be written."""

import json

import pytest

from sandbox.outcome import Threw
from sandbox.status import Tag
from tests.sandbox.support import HOST_ADAPTER, SUSPENDS, Driven, result, thrown

BOTH = pytest.mark.parametrize("suspends", [False, True])


@BOTH
@pytest.mark.parametrize(
    "text",
    [
        "function main(data) { return { n: data.n + 1 }; }",
        "const main = (data) => ({ n: data.n + 1 });",
        "let main = function (data) { data.n++; };",
        "var main; main = (data) => { data.n += 1; return data; };",
        "exit({ n: vars().n + 1 });",
        "const data = vars(); data.n++;",
        "function main(data) { exit({ n: data.n + 1 }); }",
        "try { exit({ n: vars().n + 1 }); } catch { } exit({ n: 'second' });",
        "function main(data) { try { exit({ n: data.n + 1 }); } finally { return 'other'; } }",
        "return void exit({ n: vars().n + 1 });",
        "'use strict'; function main({ n }) { return { n: n + 1 }; } // trailing comment",
        "function main(data) { return { n: data.n + 1 }; } /* ends */",
    ],
)
def test_a_result_is_given_by_each_dialect(suspends: bool, text: str) -> None:
    assert result(text, {"n": 1}, suspends) == {"n": 2}


@pytest.mark.parametrize(
    "text",
    [
        "async function main(data) { return { n: data.n + 1 }; }",
        "const main = async (data) => { await null; data.n++; };",
        "function main(data) { return Promise.resolve({ n: data.n + 1 }); }",
        "function main(data) { return { then(resolve) { resolve({ n: data.n + 1 }); } }; }",
        "function main(data) { return new Promise((resolve) => setTimeout(resolve, 5, { n: data.n + 1 })); }",
        "const data = vars(); setTimeout(() => exit({ n: data.n + 1 }), 5);",
        "setTimeout(() => exit({ n: vars().n + 1 }), 5);",
        "Promise.resolve().then(() => exit({ n: vars().n + 1 }));",
        "(async () => { await null; try { exit({ n: vars().n + 1 }); } catch { } exit('second'); })();",
        "const data = vars(); setTimeout(() => { data.n++; }, 5);",
        "async function main(data) { setTimeout(() => exit({ n: data.n + 1 }), 5); await new Promise(() => {}); }",
        "async function main(data) { await null; exit({ n: data.n + 1 }); }",
        "async function main(data) { await null; try { exit({ n: data.n + 1 }); } finally { return 'other'; } }",
        "queueMicrotask(() => exit({ n: vars().n + 1 }));",
        "async function main(data) { await null; try { exit({ n: data.n + 1 }); } catch { return 'second'; } }",
        "async function main(data) { await null; try { exit({ n: data.n + 1 }); } finally { throw 'second'; } }",
    ],
)
def test_an_app_may_answer_later(text: str) -> None:
    assert result(text, {"n": 1}, SUSPENDS) == {"n": 2}


@BOTH
@pytest.mark.parametrize(
    "text",
    [
        "err([404, 'Not Found']);",
        "function main() { err([404, 'Not Found']); }",
        "function main() { try { err([404, 'Not Found']); } catch { } return 1; }",
        "function main() { throw [404, 'Not Found']; }",
        "try { err([404, 'Not Found']); } catch { } exit(1);",
    ],
)
def test_an_error_that_is_an_answer(suspends: bool, text: str) -> None:
    assert result(text, {}, suspends) == {"refused": [404, "Not Found"]}


@pytest.mark.parametrize(
    "text",
    [
        "async function main() { throw [404, 'Not Found']; }",
        "const main = () => Promise.reject([404, 'Not Found']);",
        "setTimeout(() => err([404, 'Not Found']), 1);",
        "function main() { return new Promise(() => setTimeout(() => { throw [404, 'Not Found']; }, 1)); }",
        "vars(); Promise.resolve().then(() => err([404, 'Not Found']));",
    ],
)
def test_an_app_may_refuse_later(text: str) -> None:
    assert result(text, {}, SUSPENDS) == {"refused": [404, "Not Found"]}


@BOTH
@pytest.mark.parametrize("text", ["", "const x = 1;", "const main = 7;", "function mian() {}", "return;"])
def test_no_entry_point(suspends: bool, text: str) -> None:
    error = thrown(text, {}, suspends)
    assert error.message == "no entry point: the script needs function main(data), or vars() and exit()"
    assert error.location is None


def test_a_promise_that_nothing_will_settle() -> None:
    assert "can never settle" in thrown("const main = () => new Promise(() => {})", {}, SUSPENDS).message
    assert "can never settle" in thrown("async function main() { await { then() {} }; }", {}, SUSPENDS).message


@pytest.mark.parametrize("text", ["async function main() {}", "const main = () => ({ then() {} })"])
def test_a_script_that_returns_a_promise(text: str) -> None:
    assert thrown(text, {}).message == "main returned a promise; a Script is synchronous: make it an App"


@pytest.mark.parametrize("name", ["setTimeout", "setInterval", "setImmediate", "queueMicrotask"])
def test_a_script_has_no_timers(name: str) -> None:
    error = thrown(f"function main() {{\n  {name}(() => 0, 1);\n}}", {})
    assert error.message.startswith(f"{name} is not available in a Script")
    assert error.location is not None
    assert error.location.line == 2


def test_require_says_what_to_do() -> None:
    assert "make it an App" in thrown("const kv = require('cxKV'); function main() {}", {}).message
    assert thrown("const kv = require('cxKV'); function main() {}", {}, SUSPENDS).message == (
        "require('cxKV'): there is no such module"
    )


def test_process_env() -> None:
    text = "function main() { process.env.NEW = 'x'; return process.env; }"
    driven = Driven(text, environment={"SCRIPTFORGE_ID": "7", "OWN": "é\u2028", "__proto__": "no"})
    driven.start({}, correlation_id="a@b")
    seen = json.loads(driven.start({}, correlation_id="c@d")[2:])
    assert seen == {"SCRIPTFORGE_ID": "7", "OWN": "é\u2028", "CORRELATION_ID": "c@d", "NEW": "x"}
    # Fresh for each run: what the first one wrote there is gone in the second.
    text = "function main() { const n = process.env.NEW; process.env.NEW = 'x'; return n ?? 'none'; }"
    driven = Driven(text)
    assert [driven.run(), driven.run()] == ["none", "none"]


@BOTH
def test_the_result_must_be_json(suspends: bool) -> None:
    assert thrown("const main = () => Symbol()", {}, suspends).name == "TypeError"
    assert thrown("const main = () => () => 1", {}, suspends).message == "the result cannot be written as JSON"
    assert thrown("const main = () => { const a = {}; a.a = a; return a; }", {}, suspends).name == "TypeError"
    assert thrown("const main = () => 3n", {}, suspends).name == "TypeError"


@BOTH
@pytest.mark.parametrize("text", ["function main( {", "const x = ;", "function main() {}}", "/* never closed", "'"])
def test_syntax_errors_have_a_place(suspends: bool, text: str) -> None:
    error = thrown("\n\n" + text, {}, suspends)
    assert error.name == "SyntaxError"
    assert error.location is not None
    assert error.location.line >= 3


def test_a_syntax_error_has_line_and_column() -> None:
    error = thrown("function main() {\n  return 1 +* 2;\n}", {})
    assert error.location is not None
    assert (error.location.line, error.location.column) == (2, 13)


def test_an_error_shows_the_frames_of_the_author_only() -> None:
    text = "function main(data) {\n  return [1].map(() => inner(data));\n}\n"
    text += "function inner(data) {\n  return data.a.b;\n}\n"
    error = thrown(text, {})
    assert str(error) == "author.js:5:10: TypeError: cannot read property 'b' of undefined"
    assert [frame.split(" ")[0] for frame in error.stack] == ["inner", "<anonymous>", "main"]
    assert error.stack[0] == "inner (author.js:5:10)"
    assert all("author.js:" in frame for frame in error.stack)


@pytest.mark.parametrize("text", ["'\0'.length", "'\ud800'.length", "'é\u2028\U0001f600'.length"])
def test_source_text_arrives_whole(text: str) -> None:
    assert (
        result(f"function main() {{ return {text}; }}")
        == len(text.removesuffix(".length").encode("utf-16-le", "surrogatepass")) // 2 - 2
    )


def test_each_run_begins_with_a_fresh_top_level() -> None:
    driven = Driven("let n = 0; const seen = []; function main() { seen.push(++n); return seen; }")
    assert [driven.run(), driven.run(), driven.run()] == [[1], [1], [1]]


def test_a_failed_run_costs_the_next_one_nothing() -> None:
    driven = Driven("function main(data) { if (data) throw new Error('no'); return 1; }")
    assert driven.run() == 1
    assert isinstance(driven.run(True), Threw)
    assert driven.run() == 1


def test_an_answered_error() -> None:
    driven = Driven("function main() { throw [404]; }")
    assert driven.run() == driven.run() == {"refused": [404]}


@pytest.mark.parametrize(
    "leaves",
    [
        "setTimeout(() => { for (;;); }, 1000)",
        "Promise.resolve().then(() => { for (;;); })",
        "(async () => { await null; for (;;); })()",
        "ask('never answered')",
    ],
)
def test_what_an_app_leaves_behind_is_gone_in_the_next_run(leaves: str) -> None:
    driven = Driven(f"function main(data) {{ if (data) {{ {leaves}; }} return data; }}", SUSPENDS, adapter=HOST_ADAPTER)
    assert driven.run(5) == 5
    assert driven.run(0) == 0
    assert driven.context.idle


def test_what_a_script_leaves_behind_is_gone_in_the_next_run() -> None:
    driven = Driven("function main(data) { (async () => { await null; for (;;); })(); return data; }")
    assert [driven.run(5), driven.run(6)] == [5, 6]


def test_a_run_that_uses_up_its_time_costs_the_next_one_nothing() -> None:
    driven = Driven("function main(data) { while (data.loops); return 1; }")
    assert driven.start({"loops": True}, cpu=0.02)[0] == Tag.OUT_OF_TIME
    assert driven.run({"loops": False}) == 1
