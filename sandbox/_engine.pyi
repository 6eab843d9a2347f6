"""The JavaScript engine: native/engine, and what it lends our own JavaScript in it. No script reaches Python."""

from typing import Final, final

VERSION: Final[str]
"""Of the JavaScript engine that is loaded, ``0.17.0``."""

@final
class Engine:
    """A JavaScript runtime and context with our own JavaScript in it: bytecode of a function that is given ``read``,
    ``write`` and the like and gives an object of functions. Each is called by its place among the names ``functions``.

    Raises MemoryError where there is none for it, or it is other code. The memory at ``library_address`` is read by
    that function alone, and has to be there as long as the engine.
    """

    def __new__(
        cls,
        code: bytes,
        functions: tuple[str, ...],
        room_bytes: int,
        stack_bytes: int,
        library_address: int = 0,
        library_bytes: int = 0,
    ) -> Engine: ...
    def call(self, function: int, /, *arguments: str | float | bytes) -> tuple[str, bytes]:
        """Call a function. Bytes are MessagePack, of which there is one at most, and which is what ``read`` gives in
        the call.

        Gives what became of it: a tag of runtime/run.js and a digit, of which 1 says that there are lines to take and 2
        that there are host calls; and what belongs to the tag: text, or the result as MessagePack. Besides those that
        the runtime says, T is for processor time that has run out, with the stack, and M and B for an engine that has
        no memory or is broken. After such an end of a promise reaction every call says so.
        """
    def hand(self, function: int, code: bytes, /) -> None:
        """Call a function with the value that bytecode of ours gives. Raises ValueError where it throws."""
    def keep_package(self, key: str, text: str, /) -> None:
        """Keep a text for the runtime to evaluate by this key, unless it has one by that. It is compiled when the
        runtime first does, and its bytecode is in no heap, and so in no image."""
    def run_jobs(self, most: int, failed: int, /) -> int:
        """Run promise reactions until none is left or ``most`` have run. Gives how many. The function ``failed``
        is called with what one of them throws."""
    def take_lines(self) -> bytes:
        """The console lines that have come since, as MessagePack: ``[[level, text], ...]``."""
    def take_calls(self) -> bytes:
        """The host calls that have come since, as MessagePack: ``[[id, name, [argument, ...]], ...]``."""
    def take_rejections(self, function: int, /) -> list[bytes]:
        """Forget the rejections that nobody has heard of. Gives the texts that a function makes of their reasons."""
    def limit_time(self, seconds: float, wall_seconds: float = ..., /) -> None:
        """Interrupt whatever runs once this process has used so much more of the processor, or so much time is over."""
    def limit_memory(self, size: int, /) -> None:
        """Let the heap grow by no more than so many bytes beyond the base. Where it is full, whatever runs ends at
        once, with M."""
    def make_base(self, key: bytes, /) -> None:
        """Take what is in the engine now for what every program is loaded into. ``key``, of 16 bytes, seals the images:
        those of another engine are refused. Raises ValueError the second time."""
    def use(self, layer: object | None, /) -> None:
        """Have runs begin from a layer, or from the base. Raises ValueError for one of another engine."""
    def take_layer(self, owner: bytes, /) -> tuple[object, int]:
        """What differs from where runs begin as a layer on it, and the bytes that it takes; everything is set back to
        there. Images of runs that begin from a layer are of use with those of the same content and owner only. Raises
        ValueError where runs begin from a layer that was taken from another one itself."""
    def begin(self, seed: int, clock: float, key: bytes = b"", /) -> None:
        """Set everything back to where runs begin from, with a seed of 64 bits for random numbers and the time in
        milliseconds since 1970."""
    def take_out(self, most: int, /) -> int | None:
        """Take what differs from where runs begin as an image that is left to be written, and set everything back to
        there: its size; None where it would have more than ``most`` bytes."""
    def write(self, into: bytes | memoryview, owner: bytes, /) -> None:
        """Write the image that was taken last, to a place of its size. Raises ValueError for another one."""
    def put(self, image: bytes | memoryview, owner: bytes, /) -> None:
        """Have the run of an image go on. Raises ValueError for one that was not taken from where runs
        begin now, or is not the owner's, or damaged: everything is set back then."""
    def set_clock(self, clock: float, /) -> None:
        """Let the clock go on to this time, in milliseconds since 1970. It never goes back."""

    memory: Final[int]
    """Bytes of the heap, from its begin to the end of what is in use last."""
    pages_closed: Final[int]
    """How many pages of the heap are as where runs begin from, since none has written to them of late."""
    idle: Final[bool]
    """Whether no promise reaction is left to run."""
    unheard: Final[bool]
    """Whether a promise was rejected that nobody has waited for."""

def compile(text: str, /) -> bytes:  # noqa: A001
    """The script as bytecode, without its text and lines, for engines of this process. Raises ValueError for what is no
    script."""
