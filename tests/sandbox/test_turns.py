"""Timers, promises, host calls, console, and the bounds on each."""

import json
import math
import resource
from pathlib import Path

import pytest

from sandbox.engine import RunBounds
from sandbox.outcome import Threw
from sandbox.stack import threw
from sandbox.status import OF_WORKER, Tag
from tests.sandbox.support import HOST_ADAPTER, SUSPENDS, Driven, result, thrown, unpacked


def test_timers_ring_by_time_then_by_order() -> None:
    text = """async function main() {
      const seen = [];
      setTimeout(() => seen.push("c"), 20);
      setTimeout(() => seen.push("a"), 10);
      setTimeout((...given) => seen.push(...given), 10, "b", "B");
      setImmediate(() => seen.push("now"));
      const gone = setTimeout(() => seen.push("never"), 5);
      clearTimeout(gone); clearTimeout(gone); clearTimeout(undefined); clearTimeout("x");
      await new Promise((resolve) => setTimeout(resolve, 30));
      return seen;
    }"""
    assert result(text, suspends=SUSPENDS) == ["now", "a", "b", "B", "c"]


def test_intervals_ring_until_cleared() -> None:
    text = """function main() {
      return new Promise((resolve) => {
        let count = 0;
        const timer = setInterval(() => { if (++count === 3) { clearInterval(timer); resolve(count); } }, 10);
      });
    }"""
    driven = Driven(text, SUSPENDS)
    assert driven.start() == "W010"
    assert [driven.fire(10), driven.fire(9), driven.fire(1), driven.fire(10)] == ["W010", "W01", "W010", "R03"]


def test_an_error_in_a_timer_ends_the_run() -> None:
    error = thrown(
        "function main() { return new Promise(() => setTimeout(() => {\n boom(); }, 1)); }", suspends=SUSPENDS
    )
    assert (error.name, error.location.line if error.location else 0) == ("ReferenceError", 2)


@pytest.mark.parametrize("callback", ["undefined", "'alert()'", "{}"])
def test_a_timer_needs_a_function(callback: str) -> None:
    assert thrown(f"function main() {{ setTimeout({callback}, 1); }}", suspends=SUSPENDS).name == "TypeError"


def test_timers_are_bounded() -> None:
    assert (
        thrown("function main() { for (;;) setTimeout(() => 0, 1); }", suspends=SUSPENDS).message
        == "more than 1000 timers"
    )


@pytest.mark.parametrize(
    "delay",
    [
        "NaN", "-1", "undefined", "'x'", "Infinity", "1e308", "2147483648", "{}", "null",
        "{ n: 0, valueOf() { return this.n++ ? NaN : 5; } }", "{ n: 0, valueOf() { return this.n++ ? 1e300 : 5; } }",
    ],
)  # fmt: skip
def test_a_delay_is_always_a_time(delay: str) -> None:
    driven = Driven(
        f"async function main() {{ await new Promise((r) => setTimeout(r, {delay})); return 1; }}", SUSPENDS
    )
    status = driven.start()
    assert status[0] == "W"
    assert math.isfinite(float(status[2:]))
    assert 1 <= float(status[2:]) <= 2**31
    assert driven.fire(float(status[2:])) == "R01"


def test_promise_reactions_run_in_order_between_turns() -> None:
    text = """async function main() {
      const seen = [];
      queueMicrotask(() => seen.push(1));
      Promise.resolve().then(() => seen.push(2));
      await Promise.all([1, 2].map(async (n) => { await null; seen.push(n + 2); }));
      return seen;
    }"""
    assert result(text, suspends=SUSPENDS) == [1, 2, 3, 4]


def test_unhandled_rejections_do_not_end_a_run() -> None:
    assert result("async function main() { Promise.reject(1); await null; return 2; }", suspends=SUSPENDS) == 2


# ---- console ----


def test_console_levels_and_values() -> None:
    text = """function main() {
      console.log("a", 1, 2n, null, undefined, true, Symbol("s"), { x: [1] }, main, new TypeError("t"));
      console.info(); console.warn("w"); console.error("e"); console.debug("d"); console.trace("t");
    }"""
    driven = Driven(text)
    driven.start()
    assert driven.log == [
        ["log", 'a 1 2 null undefined true Symbol(s) {"x":[1]} [Function] TypeError: t'],
        ["info", ""],
        ["warn", "w"],
        ["error", "e"],
        ["debug", "d"],
        ["debug", "t"],
    ]


@pytest.mark.parametrize(
    "value",
    [
        "{ toJSON() { throw 1; } }",
        "{ get x() { throw 1; } }",
        "Object.create(null, { toString: { get() { throw 1; } }, toJSON: { value() { throw 1; } } })",
        "new Proxy({}, { get() { throw 1; }, ownKeys() { throw 1; } })",
        "(() => { const a = {}; a.a = a; return a; })()",
        "(() => { const e = new Error(); Object.defineProperty(e, 'stack', { get() { throw 1; } }); return e; })()",
    ],
)
def test_what_cannot_be_printed(value: str) -> None:
    driven = Driven(f"function main() {{ console.log('before', {value}, 'after'); return 1; }}")
    assert driven.run() == 1
    assert driven.log == [["log", "before [unprintable] after"]]


@pytest.mark.parametrize(
    "prints",
    ["for (;;) { console.log('x'.repeat(100)); if (++n > 1000) return 1; }", "console.log('x'.repeat(1e6)); return 1"],
)
def test_console_output_is_cut(prints: str) -> None:
    driven = Driven(f"let n = 0; function main() {{ {prints} }}", bounds=RunBounds(1000, 500, 10))
    assert driven.start() == "R11"
    assert driven.log[-1] == ["warn", "[console output past the limit is cut]"]
    assert sum(len(text) for _, text in driven.log[:-1]) <= 500
    driven.log.clear()
    driven.start()
    assert driven.log, "the next run has its own room"


def test_console_may_be_replaced_by_the_author() -> None:
    assert result("function main() { console.log = () => 0; console.log(1); globalThis.console = 7; return 1; }") == 1


def test_what_an_argument_asks_while_it_is_written_stands_before_it() -> None:
    text = """async function main() {
      ask({ toJSON() { ask("inner", { toJSON() { ask("innermost"); return 3; } }); return "outer"; } });
      return Promise.all([]);
    }"""
    driven = Driven(text, SUSPENDS, adapter=HOST_ADAPTER)
    assert driven.start()[0] == "R"
    asked = unpacked(driven.context.take_outbox())
    assert [arguments for _, _, arguments in asked] == [["innermost"], ["inner", 3], ["outer"]]
    assert sorted(call_id for call_id, _, _ in asked) == [1, 2, 3]


@pytest.mark.parametrize("bounds", [RunBounds(1000, 100, 10, 1_000_000), RunBounds(1000, 100, 1000, 300)])
def test_what_arguments_ask_while_they_are_written_is_bounded(bounds: RunBounds) -> None:
    text = """function main() {
      const deep = (n) => ({ toJSON() { if (n) ask("x".repeat(20), deep(n - 1)); return n; } });
      ask(deep(20));
      return new Promise(() => {});
    }"""
    assert Driven(text, SUSPENDS, adapter=HOST_ADAPTER, bounds=bounds).start() == "X0outbox"


# ---- bounds ----


@pytest.mark.parametrize("suspends", [False, True])
def test_the_result_is_bounded(suspends: bool) -> None:
    bounds = RunBounds(1000, 100, 10)
    assert result("const main = (n) => 'x'.repeat(n)", 997, suspends, bounds=bounds) == "x" * 997
    assert result("const main = (n) => 'x'.repeat(n)", 998, suspends, bounds=bounds) == "X0result"
    assert result("const main = (n) => { throw ['x'.repeat(n)]; }", 999, suspends, bounds=bounds) == "X0result"


def test_bounds_are_those_of_the_run() -> None:
    driven = Driven("const main = (n) => { console.log('y'.repeat(50)); return 'x'.repeat(n); }")
    assert driven.run(500) == "x" * 500
    driven.bounds = RunBounds(100, 20, 10)
    driven.log.clear()
    assert driven.run(500) == "X1result"
    assert len(driven.log[0][1]) == 20


def test_host_calls() -> None:
    text = "async function main() { const a = ask(1, { b: [2] }); const c = ask(); return [await a, await c]; }"
    driven = Driven(text, SUSPENDS, adapter=HOST_ADAPTER)
    assert driven.start() == "W2"
    assert driven.calls == [[1, "ask", [1, {"b": [2]}]], [2, "ask", []]]
    assert driven.settle(2, "second") == "W0"
    assert driven.settle(2, "twice") == "W0"
    assert driven.settle(99, "unknown") == "W0"
    assert json.loads(driven.settle(1, {"n": 1})[2:]) == [{"n": 1}, "second"]


@pytest.mark.parametrize(("thrown_last", "status"), [("1", "E2"), ("null", "E2")])
def test_what_was_asked_before_a_throw_is_asked(thrown_last: str, status: str) -> None:
    driven = Driven(f"async function main() {{ ask('last'); throw {thrown_last}; }}", SUSPENDS, adapter=HOST_ADAPTER)
    assert driven.start()[:2] == status
    assert unpacked(driven.context.take_outbox()) == [[1, "ask", ["last"]]]


def test_a_host_call_that_fails() -> None:
    text = (
        "async function main() { try { await ask(); } catch (e) { return [e instanceof Error, e.message, e.code]; } }"
    )
    driven = Driven(text, SUSPENDS, adapter=HOST_ADAPTER)
    driven.start()
    assert json.loads(driven.settle(1, {"message": "no", "code": 5}, succeeded=False)[2:]) == [True, "no", 5]


def test_a_host_call_says_what_it_said_when_it_was_made() -> None:
    driven = Driven(
        "async function main() { const o = { n: 1 }; const p = ask(o); o.n = 2; await p; }",
        SUSPENDS,
        adapter=HOST_ADAPTER,
    )
    driven.start()
    assert driven.calls == [[1, "ask", [{"n": 1}]]]


@pytest.mark.parametrize(
    "argument", ["{ toJSON() { throw new Error('mine'); } }", "3n", "(() => { const a = []; a.push(a); return a; })()"]
)
def test_arguments_that_cannot_be_written_are_the_callers_error(argument: str) -> None:
    text = f"async function main() {{ try {{ await ask({argument}); }} catch (e) {{ return e.name; }} }}"
    assert result(text, suspends=SUSPENDS, adapter=HOST_ADAPTER) in {"Error", "TypeError"}


@pytest.mark.parametrize(
    "text",
    [
        "async function main() { for (let n = 0; n < 11; n++) ask(n); await new Promise(() => {}); }",
        "async function main() { ask('x'.repeat(2000)); await new Promise(() => {}); }",
        "async function main() { ask('x'.repeat(600)); ask('x'.repeat(600)); await new Promise(() => {}); }",
    ],
)
def test_the_outbox_is_bounded(text: str) -> None:
    status = Driven(text, SUSPENDS, adapter=HOST_ADAPTER, bounds=RunBounds(1000, 100, 10, 1000)).start()
    assert (status[0], status[2:]) == ("X", "outbox")


def test_the_outbox_is_bounded_by_turn() -> None:
    text = "async function main() { for (let n = 0; n < 30; n++) await ask('x'.repeat(600)); return 'done'; }"
    driven = Driven(text, SUSPENDS, adapter=HOST_ADAPTER, bounds=RunBounds(1000, 100, 1, 1000))
    status = driven.start()
    for call_id in range(1, 31):
        assert status == "W2"
        status = driven.settle(call_id, None)
    assert status == 'R0"done"'


def test_calls_without_an_answer_are_bounded_over_all_turns() -> None:
    text = """async function main() {
      for (let n = 0; n < 3; n++) { ask(n); await new Promise((next) => setTimeout(next, 1)); }
      return "done";
    }"""
    bounds = RunBounds(1000, 100, 2, 1000)
    driven = Driven(text, SUSPENDS, adapter=HOST_ADAPTER, bounds=bounds)
    assert driven.start()[0] == driven.fire(1)[0] == "W"
    assert driven.fire(1) == "X0outbox"
    driven = Driven(text, SUSPENDS, adapter=HOST_ADAPTER, bounds=bounds)
    driven.start()
    driven.fire(1)
    driven.settle(1, None)
    assert driven.fire(1)[0] == "W", "what was answered counts no more"


def test_what_waits_for_an_answer_is_bounded_over_all_turns() -> None:
    text = """async function main() {
      for (let n = 0; n < 3; n++) { ask("x".repeat(400)); await new Promise((next) => setTimeout(next, 1)); }
      return "done";
    }"""
    bounds = RunBounds(1000, 100, 10, 1000)
    driven = Driven(text, SUSPENDS, adapter=HOST_ADAPTER, bounds=bounds)
    assert driven.start()[0] == driven.fire(1)[0] == "W"
    assert driven.fire(1) == "X0outbox"
    driven = Driven(text, SUSPENDS, adapter=HOST_ADAPTER, bounds=bounds)
    driven.start()
    for call_id in (1, 2):
        driven.settle(call_id, None)
        driven.fire(1)
    driven.settle(3, None)
    assert driven.fire(1) == 'R0"done"', "what was answered counts no more"


# ---- what cannot be shown ----


@pytest.mark.parametrize(
    ("value", "name", "message"),
    [
        ("'text'", "Thrown", "text"),
        ("undefined", "Thrown", "undefined"),
        ("404", "Thrown", "404"),
        ("Symbol('s')", "Thrown", "Symbol(s)"),
        ("{ code: 5 }", "Thrown", '{"code":5}'),
        ("10n ** 50n", "Thrown", "1" + "0" * 50),
        ("new RangeError('r')", "RangeError", "r"),
        ("Object.assign(new Error('m'), { name: 'Own' })", "Own", "m"),
        ("new (class Mine extends Error {})('m')", "Error", "m"),
        ("{ toString() { throw 1; }, toJSON() { throw 2; } }", "Thrown", "[a value that cannot be shown]"),
        ("new Proxy({}, { getPrototypeOf() { throw 1; } })", "Error", "[a value that cannot be shown]"),
        ("new Proxy(new Error('p'), { get() { throw 1; } })", "Error", "[a value that cannot be shown]"),
        ("Object.defineProperty(new Error('m'), 'message', { get() { throw 1; } })", "Error", "[a value that cannot be shown]"),  # noqa: E501
        ("Object.defineProperty(new Error('m'), 'stack', { value: Symbol() })", "Error", "m"),
        ("Object.defineProperty(new Error('m'), 'name', { value: { toString: 1 } })", "Error", "m"),
    ],
)  # fmt: skip
def test_whatever_is_thrown_can_be_shown(value: str, name: str, message: str) -> None:
    error = thrown(f"function main() {{ throw {value}; }}")
    assert (error.name, error.message) == (name, message)


@pytest.mark.parametrize(
    "value",
    [
        "{ toString() { for (;;); }, toJSON() { for (;;); } }",
        "Object.defineProperty(new Error(), 'stack', { get() { for (;;); } })",
        "Object.defineProperty(new Error(), 'message', { value: { toString() { for (;;); } } })",
        "new Proxy({}, { getPrototypeOf() { for (;;); } })",
        "{ get [Symbol.toPrimitive]() { for (;;); }, toJSON() { for (;;); } }",
    ],
)
@pytest.mark.parametrize("suspends", [False, True])
def test_an_error_that_hangs_is_out_of_time(suspends: bool, value: str) -> None:
    assert result(f"function main() {{ throw {value}; }}", suspends=suspends, cpu=0.02).startswith("T0")


@pytest.mark.parametrize("stack", ["at x (<input>:99999999999999999999:1)", "\\u0000\\ud800", "at f (<input>:1:1)"])
def test_a_stack_of_the_scripts_own(stack: str) -> None:
    error = thrown(f"function main() {{ const e = new Error('m'); e.stack = '{stack}'; throw e; }}")
    assert error.message == "m"


def test_descriptions_that_are_no_such_thing() -> None:
    for description in ("", "[]", "{}", '{"stack":5}', "[" * 100_000, '{"name":[1],"message":{"a":1}}'):
        assert isinstance(threw("a.js", description.encode()), Threw)


def test_a_long_message_is_cut() -> None:
    error = thrown("function main() { const e = new Error('x'.repeat(1e6)); e.name = 'y'.repeat(1e6); throw e; }")
    assert (len(error.message), len(error.name)) == (2000, 100)


def test_the_runtime_tags_are_all_known() -> None:
    assert {tag.value for tag in Tag} == set("REMXWTB")


def test_a_result_that_the_process_has_no_memory_for_is_not_the_scripts_doing() -> None:
    driven = Driven("const main = () => 'x'.repeat(60e6)", bounds=RunBounds(100_000_000, 100, 10))
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 20_000_000, before[1]))
    try:
        assert driven.start() == f"M0{OF_WORKER.decode()}"
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
