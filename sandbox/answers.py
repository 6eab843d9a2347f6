"""What a worker's answer means. A worker may be a script's after a breakout, so nothing in it is taken on trust."""

from typing import Any, Final

import msgspec

from sandbox.outcome import (
    Bound,
    Crashed,
    Exceeded,
    LogLine,
    Outcome,
    OutOfMemory,
    Returned,
    TimedOut,
    TimeLimit,
)
from sandbox.program import Invocation, Limits
from sandbox.stack import threw
from sandbox.status import OF_WORKER, Tag

LOG_LINES: Final = 2_000
"""Lines kept of one run: a log of 64 KB in lines of nothing, since the runtime counts 32 characters for each. Reading
20,000 took the event loop 40 ms."""

SHORT_PAYLOAD_BYTES: Final = 64 * 1024
"""Of what belongs to any other tag than a result: runtime/failure.js cuts an error to some 6,000 characters, of which
JSON makes six bytes each at most."""
CHARACTER_BYTES: Final = 3
"""Of a character that the runtime counts, in UTF-8, at most."""
LOG_SLACK_BYTES: Final = 64 * 1024
"""Of console lines beyond their limit: what says that the rest is cut, and 16 rejections that nobody awaited."""
LIST_HEAD_BYTES: Final = 5

_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_RETURNED: Final = Tag.RETURNED.value
"""Of a run's ends the usual one: to compare a text with a member takes three times as long."""
_BOUNDS: Final = {bound.encode(): bound for bound in Bound}
_CALLS: Final = msgspec.msgpack.Decoder(list[tuple[int, str, list[Any]]])
_LINES: Final = msgspec.msgpack.Decoder(list[tuple[str, str]])


def read_outcome(invocation: Invocation, tag: str, payload: bytes) -> Outcome | None:
    """What a status means; None for one that the runtime never gives."""
    if tag == _RETURNED:
        return Returned(payload) if len(payload) <= invocation.limits.result_bytes else None
    if len(payload) > SHORT_PAYLOAD_BYTES:
        return None
    if tag == Tag.THREW:
        return threw(invocation.program.name, payload, invocation.program.files)
    if tag == Tag.OUT_OF_TIME:
        return TimedOut(TimeLimit.CPU)
    if tag == Tag.OUT_OF_MEMORY:
        return OutOfMemory(of_worker=payload == OF_WORKER)
    if tag == Tag.EXCEEDED and payload in _BOUNDS:
        return Exceeded(_BOUNDS[payload])
    if tag == Tag.BROKEN:
        return Crashed(f"engine: {payload.decode('utf-8', 'replace')}")
    return None


def read_calls(packed: bytes, limits: Limits) -> list[tuple[int, str, list[Any]]] | None:
    """Host calls: id, name, arguments. None where they cannot be read, being nested too deep if nothing worse, or are
    more than a run of these limits may ask."""
    if len(packed) > limits.outbox_bytes + LIST_HEAD_BYTES:
        return None
    try:
        calls = _CALLS.decode(packed)
    except _UNREADABLE:
        return None
    return calls if len(calls) <= limits.outbox_calls else None


def log_bytes_most(limits: Limits) -> int:
    """Bytes of all that a run of these limits may write to its console, as its worker sends them."""
    return limits.log_bytes * CHARACTER_BYTES + LOG_SLACK_BYTES


class RunLog:
    """The console lines of a run, of which there are no more than its limits allow, whatever its worker sends."""

    __slots__ = ("_limits", "_room", "lines")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.lines: list[LogLine] = []
        self._room = limits.log_bytes + LOG_SLACK_BYTES
        """Characters yet."""

    def add(self, packed: bytes) -> None:
        """Add console lines as a worker sends them."""
        if len(self.lines) > LOG_LINES or self._room < 0:
            return
        try:
            if len(packed) > log_bytes_most(self._limits):
                raise msgspec.DecodeError("more console output than there can be")
            lines = _LINES.decode(packed)
        except _UNREADABLE:
            lines = [("warn", "[console output that cannot be read]")]
        added = [LogLine(level, line) for level, line in lines[: max(0, LOG_LINES - len(self.lines))]]
        self._room -= sum(len(line.text) for line in added)
        self.lines += added
