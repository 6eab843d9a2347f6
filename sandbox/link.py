"""The link between the daemon and a worker: MessagePack arrays on a stream socket, an operation first.

Each is built and read in `sandbox.messages_down` or `sandbox.messages_up`, and nowhere else is known what stands where
in it. Both ends are ours, but after a breakout the worker's may be a script's: what comes up from it is checked.
"""

from typing import Any, Final

import msgpack
import msgspec

MESSAGE_BYTES: Final = 256 * 1024 * 1024
"""The longest message either end accepts; a result, an input and a log all have lower caps of their own."""

NIL: Final = b"\xc0"
NO_CALLS: Final = b"\x90"
"""MessagePack of nothing, and of an empty list."""

EARLY_SHARE: Final = 0.05
EARLY_SECONDS: Final = 0.05
"""A run is interrupted by its processor time, which on a machine with other work is less than the time that passes."""

_encode: Final = msgspec.msgpack.Encoder().encode
"""Of a run of 2 KB 0.12 us, of which msgpack takes 0.33."""


def pack(message: list[Any]) -> bytes:
    """A message of either end. Half of a surrogate pair in a name must not cost the call: it arrives as a question
    mark."""
    try:
        return _encode(message)
    except UnicodeEncodeError:
        plain = msgspec.to_builtins(message, builtin_types=(bytes,))
        packed: bytes = msgpack.packb(plain, unicode_errors="replace")
        return packed


def interrupted_early(wall_seconds: float) -> float:
    """Seconds before its deadline at which the engine interrupts a run, so that it can be told where it was.

    The daemon answers at the deadline itself: of a run that is in a function of the language's own, or that has no
    processor in this time, nothing is told of where.
    """
    return min(wall_seconds * EARLY_SHARE, EARLY_SECONDS)
