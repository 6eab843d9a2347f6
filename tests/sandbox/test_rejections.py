"""Promises that were rejected and that nobody waited for."""

import json
from typing import Any

import pytest

from sandbox.engine import Context
from sandbox.program import Program
from sandbox.status import Tag
from tests.sandbox.support import packed

UNHEARD = 16
"""As native/engine/engine.h has it."""
ADAPTER = "({prepare: (x) => x, collect: (x, y) => y ?? 0, caught: () => undefined, tellsRejection: () => true})"


def context_of(text: str, adapter: str = ADAPTER) -> Context:
    context = Context(suspends=True)
    context.load(Program(key="1", name="a.js", suspends=True, text=text, adapter=adapter))
    context.limit_time(5.0)
    return context


def run(context: Context, data: Any = None) -> list[dict[str, Any]]:
    """The errors of the rejections that nobody heard."""
    status = context.start(packed(data), "", 0.0)
    while context.run_jobs(64):
        pass
    status = context.poll(True)
    assert status.tag is Tag.RETURNED, status
    return [json.loads(error) for error in context.take_unheard()]


@pytest.mark.parametrize(
    ("body", "messages"),
    [
        ("Promise.reject(new Error('a'))", ["a"]),
        ("(async () => { throw new Error('b') })()", ["b"]),
        ("Promise.resolve(1).then(() => { throw new Error('c') })", ["c"]),
        ("Promise.reject(1).catch(() => 1)", []),
        ("const p = Promise.reject(1); await null; p.catch(() => 1)", []),
        ("try { await Promise.reject(new Error('d')) } catch {}", []),
        ("Promise.reject(new Error('\\ud800'))", ["\ud800"]),
        ("Promise.reject({ get message() { throw 1 }, toJSON() { throw 2 } })", ["[a value that cannot be shown]"]),
        ("Promise.reject(new Error('e')); Promise.reject(new Error('f'))", ["e", "f"]),
    ],
)
def test_a_rejection_that_nobody_heard_is_told(body: str, messages: list[str]) -> None:
    context = context_of(f"async function main() {{ {body}; await null; }}")
    assert [error["message"] for error in run(context)] == messages


def test_the_next_run_does_not_hear_of_it() -> None:
    context = context_of("async function main(rejects) { if (rejects) Promise.reject(1); await null; }")
    assert len(run(context, True)) == 1
    assert run(context, False) == []


def test_a_thousand_are_cut() -> None:
    context = context_of("async function main() { for (let i = 0; i < 1000; i++) Promise.reject(i); await null; }")
    assert len(run(context)) == UNHEARD
    assert not context.unheard


def test_places_are_used_again() -> None:
    text = (
        "const f = () => 1;"
        "async function main() { for (let i = 0; i < 1000; i++) Promise.reject(i).catch(f); Promise.reject(7); }"
    )
    assert [error["message"] for error in run(context_of(text))] == ["7"]


def test_an_adapter_that_does_not_want_it_is_told_nothing() -> None:
    quiet = "({prepare: (x) => x, collect: (x, y) => y ?? 0, caught: () => undefined})"
    assert run(context_of("async function main() { Promise.reject(1); await null; }", quiet)) == []


def test_hostile_text_finds_no_way_to_the_list() -> None:
    text = (
        "Object.defineProperty(Array.prototype, '0', { set() { throw 1 }, get() { throw 2 }, configurable: true });"
        "Object.defineProperty(globalThis, 'handedOver', { set() { throw 3 } });"
        "async function main() { Promise.reject(new Error('x')); await null; }"
    )
    assert [error["message"] for error in run(context_of(text))] == ["x"]


def test_a_full_heap_ends_the_run() -> None:
    text = (
        "async function main() { const a = []; try { for (;;) a.push(new Array(1000).fill(1)); } catch {"
        " for (let i = 0; i < 100; i++) { try { Promise.reject(i) } catch {} } } a.length = 0; await null; }"
    )
    program = Program(key="1", name="a.js", suspends=True, text=text, adapter=ADAPTER, memory_bytes=4_000_000)
    context = Context(suspends=True)
    context.load(program)
    context.limit_time(5.0)
    status = context.start(packed({}), "", 0.0)
    assert status.tag is Tag.OUT_OF_MEMORY
    assert context.run_jobs(64) == 0
