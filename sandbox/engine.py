"""The JavaScript engine: the one module that imports it.

A context holds one program and one run at a time. Only text, numbers and MessagePack cross: no script ever calls into
Python, and nothing of a script's is read outside the limits of its run.
"""

import contextlib
import json
import re
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

import msgpack
import msgspec

from sandbox import _engine, runtime
from sandbox.intl import library
from sandbox.program import Program
from sandbox.status import OF_WORKER, Tag

STACK_BYTES: Final = 256 * 1024
"""Overflow is a clean error at this size; 0 and 64 MB were measured to crash."""

LOAD_CPU_SECONDS: Final = 1.0
"""Processor time to compile one script: 50 lines take 60 us, so this is a script made to be slow."""


class Status(msgspec.Struct, frozen=True):
    """What a turn of a run came to."""

    tag: Tag
    lines: bool
    """Whether there are console lines to take."""
    calls: bool
    """Whether there are host calls to take."""
    payload: bytes

    @property
    def waits_ms(self) -> float | None:
        """Milliseconds until the next timer of a waiting run is due; None if it has none."""
        return float(self.payload) if self.payload else None


_GOES_ON: Final = (Tag.RETURNED, Tag.WAITING)
"""After these a context is as good as before."""
LOADED: Final = Status(Tag.RETURNED, False, False, b"")
_NO_MEMORY: Final = Status(Tag.OUT_OF_MEMORY, False, False, OF_WORKER)
_HEADS: Final = {
    f"{tag}{lines + 2 * calls}": (tag, lines, calls)
    for tag in Tag
    for lines in (False, True)
    for calls in (False, True)
}


class RunBounds(NamedTuple):
    """What the runtime inside the context has to hold a run to."""

    result: int
    log: int
    outbox: int
    outbox_bytes: int = 1_000_000


TRUSTED_COMPILED: Final = 64
"""Adapters and modules kept as bytecode: there are as many as kinds of runs and as modules, each of some 10 kB."""

_ASKS_FOR_INTL: Final = re.compile(r"\b(?:Intl|toLocale\w+|localeCompare)\b")

_FUNCTIONS: Final = ("load", "bound", "start", "poll", "reset", "adapt", "expectIntl")
_MORE_FUNCTIONS: Final = ("fire", "settle", "offer", "failed", "tellRejection")
"""Of runs that may wait."""
_LOAD, _BOUND, _START, _POLL, _RESET, _ADAPT, _EXPECT_INTL = range(len(_FUNCTIONS))
_FIRE, _SETTLE, _OFFER, _FAILED, _TELL_REJECTION = range(len(_FUNCTIONS), len(_FUNCTIONS) + len(_MORE_FUNCTIONS))


@cache
def _runtime_code(suspends: bool) -> bytes:
    return _engine.compile(runtime.source(suspends))


@lru_cache(TRUSTED_COMPILED)
def _trusted_code(text: str) -> bytes:
    """Our own JavaScript compiled once a process: to read it takes an eighth of the time of compiling it.

    Bytecode is to be read from nobody else. An author's text is always compiled where it runs, within its limits.
    """
    return _engine.compile(text)


def compile_trusted(text: str) -> None:
    """Compile an adapter or a module once for every context of this process and of those forked from it."""
    with contextlib.suppress(ValueError):  # what is no script is told of where it is used
        _trusted_code(text)


class Context:
    """One engine with the runtime in it. Raises MemoryError where there is none for it."""

    __slots__ = ("_bounds", "_engine", "_entries", "suspends", "usable")

    def __init__(self, suspends: bool) -> None:
        self.suspends = suspends
        functions = _FUNCTIONS + _MORE_FUNCTIONS if suspends else _FUNCTIONS
        self._engine = _engine.Engine(_runtime_code(suspends), functions, STACK_BYTES, *library.current())
        self._entries: tuple[str, ...] = ()
        self.usable = True
        """False once a run has left the context in doubt: it is thrown away."""

    def load(self, program: Program, bounds: RunBounds, *, once: bool = False) -> Status:
        """Compile the program. The status is LOADED, or how it failed.

        ``once`` says that there will be one run: what only another would need is let go when it has begun.
        """
        self._entries = program.entries
        self._bounds = bounds
        engine = self._engine
        try:
            # Before the limits, which are the author's: the adapter and the modules are trusted.
            engine.hand(_ADAPT, _trusted_code(program.adapter))
            for text in program.modules.values():
                engine.hand(_OFFER, _trusted_code(text))
            if _ASKS_FOR_INTL.search(program.text):
                # A fifth of the time of compiling it when it is first asked for, as it is for who hides its name.
                engine.hand(_EXPECT_INTL, _trusted_code(library.code()))
        except MemoryError:
            self.usable = False
            return _NO_MEMORY
        except ValueError as error:
            self.usable = False
            return Status(Tag.BROKEN, False, False, f"{program.name}: what it is run by is broken: {error}".encode())
        engine.limit_memory(program.memory_bytes)
        engine.limit_time(LOAD_CPU_SECONDS)
        description = {
            "modules": list(program.modules),
            "entries": program.entries,
            "environment": dict(program.environment),
            "source": program.text,
            "bounds": _named(bounds),
        }
        return self._turn(_LOAD, once, _packed(description))

    def bound(self, bounds: RunBounds) -> None:
        """Hold the following runs to these bounds; those of ``load`` until then."""
        if bounds != self._bounds:
            self._engine.call(_BOUND, _packed(_named(bounds)))
            self._bounds = bounds

    def limit_time(self, seconds: float) -> None:
        """Processor time of all that follows, until it is limited anew."""
        self._engine.limit_time(seconds)

    def start(self, value: bytes, correlation_id: str, now_ms: float, entry: str = "main") -> Status:
        """Begin a run with this MessagePack, which calls the function ``entry``, and give its status."""
        if entry not in self._entries:
            error = json.dumps({"name": "Error", "message": f"no function {entry[:100]}"})
            return Status(Tag.THREW, False, False, error.encode())
        return self._turn(_START, value, correlation_id, now_ms, entry)

    def fire(self, now_ms: float) -> Status:
        """Call the next timer that is due."""
        return self._turn(_FIRE, now_ms)

    def settle(self, call_id: int, succeeded: bool, value: bytes, now_ms: float) -> Status:
        """Answer a host call: ``value`` is MessagePack, of the result or of an error's properties."""
        return self._turn(_SETTLE, value, call_id, succeeded, now_ms)

    def poll(self, idle: bool) -> Status:
        """The status after jobs have run; ``idle`` says that none is left."""
        return self._turn(_POLL, idle)

    def run_jobs(self, most: int) -> int:
        """Run promise reactions, ``most`` of them and for a millisecond at most; 0 where there is none.

        What one of them ends the context in, the next status says.
        """
        return self._engine.run_jobs(most, _FAILED) if self.suspends else 0

    @property
    def idle(self) -> bool:
        """Whether no promise reaction is left to run."""
        return self._engine.idle

    @property
    def unheard(self) -> bool:
        """Whether a promise was rejected that nobody waited for."""
        return self._engine.unheard

    def take_unheard(self) -> list[bytes]:
        """The errors of those rejections, each as one that a run ends in."""
        return self._engine.take_rejections(_TELL_REJECTION) if self.suspends else []

    def take_log(self) -> bytes:
        """The console lines of this turn as MessagePack, ``[[level, text], ...]``."""
        return self._engine.take_lines()

    def take_outbox(self) -> bytes:
        """The host calls of this turn as MessagePack, ``[[id, name, [argument, ...]], ...]``."""
        return self._engine.take_calls()

    def finish(self) -> bool:
        """Forget the run. False where something of it is left that could act in the next: throw the context away."""
        if self._turn(_RESET).tag is not Tag.RETURNED or not self._engine.idle:
            self.usable = False
        return self.usable

    def heap_bytes(self) -> int:
        """Memory that the engine has."""
        return self._engine.memory

    def _turn(self, function: int, *arguments: str | float | bytes) -> Status:
        head, payload = self._engine.call(function, *arguments)
        known = _HEADS.get(head)
        status = Status(Tag.BROKEN, False, False, head.encode() + payload) if known is None else Status(*known, payload)
        if status.tag not in _GOES_ON:
            self.usable = False
        return status


def _packed(value: Any) -> bytes:
    # Half of a surrogate pair in an author's text is a question mark, as on the link.
    packed: bytes = msgpack.packb(value, unicode_errors="replace")
    return packed


def _named(bounds: RunBounds) -> dict[str, int]:
    return {
        "result": bounds.result,
        "log": bounds.log,
        "outbox": bounds.outbox,
        "outboxBytes": bounds.outbox_bytes,
    }
