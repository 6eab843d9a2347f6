"""Packages: texts of CommonJS that programs share, evaluated in each run that asks for them and in no other."""

from typing import Any

import msgspec
import pytest

from sandbox.engine import Context
from sandbox.outcome import Threw
from sandbox.program import Form, Package, PackageGlobal, Program
from tests.sandbox.support import Driven, ask, program, result, running_pool, thrown, value


def packages(**texts: str) -> dict[str, Package]:
    """Packages whose keys are their texts."""
    return {name: Package(key=f"{name} {text}", text=text) for name, text in texts.items()}


COUNTER = packages(counter="let n = 0; exports.next = () => ++n;")


def test_a_program_requires_a_package() -> None:
    text = "const main = () => { const { next } = require('counter'); return [next(), require('counter').next()]; }"
    assert result(text, None, True, packages=COUNTER) == [1, 2]
    assert result(text.replace("'counter'", "'node:counter'"), None, True, packages=COUNTER) == [1, 2]


@pytest.mark.parametrize("begun", [(), ("counter",)])
def test_nothing_of_a_package_is_left_for_the_next_run(begun: tuple[str, ...]) -> None:
    text = "const { next } = require('counter'); const main = () => next();"
    driven = Driven(text, True, packages=COUNTER, begun_packages=begun)
    assert [driven.start() for _ in range(3)] == ["R01", "R01", "R01"]


def test_two_programs_share_nothing_of_a_package_but_its_code() -> None:
    context = Context(True)
    for key in "ab":
        one = program(
            "const main = () => require('counter').next();",
            True,
            key=key,
            packages=COUNTER,
            begun_packages=("counter",),
        )
        loaded = context.load(one)
        context.limit_time(10.0)
        assert context.start(b"\xc0", "", 0.0).payload == b"\x01", loaded


def test_what_is_in_a_package_is_what_commonjs_says() -> None:
    text = """
      exports.names = [typeof require, typeof module, this === exports, __filename, __dirname, global === globalThis];
      exports.id = module.id;
    """
    found = result("const main = () => require('a')", None, True, packages=packages(a=text))
    assert found == {
        "names": ["function", "object", True, "/node_modules/a.js", "/node_modules", True],
        "id": "a",
    }


def test_packages_require_each_other_in_circles() -> None:
    given = packages(
        a="exports.early = 1; const b = require('b'); exports.late = b.seen;",
        b="exports.seen = Object.keys(require('node:a'));",
    )
    assert result("const main = () => require('a')", None, True, packages=given) == {"early": 1, "late": ["early"]}


def test_a_package_that_is_not_there_is_node_s_error() -> None:
    given = packages(a="require('elsewhere')")
    text = "const main = () => { try { require('a') } catch (error) { return [error.code, error.message] } }"
    assert result(text, None, True, packages=given) == ["MODULE_NOT_FOUND", "Cannot find module 'elsewhere'"]


def test_who_throws_while_it_is_evaluated_is_evaluated_again() -> None:
    given = packages(a="globalThis.n = (globalThis.n ?? 0) + 1; if (globalThis.n < 2) throw new Error('once');")
    text = "const main = () => { try { require('a') } catch { } require('a'); return globalThis.n }"
    assert result(text, None, True, packages=given) == 2
    # A program that would begin with it does, if that is no mistake of its own.
    assert result("const main = () => 1", None, True, packages=given, begun_packages=("a",)) == 1


def test_a_text_that_is_no_javascript_says_so_where_it_is_required() -> None:
    error = thrown("const main = () => require('a')", None, True, packages=packages(a="let let;"))
    assert error.name == "SyntaxError"


def test_nothing_is_evaluated_that_is_not_asked_for() -> None:
    given = packages(a="globalThis.wasAsked = true;")
    assert result("const main = () => typeof wasAsked", None, True, packages=given) == "undefined"


CLOCKS = ("Date.now()", "new Date()", "Math.random()", "crypto.getRandomValues(new Uint8Array(1))", "setTimeout(f, 1)")


@pytest.mark.parametrize("looked", CLOCKS)
def test_what_asks_for_the_time_or_something_random_does_so_in_each_run(looked: str) -> None:
    given = packages(
        outer="module.exports = require('inner');",
        inner=f"const f = () => {{}}; {looked}; exports.now = Date.now();",
        first="module.exports = require('inner');",
        quiet="globalThis.evaluated = (globalThis.evaluated ?? 0) + 1;",
    )
    text = """require('quiet');
      const main = () => [require('outer').now, globalThis.evaluated, require('first') === require('outer')];"""
    # The second of the two that require it finds it evaluated, and has to be evaluated in each run as well.
    driven = Driven(text, True, packages=given, begun_packages=("quiet", "outer", "first"))
    assert driven.start() == "R0[1000,1,true]"
    driven.now = 2000.0
    assert driven.start() == "R0[2000,1,true]"


def test_a_global_stands_for_a_package_that_is_evaluated_when_it_is_used() -> None:
    given = packages(bytes="globalThis.evaluated = true; exports.Buffer = { from: () => 7 };", whole="exports.a = 1;")
    names = {"Buffer": PackageGlobal(package="bytes", property="Buffer"), "whole": PackageGlobal(package="whole")}
    text = """const main = () => {
      const before = typeof evaluated;
      const found = [Buffer.from(), whole.a, Buffer === require('bytes').Buffer];
      globalThis.Buffer = 8;
      return [before, ...found, Buffer, Object.keys(globalThis).includes('Buffer')];
    }"""
    assert result(text, None, True, packages=given, package_globals=names) == ["undefined", 7, 1, True, 8, False]


def test_the_environment_is_that_of_each_run() -> None:
    given = packages(
        process="const { environment } = require('scriptforge:runtime'); exports.env = environment;",
        early="const { env } = process; exports.read = () => env.A;",
    )
    given["process"] = Package(key="process", text=given["process"].text, trusted=True)
    more: dict[str, Any] = {
        "packages": given,
        "begun_packages": ("early",),
        "package_globals": {"process": PackageGlobal(package="process")},
    }
    text = "const main = () => [require('early').read(), process.env.A, process.env.CORRELATION_ID]"
    assert result(text, None, True, environment={"A": "b"}, **more) == ["b", "b", ""]


def test_only_packages_of_ours_are_lent_what_the_runtime_has() -> None:
    text = "module.exports = Object.keys(require('scriptforge:runtime')).length > 3;"
    ours = {"a": Package(key="ours", text=text, trusted=True)}
    assert result("const main = () => require('a')", None, True, packages=ours) is True
    theirs = {"a": Package(key="theirs", text=text)}
    for asked in ("require('a')", "require('scriptforge:runtime')"):
        assert "scriptforge:runtime" in thrown(f"const main = () => {asked}", None, True, packages=theirs).message


TIMERS = """
  const heard = [];
  const timer = setTimeout((value) => heard.push(value), 1, "fired").unref().ref();
  clearTimeout(setTimeout(() => heard.push("never"), 1));
  const number = +setImmediate(() => heard.push("never"));
  clearImmediate(number);
  exports.told = new Promise((resolve) => setTimeout(() => resolve([heard, typeof timer, timer.hasRef()]), 2));
"""


async def test_timers_of_packages_are_objects_as_node_has_them() -> None:
    async with running_pool() as pool:
        text = "const main = () => require('a').told"
        assert await value(pool, program(text, True, packages=packages(a=TIMERS))) == [["fired"], "object", True]


# ---- as ES modules see them ----

IMPORTED = packages(
    plain="module.exports = { a: 1, b: 2 };",
    callable="module.exports = Object.assign(() => 'called', { a: 1 });",
    compiled="Object.defineProperty(exports, '__esModule', { value: true }); exports.default = 'd'; exports.a = 1;",
    of_node="Object.defineProperty(exports, '__esModule', { value: true }); exports.a = 1;",
)
IMPORTED["compiled"] = msgspec.structs.replace(IMPORTED["compiled"], es_module=True)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("import x, { a } from 'plain'; export const main = () => [x, a]", [{"a": 1, "b": 2}, 1]),
        ("import * as x from 'plain'; export const main = () => Object.keys(x)", ["a", "b", "default"]),
        ("import x, { a } from 'callable'; export const main = () => [x(), a]", ["called", 1]),
        ("import x, { a } from 'compiled'; export const main = () => [x, a]", ["d", 1]),
        ("import x, { a } from 'of_node'; export const main = () => [x, a]", [{"a": 1}, 1]),
        ("import { a } from 'node:plain'; export const main = () => a", 1),
        ("export const main = async () => (await import('plain')).b", 2),
    ],
)
@pytest.mark.parametrize("begun", [(), tuple(IMPORTED)])
async def test_an_es_module_imports_a_package(text: str, wanted: Any, begun: tuple[str, ...]) -> None:
    more: dict[str, Any] = {"packages": IMPORTED, "begun_packages": begun, "form": Form.MODULE}
    async with running_pool() as pool:
        assert await value(pool, program(text, True, **more)) == wanted


async def test_what_a_package_does_not_export_is_an_error_of_the_import() -> None:
    text = "import { c } from 'plain'; export const main = () => c"
    async with running_pool() as pool:
        found = (await ask(pool, program(text, True, packages=IMPORTED, form=Form.MODULE))).outcome
    assert isinstance(found, Threw)
    assert found.name == "SyntaxError"
    assert "'c'" in found.message


async def test_a_worker_is_sent_a_text_once() -> None:
    """The second program has the same package, whose text is sent no more."""
    async with running_pool() as pool:
        for number in range(2):
            text = f"const main = () => [{number}, require('counter').next()]"
            assert await value(pool, program(text, True, packages=COUNTER)) == [number, 1]


def test_a_program_that_does_not_wait_has_no_packages() -> None:
    with pytest.raises(ValueError, match="no modules"):
        Program(key="", name="", suspends=False, text="", adapter="", packages=COUNTER)
