"""A heap that becomes full in the middle of anything: the engine is left from there at once, and the next run is as if
it had not been."""

from typing import Any, Final

import pytest

from sandbox.engine import ROOM_BYTES, Context, LoadedProgram, Status
from sandbox.status import Tag
from tests.sandbox.support import HOST_ADAPTER, packed, program, suspended

STEP: Final = 251
"""Between one limit and the next: a prime, so that they end in blocks of every size. 48 were tried by hand."""
ENOUGH: Final = 8
"""Runs that come to their end one after the other: no limit ends one from there on."""

TEXTS: Final = {
    "getters and toJSON in what is asked, written to the log and returned": """async function main() {
      const list = [];
      for (let i = 0; i < 100; i++) {
        const toJSON = function () { return { i: this.i, g: this.g }; };
        list.push({ i, s: "x".repeat(i), get g() { return [i, { i }]; }, toJSON });
      }
      await ask("more", list);
      console.log(list);
      return list;
    }""",
    "proxies, halves of surrogate pairs, rejections": """async function main() {
      const known = new Map();
      for (let i = 0; i < 100; i++) known.set("k" + i, new Proxy([i], { get: (target, key) => target[key] }));
      console.log("\\u00e9\\ud800".repeat(200));
      const values = [...known.values()];
      Promise.reject(new Error("nobody"));
      await Promise.all([ask("a", values), Promise.resolve().then(() => { throw new Error("x"); }).catch(() => {})]);
      return values.map((one) => one[0]).sort((a, b) => b - a);
    }""",
    "expressions, large integers, dates, texts of a language": """async function main() {
      const found = "aab".repeat(100).replace(/(a+)+(b|c)*/g, (match) => match.toUpperCase());
      class Own extends Promise {}
      Own.resolve(1).then(() => { throw 1; });
      await ask("now");
      const text = String(2n ** 2000n);
      return { found, text, same: JSON.parse(JSON.stringify({ text })), day: new Date(), n: (1234.5).toLocaleString() };
    }""",
    "a stack that is full as well, and an error with a getter": """async function main() {
      const deeper = () => { try { return deeper(); } catch (error) { return error.stack; } };
      await ask("q", { bytes: Array.from(new Uint8Array(200)), stack: deeper() });
      throw Object.assign(new Error("bad"), { more: { get a() { return "y".repeat(5000); } } });
    }""",
}


def loaded(context: Context, text: str) -> LoadedProgram:
    made = context.load(program(text, context.suspends, adapter=HOST_ADAPTER))
    assert isinstance(made, LoadedProgram), made
    return made


def after_jobs(context: Context, status: Status) -> Status:
    while status.tag is Tag.WAITING:
        context.run_jobs(64)
        idle = context.idle
        status = context.poll(idle)
        if idle:
            break
    return status


def all_of(context: Context, made: LoadedProgram, text: str) -> list[Any]:
    """All that comes of a run, with its image each time that it waits."""
    context.use(made)
    context.limit_time(20.0)
    status = after_jobs(context, context.start(packed({"a": [1] * 50, "b": "x" * 500}), "c", 1e12))
    seen: list[Any] = []
    while True:
        seen += status, context.take_log(), context.take_outbox()
        if status.tag is not Tag.WAITING:
            return [*seen, *context.take_unheard()]
        image = suspended(context, ROOM_BYTES, b"run")
        assert image is not None
        if "Error" not in text:
            # The engine's own frames of an error's stack have padding, in which is what lay on the processor's stack.
            seen.append(image)
        context.resume(image, b"run")
        status = after_jobs(context, context.settle(1, True, packed([1, {"x": "y" * 100}]), 1e12))


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_wherever_memory_ends_the_next_run_is_as_it_was(text: str) -> None:
    context = Context(True)
    made = loaded(context, text)
    expected = all_of(context, made, text)
    assert not any(isinstance(one, Status) and one.tag is Tag.OUT_OF_MEMORY for one in expected)
    limit, full, ended = 0, 0, 0
    while ended < ENOUGH:
        limit += STEP
        seen = all_of(context, made._replace(memory_bytes=limit), text)
        if seen == expected:
            ended += 1
            continue
        full, ended = full + 1, 0
        last = [one for one in seen if isinstance(one, Status)][-1]
        assert (last.tag, last.payload) == (Tag.OUT_OF_MEMORY, b""), limit
        assert all_of(context, made, text) == expected, limit
    assert full > 10
    assert all_of(context, loaded(context, text), text) == expected
