"""The JavaScript engine: the one module that imports it.

A context holds one program and one run at a time. Only text crosses: nothing of a script's is read by the binding
(a getter or a toJSON would run outside every limit), and no script ever calls into Python.
"""

import json
import re
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

import _quickjs as quickjs  # the package around it starts a thread, which would stay outside the confinement
import msgspec

from sandbox import runtime
from sandbox.bytecode import Bytecode, pointers
from sandbox.intl import library
from sandbox.program import Program
from sandbox.rejections import Rejections
from sandbox.status import Tag

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
    payload: str

    @property
    def waits_ms(self) -> float | None:
        """Milliseconds until the next timer of a waiting run is due; None if it has none."""
        return float(self.payload) if self.payload else None


_RETURNED: Final = Tag.RETURNED
_GOES_ON: Final = (Tag.RETURNED, Tag.WAITING)
"""After these a context is as good as before."""
LOADED: Final = Status(Tag.RETURNED, False, False, "")
OUT_OF_TIME: Final = Status(Tag.OUT_OF_TIME, False, False, "")
OUT_OF_MEMORY: Final = Status(Tag.OUT_OF_MEMORY, False, False, "")
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
    outbox_characters: int = 1_000_000


TRUSTED_COMPILED: Final = 64
"""Adapters and modules kept as bytecode: there are as many as kinds of runs and as modules, each of some 10 kB."""

STACK_CHARACTERS: Final = 4_000
"""Of a stack, as of those that runtime/failure.js cuts."""

LEFTOVER_SECONDS: Final = 0.001
"""Processor time for a promise reaction that a run left behind: it is run only to see that there is one."""

ENGINE_ERRORS: Final = (quickjs.JSException, SystemError, TypeError, ValueError)
"""All but the first are the binding's own, for a value that it cannot convert."""


_BYTECODE: Final = Bytecode(quickjs)
_REJECTIONS: Final = Rejections(_BYTECODE)
_ASKS_FOR_INTL: Final = re.compile(r"\b(?:Intl|toLocale\w+|localeCompare)\b")


@cache
def _runtime_code(suspends: bool) -> bytes | None:
    return _BYTECODE.compile(runtime.source(suspends))


@lru_cache(TRUSTED_COMPILED)
def _trusted_code(text: str) -> bytes | None:
    return _BYTECODE.compile(text)


def _evaluated(context: Any, code: bytes | None) -> Any:
    return None if code is None else _BYTECODE.evaluate(context, code)


def _ended(error: Exception) -> Status:
    """The status of a context that ended in an error that JavaScript could not catch."""
    # The prototypes that make this text are locked by runtime/intrinsics.js, so it is not the author's.
    message, _, stack = str(error).partition("\n")
    if "interrupted" in message:
        return Status(Tag.OUT_OF_TIME, False, False, stack[:STACK_CHARACTERS])
    if message == "null" or "out of memory" in message:
        return OUT_OF_MEMORY
    return Status(Tag.BROKEN, False, False, message[:200])


def _parsed(status: object) -> Status:
    """What the runtime says: a tag, a flag, a payload."""
    if not isinstance(status, str):
        # None is how the binding says that there was no memory even for the error.
        return OUT_OF_MEMORY
    head = _HEADS.get(status[:2])
    return Status(*head, status[2:]) if head is not None else Status(Tag.BROKEN, False, False, status[:200])


class Context:
    """One engine context with the runtime in it."""

    __slots__ = (
        "_address",
        "_bounds",
        "_context",
        "_entries",
        "_fire",
        "_functions",
        "_poll",
        "_reset",
        "_settle",
        "_start",
        "ended",
        "program_key",
        "suspends",
        "usable",
    )

    def __init__(self, suspends: bool) -> None:
        self.suspends = suspends
        self._address = 0
        context = quickjs.Context()
        context.set_max_stack_size(STACK_BYTES)
        self._context = context
        _BYTECODE.lend(context, *library.current())
        self._functions = _evaluated(context, _runtime_code(suspends)) or context.eval(runtime.source(suspends))
        self._start = self._functions("start")
        self._poll = self._functions("poll")
        if suspends:
            self._fire = self._functions("fire")
            self._settle = self._functions("settle")
            self._watch_rejections()
        self._reset = self._functions("reset")
        self._entries: tuple[str, ...] = ()
        self.program_key = ""
        self.ended: Status | None = None
        """The status in which a promise reaction ended the context, if one did."""
        self.usable = True
        """False once a run has left the context in doubt: it is thrown away."""

    def __del__(self) -> None:
        if self.suspends:
            _REJECTIONS.forget(self._address)

    def load(self, program: Program, bounds: RunBounds, *, once: bool = False) -> Status:
        """Compile the program. The status is LOADED, or how it failed.

        ``once`` says that there will be one run: what only another would need is let go when it has begun.
        """
        self.program_key = program.key
        self._entries = program.entries
        # Before the limits, which are the author's: the adapter and the modules are trusted.
        adapter = _evaluated(self._context, _trusted_code(program.adapter))
        modules = [
            (name, text, _evaluated(self._context, _trusted_code(text))) for name, text in program.modules.items()
        ]
        for _, _, make in modules:
            self._functions("offer")(make)
        if _ASKS_FOR_INTL.search(program.text):
            # A fifth of the time of compiling it when it is first asked for, as it is for who hides its name.
            code = _evaluated(self._context, _trusted_code(library.code()))
            if code is not None:
                self._functions("expectIntl")(code)
        self._context.set_memory_limit(program.memory_bytes)
        self._context.set_time_limit(LOAD_CPU_SECONDS)
        self._bounds = bounds
        # The author's text as JSON too: the binding cuts text at NUL and fails at half of a surrogate pair.
        description = {
            "adapter": "" if adapter is not None else program.adapter,
            "modules": [{"name": name, "text": text if make is None else ""} for name, text, make in modules],
            "entries": program.entries,
            "environment": dict(program.environment),
            "source": program.text,
            "bounds": _bounds(bounds),
        }
        try:
            status = _parsed(self._functions("load")(json.dumps(description), adapter, once))
        except ENGINE_ERRORS as error:
            status = _ended(error)
        if status.tag is Tag.THREW_NULL:  # nothing of the author's has run
            status = OUT_OF_MEMORY
        if status != LOADED:
            self.usable = False
        return status

    def bound(self, bounds: RunBounds) -> None:
        """Hold the following runs to these bounds; those of ``load`` until then."""
        if bounds != self._bounds:
            self._functions("bound")(json.dumps(_bounds(bounds)))
            self._bounds = bounds

    def limit_time(self, seconds: float) -> None:
        """Processor time of each following turn."""
        self._context.set_time_limit(seconds)

    def start(self, text: str, correlation_id: str, now_ms: float, entry: str = "main") -> Status:
        """Begin a run, which calls the function ``entry``, and give its status."""
        if entry not in self._entries:
            # Here and not there: the binding would cut the name at a NUL, to another's perhaps.
            error = json.dumps({"name": "Error", "message": f"no function {entry[:100]}"})
            return Status(Tag.THREW, False, False, error)
        return self._turn(self._start, text, correlation_id, now_ms, entry)

    def fire(self, now_ms: float) -> Status:
        """Call the next timer that is due."""
        return self._turn(self._fire, now_ms)

    def settle(self, call_id: int, succeeded: bool, value: str, now_ms: float) -> Status:
        """Answer a host call: ``value`` is JSON, of the result or of an error's properties."""
        return self._turn(self._settle, call_id, succeeded, value, now_ms)

    def poll(self, idle: bool) -> Status:
        """The status after jobs have run; ``idle`` says that none is left."""
        return self._turn(self._poll, idle)

    def run_job(self) -> bool:
        """Run one promise reaction; False when there was none. Raises nothing: see ``ended``."""
        try:
            return bool(self._context.execute_pending_job())
        except ENGINE_ERRORS as error:
            self.ended = _ended(error)
            self.usable = False
            return False

    @property
    def unheard(self) -> bool:
        """Whether a promise was rejected that nobody waited for."""
        return self.suspends and _REJECTIONS.any(self._address)

    def take_unheard(self) -> str:
        """The errors of those rejections as JSON, ``[{name, message, stack}, ...]``, as of one that a run ends in."""
        taken = self._take("takeUnheard")
        _REJECTIONS.clear(self._address)
        return taken

    def take_log(self) -> str:
        """The console lines of this turn as JSON, ``[[level, text], ...]``."""
        return self._take("takeLines")

    def take_outbox(self) -> str:
        """The host calls of this turn as JSON, ``[[id, name, [argument, ...]], ...]``."""
        return self._take("takeOutbox")

    def finish(self) -> bool:
        """Forget the run. False where something of it is left that could act in the next: throw the context away."""
        try:
            clean = self._reset()
        except ENGINE_ERRORS:
            clean = False
        self._context.set_time_limit(LEFTOVER_SECONDS)
        if clean is not True or self.run_job():
            self.usable = False
        return self.usable

    def heap_bytes(self) -> int:
        """JavaScript heap in use; takes time in proportion to it."""
        return int(self._context.memory()["malloc_size"])

    def _watch_rejections(self) -> None:
        runtime, self._address = pointers(self._context)
        self._functions("handOverUnheard")()
        if _BYTECODE.available:
            _REJECTIONS.watch(runtime, self._address, _BYTECODE.handed_over(self._context))
        self._functions("takeBack")()

    def _take(self, name: str) -> str:
        try:
            taken = self._functions(name)()
        except ENGINE_ERRORS:
            taken = None
        if not isinstance(taken, str):
            self.usable = False
            return "[]"
        return taken

    def _turn(self, function: Any, *arguments: str | float) -> Status:
        try:
            status = _parsed(function(*arguments))
        except ENGINE_ERRORS as error:
            status = _ended(error)
        # A number that is none, which the author is told of, is a null in JSON. Found here since the engine takes ten
        # times as long for it, and looking at each number of a result still more.
        if status.tag is _RETURNED and "null" in status.payload:
            try:
                status = _parsed(self._functions("correct")())
            except ENGINE_ERRORS as error:
                status = _ended(error)
        if status.tag not in _GOES_ON:
            self.usable = False
        return status


def _bounds(bounds: RunBounds) -> dict[str, int]:
    return {
        "result": bounds.result,
        "log": bounds.log,
        "outbox": bounds.outbox,
        "outboxLength": bounds.outbox_characters,
    }
