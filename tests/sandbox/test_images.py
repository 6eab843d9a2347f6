"""Runs begin from their program's image and wait as images: what is in one, and to whom it is of use."""

import os
import random
from typing import Any

import pytest

from bench.suspended import INPUT, SCRIPT
from sandbox.engine import KINDS_KEPT, Context, LoadedProgram, Status
from sandbox.status import Tag
from sidecar import hosts
from tests.sandbox.random_programs import HOSTILE, answer, random_program
from tests.sandbox.support import ADAPTER, HOST_ADAPTER, Driven, packed, program, result, suspended, unpacked

ROOM = 100_000_000


def loaded(context: Context, text: str, **more: Any) -> LoadedProgram:
    made = context.load(program(text, context.suspends, adapter=HOST_ADAPTER if context.suspends else ADAPTER, **more))
    assert isinstance(made, LoadedProgram), made
    return made


def settled(context: Context, status: Status) -> Status:
    while status.tag is Tag.WAITING and context.run_jobs(64):
        status = context.poll(context.idle)
    return context.poll(True) if status.tag is Tag.WAITING else status


WAITS = "async function main(n) { const kept = [n]; kept.push(await ask('more')); return kept; }"


def waiting(context: Context, made: LoadedProgram, value: Any, owner: bytes = b"run") -> bytes:
    context.use(made)
    context.limit_time(5.0)
    assert settled(context, context.start(packed(value), "", 0.0)).tag is Tag.WAITING
    image = suspended(context, ROOM, owner)
    assert image is not None
    return image


def test_a_run_that_waits_is_some_kilobytes() -> None:
    context = Context(True)
    made = loaded(context, WAITS)
    assert made.size < 50_000
    assert len(waiting(context, made, 1)) < 20_000


def test_a_run_that_drives_a_call_and_waits_is_no_larger_for_what_the_engine_would_look_for_garbage_in() -> None:
    context = Context(True)
    made = context.load(program(SCRIPT, True, adapter=hosts.source("call")))
    assert isinstance(made, LoadedProgram), made
    context.limit_time(5.0)
    assert settled(context, context.start(INPUT, "", 0.0)).tag is Tag.WAITING
    image = suspended(context, ROOM, b"run")
    assert image is not None
    assert len(image) < 16_000, "17,100 where each run walks the whole heap at its first object"


def test_many_wait_in_one_engine() -> None:
    context = Context(True)
    programs = [loaded(context, f"const add = {n}; {WAITS.replace('[n]', '[n + add]')}", key=f"{n}") for n in range(5)]
    images = [(n, waiting(context, programs[n % 5], n)) for n in range(100)]
    random.Random(1).shuffle(images)  # noqa: S311
    for n, image in images:
        context.use(programs[n % 5])
        context.resume(image, b"run")
        status = settled(context, context.settle(1, True, packed("x"), 0.0))
        assert unpacked(status.payload) == [n + n % 5, "x"]


def test_what_is_called_once_a_run_was_taken_out_is_gone_before_the_next_one() -> None:
    context = Context(True)
    made = loaded(context, WAITS)
    waiting(context, made, 1)
    assert context.poll(True).tag is Tag.THREW  # nothing has begun, and none can from here on, in what it leaves
    waiting(context, made, 2)
    image = waiting(context, made, 3)
    with pytest.raises(ValueError, match="another's"):
        context.resume(image, b"other")
    context.fire(1e15)
    assert context.poll(True).tag is Tag.THREW
    assert waiting(context, made, 3) == image


def test_what_is_no_image_of_this_run_is_refused() -> None:
    context = Context(True)
    made = loaded(context, WAITS, key="a")
    other = loaded(context, WAITS + ";", key="b")
    image = waiting(context, made, 1)
    context.use(other)
    with pytest.raises(ValueError, match="of another program"):
        context.resume(image, b"run")
    for broken, owner in (
        (image, b"other"),
        (image[:-1], b"run"),
        (image + b"\0", b"run"),
        (b"", b"run"),
        (bytes(len(image)), b"run"),
        (waiting(context, other, 1), b"run"),
        *((image[:at] + bytes([image[at] ^ 1]) + image[at + 1 :], b"run") for at in range(0, len(image), 97)),
    ):
        context.use(made)
        with pytest.raises(ValueError, match="image"):
            context.resume(broken, owner)
    context.resume(image, b"run")
    assert settled(context, context.settle(1, True, packed(2), 0.0)).tag is Tag.RETURNED


def test_one_engines_program_is_not_anothers() -> None:
    first, second = Context(True), Context(True)
    made = loaded(first, WAITS)
    with pytest.raises(ValueError, match="of another engine"):
        second.use(made)
    assert isinstance(loaded(second, WAITS), LoadedProgram)


def test_one_engines_image_is_not_anothers() -> None:
    first, second = Context(True), Context(True)
    image = waiting(first, loaded(first, WAITS), 1)
    second.use(loaded(second, WAITS))
    with pytest.raises(ValueError, match="image"):
        second.resume(image, b"run")


def test_an_image_that_would_be_too_large_is_none() -> None:
    context = Context(True)
    made = loaded(context, "async function main(n) { globalThis.held = new Uint8Array(n).fill(1); await ask(); }")
    context.use(made)
    context.limit_time(5.0)
    assert settled(context, context.start(packed(2_000_000), "", 0.0)).tag is Tag.WAITING
    assert suspended(context, 1_000_000, b"run") is None
    assert len(waiting(context, made, 1_000)) < 1_000_000


def test_an_image_of_nothing_is_too_large_as_well() -> None:
    context = Context(True)
    waiting(context, loaded(context, WAITS), 1)
    image = suspended(context, ROOM, b"run")
    assert image is not None
    assert suspended(context, len(image), b"run") == image
    assert suspended(context, len(image) - 1, b"run") is None


def test_a_run_goes_on_in_another_process_of_the_same_parent() -> None:
    context = Context(True)
    made = loaded(context, WAITS)

    def in_child(work: Any) -> bytes:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(writing, work())
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            said = pipe.read()
        os.waitpid(child, 0)
        return said

    def goes_on() -> bytes:
        context.use(made)
        context.limit_time(5.0)
        context.resume(image, b"run")
        return settled(context, context.settle(1, True, packed(2), 0.0)).payload

    image = in_child(lambda: waiting(context, made, 1))
    assert unpacked(in_child(goes_on)) == [1, 2]


def test_modules_are_loaded_once_for_all_runs() -> None:
    kv = "(({ ask }) => { let loads = 0; loads++; return { loads: () => loads++ }; })"
    driven = Driven("const main = () => require('kv').loads()", True, modules={"kv": kv})
    assert [driven.run(), driven.run()] == [1, 1]


def test_programs_of_several_kinds_begin_from_what_is_theirs() -> None:
    context = Context(True)
    text = "const own = NUMBER; const main = () => [own, require('NAME').load()];"
    programs = []
    for number in range(3 * KINDS_KEPT):
        name = f"m{number}"
        module = f"(() => {{ let loads = {number}; return {{ load: () => ++loads }}; }})"
        written = text.replace("NUMBER", f"{number}").replace("NAME", name)
        programs.append((number, loaded(context, written, key=name, modules={name: module})))
    for _ in range(3):
        random.Random(5).shuffle(programs)  # noqa: S311
        for number, made in programs:
            context.use(made)
            context.limit_time(5.0)
            status = settled(context, context.start(packed(None), "", 0.0))
            assert unpacked(status.payload) == [number, number + 1]


# ---- clock and seed ----

GIVEN = """function main() {
  const seen = [Math.random(), Math.random(), Date.now(), +new Date(), Date()];
  for (let look = 0; look < 100_000; look++) Date.now();
  return [...seen, Date.now()];
}"""


def run_given(seed: int, clock: float) -> bytes:
    context = Context(False)
    context.use(loaded(context, GIVEN))
    context.limit_time(5.0)
    return context.start(packed(None), "", clock, seed=seed).payload


def test_the_same_seed_and_clock_give_the_same_run() -> None:
    assert run_given(7, 1e12) == run_given(7, 1e12)
    first, second = unpacked(run_given(7, 1e12)), unpacked(run_given(8, 1e12 + 5))
    assert first[:2] != second[:2]
    assert first[2:5] == [1e12, 1e12, "Sun Sep 09 2001 01:46:40 GMT+0000"]
    assert second[2] == 1e12 + 5
    assert 1e12 < first[5] < 1e12 + 100, "it advances while it is looked at"
    assert all(0 <= number < 1 for number in first[:2])


def test_a_run_that_waited_goes_on_with_its_random_numbers_and_a_later_clock() -> None:
    text = """async function main() {
      const first = [Math.random(), Date.now()];
      await new Promise((resolve) => setTimeout(resolve, 50));
      return [...first, Math.random(), Date.now()];
    }"""
    driven = Driven(text, True)
    one, before, other, after = driven.run()
    assert one != other
    assert after - before == 50


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("new Date(5).getTime()", 5),
        ("new Date(2020, 1, 2).getTime() === new Date(2020, 1, 2, 0).getTime()", True),
        ("new Date('2020-01-01').toISOString()", "2020-01-01T00:00:00.000Z"),
        ("[Date.name, Date.length, typeof Date(), Date(5) === Date()]", ["Date", 7, "string", True]),
        ("new Date().constructor === Date && new Date() instanceof Date", True),
        ("Object.getOwnPropertyNames(Date).sort().join()", "UTC,length,name,now,parse,prototype"),
        ("new (class extends Date { twice() { return 2 * this; } })(4).twice()", 8),
        ("Reflect.construct(Date, [7], Array) instanceof Array", True),
        ("[Date.UTC(1970, 0, 2), Date.parse('1970-01-01T00:00:01Z')]", [86_400_000, 1000]),
        ("Object.keys(globalThis).includes('Date')", False),
        ("String(Date).includes('native code')", True),
    ],
)
def test_date_is_the_languages(expression: str, value: Any) -> None:
    assert result(f"const main = () => {expression}") == value


# ---- interleaved ----


KINDS: list[dict[str, Any]] = [
    {},
    {"modules": {"kv": "(({ ask }) => { const held = []; return { hold: (value) => held.push(value) }; })"}},
    {"modules": {"log": "(() => ({ line: (text) => console.log(text) }))"}},
]


def test_each_of_many_runs_comes_out_as_it_does_alone() -> None:
    chance = random.Random(20)  # noqa: S311
    texts = [random_program(number) for number in range(30)]

    def steps(context: Context, status: Status, waits: bool) -> tuple[Status, Any]:
        status = settled(context, status)
        calls = unpacked(context.take_outbox()) if status.calls else []
        return status, (status.tag, status.payload, calls)

    def turn(context: Context, calls: list[Any], clock: float) -> Status:
        if calls:
            call_id, _, values = calls.pop(0)
            return context.settle(call_id, True, packed(answer(values)), clock)
        return context.fire(clock)

    def alone(number: int, value: int) -> list[Any]:
        context = Context(True)
        loaded(context, texts[number], **KINDS[number % len(KINDS)])
        context.limit_time(10.0)
        seen = []
        status, said = steps(context, context.start(packed(value), "", 0.0), False)
        seen.append(said)
        open_calls, clock = list(said[2]), 0.0
        while status.tag is Tag.WAITING:
            clock += 0 if open_calls else float(status.payload)
            status, said = steps(context, turn(context, open_calls, clock), False)
            open_calls += said[2]
            seen.append(said)
        return seen

    context = Context(True)
    programs = [
        loaded(context, text, key=f"{number}", **KINDS[number % len(KINDS)]) for number, text in enumerate(texts)
    ]
    hostile = [
        loaded(context, f"const main = () => {{ {text} }}", key=text, memory_bytes=4_000_000) for text in HOSTILE
    ]
    runs: list[dict[str, Any]] = [
        {"number": chance.randrange(30), "value": chance.randrange(1000), "seen": []} for _ in range(200)
    ]
    todo = list(runs)
    while todo:
        run = todo.pop(chance.randrange(len(todo)))
        context.use(programs[run["number"]])
        context.limit_time(10.0)
        if not run["seen"]:
            run["calls"], run["clock"] = [], 0.0
            status = context.start(packed(run["value"]), "", 0.0)
        else:
            context.resume(run["image"], b"run")
            run["clock"] += 0 if run["calls"] else run["due"]
            status = turn(context, run["calls"], run["clock"])
        status, said = steps(context, status, True)
        run["calls"] += said[2]
        run["seen"].append(said)
        if status.tag is Tag.WAITING:
            run["due"] = float(status.payload) if status.payload else 0.0
            run["image"] = suspended(context, ROOM, b"run")
            todo.append(run)
        if chance.random() < 0.1:
            context.use(chance.choice(hostile))
            context.limit_time(0.02)
            settled(context, context.start(packed(None), "", 0.0))
    known: dict[tuple[int, int], list[Any]] = {}
    for run in runs:
        key = run["number"], run["value"]
        if key not in known:
            known[key] = alone(*key)
        assert [(tag, calls) for tag, _, calls in run["seen"]] == [(tag, calls) for tag, _, calls in known[key]], key
        assert run["seen"][-1][1] == known[key][-1][1]
