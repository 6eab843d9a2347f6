"""The messages between the daemon and a worker: MessagePack arrays on a stream socket, an operation first.

Each is built and read here, and nowhere else is known what stands where in it. Both ends are ours, but after a breakout
the worker's may be a script's: what comes up from it is checked.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import Any, Final, NamedTuple

import msgpack
import msgspec

from sandbox.program import Form, Invocation, Program, SourceFile
from sandbox.recording import Turn
from sandbox.suspension import Suspension, WaitingState

MESSAGE_BYTES: Final = 256 * 1024 * 1024
"""The longest message either end accepts; a result, an input and a log all have lower caps of their own."""

NIL: Final = b"\xc0"
NO_CALLS: Final = b"\x90"
"""MessagePack of nothing, and of an empty list."""

EARLY_SHARE: Final = 0.05
EARLY_SECONDS: Final = 0.05
"""A run is interrupted by its processor time, which on a machine with other work is less than the time that passes."""


class Pace(IntEnum):
    """What begins the turns of a run after its first."""

    OWN = 0
    """A timer or an answer, when its time has come."""
    TOLD = 1
    """The same, and each is told before it begins."""
    GIVEN = 2
    """The daemon says which and when, and each is told: it is a repetition."""


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
    STEP = 7


class LoadMessage(NamedTuple):
    """A program that runs will name by its key."""

    operation: int
    key: str
    name: str
    suspends: bool
    text: str
    form: str
    links: dict[str, str]
    exports: list[str]
    files: dict[str, list[Any]]
    adapter: str
    modules: dict[str, str]
    entries: list[str]
    environment: dict[str, str]
    memory_bytes: int
    shared_memory: bool

    @property
    def program(self) -> Program:
        """The program. Raises ValueError where it is none."""
        return Program(
            key=self.key,
            name=self.name,
            suspends=self.suspends,
            text=self.text,
            form=Form(self.form),
            links=self.links,
            exports=tuple(self.exports),
            files={name: _source_file(*file) for name, file in self.files.items()},
            adapter=self.adapter,
            modules=self.modules,
            entries=tuple(self.entries),
            environment=self.environment,
            memory_bytes=self.memory_bytes,
            shared_memory=self.shared_memory,
        )


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
    image: bytes


class SettleMessage(NamedTuple):
    """The answer to a host call: the result as MessagePack, or an error's properties."""

    operation: int
    run_id: int
    call_id: int
    succeeded: bool
    value: bytes


class StepMessage(NamedTuple):
    """The next turn of a run whose turns are given."""

    operation: int
    run_id: int
    clock: float
    call_id: int
    """The host call that is answered; 0 for a timer."""
    succeeded: bool
    value: bytes


class CancelMessage(NamedTuple):
    """Nobody wants this run any more."""

    operation: int
    run_id: int


class ForgetMessage(NamedTuple):
    """No run will name this program again, or it is sent anew before."""

    operation: int
    key: str


MessageDown = LoadMessage | RunMessage | ResumeMessage | SettleMessage | CancelMessage | ForgetMessage | StepMessage
_DOWN: dict[int, Callable[[list[Any]], MessageDown]] = {
    int(Down.LOAD): LoadMessage._make,
    int(Down.RUN): RunMessage._make,
    int(Down.SETTLE): SettleMessage._make,
    int(Down.CANCEL): CancelMessage._make,
    int(Down.FORGET): ForgetMessage._make,
    int(Down.RESUME): ResumeMessage._make,
    int(Down.STEP): StepMessage._make,
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


def _source_file(text: str, form: str, links: dict[str, str], exports: list[str]) -> SourceFile:
    return SourceFile(text=text, form=Form(form), links=links, exports=tuple(exports))


def load(program: Program) -> list[Any]:
    """Give a worker a program."""
    return [
        Down.LOAD,
        program.key,
        program.name,
        program.suspends,
        program.text,
        program.form,
        dict(program.links),
        program.exports,
        {name: [file.text, file.form, dict(file.links), file.exports] for name, file in program.files.items()},
        program.adapter,
        dict(program.modules),
        program.entries,
        dict(program.environment),
        program.memory_bytes,
        program.shared_memory,
    ]


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
        _GIVEN if invocation.repeats is not None else invocation.recorded,
    ]


def resume(
    run_id: int, invocation: Invocation, deadline: float, suspension: Suspension, state: WaitingState, image: bytes,
    now: float,
) -> list[Any]:  # fmt: skip
    """Have a worker go on with a run that waited in another one; its id is one as of `run`."""
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
        _GIVEN if invocation.repeats is not None else invocation.recorded,
        suspension.clock,
        state.started,
        state.waited + (now - suspension.since),
        state.cpu_left,
        suspension.settled,
        state.number,
        state.due,
        image,
    ]


def settle(run_id: int, call_id: int, succeeded: bool, value: bytes) -> list[Any]:
    """Tell a waiting run the answer to a host call."""
    return [Down.SETTLE, run_id, call_id, succeeded, value]


def step(run_id: int, turn: Turn) -> list[Any]:
    """Have a run whose turns are given go on."""
    return [Down.STEP, run_id, turn.clock, turn.call_id, turn.succeeded, turn.answer]


def cancel(run_id: int) -> list[Any]:
    """Have a worker give up a run that waits in it."""
    return [Down.CANCEL, run_id]


def forget(key: str) -> list[Any]:
    """Have a worker forget a program."""
    return [Down.FORGET, key]


class Up(IntEnum):
    """From the worker."""

    READY = 1
    DONE = 2
    CALLS = 3
    SPENT = 4
    LET_GO = 5
    FAILED = 6
    TURN = 7


class ReadyMessage(NamedTuple):
    """The worker serves."""

    operation: int
    confined: bool
    refused: str
    """What of the confinement there is not, and why."""


class DoneMessage(NamedTuple):
    """A run has ended."""

    operation: int
    run_id: int
    tag: str
    payload: bytes
    log: bytes | None
    """Console lines as MessagePack; None where there are none."""
    calls: bytes | None
    """What it asked its host in its last turn, as MessagePack, and did not wait for; None where it asked nothing."""
    micros: int
    """Since it began."""
    busy_micros: int
    """Of those, in its turns."""


class CallsMessage(NamedTuple):
    """A run has come to the end of a turn and waits: what it asks its host and wrote to its console since it waited
    last, if anything, and all that another worker needs to go on with it."""

    operation: int
    run_id: int
    calls: bytes
    """MessagePack."""
    log: bytes | None
    settled: int
    """How many answers of its host it has taken."""
    state: bytes
    """A WaitingState, which is read only where another worker goes on with the run."""


class SpentMessage(NamedTuple):
    """The worker's memory has grown: it wants to be replaced once what it holds is done."""

    operation: int


class LetGoMessage(NamedTuple):
    """A run was revoked, past its deadline or cancelled: nothing more comes of it here."""

    operation: int
    run_id: int


class TurnMessage(NamedTuple):
    """A run goes on whose turns are told."""

    operation: int
    run_id: int
    clock: float
    """Its time, in milliseconds since 1970."""
    call_id: int
    """The host call whose answer it goes on with; 0 for a timer."""


class FailedMessage(NamedTuple):
    """The worker's last words: what its own code raised."""

    operation: int
    reason: str


MessageUp = ReadyMessage | DoneMessage | CallsMessage | SpentMessage | LetGoMessage | FailedMessage | TurnMessage
_Shape = tuple[type | tuple[type, ...], ...]
_MAYBE_BYTES: Final = (bytes, type(None))
_UP: dict[object, tuple[type[MessageUp], _Shape]] = {
    int(Up.READY): (ReadyMessage, (int, bool, str)),
    int(Up.DONE): (DoneMessage, (int, int, str, bytes, _MAYBE_BYTES, _MAYBE_BYTES, int, int)),
    int(Up.CALLS): (CallsMessage, (int, int, bytes, _MAYBE_BYTES, int, bytes)),
    int(Up.SPENT): (SpentMessage, (int,)),
    int(Up.LET_GO): (LetGoMessage, (int, int)),
    int(Up.FAILED): (FailedMessage, (int, str)),
    int(Up.TURN): (TurnMessage, (int, int, float, int)),
}
_LONGEST_UP: Final = max(len(shape) for _, shape in _UP.values())
_new: Final[Any] = tuple.__new__
"""What ``_make`` of a named tuple does after a look at the length, which is known here, and a call in Python."""


def read_up(message: object) -> MessageUp | None:
    """What a worker sent; None for what is no message of a worker's."""
    try:
        return _message_up(message) if type(message) is list else None
    except ValueError:
        return None


def _message_up(message: list[Any]) -> MessageUp:
    """The same; raises ValueError for what is none."""
    known = _UP.get(message[0]) if message and isinstance(message[0], int) else None
    if known is not None:
        kind, shape = known
        if len(message) == len(shape) and all(map(isinstance, message, shape)):
            made: MessageUp = _new(kind, message)
            return made
    raise ValueError("no message of a worker's")


_DONE: Final = int(Up.DONE)
_CALLS: Final = int(Up.CALLS)


def ready(confined: bool, refused: str) -> list[Any]:
    """Tell the daemon that this worker serves."""
    return [Up.READY, confined, refused]


def done(
    run_id: int, tag: str, payload: bytes, log: bytes | None, asked: bytes | None, micros: int, busy_micros: int
) -> list[Any]:
    """Tell the daemon how a run ended."""
    return [_DONE, run_id, tag, payload, log, asked, micros, busy_micros]


def calls(run_id: int, asked: bytes, log: bytes | None, settled: int, state: bytes) -> list[Any]:
    """Tell the daemon that a run waits."""
    return [_CALLS, run_id, asked, log, settled, state]


def spent() -> list[Any]:
    """Ask the daemon for a worker in this one's place."""
    return [Up.SPENT]


def let_go(run_id: int) -> list[Any]:
    """Tell the daemon that a run is not done here."""
    return [Up.LET_GO, run_id]


def turn(run_id: int, clock: float, call_id: int) -> list[Any]:
    """Tell the daemon that a run goes on."""
    return [Up.TURN, run_id, clock, call_id]


def failed(reason: str) -> list[Any]:
    """Tell the daemon what this worker dies of."""
    return [Up.FAILED, reason]


_encode: Final = msgspec.msgpack.Encoder().encode
"""Of a run of 2 KB 0.12 us, of which msgpack takes 0.33."""

OUT_OF_MEMORY_STATUS: Final = 77
"""Exit status of a worker whose interpreter, not a script's own heap, ran out of memory."""
FAILED_STATUS: Final = 70
"""Exit status of a worker whose own code raised; its last words say what."""


def unpacker_down() -> Any:
    """A streaming decoder of what the daemon sends, for `read_down`."""
    return msgpack.Unpacker(max_buffer_size=MESSAGE_BYTES, raw=False, strict_map_key=False, use_list=True)


def unpacker_up() -> Any:
    """A streaming decoder of what a worker sends: it gives a MessageUp for each, and raises ValueError or
    msgpack.exceptions.UnpackException for what is none, before it takes memory or time."""
    return msgpack.Unpacker(
        max_buffer_size=MESSAGE_BYTES,
        raw=False,
        use_list=True,
        max_array_len=_LONGEST_UP,
        max_map_len=0,
        max_ext_len=0,
        # Called for each array as soon as it is whole, those in others first: none that has another in it is ever made.
        list_hook=_message_up,
    )


def pack(message: list[Any]) -> bytes:
    """A message of either end. Half of a surrogate pair in a name must not cost the call: it arrives as a question
    mark."""
    try:
        return _encode(message)
    except UnicodeEncodeError:
        packed: bytes = msgpack.packb(message, unicode_errors="replace")
        return packed


def interrupted_early(wall_seconds: float) -> float:
    """Seconds before its deadline at which the engine interrupts a run, so that it can be told where it was.

    The daemon answers at the deadline itself: of a run that is in a function of the language's own, and on a machine
    too busy to give it the processor for as long, nothing is told of where.
    """
    return min(wall_seconds * EARLY_SHARE, EARLY_SECONDS)
