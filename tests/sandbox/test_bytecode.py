"""Our own JavaScript as bytecode: the same as from its text, and only where this build of the engine has it."""

from typing import Any

import _quickjs as quickjs
import pytest

from sandbox import bytecode, engine
from sandbox.bytecode import Bytecode
from sandbox.outcome import Threw
from sandbox.status import Tag
from tests.sandbox.support import HOST_ADAPTER, Driven, result

TEXT = """async function main(data) {
  console.log("seen", data);
  if (data.fail) { throw new TypeError("mine"); }
  return [await ask(1), data.n];
}"""


@pytest.fixture(params=[True, False], ids=["bytecode", "text"])
def compiled(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    with_bytecode = bool(request.param)
    if not with_bytecode:
        monkeypatch.setattr(engine, "_runtime_code", lambda _: None)
        monkeypatch.setattr(engine, "_trusted_code", lambda _: None)
    return with_bytecode


def test_this_engine_has_it() -> None:
    assert Bytecode(quickjs).available


def test_the_same_value_as_from_the_text() -> None:
    compiler = Bytecode(quickjs)
    code = compiler.compile("const f = (x) => x * 2; [1, f(21)].join()")
    assert code is not None
    context = quickjs.Context()
    assert compiler.evaluate(context, code) == "1,42"
    assert context.eval("typeof handedOver") == "undefined"
    doubling = compiler.compile("(x) => x * 2")
    assert doubling is not None
    assert compiler.evaluate(context, doubling)(21) == 42


def test_what_is_no_script_or_throws() -> None:
    compiler = Bytecode(quickjs)
    assert compiler.compile("const = 1") is None
    throwing = compiler.compile("throw 1")
    assert throwing is not None
    context = quickjs.Context()
    assert compiler.evaluate(context, throwing) is None
    assert context.eval("1 + 1") == 2


def test_no_memory_for_it() -> None:
    compiler = Bytecode(quickjs)
    code = compiler.compile("[" + ",".join(f"'text {n}'" for n in range(10_000)) + "].length")
    assert code is not None
    context = quickjs.Context()
    context.set_memory_limit(200_000)
    assert compiler.evaluate(context, code) is None


@pytest.mark.parametrize("change", ["size", "version", "symbol"])
def test_another_build_is_left_alone(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if change == "size":
        monkeypatch.setattr(bytecode, "CONTEXT_BYTES", 88)
    elif change == "version":
        monkeypatch.setattr(bytecode, "VERSION", b"9.")
    else:
        monkeypatch.setitem(bytecode._FUNCTIONS, "JS_NoSuchFunction", (None, ()))
    compiler = Bytecode(quickjs)
    assert not compiler.available
    assert compiler.compile("1") is None


def test_a_run_is_the_same_either_way(compiled: bool) -> None:
    driven = Driven(TEXT, True, adapter=HOST_ADAPTER)
    assert driven.start({"n": 5}) == "W3"
    assert driven.calls == [[1, "ask", [1]]]
    assert driven.settle(1, "answer") == 'R0["answer",5]'
    assert driven.log == [["log", 'seen {"n":5}']]
    error = result(TEXT, {"fail": True}, True, adapter=HOST_ADAPTER)
    assert isinstance(error, Threw)
    assert error.location is not None
    assert (error.message, error.location.line, len(error.stack)) == ("mine", 3, 1)


@pytest.mark.parametrize("adapter", ["(", "throw new Error('adapter')", "7"])
def test_a_broken_adapter(compiled: bool, adapter: str) -> None:
    driven = Driven("const main = () => 1", adapter=adapter)
    assert driven.loaded[0] == "E" or driven.start()[0] == "E"


def test_a_script_reads_none_of_the_runtime() -> None:
    shown: Any = result("const main = () => [String(console.log), String(setTimeout), String(exit)]", suspends=True)
    assert all("native code" in text for text in shown), shown


def test_run_once_lets_the_text_go() -> None:
    held = {}
    for once in (False, True):
        driven = Driven("async function main() { await ask(); }\n//" + "x" * 100_000, True, adapter=HOST_ADAPTER)
        again = engine.Context(True)
        assert again.load(driven.program, driven.bounds, once=once) == engine.LOADED
        assert again.start("null", "", 0.0).tag is Tag.WAITING
        held[once] = again.heap_bytes()
    assert held[False] - held[True] > 100_000
