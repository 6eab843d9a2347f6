"""What a worker tells the daemon. After a breakout it may be a script's word: it is checked as it is read."""

from enum import IntEnum
from typing import Any, Final, NamedTuple

import msgpack

from sandbox.link import MESSAGE_BYTES


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
    return [Up.TURN, run_id, float(clock), call_id]


def failed(reason: str) -> list[Any]:
    """Tell the daemon what this worker dies of."""
    return [Up.FAILED, reason]


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
