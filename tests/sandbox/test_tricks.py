"""What a hostile author does to the language under the runtime, and that no other run sees anything of it."""

import json

import pytest

from sandbox.outcome import Threw
from sandbox.status import Tag
from tests.sandbox.support import HOST_ADAPTER, SUSPENDS, Driven, result, thrown

BOTH = pytest.mark.parametrize("suspends", [False, True])

POLLUTIONS = [
    "Object.defineProperty(Array.prototype, 'length', { value: 0 })",
    "Object.defineProperty(Object.prototype, 'value', { set() { throw 1; }, get() { throw 1; }, configurable: true })",
    "Object.prototype.get = function () { return 1; }",
    "Object.prototype.set = Object.prototype.writable = 1",
    "Object.prototype.value = 7; Object.prototype.enumerable = false",
    "Object.defineProperty(Object.prototype, 'name', { set() { throw 1; }, configurable: true })",
    "Object.prototype.CORRELATION_ID = 1; Object.prototype.log = Object.prototype.source = Object.prototype.bounds = 1",
    "Object.prototype.then = 7",
    "Array.prototype.join = String.prototype.slice = () => 'evil'",
    "Array.prototype[Symbol.iterator] = function () { throw 1; }",
    "JSON.stringify = JSON.parse = () => 'evil'; JSON = null",
    "Reflect.apply = Reflect.ownKeys = () => 'evil'; Reflect = null",
    "Object.defineProperty = Object.assign = Object.create = Object.freeze = Object.setPrototypeOf = () => 'evil'",
    "Function.prototype.call = Function.prototype.apply = Function.prototype.bind = () => 'evil'",
    "RegExp.prototype.exec = RegExp.prototype.test = () => ['evil']; RegExp.prototype[Symbol.replace] = () => 'evil'",
    "String = Number = Object = Array = Boolean = Symbol = () => 'evil'",
    "Math.min = Math.max = () => NaN; Date.now = () => NaN",
    "String.prototype.toString = String.prototype.valueOf = Number.prototype.toString = () => 'evil'",
    "Object.prototype.toString = () => { throw 1; }",
    "try { Error.prototype.toString = () => 'evil'; } catch { }",
    "try { Error = null; } catch { } try { InternalError = class {}; } catch { }",
    "try { Error.prepareStackTrace = () => { for (;;); }; } catch { } try { Error.stackTraceLimit = 0; } catch { }",
    "try { Object.setPrototypeOf(Error.prototype, { toString() { for (;;); } }); } catch { }",
    "try { Object.defineProperty(Error, Symbol.hasInstance, { value: () => { throw 1; } }); } catch { }",
    "Object.freeze(Object.prototype); Object.freeze(Array.prototype)",
    "globalThis.process = null; Object.freeze(console)",
    "Object.setPrototypeOf(globalThis, null)",
]
APP_POLLUTIONS = [
    "Promise.prototype.then = () => { throw 1; }",
    "Promise.resolve = Promise.reject = () => 'evil'",
    "Object.defineProperty(Promise.prototype, 'constructor', { get() { throw 1; }, configurable: true })",
    "Promise = null",
    "globalThis.setTimeout = globalThis.clearTimeout = null",
]


@BOTH
@pytest.mark.parametrize("pollution", POLLUTIONS)
def test_the_runtime_does_not_lean_on_what_can_be_changed(suspends: bool, pollution: str) -> None:
    text = f"""function main(data) {{
      if (data.first) {{ {pollution}; }}
      console.log("line", 1);
      return {{ n: [data.n] }};
    }}"""
    driven = Driven(text, suspends)
    for first in (True, False, False):
        driven.log.clear()
        assert driven.run({"first": first, "n": 5}) == {"n": [5]}
        assert driven.log == [["log", "line 1"]]


@BOTH
@pytest.mark.parametrize("pollution", POLLUTIONS)
def test_errors_are_shown_after_it(suspends: bool, pollution: str) -> None:
    error = thrown(
        f"const Own = TypeError; function main() {{ {pollution};\nthrow new Own('mine'); }}", suspends=suspends
    )
    assert (error.name, error.message) == ("TypeError", "mine")
    assert error.location is not None
    assert error.location.line == 2


@pytest.mark.parametrize("pollution", POLLUTIONS + APP_POLLUTIONS)
def test_host_calls_and_promises_work_after_it(pollution: str) -> None:
    text = f"function main() {{ const answer = ask({{ n: [1] }}); {pollution}; return answer; }}"
    driven = Driven(text, SUSPENDS, adapter=HOST_ADAPTER)
    status = driven.start()
    if pollution.startswith(("Object.defineProperty(Promise.prototype", "Promise.prototype.then")):
        # The language itself asks a promise for these: the run fails by its own hand, and at once.
        assert status[0] == "E"
        return
    assert status == "W2"
    assert driven.calls == [[1, "ask", [{"n": [1]}]]]
    assert json.loads(driven.settle(1, {"m": [2]})[2:]) == {"m": [2]}


@BOTH
def test_a_setter_that_the_engines_own_stringify_meets(suspends: bool) -> None:
    evil = "Object.defineProperty(Array.prototype, '0', { set() { throw new Error('mine'); }, configurable: true });"
    driven = Driven(f"function main() {{ {evil} console.log('seen', {{}}); return {{}}; }}", suspends)
    assert driven.run() == {}
    assert driven.log == [["log", "seen [unprintable]"]]
    assert result(f"function main() {{ {evil} return 'text'; }}", suspends=suspends) == "text"


@BOTH
@pytest.mark.parametrize("lie", ["undefined", "'\\ud800'", "7", "{ a: 1 }"])
def test_a_tojson_that_lies_harms_its_own_result_only(suspends: bool, lie: str) -> None:
    driven = Driven(f"function main() {{ Object.prototype.toJSON = () => ({lie}); return {{}}; }}", suspends)
    outcome = driven.run()
    assert outcome == {"undefined": outcome, "'\\ud800'": "?", "7": 7, "{ a: 1 }": {"a": 1}}[lie]
    if lie == "undefined":
        assert isinstance(outcome, Threw)


@BOTH
@pytest.mark.parametrize("lie", ["{ throw new Error('json'); }", "undefined"])
def test_a_tojson_over_an_answered_error(suspends: bool, lie: str) -> None:
    error = thrown(f"function main() {{ Object.prototype.toJSON = () => {lie}; throw [404]; }}", suspends=suspends)
    assert error.name == "Thrown"


def test_getters_run_within_the_limits_of_the_run() -> None:
    for value in (
        "{ get x() { for (;;); } }",
        "{ toJSON() { for (;;); } }",
        "new Proxy({}, { ownKeys() { for (;;); } })",
    ):
        assert result(f"function main() {{ return {value}; }}", cpu=0.02).startswith("T0")
    assert (
        result("const main = () => { Object.defineProperty(globalThis, 'x', { get() { for (;;); } }); return 1; }") == 1
    )


def test_a_result_may_be_a_proxy_or_have_getters() -> None:
    assert result("const main = () => new Proxy({ a: 1 }, {})") == {"a": 1}
    assert result("const main = () => ({ get a() { return 1; } })") == {"a": 1}


@pytest.mark.parametrize(
    "text",
    [
        "}); evil(); (function () {",
        "}), (function () { return () => 'mine'",
        "function main() { return arguments.callee.caller; }",
        "function main() { return main.caller; }",
        "const main = () => { return factory; }",
        "const main = () => adapter.collect",
        "const main = () => status",
        "const main = () => realm",
        "const main = () => [lines, logRoom, conclude, fail]",
        "const main = () => { program.bounds.result = 1e9; return 1; }",
    ],
)
def test_the_runtimes_own_names_are_out_of_reach(text: str) -> None:
    outcome = result(text)
    assert outcome in ("mine", None) or (isinstance(outcome, Threw) and outcome.name in {"ReferenceError", "TypeError"})


def test_stack_frames_give_no_functions_of_the_runtime() -> None:
    text = "function main() { try { null.x; } catch (e) { return typeof e.stack; } }"
    assert result(text) == "string"
    assert result("const main = (function () { return typeof this === 'object' && this === globalThis; })") is True


@BOTH
@pytest.mark.parametrize("name", ["FinalizationRegistry", "WeakRef", "SharedArrayBuffer", "Atomics"])
def test_what_is_taken_away(suspends: bool, name: str) -> None:
    assert result(f"const main = () => typeof {name}", suspends=suspends) == "undefined"


@BOTH
def test_the_engines_own_performance_whose_clock_is_the_machines_is_taken_away(suspends: bool) -> None:
    assert result("const main = () => typeof globalThis['perform' + 'ance']", suspends=suspends) == "undefined"
    # What there is under its name is of the run: it begins with it.
    assert result("const main = () => [performance.now(), performance.timeOrigin]", suspends=suspends) == [0, 1000]


def test_deep_recursion_is_an_error_of_the_script() -> None:
    for text in (
        "function main() { return main(); }",
        "const main = () => { let a = []; for (let i = 0; i < 1e5; i++) a = [a]; return a; }",
        "const main = () => { let a = '['.repeat(1e5); return JSON.parse(a); }",
        "const main = () => { console.log(1); return main(); }",
    ):
        assert isinstance(result(text), Threw), text
    assert isinstance(Driven("const main = (x) => 1").context, object)


def test_out_of_memory_is_an_outcome() -> None:
    for text in (
        "function main() { const a = []; for (;;) a.push(new Array(1000).fill(1)); }",
        "function main() { try { const a = []; for (;;) a.push('x'.repeat(1e5) + a.length); } catch (e) { throw e; } }",
        "function main() { return new ArrayBuffer(1e9).byteLength; }",
        "function main() { let s = 'x'; for (;;) s += s; }",
    ):
        driven = Driven(text, memory_bytes=8_000_000)
        outcome = driven.run(cpu=10.0)
        # A text of more than 2**30 characters, or a buffer past a limit of the language, is a RangeError before.
        assert outcome == "M0" or (isinstance(outcome, Threw) and outcome.name in {"RangeError", "InternalError"}), text


def test_two_scripts_share_nothing() -> None:
    first = Driven(
        "const main = () => { globalThis.x = 1; Object.prototype.y = 2; Array.prototype.push = null; return 1; }"
    )
    assert first.run() == 1
    second = Driven("const main = () => [typeof x, ({}).y ?? null, typeof [].push, Symbol.for('z').description]")
    assert second.run() == ["undefined", None, "function", "z"]


def test_a_run_leaves_nothing_to_the_next() -> None:
    driven = Driven("const main = () => { globalThis.n = (globalThis.n ?? 0) + 1; return n; }")
    assert [driven.run(), driven.run()] == [1, 1]


def test_input_is_read_as_messagepack_and_nothing_else() -> None:
    for broken in (
        b"",
        b"\xc1",
        b"\x91",
        b"\x80\x80",
        b"\xa1\xff",
        b"\x81\xc0\xc0",
        b"\x91" * 100_000,
        b"\xdf" + b"\xff" * 4,
    ):
        driven = Driven("const main = (data) => data")
        driven.context.limit_time(1.0)
        assert driven.context.start(broken, "", 0.0).tag is Tag.THREW
