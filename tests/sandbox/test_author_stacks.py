"""What an author reads of a stack: the places in his own files, in characters, and what he called between them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.outcome import Interruption, Location, Threw
from sandbox.program import Form, SourceFile
from tests.sandbox.support import ADAPTER, HOST_ADAPTER, SUSPENDS, Driven, ask, program, running_pool

KV = """({ ask }) => ({
  get: (key) => ask("get", key),
  sound: (key) => { if (typeof key !== "string") throw new TypeError("a key is a text"); },
  each: (keys, visit) => keys.forEach((key) => visit(key)),
})"""


def stack_of(body: str, before: str = "") -> list[str]:
    """The lines of the stack that a function's body gives, which begins at column 1 of line 2."""
    run = Driven(f"{before}function main() {{\n{body}\n}}")
    stack = run.run()
    assert isinstance(stack, str), stack
    return [line.removeprefix("    at ") for line in stack.splitlines()]


def app(text: str, **more: Any) -> Driven:
    return Driven(text, SUSPENDS, adapter=HOST_ADAPTER, modules={"kv": KV}, **more)


def test_none_of_those_who_called_the_authors_function_is_in_it() -> None:
    assert stack_of("return new Error('x').stack") == ["main (author.js:2:12)"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return [1].map(f)[0]", ["f (author.js:1:27)", "map (native)", "main (author.js:2:16)"]),
        ("try { JSON.parse('{') } catch (e) { return e.stack }", ["parse (native)", "main (author.js:2:12)"]),
        ("try { [3].reduce(3) } catch (e) { return e.stack }", ["reduce (native)", "main (author.js:2:11)"]),
        ("return f.call()", ["f (author.js:1:27)", "call (native)", "main (author.js:2:10)"]),
    ],
)
def test_what_the_author_called_of_the_languages_own_is_in_it(body: str, expected: list[str]) -> None:
    assert stack_of(body, "function f() { return new Error('x').stack } ") == expected


@pytest.mark.parametrize("body", ["try { 'a'.localeCompare('b', '!') } catch (e) { return e.stack }"])
def test_what_the_runtime_has_in_place_of_the_languages_own_is_not(body: str) -> None:
    assert stack_of(body) == ["main (author.js:2:11)"]


@pytest.mark.parametrize("text", ["eval('null.x')", "new Function('null.x')()", "(0, eval)('null.x')"])
def test_a_text_that_the_author_makes_into_a_program_is_told_of_where_he_does(text: str) -> None:
    lines = stack_of(f"try {{ {text} }} catch (e) {{ return e.stack }}")
    assert [line for line in lines if "native" not in line] == [lines[-1]]
    assert lines[-1].startswith("main (author.js:2:")


def test_a_modules_own_javascript_is_not_in_it() -> None:
    run = app("const kv = require('kv')\nfunction main() {\ntry { kv.sound(1) } catch (e) { return e.stack }\n}")
    assert run.run() == "    at main (author.js:3:10)\n"


def test_what_an_answer_rejects_with_has_the_place_that_asked() -> None:
    text = (
        "const kv = require('kv')\nasync function main() {\ntry { await kv.get('a') } catch (e) { return e.stack }\n}"
    )
    run = app(text)
    run.start()
    assert run.settle(1, {"name": "Error", "message": "no"}, succeeded=False) == 'R0"    at main (author.js:3:16)\\n"'


def test_a_function_of_the_authors_that_a_module_calls_has_his_places_alone() -> None:
    text = (
        "const kv = require('kv')\nfunction main() {\nlet s\nkv.each([1], function visit() {\n"
        "s = new Error().stack\n})\nreturn s\n}"
    )
    assert app(text).run() == "    at visit (author.js:5:9)\n    at main (author.js:4:4)\n"


def test_a_timers_function_has_its_own_place_alone() -> None:
    text = "const main = () => new Promise((go) => setTimeout(() => go(new Error().stack), 1))"
    assert app(text).run() == "    at <anonymous> (author.js:1:64)\n"


def test_other_files_of_the_program_are_named() -> None:
    lib = SourceFile(text="export const fail = () => { null.x }", form=Form.MODULE, links={})
    text = "import { fail } from './ö'\nexport const main = () => { try { fail() } catch (e) { return e.stack } }"
    run = app(text, form=Form.MODULE, links={"./ö": "ö (1).js"}, files={"ö (1).js": lib})
    assert run.run() == "    at fail (ö (1).js:1:28)\n    at main (author.js:2:35)\n"


def test_names_are_shown_up_to_a_bound_and_in_whole_characters() -> None:
    name = "ä" * 300
    assert stack_of(f"return {name}()", f"const {name} = () => new Error().stack; ") == [
        f"{'ä' * 100} (author.js:1:{len(f'const {name} = () => new ') + 1})",
        "main (author.js:2:8)",
    ]


@pytest.mark.parametrize(
    "before",
    [
        "Error.prepareStackTrace = () => 'mine';",
        "Error.prepareStackTrace = (e, frames) => frames;",
        "Error.stackTraceLimit = 0;",
        "Error.stackTraceLimit = 1e9;",
        "Object.defineProperty(Error, 'prepareStackTrace', { value: () => 'mine' });",
        "delete Error.prepareStackTrace; Error.prepareStackTrace = () => 'mine';",
        "Array.prototype[0] = 'mine'; Object.defineProperty(Array.prototype, 0, { get: () => 'mine', set() {} });",
        "Object.prototype.toString = String.prototype.toString = Function.prototype.call = () => { throw 1 };",
        "globalThis.Error = class extends Error {};",
    ],
)
def test_no_script_changes_what_a_stack_is(before: str) -> None:
    body = f"try {{ {before} }} catch {{}} try {{ null.x }} catch (e) {{ return e.stack }}"
    (line,) = stack_of(body)
    assert line.startswith("main (author.js:2:")


def test_the_place_is_known_where_the_stack_is_used_up() -> None:
    threw = Driven("function main() {\nreturn main() + 1\n}").run()
    assert isinstance(threw, Threw)
    assert (threw.message, threw.location) == ("Maximum call stack size exceeded", Location(2, 8))
    assert len(threw.stack) == 10


async def test_a_loop_that_makes_errors_is_interrupted_and_says_where() -> None:
    """Almost all of its time the engine is asked for stacks, where nothing that it throws would come out."""
    text = "function main() {\nfor (;;) { try { null.x } catch {} }\n}"
    async with running_pool() as pool:
        for _ in range(3):
            found = (await ask(pool, program(text), wall_seconds=20, cpu_seconds=0.1)).interruption
            assert isinstance(found, Interruption)
            assert (found.function, found.location and found.location.line) == ("main", 2)


LINES = st.text(
    st.one_of(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), st.sampled_from("äж€😀 a")), max_size=60
)


@settings(max_examples=60, deadline=None)
@given(before=st.lists(LINES.map(lambda text: text.replace("*/", "")), max_size=4), on_line=LINES)
def test_columns_are_in_characters(before: list[str], on_line: str) -> None:
    """As an editor's and those of `scriptforge check`, whatever stands on the line and above it."""
    comment = "/*" + on_line.replace("*/", "") + "*/"
    text = "".join(f"/*{line}*/\n" for line in before) + f"function main() {{ {comment} return new Error('x').stack }}"
    column = len(f"function main() {{ {comment} return new ") + 1
    assert RUNS.run_text(text) == f"    at main (author.js:{len(before) + 1}:{column})\n"


class Runs:
    """Programs one after the other in one context."""

    def __init__(self) -> None:
        self.driven = Driven("const main = () => 1")

    def run_text(self, text: str) -> Any:
        self.driven.program = program(text, adapter=ADAPTER)
        self.driven.context.load(self.driven.program)
        return self.driven.run()


RUNS = Runs()


def test_a_column_behind_the_last_such_character_and_one_in_another_line_are_right() -> None:
    line = "'ä'; '😀';          const e = new Error()"
    text = f"function main() {{\n{line}\nreturn [e.stack, new Error('ä').stack]\n}}"
    expected = [f"    at main (author.js:2:{line.index('Error') + 1})\n", "    at main (author.js:3:22)\n"]
    assert Driven(text).run() == expected


def test_a_text_that_cannot_be_compiled_names_the_column_in_characters() -> None:
    threw = Driven("const a = 'äöü€😀' 5").run()
    assert isinstance(threw, Threw)
    assert threw.location == Location(1, 19)
