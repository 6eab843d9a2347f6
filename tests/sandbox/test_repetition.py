"""A run that was recorded goes the same way again, in any worker; where it does not, that is said."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from msgspec import structs

from sandbox import recording
from sandbox.host import HostCall
from sandbox.outcome import Cancelled, Completion, Outcome, Returned, Threw, TimedOut, TimeLimit
from sandbox.pool import Pool
from sandbox.program import Invocation, Limits, Program
from sandbox.recording import RANDOM_KEY_BYTES, Recording, Turn, Unrecorded
from sandbox.repetition import Divergence, divergence, repeating
from tests.sandbox.support import HOST_ADAPTER, Asked, packed, program, running_pool, submit, unpacked

CLOCK = 1_761_379_200_000.25

LOOKS = """
const look = () => [Math.random(), Date.now(), String(new Date())];
"""
WAITS = (
    LOOKS
    + """
async function main(n) {
  const seen = [look()];
  console.log("begun", n, Date.now());
  const soon = new Promise((resolve) => setTimeout(() => resolve(look()), 20));
  const answers = [ask("a", Math.random()), ask("b", n)];
  seen.push(await Promise.race([...answers, soon]));
  seen.push(await Promise.all([...answers, soon]), look());
  try { await ask("c", Date.now()); } catch (error) { seen.push([error.name, error.message, look()]); }
  console.log("over", look());
  return seen;
}"""
)


def app(text: str, **more: Any) -> Program:
    return program(text, True, adapter=HOST_ADAPTER, **more)


def invocation(made: Program, data: Any = None, **more: Any) -> Invocation:
    return Invocation(program=made, input=packed(data), limits=Limits(**more), recorded=True)


async def run(pool: Pool, asked: Invocation, host: Asked | None = None) -> Completion:
    async with asyncio.timeout(20):
        return await submit(pool, asked, host=host)[1]


def recorded(completion: Completion) -> Recording:
    assert isinstance(completion.recording, Recording), completion
    return completion.recording


def answered(call: HostCall) -> None:
    if call.arguments[0] == "c":
        call.reject("no such thing", "RangeError")
    else:
        call.resolve({"to": call.arguments})


def slowly(call: HostCall) -> None:
    asyncio.get_running_loop().call_later(0.03 if call.arguments[0] == "b" else 0.005, answered, call)


@pytest.mark.parametrize("answer", [answered, slowly])
async def test_a_run_that_waited_goes_the_same_way_again_in_another_worker(
    pool: Pool, answer: Callable[[HostCall], None]
) -> None:
    asked = invocation(app(WAITS), 7)
    before = await run(pool, asked, Asked(answer))
    assert isinstance(before.outcome, Returned)
    assert len(recorded(before).turns) == 5
    silent = Asked()
    async with running_pool() as other:
        for where in (other, pool, other):
            after = await run(where, repeating(asked, recorded(before)), silent)
            assert after.outcome == before.outcome
            assert after.log == before.log
            assert after.recording == before.recording
            assert divergence(before, after) is None
    assert silent.calls == []


async def test_a_recording_says_what_woke_each_turn_and_when(pool: Pool) -> None:
    asked = structs.replace(invocation(app(WAITS), 7), seed=5, clock=CLOCK)
    kept = recorded(await run(pool, asked, Asked(slowly)))
    assert kept.seed == 5
    assert kept.turns[0].clock == CLOCK
    assert [turn.call_id for turn in kept.turns] == [0, 1, 0, 2, 3]
    clocks = [turn.clock for turn in kept.turns]
    assert clocks == sorted(clocks)
    assert [turn.succeeded for turn in kept.turns] == [True, True, True, True, False]
    assert unpacked(kept.turns[1].answer)["to"][0] == "a"
    assert [call[1:] for call in unpacked(kept.turns[0].asked)][1] == ["ask", ["b", 7]]
    assert unpacked(kept.turns[3].asked)[0][0] == 3


async def test_a_recording_is_messagepack_there_and_back(pool: Pool) -> None:
    kept = recorded(await run(pool, invocation(app(WAITS), 7), Asked(answered)))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(kept), type=Recording) == kept
    for wrong in ({"version": 2}, {"turns": ()}):
        other = msgspec.msgpack.encode({**structs.asdict(kept), **wrong})
        with pytest.raises(msgspec.ValidationError):
            msgspec.msgpack.decode(other, type=Recording)


@pytest.mark.parametrize("data", [1, "x", None])
async def test_a_run_that_does_not_wait_needs_seed_and_clock_alone(pool: Pool, data: Any) -> None:
    asked = invocation(program(LOOKS + "const main = (x) => [x, look(), look()]"), data)
    before = await run(pool, asked)
    turn, *others = recorded(before).turns
    assert not others
    assert turn == Turn(clock=turn.clock)
    for _ in range(3):
        after = await run(pool, repeating(asked, recorded(before)))
        assert (after.outcome, after.recording) == (before.outcome, before.recording)
    drawn = await run(pool, asked)
    assert recorded(drawn).seed != recorded(before).seed


DRAWS = """
const draw = () => [Math.random(), crypto.randomUUID(), ...crypto.getRandomValues(new Uint8Array(4))];
async function main() {
  const seen = [draw()];
  await new Promise((resolve) => setTimeout(resolve, 20));
  return [...seen, draw()];
}"""


async def test_random_bytes_are_drawn_again_under_another_parent_and_are_foretold_by_nobody(pool: Pool) -> None:
    asked = structs.replace(invocation(app(DRAWS)), seed=7, clock=CLOCK)
    before = await run(pool, asked)
    # The seed and the clock, which are all that Math.random and Date come from, do not give them.
    other = await run(pool, asked)
    assert isinstance(before.outcome, Returned)
    assert isinstance(other.outcome, Returned)
    drawn, others = unpacked(before.outcome.value), unpacked(other.outcome.value)
    assert [one[0] for one in drawn] == [one[0] for one in others]
    assert not {one[1] for one in drawn} & {one[1] for one in others}
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(recorded(before)), type=Recording)
    assert len(kept.random_key) == RANDOM_KEY_BYTES
    async with running_pool() as elsewhere:
        after = await run(elsewhere, repeating(asked, kept))
    assert after.outcome == before.outcome
    assert divergence(before, after) is None
    # One of before there were keys is repeated as it always was.
    async with running_pool() as elsewhere:
        assert isinstance(
            (await run(elsewhere, repeating(asked, structs.replace(kept, random_key=b"")))).outcome, Returned
        )


async def test_who_does_not_ask_has_no_recording(pool: Pool) -> None:
    asked = structs.replace(invocation(app(WAITS), 7), recorded=False)
    assert (await run(pool, asked, Asked(answered))).recording is None


async def test_what_a_script_never_awaited_is_asked_again(pool: Pool) -> None:
    asked = invocation(app("async function main() { ask('last'); return 1; }"))
    before = await run(pool, asked, Asked())
    assert unpacked(recorded(before).turns[0].asked) == [[1, "ask", ["last"]]]
    after = await run(pool, repeating(asked, recorded(before)))
    assert divergence(before, after) is None


async def test_a_run_that_was_cut_off_comes_to_where_it_waited(pool: Pool) -> None:
    asked = invocation(app("async function main() { console.log(await ask(1)); await ask(2); }"), wall_seconds=0.2)
    before = await run(pool, asked, Asked(lambda call: call.resolve(1) if call.arguments == [1] else None))
    assert before.outcome == TimedOut(TimeLimit.WALL)
    after = await run(pool, repeating(asked, recorded(before)))
    assert after.outcome == Cancelled()
    assert after.log == before.log != ()
    assert divergence(before, after) is None


async def test_a_turn_that_its_worker_did_not_outlive_is_recorded_with_what_it_began_with(pool: Pool) -> None:
    text = "async function main() { await ask(1); new Array(2**32-1).sort(); }"
    limits = {"wall_seconds": 0.2, "turn_seconds": 0.2}
    before = await run(pool, invocation(app(text), **limits), Asked(lambda call: call.resolve("this")))
    assert before.outcome == TimedOut(TimeLimit.WALL)
    begun, cut = recorded(before).turns
    assert unpacked(begun.asked) == [[1, "ask", [1]]]
    assert (cut.call_id, unpacked(cut.answer)) == (1, "this")


async def test_a_run_that_began_anew_is_recorded_from_there(pool: Pool) -> None:
    made = app(
        "async function main() { const at = Date.now(); await new Promise((r) => setTimeout(r, 100)); return 1; }"
    )
    asked = invocation(made, wall_seconds=5.0)
    going, future = submit(pool, asked, host=Asked())
    async with asyncio.timeout(10):
        while going.recorder is None or not going.recorder.turns:  # noqa: ASYNC110 - told by the worker
            await asyncio.sleep(0.002)
        assert going.worker is not None
        going.worker.process.kill()
        before = await future
    assert before.outcome == Returned(packed(1))
    assert [turn.call_id for turn in recorded(before).turns] == [0, 0]
    assert divergence(before, await run(pool, repeating(asked, recorded(before)))) is None


# ---- where it is not the same ----


async def diverges(pool: Pool, text: str, other: str, data: Any = 1) -> tuple[Divergence | None, Outcome]:
    asked = invocation(app(text), data)
    before = await run(pool, asked, Asked(answered))
    after = await run(pool, repeating(structs.replace(asked, program=app(other)), recorded(before)))
    return divergence(before, after), after.outcome


async def test_another_question_is_told_with_its_turn_and_is_not_answered(pool: Pool) -> None:
    text = "async function main() { await ask('a', 1); console.log(await ask('b', [2])); return 3; }"
    found, outcome = await diverges(pool, text, text.replace("[2]", "[5]"))
    assert found == Divergence('it asked ask("b",[5]), and had asked ask("b",[2])', 2)
    assert outcome == Cancelled()


async def test_a_question_too_few_is_told(pool: Pool) -> None:
    text = "async function main() { await ask('a', 1); await ask('b'); return 3; }"
    found, outcome = await diverges(pool, text, text.replace("await ask('b')", "0"))
    assert found == Divergence('it asked nothing, and had asked ask("b")', 2)
    assert outcome == Returned(packed(3))


async def test_another_line_of_the_console_is_told(pool: Pool) -> None:
    text = "async function main() { console.log('one'); await ask('a'); console.log('two'); return 3; }"
    found, _ = await diverges(pool, text, text.replace("two", "2"))
    assert found == Divergence("line 2 of its console is 2, and was two")
    found, _ = await diverges(pool, text, text.replace("console.log('two')", ""))
    assert found == Divergence("its console has 1 lines, and had 2")


async def test_another_end_is_told(pool: Pool) -> None:
    text = "async function main() { await ask('a'); return 3; }"
    found, outcome = await diverges(pool, text, text.replace("return 3", "throw new Error('no')"))
    assert isinstance(outcome, Threw)
    assert found == Divergence("it has ended in author.js:1:51: Error: no, and had come to its end", 2)
    found, _ = await diverges(pool, text, text.replace("return 3", "await new Promise((r) => setTimeout(r, 5))"))
    assert found == Divergence("it waits, and had come to its end", 2)
    found, _ = await diverges(pool, text, text.replace("return 3", "return 4"))
    assert found == Divergence("its result is another")


async def test_a_recording_is_bounded_and_says_so(pool: Pool) -> None:
    text = "async function main(n) { for (let i = 0; i < n; i++) await ask('x'.repeat(100_000)); return 1; }"
    completion = await run(pool, invocation(app(text), 9), Asked(lambda call: call.resolve(None)))
    assert isinstance(completion.recording, Recording)
    completion = await run(pool, invocation(app(text), 11), Asked(lambda call: call.resolve(None)))
    assert completion.outcome == Returned(packed(1))
    assert completion.recording == Unrecorded(
        reason=f"what it was given and asked has more than {recording.RECORDING_BYTES} bytes"
    )


async def test_turns_without_end_are_bounded_too(pool: Pool) -> None:
    text = "async function main(n) { for (let i = 0; i < n; i++) await ask(); return n; }"
    completion = await run(pool, invocation(app(text), 6000, wall_seconds=20.0), Asked(lambda call: call.resolve(None)))
    assert completion.outcome == Returned(packed(6000))
    assert isinstance(completion.recording, Unrecorded)


async def test_a_repetition_whose_worker_dies_begins_again(pool: Pool) -> None:
    asked = invocation(app(WAITS), 7)
    before = await run(pool, asked, Asked(answered))
    again = repeating(asked, recorded(before))
    going, future = submit(pool, again)
    async with asyncio.timeout(10):
        while going.recorder is None or len(going.recorder.turns) < 2:
            if future.done():
                break
            await asyncio.sleep(0)
        if going.worker is not None and not future.done():
            going.worker.process.kill()
        assert divergence(before, await future) is None


def test_a_turn_that_is_lost_begins_with_the_same_answer_again() -> None:
    kept = recording.Recorder(1, 2.0, bytes(32))
    kept.turn_asked(b"\x91")
    kept.turn_ended()
    kept.answered(1, False, b"\xc0")
    kept.turn_begun(3.0, 1)
    kept.turn_begun(4.0, 1)
    kept.turn_ended()
    kept.turn_begun(5.0, 1)
    made = kept.recording()
    assert isinstance(made, Recording)
    assert made.turns == (
        Turn(clock=2.0, asked=b"\x91"),
        Turn(clock=4.0, call_id=1, succeeded=False, answer=b"\xc0"),
        Turn(clock=5.0, call_id=1),
    )
