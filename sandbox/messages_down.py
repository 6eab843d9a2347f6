"""What the daemon tells a worker."""

from collections.abc import Callable
from enum import IntEnum
from typing import Any, Final, NamedTuple

import msgpack
import msgspec
from msgspec import structs

from sandbox.link import MESSAGE_BYTES
from sandbox.program import Invocation, Package, Program
from sandbox.suspension import Suspension, WaitingState


class Pace(IntEnum):
    """What begins the turns of a run after its first."""

    OWN = 0
    """A timer or an answer, when its time has come."""
    TOLD = 1
    """The same, and each is told before it begins."""
    GIVEN = 2
    """The daemon says which and when, and each is told: it is a repetition, or in a time of its host's."""


PACES: Final = tuple(Pace)
"""By their values: making one of its value takes four times as long."""


class Down(IntEnum):
    """To the worker."""

    LOAD = 1
    RUN = 2
    SETTLE = 3
    CANCEL = 4
    FORGET = 5
    RESUME = 6
    PACKAGE = 7
    PIECE = 8
    HAND_OVER = 9


class LoadMessage(NamedTuple):
    """A program that runs will name by its key."""

    operation: int
    fields: dict[str, Any]

    @property
    def program(self) -> Program:
        """The program. Raises ValueError where it is none."""
        return msgspec.convert(self.fields, Program)


class PackageMessage(NamedTuple):
    """A text that programs share, before the first of them."""

    operation: int
    fields: dict[str, Any]

    @property
    def package(self) -> Package:
        """The text. Raises ValueError where it is none."""
        return msgspec.convert(self.fields, Package)


class RunMessage(NamedTuple):
    """An invocation of a program that the worker has been sent."""

    operation: int
    run_id: int
    key: str
    customer: str
    entry: str
    input: bytes
    correlation_id: str
    deadline: float
    """Seconds of the monotonic clock; the run is not begun after this."""
    cpu_seconds: float
    turn_cpu_seconds: float
    turn_wall_seconds: float
    result_bytes: int
    log_bytes: int
    outbox_calls: int
    outbox_bytes: int
    jobs: int
    seed: int
    clock: float
    random_key: bytes
    """Of the random bytes of ``crypto``; empty for what the engine has."""
    pace: int
    """A member of Pace."""


class ResumeMessage(NamedTuple):
    """A run that waited in another worker goes on in this one. Answers of its host that it has not taken follow."""

    operation: int
    run_id: int
    origin: int
    key: str
    customer: str
    deadline: float
    turn_cpu_seconds: float
    turn_wall_seconds: float
    jobs: int
    pace: int
    clock: float
    started: float
    waited: float
    """Up to now."""
    cpu_left: float
    settled: int
    number: int
    due: float | None
    size: int
    """Of its image."""
    image: bytes
    """All of it, or the end behind the pieces that were sent before."""


class PieceMessage(NamedTuple):
    """A piece of the image of a run that is to go on here, in their order. The first, at 0, begins anew."""

    operation: int
    origin: int
    size: int
    """Of the image."""
    begin: int
    piece: bytes
    """None follows an empty one: the run goes on elsewhere, or not at all."""


class SettleMessage(NamedTuple):
    """The answer to a host call, with which a run goes on; one whose time is given goes on with a timer as well."""

    operation: int
    run_id: int
    call_id: int
    """0 for a timer."""
    succeeded: bool
    value: bytes
    """MessagePack of the result, or of an error's properties."""
    clock: float | None
    """The run's time; None where that goes on by itself."""


class CancelMessage(NamedTuple):
    """Nobody wants this run any more."""

    operation: int
    run_id: int


class HandOverMessage(NamedTuple):
    """This run goes on elsewhere from where it waits. Its image stays as it is until then."""

    operation: int
    run_id: int


class ForgetMessage(NamedTuple):
    """No run will name this program again, or it is sent anew before."""

    operation: int
    key: str


MessageDown = (
    LoadMessage
    | PackageMessage
    | RunMessage
    | ResumeMessage
    | PieceMessage
    | SettleMessage
    | CancelMessage
    | HandOverMessage
    | ForgetMessage
)
_DOWN: dict[int, Callable[[list[Any]], MessageDown]] = {
    int(Down.LOAD): LoadMessage._make,
    int(Down.RUN): RunMessage._make,
    int(Down.SETTLE): SettleMessage._make,
    int(Down.CANCEL): CancelMessage._make,
    int(Down.HAND_OVER): HandOverMessage._make,
    int(Down.FORGET): ForgetMessage._make,
    int(Down.RESUME): ResumeMessage._make,
    int(Down.PACKAGE): PackageMessage._make,
    int(Down.PIECE): PieceMessage._make,
}


def read_down(message: list[Any]) -> MessageDown:
    """What the daemon sent. Raises KeyError or TypeError for what it would not."""
    return _DOWN[message[0]](message)


def is_answer_to(message: list[Any], run_id: int) -> bool:
    """Whether a message of the daemon's that is not read yet is the answer to a host call of this run's."""
    return message[:2] == [_SETTLE, run_id]


# What goes down is built as a list in the order of its class: making an object of the class first would cost each
# decision as much again as packing it. So would an operation that is no plain int.
_RUN: Final = int(Down.RUN)
_SETTLE: Final = int(Down.SETTLE)
_GIVEN: Final = int(Pace.GIVEN)


def package(shared: Package) -> list[Any]:
    """Give a worker a text that its programs share."""
    return [Down.PACKAGE, shared]


def load(program: Program) -> list[Any]:
    """Give a worker a program, whose packages it has been sent."""
    if program.packages:
        named = {name: structs.replace(shared, text="") for name, shared in program.packages.items()}
        program = structs.replace(program, packages=named)
    return [Down.LOAD, program]


def run(run_id: int, invocation: Invocation, deadline: float, seed: int, clock: float) -> list[Any]:
    """Have a worker run an invocation. Ids go up: a worker begins its runs in their order."""
    limits = invocation.limits
    turn_seconds = limits.turn_seconds
    return [
        _RUN,
        run_id,
        invocation.program.key,
        invocation.customer,
        invocation.entry,
        invocation.input,
        invocation.correlation_id,
        deadline,
        limits.cpu_seconds,
        limits.cpu_seconds if turn_seconds is None else turn_seconds,
        limits.wall_seconds if turn_seconds is None else turn_seconds,
        limits.result_bytes,
        limits.log_bytes,
        limits.outbox_calls,
        limits.outbox_bytes,
        limits.jobs,
        seed,
        clock,
        invocation.random_key,
        _GIVEN if invocation.clock_given or invocation.repeats is not None else invocation.recorded,
    ]


def resume(
    run_id: int, invocation: Invocation, deadline: float, suspension: Suspension, state: WaitingState, image: bytes,
    now: float,
) -> list[Any]:  # fmt: skip
    """Have a worker go on with a run that waited in another one; its id is one as of `run`. ``image`` is what it
    has not of the image yet."""
    limits = invocation.limits
    turn_seconds = limits.turn_seconds
    return [
        Down.RESUME,
        run_id,
        suspension.origin,
        invocation.program.key,
        invocation.customer,
        deadline,
        limits.cpu_seconds if turn_seconds is None else turn_seconds,
        limits.turn_wall_seconds,
        limits.jobs,
        _GIVEN if invocation.clock_given or invocation.repeats is not None else invocation.recorded,
        suspension.clock,
        state.started,
        state.waited + (now - suspension.since),
        state.cpu_left,
        suspension.settled,
        state.number,
        state.due,
        state.size,
        image,
    ]


def piece(origin: int, size: int, begin: int, data: bytes) -> list[Any]:
    """Send a worker a piece of an image of so many bytes; an empty one lets go of those before."""
    return [Down.PIECE, origin, size, begin, data]


def settle(run_id: int, call_id: int, succeeded: bool, value: bytes, clock: float | None) -> list[Any]:
    """Tell a waiting run the answer to a host call, or have it go on with a timer at a time that is given."""
    return [_SETTLE, run_id, call_id, succeeded, value, clock]


def cancel(run_id: int) -> list[Any]:
    """Have a worker give up a run that waits in it."""
    return [Down.CANCEL, run_id]


def hand_over(run_id: int) -> list[Any]:
    """Have a worker let go of a run that waits in it, and leave its image as it is."""
    return [Down.HAND_OVER, run_id]


def forget(key: str) -> list[Any]:
    """Have a worker forget a program."""
    return [Down.FORGET, key]


def unpacker_down() -> Any:
    """A streaming decoder of what the daemon sends, for `read_down`."""
    return msgpack.Unpacker(max_buffer_size=MESSAGE_BYTES, raw=False, strict_map_key=False, use_list=True)
