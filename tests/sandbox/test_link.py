"""What one end of the link builds the other reads, over a real socket's bytes."""

from typing import Any

import pytest

from sandbox import link
from sandbox.link import CancelMessage, Down, ForgetMessage, LoadMessage, RunMessage, SettleMessage
from sandbox.program import Invocation, Limits, Program

PROGRAM = Program(
    key="a@1",
    name="a.js",
    suspends=True,
    text="function main() {}",
    adapter="({})",
    modules={"kv": "() => 1", "clock": "() => 2"},
    entries=("main", "search"),
    environment={"A": "b"},
    memory_bytes=5_000,
    shared_memory=False,
)
LIMITS = Limits(
    wall_seconds=1.5,
    turn_seconds=0.25,
    cpu_seconds=0.5,
    result_bytes=11,
    log_bytes=12,
    outbox_calls=13,
    outbox_bytes=14,
    jobs=15,
)


def arrived(message: list[Any]) -> list[Any]:
    unpacker = link.unpacker()
    unpacker.feed(link.packer().pack(message))
    (only,) = unpacker
    assert isinstance(only, list)
    return only


def test_a_program_arrives_whole() -> None:
    message = link.read_down(arrived(link.load(PROGRAM)))
    assert isinstance(message, LoadMessage)
    assert message.program == PROGRAM


def test_an_invocation_arrives_whole() -> None:
    invocation = Invocation(program=PROGRAM, entry="search", input=b"[1]", limits=LIMITS, correlation_id="c@d")
    assert link.read_down(arrived(link.run(7, invocation, 9.5))) == RunMessage(
        operation=Down.RUN,
        run_id=7,
        key="a@1",
        entry="search",
        input=b"[1]",
        correlation_id="c@d",
        deadline=9.5,
        cpu_seconds=0.5,
        turn_cpu_seconds=0.25,
        turn_wall_seconds=0.25,
        result_bytes=11,
        log_bytes=12,
        outbox_calls=13,
        outbox_bytes=14,
        jobs=15,
    )


def test_a_turn_without_limits_of_its_own_has_those_of_the_run() -> None:
    invocation = Invocation(program=PROGRAM, input=b"1", limits=Limits(wall_seconds=1.5, cpu_seconds=0.5))
    message = link.read_down(arrived(link.run(7, invocation, 9.5)))
    assert isinstance(message, RunMessage)
    assert (message.cpu_seconds, message.turn_cpu_seconds, message.turn_wall_seconds) == (0.5, 0.5, 1.5)


def test_the_others() -> None:
    settled = link.read_down(arrived(link.settle(7, 3, False, b'"\xc3\xa9\xff"')))
    assert settled == SettleMessage(Down.SETTLE, run_id=7, call_id=3, succeeded=False, value='"é�"')
    assert link.read_down(arrived(link.cancel(7))) == CancelMessage(Down.CANCEL, run_id=7)
    assert link.read_down(arrived(link.forget("a@1"))) == ForgetMessage(Down.FORGET, key="a@1")
    assert {operation.value for operation in Down} == set(link._DOWN)


@pytest.mark.parametrize(
    "message",
    [
        link.ready(True, ""),
        link.done(7, "R", b"1", None, 60),
        link.done(7, "R", b"1", "[]", 60),
        link.calls(7, "[]", None),
        link.calls(7, "[]", "[]"),
        link.spent(),
        link.let_go(7),
        link.failed("words"),
    ],
)
def test_what_a_worker_says_is_sound(message: list[Any]) -> None:
    assert link.is_sound(arrived(message))
    assert not link.is_sound([*arrived(message), 1])
    assert not link.is_sound(arrived(message)[1:])
