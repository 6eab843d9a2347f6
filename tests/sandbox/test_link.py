"""What one end of the link builds the other reads, over a real socket's bytes."""

from typing import Any

import msgpack
import pytest
from msgspec import structs

from sandbox import link, messages_down, messages_up
from sandbox.messages_down import (
    CancelMessage,
    Down,
    ForgetMessage,
    LoadMessage,
    Pace,
    RunMessage,
    SettleMessage,
)
from sandbox.messages_up import (
    CallsMessage,
    DoneMessage,
    FailedMessage,
    LetGoMessage,
    MessageUp,
    ReadyMessage,
    SpentMessage,
    TurnMessage,
    Up,
)
from sandbox.program import Form, Invocation, Limits, Program, SourceFile
from sandbox.recording import Recording, Turn
from tests.sandbox.support import packed

PROGRAM = Program(
    key="a@1",
    name="a.js",
    suspends=True,
    text="import './b.js'; export const main = () => 1",
    form=Form.MODULE,
    links={"./b.js": "b.js"},
    exports=("main",),
    files={"b.js": SourceFile(text="{}", form=Form.DATA, links={"./a": ""}, exports=("default", "c"))},
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
    unpacker = messages_down.unpacker_down()
    unpacker.feed(link.pack(message))
    (only,) = unpacker
    assert isinstance(only, list)
    return only


def test_a_program_arrives_whole() -> None:
    message = messages_down.read_down(arrived(messages_down.load(PROGRAM)))
    assert isinstance(message, LoadMessage)
    assert message.program == PROGRAM


def test_half_of_a_surrogate_pair_costs_no_program() -> None:
    message = messages_down.read_down(arrived(messages_down.load(structs.replace(PROGRAM, text="'\ud83d'"))))
    assert isinstance(message, LoadMessage)
    assert message.program == structs.replace(PROGRAM, text="'?'")


def test_an_invocation_arrives_whole() -> None:
    invocation = Invocation(
        program=PROGRAM,
        entry="search",
        input=packed([1]),
        limits=LIMITS,
        customer="acme",
        correlation_id="c@d",
        random_key=b"k" * 32,
    )
    assert messages_down.read_down(arrived(messages_down.run(7, invocation, 9.5, 16, 17.5))) == RunMessage(
        operation=Down.RUN,
        run_id=7,
        key="a@1",
        customer="acme",
        entry="search",
        input=packed([1]),
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
        seed=16,
        clock=17.5,
        random_key=b"k" * 32,
        pace=Pace.OWN,
    )


def test_whose_turns_are_told_and_whose_are_given_arrives() -> None:
    invocation = Invocation(program=PROGRAM, input=packed(1), limits=LIMITS)
    repeats = Recording(seed=1, turns=(Turn(clock=2.5),))
    paces = {}
    for name, asked in (
        ("usual", invocation),
        ("recorded", structs.replace(invocation, recorded=True)),
        ("repetition", structs.replace(invocation, repeats=repeats)),
        ("of its host's time", structs.replace(invocation, clock_given=True)),
    ):
        message = messages_down.read_down(arrived(messages_down.run(7, asked, 9.5, 16, 17.5)))
        assert isinstance(message, RunMessage)
        paces[name] = message.pace
    assert paces == {
        "usual": Pace.OWN,
        "recorded": Pace.TOLD,
        "repetition": Pace.GIVEN,
        "of its host's time": Pace.GIVEN,
    }


def test_a_turn_without_limits_of_its_own_has_those_of_the_run() -> None:
    invocation = Invocation(program=PROGRAM, input=packed(1), limits=Limits(wall_seconds=1.5, cpu_seconds=0.5))
    message = messages_down.read_down(arrived(messages_down.run(7, invocation, 9.5, 16, 17.5)))
    assert isinstance(message, RunMessage)
    assert (message.cpu_seconds, message.turn_cpu_seconds, message.turn_wall_seconds) == (0.5, 0.5, 1.5)


def test_the_others() -> None:
    for clock in (None, 17.5):
        settled = messages_down.read_down(arrived(messages_down.settle(7, 3, False, b"\xa2\xc3\xa9", clock)))
        assert settled == SettleMessage(Down.SETTLE, 7, call_id=3, succeeded=False, value=b"\xa2\xc3\xa9", clock=clock)
    assert messages_down.read_down(arrived(messages_down.cancel(7))) == CancelMessage(Down.CANCEL, run_id=7)
    assert messages_down.read_down(arrived(messages_down.forget("a@1"))) == ForgetMessage(Down.FORGET, key="a@1")
    assert {operation.value for operation in Down} == set(messages_down._DOWN)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (messages_up.ready(True, "why"), ReadyMessage(Up.READY, confined=True, refused="why")),
        (
            messages_up.done(7, "R", b"1", None, None, 60, 9),
            DoneMessage(Up.DONE, 7, "R", b"1", log=None, calls=None, micros=60, busy_micros=9),
        ),
        (
            messages_up.done(7, "R", b"1", b"\x90", b"\x91\x01", 60, 9),
            DoneMessage(Up.DONE, 7, "R", b"1", log=b"\x90", calls=b"\x91\x01", micros=60, busy_micros=9),
        ),
        *(
            (list(waits), waits)
            for waits in (
                CallsMessage(Up.CALLS, 7, b"\x91\x01", None, 4, b"state"),
                CallsMessage(Up.CALLS, 7, b"\x91\x01", b"\x90", 0, b""),
            )
        ),
        (messages_up.spent(), SpentMessage(Up.SPENT)),
        (messages_up.let_go(7), LetGoMessage(Up.LET_GO, 7)),
        (messages_up.failed("words"), FailedMessage(Up.FAILED, "words")),
        (messages_up.turn(7, 17.5, 3), TurnMessage(Up.TURN, 7, clock=17.5, call_id=3)),
    ],
)
def test_what_a_worker_says_arrives_whole_or_not_at_all(message: list[Any], expected: MessageUp) -> None:
    unpacker = messages_up.unpacker_up()
    unpacker.feed(link.pack(message))
    assert list(unpacker) == [expected]
    assert messages_up.read_up([*arrived(message), 1]) is None
    assert messages_up.read_up(arrived(message)[1:]) is None
    assert messages_up.read_up([arrived(message)[0], *([object()] * (len(message) - 1 or 1))]) is None


@pytest.mark.parametrize(
    "said",
    [
        b"\xdd\x0f\xff\xff\xff",
        b"\x92\x05\x92\x05\x01",
        b"\x99",
        b"\x90",
        b"\x81\x90\x01",
        b"\x81\x01\x01",
        b"\x92\x05\xd6\xff\0\0\0\0",
        b"\xc7\x01\x05a",
        b"\x91" * 2000,
        b"\xc1",
        b"\xa1\xff",
    ],
)
def test_what_no_worker_says_is_refused_as_soon_as_it_is_known(said: bytes) -> None:
    unpacker = messages_up.unpacker_up()
    unpacker.feed(link.pack(messages_up.spent()) + said)
    assert next(unpacker) == SpentMessage(Up.SPENT)
    with pytest.raises((ValueError, msgpack.exceptions.UnpackException)):
        next(unpacker)


def test_every_operation_has_a_reader() -> None:
    assert {operation.value for operation in Up} == set(messages_up._UP)
