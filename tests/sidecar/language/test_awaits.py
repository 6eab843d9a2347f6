"""What is said of actions on a call that nobody awaits."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.kind import Kind
from sidecar.language.check import check_script
from sidecar.problem import Severity

ON = ": the script goes on before it is done"
VALUE = ": this is a promise and not what it gives"
NOT_THERE = ": this is a promise, and what is asked of it is not there yet"
TRUE = ": a promise is always true"
FOR_EACH = ": forEach does not wait; write `for (... of ...)` and await"


WORDS = [*["ctx", "tts", "await", "const", "x", "main", "async", "function"], *".(){}=,[];?:", "=>", "&&"]


def warnings(text: str) -> list[str]:
    problems = check_script(text, Kind.APP, "x.js")
    assert all(one.severity is Severity.WARNING for one in problems), problems
    # Names that stand for something are test_absent.py's.
    return [f"{one.line}:{one.column} {one.message}" for one in problems if "is not defined" not in one.message]


def in_main(body: str) -> list[str]:
    return warnings(f"async function main(data, ctx) {{\n{body}\n}}")


@pytest.mark.parametrize(
    "body",
    [
        "await ctx.answer(); await (ctx.tts('x')); const d = await ctx.ivr('a', 1); await ctx?.play('a');",
        "return ctx.hangup()",
        "return data.late ? ctx.hangup() : ctx.answer()",
        "const p = ctx.play('x'); await ctx.waitFor('1'); await p",
        "let p; p = ctx.play('x'); await p",
        "data.p = ctx.play('x'); await data.p",
        "ctx.play('x').then(() => 1); ctx.play('y').catch(() => 1); ctx.play('z').finally(f).then(g)",
        "await ctx.play('z').finally(f)",
        "await Promise.all([ctx.play('a'), ctx.waitFor('1')]); await Promise.race([ctx.waitFor('1')])",
        "await Promise.any([ctx.waitFor('1'), ...[ctx.waitFor('2')]]); await Promise.allSettled([ctx.play('a')])",
        "const all = []; all.push(ctx.play('x')); await Promise.all(all)",
        "await Promise.all(data.files.map(file => ctx.play(file)))",
        "const say = text => ctx.tts(text); await say('x')",
        "await (data.x && ctx.play('a')); await (data.y ?? ctx.play('b')); await (f(), ctx.play('c'))",
        "void ctx.play('x')",
        "ctx.get('x'); ctx.header('a', 'b'); ctx.log('x'); ctx.waitForHangup()",
        "f({ later: ctx.play('x') })",
        "for await (const x of [ctx.play('a')]) f(x)",
        # somebody else's
        "const other = {}; other.play('x'); player.tts('x'); play('x'); data.ctx2.play('x')",
        "for (const ctx of data.players) ctx.play('x')",
        "try { f() } catch (ctx) { ctx.play('x') }",
        "{ const ctx = player; ctx.play('x') }",
    ],
)
def test_what_is_right(body: str) -> None:
    assert in_main(body) == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("ctx.answer();", [f"2:1 `ctx.answer(...)` is not awaited{ON}"]),
        ("  ctx.tts('é'); ctx?.play('x')", [
            f"2:3 `ctx.tts(...)` is not awaited{ON}",
            f"2:17 `ctx.play(...)` is not awaited{ON}",
        ]),
        ("(ctx.tts('x'))", [f"2:2 `ctx.tts(...)` is not awaited{ON}"]),
        ("data.x && ctx.tts('x')", [f"2:11 `ctx.tts(...)` is not awaited{ON}"]),
        ("data.x ? ctx.tts('x') : await ctx.tts('y')", [f"2:10 `ctx.tts(...)` is not awaited{ON}"]),
        ("ctx.tts('a'), await ctx.tts('b')", [f"2:1 `ctx.tts(...)` is not awaited{ON}"]),
        ("[ctx.play('a')]", [f"2:2 `ctx.play(...)` is not awaited{ON}"]),
        ("ctx.play('z').finally(f)", [f"2:1 `ctx.play(...)` is not awaited{ON}"]),
        ("const p = ctx.play('x')", ["2:11 `ctx.play(...)` is not awaited: `p` is not used any more"]),
        ("const { value } = ctx.ivr('x')", [f"2:19 `ctx.ivr(...)` is not awaited{VALUE}"]),
        ("f(ctx.ivr('x').value)", [f"2:3 `ctx.ivr(...)` is not awaited{NOT_THERE}"]),
        ("if (ctx.bridge('x')) f()", [f"2:5 `ctx.bridge(...)` is not awaited{TRUE}"]),
        ("while (!ctx.bridge('x')) f()", [f"2:9 `ctx.bridge(...)` is not awaited{VALUE}"]),
        ("if (ctx.waitFor('1') === '1') f()", [f"2:5 `ctx.waitFor(...)` is not awaited{VALUE}"]),
        ("const x = ctx.ivr('x') ? 1 : 2; f(x)", [f"2:11 `ctx.ivr(...)` is not awaited{TRUE}"]),
        ("data.f.forEach(x => ctx.play(x))", [f"2:21 `ctx.play(...)` is not awaited{FOR_EACH}"]),
        ("data.f.forEach(x => { ctx.play(x) })", [f"2:23 `ctx.play(...)` is not awaited{ON}"]),
        ("const f = () => { ctx.hangup(404) }; f()", [f"2:19 `ctx.hangup(...)` is not awaited{ON}"]),
        ("ctx.echo(); ctx.record('x'); ctx.blockDtmf(); ctx.set('a', 1)", [
            f"2:1 `ctx.echo(...)` is not awaited{ON}",
            f"2:13 `ctx.record(...)` is not awaited{ON}",
            f"2:30 `ctx.blockDtmf(...)` is not awaited{ON}",
            f"2:47 `ctx.set(...)` is not awaited{ON}",
        ]),
        ("const call = ctx; call.answer()", [f"2:19 `call.answer(...)` is not awaited{ON}"]),
        ("const { answer, play: sound } = ctx; answer(); sound('x')", [
            f"2:38 `answer(...)` is not awaited{ON}",
            f"2:48 `sound(...)` is not awaited{ON}",
        ]),
    ],
)  # fmt: skip
def test_what_is_not_awaited(body: str, expected: list[str]) -> None:
    assert in_main(body) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("const main = async (data, call) => { call.answer() }", [f"1:38 `call.answer(...)` is not awaited{ON}"]),
        ("main = async function (data, call = x) { call.answer() }", [f"1:42 `call.answer(...)` is not awaited{ON}"]),
        ("async function main(data, { tts }) { tts('x') }", [f"1:38 `tts(...)` is not awaited{ON}"]),
        (
            "export default async (data, c) => { c.tts('x') }",
            [f"1:37 `c.tts(...)` is not awaited{ON}"],
        ),
        (
            "import Call from 'cxC5Server'\nexport async function main() {\n const c = new Call(1)\n c.tts('x') }",
            [f"4:2 `c.tts(...)` is not awaited{ON}"],
        ),
        (
            "const Call = require('cxC5Server')\nlet c\nfunction main() { c = new Call(); go() }\n"
            "function go() { c.tts(1) }",
            [f"4:17 `c.tts(...)` is not awaited{ON}"],
        ),
        (
            "import cxC5Server from 'cxC5Server'\nexport function main() { new cxC5Server().answer() }",
            [f"2:26 `ctx.answer(...)` is not awaited{ON}"],
        ),
        (
            "async function menu(ctx) { ctx.tts('x') }\nasync function main(data, ctx) { await menu(ctx) }",
            [f"1:28 `ctx.tts(...)` is not awaited{ON}"],
        ),
        ("async function main(data, call) { const f = (call) => { call.tts('x') }; f({}) }", []),
        ("function main(data) { data.tts('x'); const c = new Other(); c.tts('x') }", []),
        # a var is the whole function's
        (
            "async function main(data, c) { if (data.x) { var call = c } call.answer() }",
            [f"1:61 `call.answer(...)` is not awaited{ON}"],
        ),
        (
            "async function main(data, c) { { var { tts } = c } tts('x') }",
            [f"1:52 `tts(...)` is not awaited{ON}"],
        ),
        ("async function main(data, ctx) { const f = () => { ctx.tts('x'); { var ctx = data.player } } }", []),
        ("async function main(data, ctx) { const f = () => { ctx.tts('x'); for (var ctx of data) ; } }", []),
        ("async function main(data, ctx) { const f = () => { ctx.tts('x'); if (data) { function ctx() {} } } }", []),
        ("const f = function ctx() { ctx.tts('x') }\nasync function main(data, ctx) {}", []),
        (
            "async function main(data, ctx) { { let ctx = data.player; class Call {} } ctx.tts('x') }",
            [f"1:75 `ctx.tts(...)` is not awaited{ON}"],
        ),
    ],
)
def test_whose_ctx_it_is(text: str, expected: list[str]) -> None:
    assert warnings(text) == expected


ASYNC = "async function find(n) { return { blocked: true } }\nconst also = async (n) => find(n);\n"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            "const r = find(1); if (r.blocked) f()",
            ["4:11 `find(...)` is not awaited: `r` is a promise, and what is asked of it is not there yet"],
        ),
        ("const r = find(1); if (r.blocked) f(); await r", []),
        ("const r = find(1); r.catch(() => 1); if (r.blocked) f()", []),
        ("if (find(1)) f()", [f"4:5 `find(...)` is not awaited{TRUE}"]),
        ("if (find(1).blocked) f()", [f"4:5 `find(...)` is not awaited{NOT_THERE}"]),
        ("const { blocked } = find(1)", [f"4:21 `find(...)` is not awaited{VALUE}"]),
        ("data.x = also(1) + 1", [f"4:10 `also(...)` is not awaited{VALUE}"]),
        ("find(1)", [f"4:1 `find(...)` is not awaited{ON}"]),
        ("[1].forEach((n) => find(n))", [f"4:20 `find(...)` is not awaited{FOR_EACH}"]),
        ("await find(1); void find(2); find(3).catch(() => 1); return also(1)", []),
        ("const all = [1].map((n) => find(n)); await Promise.all(all)", []),
        ("function find() { return 1 } find()", []),
        ("const find = () => 1; if (find()) f()", []),
    ],
)
def test_calls_of_the_scripts_own_async_functions(body: str, expected: list[str]) -> None:
    assert warnings(f"{ASYNC}async function main(data) {{\n{body}\n}}") == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("await ctx.anwser();", ["2:7 `ctx.anwser` is not there; did you mean `ctx.answer`?"]),
        ("await ctx.say('x');", ["2:7 `ctx.say` is not there"]),
        ("await ctx.gatherDigits();", ["2:7 `ctx.gatherDigits` is not there"]),
        # The older form of a web socket: main(_, ws).
        ("ctx.on('data', (data) => ctx.send(data)); ctx.close();", []),
        ("ctx.on('data', (data) => ctx.sned(data));", ["2:26 `ctx.sned` is not there"]),
        ("await ctx.answer(); ctx.on('hangup', f);", ["2:21 `ctx.on` is not there"]),
        ("ctx.greet = async () => 1;\nawait ctx.greet();", []),
        ("const call = ctx;\nawait call.hangUp();", ["3:7 `call.hangUp` is not there; did you mean `call.hangup`?"]),
        ("ctx.get('a'); ctx.header('b'); await ctx.log('c'); await ctx.waitForHangup();", []),
        ("[1].forEach((ctx) => ctx);", []),
        ("[1].forEach(async (one) => {\n  await null;\n});", [f"2:1 an async function is not awaited{FOR_EACH}"]),
        ("await Promise.all([1].map(async (one) => one));", []),
    ],
)
def test_what_a_ctx_does_not_have_and_an_async_function_for_each(body: str, expected: list[str]) -> None:
    assert in_main(body) == expected


def test_a_script_has_no_calls() -> None:
    assert check_script("function main(data, ctx) { ctx.tts('x') }", Kind.SCRIPT, "x.js") == ()


@pytest.mark.parametrize(
    "line",
    [
        "data.headers = find();",
        "data.headers = [{ key: 'A', value: find() }];",
        "data.routing.egress_routing[0].remove_headers = find();",
        "data.routing.egress_routing = find() || [];",
    ],
)
def test_a_promise_has_no_place_in_what_is_read_at_the_end(line: str) -> None:
    column = line.index("find") + 1
    declared = "async function find() {}\n"
    assert warnings(f"{declared}async function main(data) {{\n{line}\n}}") == [
        f"3:{column} `find(...)` is not awaited{VALUE}"
    ]
    assert not warnings(f"{declared}async function main(data) {{\n{line.replace('find', 'await find')}\n}}")


def test_a_thousand_warnings_are_cut_and_stay_warnings() -> None:
    problems = check_script("async function main(d, ctx) {\n" + "ctx.tts(1)\n" * 1000 + "}", Kind.APP, "x.js")
    assert len(problems) == 51
    assert {problem.severity for problem in problems} == {Severity.WARNING}


def test_deep_nesting_takes_no_time() -> None:
    began = time.process_time()
    check_script("async function main(d, ctx) {" + "[" * 20_000 + "ctx.tts()" + "]" * 20_000 + "}", Kind.APP, "x.js")
    check_script("async function main(d, ctx) {" + "f(" * 5_000 + "ctx.tts()" + ")" * 5_000 + "}", Kind.APP, "x.js")
    many = "async function main(d, ctx) {" + "{const a = ctx;" * 3_000 + "a.tts()" + "}" * 3_000 + "}"
    check_script(many, Kind.APP, "x.js")
    assert time.process_time() - began < 60


@pytest.mark.parametrize("declaration", ["x{0} = y{0}", "var x{0} = y{0}, require", "let x{0} = y{0}"])
def test_many_names_deep_in_blocks_take_no_time(declaration: str) -> None:
    names = "".join(f"{{{declaration.format(number)}}}" for number in range(10_000))
    began = time.process_time()
    check_script("async function main(d, ctx) {" + "{" * 60_000 + names + "}" * 60_000 + "}", Kind.APP, "x.js")
    assert check_script(
        "async function main(d, ctx) { ctx.tts();" + "{" * 60_000 + names + "}" * 60_000 + "}", Kind.APP, "x.js"
    )
    assert time.process_time() - began < 60


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=25))
def test_no_text_makes_it_fail(words: list[str]) -> None:
    check_script("async function main(d, ctx) { " + " ".join(words) + " }", Kind.APP, "x.js")
