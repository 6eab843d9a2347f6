"""The JavaScript engine: the one module that imports it.

A context holds one program and one run at a time. Only text, numbers and MessagePack cross: no script ever calls into
Python, and nothing of a script's is read outside the limits of its run.
"""

import contextlib
import json
import math
import mmap
import os
import re
import resource
from collections import OrderedDict
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

import msgpack
import msgspec
from msgspec import structs

from sandbox import _engine, runtime, web
from sandbox.intl import library
from sandbox.program import Package, Program
from sandbox.stack import shown_name
from sandbox.status import OF_WORKER, Tag

STACK_BYTES: Final = 1024 * 1024
"""Of a script, some 600 calls within each other; with a quarter of that a package that checks a schema runs out of it
(ajv). Overflow is a clean error at this size; 0 and 64 MB, which no process has, were measured to crash."""
STACK_SHARE: Final = 4
"""What part of the process's own stack that is at the most."""

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


BOUNDS: Final = RunBounds(1_000_000, 16_384, 1_000)
"""Those that Limits has where nobody says others."""

TRUSTED_COMPILED: Final = 64
"""Adapters and modules kept as bytecode: there are as many as kinds of runs and as modules, each of some 10 kB."""

KINDS_KEPT: Final = 16
"""What as many kinds of programs share is kept, some 60 kB each. A kind is an adapter with the modules of a script."""

_INTL_WORDS: Final = ("Intl", "toLocale", "localeCompare")
_ASKS_FOR_INTL: Final = re.compile(r"\b(?:Intl|toLocale\w+|localeCompare)\b")

_FUNCTIONS: Final = ("load", "start", "poll", "adapt", "expectIntl", "makeWeb")
_MORE_FUNCTIONS: Final = ("fire", "settle", "offer", "bring", "failed", "tellRejection")
"""Of runs that may wait."""
_LOAD, _START, _POLL, _ADAPT, _EXPECT_INTL, _MAKE_WEB = range(len(_FUNCTIONS))
_FIRE, _SETTLE, _OFFER, _BRING, _FAILED, _TELL_REJECTION = range(
    len(_FUNCTIONS), len(_FUNCTIONS) + len(_MORE_FUNCTIONS)
)

ROOM_BYTES: Final = 1 << 30
"""Addresses for the heap of an engine, of which it takes memory as it grows: no script can be given more."""
ROOM_SHARE: Final = 4
"""What part of a limit of the process's addresses an engine has: there are two, and the interpreter."""
ADDRESSES: Final = 2 * (ROOM_BYTES + mmap.PAGESIZE)
"""Of both sorts of engine, which are no memory as long as they are not used."""


def _room_bytes() -> int:
    """Addresses for one engine: fewer where whoever started the daemon allows it few (ulimit -v)."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return ROOM_BYTES if limit == resource.RLIM_INFINITY else min(ROOM_BYTES, limit // ROOM_SHARE)


def _stack_bytes() -> int:
    """Stack for a script: less where whoever started the daemon allows it little (ulimit -s)."""
    limit, _ = resource.getrlimit(resource.RLIMIT_STACK)
    return STACK_BYTES if limit == resource.RLIM_INFINITY else min(STACK_BYTES, limit // STACK_SHARE)


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


_PACKAGE: Final = """(function (require, module, exports, __filename, __dirname, global, setTimeout, setInterval,
setImmediate, clearTimeout, clearInterval, clearImmediate) {
%s
})"""


def _package_code(text: str) -> bytes:
    """A package's text compiled, within no limits: which texts there are is not for scripts to say. Of one that is no
    JavaScript whoever requires it is told why."""
    try:
        return _engine.compile(_PACKAGE % text)
    except ValueError as error:
        return _engine.compile(_PACKAGE % f"throw new SyntaxError({json.dumps(str(error))})")


class _Needs(NamedTuple):
    """What a package's text names of what a program may find around it."""

    intl: bool
    parts: frozenset[str]

    @classmethod
    def of(cls, text: str) -> "_Needs":
        # Of a megabyte the regular expressions take a second; these may find a name within another one.
        return cls(
            any(word in text for word in _INTL_WORDS), web.parts_with(name for name in web.NAMES if name in text)
        )


class LoadedProgram(NamedTuple):
    """A program as it is before each of its runs: what its text and its modules left when they were loaded."""

    key: str
    suspends: bool
    entries: tuple[str, ...]
    memory_bytes: int
    layer: object
    """On that of its kind, in the engine that it was loaded in and those forked from that."""
    size: int
    """Bytes that the layer takes."""


class Context:
    """One engine with the runtime in it. Raises MemoryError where there is none for it.

    A program is loaded once and put in place for its runs, each of which begins from its image: of whatever ran before
    nothing is left. A run that waits is an image as well, and goes on from it.
    """

    __slots__ = ("_engine", "_kinds", "_of_worker", "_packages", "_program", "memory_bytes", "suspends")

    def __init__(self, suspends: bool, memory_bytes: int = ROOM_BYTES) -> None:
        self.suspends = suspends
        self.memory_bytes = memory_bytes
        """What no program may have more of."""
        functions = _FUNCTIONS + _MORE_FUNCTIONS if suspends else _FUNCTIONS
        lent = library.current()
        self._engine = _engine.Engine(_runtime_code(suspends), functions, _room_bytes(), _stack_bytes(), *lent)
        # Its images are of use to it alone, and in processes forked after it is made.
        self._engine.make_base(os.urandom(16))
        self._kinds: OrderedDict[tuple[object, ...], object] = OrderedDict()
        self._packages: dict[str, _Needs] = {}
        self._program: LoadedProgram | None = None
        self._of_worker = False

    def load(self, program: Program) -> LoadedProgram | Status:
        """Load a program, and put it in place; the status is how that failed."""
        self._program = None
        engine = self._engine
        try:
            kind = self._kind_of(program)
        except MemoryError:
            return _NO_MEMORY
        except ValueError as error:
            return Status(Tag.BROKEN, False, False, f"{program.name}: what it is run by is broken: {error}".encode())
        engine.use(kind)
        engine.begin(0, 0.0)
        self._limit_memory(program.memory_bytes)
        engine.limit_time(LOAD_CPU_SECONDS)
        description = {
            "entries": program.entries,
            "environment": dict(program.environment),
            "name": shown_name(program.name, program.files),
            "text": program.text,
            "form": program.form,
            "links": dict(program.links),
            "exports": program.exports,
            "files": {name: structs.asdict(file) for name, file in program.files.items()},
        }
        status = self._turn(_LOAD, _packed(description))
        if status != LOADED:
            return status
        layer, size = engine.take_layer(_owner_of(program.key))
        loaded = LoadedProgram(program.key, program.suspends, program.entries, program.memory_bytes, layer, size)
        self.use(loaded)
        return loaded

    def keep_package(self, package: Package) -> None:
        """Compile a package for all programs of this context that follow, unless that was done: until then every
        program that has it has its text."""
        if package.key not in self._packages:
            self._engine.keep_package(package.key, _package_code(package.text))
            self._packages[package.key] = _Needs.of(package.text)

    def _kind_of(self, program: Program) -> object:
        """What programs of a kind share, as a layer: the adapter and the modules, which are trusted."""
        for package in program.packages.values():
            self.keep_package(package)
        packages = {name: (one.key, one.es_module) for name, one in program.packages.items()}
        needs = [self._packages[one.key] for one in program.packages.values()]
        texts = [program.text, *(file.text for file in program.files.values())]
        # A fifth of the time of compiling it when it is first asked for, as it is for who hides its name.
        expects_intl = any(map(_ASKS_FOR_INTL.search, texts)) or any(one.intl for one in needs)
        parts = web.parts_named((*texts, *program.modules.values())).union(*(one.parts for one in needs))
        begun = tuple(name for name in program.begun_packages if name in packages)
        of_packages = (*packages.items(), *begun, *program.package_globals.items())
        key = (program.adapter, *program.modules.items(), expects_intl, parts, of_packages)
        kind = self._kinds.get(key)
        if kind is not None:
            self._kinds.move_to_end(key)
            return kind
        engine = self._engine
        engine.use(None)
        engine.begin(0, 0.0)
        engine.limit_time(LOAD_CPU_SECONDS)
        # Before the limits, which are the author's.
        self._limit_memory(self.memory_bytes)
        engine.hand(_ADAPT, _trusted_code(program.adapter))
        for text in program.modules.values():
            engine.hand(_OFFER, _trusted_code(text))
        if expects_intl:
            engine.hand(_EXPECT_INTL, _trusted_code(library.code()))
        if parts:
            engine.hand(_MAKE_WEB, _trusted_code(web.code(parts)))
        if self.suspends:
            brought = {
                "modules": list(program.modules),
                "packages": {
                    name: {"key": package.key, "trusted": package.trusted, "esModule": package.es_module}
                    for name, package in program.packages.items()
                },
                "globals": {name: structs.asdict(one) for name, one in program.package_globals.items()},
                "begun": begun,
            }
            status = self._turn(_BRING, _packed(brought))
            if status != LOADED:
                raise ValueError(status.payload.decode("utf-8", "replace") or status.tag)
        kind, _ = engine.take_layer(b"")
        self._kinds[key] = kind
        if len(self._kinds) > KINDS_KEPT:
            self._kinds.popitem(last=False)
        return kind

    def use(self, program: LoadedProgram) -> None:
        """Put a program in place for the runs that follow."""
        if program is not self._program:
            self._engine.use(program.layer)
            self._limit_memory(program.memory_bytes)
            self._program = program

    def _limit_memory(self, size: int) -> None:
        self._of_worker = size > self.memory_bytes
        self._engine.limit_memory(min(size, self.memory_bytes))

    def limit_time(self, seconds: float, wall_seconds: float = math.inf) -> None:
        """Processor time of all that follows, and time by the clock on the wall, until they are limited anew."""
        self._engine.limit_time(seconds, wall_seconds)

    def start(
        self,
        value: bytes,
        correlation_id: str,
        clock: float,
        entry: str = "main",
        bounds: RunBounds = BOUNDS,
        seed: int = 0,
        key: bytes = b"",
    ) -> Status:
        """Begin a run of the program in place with this MessagePack, which calls the function ``entry``.

        ``clock`` is its time, in milliseconds since 1970, and ``seed`` that of its random numbers, 64 bits: the same
        ones give the same run, and with a ``key`` of 32 bytes that is so for the random bytes of ``crypto`` too, by
        whichever engine.
        """
        if self._program is None or entry not in self._program.entries:
            error = json.dumps({"name": "Error", "message": f"no function {entry[:100]}"})
            return Status(Tag.THREW, False, False, error.encode())
        self._engine.begin(seed, clock, key)
        return self._turn(_START, value, correlation_id, clock, entry, *bounds)

    def take_out(self, most: int) -> int | None:
        """Take the run out as an image that is left to be written: its size; None where that is more than ``most``
        bytes. The run is lost then."""
        return self._engine.take_out(most)

    def write(self, into: memoryview, owner: bytes) -> None:
        """Write the image of the run that was taken out last, whose it is, to a place of its size."""
        self._engine.write(into, owner)

    def resume(self, image: bytes | memoryview, owner: bytes) -> None:
        """Have a run of the program in place go on. Raises ValueError for an image that is no such run's of this
        owner."""
        self._engine.put(image, owner)

    def fire(self, clock: float) -> Status:
        """Call the next timer that is due."""
        self._engine.set_clock(clock)
        return self._turn(_FIRE, clock)

    def settle(self, call_id: int, succeeded: bool, value: bytes, clock: float) -> Status:
        """Answer a host call: ``value`` is MessagePack, of the result or of an error's properties."""
        self._engine.set_clock(clock)
        return self._turn(_SETTLE, value, call_id, succeeded, clock)

    def poll(self, idle: bool) -> Status:
        """The status after jobs have run; ``idle`` says that none is left."""
        return self._turn(_POLL, idle)

    def run_jobs(self, most: int) -> int:
        """Run promise reactions, ``most`` of them; gives how many, 0 where there is none.

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

    def _turn(self, function: int, *arguments: str | float | bytes) -> Status:
        head, payload = self._engine.call(function, *arguments)
        known = _HEADS.get(head)
        if known is None:
            return Status(Tag.BROKEN, False, False, head.encode() + payload)
        if known[0] is Tag.OUT_OF_MEMORY and self._of_worker:
            payload = OF_WORKER
        return Status(*known, payload)


def _owner_of(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")


def _packed(value: Any) -> bytes:
    # Half of a surrogate pair in an author's text is a question mark, as on the link.
    packed: bytes = msgpack.packb(value, unicode_errors="replace")
    return packed
