"""What is run: one version of a script, its limits, and one invocation of it."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from sandbox.recording import Recording

_IDENTIFIER: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_RESERVED: Final = frozenset(
    """
    await break case catch class const continue debugger default delete do else enum export extends false finally for
    function if implements import in instanceof interface let new null package private protected public return static
    super switch this throw true try typeof var void while with yield
    """.split()  # noqa: SIM905 - a list literal is thirty lines
)
"""ECMA-262 12.7.2, the words of strict mode among them: a script may begin with it."""


class Form(StrEnum):
    """How a file is written, and with that how it is run."""

    SCRIPT = "script"
    """The body of a function, whose own functions are found by name."""
    MODULE = "module"
    """An ES module."""
    COMMON = "common"
    """The body of a function that sets ``module.exports``."""
    DATA = "data"
    """JSON."""


class SourceFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file beside a program's own that it imports or requires, be it by way of others."""

    text: str
    form: Form
    links: Mapping[str, str] = {}
    """The files that it means by names in quotes, the program's own as an empty text; any other name is a module of the
    host."""
    exports: tuple[str, ...] = ("default",)
    """The names that an ES module may import from a file that is none itself."""


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """A text that many programs share, and that each run evaluates for itself when it first asks for it: the body of a
    CommonJS function of ``require``, ``module``, ``exports``, ``__filename`` and ``__dirname``. Its ``require`` gives
    the other packages of its program, with or without ``node:`` before their names."""

    key: str
    """Names this text among all: a worker is sent it once, and compiles it once."""
    text: str
    trusted: bool = False
    """Whether it is ours, and may require what the runtime lends, ``scriptforge:runtime``."""
    es_module: bool = False
    """Whether it was made of an ES module: who imports its default is given ``module.exports.default``, and of any
    other ``module.exports`` itself, as by Node."""


class PackageGlobal(msgspec.Struct, frozen=True, kw_only=True):
    """What a name means that a program finds around it."""

    package: str
    property: str = ""
    """Of what the package exports; empty for all of it."""


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """One version of one script. Two versions never share a key.

    Raises ValueError for an entry that is not the name of a function, and for modules or files of a program that does
    not suspend.
    """

    key: str
    """Names this version among all; it is loaded once for all its runs."""
    name: str
    """The author's file name, as errors show it."""
    suspends: bool
    """Whether a run may wait: it has promises, timers, modules and host calls then."""
    text: str
    form: Form = Form.SCRIPT
    links: Mapping[str, str] = {}
    """As a `SourceFile` has them."""
    exports: tuple[str, ...] = ("default",)
    files: Mapping[str, SourceFile] = {}
    """The other files, by name."""
    adapter: str
    """Trusted JavaScript, an expression that gives ``{prepare, collect, caught}``; see runtime/run.js."""
    modules: Mapping[str, str] = msgspec.field(default_factory=dict)
    """What ``require`` gives, by name: trusted JavaScript, an expression that is a function of ``{ask, listen,
    digest}`` and gives the module's value. ``ask(name, ...values)`` is a host call ``<module>.<name>`` and gives a
    promise, and so does ``listen``, which is no call of the author's. Made once, before the author's text: each run
    begins with it as it was then."""
    packages: Mapping[str, Package] = {}
    """What ``require`` and ``import`` give besides files and modules, by name, and what those require in turn."""
    begun_packages: tuple[str, ...] = ()
    """Of them those that each run begins with: evaluated before, unless they look at the clock or draw random numbers
    meanwhile."""
    package_globals: Mapping[str, PackageGlobal] = {}
    """Names around the program's text that stand for a package, which is evaluated when one is first used."""
    entries: tuple[str, ...] = ("main",)
    """Names of the functions that an invocation may call: of a text that is a function's body its own, of another those
    that it exports."""
    environment: Mapping[str, str] = msgspec.field(default_factory=dict)
    """``process.env``."""
    memory_bytes: int = 100_000_000
    shared_memory: bool = True
    """Whether the limit holds for all runs of this program that wait at the same time together, or for each."""

    def __post_init__(self) -> None:
        for entry in self.entries:
            # These become part of what is compiled; ASCII, so that no two of them look alike.
            if _IDENTIFIER.fullmatch(entry) is None or entry in _RESERVED:
                raise ValueError(f"{entry[:100]!r} is not the name of a JavaScript function")
        if (self.modules or self.packages or self.files or self.form is not Form.SCRIPT) and not self.suspends:
            raise ValueError("a program that does not suspend has no modules")


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one run may use. Each has an outcome of its own, but for the log, which is cut."""

    wall_seconds: float = 2.0
    turn_seconds: float | None = None
    """Wall and processor time of one turn of a run that waits in between; None for the run's own limits."""
    cpu_seconds: float = 2.0
    result_bytes: int = 1_000_000
    """Bytes of the result as MessagePack."""
    log_bytes: int = 16_384
    """Characters of console output kept."""
    outbox_calls: int = 1_000
    """Host calls that have no answer."""
    outbox_bytes: int = 1_000_000
    """Bytes of the host calls that have no answer, as MessagePack, and 16 for each value in their arguments: read, an
    empty list takes sixty times as much of the host's memory."""
    jobs: int = 100_000_000
    """Promise reactions in one turn, of which the engine does 5,000,000 a second: processor time is what ends a loop of
    them, and says so."""

    @property
    def turn_wall_seconds(self) -> float:
        """Wall time of one turn."""
        return self.wall_seconds if self.turn_seconds is None else self.turn_seconds


class Invocation(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one program."""

    program: Program
    input: bytes
    """MessagePack, for the adapter's ``prepare``. A run throws where it is something that JSON cannot say, but for an
    integer past 2^53, which is the text of its digits, and a key that is a number."""
    limits: Limits
    entry: str = "main"
    """The function to call. A run whose program does not have it among its entries, or does not define it, throws."""
    customer: str = ""
    """For whom it runs: what a run of a program's waits in memory counts for the program and this customer."""
    correlation_id: str = ""
    """``process.env.CORRELATION_ID``: the call's own id."""
    seed: int | None = None
    """Of its random numbers, 64 bits; None for one that the pool draws. The same seed, clock and answers of its host
    give the same run."""
    random_key: bytes = b""
    """Of the random bytes of ``crypto``, 32 bytes of which nothing is known; empty for a secret of the workers' parent.
    What is recorded has one of its own."""
    clock: float | None = None
    """When it begins by its own clock, in milliseconds since 1970; None for now. The clock goes on from turn to turn,
    and in a turn by 50 nanoseconds each time that it is looked at."""
    clock_given: bool = False
    """Whether its time is its host's: its clock stands but for what the answers to its calls say, and no timer of the
    runtime's rings. It is not recorded."""
    recorded: bool = False
    """Whether its completion has a recording."""
    repeats: Recording | None = None
    """Have it go as that run went: by its seed and clock, each turn with what it began with then and at that time. Its
    host is asked nothing. Once a turn asks something else than it did, or the recording is at its end, the run is
    cancelled. It is recorded in any case; see `sandbox.repetition`."""
