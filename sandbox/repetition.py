"""A run that goes as it went once, and where it does not.

``Invocation.repeats`` has a pool give a run the turns of a recording: no host is asked, and no timer is waited for. The
same program with the same input comes to the same end, writes the same lines and asks the same, byte for byte. What
ends a run by processor time does so about there, and not at the very place.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from sandbox.outcome import (
    Cancelled,
    Completion,
    Crashed,
    Exceeded,
    Outcome,
    OutOfMemory,
    Refused,
    Returned,
    Threw,
    TimedOut,
)
from sandbox.program import Invocation
from sandbox.recording import Recorder, Recording, Turn
from sandbox.stack import is_stack

SHOWN_CHARACTERS: Final = 200
"""Of what differs."""

_CUT: Final = (Cancelled, Crashed, Refused, TimedOut)
"""How a run ends that is ended from outside, perhaps while it waits: its repetition comes to where it waited."""

_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Repeater(Recorder):
    """Records a repetition, and says what comes next in it."""

    __slots__ = ("_turns_given",)

    def __init__(self, recording: Recording) -> None:
        super().__init__(recording.seed, recording.turns[0].clock, recording.random_key)
        self._turns_given = recording.turns

    def next_turn(self) -> Turn | None:
        """The turn that follows; None at the end of the recording, and where the last turn asked something else than it
        did."""
        ended, given = self.turns, self._turns_given
        count = len(ended)
        if not 0 < count < len(given) or _asked_otherwise(given[count - 1].asked, ended[-1].asked):
            return None
        return given[count]


class Divergence(msgspec.Struct, frozen=True):
    """Where a repetition did not go as the run had gone."""

    what: str
    """In words."""
    turn: int = 0
    """Which turn, from 1, asked something else; 0 for what is not of one turn."""


def repeating(invocation: Invocation, recording: Recording) -> Invocation:
    """The invocation that repeats a run of it."""
    return msgspec.structs.replace(invocation, repeats=recording, seed=None, clock=None, random_key=b"")


def divergence(before: Completion, after: Completion) -> Divergence | None:
    """Where the repetition ``after`` is not the run ``before``; None where it is the same."""
    first, second = before.recording, after.recording
    if not isinstance(first, Recording) or not isinstance(second, Recording):
        return Divergence("one of them was not recorded as a whole")
    for number, (one, other) in enumerate(zip(first.turns, second.turns, strict=False), 1):
        if _asked_otherwise(one.asked, other.asked):
            return Divergence(f"it asked {_asked(other.asked)}, and had asked {_asked(one.asked)}", number)
    for number, (line, another) in enumerate(zip(before.log, after.log, strict=False), 1):
        if line != another:
            return Divergence(f"line {number} of its console is {_cut(another.text)}, and was {_cut(line.text)}")
    if len(before.log) != len(after.log):
        return Divergence(f"its console has {len(after.log)} lines, and had {len(before.log)}")
    return _other_end(before, after, first.turns, second.turns)


def _other_end(
    before: Completion, after: Completion, first: Sequence[Turn], second: Sequence[Turn]
) -> Divergence | None:
    waits = isinstance(after.outcome, Cancelled)
    if len(first) == len(second):
        if before.outcome == after.outcome or (waits and isinstance(before.outcome, _CUT)):
            return None
        if isinstance(before.outcome, TimedOut) and isinstance(after.outcome, TimedOut):
            # Which of its limits is passed first depends on what else the machine does.
            return None
    if isinstance(after.outcome, Returned) and isinstance(before.outcome, Returned):
        return Divergence("its result is another")
    ended = "waits" if waits else f"has {_in_words(after.outcome)}"
    had_ended = f"had {_in_words(before.outcome)}"
    if len(first) != len(second):
        had_ended = f"in turn {len(first)} {had_ended}"
    return Divergence(f"it {ended}, and {had_ended}", len(second))


def _in_words(outcome: Outcome) -> str:
    match outcome:
        case Returned():
            return "come to its end"
        case Threw():
            return f"ended in {_cut(str(outcome))}"
        case TimedOut(limit):
            return f"run out of time ({limit.value})"
        case OutOfMemory():
            return "run out of memory"
        case Exceeded(bound):
            return f"passed the {bound.value} limit"
        case Crashed(reason) | Refused(reason):
            return f"ended: {reason}"
        case Cancelled():
            return "been given up"


def _asked_otherwise(before: bytes, after: bytes) -> bool:
    if before == after:
        return False
    try:
        return _listed(before) != _listed(after)
    except _UNREADABLE:
        return True


def _listed(calls: bytes) -> list[tuple[int, str, list[Any]]]:
    """What was asked, without from where: a script in place of another has its lines elsewhere."""
    listed = msgspec.msgpack.decode(calls, type=list[tuple[int, str, list[Any]]]) if calls else []
    return [(number, name, [value for value in values if not is_stack(value)]) for number, name, values in listed]


def _asked(calls: bytes) -> str:
    if not calls:
        return "nothing"
    try:
        listed = _listed(calls)
    except _UNREADABLE:
        return "what cannot be read"
    return ", ".join(f"{name}({_arguments(values)})" for _, name, values in listed)[:SHOWN_CHARACTERS]


def _arguments(values: list[Any]) -> str:
    try:
        written = msgspec.json.encode(values).decode()[1:-1]
    except (msgspec.MsgspecError, UnicodeError, TypeError, ValueError, RecursionError):
        return "..."
    return _cut(written)


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."
