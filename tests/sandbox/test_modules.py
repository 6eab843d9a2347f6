"""Modules of a program: trusted JavaScript that require gives, each of which asks the host by its own name."""

import json

import pytest

from sandbox.engine import RunBounds
from sandbox.outcome import Threw
from sandbox.program import Program
from tests.sandbox.support import (
    HOST_ADAPTER,
    Asked,
    Driven,
    ask,
    program,
    result,
    returned,
    running_pool,
    submit,
    thrown,
)

KV = "({ ask }) => ({ get: (key) => ask('get', key), set: (key, value) => ask('set', key, value) })"
CLOCK = "({ ask }) => () => ask('now')"
MODULES = {"kv": KV, "clock": CLOCK}


def test_a_module_asks_the_host_by_its_name() -> None:
    driven = Driven("const main = async () => [await require('kv').get('a')]", True, modules=MODULES)
    assert driven.start() == "W2"
    assert driven.calls == [[1, "kv.get", ["a"]]]
    assert driven.settle(1, {"n": 1}) == 'R0[{"n":1}]'


def test_two_modules() -> None:
    text = "const { set } = require('kv'); const main = async () => [await set('a', await require('clock')())];"
    driven = Driven(text, True, modules=MODULES)
    driven.start()
    driven.settle(1, 5)
    assert driven.calls == [[1, "clock.now", []], [2, "kv.set", ["a", 5]]]
    assert driven.settle(2, None) == "R0[null]"


def test_a_module_that_nobody_requires_asks_nothing() -> None:
    driven = Driven("function main() { return typeof ask; }", True, modules=MODULES)
    assert driven.start() == 'R0"undefined"'
    assert driven.calls == []


def test_a_module_is_the_same_wherever_it_is_required() -> None:
    assert result("const main = () => require('kv') === require('kv')", None, True, modules=MODULES) is True


@pytest.mark.parametrize("name", ["'fs'", "'__proto__'", "'constructor'", "'toString'", "''", "undefined"])
def test_there_is_no_other(name: str) -> None:
    named = name.strip("'")
    error = thrown(f"function main() {{ require({name}); }}", None, True, modules=MODULES)
    assert error.message == f"require('{named}'): there is no such module"
    error = thrown(f"function main() {{ require({name}); }}", None, True)
    assert error.message == f"require('{named}'): there is no such module"


def test_the_name_is_read_once() -> None:
    text = "let n = 0; const main = () => typeof require({ toString: () => (n++ ? 'fs' : 'kv') }).get"
    assert result(text, None, True, modules=MODULES) == "function"


def test_an_adapter_has_modules_of_its_own_below_the_programs() -> None:
    adapter = """({ prepare: (x) => x, collect: (data, returned) => returned, caught: () => undefined,
      modules: { kv: "the adapter's", own: "own" } })"""
    text = "const main = () => [typeof require('kv'), require('own')]"
    assert result(text, None, True, adapter=adapter, modules=MODULES) == ["object", "own"]
    assert result("const main = () => require('kv')", None, True, adapter=adapter) == "the adapter's"


def test_a_module_sees_what_the_adapter_has_put_in_place() -> None:
    adapter = """(() => {
      globalThis.setTimeout = () => "the adapter's";
      return { prepare: (x) => x, collect: (data, returned) => returned, caught: () => undefined };
    })"""
    later = {"later": "() => { const { setTimeout } = globalThis; return () => setTimeout(); }"}
    assert result("const main = () => require('later')()", None, True, adapter=adapter, modules=later) == (
        "the adapter's"
    )


@pytest.mark.parametrize(
    "tampering",
    [
        "Array.prototype.join = Array.prototype.map = () => 'evil';",
        "JSON.stringify = () => 'evil'; Promise.resolve = Promise.reject = () => 'evil';",
        "Object.prototype.kv = 'evil'; Object.prototype.get = 'evil'; String = () => 'evil';",
        "Object.prototype.modules = { kv: 'evil' }; Object.hasOwn = Object.assign = () => 'evil';",
        "globalThis.ask = () => 'evil'; eval = Function = () => 'evil';",
        "Reflect.apply = Function.prototype.apply = Function.prototype.call = () => 'evil';",
    ],
)
def test_an_author_reaches_nothing_that_a_module_uses(tampering: str) -> None:
    kv = """(({ ask }) => {
      const { apply } = Reflect;
      const { map, join } = Array.prototype;
      return { get: (...keys) => ask("get", apply(join, apply(map, keys, [(key) => key + "!"]), ["+"])) };
    })"""
    driven = Driven(f"{tampering} function main() {{ return require('kv').get('a', 'b'); }}", True, modules={"kv": kv})
    driven.start()
    assert driven.calls == [[1, "kv.get", ["a!+b!"]]]


def test_each_run_has_its_modules() -> None:
    driven = Driven("const main = async () => await require('kv').get('a')", True, modules=MODULES)
    for _ in range(2):
        driven.start()
        assert json.loads(driven.settle(1, "x")[2:]) == "x"
    assert [call[1] for call in driven.calls] == ["kv.get", "kv.get"]


@pytest.mark.parametrize("text", ["(", "7", "() => { throw new Error('broken'); }"])
def test_a_broken_module_is_an_error_of_each_run(text: str) -> None:
    driven = Driven("const main = () => 1", True, modules={"kv": text})
    assert driven.loaded[0] in "EB"


def test_only_what_suspends_has_modules() -> None:
    with pytest.raises(ValueError, match="has no modules"):
        program("const main = () => 1", modules=MODULES)


def test_the_name_of_what_is_asked_counts_as_its_arguments_do() -> None:
    modules = {"kv": "({ ask }) => ({ ask })"}
    text = "async function main() { await require('kv').ask('x'.repeat(2000)); }"
    assert Driven(text, True, modules=modules, bounds=RunBounds(1000, 100, 10, 1000)).start() == "X0outbox"


def test_what_is_asked_is_a_list_whatever_an_author_makes_of_lists() -> None:
    text = "Array.prototype.toJSON = () => 5; async function main() { await require('kv').get('a', ['b']); }"
    kv = KV.replace("(key) => ask('get', key)", "(...values) => ask('get', ...values)")
    driven = Driven(text, True, modules={"kv": kv})
    assert driven.start() == "W2"
    assert driven.calls == [[1, "kv.get", ["a", 5]]]


async def test_a_module_asks_across_the_link() -> None:
    text = "async function main() { ask('plain'); return require('kv').get('a'); }"
    asking: Program = program(text, True, adapter=HOST_ADAPTER, modules=MODULES)
    async with running_pool() as pool:
        host = Asked(lambda call: call.resolve([call.name, *call.arguments]))
        assert (await submit(pool, asking, host=host)[1]).outcome == returned(["kv.get", "a"])
        assert [call.name for call in host.calls] == ["ask", "kv.get"]
        outcome = (await ask(pool, asking)).outcome
        assert isinstance(outcome, Threw)
        assert outcome.message == "there is no host for this run"
