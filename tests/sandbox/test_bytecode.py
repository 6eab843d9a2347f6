"""Our own JavaScript as bytecode: the same as from its text."""

from typing import Any

import pytest

from sandbox import _engine
from sandbox.outcome import Threw
from tests.sandbox.support import HOST_ADAPTER, Driven, result, suspended

TEXT = """async function main(data) {
  console.log("seen", data);
  if (data.fail) { throw new TypeError("mine"); }
  return [await ask(1), data.n];
}"""


def engine_of(text: str) -> _engine.Engine:
    """An engine whose only functions are these."""
    return _engine.Engine(_engine.compile(f"(native) => ({text})"), ("f", "g"), 1 << 30, 256 * 1024)


def test_the_same_value_as_from_the_text() -> None:
    made = engine_of("{ f: (give) => { globalThis.given = give; return 'R'; }, g: (n) => `X${given(n)}` }")
    made.hand(0, _engine.compile("const double = (x) => x * 2; [1, double(21)].join() === '1,42' ? double : undefined"))
    assert made.call(1, 21) == ("X0", b"42")


def test_what_is_no_script_or_throws() -> None:
    with pytest.raises(ValueError, match="SyntaxError"):
        _engine.compile("const = 1")
    made = engine_of("{ f: () => 'R', g: () => 'Xfine' }")
    with pytest.raises(ValueError, match="mine"):
        made.hand(0, _engine.compile("throw new Error('mine')"))
    assert made.call(1) == ("X0", b"fine")


def test_no_memory_for_it() -> None:
    code = _engine.compile("[" + ",".join(f"'text {n}'" for n in range(10_000)) + "].length")
    made = engine_of("{ f: () => 'R', g: () => 'Xfine' }")
    made.limit_memory(made.memory + 50_000)
    with pytest.raises(MemoryError):
        made.hand(0, code)


def test_code_of_something_else() -> None:
    for text in ("1", "() => 1", "() => { throw 1 }", "(native) => ({ get f() { throw 1 } })"):
        with pytest.raises(MemoryError):
            _engine.Engine(_engine.compile(text), ("f",), 1 << 30, 256 * 1024)


def test_calls_of_nothing() -> None:
    made = engine_of("{ f: () => 'R', g: 7 }")
    for number in (-1, 2, 99):
        with pytest.raises(IndexError):
            made.call(number)
    with pytest.raises(TypeError):
        made.call(0, None)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        made.call(0, *range(9))
    assert made.call(1)[0] == "B0"


def test_a_run_of_what_was_compiled() -> None:
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
def test_a_broken_adapter(adapter: str) -> None:
    driven = Driven("const main = () => 1", adapter=adapter)
    assert driven.loaded[:1] == "B" or driven.start()[0] == "E"


def test_a_script_reads_none_of_the_runtime() -> None:
    shown: Any = result("const main = () => [String(console.log), String(setTimeout), String(exit)]", suspends=True)
    assert all("native code" in text for text in shown), shown


def test_a_run_lets_the_text_go() -> None:
    driven = Driven("async function main() { await ask(); }\n//" + "x" * 100_000, True, adapter=HOST_ADAPTER)
    assert driven.start() == "W2"
    image = suspended(driven.context, 100_000_000, b"")
    assert image is not None
    assert len(image) < 40_000
