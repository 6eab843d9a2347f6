"""What a script uses and does not have, told with its place."""

import msgspec
import pytest

from sandbox.engine import Context
from sandbox.program import Program
from sandbox.status import Tag
from sidecar.kind import Kind
from sidecar.language import surroundings
from sidecar.language.check import check_script
from sidecar.problem import Severity
from tests.growth import grows_in_its_length

NETWORK = ": use fetch, in an App"
ADAPTER = "({ prepare: (x) => x, collect: (x, y) => y, caught: () => undefined })"


def told(statements: str, kind: Kind = Kind.SCRIPT, before: str = "") -> list[str]:
    problems = check_script(f"{before}function main(data) {{\n{statements}\n}}", kind, "a.js")
    assert all(problem.severity is Severity.WARNING for problem in problems), problems
    return [f"{problem.line}:{problem.column} {problem.message}" for problem in problems]


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ("new XMLHttpRequest()", "2:5 `XMLHttpRequest` is not available" + NETWORK),
        ("return new Blob(['x'])", "2:12 `Blob` is not available: use text, Uint8Array or URLSearchParams"),
        ("Buffer.from('x')",
         "2:1 `Buffer` is not available: a script does not run in Node: use Uint8Array, TextEncoder, TextDecoder, btoa"
         " and atob"),
        ("crypto.createHash('md5')", "2:1 `crypto.createHash` is not available"),
        ("return { WebSocket }", "2:10 `WebSocket` is not available" + NETWORK),
        ("new globalThis.EventSource('x')", "2:5 `EventSource` is not available" + NETWORK),
        ("return Temporal.Now.instant()",
         "2:8 `Temporal` is not available: use Date, and Intl.DateTimeFormat for time zones"),
        ("new WeakRef(data)", "2:5 `WeakRef` is not available: it is taken out for safety"),
        ("const opens = 8; if (opnes) return", "2:22 `opnes` is not defined; did you mean `opens`?"),
        ("try { f } catch { }", "2:7 `f` is not defined"),
        ("count++", "2:1 `count` is not defined"),
        ("{ const inner = 1 } inner", "2:21 `inner` is not defined here"),
        ("new Intl.PluralRules('en')", "2:5 `Intl.PluralRules` is not available"),
        ("Intl.DateTimeFormat('en').formatRange(1, 2)", "2:27 `formatRange` is not available"),
        ("console.table([])", "2:1 `console.table` is not available"),
        ("process.exit(1)", "2:1 `process.exit` is not available"),
        ("return process.versions.node", "2:8 `process.versions` is not available"),
        ("Object.fooBar()", "2:1 `Object.fooBar` is not available"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_told_at_its_place(statements: str, expected: str) -> None:
    assert told(statements) == [expected]


@pytest.mark.parametrize(
    "statements",
    [
        "if (typeof fetch === 'function') fetch('x')",
        "const { a, b: [c = 1, ...d] } = data; return [a, c, d]",
        "total = 1; return total",
        "[first, ...rest] = [1]; ({ one, two: three } = data); return [first, rest, one, three]",
        "for (each of [1]) console.log(each)",
        "globalThis.shared = 1; return shared",
        "try { throw 1 } catch (error) { return error }",
        "outer: for (;;) break outer",
        "return [arguments.length, undefined, NaN, Infinity, globalThis.main, new Date(), new Map()]",
        "return later(); function later() { return 1 }",
        "class A { static b = A.c; #d = 1; e() { return this.#d } } return new A()",
        "return function self(n) { return n ? self(n - 1) : 0 }",
        "return Intl.PluralRules ? new Intl.PluralRules('en') : 0",
        "process.hrtime?.()",
        "Object.mine = () => 1; Object.mine()",
        "return [Math.sumPrecise([1]), Object.groupBy([], String), Array.isArray.call(null, 1)]",
        "eval('var made = 1'); return made",
        "return { fetch: 1, URL() {} }.fetch + data.URL",
        "const Intl = { PluralRules: Map }; return new Intl.PluralRules()",
        "return [btoa('x'), atob('eA==')]",
        "return [new URL('http://x'), structuredClone(data), crypto.randomUUID(), new TextEncoder(), new Headers()]",
    ],
)
def test_what_is_there_or_declared_or_asked_for_first_is_not_told(statements: str) -> None:
    assert told(statements) == []


def test_a_name_of_the_older_dialect_is_there() -> None:
    assert check_script("const data = vars(); exit(data); err([404, 'x'])", Kind.SCRIPT, "a.js") == ()


def test_an_apps_own_names_are_there() -> None:
    text = (
        "async function main(data, ctx) { try { await Promise.all([]) } catch (e) { return e instanceof HangupError }"
        " finally { clearTimeout(setTimeout(main, 1)) } }"
    )
    assert check_script(text, Kind.APP, "a.js") == ()


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("new Date().toLocaleString('it-IT')", ["2:27 the locale 'it-IT' is not available"]),
        ("'a'.localeCompare('b', 'xx')", ["2:24 the locale 'xx' is not available"]),
        ("new Date().toLocaleString('en-US', { timezone: 'UTC' })",
         ["2:38 `timezone` is no option of `toLocaleString`; did you mean `timeZone`?"]),
        ("new Date().toLocaleTimeString('en-US', { timeZone: 'Europe/Berln' })",
         ["2:52 there is no time zone 'Europe/Berln'"]),
        ("new Intl.DateTimeFormat('de', { timeZoneName: 'longGeneric', hourCycle: 'h22' })",
         ["2:47 `timeZoneName` of 'longGeneric' is not available", "2:73 `hourCycle` is one of h11, h12, h23, h24"]),
        ("(5).toLocaleString('de', { notation: 'compact' })", ["2:38 `notation` of 'compact' is not available"]),
        ("new Intl.NumberFormat('de', { style: 'unit', unit: 'liter' })", ["2:38 `style` of 'unit' is not available"]),
        ("'a'.localeCompare('b', 'de', { numerc: true })",
         ["2:32 `numerc` is no option of `localeCompare`; did you mean `numeric`?"]),
    ],
)  # fmt: skip
def test_a_locale_a_zone_or_an_option_that_is_not_there_is_told(call: str, expected: list[str]) -> None:
    found = told(call)
    assert len(found) == len(expected)
    assert all(one.startswith(other) for one, other in zip(found, expected, strict=True)), found


@pytest.mark.parametrize(
    "call",
    [
        "new Date().toLocaleString('en-US', { timeZone: 'America/New_York', hour: 'numeric', hour12: false })",
        "new Date().toLocaleString('de-DE-u-hc-h12', { timeZone: 'europe/berlin', dateStyle: 'full' })",
        "new Date().toLocaleString(data.locale, { timeZone: data.zone, ...data.options })",
        "'a'.localeCompare('b', undefined, { numeric: true, sensitivity: 'base' })",
        "(5).toLocaleString('de', { style: 'currency', currency: 'EUR' })",
        "new Date().toLocaleString('en-GB', { timeZone: '+01:00' })",
        "data.toLocaleString({}, { anything: 1 }) + data.find('it-IT')",
    ],
)
def test_what_is_there_of_locales_is_not_told(call: str) -> None:
    assert told(call) == ([] if "anything" not in call else ["2:27 `anything` is no option of `toLocaleString`"])


def test_what_is_told_is_what_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """Each of these is a warning here and an error in a run."""
    for expression in (
        "new WebSocket('x')",
        "new Blob([])",
        "Buffer.from('')",
        "crypto.createHash('md5')",
        "Temporal.Now.instant()",
        "new Intl.PluralRules('en')",
        "console.table([])",
        "process.exit()",
        "new Date().toLocaleString('it-IT')",
        "new Date().toLocaleString('en', { timeZone: 'Europe/Berln' })",
        "(5).toLocaleString('en', { notation: 'compact' })",
        "new Intl.DateTimeFormat('en', { timeZoneName: 'longGeneric' })",
    ):
        assert told(f"return {expression}") != [], expression
        context = Context(suspends=False)
        text = f"function main() {{ return {expression} }}"
        program = Program(key="a", name="a", suspends=False, text=text, adapter=ADAPTER)
        context.load(program)
        context.limit_time(5.0)
        assert context.start(b"\x80", "", 0.0).tag is Tag.THREW, expression


@pytest.mark.parametrize("suspends", [False, True])
def test_the_surroundings_are_the_engines(suspends: bool) -> None:
    """What is written down of the names that are there, and of their members, is what a context has."""
    text = """
    function main() {
      const own = {};
      for (const name of Object.getOwnPropertyNames(globalThis)) {
        const value = globalThis[name];
        const isObject = (typeof value === "object" && value !== null) || typeof value === "function";
        own[name] = isObject && name !== "globalThis" && name !== "vars" ? Object.getOwnPropertyNames(value) : [];
      }
      return own;
    }
    """
    context = Context(suspends)
    program = Program(key="a", name="a", suspends=suspends, text=text, adapter=ADAPTER)
    context.load(program)
    context.limit_time(5.0)
    found = msgspec.msgpack.decode(context.start(b"\x80", "", 0.0).payload)
    for name, members in found.items():
        assert surroundings.is_there(name), name
        assert [member for member in members if surroundings.lacks(name, member)] == [], name
    assert not any(name in found for name in surroundings.ABSENT)


def test_many_wrong_names_are_read_in_the_length_of_the_text() -> None:
    def read(length: int) -> None:
        names = "".join(f"let declared{n}; wrong{n}();" for n in range(length // 20))
        assert check_script(f"function main() {{{names}}}", Kind.SCRIPT, "a.js", seconds=60)

    assert grows_in_its_length(read)


@pytest.mark.parametrize(
    "text",
    [
        "export async function main(data) { return await (await fetch('x')).json(); }",
        "export const main = async () => { const f = async () => (await (await fetch('x')).json()).a; return f(); };",
        "async function main(data) { return await (data.one, data.two)[0]; }",
        "export default {}; export const rates = await (await fetch('x')).json(); export function main() {}",
    ],
)
def test_await_is_an_operator_before_brackets_as_well(text: str) -> None:
    assert check_script(text, Kind.APP, "a.js") == ()


def test_await_is_no_operator_where_nothing_waits() -> None:
    (problem,) = check_script("async function main() { [1].map((x) => await (x).y); }", Kind.APP, "a.js")
    assert problem.message == "`await` is not defined"
