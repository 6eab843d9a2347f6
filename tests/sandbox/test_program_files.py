"""Programs of several files in workers: they cross the link, wait, and name the file in which they fail."""

import pytest

from sandbox.outcome import Interruption, Location, OutOfMemory, Returned, Stage, Threw
from sandbox.program import Form, Program, SourceFile
from sandbox.stack import author_frames, shown_name
from tests.sandbox.support import HOST_ADAPTER, Asked, Driven, ask, program, running_pool, submit, unpacked, value

LIB = SourceFile(
    text=(
        "import { n } from './main'\nexport const ready = await new Promise((go) => setTimeout(go, 5, 'ready'))\n"
        "export const fail = () => { n.of.nothing }\nexport function loop() { for (;;) n.toFixed() }"
    ),
    form=Form.MODULE,
    links={"./main": ""},
)
OLD = SourceFile(
    text="exports.x = require('./d').y", form=Form.COMMON, links={"./d": "d.json"}, exports=("default", "x")
)
DATA = SourceFile(text='{"y": 5}', form=Form.DATA)
TEXT = """import { ready, fail, loop } from './lib'
import { x } from './old'
import { get } from 'kv'
export const n = 1
export const main = async (what) => what === "fail" ? fail() : what === "loop" ? loop() : [ready, x, await get(what)]
export const other = () => "other"
"""


def several() -> Program:
    return program(
        TEXT,
        True,
        adapter=HOST_ADAPTER,
        form=Form.MODULE,
        links={"./lib": "lib/b (1).js", "./old": "old.js"},
        files={"lib/b (1).js": LIB, "old.js": OLD, "d.json": DATA},
        entries=("main", "other"),
        modules={"kv": "({ ask }) => ({ get: (key) => ask('get', key) })"},
    )


async def test_they_run_in_a_worker_and_wait_at_their_top_and_in_main() -> None:
    async with running_pool() as pool:
        host = Asked(lambda call: call.resolve({"a": 1}))
        completion = await submit(pool, several(), "key", host=host)[1]
        assert isinstance(completion.outcome, Returned), completion.outcome
        assert unpacked(completion.outcome.value) == ["ready", 5, {"a": 1}]
        assert [call.arguments for call in host.calls] == [["key"]]


async def test_an_error_in_another_file_names_it() -> None:
    async with running_pool() as pool:
        outcome = (await ask(pool, several(), "fail")).outcome
        assert isinstance(outcome, Threw)
        assert outcome.location == Location(3, 29, "lib/b (1).js")
        assert outcome.stack[0] == "fail (lib/b (1).js:3:29)"
        assert outcome.stack[1].startswith("main (author.js:5:")
        assert str(outcome).startswith("lib/b (1).js:3:29: TypeError")


async def test_a_run_that_is_interrupted_in_another_file_names_it() -> None:
    async with running_pool() as pool:
        completion = await ask(pool, several(), "loop", wall_seconds=3, cpu_seconds=0.2)
        found = completion.interruption
        assert isinstance(found, Interruption)
        assert (found.stage, found.function) == (Stage.RUNNING, "loop")
        assert found.location is not None
        assert (found.location.file, found.location.line) == ("lib/b (1).js", 4)


async def test_runs_of_one_program_see_nothing_of_each_other() -> None:
    text = "export let n = 0\nexport const main = () => [++n, globalThis.seen ?? null, (globalThis.seen = 1)]"
    async with running_pool() as pool:
        one = program(text, True, form=Form.MODULE)
        assert [await value(pool, one) for _ in range(3)] == [[1, None, 1]] * 3


async def test_what_the_host_does_not_have_is_said_when_it_is_imported() -> None:
    async with running_pool() as pool:
        outcome = (
            await ask(pool, program("import { a } from 'none'\nexport const main = () => a", True, form=Form.MODULE))
        ).outcome
        assert isinstance(outcome, Threw)
        assert outcome.message == "import 'none': there is no such module"
        text = "import { b } from 'kv'\nexport const main = () => b"
        outcome = (await ask(pool, program(text, True, form=Form.MODULE, modules={"kv": "() => ({ a: 1 })"}))).outcome
        assert isinstance(outcome, Threw)
        assert outcome.message == "Could not find export 'b' in module 'kv'"


def test_a_program_that_does_not_wait_is_one_file() -> None:
    with pytest.raises(ValueError, match="has no modules"):
        program("", False, form=Form.MODULE)
    with pytest.raises(ValueError, match="has no modules"):
        program("", False, files={"a.js": DATA})


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("    at f (a.js:1:2)", [("f", Location(1, 2))]),
        ("    at a.js:1:2", [("<anonymous>", Location(1, 2))]),
        ("    at <anonymous> (x/b (c).js:3:4)", [("<anonymous>", Location(3, 4, "x/b (c).js"))]),
        ("    at a (a.js:9:9) (a.js:1:2)", [("a (a.js:9:9)", Location(1, 2))]),
        ("    at f (native)", []),
        ("    at f (<null>:0:1)", []),
        ("    at f (a.js:0:1)", []),
        ("    at f (a.js:-1:1)", []),
        ("    at f (b.js:1:1)", []),
        ("    at f (<input>:1:1)", []),
        ("a.js:1:1", []),
    ],
)
def test_places_of_a_stack_are_those_of_the_programs_files(line: str, expected: list[object]) -> None:
    assert author_frames(line, "a.js", ["x/b (c).js"]) == expected


def test_a_name_that_no_stack_can_have_is_another_there() -> None:
    assert shown_name("a\nb\ud800.js") == "a?b?.js"
    assert shown_name("a.js", ["a.js", "a.js*"]) == "a.js**"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("for (;;) x.toFixed()", "T0"),
        ("const a = []; for (;;) a.push(new Array(1000).fill(0))", "M0"),
        ("const f = () => f(); f()", "E0"),
        ("throw { toString() { throw 1 } }", "E0"),
        ("await new Promise((go) => setTimeout(go, 1)); for (;;) x.toFixed()", "T0"),
        ("Object.prototype.then = (go) => go(5); export const y = 1", "R0"),
        (
            "Promise.prototype.then = () => {}; Object.prototype.form = 'data'; Array.prototype[Symbol.iterator] = 1",
            "R0",
        ),
        ("exit(5)", "R0"),
        ("err([404, 'x'])", "R0"),
    ],
)
def test_what_another_file_does_at_its_top_ends_its_run_and_no_other(text: str, status: str) -> None:
    one = Driven(
        "import './b'\nexport const x = 1\nexport const main = () => 1",
        True,
        form=Form.MODULE,
        links={"./b": "b.js"},
        files={"b.js": SourceFile(text=f"let x = 1; {text}", form=Form.MODULE)},
        memory_bytes=10_000_000,
    )
    for _ in range(2):
        found = one.start(cpu=0.2)
        while found.startswith("W0") and len(found) > 2:
            found = one.fire(1000)
        assert found.startswith(status), found


async def test_a_worker_goes_on_after_a_program_whose_file_ended_it() -> None:
    async with running_pool() as pool:
        greedy = program(
            "import './b'\nexport const main = () => 1",
            True,
            form=Form.MODULE,
            links={"./b": "b.js"},
            files={"b.js": SourceFile(text="const a = []; for (;;) a.push(new Array(1000).fill(0))", form=Form.MODULE)},
            memory_bytes=10_000_000,
        )
        assert isinstance((await ask(pool, greedy)).outcome, OutOfMemory)
        completion = await submit(pool, several(), "key", host=Asked(lambda call: call.resolve(1)))[1]
        assert isinstance(completion.outcome, Returned)
